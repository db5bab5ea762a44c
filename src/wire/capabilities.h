/* capabilities.h - what follows from a channel's or listener's capabilities (enum
 * ferry_capability).
 */
#ifndef FERRY_WIRE_CAPABILITIES_H
#define FERRY_WIRE_CAPABILITIES_H

#include <ferry/channel.h>
#include <stdbool.h>

/* Messages come, and never an end: datagrams, and queues. */
static inline bool capabilities_are_endless(unsigned capabilities)
{
    return (capabilities & FERRY_HAS_BOUNDARIES) && !(capabilities & FERRY_HAS_END);
}

/* What is carried may be lost: queues lose nothing. */
static inline bool capabilities_are_datagrams(unsigned capabilities)
{
    return capabilities_are_endless(capabilities) && !(capabilities & FERRY_HAS_PRIORITY);
}

#endif
