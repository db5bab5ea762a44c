/* peer_pidfd.c - whether this kernel can prove what a process at the other end is. */
#include "process/peer_pidfd.h"
#include "base/cleanup.h"
#include "wire/control.h"

#include <errno.h>
#include <sys/socket.h>

/* Short of descriptors nothing was learned: it is not said that they are missing, and the next
 * question asks again. */
static bool peer_pidfd_probe(bool *ret_asked)
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

bool peer_pidfd_is_given(void)
{
    static bool asked, given;
    if (!asked)
        given = peer_pidfd_probe(&asked);
    return given;
}
