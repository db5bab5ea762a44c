/* socket.c - sockets that are connected, and sockets that listen, of every family.
 *
 * A link owns its descriptor. Three tables of operations tell the kinds apart: streams that carry
 * bytes alone (recv(2), which also discards descriptors that are not wanted), unix streams, and
 * whole messages. What every accepted socket has in common is worked out once, when listening
 * starts, and options that the kernel lets a connection inherit are set there, so that accepting
 * costs one system call.
 */
#include "transport/socket.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "transport/segments.h"
#include "transport/socket_options.h"
#include "transport/unix_path.h"
#include "transport/zero_copy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

/* --- links ------------------------------------------------------------------------------------ */

static int message_send(struct link *link, struct ferry_outgoing *batch, size_t count)
{
    return socket_send_messages(link, NULL, 0, batch, count);
}

static int socket_shutdown(struct link *link)
{
    return shutdown(link->send_fd, SHUT_WR) < 0 ? -errno : 0;
}

/* The peer's next send is EPIPE, as if it sent to a process that is gone. A datagram socket would
 * not tell its own end. */
static bool unix_stop_receiving(struct link *link)
{
    bool ends = link->capabilities & FERRY_HAS_END;
    if (ends)
        (void)shutdown(link->receive_fd, SHUT_RD);
    return ends;
}

