/* channel.h (internal) - what stands behind the public, opaque ferry_channel.
 *
 * A channel is a link of the transport floor, with framing when its address asked for it, and what
 * is remembered about the peer. An idle channel owns no buffer.
 */
#ifndef FERRY_CHANNEL_CHANNEL_H
#define FERRY_CHANNEL_CHANNEL_H

#include "transport/transport.h"
#include "wire/frame.h"

#include <assert.h>
#include <ferry/channel.h>

struct framing;
struct asked;
struct weather;

struct ferry_channel {
    struct link link;
    struct asked *asked;             /* of its socket's options; counted; NULL: nothing */
    struct framing *framing;         /* NULL: what the mechanism gives */
    struct weather *weather;         /* what its address says a relay is to do; NULL: nothing */
    char *peer;                      /* text, made when first asked for */
    struct ferry_identity *identity; /* NULL: not asked for, or forgotten */
    bool stopped;               /* nothing more is received but what is pending, then the end */
    unsigned char likely_quiet; /* receives to come before which waiting is tried first */
};

static_assert(sizeof(struct ferry_channel) <= 120, "an idle connection pays for two");

/* An empty channel whose link the caller fills, with the frame= and the weather of an address
 * (NULL: none). */
int channel_new(const struct ferry_address *address, struct ferry_channel **ret_channel);
/* Frees a channel whose link was never filled. */
void channel_free_empty(struct ferry_channel *channel);

/* Whether it is one of auto:, and so both ends must be. */
bool channel_is_auto(const struct ferry_channel *channel);

/* Whether all that the channel is lies in its one descriptor, and nobody else uses that. */
bool channel_is_whole(const struct ferry_channel *channel);
/* Whether something that was received is still here and not in the kernel. */
bool channel_holds(struct ferry_channel *channel);
/* Frees a channel that is whole and gives its descriptor to the caller. */
int channel_release(struct ferry_channel *channel);

/* The close that comes breaks the connection off where the mechanism can: TCP's peer is told by a
 * reset, and what it has not received yet is dropped. */
void channel_reset_at_close(const struct ferry_channel *channel);

/* Whether descriptors are to be refused: the caller's option or descriptors=no of the address. */
bool channel_refuses_descriptors(const struct ferry_address *address, bool refuse);

#endif
