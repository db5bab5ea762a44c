/* fan_in.c - many rings, one receiver: whose turn it is, and one sleep for all.
 *
 * A ring that many senders share would save memory and a look, and cost what a fan-in is for: room
 * that one reserved and never committed, because it died, holds up all behind it. Nor do they share
 * what wakes. A bell that every sender has, any of them can make quiet, so that another's wake-up
 * is lost, or ring for ever, and there is no telling who. So each keeps the ring that it would have
 * alone, its bell included, and an epoll of the receiver's own, which no sender has, joins the
 * bells. No word is shared that was not before: what ring.c and ring_wait.c say holds for each pair
 * of ends.
 *
 * Owned: the epoll. The rings are the caller's; each is on the list by its own node, and the
 * list's head moves behind the ring that has had its turn, so that looking goes on there.
 *
 * A ring that was put to sleep stays so while its sender does nothing: to look at it is one load,
 * and the next sleep, of all, costs something only for those that were awake. A bell that rings
 * and brings nothing is made quiet before the next sleep, and counted against its ring, which too
 * many of them end.
 */
#include "base/cleanup.h"
#include "memory/limits.h"
#include "memory/ring.h"

#include <sys/epoll.h>

struct ferry_fan_in {
    struct list rings; /* in the order of turns */
    int epoll_fd;
    bool asleep; /* ferry_fan_in_prepare_sleep() has allowed it, and nobody has looked since */
};

int ferry_fan_in_new(struct ferry_fan_in **ret_fan_in)
{
    struct ferry_fan_in *fan_in = calloc(1, sizeof(*fan_in));
    if (!fan_in)
        return -ENOMEM;
    list_init(&fan_in->rings);
    fan_in->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (fan_in->epoll_fd < 0) {
        int r = -errno;
        free(fan_in);
        return r;
    }
    *ret_fan_in = fan_in;
    return 0;
}

void ferry_fan_in_free(struct ferry_fan_in *fan_in)
{
    if (!fan_in)
        return;
    while (!list_empty(&fan_in->rings))
        ferry_fan_in_remove(fan_in, LIST_ENTRY(fan_in->rings.next, struct ferry_ring, turn));
    fd_close(&fan_in->epoll_fd);
    free(fan_in);
}

int ferry_fan_in_add(struct ferry_fan_in *fan_in, struct ferry_ring *ring, void *data)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = ring };

    assert(ring->direction == FERRY_RECEIVE && !ring->fan_in);
    if (epoll_ctl(fan_in->epoll_fd, EPOLL_CTL_ADD, ferry_ring_fd(ring), &event) < 0)
        return -errno;
    ring->fan_in = fan_in;
    ring->fan_in_data = data;
    list_add_last(&fan_in->rings, &ring->turn);
    return 0;
}

void ferry_fan_in_remove(struct ferry_fan_in *fan_in, struct ferry_ring *ring)
{
    assert(ring->fan_in == fan_in);
    /* The sender has the bell too, so it would stay in the epoll when we close ours. */
    epoll_ctl(fan_in->epoll_fd, EPOLL_CTL_DEL, ferry_ring_fd(ring), NULL);
    list_remove(&ring->turn);
    ring->fan_in = NULL;
}

/* --- turns ------------------------------------------------------------------------------------ */

/* Ends our sleep, and that of those who rang. */
static void fan_in_awake(struct ferry_fan_in *fan_in)
{
    struct epoll_event rung[FAN_IN_BELLS];
    int count = epoll_wait(fan_in->epoll_fd, rung, FAN_IN_BELLS, 0);

    fan_in->asleep = false;
    for (int i = 0; i < count; i++) {
        struct ferry_ring *ring = rung[i].data.ptr;
        if (ring->state == RING_ASLEEP)
            ring_awake(ring);
    }
}

/* The next look begins behind this one. */
static void turn_end(struct ferry_fan_in *fan_in, struct list *turn)
{
    struct list *next = turn->next;

    if (next == &fan_in->rings)
        return;
    list_remove(&fan_in->rings);
    list_add_last(next, &fan_in->rings);
}

struct ferry_ring *ferry_fan_in_next(struct ferry_fan_in *fan_in, void **ret_data)
{
    struct list *turn;

    if (fan_in->asleep)
        fan_in_awake(fan_in);
    list_each (turn, &fan_in->rings) {
        struct ferry_ring *ring = LIST_ENTRY(turn, struct ferry_ring, turn);
        if (!ring_is_due(ring))
            continue;
        turn_end(fan_in, turn);
        if (ret_data)
            *ret_data = ring->fan_in_data;
        return ring;
    }
    return NULL;
}

/* --- waiting ---------------------------------------------------------------------------------- */

int ferry_fan_in_fd(const struct ferry_fan_in *fan_in)
{
    return fan_in->epoll_fd;
}

bool ferry_fan_in_prepare_sleep(struct ferry_fan_in *fan_in)
{
    struct list *turn;

    list_each (turn, &fan_in->rings) {
        struct ferry_ring *ring = LIST_ENTRY(turn, struct ferry_ring, turn);
        if (ring_is_due(ring) || !ring_fall_asleep(ring))
            return true;
    }
    fan_in->asleep = true;
    return false;
}

int ferry_fan_in_wait(struct ferry_fan_in *fan_in, int other_fd, int64_t deadline_ns)
{
    while (!ferry_fan_in_prepare_sleep(fan_in)) {
        int ready = ring_poll(fan_in->epoll_fd, other_fd, deadline_ns);
        if (ready < 0)
            return ready;
        if (ready & RING_READY)
            fan_in_awake(fan_in);
        if (ready & RING_OTHER_READY)
            return ferry_fan_in_prepare_sleep(fan_in) ? 0 : 1;
    }
    return 0;
}
