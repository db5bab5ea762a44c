/* relay.c - carries everything between two channels.
 *
 * A relay owns two sides (one, when it echoes), each a channel with its watch, and two flows (one,
 * when it echoes). What happened on a side is offered to both flows, then every side's interest is
 * worked out anew from the flows' states: there is no other state to keep in step.
 *
 * The relay ends when its flows are done. A flow that only discards does not keep it alive: bytes
 * that nobody takes are still received for RELAY_LINGER_MS after the last traffic, because closing
 * a TCP socket with something unread in it would reset the connection and could destroy what the
 * peer has not read yet. Whoever never stops sending is left after RELAY_DISCARD_MS_MAX all the
 * same.
 *
 * Descriptors that wait for a receiver which takes nothing may hold the connection open themselves,
 * so that it never ended (stuck.c): they are looked for when nothing has passed for long.
 *
 * Where an address says weather, flows hold back what they received: the one timer then also wakes
 * for whatever is due next, and nothing counts as silence while something is on its way.
 */
#include "channel/relay.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/sized.h"
#include "channel/channel.h"
#include "channel/stuck.h"
#include "channel/weather.h"

#include <errno.h>
#include <string.h>

/* --- ending ----------------------------------------------------------------------------------- */

static void relay_free(struct ferry_relay *relay)
{
    list_remove(&relay->waiter.node);
    for (size_t i = 0; i < relay->side_count; i++)
        flow_fini(&relay->shared.flows[i]);
    for (size_t i = 0; i < relay->side_count; i++) {
        struct ferry_channel *channel = relay->sides[i].channel;
        watch_stop(&relay->sides[i]);
        ferry_channel_close(channel);
    }
    ferry_source_remove(relay->timer);
    free(relay);
}

void ferry_relay_stop(struct ferry_relay *relay)
{
    if (relay && !relay->ending)
        relay_free(relay);
}

/* What is held is given back before the owner hears of the end: it may own the quota. */
static void relay_end(struct ferry_relay *relay, int code, const char *text)
{
    if (relay->ending)
        return;
    relay->ending = true;
    list_remove(&relay->waiter.node);
    for (size_t i = 0; i < relay->side_count; i++)
        flow_fini(&relay->shared.flows[i]);
    if (relay->done)
        relay->done(relay, code, text, relay->data);
    relay_free(relay);
}

/* What failed with which side. An auto: channel whose peer breaks the rules has in all likelihood
 * none: something else listens there, or has connected. */
static const char *side_failed(
    const struct ferry_relay *relay, size_t side, int code, const char *const words[2])
{
    static const char *const strangers[] = { "the client is no auto: peer",
        "the target is no auto: peer" };
    bool stranger = code == -EPROTO && channel_is_auto(relay->sides[side].channel);
    return stranger ? strangers[side] : words[side];
}

/* What the flows tell about the whole: what was lost first, then what failed. */
static void relay_finish(struct ferry_relay *relay)
{
    static const char *const takers[] = { "the client takes no more", "the target takes no more" };
    static const char *const givers[] = { "receiving from the client failed",
        "receiving from the target failed" };

    for (size_t i = 0; i < relay->side_count; i++) {
        struct flow *flow = &relay->shared.flows[i];
        bool carries = flow->way != FERRY_WAY_DISCARD; /* else dropping is its job */
        if (carries && flow->to_error && flow->counts.dropped > flow_lost(flow)) {
            size_t taker = relay->side_count == 1 ? 0 : 1 - i;
            relay_end(relay, flow->to_error, side_failed(relay, taker, flow->to_error, takers));
            return;
        }
    }
    for (size_t i = 0; i < relay->side_count; i++) {
        int code = relay->shared.flows[i].from_error;
        if (code) {
            relay_end(relay, code, side_failed(relay, i, code, givers));
            return;
        }
    }
    relay_end(relay, 0, "both sides finished");
}

/* --- time ------------------------------------------------------------------------------------ */

/* Ends it as a broken path does: both peers are told, where there is a way. */
static void relay_reset(struct ferry_relay *relay)
{
    for (size_t i = 0; i < relay->side_count; i++)
        channel_reset_at_close(relay->sides[i].channel);
    relay_end(relay, -ECONNRESET, "broken off by the weather (reset-after)");
}

static void relay_update(struct ferry_relay *relay);

static void relay_note_traffic(struct ferry_relay *relay)
{
    relay->last_ns = ferry_loop_now(relay->loop);
    relay->looks = 0;
}

