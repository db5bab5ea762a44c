/* settings_load.c - a configuration's files, or a text, as settings: the routes they ask for, or
 * what is wrong with them.
 *
 * Every problem is found in one run: a bad value is noted at its place, and the rest is read on.
 * A route with a problem is not checked as a whole (one mistake should not be told twice) but kept,
 * so that its name and address still count as taken.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "route/expect.h"
#include "route/limits.h"
#include "route/log.h"
#include "route/settings_check.h"
#include "route/settings_profile.h"
#include "route/settings_read.h"
#include "route/settings_route.h"
#include "route/settings_rules.h"
#include "route/settings_user.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static const char *const key_names[KEY_COUNT] = { [KEY_LISTEN] = "listen",
    [KEY_ALLOW] = "allow",
    [KEY_DENY] = "deny",
    [KEY_TO] = "to",
    [KEY_IDLE] = "idle",
    [KEY_TOTAL] = "total",
    [KEY_PER_UID] = "per-uid",
    [KEY_USER] = "user",
    [KEY_GROUP] = "group",
    [KEY_PROFILE] = "profile",
    [KEY_DRY_RUN] = "dry-run" };

/* --- problems --------------------------------------------------------------------------------- */

struct builder {
    struct settings *settings;
    const struct service *const *services;
    const char *name, *folder;                 /* of a text that is no file; NULL */
    struct route_settings *route;              /* being filled; NULL */
    const struct config_section *section;      /* being read; NULL */
    const struct config_entry *set[KEY_COUNT]; /* which entry set it */
    bool broken;                               /* the route has a problem already */
};

/* Notes a problem `skip` bytes into what stands at a place. */
static int builder_note(struct builder *builder, const struct config_place *at, const char *key,
    unsigned skip, const char *text)
{
    struct config_place place = *at;
    place.column += skip;
    builder->broken = true;
    return config_add_problem(builder->settings->config, &place, key, text);
}

__attribute__((format(printf, 4, 5))) static int builder_problem(struct builder *builder,
    const struct config_place *place, const char *key, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return builder_note(builder, place, key, 0, text);
}

/* The same for a failure in words. Its "column N: " counts within the value. */
static int builder_error(struct builder *builder, const struct config_place *place, const char *key,
    const struct ferry_error *error)
{
    struct ferry_error told = *error;
    char text[sizeof(told)];

    if (error->code == -ENOMEM)
        return -ENOMEM;
    unsigned column = address_error_take_column(&told);
    ferry_error_format(&told, text, sizeof(text));
    return builder_note(builder, place, key, column ? column - 1 : 0, text);
}

/* --- values ----------------------------------------------------------------------------------- */

static int builder_base(
    const struct builder *builder, const struct config_entry *entry, char **ret_base)
{
    if (!builder->name || strcmp(builder->name, entry->place.file) != 0) {
        int r = settings_folder(entry->place.file, ret_base);
        /* Also what a file in the working directory says is not from the command line. */
        if (r == 0 && !*ret_base)
            *ret_base = strdup("");
        return r < 0 || *ret_base ? r : -ENOMEM;
    }
    *ret_base = builder->folder ? strdup(builder->folder) : NULL;
    return builder->folder && !*ret_base ? -ENOMEM : 0;
}

/* What is meant as a comment would become part of a path, and nobody would see it. A command may
 * have a shell's. */
static const char *value_comment(const char *value)
{
    for (const char *at = value; strncmp(value, "exec:", 5) != 0 && *at; at++)
        if ((*at == ' ' || *at == '\t') && (at[1] == '#' || at[1] == ';'))
            return at + 1;
    return NULL;
}

static int builder_address(struct builder *builder, const struct config_entry *entry, bool to)
{
    AUTO_FREE char *base = NULL;
    struct ferry_error error = { 0 };
    const char *comment = value_comment(entry->value);
    if (comment)
        return builder_note(builder, &entry->place, entry->key, (unsigned)(comment - entry->value),
            "no comment stands after a value; give it a line of its own, or write # as \\x23");
    int r = builder_base(builder, entry, &base);
    if (r < 0)
        return r;
    r = to ? route_set_to(builder->route, entry->value, base, builder->services, &error)
           : ferry_address_parse(entry->value, base, &builder->route->listen, &error);
    return r < 0 ? builder_error(builder, &entry->place, entry->key, &error) : 0;
}

