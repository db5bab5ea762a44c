/* report.c - what the registry knows, as the object that `status` answers with.
 *
 * Facts that came from peers (names, addresses) are escaped, so the text is valid UTF-8 without
 * control characters wherever it is printed.
 */
#include "service/control/report.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/host.h"
#include "process/dialler.h"
#include "process/peer_pidfd.h"
#include "process/sandbox.h"
#include "process/standing.h"
#include "process/user.h"
#include "route/expect.h"
#include "route/settings_user.h"

#include <arpa/inet.h>
#include <ferry/auto.h>
#include <ferry/listener.h>
#include <ferry/profile.h>
#include <string.h>
#include <unistd.h>

/* Sets a text; absent when NULL or empty. */
static void set_text(json_t *object, const char *key, const char *text)
{
    AUTO_BYTES struct bytes escaped = BYTES_EMPTY;
    if (!text || !*text)
        return;
    bytes_append_escaped(&escaped, text, strlen(text));
    if (!bytes_failed(&escaped))
        json_object_set_new(object, key, json_stringn(escaped.data, escaped.size));
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
    json_object_set_new(object, key, json_integer((json_int_t)number));
}

static json_t *report_groups(struct ferry_identity *who)
{
    size_t count;
    const gid_t *groups = ferry_identity_groups(who, &count);
    json_t *list = groups ? json_array() : NULL;
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_integer(groups[i]));
    return list;
}

static void set_host(json_t *object, struct ferry_identity *who)
{
    const unsigned char *host = ferry_identity_host(who);
    char text[INET6_ADDRSTRLEN] = "";
    const unsigned char *ipv4 = host ? host_ipv4(host) : NULL;
    if (ipv4)
        inet_ntop(AF_INET, ipv4, text, sizeof(text));
    else if (host)
        inet_ntop(AF_INET6, host, text, sizeof(text));
    set_text(object, "host", text);
}

/* All that is known of the peer, and how: "known" has every fact. */
static void report_facts(json_t *end, struct ferry_identity *who)
{
    json_t *known = json_object();
    json_object_set_new(end, "groups", report_groups(who));
    set_text(end, "label", ferry_identity_label(who));
    set_text(end, "executable", ferry_identity_executable(who));
    set_text(end, "cgroup", ferry_identity_cgroup(who));
    set_text(end, "unit", ferry_identity_unit(who));
    set_host(end, who);
    for (int fact = 0; fact < FERRY_FACT_COUNT; fact++)
        set_text(known, ferry_fact_name((enum ferry_fact)fact),
            ferry_known_name(ferry_identity_known(who, (enum ferry_fact)fact)));
    json_object_set_new(end, "known", known);
}

/* --- options ---------------------------------------------------------------------------------- */

static json_t *report_option(const struct ferry_option *option)
{
    json_t *object = json_object();
    set_text(object, "key", option->key);
    if (option->asked) {
        set_text(object, "asked", *option->asked ? option->asked : "yes");
        set_text(object, "by", option->from_profile ? "profile" : "address");
    }
    set_text(object, "effective", option->effective);
    set_text(object, "note", option->note);
    json_object_set_new(object, "differs", json_boolean(option->differs));
    return object;
}

/* Takes the options. */
static json_t *report_options(struct ferry_options *options)
{
    json_t *array = json_array();
    for (size_t i = 0; i < ferry_options_count(options); i++)
        json_array_append_new(array, report_option(ferry_options_item(options, i)));
    ferry_options_free(options);
    return array;
}

/* --- connections ------------------------------------------------------------------------------ */

/* Of an auto: channel, by which lane we send to that end, and why. */
static void set_auto(json_t *end, const struct ferry_channel *channel)
{
    struct ferry_auto_stats stats = { .struct_size = sizeof(stats) };
    json_t *object;

    if (ferry_auto_get_stats(channel, &stats) < 0)
        return;
    object = json_object();
    set_text(object, "sends_by", ferry_lane_name(stats.lanes[FERRY_SEND]));
    set_text(object, "receives_by", ferry_lane_name(stats.lanes[FERRY_RECEIVE]));
    set_text(object, "reason", ferry_auto_reason_name(stats.reason));
    set_text(object, "why", ferry_auto_reason_text(stats.reason));
    set_number(object, "moves", stats.moves);
    set_number(object, "socket_messages", stats.socket_messages);
    set_number(object, "ring_messages", stats.ring_messages);
    set_number(object, "large_messages", stats.large_messages);
    set_number(object, "wakes", stats.wakes);
    json_object_set_new(object, "rate_per_s", json_real(stats.rate_per_s));
    json_object_set_new(object, "mean_size", json_real(stats.mean_size));
    json_object_set_new(end, "auto", object);
}

