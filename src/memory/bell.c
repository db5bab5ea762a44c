/* bell.c - what one process wakes another with: a timer (timerfd_create(2)) that never runs out.
 *
 * A bell is an open file of both, and whoever wakes must not be held up by what the other does with
 * it. That rules out what comes to mind first:
 *   - an eventfd waits in write(2) when it is full, unless it is non-blocking, which is a flag of
 *     the open file: of both. To look at the flag first costs a call, and leaves a moment between.
 *   - a pipe can be opened anew, with flags of one's own, but its lock is everybody's, and is held
 *     while bytes are copied: who reads it into memory that a process of his provides (userfaultfd,
 *     FUSE) keeps every other that opens or writes it in a sleep that no signal ends.
 * A timer's ticks are set by ioctl(2) and taken by a read that is told not to wait (RWF_NOWAIT): no
 * flag of the file is asked, and its lock is held for a few instructions.
 */
#include "memory/bell.h"
#include "base/cleanup.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

/* Of linux/timerfd.h, which cannot stand beside sys/timerfd.h. */
#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

int bell_new(int *ret_fd)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

/* Of what an anonymous inode is, only its name tells: others can be set as well, to other ends, and
 * are readable for ever. */
bool bell_is(int fd)
{
    static const char wanted[] = "anon_inode:[timerfd]";
    char path[32], name[sizeof(wanted)];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return readlink(path, name, sizeof(name)) == sizeof(wanted) - 1 &&
           memcmp(name, wanted, sizeof(wanted) - 1) == 0;
}

void bell_ring(int fd)
{
    static const uint64_t once = 1;
    static const struct itimerspec long_ago = { .it_value.tv_nsec = 1 };

    if (ioctl(fd, TFD_IOC_SET_TICKS, &once) == 0)
        return;
    /* A kernel without CONFIG_CHECKPOINT_RESTORE, or a sandbox. It takes an interrupt, thus some
     * microseconds more. */
    timerfd_settime(fd, TFD_TIMER_ABSTIME, &long_ago, NULL);
}

bool bell_quiet(int fd)
{
    static const struct itimerspec never = { 0 };
    struct pollfd one = { .fd = fd, .events = POLLIN };
    uint64_t ticks;
    struct iovec buffer = { &ticks, sizeof(ticks) };

    ssize_t got = preadv2(fd, &buffer, 1, -1, RWF_NOWAIT);
    if (got >= 0 || errno == EAGAIN)
        return got > 0;
    /* Before Linux 6.10 a timer's read is not told so, and a sandbox may know no such call; set
     * anew, it has no ticks either. */
    if (poll(&one, 1, 0) != 1)
        return false;
    timerfd_settime(fd, 0, &never, NULL);
    return true;
}
