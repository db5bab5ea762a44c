/* settings_user.h - the keys user and group of a route: as whom its target is dialled. */
#ifndef FERRY_ROUTE_SETTINGS_USER_H
#define FERRY_ROUTE_SETTINGS_USER_H

#include "base/bytes.h"
#include "route/settings_check.h"

/* Looks up what they name. 0 or -errno. */
int settings_find_user(struct route_settings *route, struct ferry_error *error);
/* Whether the route can have them; *ret_key says which is to blame. */
int settings_check_user(
    const struct route_settings *route, enum route_key *ret_key, struct ferry_error *error);
/* Whether they mean the same, names looked up. */
bool settings_users_equal(const struct route_settings *one, const struct route_settings *other);
/* "peer", "alice", "alice:dev", ":dev"; NULL: ferry itself. Appended. */
void settings_print_user(const struct route_settings *route, struct bytes *text);

#endif
