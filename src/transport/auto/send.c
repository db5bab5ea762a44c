/* send.c - by which lane a message goes, and sending it so. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "memory/ring_record.h"
#include "transport/auto/auto.h"
#include "transport/calibration.h"
#include "transport/outgoing.h"

#include <poll.h>
#include <stdatomic.h>

/* --- which lane ------------------------------------------------------------------------------- */

static bool is_moment(enum ferry_auto_reason reason)
{
    return reason == FERRY_AUTO_FULL || reason == FERRY_AUTO_PASSING;
}

/* What meets a full ring waits on the socket, until that has no room and poll(2) says so. Its queue
 * is to be short then: what waits there travels at the socket's cost. */
static void set_narrow(struct auto_end *end, bool narrow)
{
    if (narrow == end->narrow)
        return;
    const int least = AUTO_NARROW_SIZE;
    int now;
    socklen_t size = sizeof(now);

    if (getsockopt(end->fd, SOL_SOCKET, SO_SNDBUF, &now, &size) < 0)
        return;
    if (narrow || now > 2 * least) /* its owner has made it wide meanwhile */
        end->send_buffer = now;
    int half = end->send_buffer / 2; /* the kernel doubles what it is told */
    if (setsockopt(end->fd, SOL_SOCKET, SO_SNDBUF, narrow ? &least : &half, sizeof(int)) == 0)
        end->narrow = narrow;
}

/* For whoever looks from outside. */
static void note(const struct auto_end *end, int64_t now_ns)
{
    const struct ferry_auto_stats *stats = &end->stats;

    if (!end->ring[FERRY_SEND])
        return;
    *(struct ferry_auto_note *)ring_note(end->ring[FERRY_SEND]) = (struct ferry_auto_note){
        .socket_inode = end->inode,
        .lane = stats->lanes[FERRY_SEND],
        .reason = stats->reason,
        .moves = stats->moves,
        .socket_messages = stats->socket_messages,
        .ring_messages = stats->ring_messages,
        .large_messages = stats->large_messages,
        .wakes = stats->wakes,
        .rate_per_s = stats->rate_per_s,
        .receive_rate_per_s = end->pace.receive_rate,
        .mean_size = stats->mean_size,
        .measured_ns = now_ns,
    };
}

static void tell(struct auto_end *end)
{
    enum ferry_lane lane = end->lanes[FERRY_SEND];
    if (lane == end->told)
        return;
    end->told = lane;
    note(end, clock_now_ns());
    set_narrow(end, lane == FERRY_LANE_RING);
    if (end->on_move)
        end->on_move(end->on_move_data, &end->stats);
}

void auto_set_lane(struct auto_end *end, enum ferry_direction direction, enum ferry_lane lane,
    enum ferry_auto_reason reason)
{
    assert(end->rings == AUTO_RINGS_THERE && end->lanes[direction] != lane);
    end->lanes[direction] = end->stats.lanes[direction] = lane;
    if (direction == FERRY_RECEIVE)
        return;
    end->ring_used = false;
    end->stats.moves++;
    end->stats.reason = reason;
    if (!is_moment(reason))
        tell(end);
}

static bool may_move(const struct auto_end *end)
{
    return end->rings == AUTO_RINGS_THERE && end->may_send;
}

bool auto_peer_left(const struct auto_end *end)
{
    struct pollfd polled = { .fd = end->fd, .events = 0 };
    return !end->shut && poll(&polled, 1, 0) == 1 && (polled.revents & (POLLHUP | POLLERR));
}

static void follow(struct auto_end *end, enum pace_verdict verdict)
{
    switch (verdict) {
    case PACE_STAY:
        if (end->lanes[FERRY_SEND] == FERRY_LANE_RING && end->ring_reason == FERRY_AUTO_HOPEFUL)
            end->ring_reason = end->stats.reason = FERRY_AUTO_FAST;
        return;
    case PACE_FAST:
    case PACE_HOPEFUL:
        end->wanted = FERRY_LANE_RING;
        end->ring_reason = verdict == PACE_FAST ? FERRY_AUTO_FAST : FERRY_AUTO_HOPEFUL;
        return;
    case PACE_SLOW:
    case PACE_SLEEPY:
        end->wanted = FERRY_LANE_SOCKET;
        end->stats.reason = verdict == PACE_SLOW ? FERRY_AUTO_SLOW : FERRY_AUTO_SLEEPY;
        return;
    }
}

