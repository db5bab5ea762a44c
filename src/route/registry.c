/* registry.c - all routes that this process runs, brought by difference to what is asked for.
 *
 * Applying has two halves. The first prepares: every route that is asked for is matched with a
 * running one by its listening address, and all that can fail is done aside (memory, policies, new
 * listeners). The second commits and cannot fail. A changed route keeps its struct and listener;
 * its old settings, policy and connections move to a route of their own that is leaving, since the
 * connections go on by the settings that they began with.
 */
#include "route/registry.h"
#include "base/clock.h"
#include "base/error.h"
#include "process/dialler.h"
#include "route/confine.h"
#include "route/connection.h"
#include "route/expect.h"
#include "route/route.h"
#include "route/target.h"
#include "wire/profile.h"

#include <errno.h>
#include <ferry/listener.h>
#include <string.h>

enum step {
    STEP_KEEP,    /* equal: untouched, but for what the names in its rules stand for now */
    STEP_CHANGE,  /* other settings on the same listener */
    STEP_ADD,     /* a new listener */
    STEP_REPLACE, /* a new listener at a place where the running one must go first */
};

struct plan {
    enum step step;
    struct route_settings *settings; /* borrowed until the commit */
    struct route *running;           /* NULL when added */
    struct route *fresh;             /* NULL when kept */
    struct ferry_policy *policy;     /* names looked up anew, when kept; NULL: as it was */
};

int registry_init(struct registry *registry, struct ferry_loop *loop, struct events *events)
{
    *registry = (struct registry){ .loop = loop, .events = events, .started_ns = clock_now_ns() };
    list_init(&registry->routes);
    list_init(&registry->leaving);
    target_forget_caller();
    return ferry_relay_pool_new(&registry->pool);
}

const struct service *route_get_service(const struct route *route)
{
    return route->settings->service ? route->settings->service : &service_target;
}

static void route_stop_connections(struct route *route, bool all, const char *reason)
{
    struct list *node, *after;
    if (!all && route_get_service(route)->drains)
        return;
    list_each_safe (node, after, &route->connections)
        connection_stop(LIST_ENTRY(node, struct connection, node), reason);
}

static void routes_free(struct list *routes)
{
    struct list *node, *after;
    list_each_safe (node, after, routes) {
        struct route *route = LIST_ENTRY(node, struct route, node);
        bool listened = route->listener != NULL;
        route_stop_connections(route, true, "ferry stops");
        if (listened)
            route_report(route, EVENT_STOPPED);
        route_free(route);
    }
}

void registry_fini(struct registry *registry)
{
    routes_free(&registry->routes);
    routes_free(&registry->leaving);
    if (registry->look)
        registry->look_free(TAKE(registry->look));
    dialler_stop(TAKE(registry->dialler));
    run_as_fini(&registry->run_as);
    ferry_relay_pool_free(TAKE(registry->pool));
    holders_free(TAKE(registry->holders));
}

/* A connection whose peer has no end (a datagram sender, a queue) would go on by the old settings
 * for ever: it takes in nothing more, delivers what it has, and ends. The sender's next message
 * arrives anew. */
static void route_stop_endless(struct route *route)
{
    struct list *node;
    list_each (node, &route->connections) {
        const struct connection *connection = LIST_ENTRY(node, struct connection, node);
        struct ferry_channel *peer =
            route_get_service(route)->get_channel(connection->serving, false);
        if (peer && !(ferry_channel_capabilities(peer) & FERRY_HAS_END))
            ferry_channel_stop_receiving(peer);
    }
}

/* Ends a route's listening; the route stays until its connections have ended. It may be gone when
 * this returns. */
static void route_retire(struct route *route, bool report)
{
    if (report)
        route_report(route, EVENT_STOPPED);
    route_close(route);
    list_remove(&route->node);
    list_add_last(&route->registry->leaving, &route->node);
    route_stop_connections(route, false, "its route has gone");
    route_stop_endless(route);
    route_release(route);
}

void registry_drain(struct registry *registry)
{
    struct list *node, *after;
    registry->leaves_listeners = registry->store != NULL;
    list_each_safe (node, after, &registry->routes) {
        struct route *route = LIST_ENTRY(node, struct route, node);
        route->keeps = registry->store != NULL;
        route_retire(route, true);
    }
}

bool registry_finished(const struct registry *registry)
{
    const struct list *lists[] = { &registry->routes, &registry->leaving };
    const struct list *node;
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        list_each (node, lists[i]) {
            const struct route *route = LIST_ENTRY(node, struct route, node);
            bool serves = route_get_service(route)->drains;
            if (serves && (route->source || !list_empty(&route->connections)))
                return false;
        }
    }
    return true;
}

