/* blocked.h - what a process is blocked in, thread by thread: stopped, or in which system call, and
 * for which descriptors.
 *
 * From /proc/PID/task: nothing is traced and nothing stands still. The call and its arguments are
 * shown to whom may trace the process (its own user, CAP_SYS_PTRACE; Yama may forbid more): else
 * `told` is false, and only the state is known. What the arguments point to (poll(2)'s descriptors,
 * the path of open(2)) is read from its memory, by the same right.
 *
 * It is a picture of one moment: a thread that runs may have been waiting a microsecond ago.
 */
#ifndef FERRY_COMMAND_VIEW_BLOCKED_H
#define FERRY_COMMAND_VIEW_BLOCKED_H

#include "base/bytes.h"

#include <ferry/endpoints.h>
#include <stdint.h>

struct blocked_thread {
    pid_t pid, tid;
    char state;       /* proc_pid_stat(5): R S D T t Z X I */
    bool told;        /* the call is known, or that there is none */
    long number;      /* of the system call; -1: none, it runs or waits for memory */
    const char *call; /* its name; NULL: none of those that are known here */
    bool writes;      /* it is one that writes into `fds` */
    bool sets;        /* it waits for the descriptors of a set (poll, select, epoll): `fds` */
    bool fds_whole;   /* `fds` are all that it waits for */
    int epoll;        /* of epoll_wait(2); -1: none */
    int *fds;         /* the call's descriptor, or those of its set; ascending */
    size_t fd_count, fd_capacity;
    size_t *fds_left;    /* while it is looked at: how many more may be read of its process */
    char *path;          /* of open(2): as it was given; NULL: unknown */
    uint64_t open_flags; /* of open(2): O_RDONLY ... */
    unsigned char address[128]; /* of connect(2): struct sockaddr */
    size_t address_size;        /* bytes; 0: unknown */
    char place[64];             /* where in the kernel (wchan); "": unknown */
    uint64_t switches;          /* of context, so far: the same again means that it has not run */
};

struct blocked {
    pid_t pid;
    pid_t tracer; /* 0: none */
    bool ended;   /* there is no such process any more */
    struct blocked_thread *threads;
    size_t count, capacity;
    bool cut; /* there are more threads than BLOCKED_THREADS_MAX */
};

/* Looks at a process.
 *   ret_blocked  blocked_fini() it, whatever is returned
 * Returns 0 (a process that has gone: `ended`), -ENOMEM. */
int blocked_look(pid_t pid, struct blocked *ret_blocked);
void blocked_fini(struct blocked *blocked);

/* The thread that says most about the process: the first that is stopped, a zombie or stuck in the
 * kernel, else the main one. NULL: it has gone. */
const struct blocked_thread *blocked_main(const struct blocked *blocked);
/* Whether every thread is stopped, by a signal or a tracer. */
bool blocked_is_stopped(const struct blocked *blocked);
/* A thread that waits for this descriptor, in a call on it or in a set; NULL: none does. */
const struct blocked_thread *blocked_find_waiting(const struct blocked *blocked, int fd);
/* One that sleeps in a call that writes into this descriptor; NULL: none does. */
const struct blocked_thread *blocked_find_writing(const struct blocked *blocked, int fd);
/* Whether every thread sleeps: none runs, and none was stopped. */
bool blocked_is_asleep(const struct blocked *blocked);
/* How often its threads were given the processor. */
uint64_t blocked_switches(const struct blocked *blocked);
/* Whether what each thread waits for is known. */
bool blocked_is_told(const struct blocked *blocked);

/* Appends "stopped by a signal", "read on 7 = u_str /run/x.sock with x[12]",
 * "epoll_wait on 4: 5, 6 and 7 more", "futex (a lock, or another thread)", "runs", ...
 *   table  to name descriptors by; NULL: by their links in /proc */
void blocked_print_thread(
    const struct blocked_thread *thread, const struct ferry_endpoints *table, struct bytes *text);
/* Appends what a descriptor of a process is: "7 = u_str /run/x.sock with x[12]". */
void blocked_print_descriptor(
    pid_t pid, int fd, const struct ferry_endpoints *table, struct bytes *text);

#endif