/* Who is at one end of a connection, and how its socket is tuned. What was gathered for it is given
 * back at once: a status of many connections must use up neither descriptors nor memory.
 *   facts  beyond who it is */
static json_t *report_end(struct ferry_channel *channel, bool facts, bool all_options)
{
    struct ferry_options *options;
    struct ferry_identity *who;
    json_t *end = json_object();
    set_text(end, "address", ferry_channel_peer(channel));
    if (ferry_channel_get_options(channel, all_options, &options) == 0)
        json_object_set_new(end, "options", report_options(options));
    set_auto(end, channel);
    if (ferry_channel_identity(channel, &who) < 0)
        return end;
    if (ferry_identity_known(who, FERRY_FACT_PID))
        set_number(end, "pid", (uint64_t)ferry_identity_pid(who));
    if (ferry_identity_known(who, FERRY_FACT_UID)) {
        set_number(end, "uid", ferry_identity_uid(who));
        set_text(end, "user", user_name(ferry_identity_uid(who)));
    }
    if (ferry_identity_known(who, FERRY_FACT_GID))
        set_number(end, "gid", ferry_identity_gid(who));
    set_text(end, "name", ferry_identity_name(who));
    if (facts)
        report_facts(end, who);
    ferry_channel_forget_identity(channel);
    return end;
}

static json_t *report_connection(const struct connection *connection, bool all_options)
{
    struct ferry_relay_stats stats = { 0 };
    int64_t now_ns = clock_now_ns();
    const struct service *service = route_get_service(connection->route);
    service->get_stats(connection->serving, &stats);
    struct ferry_channel *peer = service->get_channel(connection->serving, false);
    struct ferry_channel *target = service->get_channel(connection->serving, true);
    int64_t last_ns = stats.last_ns ? stats.last_ns : connection->started_ns;
    json_t *object = json_object();

    set_number(object, "age_ms", (uint64_t)((now_ns - connection->started_ns) / NS_PER_MS));
    set_number(object, "idle_ms", (uint64_t)((now_ns - last_ns) / NS_PER_MS));
    /* As a name: who asks again knows the connection by it. */
    set_number(object, "started_ns", (uint64_t)connection->started_ns);
    set_number(object, "rule", (uint64_t)connection->rule);
    if (peer)
        json_object_set_new(object, "peer", report_end(peer, true, all_options));
    if (target)
        json_object_set_new(object, "target", report_end(target, false, all_options));
    set_number(object, "bytes_in", stats.forth.bytes);
    set_number(object, "bytes_out", stats.back.bytes);
    set_number(object, "descriptors", stats.forth.descriptors + stats.back.descriptors);
    set_number(object, "dropped", stats.forth.dropped + stats.back.dropped);
    json_object_set_new(object, "ways",
        json_pack("{s:s, s:s}", "forth", expect_way_name(stats.forth.way), "back",
            expect_way_name(stats.back.way)));
    return object;
}

static json_t *report_rules(const struct ferry_policy *policy)
{
    json_t *rules = json_array();
    for (size_t i = 1; policy && i <= ferry_policy_count(policy); i++) {
        uint64_t hits;
        const char *text = ferry_policy_rule(policy, i, &hits);
        json_t *rule = json_object();
        set_text(rule, "rule", text);
        set_number(rule, "hits", hits);
        set_number(rule, "refused", ferry_policy_refusals(policy, i));
        json_array_append_new(rules, rule);
    }
    return rules;
}

static void report_holder(const struct holder_facts *facts, void *data)
{
    json_t *holder = json_object();
    set_text(holder, "who", facts->name);
    set_number(holder, "connections", facts->connections);
    set_number(holder, "refused", facts->refused);
    set_number(holder, "bytes", facts->bytes);
    set_number(holder, "descriptors", facts->descriptors);
    json_array_append_new(data, holder);
}

/* {"limits": "connections=10 ...", "holders": [{"who": "uid 1000", ...}]}; absent without limits.
 */
static void set_holders(
    json_t *object, const struct holders *holders, const struct holder_limits *limits)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    if (!holders || !holder_limits_any(limits))
        return;
    json_t *per_uid = json_object(), *array = json_array();
    holder_limits_print(limits, &text);
    set_text(per_uid, "limits", text.data);
    holders_each(holders, report_holder, array);
    json_object_set_new(per_uid, "holders", array);
    json_object_set_new(object, "per_uid", per_uid);
}

