/* resume.c - sockets that have been ours before, in a process that is gone: whoever started us kept
 * them open meanwhile and passed them back.
 *
 * What comes back is only believed after the kernel has confirmed it: kind, state, and for a
 * listening that it is still bound where the address says. Of a path that takes the kernel's list
 * of sockets (sock_diag(7)), because a socket does not tell which file is its own, and another may
 * have been put in its place.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "transport/socket.h"
#include "transport/socket_options.h"
#include "transport/unix_path.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

union name {
    struct sockaddr any;
    struct sockaddr_un local;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static int resume_failed(
    const struct ferry_address *address, int code, const char *reason, struct ferry_error *error)
{
    return error_set(error, code, ferry_address_text(address), NULL, "%s", reason);
}

/* Whether the socket is what this scheme makes. fd: says nothing about its kind. */
static bool kind_fits(const struct ferry_address *address, int family, int type)
{
    bool inet = family == AF_INET || family == AF_INET6;

    switch (address->scheme) {
    case FERRY_UNIX:
        return family == AF_UNIX && type == SOCK_STREAM;
    case FERRY_UNIX_SEQ:
    case FERRY_AUTO:
        return family == AF_UNIX && type == SOCK_SEQPACKET;
    case FERRY_UNIX_DGRAM:
        return family == AF_UNIX && type == SOCK_DGRAM;
    case FERRY_TCP:
        return inet && type == SOCK_STREAM;
    case FERRY_UDP:
        return inet && type == SOCK_DGRAM;
    case FERRY_FD:
        return family == AF_UNIX || inet;
    default:
        return false;
    }
}

/* The kind of the socket, if it fits and is ours to use; makes it non-blocking. */
static int kind_take(
    int fd, const struct ferry_address *address, int *ret_type, struct ferry_error *error)
{
    int family, r = socket_kind(fd, &family, ret_type);

    if (r < 0)
        return error_set_errno(error, r, ferry_address_text(address), NULL);
    if (!kind_fits(address, family, *ret_type))
        return resume_failed(address, -EPROTOTYPE, "the socket that was kept is no such", error);
    r = fd_set_nonblocking(fd);
    return r < 0 ? error_set_errno(error, r, ferry_address_text(address), NULL) : 0;
}

/* The target of an earlier life may have taken no descriptors, so that the kernel refuses them. */
static void descriptors_allow(int fd, bool refuse)
{
    const int on = 1;
    if (!refuse)
        setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof(on));
}

int resume_link(int fd, const struct option_source *source, bool refuse_descriptors,
    struct link *ret_link, struct ferry_error *error)
{
    const struct ferry_address *address = source->address;
    AUTO_FD int owned = fd;
    union name peer;
    socklen_t size = sizeof(peer);
    int type;

    int r = kind_take(fd, address, &type, error);
    if (r < 0)
        return r;
    if (type == SOCK_DGRAM || getpeername(fd, &peer.any, &size) < 0)
        return resume_failed(
            address, -ENOTCONN, "the socket that was kept is not connected", error);
    r = socket_link(
        fd_take(&owned), false, refuse_descriptors && address->scheme != FERRY_AUTO, ret_link);
    if (r < 0)
        return error_set_errno(error, r, ferry_address_text(address), NULL);
    ret_link->flags |= options_link_flags(fd, source);
    if (address->scheme == FERRY_AUTO)
        r = auto_link(address, source->verb == ADDRESS_DIAL, refuse_descriptors, ret_link);
    return r < 0 ? error_set_errno(error, r, ferry_address_text(address), NULL) : 0;
}

/* --- listening -------------------------------------------------------------------------------- */

static bool abstract_fits(const struct ferry_address *address, const union name *name, size_t size)
{
    size_t head = offsetof(struct sockaddr_un, sun_path) + 1;
    return size == head + address->rest_size && name->local.sun_path[0] == '\0' &&
           memcmp(name->local.sun_path + 1, address->rest, address->rest_size) == 0;
}

