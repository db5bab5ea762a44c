/* dialler_process.h - the other side of dialler.h: what the forked process does, and what the two
 * say to each other. */
#ifndef FERRY_PROCESS_DIALLER_PROCESS_H
#define FERRY_PROCESS_DIALLER_PROCESS_H

#include "process/dialler.h"

#include <assert.h>
#include <stdint.h>
#include <sys/types.h>

/* One message, followed by group_count gids, the text of the address, the variables and the
 * profile's options, each with its NUL. It brings one descriptor, where to answer, and with `peer`
 * the caller's socket. Both sides are the same program: the layout is its own business. */
struct dialler_ask {
    uint32_t uid, gid, group_count; /* 0 with `peer` */
    uint32_t address_size, variables_size, profile_size;
    uint32_t timeout_ms; /* at least 1 */
    uint32_t peer, refuse_descriptors;
};
static_assert(sizeof(struct dialler_ask) == 36, "no padding that would be sent unset");

/* The answer brings a descriptor to receive by and one to send by, or one that does both. It comes
 * from a process that is the caller's, so all of it is checked. */
struct dialler_answer {
    struct ferry_error error; /* of code 0: dialled */
    uint32_t receives, sends; /* descriptors that follow, in this order ... */
    uint32_t same;            /* ... which are one */
};

/* Serves until nobody is at the other end of `fd`, and exits. */
_Noreturn void dialler_process_run(int fd, const struct dialler_options *options);

#endif
