/* plain.c - links by read(2) and write(2): pipes, FIFOs, terminals, devices, files.
 *
 * A link owns its one or two descriptors and its state. Where others share the descriptors
 * (LINK_SHARED) O_NONBLOCK must stay as it is, so poll(2) is asked before each call and little is
 * written at once: a pipe that is writable has room for PIPE_BUF bytes, pipe(7). When another
 * process takes what poll(2) saw, the call waits; nothing short of a description of our own could
 * prevent that. A file and /dev/null never make their writer wait for a reader, and a socket can be
 * told not to: these take all at once.
 */
#include "transport/plain.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "transport/inbox.h"
#include "transport/limits.h"
#include "transport/outgoing.h"
#include "transport/pipe_write.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const struct link_ops plain_ops = {
    .send = plain_send, .receive = plain_receive, .shutdown = plain_shutdown, .close = plain_close
};

static enum plain_kind device_kind(int fd, dev_t number)
{
    if (number == makedev(1, 3))
        return PLAIN_NULL;
    return isatty(fd) ? PLAIN_TERMINAL : PLAIN_OTHER;
}

int plain_kind_of(int fd, enum plain_kind *ret_kind)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return -errno;
    switch (status.st_mode & S_IFMT) {
    case S_IFDIR:
        return -EISDIR;
    case S_IFREG:
    case S_IFBLK:
        *ret_kind = PLAIN_FILE;
        break;
    case S_IFIFO:
        *ret_kind = PLAIN_PIPE;
        break;
    case S_IFSOCK:
        *ret_kind = PLAIN_SOCKET;
        break;
    case S_IFCHR:
        *ret_kind = device_kind(fd, status.st_rdev);
        break;
    default:
        *ret_kind = PLAIN_OTHER;
    }
    return 0;
}

