/* relay_stage.c - how far a relay is, and what it waits for. */
#include "base/clock.h"
#include "channel/channel.h"
#include "channel/limits.h"
#include "channel/relay.h"
#include "channel/weather.h"

/* Whether the relay exists for this flow: it can still deliver something. */
static bool flow_matters(const struct flow *flow)
{
    bool carries = flow->way != FERRY_WAY_NONE && flow->way != FERRY_WAY_DISCARD;
    return carries && (flow->state == FLOW_FLOWING || flow->state == FLOW_ENDING);
}

/* The end of this flow could not be passed on, so the other side will not end by itself. */
static bool flow_end_untold(const struct flow *flow)
{
    unsigned capabilities = ferry_channel_capabilities(flow->to);
    return flow->state == FLOW_DONE && flow->way != FERRY_WAY_NONE &&
           !(capabilities & FERRY_HAS_HALF_CLOSE);
}

enum relay_stage relay_stage(const struct ferry_relay *relay)
{
    bool matters = false, open = false, untold = false;

    for (size_t i = 0; i < relay->side_count; i++) {
        const struct flow *flow = &relay->shared.flows[i];
        matters |= flow_matters(flow);
        open |= flow->way != FERRY_WAY_NONE && flow->state != FLOW_DONE;
        untold |= flow_end_untold(flow);
    }
    if (!open)
        return RELAY_OVER;
    if (!matters)
        return RELAY_DISCARDING;
    return untold && relay->side_count > 1 ? RELAY_LINGERING : RELAY_RUNNING;
}

bool relay_has_weather(const struct ferry_relay *relay)
{
    return relay->sides[0].channel->weather ||
           (relay->side_count > 1 && relay->sides[1].channel->weather);
}

int64_t relay_due_ns(const struct ferry_relay *relay)
{
    int64_t due_ns = CLOCK_NEVER;
    for (size_t i = 0; i < relay->side_count; i++) {
        int64_t point_ns = flow_due_ns(&relay->shared.flows[i]);
        due_ns = point_ns < due_ns ? point_ns : due_ns;
    }
    return due_ns;
}

int64_t relay_reset_ns(const struct ferry_relay *relay)
{
    int64_t span_ns = CLOCK_NEVER;
    for (size_t i = 0; i < relay->side_count; i++) {
        const struct weather *weather = relay->sides[i].channel->weather;
        if (weather && weather->reset_ns < span_ns)
            span_ns = weather->reset_ns;
    }
    return clock_after(relay->started_ns, span_ns);
}

int64_t relay_linger_ns(const struct ferry_relay *relay, enum relay_stage stage)
{
    int64_t given_ms = relay->linger_timeout_ms;
    int64_t linger_ms = given_ms ? given_ms : RELAY_LINGER_MS;
    int64_t most_ms = linger_ms > RELAY_DISCARD_MS_MAX ? linger_ms : RELAY_DISCARD_MS_MAX;

    if ((stage != RELAY_LINGERING && stage != RELAY_DISCARDING) ||
        relay_due_ns(relay) != CLOCK_NEVER)
        return CLOCK_NEVER;
    int64_t quiet_ns = clock_after(relay->last_ns, linger_ms * NS_PER_MS);
    if (stage == RELAY_LINGERING)
        return quiet_ns;
    int64_t most_ns = clock_after(relay->discarding_ns, most_ms * NS_PER_MS);
    return quiet_ns < most_ns ? quiet_ns : most_ns;
}

/* Whoever says idle= has said how long it may take nothing. */
int64_t relay_look_ns(const struct ferry_relay *relay)
{
    bool blocked = false;
    for (size_t i = 0; i < relay->side_count; i++)
        blocked |=
            relay->shared.flows[i].blocked &&
            (ferry_channel_capabilities(relay->shared.flows[i].from) & FERRY_HAS_DESCRIPTORS);
    if (!blocked || relay->idle_timeout_ms || relay->looks == UINT8_MAX)
        return CLOCK_NEVER;
    return clock_after(relay->last_ns, (1 + relay->looks) * RELAY_STUCK_MS * NS_PER_MS);
}

int64_t relay_end_ns(const struct ferry_relay *relay, enum relay_stage stage)
{
    int64_t deadline_ns = CLOCK_NEVER, point_ns;

    if (relay->total_timeout_ms)
        deadline_ns = clock_after(relay->started_ns, relay->total_timeout_ms * NS_PER_MS);
    point_ns = relay_reset_ns(relay);
    deadline_ns = point_ns < deadline_ns ? point_ns : deadline_ns;
    if (relay->idle_timeout_ms && relay_due_ns(relay) == CLOCK_NEVER) {
        point_ns = clock_after(relay->last_ns, relay->idle_timeout_ms * NS_PER_MS);
        deadline_ns = point_ns < deadline_ns ? point_ns : deadline_ns;
    }
    point_ns = relay_linger_ns(relay, stage);
    return point_ns < deadline_ns ? point_ns : deadline_ns;
}

int64_t relay_wake_ns(const struct ferry_relay *relay, enum relay_stage stage)
{
    int64_t end_ns = relay_end_ns(relay, stage), due_ns = relay_due_ns(relay);
    int64_t look_ns = relay_look_ns(relay);
    due_ns = look_ns < due_ns ? look_ns : due_ns;
    return due_ns < end_ns ? due_ns : end_ns;
}
