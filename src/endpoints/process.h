/* process.h - what /proc tells of one process, all of it read by one handle on its folder.
 *
 * The handle stands for one process: once that has ended every read through it fails, whoever has
 * its number then. So what is read by one handle is about one process.
 */
#ifndef FERRY_ENDPOINTS_PROCESS_H
#define FERRY_ENDPOINTS_PROCESS_H

#include "endpoints/table.h"

/* Reads a file of the process's folder, at most size - 1 bytes, NUL-terminated. Returns its length,
 * -errno. */
int process_read(int folder, const char *file, char *text, size_t size);
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