/* What others share they close in their own way. */
static void socket_unlinger(struct link *link)
{
    static const struct linger none;
    if (link->flags & LINK_LINGERS && !(link->flags & LINK_SHARED))
        setsockopt(link->send_fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

static void socket_close(struct link *link)
{
    unix_path_remove(TAKE(link->path)); /* while the socket lives */
    socket_unlinger(link);
    if (link->flags & LINK_ZERO_COPY)
        zero_copy_end(link);
    fd_close(&link->receive_fd);
    link->send_fd = -1;
    free(TAKE(link->state));
}

static bool message_pending(const struct link *link)
{
    const struct socket_losses *losses = link->state;
    return losses->count > 0;
}

static void socket_peer(const struct link *link, char *text, size_t size)
{
    struct sockaddr_storage address;
    socklen_t address_size = sizeof(address);
    int type;
    socklen_t type_size = sizeof(type);

    text[0] = '\0';
    if (getpeername(link->receive_fd, (struct sockaddr *)&address, &address_size) == 0 &&
        getsockopt(link->receive_fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0)
        socket_address_text(&address, address_size, type, text, size);
}

static int socket_connected(struct link *link);

static const struct link_ops bytes_ops = { .send = socket_send_stream,
    .receive = socket_receive_bytes,
    .shutdown = socket_shutdown,
    .close = socket_close,
    .peer = socket_peer,
    .identity = socket_identity_inet };

static const struct link_ops connecting_ops = { .send = socket_send_stream,
    .receive = socket_receive_bytes,
    .shutdown = socket_shutdown,
    .close = socket_close,
    .connected = socket_connected,
    .peer = socket_peer,
    .identity = socket_identity_inet };

/* A unix stream that receives no descriptors. */
static const struct link_ops unix_bytes_ops = { .send = socket_send_stream,
    .receive = socket_receive_bytes,
    .shutdown = socket_shutdown,
    .stop_receiving = unix_stop_receiving,
    .close = socket_close,
    .peer = socket_peer,
    .identity = socket_identity };

static const struct link_ops unix_stream_ops = { .send = socket_send_stream,
    .receive = socket_receive_stream,
    .shutdown = socket_shutdown,
    .stop_receiving = unix_stop_receiving,
    .close = socket_close,
    .peer = socket_peer,
    .identity = socket_identity };

static const struct link_ops unix_message_ops = { .send = message_send,
    .receive = socket_receive_messages,
    .shutdown = socket_shutdown,
    .stop_receiving = unix_stop_receiving,
    .close = socket_close,
    .pending = message_pending,
    .peer = socket_peer,
    .identity = socket_identity };

static const struct link_ops inet_message_ops = { .send = message_send,
    .receive = socket_receive_messages,
    .shutdown = socket_shutdown,
    .close = socket_close,
    .pending = message_pending,
    .peer = socket_peer,
    .identity = socket_identity_inet };

/* connect(2) in progress: writable once it is decided. */
static int socket_connected(struct link *link)
{
    struct pollfd polled = { .fd = link->send_fd, .events = POLLOUT };
    int code = 0;
    socklen_t size = sizeof(code);

    if (poll(&polled, 1, 0) == 0)
        return -EAGAIN;
    if (getsockopt(link->send_fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
        return -errno;
    if (code != 0)
        return -code;
    link->ops = &bytes_ops;
    return 0;
}

int socket_kind(int fd, int *ret_family, int *ret_type)
{
    int family, type;
    socklen_t size = sizeof(int);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return -errno;
    *ret_family = family;
    *ret_type = type;
    return 0;
}

int socket_prepare(int fd, int family, int type, bool refuse_descriptors, bool *ret_refused)
{
    const int on = 1, off = 0;
    bool refused = false;

    if (family == AF_UNIX) {
        if (refuse_descriptors)
            refused = setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) == 0;
        if (type != SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
            return -errno;
    } else if (type == SOCK_STREAM) {
        /* A socket that does not know the option is not TCP, and works without. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    *ret_refused = refused;
    return 0;
}

static unsigned socket_capabilities(int family, int type, bool refuse_descriptors)
{
    unsigned capabilities = FERRY_CAN_SEND | FERRY_CAN_RECEIVE;

    if (type != SOCK_STREAM)
        capabilities |= FERRY_HAS_BOUNDARIES;
    if (type != SOCK_DGRAM)
        capabilities |= FERRY_HAS_HALF_CLOSE | FERRY_HAS_END;
    if (family == AF_UNIX)
        capabilities |= FERRY_HAS_IDENTITY | (refuse_descriptors ? 0 : FERRY_HAS_DESCRIPTORS);
    if (family == AF_INET || family == AF_INET6)
        capabilities |= FERRY_HAS_HOST;
    return capabilities;
}

static const struct link_ops *socket_ops(int family, int type, bool refuse_descriptors)
{
    if (type != SOCK_STREAM)
        return family == AF_UNIX ? &unix_message_ops : &inet_message_ops;
    if (family != AF_UNIX)
        return &bytes_ops;
    return refuse_descriptors ? &unix_bytes_ops : &unix_stream_ops;
}

/* A link of this kind of socket, without its descriptor and state.
 *   refused  the kernel keeps descriptors away: splice(2) cannot lose any */
static struct link link_template(int family, int type, bool refuse_descriptors, bool refused)
{
    struct link link = { .ops = socket_ops(family, type, refuse_descriptors),
        .receive_fd = -1,
        .send_fd = -1,
        .capabilities = socket_capabilities(family, type, refuse_descriptors),
        .remaining = -1 };

    if (type == SOCK_STREAM || type == SOCK_SEQPACKET)
        link.flags = LINK_WHOLE;
    if (type == SOCK_STREAM) {
        link.flags |= LINK_SPLICE_TO;
        if (family != AF_UNIX || refused)
            link.flags |= LINK_SPLICE_FROM;
        if (family != AF_UNIX)
            link.flags |= LINK_DRAIN;
    }
    return link;
}

/* Gives a template its descriptor (taken) and state. */
static int link_complete(struct link *link, int fd)
{
    AUTO_FD int owned = fd;

    if (link->capabilities & FERRY_HAS_BOUNDARIES) {
        link->state = calloc(1, sizeof(struct socket_losses));
        if (!link->state)
            return -ENOMEM;
    }
    link->receive_fd = link->send_fd = fd_take(&owned);
    return 0;
}

int socket_link(int fd, bool connecting, bool refuse_descriptors, struct link *ret_link)
{
    AUTO_FD int owned = fd;
    int family, type;
    bool refused;

    int r = socket_kind(fd, &family, &type);
    if (r < 0)
        return r;
    r = socket_prepare(fd, family, type, refuse_descriptors, &refused);
    if (r < 0)
        return r;
    struct link link = link_template(family, type, refuse_descriptors, refused);
    if (type == SOCK_DGRAM)
        link.segment_max = segments_most(owned, family);
    if (connecting && link.ops == &bytes_ops)
        link.ops = &connecting_ops;
    r = link_complete(&link, fd_take(&owned));
    if (r == 0)
        *ret_link = link;
    return r;
}

/* --- listening -------------------------------------------------------------------------------- */

void listening_fini(struct listening *listening)
{
    unix_path_remove(TAKE(listening->path)); /* while the socket lives */
    fd_close(&listening->fd);
    ferry_address_free(TAKE(listening->bound));
}

/* accept(2): errors of the connection that was to be accepted, not of the listening socket. */
static bool is_accept_skip(int code)
{
    switch (code) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM: /* a firewall's rule */
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

/* What is worked out once for all that will be accepted. */
struct accepting {
    struct link template; /* without its descriptor and state */
    struct accept_options options;
};

int socket_accept(struct listening *listening, struct link *ret_link)
{
    const struct accepting *accepting = listening->state;

    for (unsigned skips = 0; skips < ACCEPT_SKIPS_MAX; skips++) {
        int fd = accept4(listening->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && is_accept_skip(errno))
            continue;
        if (fd < 0)
            return -errno;
        accept_options_apply(&accepting->options, fd);
        struct link link = accepting->template;
        int r = link_complete(&link, fd);
        if (r == 0)
            *ret_link = link;
        return r;
    }
    return -EAGAIN;
}

void socket_listening_close(struct listening *listening)
{
    listening_fini(listening);
    free(TAKE(listening->state));
}

int socket_listening_socket(const struct listening *listening)
{
    return listening->fd;
}

static const struct listening_ops socket_listening_ops = {
    .accept = socket_accept, .close = socket_listening_close, .socket = socket_listening_socket
};

int listening_apply_options(struct listening *listening, unsigned moments,
    const struct option_source *source, struct ferry_error *error)
{
    int fd = listening_socket(listening);

    int r = socket_options_apply(fd, moments, source, error);
    if (r < 0 || listening->ops != &socket_listening_ops)
        return r;
    struct accepting *accepting = listening->state;
    accept_options_make(fd, source, &accepting->options);
    accepting->template.flags |= options_link_flags(fd, source);
    return 0;
}

int socket_listening(
    int fd, struct ferry_address *bound, bool refuse_descriptors, struct listening *ret_listening)
{
    struct listening listening = { .ops = &socket_listening_ops,
        .fd = fd,
        .refuse_descriptors = refuse_descriptors,
        .bound = bound };
    AUTO_FREE struct accepting *accepting = calloc(1, sizeof(*accepting));
    int family, type;
    bool refused;

    int r = accepting ? socket_kind(fd, &family, &type) : -ENOMEM;
    if (r == 0)
        r = socket_prepare(fd, family, type, refuse_descriptors, &refused);
    if (r < 0) {
        listening_fini(&listening);
        return r;
    }
    accepting->template = link_template(family, type, refuse_descriptors, refused);
    listening.capabilities = accepting->template.capabilities;
    listening.state = TAKE(accepting);
    *ret_listening = listening;
    return 0;
}

/* --- addresses as text ------------------------------------------------------------------------ */

static void unix_text(
    const struct sockaddr_un *address, size_t size, int type, char *text, size_t room)
{
    const char *scheme = type == SOCK_DGRAM       ? "unix-dgram"
                         : type == SOCK_SEQPACKET ? "unix-seq"
                                                  : "unix";
    char name[4 * sizeof(address->sun_path) + 1];
    size_t name_size = size - offsetof(struct sockaddr_un, sun_path);
    bool abstract = address->sun_path[0] == '\0';

    if (!abstract)
        name_size = strnlen(address->sun_path, name_size);
    text_escape(address->sun_path + abstract, name_size - (size_t)abstract, name, sizeof(name));
    snprintf(text, room, "%s:%s%s", scheme, abstract ? "@" : "", name);
}

static void inet6_text(
    const struct sockaddr_in6 *address, const char *scheme, char *text, size_t room)
{
    char host[INET6_ADDRSTRLEN], zone[IF_NAMESIZE];

    /* A client of a dual-stack socket that came by IPv4. */
    if (IN6_IS_ADDR_V4MAPPED(&address->sin6_addr)) {
        inet_ntop(AF_INET, &address->sin6_addr.s6_addr[12], host, sizeof(host));
        snprintf(text, room, "%s:%s:%u", scheme, host, ntohs(address->sin6_port));
        return;
    }
    inet_ntop(AF_INET6, &address->sin6_addr, host, sizeof(host));
    bool zoned = address->sin6_scope_id && if_indextoname(address->sin6_scope_id, zone);
    snprintf(text, room, "%s:[%s%s%s]:%u", scheme, host, zoned ? "%" : "", zoned ? zone : "",
        ntohs(address->sin6_port));
}

void socket_address_text(const void *address, unsigned size, int type, char *text, size_t room)
{
    const char *scheme = type == SOCK_DGRAM ? "udp" : "tcp";
    char host[INET_ADDRSTRLEN];
    sa_family_t family = AF_UNSPEC;

    text[0] = '\0';
    if (size >= sizeof(family))
        memcpy(&family, address, sizeof(family));
    if (family == AF_UNIX && size > offsetof(struct sockaddr_un, sun_path)) {
        unix_text(address, size, type, text, room);
    } else if (family == AF_INET && size >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *inet = address;
        inet_ntop(AF_INET, &inet->sin_addr, host, sizeof(host));
        snprintf(text, room, "%s:%s:%u", scheme, host, ntohs(inet->sin_port));
    } else if (family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
        inet6_text(address, scheme, text, room);
    }
}
