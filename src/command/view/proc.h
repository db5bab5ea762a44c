/* proc.h - single facts of /proc: what the table of endpoints does not have, since its processes
 * are those that hold endpoints, and its facts those of a look.
 */
#ifndef FERRY_COMMAND_VIEW_PROC_H
#define FERRY_COMMAND_VIEW_PROC_H

#include "base/proc.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The next process of a folder that is /proc; 0: there are no more. */
pid_t proc_next(DIR *proc);
/* Whether a path, as the process sees it from its root or working folder, leads to that file
 * (device 0: any). Asks no file system that may not answer: false if only such a one could tell. */
bool proc_path_is(pid_t pid, const char *path, uint64_t device, uint64_t inode);

/* How many descriptors it has open; -errno: before Linux 6.2 -EACCES, of who may not be seen. */
int64_t proc_descriptor_count(int process);
/* One of its limits, as "Max open files"; UINT64_MAX: unlimited. False: unknown.
 *   ret_hard  NULL: not asked for */
bool proc_limit(int process, const char *name, uint64_t *ret_soft, uint64_t *ret_hard);

/* A file of one number, or the index-th of several; false: it can't be had. */
bool proc_number(const char *path, unsigned index, uint64_t *ret_number);
/* "ListenOverflows": connections that full backlogs of this network namespace have lost since boot;
 * 0: none, or it can't be read. */
uint64_t proc_listen_overflows(void);

#endif
