/* short.c - preloaded, lets every send of a stream, and every write, move one byte; or, where
 * FERRY_SHORT is "receive", every receive.
 *
 * The kernel may do so at any time. Messages are left whole, and so is what comes without bytes.
 */
#undef _FORTIFY_SOURCE /* which defines some of these in the headers */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PUBLIC      __attribute__((visibility("default")))
#define NEXT(name)  ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))
#define FIRST_OTHER 3 /* the descriptor behind standard error, where lines go whole */

static bool receives;

__attribute__((constructor)) static void begin(void)
{
    const char *what = getenv("FERRY_SHORT");
    receives = what && strcmp(what, "receive") == 0;
    unsetenv("LD_PRELOAD");
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/* The first byte of some buffers. */
static struct iovec first_byte(const struct iovec *buffers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (buffers[i].iov_len > 0)
            return (struct iovec){ buffers[i].iov_base, 1 };
    return (struct iovec){ NULL, 0 };
}

PUBLIC ssize_t sendmsg(int fd, const struct msghdr *header, int flags)
{
    struct msghdr cut = *header;
    struct iovec byte = first_byte(header->msg_iov, header->msg_iovlen);
    if (!receives && is_stream(fd) && byte.iov_len) {
        cut.msg_iov = &byte;
        cut.msg_iovlen = 1;
    }
    return NEXT(sendmsg)(fd, &cut, flags);
}

PUBLIC ssize_t recvmsg(int fd, struct msghdr *header, int flags)
{
    struct iovec *buffers = header->msg_iov;
    size_t count = header->msg_iovlen;
    struct iovec byte = first_byte(buffers, count);
    if (receives && is_stream(fd) && byte.iov_len) {
        header->msg_iov = &byte;
        header->msg_iovlen = 1;
    }
    ssize_t size = NEXT(recvmsg)(fd, header, flags);
    header->msg_iov = buffers;
    header->msg_iovlen = count;
    return size;
}

PUBLIC ssize_t recv(int fd, void *data, size_t size, int flags)
{
    return NEXT(recv)(fd, data, size && receives && is_stream(fd) ? 1 : size, flags);
}

PUBLIC ssize_t send(int fd, const void *data, size_t size, int flags)
{
    return NEXT(send)(fd, data, size && !receives && is_stream(fd) ? 1 : size, flags);
}

/* A pipe takes little whole or not at all, pipe(7); what has no type at all is an eventfd. */
static bool may_cut(int fd, size_t size)
{
    struct stat status;
    if (receives || fstat(fd, &status) < 0)
        return false;
    return S_ISREG(status.st_mode) || (S_ISFIFO(status.st_mode) && size > PIPE_BUF);
}

PUBLIC ssize_t write(int fd, const void *data, size_t size)
{
    return NEXT(write)(fd, data, fd >= FIRST_OTHER && size && may_cut(fd, size) ? 1 : size);
}

PUBLIC ssize_t writev(int fd, const struct iovec *buffers, int count)
{
    struct iovec byte = first_byte(buffers, (size_t)count);
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += buffers[i].iov_len;
    return byte.iov_len && may_cut(fd, size) ? NEXT(writev)(fd, &byte, 1)
                                             : NEXT(writev)(fd, buffers, count);
}

PUBLIC ssize_t sendfile(int to, int from, off_t *at, size_t size)
{
    return NEXT(sendfile)(to, from, at, size && !receives ? 1 : size);
}

PUBLIC ssize_t splice(
    int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned flags)
{
    return NEXT(splice)(
        from, from_at, to, to_at, size && is_stream(receives ? from : to) ? 1 : size, flags);
}
