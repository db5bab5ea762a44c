/* name.h - the command name of the process at the other end, proved. */
#ifndef FERRY_PROCESS_NAME_H
#define FERRY_PROCESS_NAME_H

#include <ferry/identity.h>
#include <stdbool.h>

/* What /proc/PID/comm says, read while the identity's pidfd proves that the pid is still that of
 * the peer; without a proof there is none.
 *   name, size  receives the NUL-terminated name, "" if there is none; 16 bytes hold any */
void process_name(struct ferry_identity *who, char *name, size_t size);

/* Whether this kernel lends such proofs: SO_PEERPIDFD, from Linux 6.5. Asked of it once. */
bool process_names_known(void);

#endif