void route_get_totals(const struct route *route, struct route_totals *ret_totals)
{
    struct route_totals totals = { route->bytes_in, route->bytes_out, route->descriptors,
        route->dropped };
    struct list *node;
    list_each (node, &route->connections) {
        const struct connection *connection = LIST_ENTRY(node, struct connection, node);
        struct ferry_relay_stats stats = { 0 };
        route_get_service(route)->get_stats(connection->serving, &stats);
        totals.bytes_in += stats.forth.bytes;
        totals.bytes_out += stats.back.bytes;
        totals.descriptors += stats.forth.descriptors + stats.back.descriptors;
        totals.dropped += stats.forth.dropped + stats.back.dropped;
    }
    if (route->listener)
        totals.dropped += ferry_listener_dropped(route->listener);
    *ret_totals = totals;
}

/* --- preparing -------------------------------------------------------------------------------- */

static bool is_planned(const struct plan *plans, size_t count, const struct route *route)
{
    for (size_t i = 0; i < count; i++)
        if (plans[i].running == route)
            return true;
    return false;
}

/* How well a running route fits: 0 not at all, 1 same place, 2 same address, 3 and same name. */
static int route_fit(const struct route *running, const struct route_settings *settings)
{
    const struct ferry_address *listen = running->settings->listen;
    if (!running->listener)
        return 0;
    if (ferry_address_equal(listen, settings->listen))
        return strcmp(running->settings->name, settings->name) == 0 ? 3 : 2;
    return expect_same_place(listen, settings->listen) ? 1 : 0;
}

static void plan_match(struct plan *plans, size_t index, const struct registry *registry)
{
    struct plan *plan = &plans[index];
    struct list *node;
    int best = 0;

    list_each (node, &registry->routes) {
        struct route *running = LIST_ENTRY(node, struct route, node);
        int fit = route_fit(running, plan->settings);
        if (fit <= best || is_planned(plans, index, running))
            continue;
        best = fit;
        plan->running = running;
    }
    if (!plan->running) {
        plan->step = STEP_ADD;
        return;
    }
    if (route_settings_equal(plan->running->settings, plan->settings)) {
        plan->step = STEP_KEEP;
        return;
    }
    /* What was inherited cannot be opened a second time. */
    bool inherited = plan->settings->listen->scheme == FERRY_FD;
    bool alike = best >= 2 &&
                 plan->running->refuse_descriptors == route_refuses_descriptors(plan->settings) &&
                 plan->running->message_pidfd == route_asks_pidfd(plan->settings) &&
                 profile_equal(plan->running->settings->profile, plan->settings->profile);
    plan->step = alike || inherited ? STEP_CHANGE : STEP_REPLACE;
}

/* A name may stand for another number than when the rules were read. Implied rules stay: they say
 * whom the socket admits, and that stays as it was made. */
static int plan_prepare_kept(struct plan *plan, struct ferry_error *error)
{
    if (plan->settings->rule_count == 0)
        return 0;
    return route_make_policy(plan->running, plan->running, &plan->policy, error);
}

/* All that can fail and touches nothing that runs. */
static int plan_prepare(struct plan *plan, struct registry *registry, struct ferry_error *error)
{
    if (plan->step == STEP_KEEP)
        return plan_prepare_kept(plan, error);
    int r = route_new(registry, plan->settings, &plan->fresh);
    if (r < 0)
        return error_set_errno(error, r, plan->settings->name, NULL);
    if (plan->step == STEP_ADD)
        return route_open(plan->fresh, error);
    if (plan->step == STEP_CHANGE)
        return route_make_policy(plan->fresh, plan->running, &plan->fresh->policy, error);
    return 0;
}

/* Opens anew where the running listener stood. */
static int plan_replace(struct plan *plan, struct ferry_error *error)
{
    if (plan->step != STEP_REPLACE)
        return 0;
    route_close(plan->running);
    return route_open(plan->fresh, error);
}

static void plan_restore(struct plan *plan)
{
    struct route *running = plan->running;
    if (plan->step != STEP_REPLACE || running->listener)
        return;
    route_close(plan->fresh);
    if (route_open(running, NULL) < 0)
        route_trouble(running, "listens no more: its socket could not be opened again");
}

static void plans_undo(struct plan *plans, size_t count)
{
    for (size_t i = 0; i < count; i++)
        plan_restore(&plans[i]);
    for (size_t i = 0; i < count; i++) {
        if (plans[i].fresh)
            plans[i].fresh->settings = NULL; /* still the caller's */
        route_free(plans[i].fresh);
        ferry_policy_free(plans[i].policy);
    }
}

