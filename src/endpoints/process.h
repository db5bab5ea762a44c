/* process.h - what /proc tells of one process, all of it read by one handle on its folder. */
#ifndef FERRY_ENDPOINTS_PROCESS_H
#define FERRY_ENDPOINTS_PROCESS_H

#include "endpoints/table.h"

/* Fills state, name, parent and start_ticks. Returns 0, -errno. */
int process_read_stat(int folder, struct process *process);
/* Fills what FERRY_GATHER_DETAILS asks for; what can't be read stays unknown. Its texts are in the
 * process's own memory. */
int process_read_details(int folder, struct process *process);
/* Forgets what it has open. */
void process_clear_descriptors(struct process *process);
/* The container's id in a path of control groups, as Docker, Podman, containerd, CRI-O, LXC and
 * nspawn write it; NULL: none.
 *   ret_length  bytes */
const char *cgroup_container(const char *path, size_t *ret_length);

#endif
