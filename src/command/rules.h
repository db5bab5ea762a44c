/* rules.h - the options --allow and --deny, which several verbs have, as an argp(3) child.
 *
 * Rules keep the order of the command line; the words are borrowed from argv.
 */
#ifndef FERRY_COMMAND_RULES_H
#define FERRY_COMMAND_RULES_H

#include "command/limits.h"
#include "route/settings.h"

#include <argp.h>

struct rules {
    struct rule_settings items[RULE_OPTIONS_MAX];
    size_t count;
};

/* Its input is a struct rules, which the parent sets as child input. */
extern const struct argp rules_argp;

/* A policy of these rules; without any, what mode and owner of the address admit: call it once the
 * listener is open, when the path has them. */
int rules_make_policy(const struct rules *rules, const struct ferry_address *listen,
    struct ferry_policy **ret_policy, struct ferry_error *error);

#endif
