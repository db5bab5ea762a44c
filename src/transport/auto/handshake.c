/* handshake.c - how two ends come to have rings, and why they don't.
 *
 * Whoever dialled makes them, both at once, whoever wanted them:
 *
 *     dialled                         accepted
 *        | <----------- ASK ------------- |   (if it was that end that wanted them)
 *        | -- OFFER [seal, ring, ring] -> |   maps both; may use its own from now on
 *        | <------ ACCEPT [seal] -------- |
 *        |                                |   may use its own
 *
 * or either says REFUSE, and the connection stays on the socket for good. Messages go on meanwhile.
 *
 * With a ring goes a seal, which shows that its sender is at the other end of this very socket, and
 * is not somebody behind a relay that passes descriptors on: seal.h.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "memory/limits.h"
#include "transport/auto/auto.h"
#include "transport/auto/seal.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

int auto_send_head(
    struct auto_end *end, const struct auto_head *head, const int *descriptors, size_t count)
{
    union {
        struct cmsghdr align;
        char bytes[CONTROL_SEND_SIZE];
    } control;
    struct iovec buffer = { (void *)(uintptr_t)head, sizeof(*head) };
    struct msghdr header = { .msg_iov = &buffer, .msg_iovlen = 1 };
    int unread;
    ssize_t sent;

    if (ioctl(end->fd, SIOCOUTQ, &unread) == 0 && unread == 0)
        end->only_ours = true;
    control_put(&header, control.bytes, descriptors, count, NULL);
    do
        sent = sendmsg(end->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/* A full queue is no failure: whoever has so much to read is awake. */
bool auto_wake(void *data)
{
    struct auto_end *end = data;
    struct auto_head head = auto_head(AUTO_WAKE, 0, 0);

    end->pace.wakes++;
    end->stats.wakes++;
    auto_test_step(AUTO_TO_WAKE);
    ssize_t sent = send(end->fd, &head, sizeof(head), MSG_DONTWAIT | MSG_NOSIGNAL);
    int code = sent < 0 ? -errno : 0;
    auto_test_step(AUTO_WAKE_SENT);
    if (code == -EPIPE || code == -ECONNRESET)
        end->gone = true;
    end->owes_wake = code < 0 && code != -EAGAIN && !end->gone;
    return !end->gone;
}

/* --- answers ---------------------------------------------------------------------------------- */

void auto_drop_rings(struct auto_end *end)
{
    auto_unclaim(end);
    for (size_t i = 0; i < COUNT_OF(end->ring); i++) {
        ferry_ring_free(end->ring[i]);
        end->ring[i] = NULL;
    }
}

static void rings_refused(struct auto_end *end, enum ferry_auto_reason reason)
{
    end->rings = AUTO_RINGS_REFUSED;
    end->stats.reason = reason;
    end->wanted = FERRY_LANE_SOCKET;
    auto_drop_rings(end);
}

static bool send_accept(struct auto_end *end)
{
    struct auto_head head = auto_head(AUTO_ACCEPT, 0, 0);
    AUTO_FD int seal = -1;
    return seal_new(end->fd, &seal) == 0 && auto_send_head(end, &head, &seal, 1) == 0;
}

static bool send_refusal(struct auto_end *end)
{
    struct auto_head head = auto_head(AUTO_REFUSE, 0, end->owed_reason);
    return auto_send_head(end, &head, NULL, 0) == 0;
}

/* What the peer asked for; where the socket has no room for it, later. */
static void offer_owed(struct auto_end *end)
{
    auto_begin_rings(end);
    if (end->rings == AUTO_RINGS_NONE)
        end->owed = AUTO_OFFER;
}

void auto_pay(struct auto_end *end)
{
    if (end->owes_wake)
        (void)auto_wake(end);
    if (!end->owed)
        return;
    if (end->owed == AUTO_OFFER) {
        end->owed = 0;
        offer_owed(end);
        return;
    }
    bool paid = end->owed == AUTO_ACCEPT ? send_accept(end) : send_refusal(end);
    if (paid)
        end->owed = 0;
}

static void owe(struct auto_end *end, enum auto_kind kind, enum ferry_auto_reason reason)
{
    end->owed = kind;
    end->owed_reason = reason;
    auto_pay(end);
}

