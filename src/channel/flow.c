/* flow.c - one direction of a relay.
 *
 * Bytes between descriptors that splice(2) takes start by copying; once a receive has filled the
 * whole buffer the flow splices, and goes back when splices bring little: small exchanges pay two
 * cheap calls, bulk stays in the kernel.
 */
#include "channel/flow.h"
#include "base/clock.h"
#include "base/error.h"
#include "channel/channel.h"
#include "wire/capabilities.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>

static void flow_set_state(struct flow *flow, enum flow_state state)
{
    assert(state > flow->state);
    flow->state = state;
}

/* --- choosing --------------------------------------------------------------------------------- */

int ferry_relay_choose(unsigned from_capabilities, bool from_file, unsigned to_capabilities,
    enum ferry_way *ret_way, const char **ret_why)
{
    bool from_messages = from_capabilities & FERRY_HAS_BOUNDARIES;
    bool to_messages = to_capabilities & FERRY_HAS_BOUNDARIES;
    enum ferry_way way;
    const char *why;

    if (!(from_capabilities & FERRY_CAN_RECEIVE)) {
        way = FERRY_WAY_NONE;
        why = "nothing comes from there";
    } else if (!(to_capabilities & FERRY_CAN_SEND)) {
        way = FERRY_WAY_DISCARD;
        why = "the other side takes nothing";
    } else if (from_messages != to_messages) {
        return -EPROTOTYPE;
    } else if (from_messages) {
        way = FERRY_WAY_COPY;
        why = "message boundaries are kept";
    } else if (from_capabilities & to_capabilities & FERRY_HAS_DESCRIPTORS) {
        way = FERRY_WAY_COPY;
        why = "descriptors may pass";
    } else if (from_capabilities & FERRY_HAS_DESCRIPTORS) {
        way = FERRY_WAY_COPY;
        why = "descriptors may come, which splice(2) would drop unseen";
    } else if (from_file) {
        way = FERRY_WAY_SENDFILE;
        why = "a file's bytes stay in the kernel";
    } else {
        way = FERRY_WAY_SPLICE;
        why = "no descriptor can come, so bulk stays in the kernel";
    }
    *ret_way = way;
    *ret_why = why;
    return 0;
}

int flow_choose(const struct ferry_channel *from, const struct ferry_channel *to, bool tapped,
    enum ferry_way *ret_way, const char **ret_why)
{
    bool file = from->link.flags & LINK_FILE;
    int r = ferry_relay_choose(
        ferry_channel_capabilities(from), file, ferry_channel_capabilities(to), ret_way, ret_why);
    if (r < 0)
        return r;
    bool in_kernel = *ret_way == FERRY_WAY_SPLICE || *ret_way == FERRY_WAY_SENDFILE;
    if (in_kernel && (from->weather || to->weather)) {
        *ret_way = FERRY_WAY_COPY;
        *ret_why = "the weather holds it back";
    } else if (in_kernel && tapped) {
        *ret_way = FERRY_WAY_COPY;
        *ret_why = "the traffic is shown";
    } else if (in_kernel && !((file || (from->link.flags & LINK_SPLICE_FROM)) &&
                                (to->link.flags & LINK_SPLICE_TO))) {
        *ret_way = FERRY_WAY_COPY;
        *ret_why = "one side is nothing that splice(2) takes";
    }
    return 0;
}

/* --- what is held ----------------------------------------------------------------------------- */

size_t flow_count_descriptors(const struct flow *flow)
{
    const struct batch *batch = flow->batch;
    size_t count = flow->line ? delay_line_descriptors(flow->line) : 0;
    for (size_t i = batch ? batch->sent : 0; batch && i < batch->count; i++)
        count += batch->messages[i].descriptor_count;
    return count;
}

