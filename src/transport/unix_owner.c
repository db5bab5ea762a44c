/* unix_owner.c - whether some socket is bound to a path or an abstract name, and who holds it.
 *
 * connect(2) can't tell a dead socket file from one that is bound and does not listen yet; a dump
 * of NETLINK_SOCK_DIAG can, for any user. The pid is found by looking through /proc and serves
 * messages only: no decision hangs on it.
 */
#include "transport/unix_owner.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/proc.h"
#include "transport/limits.h"

#include <ctype.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/un.h>

/* --- the kernel's list ------------------------------------------------------------------------ */

static int diag_open(void)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } query = {
        .header = { .nlmsg_len = sizeof(query),
            .nlmsg_type = SOCK_DIAG_BY_FAMILY,
            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
        .request = { .sdiag_family = AF_UNIX,
            .udiag_states = UINT32_MAX,
            .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS },
    };
    const struct timeval limit = { .tv_sec = OWNER_REPLY_MS / 1000 };
    AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
        send(fd, &query, sizeof(query), 0) < 0)
        return -errno;
    return fd_take(&fd);
}

/* The file name in a path: what stays the same however the path was written. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

struct diag_entry {
    const char *name; /* not NUL-terminated; an abstract name has its leading NUL */
    size_t name_size;
    const struct unix_diag_vfs *vfs;
};

static struct diag_entry entry_read(const struct unix_diag_msg *message, size_t size)
{
    struct diag_entry entry = { NULL, 0, NULL };
    const char *at = (const char *)(message + 1);
    size_t left = size > sizeof(*message) ? size - sizeof(*message) : 0;

    while (left >= sizeof(struct nlattr)) {
        const struct nlattr *attribute = (const struct nlattr *)(const void *)at;
        size_t length = attribute->nla_len, step = NLA_ALIGN(length);
        if (length < sizeof(*attribute) || length > left)
            break;
        if (attribute->nla_type == UNIX_DIAG_NAME) {
            entry.name = (const char *)(attribute + 1);
            entry.name_size = length - sizeof(*attribute);
        } else if (attribute->nla_type == UNIX_DIAG_VFS &&
                   length >= sizeof(*attribute) + sizeof(*entry.vfs)) {
            entry.vfs = (const struct unix_diag_vfs *)(const void *)(attribute + 1);
        }
        at += step;
        left = step < left ? left - step : 0;
    }
    return entry;
}

/* The dump has 32 bits of the inode's number, and on stacked file systems (overlay, btrfs) another
 * device than stat(2) shows: then the file name must be the same. */
static bool entry_is_path(const struct diag_entry *entry, const struct unix_place *place)
{
    char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    uint32_t device = (uint32_t)(major(place->device) << 20 | minor(place->device));

    if (!entry->vfs || entry->vfs->udiag_vfs_ino != (uint32_t)place->inode)
        return false;
    if (entry->vfs->udiag_vfs_dev == device)
        return true;
    if (!entry->name || entry->name_size >= sizeof(path))
        return false;
    memcpy(path, entry->name, entry->name_size);
    path[entry->name_size] = '\0';
    return strcmp(base_name(path), base_name(place->name)) == 0;
}

static bool entry_is_abstract(const struct diag_entry *entry, const struct unix_place *place)
{
    return entry->name_size == place->name_size + 1 && entry->name[0] == '\0' &&
           memcmp(entry->name + 1, place->name, place->name_size) == 0;
}

/* Only a socket that was bound itself: accepted ones show their listener's name and file. */
static bool message_matches(
    const struct unix_diag_msg *message, size_t size, const struct unix_place *place)
{
    enum { STATE_ESTABLISHED = 1 };
    struct diag_entry entry = entry_read(message, size);

    if (message->udiag_state == STATE_ESTABLISHED && message->udiag_type != SOCK_DGRAM)
        return false;
    return place->abstract ? entry_is_abstract(&entry, place) : entry_is_path(&entry, place);
}