static int builder_rule(struct builder *builder, const struct config_entry *entry, bool allow)
{
    struct ferry_error error = { 0 };
    if (settings_check_rule(allow, entry->value, &error) < 0)
        return builder_error(builder, &entry->place, entry->key, &error);
    return settings_rules_add(builder->route, allow, entry->value);
}

static int builder_span(
    struct builder *builder, const struct config_entry *entry, int64_t *ret_span_ms)
{
    int64_t span_ms = clock_parse_ms(entry->value);
    if (span_ms < 0)
        return builder_problem(builder, &entry->place, entry->key,
            "\"%.100s\" is no span of time; write it as 250ms, 30s, 5m, 2h or 1d", entry->value);
    *ret_span_ms = span_ms;
    return 0;
}

static int builder_limits(
    struct builder *builder, const struct config_entry *entry, struct holder_limits *ret_limits)
{
    struct ferry_error error = { 0 };
    if (holder_limits_parse(entry->value, ret_limits, &error) < 0)
        return builder_error(builder, &entry->place, entry->key, &error);
    return 0;
}

static int builder_flag(struct builder *builder, const struct config_entry *entry, bool *ret_flag)
{
    bool yes = strcmp(entry->value, "yes") == 0;
    if (!yes && strcmp(entry->value, "no") != 0)
        return builder_problem(
            builder, &entry->place, entry->key, "\"%.100s\" is neither yes nor no", entry->value);
    *ret_flag = yes;
    return 0;
}

static int builder_profile(struct builder *builder, const struct config_entry *entry)
{
    struct ferry_error error = { 0 };
    int r = route_set_profile(builder->route, builder->settings, entry->value, &error);
    builder->broken |= r == 1;
    return r < 0 ? builder_error(builder, &entry->place, entry->key, &error) : 0;
}

static int builder_copy(const struct config_entry *entry, char **ret_text)
{
    *ret_text = strdup(entry->value);
    return *ret_text ? 0 : -ENOMEM;
}

static int builder_route_entry(struct builder *builder, const struct config_entry *entry)
{
    enum route_key key = 0;
    while (key < KEY_COUNT && strcmp(entry->key, key_names[key]) != 0)
        key++;
    if (key == KEY_COUNT)
        return builder_problem(builder, &entry->place, entry->key,
            "a route has no such key; it has listen, allow, deny, to, idle, total, "
            "per-uid, user, group, profile, dry-run");
    bool several = key == KEY_ALLOW || key == KEY_DENY;
    if (builder->set[key] && !several)
        return builder_problem(builder, &entry->place, entry->key,
            "was set already in line %u; keep one of them", builder->set[key]->place.line);
    builder->set[key] = entry;

    switch (key) {
    case KEY_LISTEN:
        return builder_address(builder, entry, false);
    case KEY_TO:
        return builder_address(builder, entry, true);
    case KEY_USER:
        return builder_copy(entry, &builder->route->user);
    case KEY_GROUP:
        return builder_copy(entry, &builder->route->group);
    case KEY_IDLE:
        return builder_span(builder, entry, &builder->route->idle_ms);
    case KEY_TOTAL:
        return builder_span(builder, entry, &builder->route->total_ms);
    case KEY_PER_UID:
        return builder_limits(builder, entry, &builder->route->per_uid);
    case KEY_PROFILE:
        return builder_profile(builder, entry);
    case KEY_DRY_RUN:
        return builder_flag(builder, entry, &builder->route->dry_run);
    default:
        return builder_rule(builder, entry, key == KEY_ALLOW);
    }
}

/* --- a route as a whole ----------------------------------------------------------------------- */