static void relay_depart(struct ferry_relay *relay)
{
    bool passed = false;
    for (size_t i = 0; i < relay->side_count; i++)
        if (flow_due_ns(&relay->shared.flows[i]) <= ferry_loop_now(relay->loop))
            passed |= flow_depart(&relay->shared.flows[i]);
    if (passed)
        relay_note_traffic(relay);
    relay_update(relay);
}

/* True: there were some, and the relay has ended. */
static bool relay_look(struct ferry_relay *relay)
{
    relay->looks++;
    for (size_t i = 0; i < relay->side_count; i++)
        if (flow_is_stuck(&relay->shared.flows[i])) {
            relay_end(relay, -ETIMEDOUT, "descriptors waited for who takes nothing");
            return true;
        }
    return false;
}

static void relay_on_timer(struct ferry_source *source, void *data)
{
    struct ferry_relay *relay = data;
    enum relay_stage stage = relay_stage(relay);
    int64_t now_ns = ferry_loop_now(relay->loop);

    if (relay_look_ns(relay) <= now_ns && relay_look(relay))
        return;
    if (now_ns < relay_end_ns(relay, stage)) {
        if (relay_due_ns(relay) <= now_ns)
            relay_depart(relay);
        else
            ferry_source_set_deadline(source, relay_wake_ns(relay, stage));
        return;
    }
    if (now_ns >= relay_reset_ns(relay)) {
        relay_reset(relay);
        return;
    }
    if (now_ns >= relay_linger_ns(relay, stage)) {
        relay_finish(relay);
        return;
    }
    bool total = relay->total_timeout_ms &&
                 now_ns >= clock_after(relay->started_ns, relay->total_timeout_ms * NS_PER_MS);
    relay_end(relay, -ETIMEDOUT, total ? "total time-out" : "idle time-out");
}

static void relay_set_timer(struct ferry_relay *relay, enum relay_stage stage)
{
    bool idle = relay->idle_timeout_ms && stage == RELAY_RUNNING;
    if (relay->timer && idle && !relay_has_weather(relay))
        return;
    int64_t deadline_ns = relay_wake_ns(relay, stage);
    if (deadline_ns == CLOCK_NEVER && !relay->timer)
        return;
    if (relay->timer)
        ferry_source_set_deadline(relay->timer, deadline_ns);
    else if (ferry_loop_timer(relay->loop, deadline_ns, relay_on_timer, relay, &relay->timer) < 0 &&
             stage != RELAY_RUNNING)
        relay_finish(relay);
}

/* --- events ----------------------------------------------------------------------------------- */

static unsigned side_interest(const struct ferry_relay *relay, size_t side)
{
    const struct flow *out_of = &relay->shared.flows[side];
    const struct flow *into = &relay->shared.flows[relay->side_count - 1 - side];
    unsigned interest = 0;

    if (out_of->way != FERRY_WAY_NONE && flow_wants_more(out_of))
        interest |= FERRY_READABLE;
    if (into->blocked)
        interest |= FERRY_WRITABLE;
    /* Nothing more comes from it, but answers are still awaited for it: is it still there? */
    if (!interest && out_of->state == FLOW_DONE && into->state == FLOW_FLOWING)
        interest = FERRY_HANGUP;
    return interest;
}

/* On the way out nothing more is taken in, but what completes a frame. When a direction has ended,
 * there is no way out but the end. */
static void relay_hold_back(struct ferry_relay *relay)
{
    bool both = relay->shared.flows[0].state == FLOW_FLOWING &&
                relay->shared.flows[1].state == FLOW_FLOWING;
    for (size_t i = 0; i < relay->side_count; i++)
        relay->shared.flows[i].held_back =
            relay->leaving && both && !channel_holds(relay->shared.flows[i].from);
}

/* What the flows wait for. One whose quota is full is not read from; the quota tells when it is no
 * more. */
static void relay_wait(struct ferry_relay *relay)
{
    struct ferry_relay_quota *full = NULL;
    relay_hold_back(relay);
    for (size_t i = 0; i < relay->side_count; i++) {
        watch_set(&relay->sides[i], side_interest(relay, i));
        if (!full && relay->shared.flows[i].way != FERRY_WAY_NONE)
            full = flow_starved_by(&relay->shared.flows[i]);
    }
    if (full)
        quota_wait(full, &relay->waiter);
}

