/* ring_record.h - what every record passes through, on both sides.
 *
 * Inlined where records are sent and received: in ring.c, and in transport/auto, which puts
 * messages into a ring, and takes them out, without making records of them first. Left to itself
 * the compiler makes calls of it, which are a quarter of what a small record costs. What holds of
 * it is at the top of ring.c.
 */
#ifndef FERRY_MEMORY_RING_RECORD_H
#define FERRY_MEMORY_RING_RECORD_H

#include "memory/limits.h"
#include "memory/ring.h"

#include <string.h>
#include <sys/uio.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

static inline uint32_t ring_free(const struct ferry_ring *ring)
{
    return ring->capacity - (ring->own - ring->seen);
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

/* Wakes the peer if it sleeps for what it was shown. */
ALWAYS_INLINE void ring_heed(struct ferry_ring *ring)
{
    shared_fence();
    uint64_t bell = shared_load_64(&ring->other->bell);
    if ((uint32_t)bell && (uint32_t)(bell >> 32) != ring->rung)
        ring_wake_peer(ring, bell);
    ring_test_step(RING_WOKEN);
}

/* Fetches the lines of the next record, which the receiver had last, while there is time. */
static inline void ring_fetch_next(const struct ferry_ring *ring)
{
    const unsigned char *place = ring->data + (ring->own & (ring->capacity - 1));
    __builtin_prefetch(place, 1);
    __builtin_prefetch(place + RING_LINES / 2, 1);
}

/* --- sending ---------------------------------------------------------------------------------- */

static inline void head_write(
    struct ferry_ring *ring, uint32_t position, uint32_t kind, uint32_t size)
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

static inline void *ring_place(const struct ferry_ring *ring, uint32_t padding)
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

/* Adds a record of several pieces, which nobody sees before ring_show().
 * Returns 0, or as ferry_ring_try_send() does. */
ALWAYS_INLINE int ring_add(
    struct ferry_ring *ring, const struct iovec *pieces, size_t count, size_t size)
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

/* Shows the peer what was added, and wakes it if it sleeps. */
ALWAYS_INLINE void ring_show(struct ferry_ring *ring)
{
    if (ring_store_position(ring))
        ring_heed(ring);
    ring_fetch_next(ring);
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

static inline uint64_t head_read(const struct ferry_ring *ring, uint32_t position)
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

/* Where records are copied to, one behind the other. */
struct ring_copies {
    unsigned char *place;
    size_t size; /* bytes that are left */
};

/* Copies the next record out: its size is ours by then, its bytes are when they are copied.
 * Returns 0, -EAGAIN, -EMSGSIZE (it is there still; *ret_record is what it is), -EPROTO. */
ALWAYS_INLINE int ring_take(
    struct ferry_ring *ring, struct ring_copies *copies, struct ferry_record *ret_record)
{
    int r = ring_peek(ring, ret_record);
    if (r < 0)
        return r;
    size_t size = ret_record->size, step = (size + 7) & ~(size_t)7;
    if (size > copies->size)
        return -EMSGSIZE;
    if (size)
        memcpy(copies->place, ret_record->data, size);
    ret_record->data = copies->place;
    if (step > copies->size)
        step = copies->size;
    copies->place += step;
    copies->size -= step;
    ring_pass(ring, (uint32_t)size);
    return 0;
}

/* Gives back the room of what was received. */
ALWAYS_INLINE void ring_give_back(struct ferry_ring *ring)
{
    if (ring->state == RING_BROKEN)
        return;
    (void)ring_store_position(ring);
    /* Of a quiet ring the sender never sleeps, whatever its bell says. */
    if (ring->call || ring->published - ring->heeded < ring->capacity / RING_HEED_SHARE)
        return;
    ring->heeded = ring->published;
    ring_heed(ring);
}

#endif
