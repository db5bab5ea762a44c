/* seal.h - what shows that who offers a ring is at the other end of this very connection. */
#ifndef FERRY_TRANSPORT_AUTO_SEAL_H
#define FERRY_TRANSPORT_AUTO_SEAL_H

#include <ferry/auto.h>
#include <stdint.h>

/* Makes the seal of our end of a connection, to be sent along and closed.
 * Returns 0, -EMFILE, -ENFILE, -ENOMEM, -EPERM (forbidden by a filter of system calls), ... */
int seal_new(int connection, int *ret_seal);
/* The number of the socket at the other end, as the kernel knows it.
 * Returns 0, -ENOTCONN, -ENOENT (it can't be told), -ENFILE, ... */
int seal_peer_number(int connection, uint32_t *ret_number);
/* Whether a seal that came is of whom the connection is with; else why it is not known to be.
 *   dialled  we did: who accepts may be another than who listens */
bool seal_fits(int connection, int seal, bool dialled, enum ferry_auto_reason *ret_reason);

#endif
