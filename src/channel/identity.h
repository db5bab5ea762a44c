/* identity.h (internal) - facts that /proc tells of a process which a pidfd proves alive. */
#ifndef FERRY_CHANNEL_IDENTITY_H
#define FERRY_CHANNEL_IDENTITY_H

#include "transport/identity.h"

/* FERRY_FACT_NAME, _EXECUTABLE, _CGROUP (which brings _UNIT). They stay unknown without a pidfd,
 * and unless the process lived when they had been read. */
void identity_gather_process(struct ferry_identity *identity, enum ferry_fact fact);

/* Whether the process of a pidfd has not ended. */
bool pidfd_lives(int pidfd);

#endif
