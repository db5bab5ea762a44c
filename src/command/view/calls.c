/* calls.c - system calls that processes wait in. What an architecture lacks (aarch64 has no poll)
 * is left out there. */
#include "command/view/calls.h"
#include "base/cleanup.h"

#include <stddef.h>
#include <sys/syscall.h>

#define CALL(name, shape, meaning)                                                                 \
    {                                                                                              \
        SYS_##name, #name, shape, meaning                                                          \
    }

static const struct call calls[] = {
#ifdef SYS_poll
    CALL(poll, CALL_POLL, NULL),
    CALL(select, CALL_SELECT, NULL),
    CALL(epoll_wait, CALL_EPOLL, NULL),
    CALL(pause, CALL_PLAIN, "for a signal"),
    CALL(open, CALL_OPEN, NULL),
#endif
    CALL(ppoll, CALL_POLL, NULL),
    CALL(pselect6, CALL_SELECT, NULL),
    CALL(epoll_pwait, CALL_EPOLL, NULL),
#ifdef SYS_epoll_pwait2
    CALL(epoll_pwait2, CALL_EPOLL, NULL),
#endif
    CALL(read, CALL_FD, NULL),
    CALL(readv, CALL_FD, NULL),
    CALL(pread64, CALL_FD, NULL),
    CALL(preadv, CALL_FD, NULL),
    CALL(write, CALL_WRITE, NULL),
    CALL(writev, CALL_WRITE, NULL),
    CALL(pwrite64, CALL_WRITE, NULL),
    CALL(pwritev, CALL_WRITE, NULL),
    CALL(accept, CALL_FD, NULL),
    CALL(accept4, CALL_FD, NULL),
    CALL(connect, CALL_CONNECT, NULL),
    CALL(recvfrom, CALL_FD, NULL),
    CALL(recvmsg, CALL_FD, NULL),
    CALL(recvmmsg, CALL_FD, NULL),
    CALL(sendto, CALL_WRITE, NULL),
    CALL(sendmsg, CALL_WRITE, NULL),
    CALL(sendmmsg, CALL_WRITE, NULL),
    CALL(sendfile, CALL_WRITE, NULL),
    CALL(splice, CALL_FD, NULL),
    CALL(vmsplice, CALL_WRITE, NULL),
    CALL(tee, CALL_FD, NULL),
    CALL(close, CALL_FD, NULL),
    CALL(flock, CALL_FD, "a lock on a file"),
    CALL(fcntl, CALL_FD, "a lock on a file"),
    CALL(ioctl, CALL_FD, NULL),
    CALL(fsync, CALL_FD, "the disk"),
    CALL(fdatasync, CALL_FD, "the disk"),
    CALL(mq_timedsend, CALL_FD, NULL),
    CALL(mq_timedreceive, CALL_FD, NULL),
    CALL(openat, CALL_OPENAT, NULL),
    CALL(futex, CALL_PLAIN, "a lock, or another thread"),
    CALL(nanosleep, CALL_PLAIN, "it sleeps"),
    CALL(clock_nanosleep, CALL_PLAIN, "it sleeps"),
    CALL(wait4, CALL_PLAIN, "for a child to end"),
    CALL(waitid, CALL_PLAIN, "for a child to end"),
    CALL(rt_sigsuspend, CALL_PLAIN, "for a signal"),
    CALL(rt_sigtimedwait, CALL_PLAIN, "for a signal"),
    CALL(semop, CALL_PLAIN, "a semaphore"),
    CALL(semtimedop, CALL_PLAIN, "a semaphore"),
    CALL(msgrcv, CALL_PLAIN, "a System V queue"),
    CALL(msgsnd, CALL_PLAIN, "a System V queue"),
    /* Sleeps that a signal or a stop has interrupted. */
    CALL(restart_syscall, CALL_OPAQUE, "a wait that was interrupted, and goes on"),
    CALL(io_getevents, CALL_OPAQUE, NULL),
#ifdef SYS_io_uring_enter
    CALL(io_uring_enter, CALL_OPAQUE, "whatever it has submitted"),
#endif
#ifdef SYS_futex_waitv
    CALL(futex_waitv, CALL_PLAIN, "a lock, or another thread"),
#endif
};

const struct call *call_find(long number)
{
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        if (calls[i].number == number)
            return &calls[i];
    return NULL;
}
