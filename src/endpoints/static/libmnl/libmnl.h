/* libmnl.h - in libmnl's place where everything is linked statically: the few functions of it that
 * the table of endpoints calls, by the same names. Debian has no static libmnl.
 *
 * Nothing is allocated but the socket. What the kernel sends is read within the sizes that it
 * states, and those are checked against what came, as libmnl does it.
 */
#ifndef FERRY_ENDPOINTS_STATIC_LIBMNL_H
#define FERRY_ENDPOINTS_STATIC_LIBMNL_H

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct mnl_socket {
    int fd;
};

static inline struct mnl_socket *mnl_socket_open2(int protocol, int flags)
{
    struct mnl_socket *one = malloc(sizeof(*one));
    if (!one)
        return NULL;
    one->fd = socket(AF_NETLINK, SOCK_RAW | flags, protocol);
    if (one->fd < 0) {
        free(one);
        return NULL;
    }
    return one;
}

static inline int mnl_socket_close(struct mnl_socket *one)
{
    int code = close(one->fd);
    free(one);
    return code;
}

static inline int mnl_socket_get_fd(const struct mnl_socket *one)
{
    return one->fd;
}

static inline ssize_t mnl_socket_sendto(const struct mnl_socket *one, const void *data, size_t size)
{
    const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    return sendto(one->fd, data, size, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
}

/* Fails with ENOSPC when the buffer was too small, and EINVAL when it was not the kernel's. */
static inline ssize_t mnl_socket_recvfrom(const struct mnl_socket *one, void *buffer, size_t size)
{
    struct sockaddr_nl sender = { 0 };
    struct iovec piece = { buffer, size };
    struct msghdr message = {
        .msg_name = &sender, .msg_namelen = sizeof(sender), .msg_iov = &piece, .msg_iovlen = 1
    };
    ssize_t received = recvmsg(one->fd, &message, 0);
    if (received < 0)
        return -1;
    errno = message.msg_flags & MSG_TRUNC ? ENOSPC : EINVAL;
    return message.msg_flags & MSG_TRUNC || message.msg_namelen != sizeof(sender) ? -1 : received;
}

static inline size_t mnl_nlmsg_size(size_t payload_size)
{
    return NLMSG_HDRLEN + payload_size;
}

static inline void *mnl_nlmsg_get_payload(const struct nlmsghdr *message)
{
    return (char *)message + NLMSG_HDRLEN;
}

static inline struct nlmsghdr *mnl_nlmsg_put_header(void *buffer)
{
    struct nlmsghdr *message = memset(buffer, 0, NLMSG_HDRLEN);
    message->nlmsg_len = NLMSG_HDRLEN;
    return message;
}

static inline void *mnl_nlmsg_put_extra_header(struct nlmsghdr *message, size_t size)
{
    char *end = (char *)message + message->nlmsg_len;
    message->nlmsg_len += (uint32_t)NLMSG_ALIGN(size);
    return memset(end, 0, NLMSG_ALIGN(size));
}

static inline bool mnl_nlmsg_ok(const struct nlmsghdr *message, int left)
{
    return left >= NLMSG_HDRLEN && message->nlmsg_len >= NLMSG_HDRLEN &&
           message->nlmsg_len <= (uint32_t)left;
}

static inline struct nlmsghdr *mnl_nlmsg_next(const struct nlmsghdr *message, int *left)
{
    *left -= (int)NLMSG_ALIGN(message->nlmsg_len);
    return (void *)((char *)message + NLMSG_ALIGN(message->nlmsg_len));
}

static inline unsigned mnl_attr_get_type(const struct nlattr *attribute)
{
    return attribute->nla_type & NLA_TYPE_MASK;
}

static inline uint16_t mnl_attr_get_payload_len(const struct nlattr *attribute)
{
    return (uint16_t)(attribute->nla_len - NLA_HDRLEN);
}

static inline void *mnl_attr_get_payload(const struct nlattr *attribute)
{
    return (char *)attribute + NLA_HDRLEN;
}

static inline bool mnl_attr_ok(const struct nlattr *attribute, ptrdiff_t left)
{
    return left >= NLA_HDRLEN && attribute->nla_len >= NLA_HDRLEN && attribute->nla_len <= left;
}

#define MNL_END(message)      ((const char *)(message) + (message)->nlmsg_len)
#define MNL_FIRST(message, n) ((const char *)(message) + NLMSG_HDRLEN + NLMSG_ALIGN(n))
#define MNL_NEXT(attribute)   ((const char *)(attribute) + NLA_ALIGN((attribute)->nla_len))

/* Every attribute of a message behind its first `size` bytes of payload. */
#define mnl_attr_for_each(attribute, message, size)                                                \
    for ((attribute) = (const void *)MNL_FIRST(message, size);                                     \
         mnl_attr_ok(attribute, MNL_END(message) - (const char *)(attribute));                     \
         (attribute) = (const void *)MNL_NEXT(attribute))

#endif
