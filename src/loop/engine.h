/* engine.h - the system call that waits, behind one table.
 *
 * All engines keep the promises of epoll(7):
 *   - a single-shot source (interest_is_single) is silent after one report, hang-up included,
 *     until change() is called on it;
 *   - change() cannot fail: what can, fails in add();
 *   - when more is ready than fits the batch, the rest is reported first next time.
 */
#ifndef FERRY_LOOP_ENGINE_H
#define FERRY_LOOP_ENGINE_H

#include <stdbool.h>

struct ferry_loop;
struct ferry_source;

/* One line of loop->batch. */
struct ready {
    struct ferry_source *source;
    unsigned events; /* FERRY_READABLE, FERRY_WRITABLE, FERRY_HANGUP */
};

struct engine {
    bool has_edge; /* knows FERRY_EDGE */
    /* Sets loop->engine_state. */
    int (*open)(struct ferry_loop *loop);
    void (*close)(struct ferry_loop *loop);
    /* Begins to watch source->fd for source->interest, which may be 0. -EEXIST, -EBADF, -ENOMEM,
     * -EMFILE, -ENOSPC; -EPERM: this descriptor is always ready. */
    int (*add)(struct ferry_loop *loop, struct ferry_source *source);
    /* Makes source->interest known. */
    void (*change)(struct ferry_loop *loop, struct ferry_source *source);
    void (*remove)(struct ferry_loop *loop, struct ferry_source *source);
    /* Fills loop->batch. Returns how many, or -errno; -EINTR is retried by the caller. */
    int (*wait)(struct ferry_loop *loop, int timeout_ms);
};

extern const struct engine engine_epoll;
extern const struct engine engine_poll;
extern const struct engine engine_select;

#endif
