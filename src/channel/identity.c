/* identity.c - who is at the other end, beyond what the socket tells. */
#include "base/cleanup.h"

#include <errno.h>
#include <ferry/identity.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

void ferry_identity_fini(struct ferry_identity *identity)
{
    fd_close(&identity->pidfd);
    free(identity->groups);
    *identity = (struct ferry_identity)FERRY_IDENTITY_UNKNOWN;
}

/* A pidfd is readable once its process is gone. */
static bool pidfd_alive(int pidfd)
{
    struct pollfd polled = { .fd = pidfd, .events = POLLIN };
    return poll(&polled, 1, 0) == 0;
}

int ferry_identity_executable(const struct ferry_identity *identity, char *text, size_t size)
{
    char link[64], path[PATH_MAX];

    if (identity->pid <= 0 || identity->pidfd < 0 || size == 0)
        return -ENODATA;
    snprintf(link, sizeof(link), "/proc/%d/exe", (int)identity->pid);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    int failure = errno;
    /* Only if it is alive after the look was the pid its own while we looked. */
    if (!pidfd_alive(identity->pidfd))
        return -ESRCH;
    if (length < 0)
        return failure == ENOENT ? -ESRCH : -failure;
    path[length] = '\0';
    snprintf(text, size, "%s", path);
    return 0;
}
