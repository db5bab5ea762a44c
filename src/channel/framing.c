/* framing.c - messages on a channel of bytes. */
#include "channel/framing.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "channel/limits.h"
#include "transport/inbox.h"
#include "wire/limits.h"

#include <errno.h>
#include <string.h>

struct framing {
    enum frame frame;
    bool ended;        /* the link's end was seen; what is kept comes first */
    struct bytes kept; /* received and not yet delivered */
    size_t delivered;  /* of kept: lent to the caller until the next receive */
    int *held;         /* descriptors whose message is not complete, FERRY_DESCRIPTORS_MAX */
    size_t held_count;
};

int framing_new(enum frame frame, struct framing **ret_framing)
{
    struct framing *framing = calloc(1, sizeof(*framing));
    if (!framing)
        return -ENOMEM;
    framing->frame = frame;
    *ret_framing = framing;
    return 0;
}

void framing_free(struct framing *framing)
{
    if (!framing)
        return;
    for (size_t i = 0; i < framing->held_count; i++)
        fd_close(&framing->held[i]);
    free(framing->held);
    bytes_fini(&framing->kept);
    free(framing);
}

/* --- sending ---------------------------------------------------------------------------------- */

struct wrapped {
    struct iovec buffers[FRAMED_BUFFERS_MAX + 2];
    char head[FRAME_HEAD_MAX];
    char tail[FRAME_TAIL_MAX];
};

/* Lays one message into its frame; the result borrows from both. */
static int framing_wrap(enum frame frame, const struct ferry_outgoing *message,
    struct wrapped *wrapped, struct ferry_outgoing *ret_outgoing)
{
    size_t size = 0, head_size, tail_size, count = 0;

    if (message->buffer_count > FRAMED_BUFFERS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < message->buffer_count; i++) {
        const struct iovec *buffer = &message->buffers[i];
        int r = message->sent_size ? 0 : frame_fits(frame, buffer->iov_base, buffer->iov_len);
        if (r < 0)
            return r;
        size += buffer->iov_len;
    }
    int r = frame_wrap(frame, size, wrapped->head, &head_size, wrapped->tail, &tail_size);
    if (r < 0)
        return r;

    if (head_size)
        wrapped->buffers[count++] = (struct iovec){ wrapped->head, head_size };
    for (size_t i = 0; i < message->buffer_count; i++)
        wrapped->buffers[count++] = message->buffers[i];
    if (tail_size)
        wrapped->buffers[count++] = (struct iovec){ wrapped->tail, tail_size };
    *ret_outgoing = *message;
    ret_outgoing->buffers = wrapped->buffers;
    ret_outgoing->buffer_count = count;
    return 0;
}

int framing_send(
    struct framing *framing, struct link *link, struct ferry_outgoing *batch, size_t count)
{
    struct wrapped wrapped[FRAMED_BATCH_MAX];
    struct ferry_outgoing outgoing[FRAMED_BATCH_MAX];
    size_t ready = 0;
    int r = 0;

    for (; ready < count && ready < FRAMED_BATCH_MAX; ready++) {
        r = framing_wrap(framing->frame, &batch[ready], &wrapped[ready], &outgoing[ready]);
        if (r < 0)
            break;
    }
    if (!ready)
        return r;
    r = link->ops->send(link, outgoing, ready);
    for (size_t i = 0; i < ready; i++) {
        batch[i].sent_size = outgoing[i].sent_size;
        batch[i].complete = outgoing[i].complete;
    }
    return r;
}

/* --- receiving -------------------------------------------------------------------------------- */

