/* open_files.h - every descriptor of every process, in one answer of the kernel's.
 *
 * A BPF iterator over the files of all tasks (Documentation/bpf/bpf_iterators.rst; Linux 5.8, with
 * CONFIG_BPF_SYSCALL and CONFIG_DEBUG_INFO_BTF). Needs CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN
 * before Linux 5.9. The walk through /proc tells the same, at two microseconds a descriptor, and is
 * taken wherever a filter judges system calls.
 */
#ifndef FERRY_ENDPOINTS_OPEN_FILES_H
#define FERRY_ENDPOINTS_OPEN_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct open_file {
    uint32_t pid;
    uint32_t fd;
    uint64_t inode;
    uint32_t device; /* as the kernel numbers it */
    uint16_t mode;   /* as in st_mode */
    uint16_t access; /* 1: opened for reading, 2: for writing */
    /* Of its process. */
    uint64_t start_ns; /* since boot */
    uint32_t parent;   /* pid */
    uint32_t network;  /* inode of its network namespace; 0: it is about to end */
    char name[16];     /* NUL-terminated */
};

/* Takes one. Returns 0, or -errno, which ends all. */
typedef int (*open_file_take)(const struct open_file *file, void *data);

/* Hands over all, by pid and descriptor. The first thread's of each process, as in /proc; of a
 * process that has none, nothing is heard.
 * Returns 0; -errno: not to be had here, for want of privilege or of the kernel's support, or what
 * `take` returned. What was handed over is worth nothing then. */
int open_files_each(open_file_take take, void *data);
/* When its process started, in /proc/PID/stat's unit: proc_pid_stat(5). */
uint64_t open_file_start_ticks(const struct open_file *file);

#endif
