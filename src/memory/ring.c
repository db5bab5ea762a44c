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
#include "memory/limits.h"

#include <string.h>

/* What every record passes through. Left to itself the compiler makes calls of it, which are a
 * quarter of what a small record costs. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

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

static uint32_t ring_free(const struct ferry_ring *ring)
{
    return ring->capacity - (ring->own - ring->seen);
}

bool ring_is_satisfied(const struct ferry_ring *ring)
{
    return ring->direction == FERRY_SEND ? ring_free(ring) >= ring->need : ring->seen != ring->own;
}

/* What a call needs before anything else: whether the ring still is one. */
ALWAYS_INLINE int ring_enter(struct ferry_ring *ring)
{
    switch (ring->state) {
    case RING_AWAKE:
        return 0;
    case RING_ASLEEP:
        ring_awake(ring);
        return 0;
    case RING_GONE:
        return ring->direction == FERRY_SEND ? -EPIPE : 0;
    case RING_BROKEN:
        break;
    }
    return -EPROTO;
}

/* Shows the peer how far we are. False: it knew. */
ALWAYS_INLINE bool ring_store_position(struct ferry_ring *ring)
{
    if (ring->published == ring->own)
        return false;
    ring_test_step(RING_TO_PUBLISH);
    ring->published = ring->own;
    atomic_store_explicit(&ring->side->position, ring->own, memory_order_release);
    ring_test_step(RING_PUBLISHED);
    return true;
}

/* And wakes it if it sleeps. */
ALWAYS_INLINE void ring_publish(struct ferry_ring *ring)
{
    if (!ring_store_position(ring))
        return;
    /* Of a quiet ring the sender never sleeps, whatever its bell says. */
    if (ring->call && ring->direction == FERRY_RECEIVE)
        return;
    shared_fence();
    uint64_t bell = shared_load_64(&ring->other->bell);
    if ((uint32_t)bell && (uint32_t)(bell >> 32) != ring->rung)
        ring_wake_peer(ring, bell);
    ring_test_step(RING_WOKEN);
}

/* Fetches the lines of the next record, which the receiver had last, while there is time. */
static void ring_fetch_next(const struct ferry_ring *ring)
{
    const unsigned char *place = ring->data + (ring->own & (ring->capacity - 1));
    __builtin_prefetch(place, 1);
    __builtin_prefetch(place + RING_LINES / 2, 1);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void head_write(struct ferry_ring *ring, uint32_t position, uint32_t kind, uint32_t size)
{
    unsigned char *place = ring->data + (position & (ring->capacity - 1));
    atomic_store_explicit(
        (_Atomic uint64_t *)(void *)place, ring_head(kind, size), memory_order_relaxed);
}

ALWAYS_INLINE int ring_make_room(struct ferry_ring *ring, uint32_t need)
{
    if (ring_free(ring) >= need)
        return 0;
    int r = ring_look(ring);
    if (r < 0)
        return r;
    if (ring_free(ring) >= need)
        return 0;
    ring->need = need;
    ring->stats.refusals++;
    return -EAGAIN;
}

/* Room for a record at our position, behind so much padding. */
ALWAYS_INLINE int ring_reserve(
    struct ferry_ring *ring, size_t size, uint32_t spare, uint32_t *ret_padding)
{
    if (size > ring->record_max)
        return -EMSGSIZE;
    uint32_t total = ring_total((uint32_t)size);
    uint32_t left = ring->capacity - (ring->own & (ring->capacity - 1));
    uint32_t padding = left < total ? left : 0;
    int r = ring_make_room(ring, padding + total + spare);
    if (r < 0)
        return r;
    ring->need = 0;
    ring_test_step(RING_RESERVED);
    *ret_padding = padding;
    return 0;
}

static void *ring_place(const struct ferry_ring *ring, uint32_t padding)
{
    return ring->data + ((ring->own + padding) & (ring->capacity - 1)) + RING_HEAD_SIZE;
}

/* The bytes are in their place; the heads before them follow. */
ALWAYS_INLINE void ring_seal(
    struct ferry_ring *ring, uint32_t padding, uint32_t size, unsigned type)
{
    if (padding)
        head_write(ring, ring->own, RING_KIND_PADDING, padding - RING_HEAD_SIZE);
    head_write(ring, ring->own + padding, type << 2 | RING_KIND_RECORD, size);
    ring_test_step(RING_WRITTEN);
    ring->own += padding + ring_total(size);
    ring->stats.records++;
    ring->stats.bytes += size;
}

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
    ring_publish(ring);
    ring_fetch_next(ring);
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
    ring_publish(ring);
    ring_fetch_next(ring);
}

