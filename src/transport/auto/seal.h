/* seal.h - what shows that who offers a ring is at the other end of this very connection. */
#ifndef FERRY_TRANSPORT_AUTO_SEAL_H
#define FERRY_TRANSPORT_AUTO_SEAL_H

#include <ferry/auto.h>

/* Makes the seal of our end of a connection, to be sent along and closed.
 * Returns 0, -EMFILE, -ENFILE, -ENOMEM, -EPERM (forbidden by a filter of system calls), ... */
int seal_new(int connection, int *ret_seal);
/* Whether a seal that came is of whom the connection is with; else why it is not known to be.
 *   dialled  we did: who accepts may be another than who listens */
bool seal_fits(int connection, int seal, bool dialled, enum ferry_auto_reason *ret_reason);

#endif
