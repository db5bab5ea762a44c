/* engine_poll.c - poll(2), for comparison: every turn hands the kernel every descriptor.
 *
 * Both arrays are indexed by the descriptor's number, so that nothing is searched; the kernel skips
 * lines whose fd is -1, which is also how a source without interest is kept silent (poll reports
 * hang-up whether asked or not).
 */
#include "base/array.h"
#include "base/cleanup.h"
#include "loop/loop.h"

#include <fcntl.h>
#include <poll.h>

struct poll_state {
    struct pollfd *lines;
    struct ferry_source **sources;
    size_t line_capacity, capacity; /* of `lines`; of both */
    int top;                        /* the highest watched descriptor + 1 */
    int start;                      /* where the next scan of the results begins */
};

static int poll_open(struct ferry_loop *loop)
{
    loop->engine_state = calloc(1, sizeof(struct poll_state));
    return loop->engine_state ? 0 : -ENOMEM;
}

static void poll_close(struct ferry_loop *loop)
{
    struct poll_state *state = loop->engine_state;
    free(state->lines);
    free(state->sources);
    free(TAKE(loop->engine_state));
}

static int poll_grow(struct poll_state *state, size_t fd)
{
    size_t before = state->capacity, wanted = before ? before : 64;
    if (fd < before)
        return 0;
    while (wanted <= fd)
        wanted *= 2;
    if (!array_grow(&state->lines, wanted, &state->line_capacity, sizeof(*state->lines)) ||
        !array_grow(&state->sources, wanted, &state->capacity, sizeof(struct ferry_source *)))
        return -ENOMEM;
    for (size_t i = before; i < wanted; i++) {
        state->lines[i] = (struct pollfd){ .fd = -1 };
        state->sources[i] = NULL;
    }
    return 0;
}

static void poll_change(struct ferry_loop *loop, struct ferry_source *source)
{
    struct poll_state *state = loop->engine_state;
    unsigned interest = source->interest;
    state->lines[source->fd] = (struct pollfd){
        .fd = interest ? source->fd : -1,
        .events = (short)((interest & FERRY_READABLE ? POLLIN : 0) |
                          (interest & FERRY_WRITABLE ? POLLOUT : 0)),
    };
}

static int poll_add(struct ferry_loop *loop, struct ferry_source *source)
{
    struct poll_state *state = loop->engine_state;
    if (fcntl(source->fd, F_GETFD) < 0)
        return -errno;
    int r = poll_grow(state, (size_t)source->fd);
    if (r < 0)
        return r;
    if (state->sources[source->fd])
        return -EEXIST;
    state->sources[source->fd] = source;
    poll_change(loop, source);
    if (state->top <= source->fd)
        state->top = source->fd + 1;
    return 0;
}

static void poll_remove(struct ferry_loop *loop, struct ferry_source *source)
{
    struct poll_state *state = loop->engine_state;
    state->sources[source->fd] = NULL;
    state->lines[source->fd].fd = -1;
    while (state->top > 0 && !state->sources[state->top - 1])
        state->top--;
}

/* Reports one line; a single-shot source is silent from here on. */
static struct ready poll_report(struct poll_state *state, int fd)
{
    struct ferry_source *source = state->sources[fd];
    short bits = state->lines[fd].revents;
    if (interest_is_single(source->interest))
        state->lines[fd].fd = -1;
    return (struct ready){
        .source = source,
        .events = (bits & POLLIN ? FERRY_READABLE : 0U) | (bits & POLLOUT ? FERRY_WRITABLE : 0U) |
                  (bits & (POLLHUP | POLLERR) ? FERRY_HANGUP : 0U),
    };
}

static int poll_turn(struct ferry_loop *loop, int timeout_ms)
{
    struct poll_state *state = loop->engine_state;
    int ready = poll(state->lines, (nfds_t)state->top, timeout_ms);
    if (ready < 0)
        return -errno;
    int count = 0;
    int fd = state->start;
    for (int i = 0; i < state->top && count < ready && count < LOOP_BATCH_COUNT; i++, fd++) {
        if (fd >= state->top)
            fd = 0;
        if (state->lines[fd].fd < 0 || !state->lines[fd].revents)
            continue;
        if (state->lines[fd].revents & POLLNVAL)
            return -EBADF;
        loop->batch[count++] = poll_report(state, fd);
    }
    state->start = fd;
    return count;
}

const struct engine engine_poll = {
    .open = poll_open,
    .close = poll_close,
    .add = poll_add,
    .change = poll_change,
    .remove = poll_remove,
    .wait = poll_turn,
};
