/* walk.h - what the walk has in hand. */
#ifndef FERRY_ENDPOINTS_WALK_H
#define FERRY_ENDPOINTS_WALK_H

#include "endpoints/open_files.h"
#include "endpoints/table.h"

struct walking {
    struct ferry_endpoints *table;
    bool all;
    bool tells_sizes;                    /* the kernel, how many descriptors each has */
    int proc;                            /* /proc */
    char *buffer;                        /* WALK_BUFFER_SIZE, for directory entries */
    uint64_t socket_device, pipe_device; /* of all sockets' and pipes' inodes */
    struct process **before;             /* the last look's, by pid; NULL: taken over */
    size_t before_count, before_next;
    struct process *current; /* whose files the kernel is telling of: it has the pool meanwhile */
    size_t current_first;    /* of its descriptors */
    int current_folder;      /* /proc/PID/fd; -1: not needed yet */
    size_t pool_count;
};

/* Reads anew what a process has open, through its folder in /proc.
 * Returns 0, -EACCES or -EPERM (it may not be looked at), -ENOMEM, -errno. */
int descriptors_read(struct walking *walking, struct process *process, int process_folder);
/* Adds one of those of walking->current. Returns 0, -ENOMEM. */
int descriptors_take(struct walking *walking, const struct open_file *file);

#endif
