/* name.c - whether this kernel can prove what a process at the other end is. */
#include "process/name.h"
#include "base/cleanup.h"
#include "wire/control.h"

#include <errno.h>
#include <sys/socket.h>

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
