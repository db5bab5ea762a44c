/* auto.h - one connection with two lanes: a unix socket, and a ring each way beside it.
 *
 * A connection begins on the socket, a SOCK_SEQPACKET one, and costs what that costs. Where the
 * traffic is such that a ring is cheaper (pace.h), the two ends make one each way, once; from then
 * on whoever sends decides for each message which lane it takes:
 *
 *     the socket  |a|b|c+BACK|                  |g|h+BACK|
 *                             \                /          \
 *     the ring                 |d|e|f|MARK|---'            |i|j| ...
 *
 * A message with AUTO_BACK says that what follows it is in the ring, a mark in the ring that what
 * follows it comes by the socket. So the receiver always knows by which lane the next message
 * comes, and the order is that of sending whatever travels how fast. Descriptors, what is too large
 * for the ring, and what meets a full one take the socket, between the records before and after.
 *
 * Invariants, for each direction
 *   1. The sender publishes a mark before it sends what follows it by the socket. So when the
 *      socket has something and the ring, looked at after that, has nothing, it is no message of
 *      the caller's but one of ours.
 *   2. A mark always has room: records leave it (ring_quiet), and the sender goes back to the ring
 *      only when half of it is free.
 *   3. Nothing is taken from the socket before its turn but messages of ours: in the ring's
 *      lane its head is looked at first (MSG_PEEK; without room for descriptors it installs
 *      none).
 *   4. Nothing waits for room in the ring: the socket has a queue with a bound, and poll(2) knows.
 *
 * The socket is the bell too: a receiver that sleeps says so in the ring, and the sender then sends
 * an empty AUTO_WAKE. So one descriptor is all that is to be polled, the peer's end is seen by it,
 * and nothing that wakes is shared with the peer. Across processors it makes no difference: being
 * woken costs twenty times what the call does.
 *
 * Who may: see seal.c. What a peer sends is checked as on any socket, and in any ring.
 */
#ifndef FERRY_TRANSPORT_AUTO_AUTO_H
#define FERRY_TRANSPORT_AUTO_AUTO_H

#include "base/fork.h"
#include "memory/ring.h"
#include "transport/auto/pace.h"
#include "transport/socket.h"

#include <ferry/auto.h>

/* --- on the socket ---------------------------------------------------------------------------- */

/* No text begins so. */
#define AUTO_MAGIC   0xfe
#define AUTO_VERSION 1

enum auto_kind {
    AUTO_MESSAGE = 1, /* of the caller's */
    AUTO_WAKE,        /* there is something in the ring */
    AUTO_ASK,         /* whoever accepted wants rings */
    AUTO_OFFER,       /* here they are: from whoever dialled, to it; and who we are */
    AUTO_ACCEPT,      /* they are mapped; and who we are */
    AUTO_REFUSE,      /* there will be none: `size` is an enum ferry_auto_reason */
};

enum auto_flag {
    AUTO_BACK = 1 << 0,  /* what follows is in the ring */
    AUTO_LARGE = 1 << 1, /* its bytes lie in a memfd, its last descriptor */
};

/* Before each message. */
struct auto_head {
    uint8_t magic, version;
    uint8_t kind;
    uint8_t flags;
    uint32_t size; /* with AUTO_LARGE: bytes in the memfd */
};

static_assert(sizeof(struct auto_head) == 8, "two processes share it");

/* --- one end ---------------------------------------------------------------------------------- */

enum auto_rings {
    AUTO_RINGS_NONE,
    AUTO_RINGS_ASKED,   /* we sent AUTO_ASK */
    AUTO_RINGS_OFFERED, /* we sent AUTO_OFFER */
    AUTO_RINGS_THERE,
    AUTO_RINGS_REFUSED, /* by either; for good */
};

/* To the memory of both rings: claim.c. */
struct auto_claim {
    struct list node; /* among those of this process */
    const struct auto_end *end;
    uint64_t memory[2]; /* its numbers */
    uint32_t owner;     /* fork_mark() of the process whose they are */
};

/* The state of its link. */
struct auto_end {
    const struct link_ops *socket_ops; /* of the link as it was without us */
    struct socket_losses *losses;      /* owned; its state then */
    int fd;                            /* the socket, which the link owns */
    uint32_t said;  /* messages that we had sent when we last looked out for one; it wraps */
    uint64_t inode; /* its own, known once there are rings */
    bool dialled;
    bool refuse_descriptors;
    bool ended;        /* the peer sends no more by the socket */
    bool reset;        /* it left without reading all that we sent by the socket */
    bool only_ours;    /* of what we sent by the socket only messages of ours may be unread */
    bool gone;         /* there is nobody who could read what we send */
    bool shut;         /* we send no more */
    bool stopped;      /* nor do we receive */
    bool owes_wake;    /* for which the kernel had no memory */
    bool may_send;     /* by the ring: the other end is who it should be */
    uint16_t listened; /* how often we have looked out since `said` changed, up to AUTO_LISTENED */
    enum auto_rings rings;
    enum ferry_lane lanes[2];   /* by enum ferry_direction */
    struct ferry_ring *ring[2]; /* so too; NULL: none */
    struct auto_claim *claim;   /* to their memory; NULL: there are none */
    bool ring_used;             /* something was sent by the ring since it was entered */
    enum ferry_auto_preference preference;
    enum ferry_lane wanted;             /* for sending, but for moments */
    enum ferry_auto_reason ring_reason; /* why it is wanted, once it was measured */
    enum ferry_lane told;               /* to on_move */
    bool narrow;                        /* the socket's queue is short */
    int send_buffer;                    /* its size otherwise, as getsockopt(2) has it */
    enum auto_kind owed; /* an answer, or an offer, for which the socket had no room; 0: none */
    enum ferry_auto_reason owed_reason;
    unsigned unanswered; /* sends since we last looked for an answer of the peer's */
    uint64_t received;   /* messages */
    const struct choice_thresholds *thresholds; /* the process's; NULL: not asked for yet */
    int64_t offer_ns;                           /* rings are not made for an offer before */
    struct pace pace;
    struct ferry_auto_stats stats; /* the reason is in it */
    void (*on_move)(void *data, const struct ferry_auto_stats *stats);
    void *on_move_data;
};

