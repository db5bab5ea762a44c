/* settings_rules.c - the rules of a route as it is asked for. */
#include "route/settings_rules.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "wire/address.h"
#include "wire/subject.h"

#include <string.h>

int settings_rules_add(struct route_settings *route, bool allow, const char *subjects)
{
    if (!array_reserve(
            &route->rules, route->rule_count, &route->rule_capacity, sizeof(*route->rules)))
        return -ENOMEM;
    char *copy = strdup(subjects);
    if (!copy)
        return -ENOMEM;
    route->rules[route->rule_count++] = (struct rule_settings){ allow, copy };
    return 0;
}

void settings_rules_free(struct route_settings *route)
{
    for (size_t i = 0; i < route->rule_count; i++)
        free(route->rules[i].subjects);
    free(TAKE(route->rules));
    route->rule_count = route->rule_capacity = 0;
}

static bool asks_program(const char *subjects)
{
    static const char *const prefixes[] = { "exe:", "unit:" };
    for (const char *word = subjects; *word;) {
        for (size_t i = 0; i < COUNT_OF(prefixes); i++)
            if (strncmp(word, prefixes[i], strlen(prefixes[i])) == 0)
                return true;
        word += strcspn(word, SUBJECT_BLANKS);
        word += strspn(word, SUBJECT_BLANKS);
    }
    return false;
}

bool settings_rules_ask_program(const struct route_settings *route)
{
    for (size_t i = 0; i < route->rule_count; i++)
        if (asks_program(route->rules[i].subjects))
            return true;
    return false;
}

bool settings_rules_in_address(const struct ferry_address *listen)
{
    return ferry_address_option(listen, "allow") || ferry_address_option(listen, "deny");
}

int settings_rules_take(struct route_settings *route)
{
    const char *deny = ferry_address_option(route->listen, "deny");
    const char *allow = ferry_address_option(route->listen, "allow");
    struct ferry_address *bare = address_without_rules(route->listen);
    int r = bare ? 0 : -ENOMEM;

    if (r == 0 && deny)
        r = settings_rules_add(route, false, deny);
    if (r == 0 && allow)
        r = settings_rules_add(route, true, allow);
    if (r < 0) {
        ferry_address_free(bare);
        return r;
    }
    ferry_address_free(route->listen);
    route->listen = bare;
    route->rules_in_address = true;
    return 0;
}

bool settings_rules_equal(const struct route_settings *one, const struct route_settings *other)
{
    if (one->rule_count != other->rule_count)
        return false;
    for (size_t i = 0; i < one->rule_count; i++)
        if (one->rules[i].allow != other->rules[i].allow ||
            strcmp(one->rules[i].subjects, other->rules[i].subjects) != 0)
            return false;
    return true;
}
