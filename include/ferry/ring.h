/* ring.h - records from one process to another through memory that both have.
 *
 * A ring goes one way: one end sends, one receives, and each belongs to one thread at a time. Two
 * rings make both ways. Its records have boundaries and a type; no descriptors: those go over the
 * unix socket that its own three descriptors went over. A record is visible at once and whole, or
 * not at all: whatever has become of the sender, what it committed can be received, and nothing
 * else.
 *
 *     ferry_ring_new(), ferry_ring_get_descriptors(), sent with SCM_RIGHTS of unix(7)
 *         ... received by the peer: ferry_ring_attach()
 *
 * The ring itself makes no system call unless somebody sleeps. Whoever has nothing to do asks
 * ferry_ring_prepare_sleep() and then waits for ferry_ring_fd() in whatever loop it has, or has
 * ferry_ring_wait() do both. That the peer has died is seen by the socket, or by a pidfd, and told
 * to the ring by ferry_ring_set_peer_gone().
 *
 * What a hostile peer writes into the memory does no harm: what is read of it is copied once, then
 * checked, then used; whatever is not as it must be ends the ring with -EPROTO. Nor does it matter
 * what a peer does with the descriptors that wake, which are open files of both: neither to wake
 * nor to be woken ever waits for it. One thing it has in its hands: the bytes of a record, which a
 * receive copies and a borrow lets it change under the reader's eyes; so borrow from those that you
 * trust.
 *
 * Nothing here starts threads, logs, or changes signals.
 */
#ifndef FERRY_RING_H
#define FERRY_RING_H

#include <ferry/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_ring; /* one end of a ring */

/* Descriptors that make a ring, in the order in which they are handed over: the memory (a sealed
 * memfd), what wakes the receiver, what wakes the sender (timerfds whose ticks are set). */
#define FERRY_RING_DESCRIPTORS 3

#define FERRY_RING_TYPE_MAX 0x3fffffffu /* the largest type of a record */

struct ferry_record {
    const void *data;
    size_t size;   /* bytes; 0 is a record too */
    unsigned type; /* what the two ends agree on; up to FERRY_RING_TYPE_MAX */
};

struct ferry_ring_options {
    size_t struct_size; /* sizeof(struct ferry_ring_options): lets the struct grow */
    /* Bytes of records that it holds, their heads of 8 included; a power of two from 4 KiB to 1
     * GiB. Made: so large, 0: 1 MiB, all of it allocated at once. Attached to: at most so large, 0:
     * any, which lets the peer have us allocate a GiB. The largest record has an eighth. */
    size_t capacity;
    /* At most so long does ferry_ring_prepare_sleep() look out for the peer before it lets us
     * sleep, and 100 ms; 0: 50 us, negative: never. Less when it has not paid lately, and not at
     * all where this process may use one processor only. */
    int64_t spin_max_ns;
};

/* Makes a ring.
 *   direction  what this end does: FERRY_SEND or FERRY_RECEIVE; the other is the peer's
 *   options    NULL for the defaults
 *   ret_ring   free with ferry_ring_free()
 *   error      may be NULL
 * Returns 0, -EINVAL (a capacity that is none), -ENOSPC, -ENOMEM (no memory for it), -EMFILE, ...
 */
FERRY_PUBLIC FERRY_CHECK int ferry_ring_new(enum ferry_direction direction,
    const struct ferry_ring_options *options, struct ferry_ring **ret_ring,
    struct ferry_error *error);

/* What the peer needs to attach. Borrowed, until the ring is freed: send them, nothing else. */
FERRY_PUBLIC void ferry_ring_get_descriptors(
    const struct ferry_ring *ring, int ret_descriptors[FERRY_RING_DESCRIPTORS]);

/* Attaches to a ring that somebody else made; everything that it sent is looked at before any of it
 * is used. A successor of ours can attach with the same descriptors, and goes on where we stopped.
 *   direction    what this end does
 *   descriptors  as received; taken, and closed on failure too
 *   options      NULL for the defaults
 *   ret_ring     free with ferry_ring_free()
 *   error        may be NULL
 * Returns 0, -EPROTO (they are no ring: not sealed, too small, not its descriptors),
 * -EPROTONOSUPPORT (a ring of another version), -E2BIG (larger than `capacity`), -ENOSPC, -ENOMEM,
 * ... */
FERRY_PUBLIC FERRY_CHECK int ferry_ring_attach(enum ferry_direction direction,
    const int descriptors[FERRY_RING_DESCRIPTORS], const struct ferry_ring_options *options,
    struct ferry_ring **ret_ring, struct ferry_error *error);

/* Unmaps and closes, and takes it out of a fan-in. The peer is not told: it sees so by the socket.
 * NULL is allowed. */
FERRY_PUBLIC void ferry_ring_free(struct ferry_ring *ring);

