/* cgroup.h - what /proc/PID/cgroup says, read as systemd means it: cgroups(7). */
#ifndef FERRY_WIRE_CGROUP_H
#define FERRY_WIRE_CGROUP_H

#include <stddef.h>

/* The path in systemd's hierarchy: the unified one ("0::PATH"), or name=systemd where that says
 * nothing. A copy that the caller frees. NULL: there is none, or it lies outside our cgroup
 * namespace, or out of memory.
 *   text  the file, NUL-terminated; a line may be cut at its end only */
char *cgroup_find(const char *text);

/* The unit in such a path: its first component that is no slice, if that is a unit's name. What
 * lies below belongs to the unit, which may call it what it likes.
 *   ret_length  bytes
 * NULL: there is none. */
const char *cgroup_unit(const char *path, size_t *ret_length);

#endif