/* What is held counts with the buffer that was lent for it. */
static struct charge flow_get_charge(const struct flow *flow)
{
    const struct batch *batch = flow->batch;
    struct charge charge = { flow->piped, (unsigned)flow_count_descriptors(flow) };
    if (flow->line)
        charge.bytes += (unsigned)delay_line_size(flow->line);
    if (!batch)
        return charge;
    for (size_t i = batch->sent; i < batch->count; i++)
        charge.bytes += (unsigned)batch->buffers[i].iov_len;
    if (charge.bytes < FLOW_STREAM_SIZE)
        charge.bytes = FLOW_STREAM_SIZE;
    return charge;
}

static void flow_charge(struct flow *flow)
{
    if (flow->shared->quota)
        quota_charge(flow->shared->quota, &flow->charge, flow_get_charge(flow));
}

/* The quota that forbids to receive; NULL: none. Never because of the opposite direction alone: its
 * receiver may not go on before this one's has been served, and both would wait for ever. What is
 * in a delay line goes on by itself. */
static struct ferry_relay_quota *flow_full_quota(const struct flow *flow)
{
    bool waits = flow->line && delay_line_size(flow->line);
    const struct flow *flows = flow->shared->flows, *opposite = &flows[flow == flows ? 1 : 0];
    if (!waits && opposite->charge.bytes)
        return NULL;
    return quota_get_full(flow->shared->quota);
}

/* --- ends and failures ------------------------------------------------------------------------ */

/* `from` will bring nothing more; `code` says why if not by its proper end. */
static void flow_end(struct flow *flow, int code)
{
    flow->from_error = code;
    if (flow->line)
        delay_line_end(flow->line, clock_now_ns());
    flow_set_state(flow, flow->state == FLOW_DISCARDING ? FLOW_DONE : FLOW_ENDING);
}

static void flow_drop_held(struct flow *flow)
{
    if (flow->batch) {
        flow->counts.dropped += flow->batch->count - flow->batch->sent;
        pool_give_batch(flow->shared->pool, flow->batch);
        flow->batch = NULL;
    }
    if (flow->piped) {
        flow->counts.dropped++;
        flow->piped = 0;
        pool_give_pipe(flow->shared->pool, &flow->pipe, false);
    }
    if (flow->line)
        flow->counts.dropped += delay_line_clear(flow->line);
    flow->blocked = false;
    flow_charge(flow);
}

void flow_break(struct flow *flow, int code)
{
    if (flow->state >= FLOW_DISCARDING)
        return;
    flow->to_error = code;
    flow_drop_held(flow);
    flow_set_state(flow, flow->state == FLOW_ENDING ? FLOW_DONE : FLOW_DISCARDING);
    /* The sender is told (EPIPE), and a datagram sender's next message finds a new way. Only where
     * closing with something unread destroys what the peer has yet to read is it received. */
    if (!(flow->from->link.flags & LINK_DRAIN))
        ferry_channel_stop_receiving(flow->from);
}

void flow_fini(struct flow *flow)
{
    flow_drop_held(flow);
    delay_line_free(TAKE(flow->line));
}

/* Everything is sent: passes the end on. */
static void flow_pass_end(struct flow *flow)
{
    int r = ferry_channel_shutdown(flow->to);
    if (r < 0 && r != -EOPNOTSUPP && !error_is_peer_gone(r))
        flow->to_error = r;
    flow_set_state(flow, FLOW_DONE);
}

/* --- copying ---------------------------------------------------------------------------------- */

/* Sends what is held. */
static void flow_send_batch(struct flow *flow)
{
    struct batch *batch = flow->batch;
    while (batch->sent < batch->count) {
        int r = ferry_channel_try_send(
            flow->to, batch->outgoings + batch->sent, batch->count - batch->sent);
        if (r == -EAGAIN) {
            flow->blocked = true;
            return;
        }
        if (r == -EMSGSIZE || r == -EBADMSG) {
            /* One message that the other side cannot carry is that message's fault alone. */
            flow->counts.dropped++;
            r = 1;
        }
        if (r < 0) {
            flow_break(flow, r);
            return;
        }
        for (int i = 0; i < r; i++)
            ferry_message_fini(&batch->messages[batch->sent++]);
    }
    pool_give_batch(flow->shared->pool, batch);
    flow->batch = NULL;
}

