/* stuck.h - descriptors on their way through a flow whose receiver takes nothing. */
#ifndef FERRY_CHANNEL_STUCK_H
#define FERRY_CHANNEL_STUCK_H

#include "channel/flow.h"

/* Whether `to` is full and descriptors wait for it: in the flow, or unreceived in the socket that
 * it receives from, where the kernel tells that. Reads /proc, so not for every turn. */
bool flow_is_stuck(const struct flow *flow);

#endif
