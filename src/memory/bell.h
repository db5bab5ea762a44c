/* bell.h - what one process wakes another with, neither of which trusts the other. */
#ifndef FERRY_MEMORY_BELL_H
#define FERRY_MEMORY_BELL_H

#include <stdbool.h>

/* Makes one, CLOEXEC.
 *   ret_fd  readable while it rings; for the other process too
 * Returns 0, -EMFILE, -ENFILE, -ENOMEM. */
int bell_new(int *ret_fd);
/* Whether a descriptor that somebody else gave us is one, as far as /proc/self/fd tells. */
bool bell_is(int fd);
/* Lets it ring until it is made quiet, however often. Never waits. */
void bell_ring(int fd);
/* Makes it quiet. Never waits. Returns whether it rang. */
bool bell_quiet(int fd);

#endif
