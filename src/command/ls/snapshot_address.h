/* snapshot_address.h - an endpoint's addresses from the text that tells of them, the way back of
 * ferry_endpoint_print_local() and _remote(). */
#ifndef FERRY_COMMAND_LS_SNAPSHOT_ADDRESS_H
#define FERRY_COMMAND_LS_SNAPSHOT_ADDRESS_H

#include "base/arena.h"

#include <ferry/endpoints.h>

/* Sets name, or inet and family, of an endpoint whose kind is known.
 *   local, remote  "" for none; the remote one is of use to IP sockets only
 * Returns 0, -EINVAL (no address of that kind), -ENOMEM. */
int snapshot_address_set(
    struct arena *arena, struct ferry_endpoint *endpoint, const char *local, const char *remote);

#endif
