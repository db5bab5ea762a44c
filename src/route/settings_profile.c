/* settings_profile.c - profiles by name: the built-in ones and the [profile NAME] sections.
 *
 *     [profile NAME]
 *     extends = NAME
 *     KEY     = VALUE
 *
 * A profile may extend one that stands behind it, so they are first collected, with every value
 * checked where it stands, and then made: from the built-in one at the end of the chain (or from
 * nothing) down to the profile itself. A chain is followed by a loop that counts, so that one which
 * bites its tail is noticed.
 */
#include "route/settings_profile.h"
#include "base/array.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "route/limits.h"
#include "wire/address.h"
#include "wire/profile.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

struct profile_settings {
    char *name;
    struct config_place place;          /* of its section */
    size_t first, end;                  /* its entries in the configuration */
    const struct config_entry *extends; /* or NULL */
    bool broken;                        /* has a problem, or extends one that has */
    struct ferry_profile *profile;      /* NULL until it is made */
};

void settings_free_profiles(struct settings *settings)
{
    for (size_t i = 0; i < settings->profile_count; i++) {
        ferry_profile_free(settings->profiles[i].profile);
        free(settings->profiles[i].name);
    }
    free(settings->profiles);
    settings->profiles = NULL;
    settings->profile_count = settings->profile_capacity = 0;
}

static struct profile_settings *profile_find(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->profile_count; i++)
        if (strcmp(settings->profiles[i].name, name) == 0)
            return &settings->profiles[i];
    return NULL;
}

static bool is_built_in(const char *name)
{
    for (size_t i = 0; profile_names[i]; i++)
        if (strcmp(profile_names[i], name) == 0)
            return true;
    return false;
}

static int profile_append(
    struct settings *settings, const char *name, struct profile_settings **ret_profile)
{
    if (!array_reserve(&settings->profiles, settings->profile_count, &settings->profile_capacity,
            sizeof(*settings->profiles)))
        return -ENOMEM;
    struct profile_settings *profile = &settings->profiles[settings->profile_count];
    *profile = (struct profile_settings){ .name = strdup(name) };
    if (!profile->name)
        return -ENOMEM;
    settings->profile_count++;
    *ret_profile = profile;
    return 0;
}

/* --- problems --------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static int profile_problem(struct settings *settings,
    const struct config_place *place, const char *key, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return config_add_problem(settings->config, place, key, text);
}

/* Its "column N: " counts within the value. */
static int profile_error(
    struct settings *settings, const struct config_entry *entry, const struct ferry_error *error)
{
    struct config_place place = entry->place;
    struct ferry_error told = *error;

    if (error->code == -ENOMEM)
        return -ENOMEM;
    if (error->code == -ENOENT)
        return profile_problem(settings, &place, entry->key,
            "a profile has no such key; it has extends and the socket options that "
            "ferry-address(7) lists");
    unsigned column = address_error_take_column(&told);
    place.column += column ? column - 1 : 0;
    return profile_problem(settings, &place, entry->key, "%s", told.reason);
}

/* --- collecting ------------------------------------------------------------------------------- */

static int profile_read_entry(struct settings *settings, struct profile_settings *profile,
    struct ferry_profile *scratch, const struct config_entry *entry)
{
    struct ferry_error error;

    if (strcmp(entry->key, "extends") != 0) {
        bool again = ferry_profile_get(scratch, entry->key) != NULL;
        int r = ferry_profile_set(scratch, entry->key, entry->value, &error);
        if (r == 0 && !again)
            return 0;
        profile->broken = true;
        return r < 0 ? profile_error(settings, entry, &error)
                     : profile_problem(settings, &entry->place, entry->key,
                           "was set already; keep one of them");
    }
    if (!profile->extends) {
        profile->extends = entry;
        return 0;
    }
    profile->broken = true;
    return profile_problem(settings, &entry->place, entry->key,
        "was set already in line %u; keep "
        "one of them",
        profile->extends->place.line);
}

static int profile_read_entries(struct settings *settings, struct profile_settings *profile)
{
    struct ferry_profile *scratch = NULL;
    int r = ferry_profile_new(NULL, &scratch);

    for (size_t i = profile->first; i < profile->end && r == 0; i++)
        r = profile_read_entry(settings, profile, scratch, config_get_entry(settings->config, i));
    ferry_profile_free(scratch);
    return r;
}

static int profile_begin(struct settings *settings, const struct config_section *section,
    struct profile_settings **ret_profile)
{
    const struct profile_settings *other = profile_find(settings, section->name);

    *ret_profile = NULL;
    if (!section->name[0])
        return profile_problem(
            settings, &section->place, "", "a profile needs a name; write it as [profile NAME]");
    if (is_built_in(section->name))
        return profile_problem(settings, &section->place, "",
            "%s is built in; choose another name, and say extends = %s", section->name,
            section->name);
    if (other)
        return profile_problem(settings, &section->place, "",
            "there is a profile %s already, in %s:%u; rename one of them", section->name,
            other->place.file, other->place.line);
    if (settings->profile_count >= PROFILES_MAX)
        return profile_problem(
            settings, &section->place, "", "more than %u profiles", PROFILES_MAX);
    return profile_append(settings, section->name, ret_profile);
}

