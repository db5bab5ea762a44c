/* expect.h - what the channels of an address will be able to do, told before there are any.
 *
 * For questions that are asked of a configuration: is there a way from this listener to that
 * target, could descriptors pass at all, does anybody vouch for the peer. Channels themselves are
 * asked, never guessed from the scheme.
 */
#ifndef FERRY_ROUTE_EXPECT_H
#define FERRY_ROUTE_EXPECT_H

#include "base/bytes.h"
#include "wire/address.h"

#include <ferry/relay.h>

/* False: cannot be told before it is opened (fd:, -). */
bool expect_capabilities(
    const struct ferry_address *address, enum address_verb verb, unsigned *ret_capabilities);

/* "splice", "copy", ... */
const char *expect_way_name(enum ferry_way way);

/* Appends which way each direction will be carried, and why.
 *   listener, target  capabilities of the channels at both ends
 *   from_file         the target is a regular file
 * Returns 0, or -EPROTOTYPE (bytes and messages meet without frame=). */
int expect_ways(unsigned listener, unsigned target, bool from_file, struct bytes *text);

/* Whether two addresses stand for the same place, whatever their options: both cannot be listened
 * on at once. A group joined on another interface or from other sources is another place. */
bool expect_same_place(const struct ferry_address *one, const struct ferry_address *other);

#endif
