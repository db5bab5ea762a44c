/* descriptors.h - how many descriptors a process may have open, and how it gets more. */
#ifndef FERRY_COMMAND_WHY_DESCRIPTORS_H
#define FERRY_COMMAND_WHY_DESCRIPTORS_H

#include "base/bytes.h"

#include <sys/types.h>

/* The soft limit; 0: unknown. */
unsigned descriptors_limit(pid_t pid);
/* The command that lets it have more: "prlimit --pid 4711 --nofile=2048:". Below the hard limit the
 * soft one alone is raised; where they are the same both are, which takes CAP_SYS_RESOURCE. */
void descriptors_print_raise(pid_t pid, struct bytes *text);

#endif
