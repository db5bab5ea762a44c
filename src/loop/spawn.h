/* spawn.h - starting a program. */
#ifndef FERRY_LOOP_SPAWN_H
#define FERRY_LOOP_SPAWN_H

#include "loop/child.h"

#include <stddef.h>

struct spawn {
    const char *const *argv; /* NULL-terminated; argv[0] without a slash is sought in PATH */
    const char *const
        *variables;     /* NULL-terminated NAME=VALUE, over our own environment; or NULL */
    int stdio[3];       /* borrowed; -1: /dev/null */
    const int *extra;   /* borrowed; they become 3, 4, ... */
    size_t extra_count; /* items */
};

/* Starts a program. It gets the named descriptors and no others, an empty signal mask and default
 * dispositions. Waits until the program is executed, so that its failure is told:
 * -ENOENT, -EACCES, -ENOEXEC, ... as execve(2), or -EMFILE, -EAGAIN, -ENOMEM. */
int child_spawn(const struct spawn *spawn, struct child *ret_child);

#endif
