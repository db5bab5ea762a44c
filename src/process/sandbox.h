/* sandbox.h - what this process gives up for good: new privileges by executing a program
 * (no_new_privs), and every system call that its work does not need (a seccomp(2) filter, by
 * libseccomp).
 *
 * A call outside the filter fails with EPERM, so that something forgotten degrades one feature and
 * not the whole program. A process that runs commands cannot have an allow-list, since they inherit
 * it and are anybody's: theirs is a deny-list of what no command behind a socket has to do with
 * the kernel.
 */
#ifndef FERRY_PROCESS_SANDBOX_H
#define FERRY_PROCESS_SANDBOX_H

#include "base/bytes.h"

#include <ferry/error.h>

/* What goes beyond carrying what is open already. */
enum sandbox_group {
    SANDBOX_LISTEN = 1 << 0,   /* to open listeners: whoever reads a configuration again */
    SANDBOX_DIAL = 1 << 1,     /* to open targets */
    SANDBOX_COMMANDS = 1 << 2, /* to run programs (exec:); then only the deny-list holds */
    SANDBOX_BECOME = 1 << 3,   /* to become other users: the dialler */
    SANDBOX_LOOK = 1 << 4,     /* to look at what the machine has open: metrics */
    SANDBOX_SEAL = 1 << 5,     /* to show peers of auto: who we are */
};

/* Enters it, all threads alike; once.
 * Returns 0, also where there is no filter (sandbox_lacks_filter()), or -errno with *error. */
int sandbox_enter(unsigned groups, struct ferry_error *error);

/* Why this program has no filter: NULL if it has one. */
const char *sandbox_lacks_filter(void);

/* "base listen dial", or that only the deny-list holds, as status shows it. */
void sandbox_print_groups(unsigned groups, struct bytes *text);

#endif
