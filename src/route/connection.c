/* connection.c - one peer on its way: identity, verdict, holder, service, event.
 *
 * Nothing of what a peer sent is read before the verdict, and nothing is kept for it before its
 * holder is charged, so a refused one leaves no trace but its event. A connection belongs to its
 * route's list; the serving owns the channel. What the event at the end needs to say about the peer
 * is copied at the start: the channel may be gone by then.
 */
#include "route/connection.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "route/keep.h"
#include "route/limits.h"
#include "route/route.h"
#include "wire/capabilities.h"

#include <errno.h>
#include <string.h>

/* "rule 2: deny uid:1000" */
static void verdict_print(
    const char *prefix, int rule, const char *rule_text, char *text, size_t size)
{
    if (rule > 0)
        snprintf(text, size, "%srule %d: %s", prefix, rule, rule_text);
    else
        snprintf(text, size, "%sno rule", prefix);
}

/* Tells of who was refused, or in a dry run would have been: by a verdict, or (NULL) by what it
 * holds already, which `reason` says. */
static void connection_report_refusal(struct route *route, enum event_kind kind,
    struct ferry_channel *channel, struct ferry_identity *identity,
    const struct ferry_verdict *verdict, const char *reason)
{
    char text[160];
    struct event_who who = event_who_of(identity);

    if (verdict)
        verdict_print("", verdict->rule, verdict->text, text, sizeof(text));
    struct event event = {
        .kind = kind,
        .route = route->settings->name,
        .who = &who,
        .name = ferry_identity_name(identity),
        .executable = ferry_identity_executable(identity),
        .unit = ferry_identity_unit(identity),
        .peer = ferry_channel_peer(channel),
        .via = route_get_via(route),
        .to = route->settings->to,
        .verdict = verdict ? text : NULL,
        .reason = reason,
    };
    event_emit(route->registry->events, &event);
}

static void connection_refuse(struct route *route, struct ferry_channel *channel,
    struct ferry_identity *identity, const struct ferry_verdict *verdict, const char *reason)
{
    route->refused++;
    connection_report_refusal(route, EVENT_REFUSED, channel, identity, verdict, reason);
    ferry_channel_close(channel);
}

static void connection_report(const struct connection *connection, enum event_kind kind,
    const char *reason, const struct ferry_relay_stats *stats)
{
    const struct route *route = connection->route;
    char text[160];
    verdict_print(connection->would_refuse ? "dry run, " : "", connection->rule,
        connection->rule ? ferry_policy_rule(route->policy, (size_t)connection->rule, NULL) : "",
        text, sizeof(text));
    struct event event = {
        .kind = kind,
        .route = route->settings->name,
        .who = &connection->who,
        .peer = connection->peer,
        .via = route_get_via(route),
        .to = route->settings->to,
        .bytes_in = stats->forth.bytes,
        .bytes_out = stats->back.bytes,
        .descriptors = stats->forth.descriptors + stats->back.descriptors,
        .dropped = stats->forth.dropped + stats->back.dropped,
        .age_ms = (clock_now_ns() - connection->started_ns) / NS_PER_MS,
        .verdict = text,
        .reason = reason,
    };
    event_emit(route->registry->events, &event);
}

/* Books the connection out of its route and frees it. */
static void connection_leave(struct connection *connection, enum event_kind kind,
    const char *reason, const struct ferry_relay_stats *stats)
{
    struct route *route = connection->route;
    route->bytes_in += stats->forth.bytes;
    route->bytes_out += stats->back.bytes;
    route->descriptors += stats->forth.descriptors + stats->back.descriptors;
    route->dropped += stats->forth.dropped + stats->back.dropped;
    if (kind == EVENT_FAILED)
        route->failed++;
    else
        route->ended++;
    connection_report(connection, kind, reason, stats);
    list_remove(&connection->node);
    holding_give(&connection->holding);
    route->registry->connection_count--;
    free(connection->peer);
    free(connection);
}