/* Counts and shows what was received. Descriptors that `to` cannot carry must not end the
 * connection: they are closed and counted. */
static void flow_count_batch(struct flow *flow, struct batch *batch)
{
    bool carries = ferry_channel_capabilities(flow->to) & FERRY_HAS_DESCRIPTORS;

    for (size_t i = 0; i < batch->count; i++) {
        struct ferry_message *message = &batch->messages[i];
        if (flow->shared->tap)
            relay_show(flow, message);
        if (!carries && message->descriptor_count) {
            flow->counts.dropped += message->descriptor_count;
            ferry_message_fini(message);
        }
        flow->counts.bytes += message->size;
        flow->counts.descriptors += message->descriptor_count;
    }
    flow->counts.messages += batch->count;
}

/* Makes outgoings of the messages. */
static void batch_fill(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct ferry_message *message = &batch->messages[i];
        batch->buffers[i] = (struct iovec){ (void *)(uintptr_t)message->data, message->size };
        batch->outgoings[i] = (struct ferry_outgoing){ .buffers = &batch->buffers[i],
            .buffer_count = 1,
            .descriptors = message->descriptors,
            .descriptor_count = message->descriptor_count,
            .priority = message->priority };
    }
}

static bool flow_is_datagrams(const struct ferry_channel *channel)
{
    return capabilities_are_datagrams(ferry_channel_capabilities(channel));
}

/* Receives into a fresh batch. False: nothing now, or the end. */
static bool flow_receive_batch(struct flow *flow)
{
    struct batch *batch;
    bool boundaries = ferry_channel_capabilities(flow->from) & FERRY_HAS_BOUNDARIES;
    int r = pool_take_batch(flow->shared->pool, boundaries, &batch);
    if (r < 0) {
        flow_end(flow, r);
        return false;
    }
    r = ferry_channel_try_receive(flow->from, batch->inbox, batch->messages, batch->room);
    if (r > 0) {
        batch->count = (size_t)r;
        flow->batch = batch;
        return true;
    }
    pool_give_batch(flow->shared->pool, batch);
    /* A queue keeps a message that is too large, so there it is the end; elsewhere it is gone. So
     * is a datagram that came without some of its descriptors, but its sender's next may be whole.
     */
    bool kept = ferry_channel_capabilities(flow->from) & FERRY_HAS_PRIORITY;
    if ((r == -EMSGSIZE && !kept) || (r == -EBADMSG && flow_is_datagrams(flow->from)))
        flow->counts.dropped++;
    else if (r != -EAGAIN)
        flow_end(flow, r);
    return false;
}

/* --- weather ---------------------------------------------------------------------------------- */

int flow_make_line(struct flow *flow)
{
    const struct ferry_channel *from = flow->from, *to = flow->to;
    struct weather weather = WEATHER_FAIR;
    if (flow->way != FERRY_WAY_COPY || !(from->weather || to->weather))
        return 0;
    if (from->weather)
        weather_add(&weather, from->weather, flow_is_datagrams(from));
    if (to->weather)
        weather_add(&weather, to->weather, flow_is_datagrams(to));
    flow->line = delay_line_new(&weather, flow_is_datagrams(from), flow->shared->pool);
    return flow->line ? 0 : -ENOMEM;
}

/* What was received goes into the line. That it could not be kept ends the flow. */
static void flow_hold_back(struct flow *flow)
{
    int r = delay_line_take(flow->line, flow->batch, clock_now_ns(), &flow->counts.dropped);
    pool_give_batch(flow->shared->pool, TAKE(flow->batch));
    flow_charge(flow);
    if (r < 0)
        flow_end(flow, r);
}

