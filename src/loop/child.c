/* child.c - asking after a child by its pidfd. The bare pid is used once, to open the pidfd of a
 * child that is ours and not reaped yet, so that its number cannot have been given to another. */
#include "loop/child.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <assert.h>
#include <poll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

int child_open(pid_t pid, struct child *ret_child)
{
    AUTO_FD int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0)
        return errno == ESRCH || errno == EINVAL ? -ECHILD : -errno;
    siginfo_t info;
    if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return -errno; /* somebody else's child */
    *ret_child = (struct child){ pid, fd_take(&pidfd) };
    return 0;
}

void child_close(struct child *child)
{
    fd_close(&child->pidfd);
    child->pid = -1;
}

int child_try_reap(const struct child *child, int *ret_code, int *ret_status)
{
    assert(child->pidfd >= 0);
    siginfo_t info = { 0 };
    if (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) < 0)
        return -errno;
    if (info.si_pid == 0)
        return 0;
    *ret_code = info.si_code;
    *ret_status = info.si_status;
    return 1;
}

int child_wait(const struct child *child, int64_t deadline_ns, int *ret_code, int *ret_status)
{
    for (;;) {
        int reaped = child_try_reap(child, ret_code, ret_status);
        if (reaped != 0)
            return reaped;
        int64_t now_ns = clock_now_ns();
        if (now_ns >= deadline_ns)
            return -ETIMEDOUT;
        struct pollfd line = { .fd = child->pidfd, .events = POLLIN };
        if (poll(&line, 1, clock_poll_ms(deadline_ns, now_ns)) < 0 && errno != EINTR)
            return -errno;
    }
}

int child_signal(const struct child *child, int signal)
{
    assert(child->pidfd >= 0);
    return pidfd_send_signal(child->pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}
