/* seal.c - who offers a ring, or takes it: the process at the other end of this very socket, or
 * somebody who has it from there.
 *
 * Whoever stands between two processes and passes messages with their descriptors on, to guard or
 * to record them, must not be passed by. So with a ring goes a seal, a unix socket that its sender
 * has made for this connection:
 *   - it listens, and the kernel remembers who had it listen (SO_PEERCRED, unix(7)). Of a connected
 *     one it tells who is at its other end, so whoever connects to a relay has one of the relay's.
 *   - its name has the number of its maker's end of the connection, and a name can't be changed. A
 *     seal that a process has made for one connection is of no use on another of that process.
 * Its receiver compares: the number with what the kernel says is at the other end of the socket
 * (NETLINK_SOCK_DIAG), and the maker with who connected. Whoever dialled compares the user only,
 * since the listener may have been made by a master process or a predecessor.
 */
#include "transport/auto/seal.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "transport/limits.h"

#include <inttypes.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

static const char name_format[] = "ferry-seal.%" PRIx32 ".%016" PRIx64;

/* As the kernel's diagnosis has it: 32 bits. */
static int inode_of(int fd, uint32_t *ret_inode)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    *ret_inode = (uint32_t)status.st_ino;
    return 0;
}

int seal_new(int connection, int *ret_seal)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    uint32_t inode = 0;
    uint64_t chance; /* nobody is to take the name before us */
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || getrandom(&chance, sizeof(chance), GRND_NONBLOCK) != sizeof(chance))
        return -errno;
    int r = inode_of(connection, &inode);
    if (r < 0)
        return r;
    int size =
        snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, name_format, inode, chance);
    socklen_t address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);
    if (bind(fd, (struct sockaddr *)&address, address_size) < 0 || listen(fd, 0) < 0)
        return -errno;
    *ret_seal = fd_take(&fd);
    return 0;
}

/* --- what the kernel says --------------------------------------------------------------------- */

static bool maker_of(int fd, struct ucred *ret_maker)
{
    socklen_t size = sizeof(*ret_maker);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_maker, &size) == 0;
}

static bool is_seal(int fd)
{
    int family, listens;
    socklen_t size = sizeof(int);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

/* For which end of a connection its maker says that it is. */
static bool seal_read(int fd, uint32_t *ret_inode)
{
    struct sockaddr_un address = { 0 };
    socklen_t size = sizeof(address) - 1;
    uint64_t chance;
    char again[64];

    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 || address.sun_path[0] != '\0' ||
        sscanf(address.sun_path + 1, "ferry-seal.%" SCNx32 ".%" SCNx64, ret_inode, &chance) != 2)
        return false;
    snprintf(again, sizeof(again), name_format, *ret_inode, chance);
    return strcmp(again, address.sun_path + 1) == 0;
}

static const struct nlattr *peer_attribute(const struct nlmsghdr *header)
{
    const char *at = (const char *)NLMSG_DATA(header) + NLMSG_ALIGN(sizeof(struct unix_diag_msg));
    const char *end = (const char *)header + header->nlmsg_len;

    while (end - at >= (ptrdiff_t)sizeof(struct nlattr)) {
        const struct nlattr *attribute = (const struct nlattr *)(const void *)at;
        if (attribute->nla_len < sizeof(*attribute) || attribute->nla_len > end - at)
            return NULL;
        if (attribute->nla_type == UNIX_DIAG_PEER &&
            attribute->nla_len >= sizeof(*attribute) + sizeof(uint32_t))
            return attribute;
        at += NLA_ALIGN(attribute->nla_len);
    }
    return NULL;
}

static int reply_read(int fd, uint32_t *ret_inode)
{
    union {
        struct nlmsghdr header;
        char bytes[512];
    } reply;
    ssize_t size = recv(fd, &reply, sizeof(reply), 0);

    if (size < 0)
        return -errno;
    if (!NLMSG_OK(&reply.header, (size_t)size) || reply.header.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return -EPROTO;
    const struct nlattr *peer = peer_attribute(&reply.header);
    if (!peer)
        return -ENOTCONN;
    memcpy(ret_inode, peer + 1, sizeof(*ret_inode));
    return 0;
}

int seal_peer_number(int connection, uint32_t *ret_number)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } query = {
        .header = { .nlmsg_len = sizeof(query),
            .nlmsg_type = SOCK_DIAG_BY_FAMILY,
            .nlmsg_flags = NLM_F_REQUEST },
        .request = { .sdiag_family = AF_UNIX,
            .udiag_show = UDIAG_SHOW_PEER,
            .udiag_cookie = { UINT32_MAX, UINT32_MAX } }, /* whichever it has */
    };
    const struct timeval limit = { .tv_sec = OWNER_REPLY_MS / 1000 };
    int r = inode_of(connection, &query.request.udiag_ino);
    if (r < 0)
        return r;
    AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
        send(fd, &query, sizeof(query), 0) < 0)
        return -errno;
    return reply_read(fd, ret_number);
}

bool seal_fits(int connection, int seal, bool dialled, enum ferry_auto_reason *ret_reason)
{
    struct ucred sealed, connected;
    uint32_t said = 0, is = 0;

    *ret_reason = FERRY_AUTO_NOT_DIRECT;
    if (!is_seal(seal) || !maker_of(seal, &sealed) || !maker_of(connection, &connected) ||
        sealed.uid != connected.uid || !seal_read(seal, &said))
        return false;
    if (!dialled && connected.pid == 0)
        *ret_reason = FERRY_AUTO_UNKNOWN_PEER;
    if (!dialled && (connected.pid == 0 || sealed.pid != connected.pid))
        return false;
    int r = seal_peer_number(connection, &is);
    if (r < 0) {
        *ret_reason = error_is_out_of_resources(r) ? FERRY_AUTO_NO_MEMORY : FERRY_AUTO_UNKNOWN_PEER;
        return false;
    }
    return said == is;
}
