/* outgoing.h - outgoings as the buffers of one write, and the booking of what the write took. */
#ifndef FERRY_TRANSPORT_OUTGOING_H
#define FERRY_TRANSPORT_OUTGOING_H

#include <ferry/channel.h>

static inline size_t outgoing_size(const struct ferry_outgoing *outgoing)
{
    size_t size = 0;
    for (size_t i = 0; i < outgoing->buffer_count; i++)
        size += outgoing->buffers[i].iov_len;
    return size;
}

/* Lays what is still unsent of batch[0..count), in order, into buffers[0..room).
 *   limit     bytes at most
 *   ret_size  bytes laid
 * Returns how many buffers are filled. */
size_t outgoing_gather(const struct ferry_outgoing *batch, size_t count, size_t limit,
    struct iovec *buffers, size_t room, size_t *ret_size);

/* Books `sent` bytes from the front of the batch; returns how many outgoings are complete now.
 * Empty ones are complete as soon as all before them are. */
size_t outgoing_book(struct ferry_outgoing *batch, size_t count, size_t sent);

#endif
