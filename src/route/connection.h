/* connection.h - one peer on its way: identity, verdict, service, event. */
#ifndef FERRY_ROUTE_CONNECTION_H
#define FERRY_ROUTE_CONNECTION_H

#include "route/registry.h"

/* Decides about a peer that has arrived, and serves it or turns it away. Takes the channel. */
void connection_start(struct route *route, struct ferry_channel *channel);

/* Ends it now, with its event: `reason` says why. The registry is not told (on_ended). */
void connection_stop(struct connection *connection, const char *reason);

#endif
