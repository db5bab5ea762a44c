/* turn.c - a place that one link at a time has: a FIFO, a queue. */
#include "transport/turn.h"
#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

int turn_init(struct turn *turn)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd < 0)
        return -errno;
    *turn = TURN_NONE;
    turn->epoll_fd = fd;
    return 0;
}

void turn_fini(struct turn *turn)
{
    fd_close(&turn->epoll_fd);
    fd_close(&turn->token_fd);
    turn->watched_fd = -1;
}

static int turn_add(const struct turn *turn, int fd)
{
    struct epoll_event event = { .events = EPOLLIN };
    return epoll_ctl(turn->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void turn_drop(const struct turn *turn, int fd)
{
    if (fd >= 0)
        epoll_ctl(turn->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

bool turn_is_free(struct turn *turn)
{
    struct pollfd polled = { .fd = turn->token_fd };

    if (turn->token_fd < 0)
        return true;
    if (poll(&polled, 1, 0) <= 0)
        return false;
    turn_drop(turn, turn->token_fd);
    fd_close(&turn->token_fd);
    return true;
}

int turn_watch(struct turn *turn, int fd)
{
    assert(turn->token_fd < 0);
    int r = turn_add(turn, fd);
    if (r < 0)
        return r;
    turn_drop(turn, turn->watched_fd);
    turn->watched_fd = fd;
    return 0;
}

int turn_give(struct turn *turn, int *ret_token)
{
    int ends[2];

    assert(turn->token_fd < 0 && turn->watched_fd >= 0);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    int r = turn_add(turn, ends[0]);
    if (r < 0) {
        close(ends[0]);
        close(ends[1]);
        return r;
    }
    turn_drop(turn, turn->watched_fd);
    turn->watched_fd = -1;
    turn->token_fd = ends[0];
    *ret_token = ends[1];
    return 0;
}
