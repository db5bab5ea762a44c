/* pipe_write.h - writing to a pipe whose reader may be gone. */
#ifndef FERRY_TRANSPORT_PIPE_WRITE_H
#define FERRY_TRANSPORT_PIPE_WRITE_H

#include <sys/types.h>
#include <sys/uio.h>

/* writev(2) that never raises SIGPIPE, whatever the process does with that signal.
 * Returns the bytes written, or -errno (-EPIPE: nobody reads any more). */
ssize_t pipe_write(int fd, const struct iovec *buffers, size_t count);

#endif