/* What this machine was measured to do, read once in the life of a process, when it first matters:
 * most never send so much. NULL: no memory. */
static const struct choice_thresholds *thresholds_here(enum choice_place place)
{
    struct places {
        struct choice_thresholds of[CHOICE_PLACES];
    };
    static _Atomic(struct places *) shared;
    struct places *known = NULL, *made = atomic_load(&shared);
    struct calibration calibration;

    if (made)
        return &made->of[place];
    made = malloc(sizeof(*made));
    if (!made)
        return NULL;
    calibration_read(&calibration);
    for (unsigned i = 0; i < CHOICE_PLACES; i++)
        choice_thresholds_make(&calibration.costs, (enum choice_place)i, &made->of[i]);
    if (atomic_compare_exchange_strong(&shared, &known, made))
        return &made->of[place];
    free(made); /* another thread was first */
    return &known->of[place];
}

static const struct choice_thresholds *thresholds_of(struct auto_end *end)
{
    if (!end->thresholds)
        end->thresholds = thresholds_here(auto_is_together(end) ? CHOICE_TOGETHER : CHOICE_APART);
    return end->thresholds;
}

/* Now and then: what the traffic calls for. */
static void judge(struct auto_end *end)
{
    bool in_ring = may_move(end) && end->wanted == FERRY_LANE_RING;
    int64_t now_ns = clock_now_ns();

    if (in_ring && auto_peer_left(end))
        end->gone = true;
    if (!pace_measure(&end->pace, end->received, now_ns))
        return;
    end->stats.rate_per_s = end->pace.rate;
    end->stats.mean_size = end->pace.mean_size;
    if (end->stats.reason == FERRY_AUTO_NEW)
        end->stats.reason = FERRY_AUTO_SLOW;
    bool decides = end->preference == FERRY_AUTO_MEASURE && end->rings != AUTO_RINGS_REFUSED &&
                   (in_ring || end->pace.rate >= AUTO_RATE_LOOK) && thresholds_of(end);
    if (decides)
        follow(end, pace_judge(&end->pace, in_ring, end->thresholds, now_ns));
    else
        pace_pass(&end->pace, now_ns);
    note(end, now_ns);
}

static void count_sent(struct auto_end *end, size_t count, uint64_t size)
{
    if (pace_count(&end->pace, count, size))
        judge(end);
}

static inline void set_sent(struct ferry_outgoing *outgoing, size_t size)
{
    outgoing->sent_size = size;
    outgoing->complete = true;
}

/* --- the ring --------------------------------------------------------------------------------- */

/* What follows goes by the socket, until it says otherwise. */
static int leave_ring(struct auto_end *end, enum ferry_auto_reason reason)
{
    int r = ring_mark(end->ring[FERRY_SEND]);
    if (r < 0)
        return r == -EAGAIN ? -EPROTO : r; /* there is room for it, or the peer broke the ring */
    auto_test_step(AUTO_MARKED);
    auto_set_lane(end, FERRY_SEND, FERRY_LANE_SOCKET, reason);
    return 0;
}

/* Returns 0, -EXDEV (it is for the socket), or as ring_add(). */
ALWAYS_INLINE int add(struct ferry_ring *ring, struct ferry_outgoing *outgoing)
{
    size_t size = outgoing_size(outgoing);

    if (outgoing->credentials)
        return -EOPNOTSUPP;
    if (outgoing->descriptor_count > 0)
        return -EXDEV;
    int r = ring_add(ring, outgoing->buffers, outgoing->buffer_count, size);
    if (r == 0)
        set_sent(outgoing, size);
    return r;
}

/* The ring did not take the first message, for this reason. Returns 0: the lane may be another one
 * now, or there is room after all; or -errno. */
static int add_failed(struct auto_end *end, int reason)
{
    switch (reason) {
    case -EAGAIN:
        if (ring_look_out(end->ring[FERRY_SEND], CLOCK_NEVER))
            return 0;
        return leave_ring(end, FERRY_AUTO_FULL);
    case -EXDEV:
    case -EMSGSIZE:
        return leave_ring(end, FERRY_AUTO_PASSING);
    default:
        return reason;
    }
}

