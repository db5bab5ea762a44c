/* quiet.h - what is at a path, asked without being held up.
 *
 * A path that somebody else chose may lead to a file system that never answers: of a machine that
 * is down, or of a process that is stopped (FUSE). Whoever opens it the usual way waits as long.
 */
#ifndef FERRY_BASE_QUIET_H
#define FERRY_BASE_QUIET_H

#include <stdbool.h>
#include <sys/types.h>

/* From where a path is looked at: somebody else's root or working folder. */
struct quiet_view {
    int folder;   /* open; AT_FDCWD: ours */
    bool is_root; /* absolute paths, and links to such, begin there */
    pid_t pid;    /* whose mounts they are */
};

/* Opens a path (O_PATH, close-on-exec), wherever somebody makes it lead meanwhile.
 *   from  NULL: as we see it
 * Returns the descriptor; -EAGAIN: it leads to what would have to be asked; -errno. */
int quiet_open(const struct quiet_view *from, const char *path);

#endif
