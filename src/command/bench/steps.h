/* steps.h - what single steps cost that daemons take often: a connection, a descriptor handed over.
 *
 * All within one process, so that nobody has to be woken: the kernel's work alone.
 */
#ifndef FERRY_COMMAND_BENCH_STEPS_H
#define FERRY_COMMAND_BENCH_STEPS_H

#include "command/bench/slices.h"

#include <stddef.h>
#include <stdint.h>

#define STEP_COUNT 9

struct step_figure {
    const char *name, *help;
    int code;                      /* -errno: it could not be taken */
    uint64_t steps;                /* of descriptors: so many descriptors */
    int64_t cpu_ns;                /* for all of them */
    double fastest_ns, slowest_ns; /* slice, a step */
};

/* All in turns: `rounds` slices of `span_ns` each, which are a part of the slices. Those
 * for which there was no time have -ETIME. */
void steps_run(int64_t span_ns, unsigned rounds, struct slices *slices,
    struct step_figure figures[STEP_COUNT]);

#endif
