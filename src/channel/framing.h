/* framing.h - messages on a channel of bytes, by frame=lf|length|none (wire/frame.h).
 *
 * Receiving finds frames in place, in the inbox; only what is left over (part of a frame, or more
 * frames than were asked for) is kept, in memory of the framing, at most FRAME_SIZE_MAX and one
 * read. Sending keeps no state: an outgoing's progress counts the frame's own bytes too.
 * Descriptors that come with bytes belong to the first message completed by those bytes or later.
 */
#ifndef FERRY_CHANNEL_FRAMING_H
#define FERRY_CHANNEL_FRAMING_H

#include "transport/transport.h"
#include "wire/frame.h"

struct framing;

int framing_new(enum frame frame, struct framing **ret_framing);
void framing_free(struct framing *framing);

/* As ferry_channel_try_send() and ferry_channel_try_receive(), over a link of bytes. */
int framing_send(
    struct framing *framing, struct link *link, struct ferry_outgoing *batch, size_t count);
int framing_receive(struct framing *framing, struct link *link, struct ferry_inbox *inbox,
    struct ferry_message *batch, size_t count);
/* Nothing that was received is kept here. */
bool framing_is_empty(const struct framing *framing);
/* A receive would bring something without asking the link. */
bool framing_pending(const struct framing *framing);

#endif