/* The size of the largest record, in bytes: an eighth of the capacity. */
FERRY_PUBLIC size_t ferry_ring_record_max(const struct ferry_ring *ring);

/* --- sending ---------------------------------------------------------------------------------- */

/* Sends what has room now; all of it becomes visible at once.
 *   batch  records in order, copied
 *   count  items, at least 1
 * Returns how many were sent, from the front (>= 1), or -EAGAIN (no room for the first), -EMSGSIZE
 * (the first is larger than ferry_ring_record_max()), -EINVAL (its type is too large), -EPIPE (the
 * peer is gone), -EPROTO (it broke the ring). */
FERRY_PUBLIC FERRY_CHECK int ferry_ring_try_send(
    struct ferry_ring *ring, const struct ferry_record *batch, size_t count);

/* Lends room for a record, to be filled in place: no copy is made. It lasts until it is committed,
 * or until the next loan or send, failed ones too; what was not committed nobody sees.
 *   size      bytes that are wanted
 *   ret_data  so many bytes, aligned to 8, of undefined content
 * Returns 0, or as ferry_ring_try_send(). */
FERRY_PUBLIC FERRY_CHECK int ferry_ring_loan(struct ferry_ring *ring, size_t size, void **ret_data);
/* Sends what was lent.
 *   size  bytes of it, from the front: at most what was asked for
 *   type  up to FERRY_RING_TYPE_MAX */
FERRY_PUBLIC void ferry_ring_commit(struct ferry_ring *ring, size_t size, unsigned type);

/* --- receiving -------------------------------------------------------------------------------- */

/* Receives what was there when it was last empty, or else at the moment of the call, and no more,
 * however fast the sender is. What was borrowed is released with it.
 *   buffer  receives the bytes, each record at a multiple of 8
 *   size    bytes
 *   batch   array of `count` records, filled from the front; their data lie in the buffer
 *   count   items, at least 1
 * Returns how many came (>= 1), or -EAGAIN, -EMSGSIZE (the first does not fit and stays where it
 * is: batch[0].size is its size), -EPIPE (the peer is gone, and all that it sent was received),
 * -EPROTO (the peer broke the ring). */
FERRY_PUBLIC FERRY_CHECK int ferry_ring_try_receive(
    struct ferry_ring *ring, void *buffer, size_t size, struct ferry_record *batch, size_t count);

/* The same without a copy: the data lie in the ring, until ferry_ring_release() gives back the room
 * of all that was borrowed. For peers that one trusts: another could change them meanwhile. */
FERRY_PUBLIC FERRY_CHECK int ferry_ring_borrow(
    struct ferry_ring *ring, struct ferry_record *batch, size_t count);
FERRY_PUBLIC void ferry_ring_release(struct ferry_ring *ring);

/* --- waiting ---------------------------------------------------------------------------------- */

/* The descriptor to wait for in a loop of one's own, always for POLLIN, after
 * ferry_ring_prepare_sleep() has allowed it. Borrowed: poll it, nothing else. */
FERRY_PUBLIC int ferry_ring_fd(const struct ferry_ring *ring);

/* Ask before each sleep: any other call but a release ends the permission. True: don't, there is
 * something to receive (to send: room for what was refused last), or the ring has ended. False:
 * sleep, the peer will wake ferry_ring_fd(), which is quiet from here on until it does (a sender,
 * when there is room and an eighth of the ring was received). Then receive (send) again. */
FERRY_PUBLIC FERRY_CHECK bool ferry_ring_prepare_sleep(struct ferry_ring *ring);

/* Waits until ferry_ring_prepare_sleep() would say true.
 *   other_fd  a descriptor that ends the wait too when it becomes readable: the socket or the pidfd
 *             by which the peer's death is seen; -1: none
 * Returns 0, 1 (other_fd has something, and the ring has not), -ETIMEDOUT, or another -errno. */
FERRY_PUBLIC FERRY_CHECK int ferry_ring_wait(
    struct ferry_ring *ring, int other_fd, int64_t deadline_ns);

/* The peer has died or left. What it had committed until now is still received, then -EPIPE;
 * sending is -EPIPE at once. */
FERRY_PUBLIC void ferry_ring_set_peer_gone(struct ferry_ring *ring);

struct ferry_ring_stats {
    uint64_t records;    /* sent or received */
    uint64_t bytes;      /* of them, without heads */
    uint64_t refusals;   /* how often it was empty, or had no room for the next record */
    uint64_t spins;      /* how often we looked out for the peer before sleeping */
    uint64_t spins_paid; /* of these: so that we need not sleep */
    uint64_t sleeps;     /* how often ferry_ring_prepare_sleep() said that we may */
    uint64_t wakes;      /* how often we woke the peer */
};

FERRY_PUBLIC void ferry_ring_get_stats(
    const struct ferry_ring *ring, struct ferry_ring_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