/* A host that is a name may have become another number since: its port has to do. */
static bool inet_fits(const struct ferry_address *address, const union name *name)
{
    const char *host = address->rest[0] ? address->rest : "127.0.0.1";
    bool six = name->any.sa_family == AF_INET6;
    uint16_t port = ntohs(six ? name->in6.sin6_port : name->in.sin_port);
    struct in_addr in;
    struct in6_addr in6;
    size_t length = strcspn(host, "%");
    char number[INET6_ADDRSTRLEN] = "";

    if (address->port && address->port != port)
        return false;
    if (strcmp(host, "*") == 0)
        return six ? IN6_IS_ADDR_UNSPECIFIED(&name->in6.sin6_addr)
                   : name->in.sin_addr.s_addr == htonl(INADDR_ANY);
    if (length < sizeof(number))
        memcpy(number, host, length);
    if (inet_pton(AF_INET, number, &in) == 1)
        return !six && in.s_addr == name->in.sin_addr.s_addr;
    if (inet_pton(AF_INET6, number, &in6) == 1)
        return six && IN6_ARE_ADDR_EQUAL(&in6, &name->in6.sin6_addr);
    return true;
}

/* Whether the socket is bound where the address says.
 *   ret_path  of a path socket: what it is to remove in the end */
static int place_check(int fd, const struct ferry_address *address, int type,
    struct unix_path **ret_path, struct ferry_error *error)
{
    static const char elsewhere[] = "the socket that was kept is bound elsewhere";
    struct unix_path_options options = {
        .thing = ferry_address_text(address), .type = type, .backlog = -1
    };
    union name name;
    socklen_t size = sizeof(name);

    if (getsockname(fd, &name.any, &size) < 0)
        return error_set_errno(error, -errno, options.thing, NULL);
    bool fits = name.any.sa_family != AF_UNIX
                    ? inet_fits(address, &name)
                    : address->abstract && abstract_fits(address, &name, size);
    if (name.any.sa_family != AF_UNIX || address->abstract)
        return fits ? 0 : resume_failed(address, -ESTALE, elsewhere, error);
    int r = ownership_read(address, &options.ownership, error);
    return r < 0 ? r : unix_path_resume(fd, address->rest, &options, ret_path, error);
}

/* As the address is shown: with the port that the kernel chose once. */
static int bound_make(int fd, const struct ferry_address *address, struct ferry_address **ret_bound,
    struct ferry_error *error)
{
    union name name;
    socklen_t size = sizeof(name);

    if (address->scheme != FERRY_TCP && address->scheme != FERRY_UDP)
        return ferry_address_parse(ferry_address_text(address), NULL, ret_bound, error);
    if (getsockname(fd, &name.any, &size) < 0)
        return error_set_errno(error, -errno, ferry_address_text(address), NULL);
    bool six = name.any.sa_family == AF_INET6;
    *ret_bound = address_with_port(address, ntohs(six ? name.in6.sin6_port : name.in.sin_port));
    return *ret_bound ? 0 : error_set_errno(error, -ENOMEM, ferry_address_text(address), NULL);
}

int resume_listening(int fd, const struct ferry_address *address,
    const struct ferry_listen_options *options, struct listening *ret_listening,
    struct ferry_error *error)
{
    struct option_source source = { address, options->profile, ADDRESS_LISTEN };
    AUTO_FD int owned = fd;
    struct unix_path *path = NULL;
    struct ferry_address *bound;
    int type, listens = 0;
    socklen_t size = sizeof(listens);

    int r = kind_take(fd, address, &type, error);
    if (r == 0 && address->scheme == FERRY_FD)
        r = resume_failed(address, -EPROTOTYPE, "what is inherited is not kept", error);
    bool is_auto = address->scheme == FERRY_AUTO;
    if (r < 0)
        return r;
    if (type != SOCK_DGRAM &&
        (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens))
        return resume_failed(address, -ESTALE, "the socket that was kept does not listen", error);
    r = bound_make(fd, address, &bound, error);
    if (r < 0)
        return r;
    r = place_check(fd, address, type, &path, error);
    if (r < 0) {
        ferry_address_free(bound);
        return r;
    }
    descriptors_allow(fd, options->refuse_descriptors && !is_auto);
    r = type == SOCK_DGRAM
            ? session_listening(fd_take(&owned), bound, options->refuse_descriptors, ret_listening)
            : socket_listening(
                  fd_take(&owned), bound, options->refuse_descriptors && !is_auto, ret_listening);
    if (r < 0) {
        unix_path_leave(path);
        return error_set_errno(error, r, ferry_address_text(address), NULL);
    }
    ret_listening->path = path;
    /* The socket itself is tuned; what it will accept is not. */
    r = listening_apply_options(ret_listening, 0, &source, error);
    if (r < 0)
        ret_listening->ops->close(ret_listening);
    else if (is_auto)
        auto_listening(address, options->refuse_descriptors, ret_listening);
    return r;
}
