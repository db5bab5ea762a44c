/* proc.h - what files of /proc say, foremost those of one process.
 *
 * A process is read by one handle on its folder: once it has ended every read through that fails,
 * whoever has its number then. So what is read by one handle is about one process.
 */
#ifndef FERRY_BASE_PROC_H
#define FERRY_BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A handle on a process's folder, to be closed; -1: there is no such process. The rest takes that
 * for a process of which nothing can be read. */
int proc_open(pid_t pid);
/* Reads a file, NUL-terminated and cut at size - 1 bytes. It is for those that the kernel hands out
 * in one piece; of a list, as maps and mountinfo are, it has the beginning.
 *   folder  a process's; AT_FDCWD for "/proc/..."
 * Returns the text's length, -errno. */
ssize_t proc_read(int folder, const char *file, char *text, size_t size);

/* Of proc_pid_stat(5). */
struct proc_stat {
    pid_t parent;
    char state;           /* R S D T t Z X I */
    bool is_kernels;      /* a kernel thread */
    uint64_t start_ticks; /* since boot */
    char name[64];        /* as the kernel has it: escape it; a kernel thread's exceeds 15 bytes */
};
/* Returns 0, -EPROTO (it can't be understood), -errno. */
int proc_stat_read(int folder, struct proc_stat *ret_stat);
/* The effective one of "\nUid:" or "\nGid:" in the text of status; (unsigned)-1: it is not there.
 */
unsigned proc_status_id(const char *status, const char *key);
/* Whether a filter judges the system calls of this thread (seccomp(2)): a call that is not everyday
 * may then be refused, noted, or death. So what has another way is not tried. */
bool proc_is_filtered(void);
/* What it runs, to be freed: a path as its root has it, " (deleted)" behind one that is gone; NULL:
 * it may not be seen, or there is none, as of a kernel thread. */
char *proc_executable(int folder);

#endif