/* Takes over the descriptors of what the link received. */
static int framing_hold(struct framing *framing, struct ferry_message *message)
{
    if (!message->descriptor_count)
        return 0;
    if (framing->held_count + message->descriptor_count > FERRY_DESCRIPTORS_MAX) {
        ferry_message_fini(message);
        return -EBADMSG;
    }
    if (!framing->held)
        framing->held = malloc(FERRY_DESCRIPTORS_MAX * sizeof(int));
    if (!framing->held) {
        ferry_message_fini(message);
        return -ENOMEM;
    }
    for (size_t i = 0; i < message->descriptor_count; i++)
        framing->held[framing->held_count++] = ferry_message_take(message, i);
    ferry_message_fini(message);
    return 0;
}

/* Cuts data[0..size) into messages; returns how many, *ret_used tells how far it came. */
static int framing_cut(struct framing *framing, char *data, size_t size, struct ferry_inbox *inbox,
    struct ferry_message *batch, size_t count, size_t *ret_used)
{
    size_t used = 0, found = 0;

    while (found < count && used < size) {
        size_t body, body_size, next;
        int r = frame_find(framing->frame, data + used, size - used, &body, &body_size, &next);
        if (r < 0 && !found)
            return r;
        if (r <= 0)
            break;
        struct ferry_message *message = &batch[found++];
        *message = (struct ferry_message){
            .data = data + used + body, .size = body_size, .sender = FERRY_IDENTITY_UNKNOWN
        };
        if (framing->held_count) {
            message->descriptors = inbox->slots[0].descriptors;
            message->descriptor_count = framing->held_count;
            memcpy(message->descriptors, framing->held, framing->held_count * sizeof(int));
            framing->held_count = 0;
        }
        used += next;
    }
    *ret_used = used;
    return (int)found;
}

/* What is kept is lent out message by message; consumed before the next look at it. */
static int framing_deliver_kept(
    struct framing *framing, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    bytes_consume(&framing->kept, framing->delivered);
    framing->delivered = 0;
    return framing_cut(
        framing, framing->kept.data, framing->kept.size, inbox, batch, count, &framing->delivered);
}

/* The link has ended: an unfinished line is a message, an unfinished length-frame an error. */
static int framing_deliver_rest(struct framing *framing, struct ferry_message *batch)
{
    size_t rest = framing->kept.size - framing->delivered;

    framing->ended = true;
    if (!rest)
        return 0;
    if (framing->frame != FRAME_LF)
        return -EPROTO;
    batch[0] = (struct ferry_message){ .data = framing->kept.data + framing->delivered,
        .size = rest,
        .sender = FERRY_IDENTITY_UNKNOWN };
    framing->delivered = framing->kept.size;
    return 1;
}

int framing_receive(struct framing *framing, struct link *link, struct ferry_inbox *inbox,
    struct ferry_message *batch, size_t count)
{
    int r;
    if (framing->kept.size) {
        r = framing_deliver_kept(framing, inbox, batch, count);
        if (r != 0)
            return r;
    }
    if (framing->ended)
        return 0;

    for (;;) {
        struct ferry_message chunk;
        r = link->ops->receive(link, inbox, &chunk, 1);
        if (r == 0)
            return framing_deliver_rest(framing, batch);
        if (r < 0)
            return r;
        r = framing_hold(framing, &chunk);
        if (r < 0)
            return r;
        size_t used = 0;
        bool in_place = !framing->kept.size;
        if (in_place) {
            char *data = inbox->slots[0].buffer.iov_base;
            r = framing_cut(framing, data, chunk.size, inbox, batch, count, &used);
            if (r < 0)
                return r;
        }
        bytes_append(&framing->kept, (const char *)chunk.data + used, chunk.size - used);
        if (bytes_failed(&framing->kept))
            return -ENOMEM;
        if (!in_place)
            r = framing_deliver_kept(framing, inbox, batch, count);
        if (r != 0)
            return r;
    }
}

bool framing_pending(const struct framing *framing)
{
    size_t body, size, next, rest = framing->kept.size - framing->delivered;
    if (!rest)
        return false;
    return frame_find(framing->frame, framing->kept.data + framing->delivered, rest, &body, &size,
               &next) != 0;
}
