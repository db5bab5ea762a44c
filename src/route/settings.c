/* settings.c - what a configuration asks for: its memory, the values that files and the command
 * line word alike, a route from the command line, and which of two routes are equal.
 */
#include "route/settings.h"
#include "base/array.h"
#include "base/bytes.h"
#include "base/error.h"
#include "route/limits.h"
#include "route/settings_profile.h"
#include "route/settings_route.h"
#include "route/settings_rules.h"
#include "route/settings_user.h"
#include "wire/address.h"
#include "wire/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- memory ----------------------------------------------------------------------------------- */

void route_settings_free(struct route_settings *route)
{
    if (!route)
        return;
    ferry_address_free(route->listen);
    ferry_address_free(route->target);
    settings_rules_free(route);
    free(route->argument);
    free(route->user);
    free(route->group);
    run_as_fini(&route->run_as);
    free(route->to);
    free(route->name);
    free(route->profile_name);
    ferry_profile_free(route->profile);
    free(route);
}

int settings_new(struct settings **ret_settings)
{
    struct settings *settings = calloc(1, sizeof(*settings));
    int r = settings ? config_new(&settings->config) : -ENOMEM;
    if (r < 0) {
        free(settings);
        return r;
    }
    settings->sandbox = true;
    *ret_settings = settings;
    return 0;
}

void settings_free(struct settings *settings)
{
    if (!settings)
        return;
    for (size_t i = 0; i < settings->route_count; i++)
        route_settings_free(settings->routes[i]);
    free(settings->routes);
    settings_free_profiles(settings);
    free(settings->user);
    free(settings->group);
    run_as_fini(&settings->run_as);
    config_free(settings->config);
    free(settings);
}

int settings_append(struct settings *settings, const char *name, struct route_settings **ret_route)
{
    if (settings->route_count >= ROUTES_MAX)
        return -E2BIG;
    if (!array_reserve(&settings->routes, settings->route_count, &settings->route_capacity,
            sizeof(struct route_settings *)))
        return -ENOMEM;
    struct route_settings *route = calloc(1, sizeof(*route));
    if (!route)
        return -ENOMEM;
    route->name = strdup(name);
    if (!route->name) {
        free(route);
        return -ENOMEM;
    }
    settings->routes[settings->route_count++] = route;
    *ret_route = route;
    return 0;
}

/* --- values ----------------------------------------------------------------------------------- */

static bool is_scheme(const char *word, size_t length)
{
    for (int scheme = 0; scheme < FERRY_SCHEME_COUNT; scheme++) {
        const char *name = address_scheme_name((enum ferry_scheme)scheme);
        if (strlen(name) == length && strncmp(name, word, length) == 0)
            return true;
    }
    return false;
}

static void services_print(const struct service *const *services, struct bytes *text)
{
    for (size_t i = 0; services[i]; i++)
        bytes_print(text, "%s%s", i ? ", " : "", services[i]->name);
    bytes_append(text, "", 0);
}

int route_set_to(struct route_settings *route, const char *text, const char *base,
    const struct service *const *services, struct ferry_error *error)
{
    AUTO_BYTES struct bytes names = BYTES_EMPTY;
    size_t length = strcspn(text, ":,");
    bool scheme = is_scheme(text, length);

    route->to = strdup(text);
    if (!route->to)
        return error_set_errno(error, -ENOMEM, text, NULL);
    for (size_t i = 0; services[i] && !scheme; i++) {
        if (strlen(services[i]->name) != length || strncmp(services[i]->name, text, length) != 0 ||
            text[length] == ',')
            continue;
        route->argument = strdup(text[length] ? text + length + 1 : "");
        if (!route->argument)
            return error_set_errno(error, -ENOMEM, text, NULL);
        route->service = services[i];
        return 0;
    }
    int r = ferry_address_parse(text, base, &route->target, error);
    if (r == -EINVAL && !scheme && !strpbrk(text, ":/")) {
        services_print(services, &names);
        return error_set(error, r, text, "name one, or give an address as unix:PATH",
            "%s; there are: %s", *text ? "is no service" : "names nothing",
            names.data ? names.data : "none");
    }
    if (r < 0)
        return r;
    /* The canonical text, so that events name the target as listeners are named. */
    char *canonical = strdup(ferry_address_text(route->target));
    if (!canonical)
        return error_set_errno(error, -ENOMEM, text, NULL);
    free(route->to);
    route->to = canonical;
    return 0;
}

