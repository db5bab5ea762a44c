/* name.c - the command name of the process at the other end, proved.
 *
 * A pid alone proves nothing: its process may have ended and another got the number. A pidfd stands
 * for one process for ever and is readable once that has ended; so what was read from /proc is of
 * this process if the pidfd is quiet afterwards.
 */
#include "process/name.h"
#include "base/cleanup.h"
#include "wire/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

void process_name(struct ferry_identity *who, char *name, size_t size)
{
    char path[32];
    pid_t pid = ferry_identity_pid(who);
    struct pollfd polled = { .fd = ferry_identity_pidfd(who), .events = POLLIN };

    name[0] = '\0';
    if (pid <= 0 || polled.fd < 0)
        return;
    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, name, size - 1);
    bool alive = poll(&polled, 1, 0) == 0;
    name[length > 0 && alive ? length : 0] = '\0';
    name[strcspn(name, "\n")] = '\0';
}

/* Short of descriptors nothing was learned: it is not said that they are missing, and the next
 * question asks again. */
static bool names_probe(bool *ret_asked)
{
    int pair[2], pidfd = -1;
    socklen_t size = sizeof(pidfd);
    *ret_asked = false;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return true;
    int r = getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size);
    bool lacking = r < 0 && errno == ENOPROTOOPT;
    fd_close(&pair[0]);
    fd_close(&pair[1]);
    *ret_asked = r == 0 || lacking;
    fd_close(&pidfd);
    return !lacking;
}

bool process_names_known(void)
{
    static bool asked, known;
    if (!asked)
        known = names_probe(&asked);
    return known;
}
