/* ready.h - what it costs to be told that one of many descriptors is ready.
 *
 * One eventfd(2) is written, waited for and read again, while the others stay quiet.
 */
#ifndef FERRY_COMMAND_BENCH_READY_H
#define FERRY_COMMAND_BENCH_READY_H

#include "command/bench/slices.h"

#include <stddef.h>
#include <stdint.h>

enum ready_way {
    READY_SELECT,
    READY_POLL,
    READY_EPOLL,
    READY_EPOLL_EDGE,
    READY_URING,
    READY_WAY_COUNT
};

/* Descriptors that are watched, the one included. */
#define READY_STEP_COUNT 5
extern const size_t ready_steps[READY_STEP_COUNT];

struct ready_figure {
    int code; /* -EMFILE: not so many may be had here; -ENOPKG: not built in; another -errno */
    uint64_t events;
    int64_t cpu_ns;                /* of this process, for all of them */
    double fastest_ns, slowest_ns; /* slice, an event */
};

struct ready_result {
    struct ready_figure figures[READY_STEP_COUNT][READY_WAY_COUNT];
    struct ready_figure bare; /* written and read without waiting */
    size_t descriptors_max;   /* that one process may have */
};

/* "select", ... */
const char *ready_way_name(enum ready_way way);
/* How many steps of the slices a round is. */
#define READY_CASE_COUNT (READY_STEP_COUNT * READY_WAY_COUNT + 1)
/* All of them in turns: `rounds` slices of `span_ns` each. More descriptors than one process may
 * have are held by children, which have them watched by an epoll set that all share.
 * 0, -ENOMEM, -errno. */
int ready_run(
    int64_t span_ns, unsigned rounds, struct slices *slices, struct ready_result *ret_result);

#endif
