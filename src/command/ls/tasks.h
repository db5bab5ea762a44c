/* tasks.h - what the threads of a process do: whether they have run, and in which write they sleep.
 */
#ifndef FERRY_COMMAND_LS_TASKS_H
#define FERRY_COMMAND_LS_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct task {
    pid_t tid;
    char state;        /* R S D T t Z ... */
    uint64_t switches; /* of context, so far: the same again means that it has not run */
    int write_fd;      /* sleeps in write(2), send(2) ... on it; -1: it does not, or that can't be
                          read (it takes what ptrace(2) takes) */
};

struct tasks {
    struct task *data;
    size_t count;
};

/* Reads those of a process; of one that has ended there are none. NULL: out of memory. */
struct tasks *tasks_new(pid_t pid);
/* NULL is allowed. */
void tasks_free(struct tasks *tasks);

#endif
