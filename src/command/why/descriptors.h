/* descriptors.h - how a process gets more descriptors than it may have open. */
#ifndef FERRY_COMMAND_WHY_DESCRIPTORS_H
#define FERRY_COMMAND_WHY_DESCRIPTORS_H

#include "base/bytes.h"

#include <sys/types.h>

/* The command that lets it have more: "prlimit --pid 4711 --nofile=2048:". Below the hard limit the
 * soft one alone is raised; where they are the same both are, which takes CAP_SYS_RESOURCE. */
void descriptors_print_raise(pid_t pid, struct bytes *text);

#endif
