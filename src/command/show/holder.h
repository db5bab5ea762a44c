/* holder.h - processes for people: who holds an endpoint, and one process that was asked about. */
#ifndef FERRY_COMMAND_SHOW_HOLDER_H
#define FERRY_COMMAND_SHOW_HOLDER_H

#include "base/bytes.h"

#include <ferry/endpoints.h>

/* Appends every process that holds an endpoint: its descriptors, user, unit, container, executable,
 * start, ancestors, and what it is blocked in. */
void holders_print(
    const struct ferry_endpoints *table, const struct ferry_endpoint *endpoint, struct bytes *text);
/* Appends a process in full and its endpoints, one a line. Returns 0, -ESRCH, -ENOMEM. */
int process_print(const struct ferry_endpoints *table, pid_t pid, struct bytes *text);
/* Appends "bash[12] < sshd[5] < systemd[1]"; "nobody that can be seen". */
void ancestors_print(pid_t pid, struct bytes *text);

#endif