int route_set_profile(struct route_settings *route, struct settings *settings, const char *name,
    struct ferry_error *error)
{
    const struct ferry_profile *profile;
    int r = settings_find_profile(settings, name, &profile, error);
    if (r < 0 || !profile)
        return r < 0 ? r : 1;
    route->profile_name = strdup(name);
    r = route->profile_name ? profile_copy(profile, &route->profile) : -ENOMEM;
    return r < 0 ? error_set_errno(error, r, name, NULL) : 0;
}

/* --- comparing -------------------------------------------------------------------------------- */

static bool targets_equal(const struct route_settings *one, const struct route_settings *other)
{
    if (one->service || other->service)
        return one->service == other->service && strcmp(one->argument, other->argument) == 0;
    return ferry_address_equal(one->target, other->target);
}

bool route_settings_equal(const struct route_settings *one, const struct route_settings *other)
{
    return strcmp(one->name, other->name) == 0 && ferry_address_equal(one->listen, other->listen) &&
           settings_rules_equal(one, other) && targets_equal(one, other) &&
           one->idle_ms == other->idle_ms && one->total_ms == other->total_ms &&
           memcmp(&one->per_uid, &other->per_uid, sizeof(one->per_uid)) == 0 &&
           one->dry_run == other->dry_run && profile_equal(one->profile, other->profile) &&
           settings_users_equal(one, other);
}

/* --- from the command line -------------------------------------------------------------------- */

static int route_set_words_rules(
    struct route_settings *route, const struct route_words *words, struct ferry_error *error)
{
    if (settings_rules_in_address(route->listen)) {
        if (words->rule_count)
            return error_set(error, -EINVAL, words->listen, "keep one of them",
                "it says with allow= or deny= who may, and so does --allow or --deny");
        int r = settings_rules_take(route);
        return r < 0 ? error_set_errno(error, r, words->listen, NULL) : 0;
    }
    for (size_t i = 0; i < words->rule_count; i++) {
        int r = settings_rules_add(route, words->rules[i].allow, words->rules[i].subjects);
        if (r < 0)
            return error_set_errno(error, r, words->rules[i].subjects, NULL);
    }
    return 0;
}

static int copy_word(const char *word, char **ret_copy, struct ferry_error *error)
{
    *ret_copy = word ? strdup(word) : NULL;
    return word && !*ret_copy ? error_set_errno(error, -ENOMEM, word, NULL) : 0;
}

static int route_set_words(struct settings *settings, struct route_settings *route,
    const struct route_words *words, const struct service *const *services,
    struct ferry_error *error)
{
    route->idle_ms = words->idle_ms;
    route->total_ms = words->total_ms;
    route->dry_run = words->dry_run;
    int r = words->per_uid ? holder_limits_parse(words->per_uid, &route->per_uid, error) : 0;
    if (r == 0)
        r = ferry_address_parse(words->listen, NULL, &route->listen, error);
    if (r == 0)
        r = route_set_words_rules(route, words, error);
    if (r == 0)
        r = route_set_to(route, words->to, NULL, services, error);
    if (r == 0 && words->profile)
        r = route_set_profile(route, settings, words->profile, error);
    if (r == 0)
        r = copy_word(words->user, &route->user, error);
    if (r == 0)
        r = copy_word(words->group, &route->group, error);
    if (r == 0)
        r = settings_find_user(route, error);
    return r < 0 ? r : route_settings_check(route, error);
}

int settings_add_route(struct settings *settings, const struct route_words *words,
    const struct service *const *services, struct ferry_error *error)
{
    struct route_settings *route;
    int r = settings_append(settings, words->name, &route);
    if (r < 0)
        return error_set_errno(error, r, words->name, NULL);
    r = route_set_words(settings, route, words, services, error);
    if (r < 0)
        route_settings_free(settings->routes[--settings->route_count]);
    return r;
}
