/* ring.h (memory) - what lies in the memory of a ring, and what one end keeps to itself. */
#ifndef FERRY_MEMORY_RING_H
#define FERRY_MEMORY_RING_H

#include "base/limits.h"
#include "base/list.h"

#include <assert.h>
#include <errno.h>
#include <ferry/fan_in.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>

/* --- shared ----------------------------------------------------------------------------------- */

#define RING_MAGIC   UINT64_C(0x474e495259524546) /* "FERYRING" */
#define RING_VERSION 2u
#define RING_LINES   (2 * CACHE_LINE) /* processors fetch them in pairs */

/* Written once, before anybody attaches, and read by a system call, before anything is mapped. */
struct ring_constants {
    uint64_t magic;
    uint32_t version;
    uint32_t capacity;
};

/* What one end writes and the other reads; each word has its lines to itself. */
struct ring_side {
    /* Bytes sent, or received and released, since the ring was made; it wraps at 2^32. */
    alignas(RING_LINES) _Atomic uint32_t position;
    /* Above: how often this end has gone to sleep. Below: the bytes that it waits for (the
     * receiver: any number); 0: it is awake. */
    alignas(RING_LINES) _Atomic uint64_t bell;
};

struct ring_shared {
    alignas(RING_LINES) struct ring_constants constants;
    struct ring_side sides[2]; /* by enum ferry_direction of who writes it */
};

#define RING_DATA_OFFSET 4096 /* bytes: where records begin */

/* What the sender's owner writes for whoever looks from outside; the ring does not. */
#define RING_NOTE_OFFSET 2048
#define RING_NOTE_SIZE   512

static_assert(FERRY_RECEIVE == 0 && FERRY_SEND == 1, "sides have this order");
static_assert(sizeof(struct ring_constants) == 16, "two processes share it");
static_assert(offsetof(struct ring_shared, sides) == 128, "two processes share it");
static_assert(offsetof(struct ring_side, bell) == 128, "two processes share it");
static_assert(sizeof(struct ring_side) == 256, "two processes share it");
static_assert(sizeof(struct ring_shared) <= RING_NOTE_OFFSET, "the note comes after it");
static_assert(RING_NOTE_OFFSET + RING_NOTE_SIZE <= RING_DATA_OFFSET, "records come after that");
static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "locks are not shared");

/* Before each record: its size below, its kind above. Zeroes, as a hole has, are no head. */
#define RING_HEAD_SIZE    8u
#define RING_KIND_RECORD  1u /* in the lowest two bits; above them its type */
#define RING_KIND_PADDING 2u /* nothing until the end of the ring, where a record had no room */

static inline uint64_t ring_head(uint32_t kind, uint32_t size)
{
    return (uint64_t)kind << 32 | size;
}

/* Bytes that a record takes: its head, and what it has, up to the next head. */
static inline uint32_t ring_total(uint32_t size)
{
    return RING_HEAD_SIZE + ((size + 7u) & ~7u);
}

/* --- what tests may do ------------------------------------------------------------------------ */

/* Where a process can be killed. */
enum ring_step {
    RING_RESERVED,   /* there is room; nothing was written */
    RING_WRITTEN,    /* record and head are there, not visible */
    RING_TO_PUBLISH, /* a whole batch is */
    RING_PUBLISHED,  /* it is visible, or room given back; nobody was woken */
    RING_WOKEN,
    RING_TAKEN,    /* the receiver has a record; its room is not given back */
    RING_TO_SLEEP, /* the bell says that we sleep; nobody has looked again */
    RING_STEP_COUNT,
};

/* In test builds, what runs after each load of shared memory may change what was loaded, and what
 * runs at each step may end the process. */
#ifdef RING_TEST
extern void (*ring_test_loaded)(void *word, size_t size);
extern void (*ring_test_step)(enum ring_step step);
#else
static inline void ring_test_loaded(void *word, size_t size)
{
    (void)word, (void)size;
}
static inline void ring_test_step(enum ring_step step)
{
    (void)step;
}
#endif

/* Every load of shared memory but the bytes of records: once, into a local. A position acquires
 * what was done before it was stored. */
static inline uint32_t shared_load_32(_Atomic uint32_t *word)
{
    uint32_t value = atomic_load_explicit(word, memory_order_acquire);
    ring_test_loaded(word, sizeof(value));
    return value;
}

/* A bell, or the head of a record, says all that it says by itself. */
static inline uint64_t shared_load_64(_Atomic uint64_t *word)
{
    uint64_t value = atomic_load_explicit(word, memory_order_relaxed);
    ring_test_loaded(word, sizeof(value));
    return value;
}

/* What comes before a look at a word of the peer's that must not be older than our last store. A
 * store that is itself sequentially consistent would do too, but on x86 it keeps the line locked
 * that the peer is just looking at, which doubles the time of a round trip. */
