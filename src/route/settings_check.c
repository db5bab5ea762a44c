/* settings_check.c - what can be found wrong with a route before it is started. */
#include "route/settings_check.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "route/expect.h"
#include "route/settings_user.h"

#include <errno.h>
#include <ferry/policy.h>
#include <string.h>

static bool is_loopback(const char *host)
{
    return !host[0] || strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "::1") == 0;
}

/* A port has no mode and no owner. */
static int check_open(const struct route_settings *route, struct ferry_error *error)
{
    const struct ferry_address *listen = route->listen;
    if ((listen->scheme != FERRY_TCP && listen->scheme != FERRY_UDP) || route->rule_count)
        return 0;
    bool near = is_loopback(listen->rest);
    if (near && route->service && route->service->harmless)
        return 0;
    return error_set(error, -EACCES, ferry_address_text(listen),
        "say allow = any (--allow any), or listen on unix:PATH",
        near ? "every local user can connect to it"
             : "everybody who reaches this machine can connect to it");
}

static int check_rules(
    const struct route_settings *route, enum route_key *ret_key, struct ferry_error *error)
{
    struct ferry_policy *policy;
    unsigned listener;
    bool told = expect_capabilities(route->listen, ADDRESS_LISTEN, &listener);
    int r = ferry_policy_new(&policy);
    if (r < 0)
        return error_set_errno(error, r, route->name, NULL);
    for (size_t i = 0; i < route->rule_count && r == 0; i++) {
        const struct rule_settings *rule = &route->rules[i];
        *ret_key = route->rules_in_address ? KEY_LISTEN : rule->allow ? KEY_ALLOW : KEY_DENY;
        r = ferry_policy_add(policy, rule->allow, rule->subjects, error);
        if (r == 0 && told)
            r = ferry_policy_check(policy, listener, error);
    }
    ferry_policy_free(policy);
    return r;
}

/* What would send answers back where the mechanism has one direction only. */
static const char *remedy_answer(enum ferry_scheme scheme)
{
    return scheme == FERRY_FIFO ? "give reply=PATH"
           : scheme == FERRY_MQ ? "give reply=/NAME"
                                : NULL;
}

/* What no peer from there could be served with. */
static int check_needs(const struct route_settings *route, struct ferry_error *error)
{
    static const char *const elsewhere = "listen on unix:PATH, without frame=";
    const struct service *service = route->service;
    const struct ferry_address *listen = route->listen;
    const char *thing = ferry_address_text(listen);
    unsigned listener;
    if (!service || !expect_capabilities(listen, ADDRESS_LISTEN, &listener))
        return 0;
    unsigned missing = service->needs & ~listener;
    if (missing & FERRY_HAS_IDENTITY)
        return error_set(error, -EOPNOTSUPP, thing, elsewhere,
            "nobody vouches for who comes there, and %s must know", service->name);
    if (service->refuses & listener & FERRY_HAS_BOUNDARIES)
        return error_set(
            error, -EOPNOTSUPP, thing, elsewhere, "%s takes bytes, not messages", service->name);
    if (missing & FERRY_CAN_SEND)
        return error_set(error, -EOPNOTSUPP, thing, remedy_answer(listen->scheme),
            "nothing can be answered there");
    if (missing & FERRY_CAN_RECEIVE)
        return error_set(error, -EOPNOTSUPP, thing, NULL, "nothing comes from there");
    return missing || (service->refuses & listener)
               ? error_set(error, -EOPNOTSUPP, thing, NULL, "%s cannot serve it", service->name)
               : 0;
}

static int check_service(const struct route_settings *route, struct ferry_error *error)
{
    const struct service *service = route->service;
    if (!service)
        return 0;
    if (service->check)
        return service->check(route->argument, error);
    if (route->argument[0])
        return error_set(error, -EINVAL, route->to, NULL, "%s takes no argument", service->name);
    return 0;
}

/* Whether what is sent to a group comes back to those of this machine who have joined it: not from
 * another interface, and not when the kernel is told to loop nothing. */
