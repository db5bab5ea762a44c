/* pipe_write.c - writing to a pipe whose reader may be gone.
 *
 * Sockets have MSG_NOSIGNAL; pipes had nothing until Linux 6.18 gave pwritev2(2) RWF_NOSIGNAL. On
 * older kernels the signal is blocked in this thread around the write and, if the write has raised
 * it, taken back: a write that fails with EPIPE raises SIGPIPE in the very thread that wrote. One
 * that was pending before is not ours and stays. Nothing of this touches the process's
 * dispositions.
 */
#include "transport/pipe_write.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

/* Not in Debian 12's headers. */
#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100
#endif

static ssize_t write_guarded(int fd, const struct iovec *buffers, int count)
{
    const struct timespec at_once = { 0 };
    sigset_t pipe_signal, before, pending;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    ssize_t size = writev(fd, buffers, count);
    int code = size < 0 ? -errno : 0;
    if (code == -EPIPE && !sigismember(&pending, SIGPIPE))
        while (sigtimedwait(&pipe_signal, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return size < 0 ? code : size;
}

ssize_t pipe_write(int fd, const struct iovec *buffers, size_t count)
{
    static atomic_bool unknown; /* to this kernel: RWF_NOSIGNAL */

    if (!atomic_load_explicit(&unknown, memory_order_relaxed)) {
        ssize_t size = pwritev2(fd, buffers, (int)count, -1, RWF_NOSIGNAL);
        if (size >= 0)
            return size;
        if (errno != EOPNOTSUPP && errno != ENOSYS)
            return -errno;
        atomic_store_explicit(&unknown, true, memory_order_relaxed);
    }
    return write_guarded(fd, buffers, (int)count);
}