/* --- what tests may do ------------------------------------------------------------------------ */

/* Where a process can be killed, beside those of its rings. */
enum auto_step {
    AUTO_RINGS_MADE, /* nobody was told */
    AUTO_OFFER_SENT,
    AUTO_ATTACHED, /* to what was offered; nobody was told */
    AUTO_ACCEPT_SENT,
    AUTO_ACCEPT_TAKEN,
    AUTO_MARKED,    /* the mark is visible; what follows it is not sent */
    AUTO_BACK_SENT, /* and nothing is in the ring yet */
    AUTO_MARK_TAKEN,
    AUTO_BACK_TAKEN,
    AUTO_LARGE_MADE, /* a memfd is; it is not sent */
    AUTO_TO_WAKE,
    AUTO_WAKE_SENT,
    AUTO_WAKE_TAKEN,
    AUTO_ASLEEP, /* by the ring; the socket was not looked at since */
    AUTO_STEP_COUNT,
};

/* In test builds, what runs at each step may end the process. */
#ifdef AUTO_TEST
extern void (*auto_test_step)(enum auto_step step);
#else
static inline void auto_test_step(enum auto_step step)
{
    (void)step;
}
#endif

/* The only place where a lane changes.
 *   reason  of sending; of receiving it is the peer's business, and not known */
void auto_set_lane(struct auto_end *end, enum ferry_direction direction, enum ferry_lane lane,
    enum ferry_auto_reason reason);

/* --- auto.c ----------------------------------------------------------------------------------- */

/* NULL: it is of another scheme. */
struct auto_end *auto_end_of(const struct link *link);
void auto_prefer(struct auto_end *end, enum ferry_auto_preference preference);

/* Whether both ends may use one processor only, the same: to look out for the other keeps it from
 * doing what one looks out for. */
bool auto_is_together(const struct auto_end *end);

/* Whether there are rings that are a parent's: how far it is in them only that knows. */
static inline bool auto_is_orphan(const struct auto_end *end)
{
    return end->claim && fork_is_since(end->claim->owner);
}

/* --- handshake.c ------------------------------------------------------------------------------ */

/* Gives back what there is of them. */
void auto_drop_rings(struct auto_end *end);
/* Asks for rings, or offers them, once. */
void auto_begin_rings(struct auto_end *end);
/* A message of ours came, with these descriptors, which it takes.
 *   cut  it had more, for which this process had no room
 * Returns 0, -EPROTO. */
int auto_handle(
    struct auto_end *end, const struct auto_head *head, int *descriptors, size_t count, bool cut);
static inline bool auto_owes(const struct auto_end *end)
{
    return end->owed || end->owes_wake;
}

/* Sends what is owed, if there is room. */
void auto_pay(struct auto_end *end);
/* Wakes the peer: struct ring_quiet. */
bool auto_wake(void *data);
/* Sends a head alone, with descriptors. 0, -EAGAIN, -errno. */
int auto_send_head(
    struct auto_end *end, const struct auto_head *head, const int *descriptors, size_t count);

static inline struct auto_head auto_head(enum auto_kind kind, unsigned flags, uint32_t size)
{
    return (struct auto_head){ AUTO_MAGIC, AUTO_VERSION, (uint8_t)kind, (uint8_t)flags, size };
}

/* --- claim.c ---------------------------------------------------------------------------------- */

/* Books in the memory of both rings, which must be given back by auto_unclaim() on failure too.
 * Returns 0, -ENOMEM, -EPROTO: another connection of this process uses some of it, or both are one.
 */
int auto_claim(struct auto_end *end);
/* Whether all that were made leave room for more. */
bool auto_may_make(void);
/* Those who have none are no matter. */
void auto_unclaim(struct auto_end *end);

/* --- large.c ---------------------------------------------------------------------------------- */

/* The bytes of an outgoing in a sealed memfd. Returns the descriptor, -EAGAIN (a moment later it
 * will do), or another -errno. */
int auto_large_new(const struct ferry_outgoing *outgoing, size_t size);
/* Maps such a memfd, of `size` bytes, as what lies in a slot of the inbox.
 * Returns 0, -EPROTO (it isn't one), -ENOMEM. */
int auto_large_map(
    int fd, size_t size, struct ferry_inbox *inbox, size_t index, const void **ret_data);

/* --- send.c, receive.c ------------------------------------------------------------------------ */

int auto_send(struct link *link, struct ferry_outgoing *batch, size_t count);
/* Whether nobody reads the ring any more, which is noticed by the socket alone; false: not known,
 * since we have ended our own sending. */
bool auto_peer_left(const struct auto_end *end);
int auto_receive(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count);
/* Takes what is next on the socket, if it is a message of ours.
 * Returns 1, 0 (the end), -EAGAIN (nothing is there), -EBUSY (a message of the caller's is next),
 * -EPROTO, or another -errno. */
int auto_take_ours(struct auto_end *end);
/* The same from within sending, while an answer is waited for. Returns 0, -EPROTO, ... */
int auto_look_for_answer(struct auto_end *end);
bool auto_pending(const struct link *link);
int auto_receive_soon(struct link *link, struct ferry_inbox *inbox, struct ferry_message *message,
    int64_t deadline_ns);

#endif