/* Entries and sections stand in the order in which they were read. */
static int profiles_collect(struct settings *settings)
{
    const struct config *config = settings->config;
    size_t next = 0, count = config_entry_count(config);
    int r = 0;

    for (size_t i = 0; i < config_section_count(config) && r == 0; i++) {
        const struct config_section *section = config_get_section(config, i);
        struct profile_settings *profile = NULL;
        while (next < count && !config_get_entry(config, next)->section[0])
            next++;
        size_t first = next;
        while (next < count) {
            const struct config_entry *entry = config_get_entry(config, next);
            if (entry->section[0] && (entry->place.file != section->place.file ||
                                         entry->section_place.line != section->place.line))
                break;
            next++;
        }
        if (strcmp(section->section, "profile") == 0)
            r = profile_begin(settings, section, &profile);
        if (!profile)
            continue;
        profile->place = section->place;
        profile->first = first;
        profile->end = next;
        r = profile_read_entries(settings, profile);
    }
    return r;
}

/* --- making ----------------------------------------------------------------------------------- */

static int profile_unknown(
    const struct settings *settings, const char *name, struct ferry_error *error)
{
    AUTO_BYTES struct bytes names = BYTES_EMPTY;

    for (size_t i = 0; profile_names[i]; i++)
        bytes_print(&names, "%s%s", i ? ", " : "", profile_names[i]);
    for (size_t i = 0; i < settings->profile_count; i++)
        if (!is_built_in(settings->profiles[i].name))
            bytes_print(&names, ", %s", settings->profiles[i].name);
    if (bytes_failed(&names))
        return error_set_errno(error, -ENOMEM, name, NULL);
    return error_set(
        error, -ENOENT, name, NULL, "there is no profile of that name; there are: %s", names.data);
}

/* The profiles that `profile` begins as, itself first.
 *   chain     room for all
 *   ret_root  the built-in one at the end, or NULL
 * Returns how many, 0 when something is wrong with them. */
static size_t profile_chain(struct settings *settings, struct profile_settings *profile,
    struct profile_settings **chain, const char **ret_root)
{
    struct profile_settings *start = profile;
    size_t count = 0;
    struct ferry_error error;

    *ret_root = NULL;
    for (;;) {
        chain[count++] = profile;
        if (profile->broken)
            return 0;
        const struct config_entry *extends = profile->extends;
        if (!extends)
            return count;
        if (is_built_in(extends->value)) {
            *ret_root = extends->value;
            return count;
        }
        profile = profile_find(settings, extends->value);
        if (!profile && chain[count - 1] == start) {
            profile_unknown(settings, extends->value, &error);
            (void)profile_problem(
                settings, &extends->place, extends->key, "%s: %s", error.thing, error.reason);
        }
        if (profile == start)
            (void)profile_problem(settings, &start->extends->place, start->extends->key,
                "in the end %s extends itself; let one of them extend nothing", start->name);
        if (!profile || profile == start || count == settings->profile_count)
            return 0;
    }
}

static int profile_make(
    struct settings *settings, struct profile_settings *profile, struct profile_settings **chain)
{
    const char *root;
    size_t count = profile_chain(settings, profile, chain, &root);

    if (count == 0) {
        profile->broken = true;
        return 0;
    }
    int r = ferry_profile_new(root, &profile->profile);
    while (count-- > 0 && r == 0) {
        for (size_t i = chain[count]->first; i < chain[count]->end && r == 0; i++) {
            const struct config_entry *entry = config_get_entry(settings->config, i);
            if (entry != chain[count]->extends && entry->section[0])
                r = ferry_profile_set(profile->profile, entry->key, entry->value, NULL);
        }
    }
    return r;
}

int settings_read_profiles(struct settings *settings)
{
    int r = profiles_collect(settings);
    size_t count = settings->profile_count;
    AUTO_FREE struct profile_settings **chain =
        calloc(count + 1, sizeof(struct profile_settings *));

    if (!chain)
        return -ENOMEM;
    for (size_t i = 0; i < count && r == 0; i++)
        r = profile_make(settings, &settings->profiles[i], chain);
    return r;
}

/* --- finding ---------------------------------------------------------------------------------- */

int settings_find_profile(struct settings *settings, const char *name,
    const struct ferry_profile **ret_profile, struct ferry_error *error)
{
    struct profile_settings *found = profile_find(settings, name);

    if (!found && is_built_in(name)) {
        int r = profile_append(settings, name, &found);
        if (r == 0)
            r = ferry_profile_new(name, &found->profile);
        if (r < 0)
            return error_set_errno(error, r, name, NULL);
    }
    if (!found)
        return profile_unknown(settings, name, error);
    *ret_profile = found->profile;
    return 0;
}