static void refuse(struct auto_end *end, enum ferry_auto_reason reason)
{
    rings_refused(end, reason);
    /* What is forbidden here is, for the peer, forbidden there. */
    owe(end, AUTO_REFUSE, reason == FERRY_AUTO_FORBIDDEN ? FERRY_AUTO_PEER_FORBIDS : reason);
}

/* Whoever looks from outside knows the connection by it. */
static void remember_inode(struct auto_end *end)
{
    struct stat status;
    if (fstat(end->fd, &status) == 0)
        end->inode = status.st_ino;
}

/* --- making them ------------------------------------------------------------------------------ */

static int rings_make(struct auto_end *end)
{
    remember_inode(end);
    const struct ring_quiet quiet = { auto_is_together(end) ? 0 : RING_SPIN_NS, auto_wake, end };
    for (int i = 0; i < 2; i++) {
        int r = ring_new_quiet(
            (enum ferry_direction)i, AUTO_RING_CAPACITY, &quiet, &end->ring[i], NULL);
        if (r < 0)
            return r;
    }
    return auto_claim(end);
}

/* Nothing is made that could not be sent at once. */
static bool has_room(const struct auto_end *end)
{
    struct pollfd polled = { .fd = end->fd, .events = POLLOUT };
    return poll(&polled, 1, 0) == 1 && polled.revents == POLLOUT;
}

/* Descriptors in flight are counted for all processes of a user: it may be others that have too
 * many, and rings are dear to make for nothing. */
static void offer_later(struct auto_end *end, enum ferry_auto_reason reason)
{
    auto_drop_rings(end);
    end->offer_ns = clock_now_ns() + PACE_BACKOFF_NS;
    end->stats.reason = reason;
}

static void offer(struct auto_end *end)
{
    struct auto_head head = auto_head(AUTO_OFFER, 0, 0);
    AUTO_FD int seal = -1;

    if ((end->offer_ns && clock_now_ns() < end->offer_ns) || !has_room(end))
        return;
    if (!auto_may_make()) {
        offer_later(end, FERRY_AUTO_NO_MEMORY);
        return;
    }
    int r = rings_make(end);
    if (r == 0)
        r = seal_new(end->fd, &seal);
    if (r == 0) {
        int descriptors[] = { seal, ring_memory_fd(end->ring[FERRY_SEND]),
            ring_memory_fd(end->ring[FERRY_RECEIVE]) };
        auto_test_step(AUTO_RINGS_MADE);
        r = auto_send_head(end, &head, descriptors, COUNT_OF(descriptors));
        auto_test_step(AUTO_OFFER_SENT);
    }
    if (r == 0)
        end->rings = AUTO_RINGS_OFFERED;
    else if (error_is_retry(r))
        offer_later(end, FERRY_AUTO_WAITING);
    else
        refuse(end, FERRY_AUTO_NO_MEMORY);
}

void auto_begin_rings(struct auto_end *end)
{
    struct auto_head head = auto_head(AUTO_ASK, 0, 0);

    if (end->rings != AUTO_RINGS_NONE)
        return;
    if (end->dialled)
        offer(end);
    else if (auto_send_head(end, &head, NULL, 0) == 0)
        end->rings = AUTO_RINGS_ASKED;
    bool waits = end->rings == AUTO_RINGS_ASKED || end->rings == AUTO_RINGS_OFFERED;
    if (waits && end->wanted == FERRY_LANE_RING)
        end->stats.reason = FERRY_AUTO_WAITING;
}

/* --- what comes ------------------------------------------------------------------------------- */

static int take_ask(struct auto_end *end)
{
    if (!end->dialled)
        return -EPROTO;
    if (end->preference == FERRY_AUTO_PREFER_SOCKET && end->rings == AUTO_RINGS_NONE)
        refuse(end, FERRY_AUTO_FORBIDDEN);
    else
        offer_owed(end);
    return 0;
}

/* Their sending is our receiving. */
static int rings_attach(struct auto_end *end, int *descriptors)
{
    remember_inode(end);
    const struct ring_quiet quiet = { auto_is_together(end) ? 0 : RING_SPIN_NS, auto_wake, end };
    for (int i = 0; i < 2; i++) {
        int r = ring_attach_quiet((enum ferry_direction)i, fd_take(&descriptors[i]),
            AUTO_RING_CAPACITY, &quiet, &end->ring[i], NULL);
        if (r < 0)
            return r;
    }
    return auto_claim(end);
}

