/* engine_epoll.c - epoll(7): the cost of a turn does not grow with idle descriptors.
 *
 * A source is registered from add() to remove(), with interest 0 too: then as EPOLLONESHOT for
 * nothing, where the kernel says at most once that the peer hung up and is silent thereafter. So a
 * change is always EPOLL_CTL_MOD, which needs no memory and cannot fail. EPOLL_CTL_DEL is issued at
 * once by remove(), because the caller may close the descriptor next; a descriptor closed before
 * that is the caller's error and asserted, since a registration whose descriptor is gone but whose
 * file is open elsewhere would fire for ever and could not be removed.
 *
 * The kernel puts a level-triggered descriptor that it has reported at the end of its ready list:
 * that is the rotation.
 */
#include "base/cleanup.h"
#include "loop/loop.h"

#include <sys/epoll.h>

struct epoll_state {
    int fd;
    struct epoll_event events[LOOP_BATCH_COUNT];
};

static int epoll_open(struct ferry_loop *loop)
{
    struct epoll_state *state = malloc(sizeof(*state));
    if (!state)
        return -ENOMEM;
    state->fd = epoll_create1(EPOLL_CLOEXEC);
    if (state->fd < 0) {
        free(state);
        return -errno;
    }
    loop->engine_state = state;
    return 0;
}

static void epoll_close(struct ferry_loop *loop)
{
    struct epoll_state *state = loop->engine_state;
    fd_close(&state->fd);
    free(TAKE(loop->engine_state));
}

static int epoll_control(struct ferry_loop *loop, int operation, struct ferry_source *source)
{
    struct epoll_state *state = loop->engine_state;
    unsigned interest = source->interest;
    struct epoll_event event = {
        .events = (interest & FERRY_READABLE ? EPOLLIN : 0) |
                  (interest & FERRY_WRITABLE ? EPOLLOUT : 0) |
                  (interest & FERRY_EDGE ? EPOLLET : 0) |
                  (interest_is_single(interest) ? EPOLLONESHOT : 0),
        .data.ptr = source,
    };
    return epoll_ctl(state->fd, operation, source->fd, &event) < 0 ? -errno : 0;
}

static int epoll_add(struct ferry_loop *loop, struct ferry_source *source)
{
    return epoll_control(loop, EPOLL_CTL_ADD, source);
}

static void epoll_change(struct ferry_loop *loop, struct ferry_source *source)
{
    int r = epoll_control(loop, EPOLL_CTL_MOD, source);
    assert(r == 0 && "a watched descriptor was closed");
    (void)r;
}

static void epoll_remove(struct ferry_loop *loop, struct ferry_source *source)
{
    int r = epoll_control(loop, EPOLL_CTL_DEL, source);
    assert(r == 0 && "a watched descriptor was closed before its source was removed");
    (void)r;
}

static int epoll_turn(struct ferry_loop *loop, int timeout_ms)
{
    struct epoll_state *state = loop->engine_state;
    int count = epoll_wait(state->fd, state->events, LOOP_BATCH_COUNT, timeout_ms);
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        uint32_t bits = state->events[i].events;
        loop->batch[i].source = state->events[i].data.ptr;
        loop->batch[i].events = (bits & EPOLLIN ? FERRY_READABLE : 0) |
                                (bits & EPOLLOUT ? FERRY_WRITABLE : 0) |
                                (bits & (EPOLLHUP | EPOLLERR) ? FERRY_HANGUP : 0);
    }
    return count;
}

const struct engine engine_epoll = {
    .has_edge = true,
    .open = epoll_open,
    .close = epoll_close,
    .add = epoll_add,
    .change = epoll_change,
    .remove = epoll_remove,
    .wait = epoll_turn,
};
