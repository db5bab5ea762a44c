/* route.h - one route at work: its listener, accepting, pausing.
 *
 * The life of a route: route_new(), route_open() (it listens), route_close() (it listens no more),
 * and route_release() frees it once it does not listen and its last connection is gone.
 */
#ifndef FERRY_ROUTE_ROUTE_H
#define FERRY_ROUTE_ROUTE_H

#include "route/registry.h"

/* A route without listener and policy; `settings` is taken on success only. */
int route_new(struct registry *registry, struct route_settings *settings, struct route **ret_route);
/* Frees a route that has no connections. */
void route_free(struct route *route);

/* Listens, with a policy (the one it has, if any); peers are accepted from the next turn of the
 * loop on. */
int route_open(struct route *route, struct ferry_error *error);
/* Makes the policy for the settings of `route` on the listener of `open` (which may be `route`). */
int route_make_policy(const struct route *route, const struct route *open,
    struct ferry_policy **ret_policy, struct ferry_error *error);
/* Listens no more. */
void route_close(struct route *route);

/* Whether descriptors are refused in the kernel because the target could not take them. */
bool route_refuses_descriptors(const struct route_settings *settings);
/* Whether the kernel is asked for the process of each sender, since rules are about its program. */
bool route_asks_pidfd(const struct route_settings *settings);

/* The figures that people follow over time stay with the route that goes on. */
void route_give_figures(struct route *from, struct route *to);
/* Frees a leaving route whose last connection has gone; the one that has its name now gets its
 * figures. */
void route_release(struct route *route);

/* Where its peers arrive, as text: the real port where the kernel chose one. */
const char *route_get_via(const struct route *route);

/* Events. */
void route_report(const struct route *route, enum event_kind kind);
void route_trouble(const struct route *route, const char *reason);

#endif
