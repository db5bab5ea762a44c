/* peer_pidfd.h - whether this kernel can prove what a process at the other end is. */
#ifndef FERRY_PROCESS_PEER_PIDFD_H
#define FERRY_PROCESS_PEER_PIDFD_H

#include <stdbool.h>

/* It gives a pidfd of a peer (SO_PEERPIDFD, from Linux 6.5), by which the name, executable and unit
 * that are read of a process are known to be the peer's. Asked of it once. */
bool peer_pidfd_is_given(void);

#endif
