/* profile.c - profiles: the built-in ones, and those that are made of them.
 *
 * Values are read by the address's own readers, so an option means the same wherever it is written.
 *
 * Why the built-in ones say what they say stands in doc/options.md, with what was measured. None of
 * them sets rcvbuf or sndbuf: a fixed buffer switches off the kernel's own growing of TCP's, which
 * goes further than net.core.rmem_max lets anybody ask for.
 */
#include "wire/profile.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "wire/address_parse.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct ferry_profile {
    char *values[ADDRESS_OPTIONS_MAX]; /* by the index of the option table; NULL: not set */
};

struct setting {
    const char *key, *value;
};

/* Many short requests, clients that vanish. */
static const struct setting web[] = {
    { "nodelay", "yes" },
    { "keepalive", "yes" },
    { "keepidle", "60s" },
    { "keepintvl", "15s" },
    { "keepcnt", "4" },
    { "user-timeout", "60s" },
    { "defer-accept", "3s" },
    { "notsent-lowat", "128k" },
    { NULL, NULL },
};

/* Small messages that are worth nothing when they are late. */
static const struct setting realtime[] = {
    { "nodelay", "yes" },
    { "quickack", "yes" },
    { "tos", "ef" },
    { "priority", "6" },
    { "keepalive", "yes" },
    { "keepidle", "10s" },
    { "keepintvl", "2s" },
    { "keepcnt", "3" },
    { "user-timeout", "15s" },
    { "notsent-lowat", "16k" },
    { NULL, NULL },
};

/* Much, and no hurry. */
static const struct setting bulk[] = {
    { "nodelay", "no" },
    { "tos", "cs1" },
    { "keepalive", "yes" },
    { "keepidle", "5m" },
    { "keepintvl", "30s" },
    { "keepcnt", "6" },
    { NULL, NULL },
};

const char *const profile_names[] = { "web", "realtime", "bulk", NULL };
static const struct setting *const profiles[] = { web, realtime, bulk };
static_assert(COUNT_OF(profile_names) == COUNT_OF(profiles) + 1, "a name each");

int ferry_profile_new(const char *extends, struct ferry_profile **ret_profile)
{
    size_t index = 0;

    while (extends && profile_names[index] && strcmp(profile_names[index], extends) != 0)
        index++;
    if (extends && !profile_names[index])
        return -ENOENT;
    struct ferry_profile *profile = calloc(1, sizeof(*profile));
    int r = profile ? 0 : -ENOMEM;
    for (const struct setting *next = profiles[index]; r == 0 && extends && next->key; next++)
        r = ferry_profile_set(profile, next->key, next->value, NULL);
    if (r < 0) {
        ferry_profile_free(profile);
        return r;
    }
    *ret_profile = profile;
    return 0;
}

void ferry_profile_free(struct ferry_profile *profile)
{
    for (size_t i = 0; profile && i < ADDRESS_OPTIONS_MAX; i++)
        free(profile->values[i]);
    free(profile);
}

int ferry_profile_set(
    struct ferry_profile *profile, const char *key, const char *value, struct ferry_error *error)
{
    const struct address_source source = { value, NULL, error };
    struct address_part part = { .end = strlen(value) };
    AUTO_BYTES struct bytes read = BYTES_EMPTY;
    int index = address_option_index_socket(key);

    if (index < 0)
        return error_set(
            error, -ENOENT, key, "ferry-address(7) lists them", "is the name of no socket option");
    bytes_append_text(&part.bytes, value);
    int r = bytes_failed(&part.bytes) ? address_fail_memory(&source)
                                      : address_read_value(&source, (size_t)index, 0, &part, &read);
    bytes_fini(&part.bytes);
    if (r < 0)
        return r;
    char *text = bytes_take(&read);
    if (!text)
        return address_fail_memory(&source);
    free(profile->values[index]);
    profile->values[index] = text;
    return 0;
}

const char *ferry_profile_get(const struct ferry_profile *profile, const char *key)
{
    int index = address_option_index_socket(key);
    return index < 0 ? NULL : profile->values[index];
}

int profile_copy(const struct ferry_profile *profile, struct ferry_profile **ret_copy)
{
    struct ferry_profile *copy = calloc(1, sizeof(*copy));
    bool failed = !copy;

    for (size_t i = 0; i < ADDRESS_OPTIONS_MAX && !failed; i++) {
        copy->values[i] = profile->values[i] ? strdup(profile->values[i]) : NULL;
        failed = profile->values[i] && !copy->values[i];
    }
    if (failed) {
        ferry_profile_free(copy);
        return -ENOMEM;
    }
    *ret_copy = copy;
    return 0;
}

void profile_print(const struct ferry_profile *profile, struct bytes *text)
{
    for (size_t i = 0; i < ADDRESS_OPTIONS_MAX; i++)
        if (profile->values[i]) {
            bytes_print(text, "%s=%s", address_option_key(i),
                *profile->values[i] ? profile->values[i] : "yes");
            bytes_append(text, "", 1);
        }
}

bool profile_equal(const struct ferry_profile *one, const struct ferry_profile *other)
{
    for (size_t i = 0; i < ADDRESS_OPTIONS_MAX; i++) {
        const char *first = one ? one->values[i] : NULL, *second = other ? other->values[i] : NULL;
        if (!first != !second || (first && strcmp(first, second) != 0))
            return false;
    }
    return true;
}