static int builder_check_unique(struct builder *builder)
{
    const struct route_settings *route = builder->route;
    bool named = false, placed = false; /* told already: one of many alike is enough */
    for (size_t i = 0; i + 1 < builder->settings->route_count; i++) {
        const struct route_settings *other = builder->settings->routes[i];
        int r = 0;
        if (!named && strcmp(other->name, route->name) == 0) {
            named = true;
            r = builder_problem(builder, &builder->section->place, "",
                "there is a route %s already, in %s:%u; rename one of them", route->name,
                other->place.file, other->place.line);
        }
        if (r == 0 && !placed && route->listen && other->listen &&
            expect_same_place(route->listen, other->listen)) {
            placed = true;
            r = builder_problem(builder, &builder->set[KEY_LISTEN]->place, "listen",
                "route %s listens there already; choose another address", other->name);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* Rules in the address become the route's, unless it has some already: which of them go first would
 * be anybody's guess. */
static int builder_take_rules(struct builder *builder)
{
    struct route_settings *route = builder->route;
    const struct config_entry *rule =
        builder->set[KEY_ALLOW] ? builder->set[KEY_ALLOW] : builder->set[KEY_DENY];
    if (!route->listen || !settings_rules_in_address(route->listen))
        return 0;
    if (rule)
        return builder_problem(builder, &rule->place, rule->key,
            "line %u says with allow= or deny= in the address who may; keep one of them",
            builder->set[KEY_LISTEN]->place.line);
    return settings_rules_take(route);
}

static int builder_check(struct builder *builder)
{
    struct route_settings *route = builder->route;
    struct ferry_error error = { 0 };
    enum route_key key = KEY_USER;
    int r = 0;

    if (!builder->set[KEY_LISTEN])
        r = builder_problem(builder, &builder->section->place, "listen",
            "is missing in route %s; say where it listens, as unix:PATH", route->name);
    if (r == 0 && !builder->set[KEY_TO])
        r = builder_problem(builder, &builder->section->place, "to",
            "is missing in route %s; say where it leads, as unix:PATH or echo", route->name);
    if (r == 0)
        r = builder_check_unique(builder);
    if (r == 0)
        r = builder_take_rules(builder);
    if (r < 0 || builder->broken)
        return r;
    if (settings_find_user(route, &error) == 0 && settings_check(route, &key, &error) == 0)
        return 0;
    const struct config_place *place =
        builder->set[key] ? &builder->set[key]->place : &builder->section->place;
    return builder_error(builder, place, key_names[key], &error);
}

static int builder_begin(struct builder *builder, const struct config_section *section)
{
    builder->section = section;
    builder->broken = false;
    memset(builder->set, 0, sizeof(builder->set));
    if (strcmp(section->section, "ferry") == 0 || strcmp(section->section, "profile") == 0)
        return 0;
    if (strcmp(section->section, "route") != 0)
        return builder_problem(builder, &section->place, "",
            "there is no section [%.100s]; there are [ferry], [route NAME] and [profile NAME]",
            section->section);
    if (!section->name[0])
        return builder_problem(
            builder, &section->place, "", "a route needs a name; write it as [route NAME]");
    int r = settings_append(builder->settings, section->name, &builder->route);
    if (r == 0)
        builder->route->place = section->place;
    return r == -E2BIG
               ? builder_problem(builder, &section->place, "", "more than %u routes", ROUTES_MAX)
               : r;
}

static int builder_twice(struct builder *builder, const struct config_entry *entry)
{
    return builder_problem(builder, &entry->place, entry->key, "was set already; keep one of them");
}

static int builder_log(struct builder *builder, const struct config_entry *entry)
{
    struct settings *settings = builder->settings;

    if (settings->log_given)
        return builder_twice(builder, entry);
    if (!log_format_parse(entry->value, &settings->log))
        return builder_problem(builder, &entry->place, entry->key,
            "\"%.100s\" is none of text, json, none, journal", entry->value);
    settings->log_given = true;
    return 0;
}

static int builder_sandbox(struct builder *builder, const struct config_entry *entry)
{
    struct settings *settings = builder->settings;
    if (settings->sandbox_given)
        return builder_twice(builder, entry);
    settings->sandbox_given = true;
    return builder_flag(builder, entry, &settings->sandbox);
}

/* Either may stand first, so both are looked up at each. */
static int builder_process_user(
    struct builder *builder, const struct config_entry *entry, char **text)
{
    struct settings *settings = builder->settings;
    struct ferry_error error = { 0 };
    if (*text)
        return builder_twice(builder, entry);
    int r = builder_copy(entry, text);
    if (r < 0)
        return r;
    run_as_fini(&settings->run_as);
    r = run_as_find(settings->user, settings->group, &settings->run_as, &error);
    return r < 0 ? builder_error(builder, &entry->place, entry->key, &error) : 0;
}

static int builder_ferry_entry(struct builder *builder, const struct config_entry *entry)
{
    struct settings *settings = builder->settings;
    if (settings_is_include(entry))
        return 0;
    if (strcmp(entry->key, "log") == 0)
        return builder_log(builder, entry);
    if (strcmp(entry->key, "user") == 0)
        return builder_process_user(builder, entry, &settings->user);
    if (strcmp(entry->key, "group") == 0)
        return builder_process_user(builder, entry, &settings->group);
    if (strcmp(entry->key, "sandbox") == 0)
        return builder_sandbox(builder, entry);
    if (strcmp(entry->key, "per-uid") == 0)
        return holder_limits_any(&settings->per_uid)
                   ? builder_twice(builder, entry)
                   : builder_limits(builder, entry, &settings->per_uid);
    return builder_problem(builder, &entry->place, entry->key,
        "[ferry] has no such key; it has log, per-uid, include, user, group, "
        "sandbox");
}

/* Entries and sections stand in the order in which they were read; entries before a file's first
 * section (an include) belong to none. */
static int builder_run(struct builder *builder)
{
    const struct config *config = builder->settings->config;
    size_t next = 0, count = config_entry_count(config);
    int r = settings_read_profiles(builder->settings);
    for (size_t i = 0; i < config_section_count(config) && r == 0; i++) {
        const struct config_section *section = config_get_section(config, i);
        r = builder_begin(builder, section);
        for (; next < count && r == 0; next++) {
            const struct config_entry *entry = config_get_entry(config, next);
            if (!entry->section[0])
                continue;
            if (entry->place.file != section->place.file ||
                entry->section_place.line != section->place.line)
                break;
            if (builder->route)
                r = builder_route_entry(builder, entry);
            else if (strcmp(section->section, "ferry") == 0)
                r = builder_ferry_entry(builder, entry);
        }
        if (r == 0 && builder->route)
            r = builder_check(builder);
        builder->route = NULL;
    }
    return r;
}

int settings_load(const char *path, const struct service *const *services,
    struct settings **ret_settings, struct ferry_error *error)
{
    struct builder builder = { .services = services };
    const char *from = path ? path : SETTINGS_FOLDER;
    int r = settings_new(&builder.settings);
    if (r < 0)
        return error_set_errno(error, r, from, NULL);
    r = settings_read(builder.settings->config, from, error);
    if (r == 0) {
        r = builder_run(&builder);
        if (r < 0)
            error_set_errno(error, r, from, NULL);
    }
    if (r < 0) {
        settings_free(builder.settings);
        return r;
    }
    *ret_settings = builder.settings;
    return 0;
}

int settings_load_text(const char *name, const char *text, const char *folder,
    const struct service *const *services, struct settings **ret_settings)
{
    struct builder builder = { .services = services, .name = name, .folder = folder };
    int r = settings_new(&builder.settings);
    if (r < 0)
        return r;
    r = settings_read_text(builder.settings->config, name, text, folder, NULL);
    if (r == 0)
        r = builder_run(&builder);
    if (r < 0) {
        settings_free(builder.settings);
        return r;
    }
    *ret_settings = builder.settings;
    return 0;
}