static json_t *report_connections(const struct route *route, bool all_options)
{
    json_t *connections = json_array();
    const struct list *node;
    list_each (node, &route->connections)
        json_array_append_new(
            connections, report_connection(LIST_ENTRY(node, struct connection, node), all_options));
    return connections;
}

static json_t *report_route(const struct route *route, bool leaving, bool all_options)
{
    struct ferry_options *options;
    AUTO_BYTES struct bytes as = BYTES_EMPTY;
    struct route_totals totals;
    json_t *object = json_object();
    route_get_totals(route, &totals);
    set_text(object, "name", route->settings->name);
    set_text(object, "listen",
        ferry_address_text(
            route->listener ? ferry_listener_address(route->listener) : route->settings->listen));
    set_text(object, "to", route->settings->to);
    set_text(object, "profile", route->settings->profile_name);
    if (route->listener && ferry_listener_get_options(route->listener, true, &options) == 0)
        json_object_set_new(object, "options", report_options(options));
    settings_print_user(route->settings, &as);
    if (as.size && !bytes_failed(&as))
        set_text(object, "as", as.data);
    json_object_set_new(object, "leaving", json_boolean(leaving));
    json_object_set_new(object, "dry_run", json_boolean(route->settings->dry_run));
    json_object_set_new(object, "rules", report_rules(route->policy));
    set_number(object, "unmatched", route->policy ? ferry_policy_refusals(route->policy, 0) : 0);
    set_number(object, "age_ms", (uint64_t)((clock_now_ns() - route->started_ns) / NS_PER_MS));
    set_number(object, "admitted", route->admitted);
    set_number(object, "refused", route->refused);
    set_number(object, "would_refuse", route->would_refuse);
    set_number(object, "failed", route->failed);
    set_number(object, "ended", route->ended);
    set_number(object, "bytes_in", totals.bytes_in);
    set_number(object, "bytes_out", totals.bytes_out);
    set_number(object, "descriptors", totals.descriptors);
    set_number(object, "dropped", totals.dropped);
    set_holders(object, route->holders, &route->settings->per_uid);
    json_object_set_new(object, "connections", report_connections(route, all_options));
    return object;
}

static void report_routes(json_t *routes, const struct list *list, bool leaving, bool all_options)
{
    const struct list *node;
    list_each (node, list)
        json_array_append_new(
            routes, report_route(LIST_ENTRY(node, struct route, node), leaving, all_options));
}

/* As what the process stands: the kernel's word, and which lists its filter was made of. */
static json_t *report_process(const struct registry *registry)
{
    AUTO_BYTES struct bytes groups = BYTES_EMPTY;
    struct standing standing;
    char capabilities[20];
    json_t *object = json_object();
    standing_read(&standing);
    snprintf(capabilities, sizeof(capabilities), "%llx", (unsigned long long)standing.capabilities);
    set_number(object, "uid", standing.uid);
    set_text(object, "user", user_name(standing.uid));
    set_number(object, "gid", standing.gid);
    set_text(object, "groups", standing.groups);
    set_text(object, "capabilities", capabilities);
    json_object_set_new(object, "no_new_privs", json_boolean(standing.no_new_privs));
    json_object_set_new(object, "filter", json_boolean(standing.filter_mode == 2));
    if (registry->sandboxed && sandbox_lacks_filter())
        set_text(object, "no_filter", sandbox_lacks_filter());
    else if (registry->sandboxed)
        sandbox_print_groups(registry->groups, &groups);
    else
        set_text(object, "no_filter", "sandbox = no");
    if (groups.size && !bytes_failed(&groups))
        set_text(object, "allowed", groups.data);
    if (registry->dialler)
        set_number(object, "dialler", (uint64_t)dialler_pid(registry->dialler));
    return object;
}

json_t *report_make(struct registry *registry, bool all_options)
{
    json_t *report = json_object();
    json_t *routes = json_array();
    set_number(report, "pid", (uint64_t)getpid());
    set_number(
        report, "uptime_ms", (uint64_t)((clock_now_ns() - registry->started_ns) / NS_PER_MS));
    set_text(report, "configuration", registry->configuration);
    json_object_set_new(report, "process", report_process(registry));
    json_object_set_new(report, "names", json_boolean(peer_pidfd_is_given()));
    if (registry->holders)
        set_holders(report, registry->holders, holders_get_limits(registry->holders));
    report_routes(routes, &registry->routes, false, all_options);
    report_routes(routes, &registry->leaving, true, all_options);
    json_object_set_new(report, "routes", routes);
    return report;
}
