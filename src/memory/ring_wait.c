/* ring_wait.c - sleeping until the peer has done something, and waking it.
 *
 * Each end has a bell (ring.h), a word that it alone writes: the number of its sleep, and what it
 * sleeps for. The peer, when it has published something (a receiver: an eighth of the ring), looks
 * at it; what it finds there for the first time it answers by ringing what the sleeper waits for
 * (bell.h). So a sleep costs its peer one system call, whatever is published meanwhile, and nothing
 * while nobody sleeps.
 *
 *     sleeper: bell = {number, need}; position of the peer? as before: sleep
 *     peer:    position = ...;        bell of the sleeper? a new number: wake it
 *
 * Between the two stands a fence, so at least one sees the other. A wake-up may come when the
 * sleeper has got up by itself: then its next sleep is short, and it finds nothing.
 *
 * Looking out for the peer (spinning) before sleeping saves the wake-up where the peer answers
 * quickly. How long pays is learnt: each success doubles the time, each failure halves it, until it
 * is not tried at all but every RING_SPIN_RETRY sleeps: then for long enough that a peer which has
 * to be woken first can answer, or two that sleep would never find out that neither need.
 */
#include "base/clock.h"
#include "base/processor.h"
#include "memory/bell.h"
#include "memory/limits.h"
#include "memory/ring.h"

#include <poll.h>

/* --- waking ----------------------------------------------------------------------------------- */

void ring_awake(struct ferry_ring *ring)
{
    ring_set_state(ring, RING_AWAKE);
    atomic_store_explicit(&ring->side->bell, (uint64_t)ring->sleep << 32, memory_order_relaxed);
    ring->may_ring = !ring->call;
}

/* A sender may sleep until there is more room than what was released just now. */
static bool ring_wakes_sender(struct ferry_ring *ring, uint32_t need)
{
    uint32_t head = shared_load_32(&ring->other->position);
    return ring->capacity - (head - ring->published) >= need;
}

void ring_wake_peer(struct ferry_ring *ring, uint64_t bell)
{
    if (ring->direction == FERRY_RECEIVE && !ring_wakes_sender(ring, (uint32_t)bell))
        return;
    ring->rung = (uint32_t)(bell >> 32);
    ring->stats.wakes++;
    if (ring->call) {
        if (!ring->call(ring->call_data))
            ring->rung--; /* once more with what comes next */
    } else {
        bell_ring(ring_wake_fd(ring, !ring->direction));
    }
}

/* --- sleeping --------------------------------------------------------------------------------- */

static bool ring_is_ready(struct ferry_ring *ring)
{
    return ring_is_satisfied(ring) || ring_look(ring) < 0 || ring_is_satisfied(ring);
}

static bool ring_look_until(struct ferry_ring *ring, int64_t until_ns)
{
    do {
        for (int i = 0; i < RING_SPIN_LOOKS; i++) {
            if (ring_is_ready(ring))
                return true;
            processor_relax();
        }
    } while (clock_now_ns() < until_ns);
    return false;
}

/* Who has no time does not look out, and has not slept either: what is learnt is not about
 * deadlines. */
static bool ring_spin(struct ferry_ring *ring, int64_t deadline_ns)
{
    const int64_t max_ns = ring->spin_max_ns;
    int64_t span_ns = ring->spin_ns, now_ns;
    bool anew = span_ns == 0;

    if (max_ns <= 0)
        return false;
    now_ns = clock_now_ns();
    if (now_ns >= deadline_ns || (anew && ++ring->unspun < RING_SPIN_RETRY))
        return false;
    if (ring->state == RING_ASLEEP)
        ring_awake(ring); /* and not to be woken meanwhile */
    if (anew)
        span_ns = max_ns < RING_SPIN_NS ? max_ns : RING_SPIN_NS;
    ring->unspun = 0;
    ring->stats.spins++;
    bool paid = ring_look_until(ring, now_ns + span_ns);
    ring->stats.spins_paid += paid;
    if (paid)
        span_ns = span_ns * 2 < max_ns ? span_ns * 2 : max_ns;
    else
        span_ns = anew ? 0 : span_ns / 2;
    ring->spin_ns = span_ns < RING_SPIN_NS_MIN ? 0 : span_ns;
    return paid;
}