static inline void shared_fence(void)
{
#ifdef __SANITIZE_THREAD__
    /* It knows no fences. On x86 an exchange is one, and relaxed it hides no race from it. */
    static _Atomic int word;
    (void)atomic_exchange_explicit(&word, 0, memory_order_relaxed);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* --- one end ---------------------------------------------------------------------------------- */

enum ring_state { RING_AWAKE, RING_ASLEEP, RING_GONE, RING_BROKEN };

struct ferry_ring {
    /* What every call uses */
    enum ring_state state;
    enum ferry_direction direction;
    struct ring_side *side;  /* ours */
    struct ring_side *other; /* the peer's */
    unsigned char *data;
    uint32_t capacity;
    uint32_t record_max;
    uint32_t own;         /* our position: where the next record begins */
    uint32_t published;   /* our position as the peer knows it */
    uint32_t seen;        /* the peer's position as we know it */
    uint32_t need;        /* the sender: room that was missing last; 0: none was */
    uint32_t heeded;      /* the receiver: our position when we last looked at the bell */
    uint32_t rung;        /* of the peer's sleeps: the last that we ended */
    unsigned false_wakes; /* since the peer's position last changed */
    struct ferry_ring_stats stats;
    /* A loan */
    bool lent;
    uint32_t lent_size, lent_padding;
    /* Sleeping */
    uint32_t sleep; /* the number of our last */
    bool may_ring;  /* its bell was not made quiet yet */
    int64_t spin_max_ns, spin_ns;
    unsigned unspun; /* sleeps since it was last tried to spin */
    /* Coming later */
    uint64_t waited_at; /* records that we had had at the last wait */
    bool was_late;      /* it began with pauses */
    unsigned late_pays; /* waits to come that do, if none brings several */
    unsigned prompt;    /* waits that did not, but might have */
    /* Of a quiet ring */
    bool (*call)(void *data); /* NULL: it has descriptors that wake */
    void *call_data;
    uint32_t spare; /* bytes that the sender's records leave free, for ring_mark() */
    /* In a fan-in */
    struct ferry_fan_in *fan_in; /* NULL: in none */
    struct list turn;
    void *fan_in_data;
    /* What it holds */
    int fds[FERRY_RING_DESCRIPTORS];
    struct ring_shared *shared;
    size_t map_size;
};

/* --- quiet rings ------------------------------------------------------------------------------ */

/* A ring that is one of two ways between the same processes (transport/auto) has no descriptors
 * that wake. Who sends calls its owner instead, who wakes the peer by the other way. It is for
 * receivers that sleep: a sender that finds no room goes the other way too.
 *
 * Between the two the order is kept by marks: records of the type RING_MARK, empty, for which there
 * is always room once. */
#define RING_MARK 1u

struct ring_quiet {
    int64_t spin_max_ns;      /* to look out at most; 0: never, as where both have one processor */
    bool (*call)(void *data); /* wakes the peer; false: it can't. Of a receiver never called */
    void *data;
};

/* As ferry_ring_new() and ferry_ring_attach(), of the memory alone.
 *   fd  taken, and closed on failure too */
int ring_new_quiet(enum ferry_direction direction, size_t capacity, const struct ring_quiet *quiet,
    struct ferry_ring **ret_ring, struct ferry_error *error);
int ring_attach_quiet(enum ferry_direction direction, int fd, size_t capacity_max,
    const struct ring_quiet *quiet, struct ferry_ring **ret_ring, struct ferry_error *error);
/* Its memory, borrowed. */
int ring_memory_fd(const struct ferry_ring *ring);
/* Its note, to be written. */
void *ring_note(const struct ferry_ring *ring);

/* Adds a mark and shows it, but wakes nobody: what comes the other way does. 0, -EPIPE, -EPROTO. */
int ring_mark(struct ferry_ring *ring);
/* Bytes that have room now, heads included; 0: it has ended. */
size_t ring_room(struct ferry_ring *ring);
/* Receives no more than what was published by now; whoever publishes after that calls its owner. */
void ring_stop_receiving(struct ferry_ring *ring);
/* Whether all that was sent has been received. */
bool ring_is_drained(struct ferry_ring *ring);
/* Looks out for the peer, as long as that has paid lately, once if the deadline has passed: then,
 * or if it has not paid, a sleep goes on. True: there is something to receive, or room. */
bool ring_look_out(struct ferry_ring *ring, int64_t deadline_ns);
/* Before one looks out: right behind its sender each record of a stream is had by itself, and the
 * lines that both use go there and back for each. Who comes a little later finds several, at the
 * price of one. Whether there are several is learnt: as long as there are, each wait begins with
 * some pauses, else one of RING_LATER_RETRY.
 *   may  false: no pauses, for what comes now is an answer */
void ring_come_later(struct ferry_ring *ring, bool may);
/* What has not paid may pay from now on. */
void ring_look_out_anew(struct ferry_ring *ring);

/* --- one end, inside -------------------------------------------------------------------------- */

/* Moves to another state; see ring.c. */
void ring_set_state(struct ferry_ring *ring, enum ring_state state);
/* The peer broke the ring. Returns -EPROTO. */
int ring_break(struct ferry_ring *ring);
/* Loads the peer's position. Returns 0, -EPROTO. */
int ring_look(struct ferry_ring *ring);
/* Whether, as far as we know, there is what we would sleep for. */
bool ring_is_satisfied(const struct ferry_ring *ring);
/* Ends our sleep: the peer need not wake us. */
void ring_awake(struct ferry_ring *ring);
/* Whether there is what we would sleep for, or the ring has ended. A sleep goes on while the peer
 * has done nothing. */
bool ring_is_due(struct ferry_ring *ring);
/* Says that we sleep, unless we do. False: there was something after all. */
bool ring_fall_asleep(struct ferry_ring *ring);
/* Ends the sleep of the peer, whose bell says that it sleeps. */
void ring_wake_peer(struct ferry_ring *ring, uint64_t bell);

enum { RING_READY = 1, RING_OTHER_READY = 2 };

/* Sleeps until a descriptor, or the other (-1: none), is readable. Returns which, 0 (it was
 * interrupted), -ETIMEDOUT, or another -errno. */
int ring_poll(int fd, int other_fd, int64_t deadline_ns);

static inline int ring_wake_fd(const struct ferry_ring *ring, enum ferry_direction direction)
{
    return ring->fds[direction == FERRY_RECEIVE ? 1 : 2];
}

#endif
