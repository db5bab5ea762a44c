/* engine_select.c - select(2), for comparison: at most FD_SETSIZE descriptors.
 *
 * select says which descriptors to look at; what is there is asked of each ready one with poll(2),
 * because select does not know hang-up from end of file. Nor can it wait for a hang-up alone, so
 * while a source wants that the wait is cut into pieces of SELECT_HANGUP_MS and these are looked at
 * after each.
 */
#include "base/cleanup.h"
#include "loop/loop.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>

struct select_state {
    fd_set readable, writable, hangup; /* what is waited for */
    struct ferry_source *sources[FD_SETSIZE];
    int hangup_count; /* members of `hangup` */
    int top;          /* the highest watched descriptor + 1 */
    int start;        /* where the next scan of the results begins */
};

static int select_open(struct ferry_loop *loop)
{
    loop->engine_state = calloc(1, sizeof(struct select_state));
    return loop->engine_state ? 0 : -ENOMEM;
}

static void select_close(struct ferry_loop *loop)
{
    free(TAKE(loop->engine_state));
}

static void set_put(fd_set *set, int fd, bool member)
{
    if (member)
        FD_SET(fd, set);
    else
        FD_CLR(fd, set);
}

static void select_apply(struct select_state *state, int fd, unsigned interest)
{
    set_put(&state->readable, fd, interest & FERRY_READABLE);
    set_put(&state->writable, fd, interest & FERRY_WRITABLE);
    bool hangup = interest && !(interest & FERRY_BOTH);
    state->hangup_count += (int)hangup - (FD_ISSET(fd, &state->hangup) ? 1 : 0);
    set_put(&state->hangup, fd, hangup);
}

static void select_change(struct ferry_loop *loop, struct ferry_source *source)
{
    select_apply(loop->engine_state, source->fd, source->interest);
}

static int select_add(struct ferry_loop *loop, struct ferry_source *source)
{
    struct select_state *state = loop->engine_state;
    int fd = source->fd;
    if (fcntl(fd, F_GETFD) < 0)
        return -errno;
    if (fd >= FD_SETSIZE)
        return -EMFILE;
    if (state->sources[fd])
        return -EEXIST;
    state->sources[fd] = source;
    select_apply(state, fd, source->interest);
    if (state->top <= fd)
        state->top = fd + 1;
    return 0;
}

static void select_remove(struct ferry_loop *loop, struct ferry_source *source)
{
    struct select_state *state = loop->engine_state;
    select_apply(state, source->fd, 0);
    state->sources[source->fd] = NULL;
    while (state->top > 0 && !state->sources[state->top - 1])
        state->top--;
}

/* What is so of one descriptor now. */
static unsigned descriptor_look(int fd, unsigned interest)
{
    struct pollfd line = {
        .fd = fd,
        .events = (short)((interest & FERRY_READABLE ? POLLIN : 0) |
                          (interest & FERRY_WRITABLE ? POLLOUT : 0)),
    };
    if (poll(&line, 1, 0) <= 0)
        return 0;
    return (line.revents & POLLIN ? FERRY_READABLE : 0U) |
           (line.revents & POLLOUT ? FERRY_WRITABLE : 0U) |
           (line.revents & (POLLHUP | POLLERR) ? FERRY_HANGUP : 0U);
}

static int select_collect(struct ferry_loop *loop, const fd_set *readable, const fd_set *writable)
{
    struct select_state *state = loop->engine_state;
    int count = 0;
    int fd = state->start;
    for (int i = 0; i < state->top && count < LOOP_BATCH_COUNT; i++, fd++) {
        if (fd >= state->top)
            fd = 0;
        if (!FD_ISSET(fd, readable) && !FD_ISSET(fd, writable) && !FD_ISSET(fd, &state->hangup))
            continue;
        struct ferry_source *source = state->sources[fd];
        unsigned events = descriptor_look(fd, source->interest);
        if (!events)
            continue;
        if (interest_is_single(source->interest))
            select_apply(state, fd, 0);
        loop->batch[count++] = (struct ready){ source, events };
    }
    state->start = fd;
    return count;
}

static int select_turn(struct ferry_loop *loop, int timeout_ms)
{
    struct select_state *state = loop->engine_state;
    if (state->hangup_count > 0 && (timeout_ms < 0 || timeout_ms > SELECT_HANGUP_MS))
        timeout_ms = SELECT_HANGUP_MS;
    struct timeval timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
    fd_set readable = state->readable, writable = state->writable;
    int ready = select(state->top, &readable, &writable, NULL, timeout_ms < 0 ? NULL : &timeout);
    if (ready < 0)
        return -errno;
    if (ready == 0 && state->hangup_count == 0)
        return 0;
    return select_collect(loop, &readable, &writable);
}

const struct engine engine_select = {
    .open = select_open,
    .close = select_close,
    .add = select_add,
    .change = select_change,
    .remove = select_remove,
    .wait = select_turn,
};