/* As many from the front as the ring takes; all of them become visible at once. Inlined, and all
 * that is rare apart, as in receive.c.
 * Returns how many, or why it took none. */
ALWAYS_INLINE int send_by_ring(struct auto_end *end, struct ferry_outgoing *batch, size_t count)
{
    struct ferry_ring *ring = end->ring[FERRY_SEND];
    uint64_t before = ring->stats.bytes;
    size_t done = 0;
    int r;

    do
        r = add(ring, &batch[done]);
    while (r == 0 && ++done < count);
    if (done == 0)
        return r;
    ring_show(ring);
    end->ring_used = true;
    end->stats.ring_messages += done;
    count_sent(end, done, ring->stats.bytes - before);
    return (int)done;
}

/* --- the socket ------------------------------------------------------------------------------- */

/* Whether the next message may say that what follows it is in the ring. Full as it was just now,
 * the ring would be left again at once. */
static bool goes_back(const struct auto_end *end)
{
    return end->wanted == FERRY_LANE_RING && may_move(end) && !end->owed &&
           ring_room(end->ring[FERRY_SEND]) >= end->ring[FERRY_SEND]->capacity / 2;
}

/* Head, bytes and descriptors in one message. */
static int send_message(struct auto_end *end, const struct auto_head *head,
    const struct iovec *buffers, size_t buffer_count, const int *descriptors, size_t count)
{
    union {
        struct cmsghdr align;
        char bytes[CONTROL_SEND_SIZE];
    } control;
    struct iovec pieces[STREAM_BUFFERS_MAX];
    struct msghdr header = { .msg_iov = pieces, .msg_iovlen = buffer_count + 1 };
    ssize_t sent;

    if (buffer_count >= STREAM_BUFFERS_MAX)
        return -EMSGSIZE;
    pieces[0] = (struct iovec){ (void *)(uintptr_t)head, sizeof(*head) };
    for (size_t i = 0; i < buffer_count; i++)
        pieces[i + 1] = buffers[i];
    control_put(&header, control.bytes, descriptors, count, NULL);
    do
        sent = sendmsg(end->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/* Its bytes in a memfd. So that a few of them fill the queue as what is in them would, the message
 * itself is not small. */
static int send_large(
    struct auto_end *end, const struct ferry_outgoing *outgoing, size_t size, unsigned flags)
{
    static const char ballast[AUTO_BALLAST_SIZE];
    static const struct iovec filling = { (void *)(uintptr_t)ballast, sizeof(ballast) };
    struct pollfd polled = { .fd = end->fd, .events = POLLOUT };
    int descriptors[FERRY_DESCRIPTORS_MAX];

    if (outgoing->descriptor_count >= FERRY_DESCRIPTORS_MAX || size > AUTO_LARGE_MAX)
        return -EMSGSIZE;
    if (poll(&polled, 1, 0) == 0)
        return -EAGAIN;
    AUTO_FD int fd = auto_large_new(outgoing, size);
    if (fd < 0)
        return fd;
    for (size_t i = 0; i < outgoing->descriptor_count; i++)
        descriptors[i] = outgoing->descriptors[i];
    descriptors[outgoing->descriptor_count] = fd;
    struct auto_head head = auto_head(AUTO_MESSAGE, flags | AUTO_LARGE, (uint32_t)size);
    auto_test_step(AUTO_LARGE_MADE);
    int r = send_message(
        end, &head, &filling, end->narrow ? 0 : 1, descriptors, outgoing->descriptor_count + 1);
    if (r == 0)
        end->stats.large_messages++;
    return r;
}

/* Whether it is cheaper in a memfd, which is a descriptor more. */
static bool is_large(struct auto_end *end, const struct ferry_outgoing *outgoing, size_t size)
{
    return size >= AUTO_LARGE_LOOK && outgoing->descriptor_count < FERRY_DESCRIPTORS_MAX &&
           thresholds_of(end) && size >= end->thresholds->memfd_size_min;
}

__attribute__((noinline)) static int send_by_socket(
    struct auto_end *end, struct ferry_outgoing *outgoing)
{
    if (outgoing->credentials)
        return -EOPNOTSUPP;
    size_t size = outgoing_size(outgoing);
    bool back = goes_back(end);
    unsigned flags = back ? AUTO_BACK : 0;
    struct auto_head head = auto_head(AUTO_MESSAGE, flags, 0);

    bool large = is_large(end, outgoing, size);
    int r = large ? send_large(end, outgoing, size, flags)
                  : send_message(end, &head, outgoing->buffers, outgoing->buffer_count,
                        outgoing->descriptors, outgoing->descriptor_count);
    if (r == -EMSGSIZE && !large && end->narrow) {
        set_narrow(end, false);
        r = send_message(end, &head, outgoing->buffers, outgoing->buffer_count,
            outgoing->descriptors, outgoing->descriptor_count);
    }
    if (r == -EMSGSIZE && !large)
        r = send_large(end, outgoing, size, flags);
    if (r < 0)
        return r;
    end->only_ours = false;
    end->stats.socket_messages++;
    if (end->wanted == FERRY_LANE_SOCKET)
        tell(end); /* what began as a moment stays */
    if (back) {
        auto_test_step(AUTO_BACK_SENT);
        if (end->told != FERRY_LANE_RING)
            pace_entered(&end->pace, clock_now_ns());
        auto_set_lane(end, FERRY_SEND, FERRY_LANE_RING,
            end->preference == FERRY_AUTO_MEASURE ? end->ring_reason : FERRY_AUTO_FORCED);
        set_narrow(end, true); /* again, if it had to be wide for this one */
    }
    set_sent(outgoing, size);
    count_sent(end, 1, size);
    return 1;
}

/* --- both ------------------------------------------------------------------------------------- */

static int prepare(struct auto_end *end)
{
    if (auto_is_orphan(end))
        return -EBADFD;
    if (end->gone || end->shut)
        return -EPIPE;
    if (auto_owes(end))
        auto_pay(end);
    if (end->wanted == FERRY_LANE_RING && end->rings == AUTO_RINGS_NONE)
        auto_begin_rings(end);
    bool waits = end->rings == AUTO_RINGS_ASKED || end->rings == AUTO_RINGS_OFFERED;
    return waits ? auto_look_for_answer(end) : 0;
}

/* By the lane that is to be. Returns how many from the front went, 0: look again, or -errno. For
 * room in the ring is looked out when nothing waits to be shown: a receiver that knows of nothing
 * gives none back. */
static int send_once(struct auto_end *end, struct ferry_outgoing *batch, size_t count)
{
    if (end->lanes[FERRY_SEND] == FERRY_LANE_SOCKET)
        return send_by_socket(end, batch);
    if (end->wanted == FERRY_LANE_SOCKET)
        return leave_ring(end, end->stats.reason);
    int r = send_by_ring(end, batch, count);
    return r < 0 ? add_failed(end, r) : r;
}

/* All but what goes on in the ring. */
__attribute__((noinline)) static int send_any(
    struct auto_end *end, struct ferry_outgoing *batch, size_t count)
{
    size_t done = 0;

    while (done < count && batch[done].complete)
        done++;
    int r = prepare(end);
    while (r >= 0 && done < count) {
        r = send_once(end, batch + done, count - done);
        if (r > 0)
            done += (size_t)r;
    }
    if (done > 0 || r >= 0)
        return (int)done;
    return error_is_retry(r) ? -EAGAIN : r;
}

/* Whether nothing is to be done but to add to the ring. */
static inline bool send_goes_on(const struct auto_end *end)
{
    return end->lanes[FERRY_SEND] == FERRY_LANE_RING && end->wanted == FERRY_LANE_RING &&
           !end->gone && !end->shut && !auto_owes(end) && !auto_is_orphan(end);
}

int auto_send(struct link *link, struct ferry_outgoing *batch, size_t count)
{
    struct auto_end *end = link->state;

    if (send_goes_on(end) && count > 0 && !batch->complete) {
        int r = send_by_ring(end, batch, count);
        if (r == (int)count)
            return r;
    }
    return send_any(end, batch, count);
}
