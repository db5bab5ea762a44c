/* receive.c - the next message, by whichever lane it comes. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "memory/ring_record.h"
#include "transport/auto/auto.h"

#include <string.h>

/* --- messages of ours ------------------------------------------------------------------------- */

static bool head_is_legal(const struct auto_head *head, size_t size)
{
    return size >= sizeof(*head) && head->magic == AUTO_MAGIC && head->version == AUTO_VERSION;
}

/* Whoever has connected without knowing what this is shall be told. */
static void tell_stranger(const struct auto_end *end)
{
    static const char text[] =
        "ferry: this is an auto: socket; connect to it by auto:, or have its "
        "server listen on unix-seq:\n";
    (void)!send(end->fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The peer's end. What it had sent by the ring is still there. */
static int note_end(struct auto_end *end)
{
    end->ended = true;
    if (auto_peer_left(end))
        end->gone = true;
    if (end->ring[FERRY_RECEIVE])
        ferry_ring_set_peer_gone(end->ring[FERRY_RECEIVE]);
    return 0;
}

/* The end is said by an error if the peer left something unread, before what it had sent. */
static ssize_t receive_by(struct auto_end *end, struct msghdr *header, int flags)
{
    for (;;) {
        ssize_t size = recvmsg(end->fd, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | flags);
        if (size >= 0)
            return size;
        if (errno == ECONNRESET)
            end->reset = true;
        else if (errno != EINTR)
            return -errno;
    }
}

static int consume_ours(struct auto_end *end)
{
    int descriptors[FERRY_DESCRIPTORS_MAX];
    union {
        struct cmsghdr align;
        char bytes[CONTROL_RECEIVE_SIZE];
    } control;
    struct auto_head head;
    struct iovec buffer = { &head, sizeof(head) };
    struct msghdr header = { .msg_iov = &buffer,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes) };
    struct control_facts facts;

    ssize_t size = receive_by(end, &header, 0);
    if (size < (ssize_t)sizeof(head))
        return size < 0 ? (int)size : -EPROTO;
    control_walk(&header, descriptors, COUNT_OF(descriptors), socket_descriptor_close, &facts);
    fd_close(&facts.pidfd);
    int r = auto_handle(end, &head, descriptors, facts.descriptor_count, facts.truncated);
    return r < 0 ? r : 1;
}

int auto_take_ours(struct auto_end *end)
{
    struct auto_head head;
    struct iovec buffer = { &head, sizeof(head) };
    struct msghdr header = { .msg_iov = &buffer, .msg_iovlen = 1 };

    if (end->ended)
        return 0;
    ssize_t size = receive_by(end, &header, MSG_PEEK);
    if (size < 0)
        return (int)size;
    if (size == 0)
        return note_end(end);
    if (!head_is_legal(&head, (size_t)size))
        return -EPROTO;
    return head.kind == AUTO_MESSAGE ? -EBUSY : consume_ours(end);
}

int auto_look_for_answer(struct auto_end *end)
{
    if (++end->unanswered < AUTO_ANSWER_SENDS)
        return 0;
    end->unanswered = 0;
    /* What else comes meanwhile is for a receive. */
    int r = auto_take_ours(end);
    return r == -EPROTO ? r : 0;
}

/* --- the ring --------------------------------------------------------------------------------- */

/* One that has no room is lost, as on any socket. */
__attribute__((noinline)) static int drop_record(
    struct ferry_ring *ring, struct ferry_message *message)
{
    struct ferry_record record;
    int r = ferry_ring_borrow(ring, &record, 1);
    if (r < 0)
        return r;
    ferry_ring_release(ring);
    *message = (struct ferry_message){ .size = record.size };
    return -EMSGSIZE;
}

/* Inlined, as all that each message passes through: its calls were a third of what it costs. All
 * that is rare is apart, so that no room is made for it.
 * Returns how many messages came, 0: the next one comes by the socket, or as
 * ferry_ring_try_receive(). */
ALWAYS_INLINE int receive_by_ring(
    struct auto_end *end, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    struct ferry_ring *ring = end->ring[FERRY_RECEIVE];
    struct ring_copies copies = { inbox->slots[0].buffer.iov_base, inbox->size };
    struct ferry_record record = { 0 };
    int received = 0, r = ring_expect(ring);

    while (r == 0 && (size_t)received < count) {
        r = ring_take(ring, &copies, &record);
        if (r < 0 || record.type == RING_MARK)
            break;
        batch[received++] = (struct ferry_message){ .data = record.data, .size = record.size };
    }
    ring_give_back(ring);
    if (r == 0 && record.type == RING_MARK) {
        auto_test_step(AUTO_MARK_TAKEN);
        auto_set_lane(end, FERRY_RECEIVE, FERRY_LANE_SOCKET, 0);
        return received;
    }
    if (received)
        return received;
    return r == -EMSGSIZE ? drop_record(ring, &batch[0]) : r;
}

/* The ring has nothing: is there a message of ours, or the end?
 * Returns 1 (look again), -EAGAIN, -EPROTO, ... */
__attribute__((noinline)) static int ring_is_empty(struct auto_end *end)
{
    struct ferry_ring *ring = end->ring[FERRY_RECEIVE];
    if (ring_is_due(ring) || !ring_fall_asleep(ring))
        return 1;
    auto_test_step(AUTO_ASLEEP);
    int r = auto_take_ours(end);
    if (r == 0)
        return 1;
    /* Before what is there was sent the ring had its mark: auto.h, 1. */
    if (r == -EBUSY)
        return ring_is_drained(ring) ? -EPROTO : 1;
    return r;
}

/* Whether the peer left something of the caller's unread. What lies unread on the socket may be of
 * ours alone: a record that was received from the ring came after all that was sent before. */
static bool left_unread(const struct auto_end *end)
{
    struct ferry_ring *ring = end->ring[FERRY_SEND];

    if (end->lanes[FERRY_SEND] == FERRY_LANE_RING && !ring_is_drained(ring))
        return end->reset || auto_peer_left(end);
    if (end->lanes[FERRY_SEND] == FERRY_LANE_RING && end->ring_used)
        return false;
    return end->reset && !end->only_ours;
}

/* --- the socket ------------------------------------------------------------------------------- */

/* Receives into the slots, the heads apart. */
static int receive_heads(struct auto_end *end, struct ferry_inbox *inbox, size_t count,
    struct auto_head *heads, struct iovec pieces[][2])
{
    inbox_prepare(inbox, count, false, true);
    for (size_t i = 0; i < count; i++) {
        struct msghdr *header = &inbox->headers[i].msg_hdr;
        pieces[i][0] = (struct iovec){ &heads[i], sizeof(heads[i]) };
        pieces[i][1] = inbox->slots[i].buffer;
        header->msg_iov = pieces[i];
        header->msg_iovlen = 2;
    }
    for (;;) {
        int r = socket_receive_prepared(end->fd, inbox, count);
        if (r != -ECONNRESET)
            return r;
        end->reset = true;
    }
}

/* What lies in its memfd. */
static int unpack_large(const struct auto_head *head, struct ferry_inbox *inbox, size_t index,
    struct ferry_message *message)
{
    if (message->descriptor_count == 0)
        return -EPROTO;
    AUTO_FD int fd = ferry_message_take(message, message->descriptor_count - 1);
    message->descriptor_count--;
    message->size = head->size;
    if (head->size > inbox->size)
        return -EMSGSIZE;
    if (head->size == 0) /* it had too many pieces, all empty; nothing can't be mapped */
        return 0;
    return auto_large_map(fd, head->size, inbox, index, &message->data);
}

/* Whether a message may come by the socket now, and what follows it in the ring if it says so. In a
 * batch that was begun before there were rings, it may not. */
static bool is_in_turn(const struct auto_end *end, const struct auto_head *head)
{
    return end->lanes[FERRY_RECEIVE] == FERRY_LANE_SOCKET &&
           (!(head->flags & AUTO_BACK) || end->rings == AUTO_RINGS_THERE);
}

static void enter_ring(struct auto_end *end)
{
    auto_test_step(AUTO_BACK_TAKEN);
    auto_set_lane(end, FERRY_RECEIVE, FERRY_LANE_RING, 0);
    ring_look_out_anew(end->ring[FERRY_RECEIVE]);
    if (end->stopped)
        ring_stop_receiving(end->ring[FERRY_RECEIVE]);
    if (end->wanted == FERRY_LANE_SOCKET)
        pace_encourage(&end->pace, clock_now_ns());
}

/* What came into a slot. Returns 1 (a message of the caller's), 0 (one of ours), -EMSGSIZE or
 * -EBADMSG (the message is lost), or another -errno, which ends the connection. */
static int unpack(struct auto_end *end, const struct auto_head *head, struct ferry_inbox *inbox,
    size_t index, struct ferry_message *message)
{
    struct control_facts facts;
    size_t size = inbox->headers[index].msg_len;

    bool legal = head_is_legal(head, size);
    if (legal && head->flags & AUTO_LARGE)
        inbox->headers[index].msg_hdr.msg_flags &= ~MSG_TRUNC; /* it is ballast */
    int r = socket_read_slot(inbox, index, !legal, message, &facts);
    fd_close(&facts.pidfd);
    if (!legal) {
        if (!end->dialled)
            tell_stranger(end);
        return -EPROTO;
    }
    message->size -= sizeof(*head);
    if (head->kind != AUTO_MESSAGE)
        return r == -EMSGSIZE ? -EPROTO
                              : auto_handle(end, head, message->descriptors,
                                    message->descriptor_count, r == -EBADMSG);
    if (!is_in_turn(end, head))
        r = -EPROTO;
    else if (head->flags & AUTO_BACK)
        enter_ring(end);
    if (r == 0 && head->flags & AUTO_LARGE)
        r = unpack_large(head, inbox, index, message);
    if (r < 0 || end->refuse_descriptors)
        ferry_message_fini(message);
    return r < 0 ? r : 1;
}

/* How many may be taken at once: none beyond one that says that what follows is in the ring, so one
 * by one where that may come. */
static size_t socket_batch(
    const struct auto_end *end, const struct ferry_inbox *inbox, size_t count)
{
    if (end->rings == AUTO_RINGS_THERE || end->rings == AUTO_RINGS_OFFERED)
        return 1;
    if (count > inbox->count)
        count = inbox->count;
    return count < RECEIVE_BATCH_MAX ? count : RECEIVE_BATCH_MAX;
}

/* Returns how many messages came; 0: none of the caller's, look again; or -errno. */
__attribute__((noinline)) static int receive_by_socket(
    struct auto_end *end, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    struct auto_head heads[RECEIVE_BATCH_MAX];
    struct iovec pieces[RECEIVE_BATCH_MAX][2];
    int good = 0, failed = 0;

    int received = receive_heads(end, inbox, socket_batch(end, inbox, count), heads, pieces);
    for (int i = 0; i < received; i++) {
        struct ferry_message message = { 0 };
        if (inbox->headers[i].msg_len == 0)
            note_end(end);
        if (failed == -EPROTO || end->ended) { /* its descriptors are not wanted any more */
            struct control_facts facts;
            (void)!socket_read_slot(inbox, (size_t)i, true, &message, &facts);
            fd_close(&facts.pidfd);
            continue;
        }
        int r = unpack(end, &heads[i], inbox, (size_t)i, &message);
        if (r > 0)
            batch[good++] = message;
        else if (r == -EMSGSIZE || r == -EBADMSG)
            socket_loss_add(end->losses, r, message.size);
        else if (r < 0)
            socket_loss_add(end->losses, failed = r, 0);
    }
    return received < 0 ? received : good;
}

/* --- both ------------------------------------------------------------------------------------- */

/* One look at the lane. Returns how many messages came; 0: look again; -EPIPE: no more will, and
 * all that came was received; or as auto_receive(). */
static int receive_once(
    struct auto_end *end, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    if (end->losses->count > 0)
        return socket_loss_report(end->losses, &batch[0]);
    if (end->lanes[FERRY_RECEIVE] == FERRY_LANE_SOCKET)
        return end->ended ? -EPIPE : receive_by_socket(end, inbox, batch, count);
    int r = receive_by_ring(end, inbox, batch, count);
    if (r != -EAGAIN)
        return r;
    r = ring_is_empty(end);
    return r > 0 ? 0 : r;
}

/* All but what goes on in the ring. */
__attribute__((noinline)) static int receive_any(
    struct auto_end *end, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    int r = 0;

    if (auto_is_orphan(end))
        return -EBADFD;
    if (auto_owes(end))
        auto_pay(end);
    if (inbox->mapped_count > 0)
        inbox_unmap(inbox);
    /* A peer that sends nothing but messages of ours has its turn too. */
    for (unsigned i = 0; r == 0 && i < AUTO_TURN_MAX; i++)
        r = receive_once(end, inbox, batch, count);
    if (r > 0)
        end->received += (unsigned)r;
    if (r == -EPIPE)
        return left_unread(end) ? -ECONNRESET : 0;
    return r ? r : -EAGAIN;
}

/* Whether nothing is to be done but to take from the ring. */
static inline bool receive_goes_on(const struct auto_end *end, const struct ferry_inbox *inbox)
{
    return end->lanes[FERRY_RECEIVE] == FERRY_LANE_RING && end->losses->count == 0 &&
           inbox->mapped_count == 0 && !auto_owes(end) && !auto_is_orphan(end);
}

/* What a look at the ring has brought, or what else there is. */
ALWAYS_INLINE int receive_on(
    struct auto_end *end, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    int r = receive_by_ring(end, inbox, batch, count);
    if (r > 0) {
        end->received += (unsigned)r;
        return r;
    }
    return r == -EMSGSIZE ? r : receive_any(end, inbox, batch, count);
}

int auto_receive(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    struct auto_end *end = link->state;
    return receive_goes_on(end, inbox) ? receive_on(end, inbox, batch, count)
                                       : receive_any(end, inbox, batch, count);
}

/* Whether it is long ago that this end has said anything, so that what comes is no answer. */
static inline bool listens_only(struct auto_end *end)
{
    uint32_t said = (uint32_t)(end->stats.ring_messages + end->stats.socket_messages);

    if (said != end->said)
        end->listened = 0;
    end->said = said;
    if (end->listened < AUTO_LISTENED)
        end->listened++;
    return end->listened == AUTO_LISTENED;
}

int auto_receive_soon(struct link *link, struct ferry_inbox *inbox, struct ferry_message *message,
    int64_t deadline_ns)
{
    struct auto_end *end = link->state;

    if (!receive_goes_on(end, inbox))
        return -EAGAIN;
    ring_come_later(end->ring[FERRY_RECEIVE], listens_only(end));
    if (!ring_look_out(end->ring[FERRY_RECEIVE], deadline_ns))
        return -EAGAIN;
    return receive_on(end, inbox, message, 1);
}

bool auto_pending(const struct link *link)
{
    struct auto_end *end = link->state;
    if (end->losses->count > 0 || auto_is_orphan(end))
        return true;
    if (end->owes_wake)
        auto_pay(end);
    if (end->owes_wake) /* the peer sleeps for want of it: we may not */
        return true;
    if (end->lanes[FERRY_RECEIVE] != FERRY_LANE_RING)
        return end->ended;
    struct ferry_ring *ring = end->ring[FERRY_RECEIVE];
    return ring_is_due(ring) || !ring_fall_asleep(ring);
}
