/* describe.c - what an open descriptor is. */
#include "command/describe.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static const char *socket_kind(int fd)
{
    static const char *const kinds[] = { [SOCK_STREAM] = "stream socket",
        [SOCK_DGRAM] = "datagram socket",
        [SOCK_RAW] = "raw socket",
        [SOCK_SEQPACKET] = "seqpacket socket" };
    int type, listens = 0;
    socklen_t size = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type < 0 ||
        (size_t)type >= COUNT_OF(kinds) || !kinds[type])
        return "socket";
    size = sizeof(listens);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens)
        return "listening socket";
    return kinds[type];
}

/* An anonymous inode (eventfd, pidfd, epoll, ...) has no file type; its link names it. */
static const char *descriptor_kind(int fd, mode_t mode, const char *link)
{
    if (S_ISSOCK(mode))
        return socket_kind(fd);
    if (S_ISREG(mode))
        return strncmp(link, "/memfd:", 7) == 0 ? "memfd" : "file";
    if (S_ISDIR(mode))
        return "directory";
    if (S_ISFIFO(mode))
        return strncmp(link, "pipe:", 5) == 0 ? "pipe" : "fifo";
    if (S_ISCHR(mode))
        return "character device";
    if (S_ISBLK(mode))
        return "block device";
    return "anonymous";
}

static const char *access_mode(int flags)
{
    if (flags < 0)
        return "unknown";
    if (flags & O_PATH)
        return "path";
    switch (flags & O_ACCMODE) {
    case O_RDONLY:
        return "read";
    case O_WRONLY:
        return flags & O_APPEND ? "append" : "write";
    default:
        return "read-write";
    }
}

/* "peer pid 4711 uid 1000" of a connected unix socket; nothing where nobody vouches for it. */
static void peer_print(int fd, struct bytes *text)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0)
        bytes_print(text, "  peer pid %d uid %u", (int)peer.pid, (unsigned)peer.uid);
}

void describe_descriptor(int fd, const char *name, struct bytes *text)
{
    char path[64], link[PATH_MAX] = "";
    struct stat facts = { 0 };
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(path, link, sizeof(link) - 1);
    link[size > 0 ? size : 0] = '\0';
    (void)fstat(fd, &facts);

    bytes_print(text, "%d  ", fd);
    bytes_append_escaped(text, name, strlen(name));
    bytes_print(text, "  %s  %s", descriptor_kind(fd, facts.st_mode, link),
        access_mode(fcntl(fd, F_GETFL)));
    if (S_ISREG(facts.st_mode))
        bytes_print(text, "  %" PRIdMAX " bytes", (intmax_t)facts.st_size);
    else if (S_ISSOCK(facts.st_mode))
        peer_print(fd, text);
    bytes_append_text(text, "  ");
    bytes_append_escaped(text, link, strlen(link));
    bytes_append_char(text, '\n');
}
