/* settings_route.h - a route that is being filled, by a file's entries or the command line's words.
 */
#ifndef FERRY_ROUTE_SETTINGS_ROUTE_H
#define FERRY_ROUTE_SETTINGS_ROUTE_H

#include "route/settings.h"

/* A new route at the end of the settings, which own it. 0, -E2BIG (ROUTES_MAX), -ENOMEM. */
int settings_append(struct settings *settings, const char *name, struct route_settings **ret_route);

/* Where it leads: an address, or "SERVICE[:ARGUMENT]". A scheme's name is never a service's.
 *   base  where relative paths start; as of ferry_address_parse()
 * Returns 0 or -errno with *error. */
int route_set_to(struct route_settings *route, const char *text, const char *base,
    const struct service *const *services, struct ferry_error *error);

/* How it is tuned. 0, -errno with *error, 1: the profile has a problem, which was told. */
int route_set_profile(struct route_settings *route, struct settings *settings, const char *name,
    struct ferry_error *error);

#endif
