/* datagram.c - whether a unix datagram socket has room for a message, and who has filled it. */
#include "command/why/datagram.h"
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/view/names.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int ask(const struct sockaddr_un *address, size_t size)
{
    AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)address, (socklen_t)size) < 0)
        return -errno;
    struct pollfd polled = { .fd = fd, .events = POLLOUT };
    return poll(&polled, 1, 0) < 0 ? -errno : !!(polled.revents & POLLOUT);
}

int datagram_room_of_file(int file)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    /* A path of any length fits so. */
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", file);
    return ask(&address, sizeof(address));
}

static int room_of_path(const char *path, uint64_t inode)
{
    AUTO_FD int file = open(path, O_PATH | O_CLOEXEC);
    struct stat status;

    if (file < 0 || fstat(file, &status) < 0)
        return -errno;
    if (inode && status.st_ino != inode)
        return -ENOENT;
    return datagram_room_of_file(file);
}

int datagram_room_of_path(const char *path)
{
    return room_of_path(path, 0);
}

static int room_of_abstract(const char *name, size_t size)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (size == 0 || size > sizeof(address.sun_path))
        return -EINVAL;
    memcpy(address.sun_path, name, size);
    return ask(&address, offsetof(struct sockaddr_un, sun_path) + size);
}

int datagram_room(const struct ferry_endpoint *endpoint)
{
    const struct ferry_path *path = endpoint->path;

    if (path)
        return room_of_path(path->where ? path->where : endpoint->name, path->inode);
    if (endpoint->network && !endpoint->network->own)
        return -EXDEV;
    return room_of_abstract(endpoint->name, endpoint->name_size);
}

/* Of a socket, what it has sent and nobody has taken: here, since it is connected here. */
static bool has_unread(const struct ferry_endpoint *client)
{
    return client->memory[FERRY_MEMORY_SEND_USED] > 0;
}

unsigned datagram_sender_count(const struct ferry_endpoint *endpoint)
{
    unsigned count = 0;

    for (const struct ferry_endpoint *at = endpoint->clients; at; at = at->next)
        count += has_unread(at);
    return count;
}

void datagram_print_senders(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    unsigned shown = 0, left = datagram_sender_count(endpoint);

    for (const struct ferry_endpoint *at = endpoint->clients; at && shown < WHY_NAMES_MAX;
         at = at->next) {
        if (!has_unread(at))
            continue;
        bytes_append_text(text, shown++ ? ", " : "");
        view_print_holders(at, text);
    }
    if (left > shown)
        bytes_print(text, " and %u more", left - shown);
}