static bool hears_group(const struct ferry_address *listen, const struct ferry_address *target)
{
    const char *joined = ferry_address_option(listen, "join");
    const char *from = ferry_address_option(listen, "interface");
    const char *by = ferry_address_option(target, "interface");
    bool group =
        joined ? address_lists_host(joined, target->rest) : strcmp(listen->rest, target->rest) == 0;

    return group && address_get_flag(target, "loop", true) &&
           !ferry_address_option(listen, "source") && !(from && by && strcmp(from, by) != 0);
}

/* Every connection would open the next, until no descriptor is left. */
static bool leads_to_itself(const struct route_settings *route)
{
    const struct ferry_address *listen = route->listen, *target = route->target;
    switch (listen->scheme) {
    case FERRY_TCP:
    case FERRY_UDP:
        if (address_host_is_group(target->rest))
            return listen->scheme == target->scheme && listen->port == target->port &&
                   hears_group(listen, target);
        return listen->scheme == target->scheme && listen->port == target->port &&
               (strcmp(listen->rest, target->rest) == 0 ||
                   (strcmp(listen->rest, "*") == 0 && is_loopback(target->rest)));
    case FERRY_FD:
    case FERRY_EXEC:
    case FERRY_FILE:
    case FERRY_STDIO:
        return false;
    default:
        return expect_same_place(listen, target);
    }
}

/* How bytes and messages can meet here; a command cannot be told itself. */
static const char *remedy_frame(const struct route_settings *route)
{
    if (route->listen->scheme == FERRY_EXEC || route->target->scheme == FERRY_EXEC)
        return "exec: has no options; lead it over another route's unix:PATH,frame=lf";
    return "set frame=lf, frame=length or frame=none on the address that carries bytes";
}

static int check_way(const struct route_settings *route, struct ferry_error *error)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    unsigned listener, target;
    if (route->target && leads_to_itself(route))
        return error_set(error, -ELOOP, route->to,
            address_host_is_group(route->target->rest)
                ? "give each side an interface= of its own, or say loop=no"
                : "name the server behind it",
            "the route listens there itself");
    if (!route->target || !expect_capabilities(route->listen, ADDRESS_LISTEN, &listener) ||
        !expect_capabilities(route->target, ADDRESS_DIAL, &target))
        return 0;
    if (!((listener & FERRY_CAN_RECEIVE) && (target & FERRY_CAN_SEND)) &&
        !((target & FERRY_CAN_RECEIVE) && (listener & FERRY_CAN_SEND)))
        return error_set(error, -EOPNOTSUPP, route->to, NULL,
            "nothing can pass between %s and this", ferry_address_text(route->listen));
    int r = expect_ways(listener, target, route->target->scheme == FERRY_FILE, &text);
    if (r < 0)
        return error_set(
            error, r, route->to, remedy_frame(route), "one side carries bytes, the other messages");
    return 0;
}

int settings_check_rule(bool allow, const char *subjects, struct ferry_error *error)
{
    struct ferry_policy *policy;
    int r = ferry_policy_new(&policy);
    if (r < 0)
        return error_set_errno(error, r, subjects, NULL);
    r = ferry_policy_add(policy, allow, subjects, error);
    ferry_policy_free(policy);
    return r;
}

int settings_check(
    const struct route_settings *route, enum route_key *ret_key, struct ferry_error *error)
{
    *ret_key = KEY_LISTEN;
    int r = address_check_verb(route->listen, ADDRESS_LISTEN, error);
    if (r == 0 && route->service && !route->service->relays)
        r = address_refuse_weather(route->listen, route->service->name, error);
    if (r == 0)
        r = check_needs(route, error);
    if (r == 0)
        r = check_open(route, error);
    if (r < 0)
        return r;
    r = check_rules(route, ret_key, error);
    if (r < 0)
        return r;
    *ret_key = KEY_TO;
    if (route->target)
        r = address_check_verb(route->target, ADDRESS_DIAL, error);
    if (r == 0)
        r = check_service(route, error);
    if (r == 0)
        r = check_way(route, error);
    return r < 0 ? r : settings_check_user(route, ret_key, error);
}

int route_settings_check(const struct route_settings *route, struct ferry_error *error)
{
    enum route_key key;
    return settings_check(route, &key, error);
}
