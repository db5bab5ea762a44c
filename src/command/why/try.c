/* try.c - `ferry why --try`: connects, and says what came of it in the client's own words. The
 * server sees a connection that is closed at once. */
#include "base/cleanup.h"
#include "command/why/why.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

union address {
    struct sockaddr any;
    struct sockaddr_un path;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
};

static socklen_t unix_address(const struct view_target *target, union address *address)
{
    bool abstract = target->kind == VIEW_ABSTRACT;
    size_t size = target->name_size + 1;

    if (size > sizeof(address->path.sun_path))
        return 0;
    address->path.sun_family = AF_UNIX;
    memcpy(address->path.sun_path + abstract, target->name, target->name_size);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}

/* No address is the loopback's, as ferry-address(7) has it. */
static socklen_t inet_address(const struct view_target *target, union address *address)
{
    if (target->family == AF_INET6) {
        address->ipv6.sin6_family = AF_INET6;
        address->ipv6.sin6_port = htons(target->port);
        memcpy(&address->ipv6.sin6_addr, target->address, 16);
        return sizeof(address->ipv6);
    }
    address->ipv4.sin_family = AF_INET;
    address->ipv4.sin_port = htons(target->port);
    if (target->family)
        memcpy(&address->ipv4.sin_addr, target->address, 4);
    else
        address->ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof(address->ipv4);
}

static int type_of(enum ferry_endpoint_kind kind)
{
    switch (kind) {
    case FERRY_ENDPOINT_UNIX_DATAGRAM:
    case FERRY_ENDPOINT_UDP:
        return SOCK_DGRAM;
    case FERRY_ENDPOINT_UNIX_SEQPACKET:
        return SOCK_SEQPACKET;
    default:
        return SOCK_STREAM;
    }
}

/* Returns 0, -errno. */
static int connect_to(const union address *address, socklen_t size, int type)
{
    AUTO_FD int fd = socket(address->any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct pollfd polled = { .fd = fd, .events = POLLOUT };
    socklen_t length = sizeof(int);
    int error = 0;

    if (fd < 0)
        return -errno;
    if (connect(fd, &address->any, size) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -errno;
    int ready = poll(&polled, 1, WHY_TRY_MS);
    if (ready <= 0)
        return ready < 0 ? -errno : -ETIMEDOUT;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return -errno;
    return -error;
}

static const char *moment(int code)
{
    return code == -ETIMEDOUT ? "no answer came in time" : "it is what a client is told now";
}

void why_try(struct why *why, enum ferry_endpoint_kind kind)
{
    union address address = { 0 };
    bool local = (1u << kind) & FERRY_ENDPOINTS_UNIX;
    socklen_t size =
        local ? unix_address(&why->target, &address) : inet_address(&why->target, &address);
    int code = size ? connect_to(&address, size, type_of(kind)) : -ENAMETOOLONG;

    if (code == 0) {
        diagnosis_check(&why->diagnosis, "tried: connect(2) succeeds");
        if (diagnosis_first(&why->diagnosis))
            diagnosis_note(&why->diagnosis, "tried: connect(2) succeeds");
        return;
    }
    const char *name = strerrorname_np(-code);
    struct finding *finding = (struct finding *)diagnosis_first(&why->diagnosis);
    if (!finding)
        finding = finding_add(&why->diagnosis, VERDICT_TRY_FAILED,
            "it looks well, and connect(2) fails: %s", strerror(-code));
    finding_prove(finding, "tried: connect(2) says %s (%s): %s", name ? name : "?", strerror(-code),
        moment(code));
    if (finding->verdict == VERDICT_TRY_FAILED)
        finding_set_remedy(finding, "look for what stands between: a firewall, a security module "
                                    "(journalctl -k)");
}
