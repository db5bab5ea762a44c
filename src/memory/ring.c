/* ring.c - records through shared memory: sending and receiving.
 *
 * Two positions count bytes since the ring was made, modulo 2^32: the head, where the sender goes
 * on, and the tail, where the receiver does. What lies between them is committed:
 *
 *       0        tail                  head                capacity (a power of two)
 *       |  free   | head record | head record |   free    |
 *
 * Each record is a head of 8 bytes, {size, kind}, and its bytes up to the next multiple of 8. It
 * lies in one piece: where the end of the ring has no room for it, a head of padding says so, and
 * it begins at 0.
 *
 * Invariants
 *   1. The head is written by the sender alone, the tail by the receiver alone; so are their bells.
 *   2. 0 <= head - tail <= capacity, in the arithmetic of uint32_t; both are multiples of 8.
 *   3. The bytes between tail and head are the receiver's to read, all others the sender's to
 *      write. So whoever dies leaves whole records behind: what had not been published is free.
 *   4. Neither end trusts what it has not written itself. `own`, `published`, `capacity` are its
 *      private copies; the peer's position is loaded into `seen` and checked against 2 before it is
 *      used; a head is loaded once, in one piece, and checked against `seen` and `capacity`. What
 *      is copied out afterwards lies inside the mapping, whatever the peer does meanwhile.
 *   5. Zeroes are no head, so that memory which lost its content (a punched hole) is noticed.
 *
 * Memory orders
 *   The store of a position releases what lies behind it: the bytes of records (head), the end of
 *   reading them (tail). Its load by the other end acquires; the heads of records come with it. A
 *   bell is one word that orders nothing, but of bell and position it matters which comes first:
 *   "publish, then look whether the peer sleeps" here against "say that one sleeps, then look
 *   whether something was published" there (ring_wait.c) must not both miss. Each is a store,
 *   then a load of another word, so between the two stands a fence, on both sides.
 *   tests/model/ring.pml shows what is lost without, and test_ring_threads.c has the two meet.
 *   The receiver has that fence, and looks at the sender's bell, each time it has given back an
 *   eighth of the ring, not for each record: a sender sleeps only where the ring is so full that
 *   there is more than that to be received.
 *
 * States
 *   AWAKE <-> ASLEEP         we said that we sleep (ring_wait.c); any other call ends it
 *   AWAKE -> GONE            the caller says that the peer is gone: `seen` is final
 *   AWAKE, GONE -> BROKEN    the peer wrote what cannot be; nothing of the memory is used any more
 *
 * Whatever the peer does, a call looks at its position once for each record at most, and so has an
 * end. Nor can it keep us awake for nothing: too many wake-ups that nothing came with end the ring.
 */
#include "memory/ring.h"
#include "memory/ring_record.h"

void ring_set_state(struct ferry_ring *ring, enum ring_state state)
{
    static const unsigned char legal[] = {
        [RING_AWAKE] = 1 << RING_ASLEEP | 1 << RING_GONE | 1 << RING_BROKEN,
        [RING_ASLEEP] = 1 << RING_AWAKE,
        [RING_GONE] = 1 << RING_BROKEN,
        [RING_BROKEN] = 0,
    };
    assert(legal[ring->state] >> state & 1);
    ring->state = state;
}

int ring_break(struct ferry_ring *ring)
{
    if (ring->state != RING_BROKEN)
        ring_set_state(ring, RING_BROKEN);
    return -EPROTO;
}

/* --- the peer's position ---------------------------------------------------------------------- */

static uint32_t used_since(const struct ferry_ring *ring, uint32_t own, uint32_t seen)
{
    return ring->direction == FERRY_SEND ? own - seen : seen - own;
}

int ring_look(struct ferry_ring *ring)
{
    /* What comes next lies here: fetched while we look, not after. */
    if (ring->direction == FERRY_RECEIVE) {
        const unsigned char *place = ring->data + (ring->own & (ring->capacity - 1));
        __builtin_prefetch(place);
        __builtin_prefetch(place + RING_LINES / 2);
    }
    uint32_t seen = shared_load_32(&ring->other->position);
    /* Neither before what we have published nor, while a batch or a loan is on its way, before
     * where we are. */
    if (seen % RING_HEAD_SIZE || used_since(ring, ring->own, seen) > ring->capacity ||
        used_since(ring, ring->published, seen) > ring->capacity)
        return ring_break(ring);
    if (seen != ring->seen)
        ring->false_wakes = 0;
    else if (ring->false_wakes > RING_FALSE_WAKES_MAX)
        return ring_break(ring);
    ring->seen = seen;
    return 0;
}

