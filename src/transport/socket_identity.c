/* socket_identity.c - what the kernel says of who is at the other end of a socket.
 *
 * SO_PEERCRED tells who connected, listened or made the pair, at that time: the socket may have
 * been handed on since; SO_PEERGROUPS, SO_PEERSEC and SO_PEERPIDFD tell of the same process.
 * SCM_CREDENTIALS tells who sent this message, unless a privileged sender said otherwise.
 */
#include "base/cleanup.h"
#include "transport/socket.h"

#include <errno.h>
#include <string.h>

void socket_pass(int fd, bool pidfd, bool label)
{
    const int on = 1;
    int family, type;

    if (!(pidfd || label) || socket_kind(fd, &family, &type) < 0 || family != AF_UNIX ||
        type == SOCK_STREAM)
        return;
    if (pidfd)
        (void)setsockopt(fd, SOL_SOCKET, SO_PASSPIDFD, &on, sizeof(on));
    if (label)
        (void)setsockopt(fd, SOL_SOCKET, SO_PASSSEC, &on, sizeof(on));
}

int socket_credentials_check(const struct ferry_credentials *credentials)
{
    _Alignas(struct cmsghdr) char control[CONTROL_SEND_SIZE];
    struct iovec byte = { control, 1 };
    struct msghdr header = { .msg_iov = &byte, .msg_iovlen = 1 };
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    control_put(&header, control, NULL, 0, credentials);
    int r = sendmsg(ends[0], &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
    fd_close(&ends[0]);
    fd_close(&ends[1]);
    return r;
}

/* A message that was under way before SO_PASSCRED was set has no process and OVERFLOW_ID. */
void socket_identity_from_message(
    const struct control_facts *facts, struct ferry_identity *identity)
{
    if (facts->has_credentials &&
        !(facts->credentials.pid == 0 && facts->credentials.uid == OVERFLOW_ID))
        identity_set_credentials(identity, &facts->credentials, FERRY_FORGEABLE);
}

struct ferry_identity *socket_sender(struct control_facts *facts, struct inbox_slot *slot)
{
    struct ferry_identity *sender = &slot->sender;

    identity_clear(sender);
    socket_identity_from_message(facts, sender);
    if (facts->pidfd >= 0)
        identity_set_pidfd(sender, fd_take(&facts->pidfd), FERRY_FORGEABLE);
    sender->label = facts->label;
    sender->label_size = facts->label_size;
    bool known = sender->known[FERRY_FACT_PID] || sender->known[FERRY_FACT_UID] ||
                 sender->known[FERRY_FACT_PIDFD] || sender->label;
    return known ? sender : NULL;
}

/* --- of a connection -------------------------------------------------------------------------- */

static void gather_credentials(struct ferry_identity *identity, int fd)
{
    struct ucred credentials;
    socklen_t size = sizeof(credentials);

    /* A datagram socket that was connected, not paired, has none: the messages tell. */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 &&
        credentials.uid != (uid_t)-1)
        identity_set_credentials(identity, &credentials, FERRY_AT_CONNECT);
}

/* Groups as they were at connect; the name service knows only what they would be today. */
static void gather_groups(struct ferry_identity *identity, int fd)
{
    socklen_t size = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0) {
        identity_set_groups(identity, NULL, 0, FERRY_AT_CONNECT);
        return;
    }
    if (errno != ERANGE)
        return;
    AUTO_FREE gid_t *groups = malloc(size);
    if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
        return;
    identity_set_groups(identity, TAKE(groups), size / sizeof(gid_t), FERRY_AT_CONNECT);
}

/* Without SO_PEERPIDFD (before 6.5), or once the peer is reaped, there is none: pidfd_open(2) of
 * the number could give another process. */
static void gather_pidfd(struct ferry_identity *identity, int fd)
{
    int pidfd;
    socklen_t size = sizeof(pidfd);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
        identity_set_pidfd(identity, pidfd, FERRY_AT_CONNECT);
}

/* ENOPROTOOPT: no security module labels sockets. Some end the text with a NUL, some do not. */
static void gather_label(struct ferry_identity *identity, int fd)
{
    char text[CONTROL_LABEL_SIZE] = "";
    socklen_t size = sizeof(text);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERSEC, text, &size) == 0 && text[0])
        identity_set_text(identity, FERRY_FACT_LABEL, strndup(text, size), FERRY_AT_CONNECT);
}

void socket_identity(struct link *link, enum ferry_fact fact, struct ferry_identity *identity)
{
    static void (*const gather[FERRY_FACT_COUNT])(struct ferry_identity * identity, int fd) = {
        [FERRY_FACT_PID] = gather_credentials,
        [FERRY_FACT_GROUPS] = gather_groups,
        [FERRY_FACT_LABEL] = gather_label,
        [FERRY_FACT_PIDFD] = gather_pidfd,
    };

    if (gather[fact])
        gather[fact](identity, link->receive_fd);
}

/* UDP believes whatever a datagram says; a TCP peer has answered at its address. */
void socket_identity_inet(struct link *link, enum ferry_fact fact, struct ferry_identity *identity)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    bool datagrams = link->capabilities & FERRY_HAS_BOUNDARIES;

    if (fact == FERRY_FACT_HOST &&
        getpeername(link->receive_fd, (struct sockaddr *)&address, &size) == 0)
        identity_set_host(identity, &address, size, datagrams ? FERRY_FORGEABLE : FERRY_AT_CONNECT);
}
