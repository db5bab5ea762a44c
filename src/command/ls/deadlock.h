/* deadlock.h - processes that wait for each other to read, in a ring.
 *
 * A process waits for another if it has filled a queue that the other is to read: the kernel lets
 * nobody put more into it, and nothing has been taken out of it while we looked twice. Processes
 * that wait for each other, directly or around a ring, and have done so all the time between the
 * looks, can't go on unless one of them does something else. It is called "DEADLOCK?" all the same:
 * one of them may wake up by a timer and give up.
 */
#ifndef FERRY_COMMAND_LS_DEADLOCK_H
#define FERRY_COMMAND_LS_DEADLOCK_H

#include <ferry/endpoints.h>
#include <stdbool.h>

/* One process, and the queue that it has filled. */
struct deadlock_wait {
    const struct ferry_endpoint *endpoint; /* the end that it writes to, of the table */
    pid_t pid;
    int fd;
    pid_t tid;         /* the thread that sleeps in the write; 0: none is known to, and the process
                          has not run at all */
    unsigned deadlock; /* which, from 1 */
};

struct deadlocks {
    struct deadlock_wait *waits; /* by endpoint's place in memory, then pid */
    size_t wait_count;
    unsigned count;
    bool *drawn; /* [count + 1], by number: set by who draws a part of one */
};

/* Finds them. If there is a suspicion, looks again: the table is refreshed then.
 *   table          must know owners
 *   ret_deadlocks  deadlocks_fini() it; points into the table, until that is refreshed again
 * Returns 0, -errno with *error. */
int deadlocks_find(
    struct ferry_endpoints *table, struct deadlocks *ret_deadlocks, struct ferry_error *error);
void deadlocks_fini(struct deadlocks *deadlocks);
/* The number of the deadlock that the queue behind an endpoint is part of; 0: none. */
unsigned deadlocks_of(const struct deadlocks *deadlocks, const struct ferry_endpoint *endpoint);
/* Who is to read what is written into an endpoint: its peer, or the listener that it waits for. */
const struct ferry_endpoint *deadlock_reader(const struct ferry_endpoint *endpoint);

#endif
