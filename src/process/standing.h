/* standing.h - as what this process stands before the kernel, as the kernel says it. */
#ifndef FERRY_PROCESS_STANDING_H
#define FERRY_PROCESS_STANDING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct standing {
    uid_t uid; /* effective; (uid_t)-1: it cannot be read */
    gid_t gid;
    char groups[256];      /* supplementary, parted by blanks; cut if there are more */
    bool no_new_privs;     /* by prctl(2) */
    unsigned filter_mode;  /* 0 none, 2 a filter, of seccomp(2) */
    unsigned filter_count; /* 0 before Linux 5.9 */
    uint64_t capabilities; /* effective */
};

/* Reads /proc/self/status. What is missing there stays 0. */
void standing_read(struct standing *ret_standing);

#endif