/* Sends what is due, a bounded amount. */
static void flow_release(struct flow *flow)
{
    int64_t now_ns = clock_now_ns();
    bool boundaries = ferry_channel_capabilities(flow->from) & FERRY_HAS_BOUNDARIES;
    struct batch *batch;

    if (delay_line_is_due(flow->line, now_ns)) {
        int r = pool_take_batch(flow->shared->pool, boundaries, &batch);
        if (r < 0) {
            flow_break(flow, r);
            return;
        }
        flow->batch = batch;
        delay_line_lend(flow->line, batch, now_ns);
        batch_fill(batch);
        flow_send_batch(flow);
    }
    if (!flow->batch)
        delay_line_sent(flow->line);
}

int64_t flow_due_ns(const struct flow *flow)
{
    if (!flow->line || flow->batch || flow->state >= FLOW_DISCARDING)
        return CLOCK_NEVER;
    return delay_line_next_ns(flow->line);
}

uint64_t flow_lost(const struct flow *flow)
{
    return flow->line ? delay_line_lost(flow->line) : 0;
}

/* --- copying and discarding ------------------------------------------------------------------- */

static void flow_copy(struct flow *flow)
{
    if (!flow_receive_batch(flow))
        return;
    struct batch *batch = flow->batch;
    bool full = batch->room == 1 && batch->messages[0].size >= FLOW_STREAM_SIZE;

    flow_count_batch(flow, batch);
    if (flow->line) {
        flow_hold_back(flow);
        return;
    }
    batch_fill(batch);
    flow->bulk = full && flow->way == FERRY_WAY_SPLICE;
    flow_send_batch(flow);
}

/* Receives what nobody takes. */
static void flow_discard(struct flow *flow)
{
    if (!flow_receive_batch(flow))
        return;
    flow->counts.messages += flow->batch->count;
    for (size_t i = 0; i < flow->batch->count; i++)
        flow->counts.bytes += flow->batch->messages[i].size;
    flow_drop_held(flow);
}

/* Datagram senders share one socket: if one of them were not read from, all would wait. */
static bool flow_sheds(const struct flow *flow)
{
    return flow->from->link.flags & LINK_SESSION;
}

/* Receives what its quota has no room for. */
static void flow_shed(struct flow *flow)
{
    if (!flow_sheds(flow) || !flow_receive_batch(flow))
        return;
    flow->counts.dropped += flow->batch->count;
    pool_give_batch(flow->shared->pool, TAKE(flow->batch));
}

/* --- within the kernel ------------------------------------------------------------------------ */

/* Sends what is in the pipe. */
static void flow_send_pipe(struct flow *flow)
{
    int to = ferry_channel_fd(flow->to, FERRY_SEND);
    while (flow->piped) {
        ssize_t size = splice(
            flow->pipe.read_fd, NULL, to, NULL, flow->piped, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN) {
            flow->blocked = true;
            return;
        }
        if (size <= 0) {
            flow_break(flow, size < 0 ? -errno : -EPIPE);
            return;
        }
        flow->piped -= (unsigned)size;
    }
    pool_give_pipe(flow->shared->pool, &flow->pipe, true);
}