/* --- committing ------------------------------------------------------------------------------- */

#define SWAP(one, other)                                                                           \
    do {                                                                                           \
        __typeof__(one) kept_ = (one);                                                             \
        (one) = (other);                                                                           \
        (other) = kept_;                                                                           \
    } while (0)

/* Rules that are equal as text stand at the same places, so what admitted a connection is still
 * told by its number. */
static void commit_keep(struct plan *plan)
{
    if (plan->policy)
        SWAP(plan->running->policy, plan->policy);
    ferry_policy_free(TAKE(plan->policy));
    plan->running->settings->by_dialler = plan->settings->by_dialler;
    route_settings_free(TAKE(plan->settings));
}

/* The running route gets the new settings; `fresh` leaves with what belongs to the old ones. */
static void commit_change(struct plan *plan)
{
    struct route *running = plan->running, *leaving = plan->fresh;
    struct list *node;
    if (!profile_equal(running->settings->profile, leaving->settings->profile))
        route_trouble(running,
            "its profile changed: its socket, which was inherited, takes that on "
            "at the next start only");
    SWAP(running->settings, leaving->settings);
    SWAP(running->policy, leaving->policy);
    SWAP(running->holders, leaving->holders);
    list_splice_last(&leaving->connections, &running->connections);
    list_each (node, &leaving->connections)
        LIST_ENTRY(node, struct connection, node)->route = leaving;
    route_retire(leaving, false);
    route_report(running, EVENT_STARTED);
}

static void plan_commit(struct plan *plan, struct registry *registry)
{
    struct route *route =
        plan->step == STEP_KEEP || plan->step == STEP_CHANGE ? plan->running : plan->fresh;
    list_remove(&route->node);
    list_add_last(&registry->routes, &route->node);
    if (plan->step == STEP_CHANGE)
        commit_change(plan);
    if (plan->step == STEP_REPLACE) {
        route->started_ns = plan->running->started_ns;
        route_give_figures(plan->running, route);
        route_retire(plan->running, false);
    }
    if (plan->step == STEP_ADD || plan->step == STEP_REPLACE)
        route_report(route, EVENT_STARTED);
    if (plan->step == STEP_KEEP)
        commit_keep(plan);
    else
        route->settings->place = (struct config_place){ 0 }; /* its file dies with the settings */
}

static void plans_commit(
    struct plan *plans, size_t count, struct registry *registry, struct bytes *ret_summary)
{
    size_t counts[STEP_REPLACE + 1] = { 0 }, removed = 0;
    struct list *node, *after;

    list_each_safe (node, after, &registry->routes) {
        struct route *running = LIST_ENTRY(node, struct route, node);
        if (is_planned(plans, count, running))
            continue;
        removed++;
        route_retire(running, true);
    }
    for (size_t i = 0; i < count; i++) {
        counts[plans[i].step]++;
        plan_commit(&plans[i], registry);
    }
    if (ret_summary)
        bytes_print(ret_summary, "%zu added, %zu changed, %zu removed, %zu untouched",
            counts[STEP_ADD], counts[STEP_CHANGE] + counts[STEP_REPLACE], removed,
            counts[STEP_KEEP]);
}

/* A table of all routes is made with the first limits that ask for it, and then stays. */
static int registry_prepare_holders(struct registry *registry, const struct holder_limits *limits)
{
    static const struct holder_limits none;
    if (registry->holders || !holder_limits_any(limits))
        return 0;
    return holders_new(&none, &registry->holders);
}

int registry_apply(struct registry *registry, struct settings *settings, struct bytes *ret_summary,
    struct ferry_error *error)
{
    size_t count = settings->route_count;
    AUTO_FREE struct plan *plans = calloc(count + 1, sizeof(*plans));
    int r = plans ? registry_prepare_holders(registry, &settings->per_uid) : -ENOMEM;
    if (r < 0)
        error_set_errno(error, r, "the routes", NULL);

    if (r == 0)
        r = confine_prepare(registry, settings, error);
    for (size_t i = 0; i < count && r == 0; i++) {
        plans[i].settings = settings->routes[i];
        plan_match(plans, i, registry);
        r = plan_prepare(&plans[i], registry, error);
    }
    for (size_t i = 0; i < count && r == 0; i++)
        r = plan_replace(&plans[i], error);
    if (r < 0) {
        plans_undo(plans, plans ? count : 0);
        return r;
    }
    plans_commit(plans, count, registry, ret_summary);
    if (registry->holders)
        holders_set_limits(registry->holders, &settings->per_uid);
    settings->route_count = 0;
    return 0;
}
