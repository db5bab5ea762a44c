/* activation.h - descriptors that a service manager opened for us: $LISTEN_FDS, sd_listen_fds(3).
 *
 * They are taken once, as a table; each is claimed by its name. The table owns what was not
 * claimed.
 */
#ifndef FERRY_PROCESS_ACTIVATION_H
#define FERRY_PROCESS_ACTIVATION_H

#include <ferry/error.h>

/* The number of the first: SD_LISTEN_FDS_START of sd_listen_fds(3). */
#define LISTEN_FDS_START 3

struct activation_entry {
    char *name; /* of $LISTEN_FDNAMES, "unknown" without it, as sd_listen_fds(3) has it */
    int fd;     /* -1: claimed */
};

struct activation {
    struct activation_entry *entries;
    size_t count;
};

/* Takes what was passed to this very process ($LISTEN_PID), sets CLOEXEC on it, and removes the
 * variables from the environment, so that no child believes they are for it. Call before threads
 * are started. An empty table if nothing was passed.
 * Returns 0, -EINVAL (variables that contradict each other), -EBADF (a descriptor is not open),
 * -ENOMEM. Nothing is closed on failure. */
int activation_take(struct activation *ret_activation, struct ferry_error *error);

/* Hands out the first unclaimed descriptor called `name`, or whose number `name` is; the caller
 * closes it. -1: none. */
int activation_claim(struct activation *activation, const char *name);

/* Reports every unclaimed descriptor (`report` may be NULL), closes it, and empties the table. */
void activation_close(struct activation *activation,
    void (*report)(const char *name, int fd, void *data), void *data);

#endif
