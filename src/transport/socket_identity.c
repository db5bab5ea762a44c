/* socket_identity.c - whom the kernel vouches for at the other end of a unix socket.
 *
 * SO_PEERCRED tells who connected, listened or made the pair, at that time: the socket may have
 * been handed on since. SCM_CREDENTIALS tells who sent this message, unless a privileged sender
 * said otherwise. A pid of 0 is a process of another PID namespace: it is unknown, its uid is not.
 */
#include "base/cleanup.h"
#include "transport/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* What the kernel shows for a uid that our user namespace has no number for. Where every uid has
 * its number (the first namespace) it is a true one: nobody. */
#define OVERFLOW_ID 65534u

static bool every_uid_is_mapped(void)
{
    char text[64];
    unsigned inside, outside, count;
    AUTO_FD int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

    if (length <= 0)
        return false;
    text[length] = '\0';
    return sscanf(text, "%u %u %u", &inside, &outside, &count) == 3 && count == UINT32_MAX;
}

static void identity_fill(
    struct ferry_identity *identity, enum ferry_known known, const struct ucred *credentials)
{
    *identity = (struct ferry_identity)FERRY_IDENTITY_UNKNOWN;
    identity->known = known;
    identity->pid = credentials->pid;
    if (credentials->uid == OVERFLOW_ID && !every_uid_is_mapped())
        return;
    identity->uid = credentials->uid;
    identity->gid = credentials->gid;
}

void socket_identity_from_message(
    const struct control_facts *facts, struct ferry_identity *ret_identity)
{
    /* A message that was under way before SO_PASSCRED was set shows pid 0 and the overflow uid. */
    if (facts->has_credentials &&
        !(facts->credentials.pid == 0 && facts->credentials.uid == OVERFLOW_ID))
        identity_fill(ret_identity, FERRY_PER_MESSAGE, &facts->credentials);
    else
        *ret_identity = (struct ferry_identity)FERRY_IDENTITY_UNKNOWN;
}

const struct ferry_identity *socket_sender(
    const struct control_facts *facts, struct inbox_slot *slot)
{
    socket_identity_from_message(facts, &slot->sender);
    return slot->sender.known == FERRY_UNKNOWN ? NULL : &slot->sender;
}

/* Groups as they were at connect; the name service knows only what they would be today. */
static void identity_add_groups(struct ferry_identity *identity, int fd)
{
    socklen_t size = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0) {
        identity->groups_known = true;
        return;
    }
    if (errno != ERANGE)
        return;
    AUTO_FREE gid_t *groups = malloc(size);
    if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
        return;
    identity->groups = TAKE(groups);
    identity->group_count = size / sizeof(gid_t);
    identity->groups_known = true;
}

/* Without SO_PEERPIDFD (before 6.5), or once the peer is reaped, there is none: pidfd_open(2) of
 * the number could give another process. */
static void identity_add_pidfd(struct ferry_identity *identity, int fd)
{
    int pidfd;
    socklen_t size = sizeof(pidfd);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
        identity->pidfd = pidfd;
}

int socket_identity(struct link *link, unsigned want, struct ferry_identity *ret_identity)
{
    struct ucred credentials;
    socklen_t size = sizeof(credentials);
    int fd = link->receive_fd;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return -ENODATA;
    /* A datagram socket that was connected, not paired, has none: the messages tell. */
    if (credentials.uid == (uid_t)-1)
        return -ENODATA;
    identity_fill(ret_identity, FERRY_AT_CONNECT, &credentials);
    if (want & FERRY_WANT_GROUPS)
        identity_add_groups(ret_identity, fd);
    if (want & FERRY_WANT_PIDFD)
        identity_add_pidfd(ret_identity, fd);
    return 0;
}
