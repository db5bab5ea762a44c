/* zero_copy.c - large outgoings into TCP from the caller's own pages (MSG_ZEROCOPY).
 *
 * The kernel numbers the sends that carry the flag, from 0, and tells on the socket's error queue
 * which of them it has done with: acknowledged by the peer, or copied after all. Until then an
 * outgoing is not complete, however much of it was taken, so that its bytes stay borrowed.
 *
 * A link remembers where in its stream each such send began. An outgoing is complete once no send
 * is left that began before the outgoing's end; where that is follows from what of the batch was
 * sent behind it. Sends that were copied need no memory: they are done with at once.
 *
 * Where the kernel says that it has copied (over loopback, veth, and to whoever listens in) the
 * link copies by itself from then on, which is cheaper.
 */
#include "transport/zero_copy.h"
#include "base/error.h"
#include "transport/limits.h"
#include "transport/outgoing.h"
#include "transport/socket.h"

#include <assert.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* The state of a link once it has sent so. */
struct zero_copy {
    bool off;          /* the kernel copies all the same */
    uint64_t position; /* bytes of the stream that were sent */
    uint32_t first,
        next;          /* numbers of the sends that the kernel has: of the first, behind the last */
    uint64_t returned; /* bits: it has done with first + i, but not with first */
    uint64_t begins[ZERO_COPY_SENDS_MAX]; /* in the stream, by number */
};

static_assert(ZERO_COPY_SENDS_MAX <= 64, "a bit for each");

/* --- what comes back -------------------------------------------------------------------------- */

static void note_returned(struct zero_copy *state, uint32_t first, uint32_t last)
{
    for (uint32_t number = first; number - first <= last - first; number++)
        if (number - state->first < ZERO_COPY_SENDS_MAX)
            state->returned |= UINT64_C(1) << (number - state->first);
    while (state->first != state->next && state->returned & 1) {
        state->returned >>= 1;
        state->first++;
    }
}

