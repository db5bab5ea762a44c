/* mounts.h - which file systems answer at once, whoever is dead.
 *
 * One of another machine (NFS) or of a process (FUSE) can hold up whoever asks it anything, for
 * ever. What is mounted where is told by mountinfo, proc_pid_mountinfo(5), which asks none.
 */
#ifndef FERRY_BASE_MOUNTS_H
#define FERRY_BASE_MOUNTS_H

#include <stdbool.h>

/* Whether a file system of that type lives on this machine and in the kernel, as "ext4" does. */
bool mounts_type_is_local(const char *type);
/* Whether what a descriptor leads to is on such a file system.
 *   mountinfo  "/proc/self/mountinfo", or that of who sees it
 * False too if it can't be told. */
bool mounts_is_local(int fd, const char *mountinfo);

#endif