/* Whether an offer is wanted, has come whole, and is of whom it should be. Somebody who passes on
 * messages without their descriptors stands in between. */
static bool may_attach(const struct auto_end *end, const int *descriptors, size_t count, bool cut,
    enum ferry_auto_reason *ret_reason)
{
    if (end->preference == FERRY_AUTO_PREFER_SOCKET)
        *ret_reason = FERRY_AUTO_FORBIDDEN;
    else if (cut)
        *ret_reason = FERRY_AUTO_NO_MEMORY;
    else if (count == 0)
        *ret_reason = FERRY_AUTO_NOT_DIRECT;
    else
        return seal_fits(end->fd, descriptors[0], false, ret_reason);
    return false;
}

/* Of another version, larger than is accepted, or not sealed as it should be. */
static bool is_fault_of_offer(int code)
{
    return code == -EPROTONOSUPPORT || code == -E2BIG || code == -EPROTO || code == -EPERM;
}

static int take_offer(struct auto_end *end, int *descriptors, size_t count, bool cut)
{
    enum ferry_auto_reason reason;

    if (end->dialled || (count != 3 && count != 0 && !cut) || end->rings == AUTO_RINGS_THERE ||
        end->rings == AUTO_RINGS_OFFERED)
        return -EPROTO;
    if (end->rings == AUTO_RINGS_REFUSED)
        return 0; /* it was on its way when we said so */
    if (!may_attach(end, descriptors, count, cut, &reason)) {
        refuse(end, reason);
        return 0;
    }
    int r = rings_attach(end, descriptors + 1);
    if (r < 0) {
        refuse(end, is_fault_of_offer(r) ? FERRY_AUTO_UNUSABLE : FERRY_AUTO_NO_MEMORY);
        return 0;
    }
    auto_test_step(AUTO_ATTACHED);
    end->rings = AUTO_RINGS_THERE;
    end->may_send = true;
    owe(end, AUTO_ACCEPT, 0);
    auto_test_step(AUTO_ACCEPT_SENT);
    return 0;
}

/* Once accepted, the peer may send by its ring, whatever we think of it. */
static int take_accept(struct auto_end *end, const int *descriptors, size_t count, bool cut)
{
    enum ferry_auto_reason reason = FERRY_AUTO_NO_MEMORY;

    if (end->rings != AUTO_RINGS_OFFERED || count > 1)
        return -EPROTO;
    if (count == 0 && !cut)
        reason = FERRY_AUTO_NOT_DIRECT;
    end->rings = AUTO_RINGS_THERE;
    auto_test_step(AUTO_ACCEPT_TAKEN);
    end->may_send = count == 1 && seal_fits(end->fd, descriptors[0], true, &reason);
    if (!end->may_send) {
        end->wanted = FERRY_LANE_SOCKET;
        end->stats.reason = reason;
    }
    return 0;
}

static bool is_refusal(uint32_t reason)
{
    return reason == FERRY_AUTO_NOT_DIRECT || reason == FERRY_AUTO_UNKNOWN_PEER ||
           reason == FERRY_AUTO_NO_MEMORY || reason == FERRY_AUTO_UNUSABLE;
}

static int take_refusal(struct auto_end *end, uint32_t reason)
{
    if (end->rings == AUTO_RINGS_THERE)
        return -EPROTO;
    if (end->rings != AUTO_RINGS_REFUSED)
        rings_refused(
            end, is_refusal(reason) ? (enum ferry_auto_reason)reason : FERRY_AUTO_PEER_FORBIDS);
    return 0;
}

int auto_handle(
    struct auto_end *end, const struct auto_head *head, int *descriptors, size_t count, bool cut)
{
    int r = -EPROTO;

    switch (head->kind) {
    case AUTO_WAKE:
        auto_test_step(AUTO_WAKE_TAKEN);
        r = 0;
        break;
    case AUTO_ASK:
        r = take_ask(end);
        break;
    case AUTO_OFFER:
        r = take_offer(end, descriptors, count, cut);
        break;
    case AUTO_ACCEPT:
        r = take_accept(end, descriptors, count, cut);
        break;
    case AUTO_REFUSE:
        r = take_refusal(end, head->size);
        break;
    default:
        break;
    }
    for (size_t i = 0; i < count; i++)
        fd_close(&descriptors[i]);
    return r;
}