static void connection_end(struct connection *connection, int code, const char *reason,
    const struct ferry_relay_stats *stats)
{
    connection_leave(connection, code == 0 ? EVENT_CLOSED : EVENT_FAILED, reason, stats);
}

static void connection_tell(struct registry *registry, int code)
{
    if (registry->on_ended)
        registry->on_ended(registry, code, registry->data);
}

static void connection_done(int code, const char *reason, void *data)
{
    struct connection *connection = data;
    struct route *route = connection->route;
    struct registry *registry = route->registry;
    struct ferry_relay_stats stats = { 0 };
    char text[160];

    route_get_service(route)->get_stats(connection->serving, &stats);
    /* A relay's text tells the side, the code why; before there is one, dialling has told both. */
    if (code < 0 && code != -ETIMEDOUT && code != -EPIPE && stats.last_ns) {
        snprintf(text, sizeof(text), "%s: %s", reason, strerrordesc_np(-code));
        reason = text;
    }
    /* A datagram session has no other end than silence. Without traffic figures it was still on
     * its way to the target, and that took too long. */
    if (code == -ETIMEDOUT && connection->session && stats.last_ns)
        code = 0;
    connection_end(connection, code, reason, &stats);
    route_release(route);
    connection_tell(registry, code);
}

void connection_stop(struct connection *connection, const char *reason)
{
    const struct service *service = route_get_service(connection->route);
    struct ferry_relay_stats stats = { 0 };
    service->get_stats(connection->serving, &stats);
    service->stop(connection->serving);
    connection_end(connection, 0, reason, &stats);
}

int connection_keep(struct connection *connection)
{
    const struct service *service = route_get_service(connection->route);
    AUTO_FD int peer = -1;
    AUTO_FD int target = -1;
    struct ferry_relay_stats stats = { 0 };

    if (!service->release)
        return -EOPNOTSUPP;
    service->get_stats(connection->serving, &stats);
    int r = service->release(connection->serving, &peer, &target);
    if (r < 0)
        return r;
    r = keep_pair(connection->route, peer, target);
    if (r < 0)
        connection_end(connection, r, "the service manager could not be told to keep it", &stats);
    else
        connection_leave(connection, EVENT_KEPT, "goes on with the next start", &stats);
    return 0;
}

static int connection_new(struct route *route, struct ferry_channel *channel,
    struct ferry_identity *identity, const struct ferry_verdict *verdict,
    struct connection **ret_connection)
{
    unsigned capabilities = ferry_channel_capabilities(channel);
    const char *peer = ferry_channel_peer(channel);
    AUTO_FREE struct connection *connection = calloc(1, sizeof(*connection));
    if (!connection)
        return -ENOMEM;
    connection->peer = peer[0] ? strdup(peer) : NULL;
    if (peer[0] && !connection->peer)
        return -ENOMEM;
    connection->route = route;
    connection->started_ns = clock_now_ns();
    connection->rule = verdict->rule;
    connection->would_refuse = !verdict->allowed;
    connection->session = capabilities_are_datagrams(capabilities);
    connection->who = event_who_of(identity);
    list_add_last(&route->connections, &connection->node);
    route->registry->connection_count++;
    *ret_connection = TAKE(connection);
    return 0;
}

static void connection_moved(
    const struct connection *connection, const char *to, const struct ferry_auto_stats *stats)
{
    static const struct ferry_relay_stats nothing;
    char reason[200];

    snprintf(reason, sizeof(reason),
        "to the %s (%.0f messages/s of %.0f bytes, sent to the %s): %s",
        ferry_lane_name(stats->lanes[FERRY_SEND]), stats->rate_per_s, stats->mean_size, to,
        ferry_auto_reason_text(stats->reason));
    connection_report(connection, EVENT_MOVED, reason, &nothing);
}

static void connection_peer_moved(void *data, const struct ferry_auto_stats *stats)
{
    connection_moved(data, "peer", stats);
}