static void flow_splice(struct flow *flow)
{
    int from = ferry_channel_fd(flow->from, FERRY_RECEIVE);
    /* Out of descriptors for a pipe: copying needs none. */
    if (pool_take_pipe(flow->shared->pool, &flow->pipe) < 0) {
        flow_copy(flow);
        return;
    }
    ssize_t size = splice(
        from, NULL, flow->pipe.write_fd, NULL, FLOW_SPLICE_SIZE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (size > 0) {
        flow->piped = (unsigned)size;
        flow->counts.bytes += (size_t)size;
        flow->counts.messages++;
        flow->bulk = (size_t)size >= FLOW_SPLICE_WORTH;
        flow_send_pipe(flow);
        return;
    }
    int code = size < 0 ? -errno : 0;
    pool_give_pipe(flow->shared->pool, &flow->pipe, true);
    if (code == -EINVAL)
        flow->way = FERRY_WAY_COPY; /* a terminal or a device that this kernel does not splice */
    /* Whether nothing is the end is the channel's to say: on a FIFO it need not be. */
    if (code == 0 || code == -EINVAL)
        flow->bulk = false;
    else if (!error_is_retry(code))
        flow_end(flow, code);
}

static void flow_sendfile(struct flow *flow)
{
    struct link *link = &flow->from->link;
    size_t wanted = FLOW_SPLICE_SIZE;
    if (link->remaining >= 0 && (uint64_t)link->remaining < wanted)
        wanted = (size_t)link->remaining;
    ssize_t size =
        wanted ? sendfile(ferry_channel_fd(flow->to, FERRY_SEND), link->receive_fd, NULL, wanted)
               : 0;
    if (size > 0) {
        if (link->remaining >= 0)
            link->remaining -= size;
        flow->counts.bytes += (size_t)size;
        flow->counts.messages++;
    } else if (size == 0) {
        flow_end(flow, 0);
    } else if (errno == EAGAIN) {
        flow->blocked = true;
    } else if (errno == EINVAL) {
        flow->way = FERRY_WAY_COPY;
    } else if (errno != EINTR) {
        flow_break(flow, -errno);
    }
}

/* --- pumping ---------------------------------------------------------------------------------- */

static void flow_receive(struct flow *flow)
{
    if (flow->state == FLOW_DISCARDING || flow->way == FERRY_WAY_DISCARD)
        flow_discard(flow);
    else if (flow->way == FERRY_WAY_SENDFILE)
        flow_sendfile(flow);
    else if (flow->bulk)
        flow_splice(flow);
    else
        flow_copy(flow);
}

/* A measure of what is held: it is another number whenever any of it has been sent. */
static size_t flow_held(const struct flow *flow)
{
    size_t held = flow->piped + (flow->line ? delay_line_size(flow->line) : 0);
    for (size_t i = flow->batch ? flow->batch->sent : 0; flow->batch && i < flow->batch->count; i++)
        held += 1 + FRAME_HEAD_MAX + FRAME_TAIL_MAX + flow->batch->buffers[i].iov_len -
                flow->batch->outgoings[i].sent_size;
    return held;
}

bool flow_holds(const struct flow *flow)
{
    return flow_held(flow) > 0;
}

/* Room in its quota apart. */
static bool flow_is_empty(const struct flow *flow)
{
    if (flow->state == FLOW_ENDING || flow->state == FLOW_DONE)
        return false;
    return !flow->batch && !flow->piped && !flow->blocked && !flow->held_back &&
           (!flow->line || delay_line_has_room(flow->line));
}

bool flow_pump(struct flow *flow)
{
    size_t held = flow_held(flow);
    uint64_t messages = flow->counts.messages;

    flow->blocked = false;
    if (flow->batch)
        flow_send_batch(flow);
    else if (flow->piped)
        flow_send_pipe(flow);
    bool passed = flow_held(flow) != held;
    /* Once: whoever has more comes round in the loop's next turn, after all others. */
    if (flow_is_empty(flow)) {
        if (flow_full_quota(flow))
            flow_shed(flow);
        else
            flow_receive(flow);
    }
    passed |= flow->counts.messages != messages;
    if (flow->line)
        return flow_depart(flow) || passed;
    if (flow->state == FLOW_ENDING && !flow->batch && !flow->piped)
        flow_pass_end(flow);
    flow_charge(flow);
    return passed;
}

bool flow_depart(struct flow *flow)
{
    size_t held = flow_held(flow);
    if (!flow->batch && flow->state <= FLOW_ENDING)
        flow_release(flow);
    bool passed = flow_held(flow) != held;
    if (flow->state == FLOW_ENDING && !flow->batch &&
        delay_line_is_over(flow->line, clock_now_ns()))
        flow_pass_end(flow);
    flow_charge(flow);
    return passed;
}

bool flow_wants_more(const struct flow *flow)
{
    return flow_is_empty(flow) && (flow_sheds(flow) || !flow_full_quota(flow));
}

struct ferry_relay_quota *flow_starved_by(const struct flow *flow)
{
    return flow_is_empty(flow) && !flow_sheds(flow) ? flow_full_quota(flow) : NULL;
}
