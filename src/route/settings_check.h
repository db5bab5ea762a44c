/* settings_check.h - what can be found wrong with a route before it is started. */
#ifndef FERRY_ROUTE_SETTINGS_CHECK_H
#define FERRY_ROUTE_SETTINGS_CHECK_H

#include "route/settings.h"

enum route_key {
    KEY_LISTEN,
    KEY_ALLOW,
    KEY_DENY,
    KEY_TO,
    KEY_IDLE,
    KEY_TOTAL,
    KEY_PER_UID,
    KEY_USER,
    KEY_GROUP,
    KEY_PROFILE,
    KEY_DRY_RUN,
    KEY_COUNT
};

/* Whether the subjects of one rule can be read, whatever else its route says. */
int settings_check_rule(bool allow, const char *subjects, struct ferry_error *error);

/* As route_settings_check(), and which key is to blame: where a person should look. */
int settings_check(
    const struct route_settings *route, enum route_key *ret_key, struct ferry_error *error);

#endif