/* Walks one reply. Returns 1 (found), 0 (read on), -ENOENT (the list is over), -errno. */
static int reply_walk(const struct nlmsghdr *header, size_t size, const struct unix_place *place,
    struct unix_owner *owner)
{
    for (; NLMSG_OK(header, size); header = NLMSG_NEXT(header, size)) {
        const struct unix_diag_msg *message = NLMSG_DATA(header);
        if (header->nlmsg_type == NLMSG_DONE)
            return -ENOENT;
        if (header->nlmsg_type == NLMSG_ERROR)
            return ((const struct nlmsgerr *)NLMSG_DATA(header))->error ?: -EPROTO;
        if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
            return -EPROTO;
        if (!message_matches(message, header->nlmsg_len - NLMSG_HDRLEN, place))
            continue;
        owner->socket = message->udiag_ino;
        owner->type = message->udiag_type;
        return 1;
    }
    return 0;
}

static int diag_find(const struct unix_place *place, struct unix_owner *owner)
{
    AUTO_FD int fd = diag_open();
    AUTO_FREE struct nlmsghdr *reply = malloc(OWNER_REPLY_SIZE);

    if (fd < 0)
        return fd;
    if (!reply)
        return -ENOMEM;
    for (;;) {
        ssize_t size = recv(fd, reply, OWNER_REPLY_SIZE, MSG_TRUNC);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return -errno;
        if ((size_t)size > OWNER_REPLY_SIZE)
            return -EMSGSIZE;
        int r = reply_walk(reply, (size_t)size, place, owner);
        if (r == -ENOENT)
            return 0;
        if (r != 0)
            return r;
    }
}

/* --- the process ------------------------------------------------------------------------------ */

static bool directory_holds(DIR *directory, const char *wanted, unsigned *budget)
{
    struct dirent *entry;
    char text[64];

    while (*budget > 0 && (entry = readdir(directory)) != NULL) {
        (*budget)--;
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, text, sizeof(text) - 1);
        if (length <= 0)
            continue;
        text[length] = '\0';
        if (strcmp(text, wanted) == 0)
            return true;
    }
    return false;
}

static pid_t process_find(unsigned socket)
{
    AUTO_DIR DIR *processes = opendir("/proc");
    unsigned budget = OWNER_SCAN_MAX;
    char wanted[32];
    struct dirent *entry;

    snprintf(wanted, sizeof(wanted), "socket:[%u]", socket);
    while (processes && budget > 0 && (entry = readdir(processes)) != NULL) {
        char path[sizeof(entry->d_name) + sizeof("/fd")];
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(path, sizeof(path), "%s/fd", entry->d_name);
        int fd = openat(dirfd(processes), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        AUTO_DIR DIR *descriptors = fd >= 0 ? fdopendir(fd) : NULL;
        if (!descriptors)
            fd_close(&fd);
        else if (directory_holds(descriptors, wanted, &budget))
            return (pid_t)strtol(entry->d_name, NULL, 10);
    }
    return 0;
}

void unix_owner_set_pid(struct unix_owner *owner, pid_t pid)
{
    char path[64], name[64];

    owner->pid = pid;
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    ssize_t length = proc_read(AT_FDCWD, path, name, sizeof(name));
    if (length > 0 && name[length - 1] == '\n')
        length--;
    text_escape(name, length > 0 ? (size_t)length : 0, owner->command, sizeof(owner->command));
}

int unix_owner_find(const struct unix_place *place, struct unix_owner *ret_owner)
{
    struct unix_owner owner = { 0 };

    int r = diag_find(place, &owner);
    if (r <= 0)
        return r;
    pid_t pid = process_find(owner.socket);
    if (pid > 0)
        unix_owner_set_pid(&owner, pid);
    *ret_owner = owner;
    return 1;
}

int unix_owner_is(const struct unix_place *place, ino_t socket)
{
    struct unix_owner owner = { 0 };
    int r = diag_find(place, &owner);
    return r <= 0 ? r : owner.socket == (unsigned)socket;
}

void unix_owner_text(const struct unix_owner *owner, char *text, size_t size)
{
    if (owner->pid > 0)
        snprintf(text, size, "pid %d (%s)", (int)owner->pid, owner->command);
    else
        snprintf(text, size, "a process that is not visible to this user");
}