static void connection_target_moved(void *data, const struct ferry_auto_stats *stats)
{
    connection_moved(data, "target", stats);
}

static int connection_serve(
    struct connection *connection, struct ferry_channel *channel, struct ferry_channel *upstream)
{
    const struct route_settings *settings = connection->route->settings;
    struct registry *registry = connection->route->registry;
    struct service_call call = {
        .loop = registry->loop,
        .pool = registry->pool,
        .registry = registry,
        .route = settings->name,
        .who = &connection->who,
        .channel = channel,
        .argument = settings->argument ? settings->argument : "",
        .target = settings->target,
        .profile = settings->profile,
        .upstream = upstream,
        .settings = settings,
        .idle_ms = settings->idle_ms     ? settings->idle_ms
                   : connection->session ? SESSION_IDLE_MS
                                         : 0,
        .total_ms = settings->total_ms,
        .quota = holding_get_quota(&connection->holding),
        .tap = registry->tap,
        .tap_data = registry->tap_data,
        .done = connection_done,
        .target_moved = connection_target_moved,
        .data = connection,
    };
    ferry_auto_on_move(channel, connection_peer_moved, connection);
    return route_get_service(connection->route)->serve(&call, &connection->serving);
}

/* Books it in, unless its user has enough already: -EDQUOT, with the reason. */
static int connection_admit(struct route *route, struct ferry_channel *channel,
    struct ferry_identity *identity, const struct ferry_verdict *verdict, bool again,
    struct connection **ret_connection, char *why, size_t size)
{
    struct holding holding = { NULL, NULL };
    /* Who only asks how it goes must get in when all others are many. */
    struct holders *all = route_get_service(route)->drains ? route->registry->holders : NULL;
    int r = holding_take(all, route->holders, identity, clock_now_ns(), again, &holding, why, size);
    if (r < 0)
        return r;
    r = connection_new(route, channel, identity, verdict, ret_connection);
    if (r < 0)
        holding_give(&holding);
    else
        (*ret_connection)->holding = holding;
    return r;
}

static void connection_begin(
    struct route *route, struct ferry_channel *channel, struct ferry_channel *upstream)
{
    static const struct ferry_relay_stats nothing;
    struct ferry_identity *identity = NULL; /* out of memory: nothing is known */
    struct ferry_verdict verdict;
    struct connection *connection = NULL;
    char why[128];

    (void)!ferry_channel_identity(channel, &identity);
    ferry_policy_decide(route->policy, identity, &verdict);
    const char *by_rule = verdict.rule ? NULL : verdict.text;
    if (!verdict.allowed && !route->settings->dry_run) {
        connection_refuse(route, channel, identity, &verdict, by_rule);
        ferry_channel_close(upstream);
        return;
    }
    if (!verdict.allowed)
        connection_report_refusal(route, EVENT_WOULD_REFUSE, channel, identity, &verdict, by_rule);
    int r = connection_admit(
        route, channel, identity, &verdict, upstream, &connection, why, sizeof(why));
    if (r == -EDQUOT) {
        connection_refuse(route, channel, identity, NULL, why);
        ferry_channel_close(upstream);
        return;
    }
    route->would_refuse += !verdict.allowed;
    route->admitted++;
    ferry_channel_forget_identity(channel);
    if (r < 0) {
        ferry_channel_close(channel);
        ferry_channel_close(upstream);
        route->failed++;
        route_trouble(route, "a connection was dropped: out of memory");
        return;
    }
    if (upstream)
        connection_report(connection, EVENT_RESUMED, NULL, &nothing);
    r = connection_serve(connection, channel, upstream);
    if (r < 0) {
        connection_end(connection, r, strerrordesc_np(-r), &nothing);
        connection_tell(route->registry, r);
    }
}

void connection_start(struct route *route, struct ferry_channel *channel)
{
    connection_begin(route, channel, NULL);
}

void connection_resume(
    struct route *route, struct ferry_channel *channel, struct ferry_channel *upstream)
{
    connection_begin(route, channel, upstream);
}
