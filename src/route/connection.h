/* connection.h - one peer on its way: identity, verdict, service, event. */
#ifndef FERRY_ROUTE_CONNECTION_H
#define FERRY_ROUTE_CONNECTION_H

#include "route/registry.h"

/* Decides about a peer that has arrived, and serves it or turns it away. Takes the channel. */
void connection_start(struct route *route, struct ferry_channel *channel);

/* The same for one that was kept, with the way to its target. Takes both channels. Whether it may
 * go on, the rules of now decide. */
void connection_resume(
    struct route *route, struct ferry_channel *channel, struct ferry_channel *upstream);

/* Hands it to the store, with its event; it is gone then. Returns 0, -EAGAIN (not now: something is
 * on its way), -EOPNOTSUPP. The registry is not told. */
int connection_keep(struct connection *connection);

/* Ends it now, with its event: `reason` says why. The registry is not told (on_ended). */
void connection_stop(struct connection *connection, const char *reason);

#endif