/* A datagram's boundary would be lost here. */
static int plain_end_kind(int fd, enum plain_kind *ret_kind)
{
    int type = SOCK_STREAM;
    socklen_t size = sizeof(type);

    if (fd < 0) {
        *ret_kind = PLAIN_NONE;
        return 0;
    }
    int r = plain_kind_of(fd, ret_kind);
    if (r == 0 && *ret_kind == PLAIN_SOCKET &&
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return -errno;
    return r == 0 && type != SOCK_STREAM ? -EPROTOTYPE : r;
}

static unsigned plain_capabilities(int receive_fd, int send_fd)
{
    unsigned capabilities = 0;

    if (receive_fd >= 0)
        capabilities |= FERRY_CAN_RECEIVE | FERRY_HAS_END;
    if (send_fd >= 0)
        capabilities |= FERRY_CAN_SEND;
    /* Sending ends by closing, which a descriptor that also receives must not be. */
    if (send_fd >= 0 && send_fd != receive_fd)
        capabilities |= FERRY_HAS_HALF_CLOSE;
    return capabilities;
}

int plain_fill(
    struct plain *plain, int receive_fd, int send_fd, unsigned flags, struct link *ret_link)
{
    struct plain kinds;

    int r = plain_end_kind(receive_fd, &kinds.receive);
    if (r == 0)
        r = plain_end_kind(send_fd, &kinds.send);
    if (r < 0)
        return r;
    if (kinds.receive == PLAIN_FILE)
        flags |= LINK_FILE;
    if (kinds.receive == PLAIN_PIPE)
        flags |= LINK_SPLICE_FROM;
    /* sendfile(2) into a pipe that blocks would block. */
    if (kinds.send == PLAIN_PIPE && !(flags & LINK_SHARED))
        flags |= LINK_SPLICE_TO;
    *plain = kinds;
    *ret_link = (struct link){ .ops = &plain_ops,
        .receive_fd = receive_fd,
        .send_fd = send_fd,
        .capabilities = plain_capabilities(receive_fd, send_fd),
        .flags = flags,
        .remaining = -1,
        .state = plain };
    return 0;
}

int plain_link(int receive_fd, int send_fd, unsigned flags, struct link *ret_link)
{
    AUTO_FD int receiving = receive_fd;
    AUTO_FD int sending = send_fd == receive_fd ? -1 : send_fd;
    AUTO_FREE struct plain *plain = malloc(sizeof(*plain));

    int r = plain ? plain_fill(plain, receive_fd, send_fd, flags, ret_link) : -ENOMEM;
    if (r < 0)
        return r;
    plain = NULL;
    receiving = sending = -1;
    return 0;
}

/* --- operations ------------------------------------------------------------------------------- */

static bool is_ready(int fd, short events)
{
    struct pollfd polled = { .fd = fd, .events = events };
    return poll(&polled, 1, 0) > 0;
}

/* One write. -EAGAIN: not now. */
static ssize_t plain_write(const struct link *link, const struct iovec *buffers, size_t count)
{
    const struct plain *plain = link->state;
    struct msghdr header = { .msg_iov = (struct iovec *)(uintptr_t)buffers, .msg_iovlen = count };
    ssize_t size;

    if (plain->send == PLAIN_PIPE)
        return pipe_write(link->send_fd, buffers, count);
    if (plain->send == PLAIN_SOCKET)
        size = sendmsg(link->send_fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        size = writev(link->send_fd, buffers, (int)count);
    return size < 0 ? -errno : size;
}

/* Whether a write might wait for somebody to read. */
static bool may_wait(const struct link *link)
{
    const struct plain *plain = link->state;
    return (link->flags & LINK_SHARED) && plain->send != PLAIN_FILE && plain->send != PLAIN_NULL &&
           plain->send != PLAIN_SOCKET;
}

/* Sends once from the front of the batch.
 *   ret_full  nothing more goes now
 * Returns how many outgoings that completed, or -errno. */
static int send_once(struct link *link, struct ferry_outgoing *batch, size_t count, bool *ret_full)
{
    struct iovec buffers[PLAIN_BUFFERS_MAX];
    bool careful = may_wait(link);
    size_t offered, limit = careful ? PIPE_BUF : SIZE_MAX;
    ssize_t sent = 0;

    size_t filled = outgoing_gather(batch, count, limit, buffers, COUNT_OF(buffers), &offered);
    if (offered > 0) {
        if (careful && !is_ready(link->send_fd, POLLOUT))
            return -EAGAIN;
        do
            sent = plain_write(link, buffers, filled);
        while (sent == -EINTR);
        if (sent < 0)
            return (int)sent;
    }
    *ret_full = (size_t)sent < offered;
    return (int)outgoing_book(batch, count, (size_t)sent);
}

int plain_send(struct link *link, struct ferry_outgoing *batch, size_t count)
{
    size_t done = 0;
    bool full = false;

    if (link->send_fd < 0)
        return -EPIPE;
    while (done < count && batch[done].complete)
        done++;
    while (done < count && !full) {
        if (batch[done].descriptor_count > 0)
            return done > 0 ? (int)done : -EOPNOTSUPP;
        int r = send_once(link, batch + done, count - done, &full);
        if (r < 0)
            return done > 0 ? (int)done : r;
        done += (size_t)r;
    }
    return done > 0 ? (int)done : -EAGAIN;
}

static ssize_t plain_read(const struct link *link, void *data, size_t size)
{
    const struct plain *plain = link->state;
    ssize_t got;

    do
        got = plain->receive == PLAIN_SOCKET ? recv(link->receive_fd, data, size, MSG_DONTWAIT)
                                             : read(link->receive_fd, data, size);
    while (got < 0 && errno == EINTR);
    if (got >= 0)
        return got;
    /* A terminal whose other end has hung up. */
    return errno == EIO && plain->receive == PLAIN_TERMINAL ? 0 : -errno;
}

int plain_receive(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    const struct iovec *room = &inbox->slots[0].buffer;
    size_t wanted = room->iov_len;

    (void)count;
    if (link->remaining >= 0 && (uint64_t)link->remaining < wanted)
        wanted = (size_t)link->remaining;
    if (wanted == 0)
        return 0;
    if ((link->flags & LINK_SHARED) && !is_ready(link->receive_fd, POLLIN))
        return -EAGAIN;
    ssize_t size = plain_read(link, room->iov_base, wanted);
    if (size <= 0)
        return (int)size;
    if (link->remaining >= 0)
        link->remaining -= size;
    batch[0] = (struct ferry_message){
        .data = room->iov_base, .size = (size_t)size, .descriptors = inbox->slots[0].descriptors
    };
    return 1;
}

/* Who watches the descriptor must let go of it before it is closed: an epoll would go on reporting
 * a description that somebody else has open too, and could not be told to stop. */
int plain_shutdown(struct link *link)
{
    int fd = fd_take(&link->send_fd);

    if (link->on_change)
        link->on_change(link->on_change_data);
    fd_close(&fd);
    return 0;
}

void plain_close(struct link *link)
{
    if (link->send_fd == link->receive_fd)
        link->send_fd = -1;
    fd_close(&link->receive_fd);
    fd_close(&link->send_fd);
    free(TAKE(link->state));
}
