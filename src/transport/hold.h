/* hold.h - one listening for each FIFO or queue. */
#ifndef FERRY_TRANSPORT_HOLD_H
#define FERRY_TRANSPORT_HOLD_H

#include <ferry/error.h>

/* Locks an open FIFO or queue against other listenings, until the last copy of fd is closed. Nobody
 * else is kept from reading it: the lock is an agreement, flock(2).
 *   thing  what the error names
 * Returns 0, -EADDRINUSE (with the owner's pid where it is known), or -errno. */
int hold_take(int fd, const char *thing, struct ferry_error *error);

#endif
