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
    size_t used;       /* of kept, from the front: delivered; lent until the next receive */
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

/* A line that brings its own line feed, as syslog senders do, is that line. */
static bool message_ends_line(const struct ferry_outgoing *message)
{
    if (!message->buffer_count)
        return false;
    const struct iovec *last = &message->buffers[message->buffer_count - 1];
    return last->iov_len && ((const char *)last->iov_base)[last->iov_len - 1] == '\n';
}

/* Lays one message into its frame; the result borrows from both. */
static int framing_wrap(enum frame frame, const struct ferry_outgoing *message,
    struct wrapped *wrapped, struct ferry_outgoing *ret_outgoing)
{
    size_t size = 0, head_size, tail_size, count = 0;
    bool closed = frame == FRAME_LF && message_ends_line(message);

    if (message->buffer_count > FRAMED_BUFFERS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < message->buffer_count; i++) {
        const struct iovec *buffer = &message->buffers[i];
        size_t checked = buffer->iov_len - (closed && i + 1 == message->buffer_count);
        if (!message->sent_size && frame_fits(frame, buffer->iov_base, checked) < 0)
            return -EBADMSG;
        size += buffer->iov_len;
    }
    int r = frame_wrap(frame, size, wrapped->head, &head_size, wrapped->tail, &tail_size);
    if (r < 0)
        return r;
    if (closed)
        tail_size = 0;

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
        *message = (struct ferry_message){ .data = data + used + body, .size = body_size };
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

static size_t framing_rest(const struct framing *framing)
{
    return framing->kept.size - framing->used;
}

/* What is kept is lent out where it lies: it moves only when more is added to it. */
static int framing_deliver_kept(
    struct framing *framing, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    size_t used = 0;
    int r = framing_cut(framing, framing->kept.data + framing->used, framing_rest(framing), inbox,
        batch, count, &used);
    framing->used += used;
    return r;
}

static int framing_keep(struct framing *framing, const char *data, size_t size)
{
    bytes_consume(&framing->kept, framing->used);
    framing->used = 0;
    bytes_append(&framing->kept, data, size);
    return bytes_failed(&framing->kept) ? -ENOMEM : 0;
}

/* The link has ended: an unfinished line is a message, an unfinished length-frame an error. */
static int framing_deliver_rest(struct framing *framing, struct ferry_message *batch)
{
    const char *data = framing->kept.data + framing->used;
    size_t body, body_size, next;

    framing->ended = true;
    int r = frame_find_last(framing->frame, data, framing_rest(framing), &body, &body_size, &next);
    if (r <= 0)
        return r;
    batch[0] = (struct ferry_message){ .data = data + body, .size = body_size };
    framing->used += next;
    return 1;
}

/* Receives a chunk of bytes. The slot may be far larger: a sender that keeps pace would fill it
 * all. While nothing comes and nothing is kept, no memory is. */
static int framing_receive_chunk(struct framing *framing, struct link *link,
    struct ferry_inbox *inbox, struct ferry_message *chunk)
{
    size_t *size = &inbox->slots[0].buffer.iov_len, whole = *size;

    if (whole > FRAMED_RECEIVE_SIZE)
        *size = FRAMED_RECEIVE_SIZE;
    int r = link->ops->receive(link, inbox, chunk, 1);
    *size = whole;
    if (r == -EAGAIN && !framing_rest(framing)) {
        bytes_fini(&framing->kept);
        framing->used = 0;
    }
    return r;
}

int framing_receive(struct framing *framing, struct link *link, struct ferry_inbox *inbox,
    struct ferry_message *batch, size_t count)
{
    int r = framing_rest(framing) ? framing_deliver_kept(framing, inbox, batch, count) : 0;

    while (r == 0 && !framing->ended) {
        struct ferry_message chunk;
        size_t used = 0;
        bool in_place = !framing_rest(framing);
        r = framing_receive_chunk(framing, link, inbox, &chunk);
        if (r == 0)
            return framing_deliver_rest(framing, batch);
        if (r > 0)
            r = framing_hold(framing, &chunk);
        if (r < 0)
            return r;
        if (in_place) {
            char *data = inbox->slots[0].buffer.iov_base;
            r = framing_cut(framing, data, chunk.size, inbox, batch, count, &used);
            if (r < 0)
                return r;
        }
        if (used < chunk.size &&
            framing_keep(framing, (const char *)chunk.data + used, chunk.size - used) < 0)
            return -ENOMEM;
        if (!in_place)
            r = framing_deliver_kept(framing, inbox, batch, count);
    }
    return r;
}

bool framing_is_empty(const struct framing *framing)
{
    return framing_rest(framing) == 0 && framing->held_count == 0;
}

bool framing_pending(const struct framing *framing)
{
    size_t body, size, next, rest = framing_rest(framing);
    if (!rest)
        return false;
    return frame_find(
               framing->frame, framing->kept.data + framing->used, rest, &body, &size, &next) != 0;
}
