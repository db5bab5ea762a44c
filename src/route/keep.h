/* keep.h - what outlives this process in the service manager's store: listeners, so that nobody is
 * refused while ferry restarts, and connections that are relayed.
 *
 * Each descriptor has a name that says what it is:
 *     ferry-listen-HASH-TEXT      a listener; HASH of its address, TEXT for people
 *     ferry-pair-HASH-ID-peer     a connection to a peer, and the one to its target ("-target");
 *                                 HASH of the route's listening address and target
 * A listener is put there when it opens, so that even a crash keeps it; a connection when ferry
 * stops. What comes back is matched by the name, and then checked like anything from outside.
 */
#ifndef FERRY_ROUTE_KEEP_H
#define FERRY_ROUTE_KEEP_H

#include "route/registry.h"

#include <ferry/listener.h>

/* Every name of ours begins so. */
#define KEEP_PREFIX "ferry-"

/* How much of what was passed to this process has been kept for us; if any, there is a store. */
size_t keep_count(const struct activation *activation);

/* Before routes are opened: lets go of kept listeners that no route asks for any more. */
void keep_sweep(struct registry *registry, const struct settings *settings);
/* When the routes stand: kept connections go on. */
void keep_resume(struct registry *registry);

/* Opens the route's listener if it was kept; false: it is to be opened anew. */
bool keep_resume_listener(struct route *route, const struct ferry_listen_options *options);
/* Has the listener kept, which was opened just now. */
void keep_listener(struct route *route);
/* Closes a kept listener: for good, or (registry->leaves_listeners) leaving it in the store. */
void keep_close_listener(struct route *route);

/* Hands the connections over that can be; true: others may later. */
bool keep_connections(struct registry *registry);
/* Puts the two ends of a connection into the store; both are borrowed. 0 or -errno. */
int keep_pair(const struct route *route, int peer, int target);

#endif