static void note_message(struct zero_copy *state, struct msghdr *header)
{
    for (struct cmsghdr *item = CMSG_FIRSTHDR(header); item; item = CMSG_NXTHDR(header, item)) {
        struct sock_extended_err error;
        bool ours = (item->cmsg_level == SOL_IP && item->cmsg_type == IP_RECVERR) ||
                    (item->cmsg_level == SOL_IPV6 && item->cmsg_type == IPV6_RECVERR);
        if (!ours)
            continue;
        memcpy(&error, CMSG_DATA(item), sizeof(error));
        if (error.ee_origin != SO_EE_ORIGIN_ZEROCOPY || error.ee_errno != 0)
            continue;
        if (error.ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
            state->off = true;
        note_returned(state, error.ee_info, error.ee_data);
    }
}

void zero_copy_take(struct link *link)
{
    struct zero_copy *state = link->state;
    union {
        struct cmsghdr align;
        char bytes[CONTROL_ERROR_SIZE];
    } control;

    while (state && state->first != state->next) {
        struct msghdr header = { .msg_control = control.bytes,
            .msg_controllen = sizeof(control.bytes) };
        ssize_t got = recvmsg(link->send_fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return;
        note_message(state, &header);
    }
}

void zero_copy_end(struct link *link)
{
    static const struct linger now = { .l_onoff = 1, .l_linger = 0 };
    const struct zero_copy *state = link->state;

    zero_copy_take(link);
    if (state && state->first != state->next)
        setsockopt(link->send_fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* --- sending ---------------------------------------------------------------------------------- */

static size_t size_left(const struct ferry_outgoing *outgoing)
{
    return outgoing_size(outgoing) - outgoing->sent_size;
}

static bool is_large(const struct zero_copy *state, const struct ferry_outgoing *outgoing)
{
    return !(state && state->off) && size_left(outgoing) >= ZERO_COPY_SIZE_MIN;
}

static bool has_large(const struct ferry_outgoing *batch, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_large(NULL, &batch[i]))
            return true;
    return false;
}

/* Outgoings that are copied, from the front: the kernel is done with them when it has taken them.
 * Returns 0, or -errno. */
static int push_copied(struct link *link, struct ferry_outgoing *batch, size_t count)
{
    struct zero_copy *state = link->state;
    uint64_t before = 0, after = 0;

    for (size_t i = 0; i < count; i++)
        before += batch[i].sent_size;
    int r = socket_send_copied(link, batch, count);
    for (size_t i = 0; i < count; i++)
        after += batch[i].sent_size;
    state->position += after - before;
    if (r >= 0 && (size_t)r < count)
        return -EAGAIN;
    return r < 0 ? r : 0;
}

/* One send of an outgoing's own pages. Returns 0 (some of it went), or -errno. */
static int push_pages(struct link *link, struct ferry_outgoing *outgoing)
{
    struct zero_copy *state = link->state;
    struct iovec buffers[STREAM_BUFFERS_MAX];
    struct msghdr header = { .msg_iov = buffers };
    size_t offered;
    ssize_t sent;

    header.msg_iovlen =
        outgoing_gather(outgoing, 1, SIZE_MAX, buffers, STREAM_BUFFERS_MAX, &offered);
    do
        sent = sendmsg(link->send_fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_ZEROCOPY);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return -errno;
    state->begins[state->next++ % ZERO_COPY_SENDS_MAX] = state->position;
    state->position += (size_t)sent;
    outgoing->sent_size += (size_t)sent;
    return 0;
}

/* All of one outgoing. Returns 0, or -errno. */
static int push_large(struct link *link, struct ferry_outgoing *outgoing)
{
    struct zero_copy *state = link->state;
    int r = 0;

    while (r == 0 && is_large(state, outgoing)) {
        if (state->next - state->first == ZERO_COPY_SENDS_MAX)
            zero_copy_take(link);
        if (state->next - state->first == ZERO_COPY_SENDS_MAX)
            return -EAGAIN;
        r = push_pages(link, outgoing);
    }
    if (r == -ENOBUFS || (r == 0 && size_left(outgoing) > 0)) {
        /* Little is left, or net.core.optmem_max has no room for another notification. It may not
         * be called complete by that: pages of it may be with the kernel. */
        r = push_copied(link, outgoing, 1);
        outgoing->complete = false;
    }
    return r;
}

/* Gives the kernel what it takes now, in order. Returns 0 (all of it), or -errno. */
static int push_batch(struct link *link, struct ferry_outgoing *batch, size_t count)
{
    for (size_t i = 0; i < count;) {
        size_t run = 1;
        int r = 0;
        if (is_large(link->state, &batch[i])) {
            r = push_large(link, &batch[i]);
        } else if (size_left(&batch[i]) > 0) {
            bool begun = batch[i].sent_size > 0;
            while (!begun && i + run < count && !is_large(link->state, &batch[i + run]))
                run++;
            r = push_copied(link, &batch[i], run);
            if (begun)
                batch[i].complete = false;
        }
        if (r < 0)
            return r;
        i += run;
    }
    return 0;
}

/* Completes from the front what the kernel has done with. Returns how many are. */
static size_t settle(const struct zero_copy *state, struct ferry_outgoing *batch, size_t count)
{
    uint64_t behind = 0;
    size_t done = 0;

    for (size_t i = 0; i < count; i++)
        behind += batch[i].sent_size;
    for (; done < count; done++) {
        struct ferry_outgoing *outgoing = &batch[done];
        behind -= outgoing->sent_size;
        bool back = state->first == state->next ||
                    state->begins[state->first % ZERO_COPY_SENDS_MAX] >= state->position - behind;
        if (!outgoing->complete && (size_left(outgoing) > 0 || !back))
            break;
        outgoing->complete = true;
    }
    return done;
}

/* The peer will acknowledge nothing any more. */
static bool has_hung_up(const struct link *link)
{
    struct pollfd polled = { .fd = link->send_fd };
    return poll(&polled, 1, 0) > 0 && polled.revents & POLLHUP;
}

int zero_copy_send(struct link *link, struct ferry_outgoing *batch, size_t count)
{
    if (!link->state && has_large(batch, count)) {
        link->state = calloc(1, sizeof(struct zero_copy));
        if (link->state)
            link->flags &= (uint16_t)~LINK_WHOLE;
    }
    struct zero_copy *state = link->state;
    if (!state || (state->off && state->first == state->next))
        return socket_send_copied(link, batch, count);
    zero_copy_take(link);
    int r = push_batch(link, batch, count);
    if (r == 0)
        zero_copy_take(link);
    size_t done = settle(state, batch, count);
    link->flags &= (uint16_t)~LINK_AWAITS;
    if (done > 0)
        return (int)done;
    if (r < 0)
        return error_is_retry(r) ? -EAGAIN : r;
    if (has_hung_up(link))
        return -EPIPE;
    link->flags |= LINK_AWAITS;
    return -EAGAIN;
}
