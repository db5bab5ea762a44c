/* handed.c - a descriptor beside each message, or the message in one. */
#include "command/bench/handed.h"
#include "base/cleanup.h"
#include "base/whole.h"
#include "memory/memfd.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

union one_descriptor {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

static ssize_t send_with(int socket_fd, const void *data, size_t size, int fd)
{
    union one_descriptor control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
                                         .cmsg_level = SOL_SOCKET,
                                         .cmsg_type = SCM_RIGHTS } };
    struct iovec part = { .iov_base = (void *)data, .iov_len = size };
    struct msghdr message = { .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control) };

    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    ssize_t sent = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
    return sent < 0 ? errno == ENOBUFS ? -EMSGSIZE : -errno : sent;
}

static ssize_t receive_with(int socket_fd, void *data, size_t size, int *ret_fd)
{
    union one_descriptor control;
    struct iovec part = { .iov_base = data, .iov_len = size };
    struct msghdr message = { .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control) };
    ssize_t received = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);

    if (received < 0)
        return -errno;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_len != CMSG_LEN(sizeof(int)))
        return received ? -EBADMSG : 0;
    memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
    return received;
}

/* --- beside it -------------------------------------------------------------------------------- */

/* The socket itself is at hand. */
ssize_t descriptor_send(struct bench_end *end, const void *data, size_t size)
{
    return send_with(end->send_fd, data, size, end->send_fd);
}

ssize_t descriptor_receive(struct bench_end *end, void *data, size_t size)
{
    AUTO_FD int fd = -1;
    return receive_with(end->receive_fd, data, size, &fd);
}

/* --- in it ------------------------------------------------------------------------------------ */

static int memfd_fill(const void *data, size_t size, int *ret_fd)
{
    AUTO_FD int fd = memfd_open("ferry-bench");

    if (fd < 0)
        return fd;
    int code = whole_write(fd, data, size);
    if (code == 0)
        code = memfd_freeze(fd);
    if (code < 0)
        return code;
    *ret_fd = fd_take(&fd);
    return 0;
}

/* Filled once, however often there is no room for it yet. */
ssize_t memfd_send(struct bench_end *end, const void *data, size_t size)
{
    uint64_t length = size;

    if (end->filled_fd < 0) {
        int code = memfd_fill(data, size, &end->filled_fd);
        if (code < 0)
            return code;
    }
    ssize_t sent = send_with(end->send_fd, &length, sizeof(length), end->filled_fd);
    if (sent < 0)
        return sent;
    fd_close(&end->filled_fd);
    return (ssize_t)size;
}

ssize_t memfd_receive(struct bench_end *end, void *data, size_t size)
{
    AUTO_FD int fd = -1;
    uint64_t length;
    ssize_t received = receive_with(end->receive_fd, &length, sizeof(length), &fd);

    if (received <= 0)
        return received;
    int seals = fcntl(fd, F_GET_SEALS);
    if (received != sizeof(length) || length != size || seals < 0 || !(seals & F_SEAL_WRITE) ||
        memfd_check(fd, size) < 0)
        return -EBADMSG;
    void *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    memcpy(data, memory, size < BENCH_LOOKED_AT ? size : BENCH_LOOKED_AT);
    munmap(memory, size);
    return (ssize_t)size;
}
