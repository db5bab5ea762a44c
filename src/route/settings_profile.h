/* settings_profile.h - the [profile NAME] sections of a configuration. */
#ifndef FERRY_ROUTE_SETTINGS_PROFILE_H
#define FERRY_ROUTE_SETTINGS_PROFILE_H

#include "route/settings.h"

/* Makes settings->profiles of what was read, before any route is looked at: a route may name one
 * that stands behind it. Problems go to the configuration. Returns 0, -ENOMEM. */
int settings_read_profiles(struct settings *settings);
void settings_free_profiles(struct settings *settings);

#endif