/* Perhaps in the midst of another relay's work, or of its own: nothing may end here. */
void relay_on_room(struct quota_waiter *waiter)
{
    relay_wait(CONTAINER_OF(waiter, struct ferry_relay, waiter));
}

/* This machine, not the peer, is why nothing more is received. The peer is told now, and what this
 * relay holds is given back, not when the other side ends at last. */
static bool relay_is_starved(const struct ferry_relay *relay)
{
    for (size_t i = 0; i < relay->side_count; i++)
        if (error_is_out_of_resources(relay->shared.flows[i].from_error))
            return true;
    return false;
}

static void relay_update(struct ferry_relay *relay)
{
    enum relay_stage stage = relay_stage(relay);
    if (stage == RELAY_OVER || relay_is_starved(relay)) {
        relay_finish(relay);
        return;
    }
    if (stage == RELAY_DISCARDING && relay->discarding_ns == CLOCK_NEVER)
        relay->discarding_ns = ferry_loop_now(relay->loop);
    relay_wait(relay);
    relay_set_timer(relay, stage);
}

/* The side is gone altogether: what is on its way to it can't arrive. */
static void relay_side_gone(struct ferry_relay *relay, size_t side)
{
    struct flow *into = &relay->shared.flows[relay->side_count - 1 - side];
    if (into->way == FERRY_WAY_NONE)
        return;
    flow_break(into, -EPIPE);
}

static void relay_ready(struct ferry_relay *relay, size_t side, unsigned events)
{
    struct flow *out_of = &relay->shared.flows[side];
    struct flow *into = &relay->shared.flows[relay->side_count - 1 - side];
    bool passed = false;

    if ((events & FERRY_WRITABLE) && into->blocked) {
        bool took = flow_pump(into);
        watch_set_balks(&relay->sides[side], !took && into->blocked);
        passed |= took;
    }
    if ((events & FERRY_READABLE) && out_of->way != FERRY_WAY_NONE && flow_wants_more(out_of))
        passed |= flow_pump(out_of);
    if ((events & FERRY_HANGUP) && out_of->state == FLOW_DONE)
        relay_side_gone(relay, side);
    if (passed)
        relay_note_traffic(relay);
    relay_update(relay);
}

static void relay_ready_one(struct watch *side, unsigned events)
{
    relay_ready(LIST_ENTRY(side, struct ferry_relay, sides[0]), 0, events);
}

static void relay_ready_other(struct watch *side, unsigned events)
{
    relay_ready(LIST_ENTRY(side, struct ferry_relay, sides[1]), 1, events);
}

/* --- starting --------------------------------------------------------------------------------- */

void relay_show(const struct flow *flow, const struct ferry_message *message)
{
    struct ferry_relay *relay = CONTAINER_OF(flow->shared, struct ferry_relay, shared);
    relay->shared.tap(relay, flow == &relay->shared.flows[0], message, relay->data);
}

static void relay_join(
    struct ferry_relay *relay, struct ferry_channel *one, struct ferry_channel *other)
{
    const struct flow flow = { .shared = &relay->shared, .pipe = { -1, -1 } };
    struct flow *forth = &relay->shared.flows[0], *back = &relay->shared.flows[1];
    *forth = *back = flow;
    forth->from = back->to = one;
    forth->to = back->from = other;
    relay->side_count = one == other ? 1 : 2;
}

static int relay_choose_way(struct ferry_relay *relay, struct flow *flow)
{
    enum ferry_way way;
    const char *why;
    int r = flow_choose(flow->from, flow->to, relay->shared.tap, &way, &why);
    if (r < 0)
        return r;
    flow->way = way;
    return flow_make_line(flow);
}

static int relay_init(
    struct ferry_relay *relay, struct ferry_channel *one, struct ferry_channel *other)
{
    int r = 0;
    relay_join(relay, one, other);
    for (size_t i = 0; i < relay->side_count && r == 0; i++)
        r = relay_choose_way(relay, &relay->shared.flows[i]);
    if (r == 0 && relay_stage(relay) == RELAY_OVER)
        r = -EOPNOTSUPP;
    if (r == 0 && (one->weather || other->weather))
        r = ferry_loop_timer(relay->loop, CLOCK_NEVER, relay_on_timer, relay, &relay->timer);
    if (r == 0)
        r = watch_start(&relay->sides[0], relay->loop, one, relay_ready_one);
    if (r == 0 && relay->side_count > 1) {
        r = watch_start(&relay->sides[1], relay->loop, other, relay_ready_other);
        if (r < 0)
            watch_stop(&relay->sides[0]);
    }
    return r;
}

