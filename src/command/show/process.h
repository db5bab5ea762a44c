/* process.h - one process as /proc tells it, whether it holds something or not, and who started it.
 */
#ifndef FERRY_COMMAND_SHOW_PROCESS_H
#define FERRY_COMMAND_SHOW_PROCESS_H

#include "base/proc.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What is unknown is NULL, -1 or (uid_t)-1. Texts are as the kernel has them: escape them. */
struct process_facts {
    pid_t pid;
    struct proc_stat stat;
    uid_t uid; /* effective */
    gid_t gid;
    char *command; /* its arguments with blanks between; NULL: none, or a kernel thread */
    char
        *executable; /* a path as the process's root has it; " (deleted)" behind one that is gone */
    char *cgroup, *unit;
    int64_t descriptor_count;                   /* those open now; negative: may not be seen */
    int64_t descriptors_soft, descriptors_hard; /* RLIMIT_NOFILE; INT64_MAX: unlimited */
};

/* Reads it.
 *   ret_facts  process_facts_fini() it
 * Returns 0, -ESRCH (there is no such process), -ENOMEM. */
int process_facts_read(pid_t pid, struct process_facts *ret_facts);
void process_facts_fini(struct process_facts *facts);

/* "sleeping" of 'S'. */
const char *process_state_word(char state);
/* Milliseconds since it started, and when that was, as seconds since 1970. */
int64_t process_age_ms(uint64_t start_ticks);
int64_t process_start_s(uint64_t start_ticks);

struct ancestor {
    pid_t pid;
    char name[64];
};
/* Its parent, that one's parent, and so on up to pid 1; what lies outside our pid namespace does
 * not show.
 *   ret_ancestors  room for SHOW_ANCESTORS_MAX
 * Returns how many there are. */
unsigned process_ancestors(pid_t pid, struct ancestor *ret_ancestors);

#endif
