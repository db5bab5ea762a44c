/* outgoing.c - outgoings as the buffers of one write, and the booking of what the write took. */
#include "transport/outgoing.h"

/* Buffers that are being filled. */
struct gathering {
    struct iovec *buffers;
    size_t room, count; /* items */
    size_t limit, size; /* bytes */
};

static bool gathering_is_full(const struct gathering *gathering)
{
    return gathering->count == gathering->room || gathering->size == gathering->limit;
}

static void gather_one(struct gathering *gathering, const struct ferry_outgoing *outgoing)
{
    size_t skip = outgoing->sent_size;

    for (size_t i = 0; i < outgoing->buffer_count && !gathering_is_full(gathering); i++) {
        struct iovec buffer = outgoing->buffers[i];
        size_t left = gathering->limit - gathering->size;
        if (skip >= buffer.iov_len) {
            skip -= buffer.iov_len;
            continue;
        }
        buffer.iov_base = (char *)buffer.iov_base + skip;
        buffer.iov_len -= skip;
        if (buffer.iov_len > left)
            buffer.iov_len = left;
        skip = 0;
        gathering->size += buffer.iov_len;
        gathering->buffers[gathering->count++] = buffer;
    }
}

size_t outgoing_gather(const struct ferry_outgoing *batch, size_t count, size_t limit,
    struct iovec *buffers, size_t room, size_t *ret_size)
{
    struct gathering gathering = { .buffers = buffers, .room = room, .limit = limit };

    for (size_t i = 0; i < count && !gathering_is_full(&gathering); i++)
        gather_one(&gathering, &batch[i]);
    *ret_size = gathering.size;
    return gathering.count;
}

size_t outgoing_book(struct ferry_outgoing *batch, size_t count, size_t sent)
{
    for (size_t i = 0; i < count; i++) {
        size_t left = outgoing_size(&batch[i]) - batch[i].sent_size;
        if (sent < left) {
            batch[i].sent_size += sent;
            return i;
        }
        batch[i].sent_size += left;
        batch[i].complete = true;
        sent -= left;
    }
    return count;
}