bool ring_is_satisfied(const struct ferry_ring *ring)
{
    return ring->direction == FERRY_SEND ? ring_free(ring) >= ring->need : ring->seen != ring->own;
}

/* --- sending ---------------------------------------------------------------------------------- */

static int ring_put(struct ferry_ring *ring, const struct ferry_record *record)
{
    uint32_t padding;

    if (record->type > FERRY_RING_TYPE_MAX)
        return -EINVAL;
    int r = ring_reserve(ring, record->size, 0, &padding);
    if (r < 0)
        return r;
    if (record->size)
        memcpy(ring_place(ring, padding), record->data, record->size);
    ring_seal(ring, padding, (uint32_t)record->size, record->type);
    return 0;
}

int ferry_ring_try_send(struct ferry_ring *ring, const struct ferry_record *batch, size_t count)
{
    assert(ring->direction == FERRY_SEND && count > 0);
    int sent = 0, r = ring_enter(ring);
    if (r < 0)
        return r;
    ring->lent = false;
    while ((size_t)sent < count) {
        r = ring_put(ring, &batch[sent]);
        if (r < 0)
            break;
        sent++;
    }
    ring_show(ring);
    return sent ? sent : r;
}

int ferry_ring_loan(struct ferry_ring *ring, size_t size, void **ret_data)
{
    assert(ring->direction == FERRY_SEND);
    uint32_t padding;
    int r = ring_enter(ring);
    ring->lent = false;
    if (r == 0)
        r = ring_reserve(ring, size, 0, &padding);
    if (r < 0)
        return r;
    ring->lent = true;
    ring->lent_size = (uint32_t)size;
    ring->lent_padding = padding;
    *ret_data = ring_place(ring, padding);
    return 0;
}

void ferry_ring_commit(struct ferry_ring *ring, size_t size, unsigned type)
{
    assert(ring->lent && size <= ring->lent_size && type <= FERRY_RING_TYPE_MAX);
    ring->lent = false;
    ring_seal(ring, ring->lent_padding, (uint32_t)size, type);
    ring_show(ring);
}

int ring_mark(struct ferry_ring *ring)
{
    uint32_t padding;
    int r = ring_enter(ring);
    if (r == 0)
        r = ring_reserve(ring, 0, 0, &padding);
    if (r < 0)
        return r;
    ring_seal(ring, padding, 0, RING_MARK);
    (void)ring_store_position(ring);
    return 0;
}

size_t ring_room(struct ferry_ring *ring)
{
    return ring_enter(ring) < 0 || ring_look(ring) < 0 ? 0 : ring_free(ring);
}

bool ring_is_drained(struct ferry_ring *ring)
{
    return ring_enter(ring) == -EPROTO || (ring_look(ring) == 0 && ring->seen == ring->own);
}

/* --- receiving -------------------------------------------------------------------------------- */

int ferry_ring_try_receive(
    struct ferry_ring *ring, void *buffer, size_t size, struct ferry_record *batch, size_t count)
{
    assert(ring->direction == FERRY_RECEIVE && count > 0);
    struct ring_copies copies = { buffer, size };
    int received = 0, r = ring_expect(ring);

    while (r == 0 && (size_t)received < count) {
        r = ring_take(ring, &copies, &batch[received]);
        received += r == 0;
    }
    ring_give_back(ring);
    return received ? received : r;
}

int ferry_ring_borrow(struct ferry_ring *ring, struct ferry_record *batch, size_t count)
{
    assert(ring->direction == FERRY_RECEIVE && count > 0);
    int received = 0, r = ring_expect(ring);

    while (r == 0 && (size_t)received < count) {
        r = ring_peek(ring, &batch[received]);
        if (r == 0)
            ring_pass(ring, (uint32_t)batch[received++].size);
    }
    return received ? received : r;
}

void ferry_ring_release(struct ferry_ring *ring)
{
    assert(ring->direction == FERRY_RECEIVE);
    ring_give_back(ring); /* asleep or not: whoever waits for the peer goes on doing so */
}

/* --- the end ---------------------------------------------------------------------------------- */

void ferry_ring_set_peer_gone(struct ferry_ring *ring)
{
    if (ring->state == RING_ASLEEP)
        ring_awake(ring);
    if (ring->state == RING_AWAKE && ring_look(ring) == 0)
        ring_set_state(ring, RING_GONE);
}

size_t ferry_ring_record_max(const struct ferry_ring *ring)
{
    return ring->record_max;
}

void ferry_ring_get_stats(const struct ferry_ring *ring, struct ferry_ring_stats *ret_stats)
{
    *ret_stats = ring->stats;
}
