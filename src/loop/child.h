/* child.h - a child process, held by its pidfd.
 *
 * The pidfd stands for exactly this process, so a signal never reaches a stranger who was given the
 * number after it. Who holds a struct child owns the descriptor and the duty to reap; closing does
 * neither kill nor reap.
 */
#ifndef FERRY_LOOP_CHILD_H
#define FERRY_LOOP_CHILD_H

#include <stdint.h>
#include <sys/types.h>

struct child {
    pid_t pid;
    int pidfd;
};

#define CHILD_NONE                                                                                 \
    (struct child)                                                                                 \
    {                                                                                              \
        -1, -1                                                                                     \
    }

/* Takes hold of an unreaped child of this process. -ECHILD: there is no such; -EMFILE, -ENFILE,
 * -ENOMEM. */
int child_open(pid_t pid, struct child *ret_child);
/* Lets go of it. Safe on CHILD_NONE and a second time. */
void child_close(struct child *child);

/* Reaps without waiting. Returns 1 (ended; si_code and si_status as waitid(2) gives them), 0 (it
 * still runs), -ECHILD (it is gone but its status is not to be had: somebody else reaped it, or
 * SIGCHLD is ignored). */
int child_try_reap(const struct child *child, int *ret_code, int *ret_status);
/* The same, waiting until the deadline. Returns 1, -ETIMEDOUT, -ECHILD. */
int child_wait(const struct child *child, int64_t deadline_ns, int *ret_code, int *ret_status);
/* Returns 0, -ESRCH (it has been reaped), -EPERM (it became another user), -EINVAL. */
int child_signal(const struct child *child, int signal);

#endif
