/* name.c - the command name of the process at the other end, proved.
 *
 * A pid alone proves nothing: its process may have ended and another got the number. A pidfd stands
 * for one process for ever and is readable once that has ended; so what was read from /proc is of
 * this process if the pidfd is quiet afterwards.
 */
#include "process/name.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

void process_name(const struct ferry_identity *who, char *name, size_t size)
{
    char path[32];
    struct pollfd polled = { .fd = who->pidfd, .events = POLLIN };

    name[0] = '\0';
    if (who->pid <= 0 || who->pidfd < 0)
        return;
    snprintf(path, sizeof(path), "/proc/%d/comm", who->pid);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, name, size - 1);
    bool alive = poll(&polled, 1, 0) == 0;
    name[length > 0 && alive ? length : 0] = '\0';
    name[strcspn(name, "\n")] = '\0';
}
