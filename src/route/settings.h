/* settings.h - a configuration that has been read: the routes it asks for, or what is wrong with
 * it.
 *
 *     [ferry]
 *     log = text | json | none | journal
 *     user = NAME               group = NAME              as whom the process runs
 *     sandbox = yes | no
 *     [route NAME]
 *     listen = ADDRESS
 *     allow  = SUBJECT ...      deny = SUBJECT ...        in order, first match wins
 *     to     = ADDRESS | SERVICE[:ARGUMENT]
 *     user   = peer | NAME      group = NAME              as whom the target is dialled
 *     idle   = SPAN             total = SPAN
 *     per-uid = LIMIT ...       also in [ferry], over all routes
 *     dry-run = yes | no
 *     profile = NAME
 *     [profile NAME]
 *     extends = NAME
 *     KEY    = VALUE            a socket option of ferry-address(7)
 *
 * `include = PATTERN` (glob(7), relative to the including file's folder; no match is no error when
 * it has wildcards) stands before the first section or in [ferry]. All problems are found at once.
 */
#ifndef FERRY_ROUTE_SETTINGS_H
#define FERRY_ROUTE_SETTINGS_H

#include "process/run_as.h"
#include "route/holder.h"
#include "route/service.h"
#include "wire/config.h"

#include <ferry/address.h>
#include <ferry/policy.h>
#include <ferry/profile.h>
#include <stdbool.h>

struct rule_settings {
    bool allow;
    char *subjects;
};

/* One route as it is asked for. Everything is owned. */
struct route_settings {
    struct config_place place; /* of its section; file borrowed from the settings */
    char *name;
    struct ferry_address *listen; /* without allow= and deny=, which are among the rules */
    struct rule_settings *rules;
    size_t rule_count, rule_capacity;
    bool rules_in_address;         /* they are those of allow= and deny= */
    bool dry_run;                  /* who is refused is told, and admitted all the same */
    struct ferry_address *target;  /* either an address ... */
    const struct service *service; /* ... or a service, with its argument ("" if none) */
    char *argument;
    char *to;             /* either, as text */
    char *user, *group;   /* as whom the target is dialled, as given; both NULL: as ferry itself */
    bool as_peer;         /* user = peer */
    struct run_as run_as; /* what the names stand for; nobody unless given */
    bool by_dialler;      /* that is somebody else than ferry, said when it is applied */
    int64_t idle_ms;      /* 0: the default: none, for datagrams SESSION_IDLE_MS */
    int64_t total_ms;     /* 0: none */
    struct holder_limits per_uid;
    char *profile_name; /* NULL: none */
    struct ferry_profile *profile;
};

enum log_format { LOG_TEXT, LOG_JSON, LOG_NONE, LOG_JOURNAL };

struct settings {
    struct config *config; /* what was read; holds the problems */
    struct route_settings **routes;
    size_t route_count, route_capacity;
    struct profile_settings *profiles; /* route/settings_profile.c */
    size_t profile_count, profile_capacity;
    enum log_format log; /* LOG_TEXT unless given */
    bool log_given;
    struct holder_limits per_uid; /* over all routes */
    char *user, *group; /* as whom the process runs once it listens; both NULL: as it was started */
    struct run_as run_as; /* what they stand for */
    bool sandbox;         /* yes unless given */
    bool sandbox_given;
};

/* What is read unless something else is named. */
#define SETTINGS_FOLDER "/etc/ferry"

/* Reads one file, or all files ending in .conf of a folder, in the order of their names.
 *   path      NULL: SETTINGS_FOLDER
 *   services  NULL-terminated table of what `to` may name
 * Returns 0 (look at config_problem_count(settings->config)), or -errno with *error when the path
 * itself cannot be read. */
int settings_load(const char *path, const struct service *const *services,
    struct settings **ret_settings, struct ferry_error *error);
/* The same of a text (the built-in configuration of `ferry demo`); `folder` is where relative paths
 * start. */
int settings_load_text(const char *name, const char *text, const char *folder,
    const struct service *const *services, struct settings **ret_settings);
void settings_free(struct settings *settings);

int settings_new(struct settings **ret_settings);

/* One route in the command line's words, all borrowed. NULL, 0 or false: not said; the first three
 * must be. */
struct route_words {
    const char *name, *listen, *to;
    const struct rule_settings *rules;
    size_t rule_count;
    const char *per_uid, *profile, *user, *group;
    int64_t idle_ms, total_ms;
    bool dry_run;
};

/* Appends it to *settings (which must be from settings_new()). 0, or -errno with *error: then
 * nothing was added. */
int settings_add_route(struct settings *settings, const struct route_words *words,
    const struct service *const *services, struct ferry_error *error);

/* A profile by its name, built-in or of the configuration; borrowed from the settings. NULL in
 * place of one that has a problem, which was noted. Returns 0, -ENOENT, -ENOMEM. */
int settings_find_profile(struct settings *settings, const char *name,
    const struct ferry_profile **ret_profile, struct ferry_error *error);

/* Whether a running route can stay as it is. */
bool route_settings_equal(const struct route_settings *one, const struct route_settings *other);
void route_settings_free(struct route_settings *route);

/* Checks what can be checked without starting: a TCP or UDP listener without rules only for
 * harmless services, addresses usable by their verbs, rules readable, way possible. 0 or -errno. */
int route_settings_check(const struct route_settings *route, struct ferry_error *error);

#endif
