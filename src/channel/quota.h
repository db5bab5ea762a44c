/* quota.h - a bound on what the relays of one holder have received and not sent yet.
 *
 * A flow is charged for what it holds after each pump. Before it receives it asks whether there is
 * room: while there is none it receives nothing, unless the opposite direction of its own relay
 * holds something. So with one receive more at most twice the bound is held. A relay that waits for
 * room stands in a list and is told.
 */
#ifndef FERRY_CHANNEL_QUOTA_H
#define FERRY_CHANNEL_QUOTA_H

#include "base/list.h"

#include <ferry/relay.h>

/* What one flow is charged for. */
struct charge {
    unsigned bytes, descriptors;
};

/* A relay that waits for room. */
struct quota_waiter {
    struct list node;
};

/* The first quota of the chain that is full; NULL: there is room, or no quota. */
struct ferry_relay_quota *quota_get_full(struct ferry_relay_quota *quota);
/* Changes what a flow is charged for from *charge to `now`. */
void quota_charge(struct ferry_relay_quota *quota, struct charge *charge, struct charge now);
/* Has `waiter` told once there is room in a quota that is full. */
void quota_wait(struct ferry_relay_quota *full, struct quota_waiter *waiter);
/* There is room again; in relay.c. */
void relay_on_room(struct quota_waiter *waiter);

#endif
