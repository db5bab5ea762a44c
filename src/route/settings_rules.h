/* settings_rules.h - the rules of a route as it is asked for: from the configuration or the command
 * line, or from its address; never from two of them. */
#ifndef FERRY_ROUTE_SETTINGS_RULES_H
#define FERRY_ROUTE_SETTINGS_RULES_H

#include "route/settings.h"

/* Appends one line of rules; -ENOMEM. */
int settings_rules_add(struct route_settings *route, bool allow, const char *subjects);

/* Frees the rules of a route. */
void settings_rules_free(struct route_settings *route);

/* Whether a rule is about a program or a unit: of who sends datagrams the kernel tells neither
 * unless it is asked to before they come. */
bool settings_rules_ask_program(const struct route_settings *route);

/* Whether the address says who may. */
bool settings_rules_in_address(const struct ferry_address *listen);

/* Makes the rules of the address those of the route, which must have none. The address loses them,
 * so that another rule does not make it another place. 0 or -ENOMEM. */
int settings_rules_take(struct route_settings *route);

bool settings_rules_equal(const struct route_settings *one, const struct route_settings *other);

#endif
