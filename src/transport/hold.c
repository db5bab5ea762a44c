/* hold.c - one listening for each FIFO or queue: two would each get a part of what is sent.
 *
 * The kernel lets any number of processes read them, so the first takes flock(2), which is gone
 * with its process, however that ended.
 */
#include "transport/hold.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Who holds the lock, by /proc/locks; 0: not known. */
static pid_t hold_owner(int fd)
{
    struct stat status;
    AUTO_FILE FILE *locks = fopen("/proc/locks", "re");
    AUTO_FREE char *line = NULL;
    size_t room = 0;

    if (!locks || fstat(fd, &status) < 0)
        return 0;
    while (getline(&line, &room, locks) > 0) {
        unsigned major_number, minor_number;
        unsigned long long inode;
        int pid;
        if (sscanf(line, "%*u: FLOCK %*s %*s %d %x:%x:%llu", &pid, &major_number, &minor_number,
                &inode) == 4 &&
            inode == status.st_ino && makedev(major_number, minor_number) == status.st_dev)
            return pid > 0 ? pid : 0;
    }
    return 0;
}

int hold_take(int fd, const char *thing, struct ferry_error *error)
{
    static const char remedy[] = "stop it, or listen elsewhere";

    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return error_set_errno(error, -errno, thing, NULL);
    pid_t pid = hold_owner(fd);
    if (pid > 0)
        return error_set(error, -EADDRINUSE, thing, remedy, "is in use by process %d", (int)pid);
    return error_set(error, -EADDRINUSE, thing, remedy, "is in use by another process");
}