/* Frees what never started. */
static void relay_undo(struct ferry_relay *relay)
{
    for (size_t i = 0; i < relay->side_count; i++)
        flow_fini(&relay->shared.flows[i]);
    ferry_source_remove(relay->timer);
    free(relay);
}

static int relay_new(struct ferry_loop *loop, struct ferry_relay_pool *pool,
    const struct ferry_relay_options *options, struct ferry_relay **ret_relay)
{
    struct ferry_relay *relay = calloc(1, sizeof(*relay));
    if (!relay)
        return -ENOMEM;
    relay->loop = loop;
    relay->shared =
        (struct flow_shared){ .pool = pool, .quota = options->quota, .tap = options->tap };
    relay->idle_timeout_ms = options->idle_timeout_ms;
    relay->total_timeout_ms = options->total_timeout_ms;
    relay->linger_timeout_ms =
        options->linger_timeout_ms < UINT32_MAX ? (uint32_t)options->linger_timeout_ms : UINT32_MAX;
    relay->done = options->done;
    relay->data = options->data;
    list_init(&relay->waiter.node);
    relay->started_ns = relay->last_ns = clock_now_ns();
    relay->discarding_ns = CLOCK_NEVER;
    *ret_relay = relay;
    return 0;
}

int ferry_relay_start(struct ferry_loop *loop, struct ferry_relay_pool *pool,
    struct ferry_channel *one, struct ferry_channel *other,
    const struct ferry_relay_options *options, struct ferry_relay **ret_relay)
{
    struct ferry_relay *relay = NULL;
    struct ferry_relay_options read;
    int r = options_read(options, &read, sizeof(read), "relay", NULL);

    if (r == 0)
        r = relay_new(loop, pool, &read, &relay);
    if (r == 0)
        r = relay_init(relay, one, other);
    if (r < 0) {
        if (relay)
            relay_undo(relay);
        ferry_channel_close(one);
        if (other != one)
            ferry_channel_close(other);
        return r;
    }
    *ret_relay = relay;
    relay_wait(relay);
    relay_set_timer(relay, RELAY_RUNNING);
    return 0;
}

/* --- leaving ---------------------------------------------------------------------------------- */

static bool relay_is_empty(const struct ferry_relay *relay)
{
    for (size_t i = 0; i < relay->side_count; i++) {
        const struct flow *flow = &relay->shared.flows[i];
        if (flow->state != FLOW_FLOWING || flow_holds(flow) || channel_holds(flow->from))
            return false;
    }
    return true;
}

int ferry_relay_release(struct ferry_relay *relay, int *ret_one, int *ret_other)
{
    struct ferry_channel *one = relay->sides[0].channel, *other = relay->sides[1].channel;

    if (relay->side_count == 1 || !channel_is_whole(one) || !channel_is_whole(other))
        return -EOPNOTSUPP;
    if (relay->ending)
        return -EAGAIN;
    if (!relay_is_empty(relay)) {
        relay->leaving = true;
        relay_wait(relay);
        return -EAGAIN;
    }
    list_remove(&relay->waiter.node);
    for (size_t i = 0; i < relay->side_count; i++) {
        flow_fini(&relay->shared.flows[i]);
        watch_stop(&relay->sides[i]);
    }
    ferry_source_remove(relay->timer);
    free(relay);
    *ret_one = channel_release(one);
    *ret_other = channel_release(other);
    return 0;
}

struct ferry_channel *ferry_relay_get_channel(const struct ferry_relay *relay, bool other)
{
    return relay->sides[other && relay->side_count > 1].channel;
}

static struct ferry_flow_stats flow_get_stats(const struct flow *flow)
{
    return (struct ferry_flow_stats){ .way = flow->way,
        .bytes = flow->counts.bytes,
        .messages = flow->counts.messages,
        .descriptors = flow->counts.descriptors,
        .dropped = flow->counts.dropped };
}

/* The flow that an echo lacks is all zero, and of no way. */
void ferry_relay_get_stats(const struct ferry_relay *relay, struct ferry_relay_stats *ret_stats)
{
    *ret_stats = (struct ferry_relay_stats){ .forth = flow_get_stats(&relay->shared.flows[0]),
        .back = flow_get_stats(&relay->shared.flows[1]),
        .last_ns = relay->last_ns };
}