int ring_add(struct ferry_ring *ring, const struct iovec *pieces, size_t count, size_t size)
{
    uint32_t padding;
    int r = ring_enter(ring);
    if (r == 0)
        r = ring_reserve(ring, size, ring->spare, &padding);
    if (r < 0)
        return r;
    unsigned char *place = ring_place(ring, padding);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].iov_len)
            memcpy(place, pieces[i].iov_base, pieces[i].iov_len);
        place += pieces[i].iov_len;
    }
    ring_seal(ring, padding, (uint32_t)size, 0);
    return 0;
}

void ring_show(struct ferry_ring *ring)
{
    ring_publish(ring);
    ring_fetch_next(ring);
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

/* Returns 0 (there is something), -EAGAIN, -EPIPE, -EPROTO. */
ALWAYS_INLINE int ring_expect(struct ferry_ring *ring)
{
    int r = ring_enter(ring);
    if (r < 0 || ring->seen != ring->own)
        return r;
    if (ring->state == RING_GONE)
        return -EPIPE;
    r = ring_look(ring);
    if (r < 0 || ring->seen != ring->own)
        return r;
    ring->stats.refusals++;
    return -EAGAIN;
}

static uint64_t head_read(const struct ferry_ring *ring, uint32_t position)
{
    unsigned char *place = ring->data + (position & (ring->capacity - 1));
    return shared_load_64((_Atomic uint64_t *)(void *)place);
}

/* What stands at our position, which moves over padding. Returns 0, -EAGAIN, -EPROTO. */
ALWAYS_INLINE int ring_peek(struct ferry_ring *ring, struct ferry_record *ret_record)
{
    if (ring->seen == ring->own)
        return -EAGAIN;
    /* A small record seldom lies in the line of its head alone. */
    __builtin_prefetch((const unsigned char *)ring_place(ring, 0) + RING_LINES / 2);
    uint64_t head = head_read(ring, ring->own);
    uint32_t left = ring->capacity - (ring->own & (ring->capacity - 1));
    if (head == ring_head(RING_KIND_PADDING, left - RING_HEAD_SIZE)) {
        /* The record it made room for was published with it. */
        if (left >= ring->seen - ring->own)
            return ring_break(ring);
        ring->own += left;
        left = ring->capacity;
        head = head_read(ring, ring->own);
    }
    uint32_t size = (uint32_t)head, kind = (uint32_t)(head >> 32);
    if ((kind & 3) != RING_KIND_RECORD || size > ring->record_max || ring_total(size) > left ||
        ring_total(size) > ring->seen - ring->own)
        return ring_break(ring);
    *ret_record = (struct ferry_record){ .data = ring_place(ring, 0), size, kind >> 2 };
    return 0;
}

ALWAYS_INLINE void ring_pass(struct ferry_ring *ring, uint32_t size)
{
    ring->own += ring_total(size);
    ring->stats.records++;
    ring->stats.bytes += size;
    ring_test_step(RING_TAKEN);
}

/* Copies out what ring_peek() found: its size is ours by now, its bytes are when they are copied.
 */
ALWAYS_INLINE int record_take(
    struct ferry_ring *ring, struct ferry_record *record, unsigned char *buffer, size_t size)
{
    if (record->size > size)
        return -EMSGSIZE;
    if (record->size)
        memcpy(buffer, record->data, record->size);
    record->data = buffer;
    ring_pass(ring, (uint32_t)record->size);
    return 0;
}

int ferry_ring_try_receive(
    struct ferry_ring *ring, void *buffer, size_t size, struct ferry_record *batch, size_t count)
{
    assert(ring->direction == FERRY_RECEIVE && count > 0);
    unsigned char *place = buffer;
    int received = 0, r = ring_expect(ring);

    while (r == 0 && (size_t)received < count) {
        struct ferry_record *record = &batch[received];
        r = ring_peek(ring, record);
        if (r == 0)
            r = record_take(ring, record, place, size);
        if (r < 0)
            break;
        size_t step = (record->size + 7) & ~(size_t)7;
        if (step > size)
            step = size;
        place += step;
        size -= step;
        received++;
        if (record->type == ring->stop && ring->stop)
            break;
    }
    if (ring->state != RING_BROKEN)
        ring_publish(ring);
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
    if (ring->state != RING_BROKEN)
        ring_publish(ring); /* asleep or not: whoever waits for the peer goes on doing so */
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