bool ring_is_due(struct ferry_ring *ring)
{
    if (ring->state == RING_ASLEEP) {
        if (shared_load_32(&ring->other->position) == ring->seen)
            return false;
        ring_awake(ring);
    }
    return ring->state != RING_AWAKE || ring_is_ready(ring);
}

void ring_come_later(struct ferry_ring *ring, bool may)
{
    if (ring->spin_ns == 0 || ring_is_satisfied(ring))
        return;
    if (ring->was_late && ring->stats.records - ring->waited_at > 1)
        ring->late_pays = RING_LATER_TRUST;
    else if (ring->was_late && ring->late_pays)
        ring->late_pays--;
    ring->waited_at = ring->stats.records;
    ring->was_late = may && (ring->late_pays || ++ring->prompt >= RING_LATER_RETRY);
    if (!ring->was_late)
        return;
    ring->prompt = 0;
    for (int i = 0; i < RING_LATER_PAUSES; i++)
        processor_relax();
}

bool ring_look_out(struct ferry_ring *ring, int64_t deadline_ns)
{
    return ring_is_due(ring) || ring_spin(ring, deadline_ns);
}

void ring_look_out_anew(struct ferry_ring *ring)
{
    ring->spin_ns = ring->spin_max_ns;
}

/* As late as this, so that whoever got up does first what the peer waits for. */
static void ring_quiet(struct ferry_ring *ring)
{
    if (!ring->may_ring)
        return;
    ring->may_ring = false;
    /* Until something is found; if it did not ring, we got up by ourselves. */
    ring->false_wakes += bell_quiet(ring_wake_fd(ring, ring->direction));
}

bool ring_fall_asleep(struct ferry_ring *ring)
{
    if (ring->state == RING_ASLEEP)
        return true;
    ring_quiet(ring);
    ring->sleep++;
    ring_set_state(ring, RING_ASLEEP);
    uint32_t need = ring->direction == FERRY_SEND ? ring->need : 1;
    atomic_store_explicit(
        &ring->side->bell, (uint64_t)ring->sleep << 32 | need, memory_order_relaxed);
    ring_test_step(RING_TO_SLEEP);
    shared_fence();
    if (shared_load_32(&ring->other->position) != ring->seen) {
        ring_awake(ring);
        return false;
    }
    ring->stats.sleeps++;
    return true;
}

/* A bell that nobody makes quiet any more, and then the last look, as before any sleep. */
void ring_stop_receiving(struct ferry_ring *ring)
{
    if (ring->state == RING_ASLEEP)
        ring_awake(ring);
    ring->sleep++;
    atomic_store_explicit(&ring->side->bell, (uint64_t)ring->sleep << 32 | 1, memory_order_relaxed);
    shared_fence();
    ferry_ring_set_peer_gone(ring);
}

bool ferry_ring_prepare_sleep(struct ferry_ring *ring)
{
    if (ring_is_due(ring))
        return true;
    /* A loop asks before each of its turns, whatever the last was for. */
    if (ring->state == RING_ASLEEP)
        return false;
    return ring_spin(ring, CLOCK_NEVER) || !ring_fall_asleep(ring);
}

int ferry_ring_fd(const struct ferry_ring *ring)
{
    return ring_wake_fd(ring, ring->direction);
}

int ring_poll(int fd, int other_fd, int64_t deadline_ns)
{
    struct pollfd waited[] = {
        { .fd = fd, .events = POLLIN },
        { .fd = other_fd, .events = POLLIN },
    };
    int64_t now_ns = clock_now_ns();

    if (now_ns >= deadline_ns)
        return -ETIMEDOUT;
    int count = poll(waited, 2, clock_poll_ms(deadline_ns, now_ns));
    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    return (waited[0].revents ? RING_READY : 0) | (waited[1].revents ? RING_OTHER_READY : 0);
}

int ferry_ring_wait(struct ferry_ring *ring, int other_fd, int64_t deadline_ns)
{
    while (!ferry_ring_prepare_sleep(ring)) {
        int ready = ring_poll(ferry_ring_fd(ring), other_fd, deadline_ns);
        if (ready < 0)
            return ready;
        if (ready & RING_READY)
            ring_awake(ring);
        if (ready & RING_OTHER_READY)
            return ferry_ring_prepare_sleep(ring) ? 0 : 1;
    }
    return 0;
}
