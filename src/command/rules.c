/* rules.c - the options --allow and --deny. */
#include "command/rules.h"
#include "base/error.h"

#include <errno.h>

enum { KEY_ALLOW = 0x300, KEY_DENY };

static const struct argp_option options[] = {
    { "allow", KEY_ALLOW, "SUBJECT...", 0,
        "Admit uid:N, user:NAME, gid:N, group:NAME, exe:PATH, unit:NAME, peer:HOST[/BITS] or any. "
        "Rules stand in the order given, the "
        "first that matches decides, who matches none is refused. Without rules: whom the "
        "socket's mode and owner admit",
        1 },
    { "deny", KEY_DENY, "SUBJECT...", 0, "Refuse these", 1 },
    { 0 },
};

static error_t rules_parse(int key, char *argument, struct argp_state *state)
{
    struct rules *rules = state->input;
    if (key != KEY_ALLOW && key != KEY_DENY)
        return ARGP_ERR_UNKNOWN;
    if (rules->count == RULE_OPTIONS_MAX)
        argp_error(state, "more than %u rules; use a configuration file", RULE_OPTIONS_MAX);
    else
        rules->items[rules->count++] = (struct rule_settings){ key == KEY_ALLOW, argument };
    return 0;
}

const struct argp rules_argp = { .options = options, .parser = rules_parse };

int rules_make_policy(const struct rules *rules, const struct ferry_address *listen,
    struct ferry_policy **ret_policy, struct ferry_error *error)
{
    struct ferry_policy *policy = NULL;
    bool in_address = ferry_address_option(listen, "allow") || ferry_address_option(listen, "deny");
    if (in_address && rules->count)
        return error_set(error, -EINVAL, ferry_address_text(listen), "keep one of them",
            "it says with allow= or deny= who may, and so does --allow or --deny");
    int code = ferry_policy_new(&policy);
    if (code < 0)
        return error_set_errno(error, code, "policy", NULL);
    for (size_t i = 0; code >= 0 && i < rules->count; i++)
        code = ferry_policy_add(policy, rules->items[i].allow, rules->items[i].subjects, error);
    if (code >= 0 && in_address)
        code = ferry_policy_add_address(policy, listen, error);
    else if (code >= 0 && rules->count == 0)
        code = ferry_policy_add_default(policy, listen, error);
    if (code < 0) {
        ferry_policy_free(policy);
        return code;
    }
    *ret_policy = policy;
    return 0;
}
