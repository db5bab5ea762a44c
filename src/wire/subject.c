/* subject.c - whom a rule is about: one word, as it stands after allow and deny.
 *
 * What is not written as it must be is refused with the way it would be right; nothing is guessed,
 * since a rule that means another peer than its author thought is a hole.
 */
#include "wire/subject.h"
#include "base/account.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/host.h"
#include "base/number.h"
#include "wire/address_parse.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

/* --- hosts ------------------------------------------------------------------------------------ */

static int family_of(const struct host_range *range)
{
    return range->ipv6 ? AF_INET6 : AF_INET;
}

/* Clears all after the first `bits`; false: there was nothing to clear. */
static bool host_cut(uint8_t *host, size_t size, unsigned bits)
{
    bool cut = false;
    for (size_t i = 0; i < size; i++) {
        unsigned kept = bits > i * 8 ? bits - (unsigned)i * 8 : 0;
        uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00u >> kept);
        cut = cut || (host[i] & ~mask);
        host[i] &= mask;
    }
    return cut;
}

static void host_unmap(struct host_range *range)
{
    bool whole = range->ipv6 && range->bits >= HOST_MAPPED_SIZE * 8;
    const uint8_t *ipv4 = whole ? host_ipv4(range->host) : NULL;
    if (!ipv4)
        return;
    memcpy(range->host, ipv4, host_size(AF_INET));
    memset(range->host + host_size(AF_INET), 0, HOST_MAPPED_SIZE);
    range->bits -= HOST_MAPPED_SIZE * 8;
    range->ipv6 = false;
}

bool host_range_of(const void *address, size_t size, struct host_range *ret_host)
{
    if (size != host_size(AF_INET6) && size != host_size(AF_INET))
        return false;
    *ret_host =
        (struct host_range){ .ipv6 = size == host_size(AF_INET6), .bits = (unsigned)size * 8 };
    memcpy(ret_host->host, address, size);
    host_unmap(ret_host);
    return true;
}

bool host_range_has(const struct host_range *range, const struct host_range *host)
{
    size_t whole = range->bits / 8;
    uint8_t mask = (uint8_t)(0xff00u >> range->bits % 8);

    if (range->ipv6 != host->ipv6 || memcmp(range->host, host->host, whole) != 0)
        return false;
    return !mask || !((range->host[whole] ^ host->host[whole]) & mask);
}

static int peer_expected(const char *word, struct ferry_error *error)
{
    return error_set(error, -EINVAL, word, NULL,
        "expected a host as 192.0.2.7 or 2001:db8::7, or a range of them as 10.0.0.0/8");
}

static int peer_read(
    const char *word, const char *text, struct host_range *range, struct ferry_error *error)
{
    char host[INET6_ADDRSTRLEN], remedy[INET6_ADDRSTRLEN + 32];
    size_t length = strcspn(text, "/");
    unsigned most;

    if (length >= sizeof(host))
        return peer_expected(word, error);
    memcpy(host, text, length);
    host[length] = '\0';
    range->ipv6 = strchr(host, ':') != NULL;
    most = (unsigned)host_size(family_of(range)) * 8;
    if (inet_pton(family_of(range), host, range->host) != 1)
        return peer_expected(word, error);
    int64_t bits = text[length] ? number_parse(text + length + 1, 10, most) : most;
    if (bits < 0)
        return error_set(error, -EINVAL, word, NULL, "expected 0 to %u bits after the slash", most);
    range->bits = (unsigned)bits;
    if (host_cut(range->host, sizeof(range->host), range->bits)) {
        inet_ntop(family_of(range), range->host, host, sizeof(host));
        snprintf(remedy, sizeof(remedy), "say peer:%s/%u", host, range->bits);
        return error_set(
            error, -EINVAL, word, remedy, "bits are set beyond the first %u", range->bits);
    }
    host_unmap(range);
    return 0;
}

/* --- words ------------------------------------------------------------------------------------ */

static const struct {
    const char *prefix, *expected;
} kinds[] = {
    [SUBJECT_ANY] = { "", "" },
    [SUBJECT_UID] = { "uid:", "a number" },
    [SUBJECT_USER] = { "user:", "a name" },
    [SUBJECT_GID] = { "gid:", "a number" },
    [SUBJECT_GROUP] = { "group:", "a name" },
    [SUBJECT_EXE] = { "exe:", "the absolute path of a program" },
    [SUBJECT_UNIT] = { "unit:", "the name of a systemd unit, as nginx.service" },
    [SUBJECT_PEER] = { "peer:", "" },
};

/* Whether `text` can stand after the prefix; peer: is read by itself. */
static bool value_read(struct subject *subject, const char *text)
{
    switch (subject->kind) {
    case SUBJECT_UID:
    case SUBJECT_GID:
        return account_parse(text, &subject->id) == 0;
    case SUBJECT_EXE:
        return text[0] == '/' && text[1];
    case SUBJECT_UNIT:
        return text[0] && text[0] != '.' && !strchr(text, '/');
    default:
        return text[0] != '\0';
    }
}

int subject_parse(const char *word, struct subject *ret_subject, struct ferry_error *error)
{
    struct subject subject = { .kind = SUBJECT_ANY };

    if (strcmp(word, "any") == 0) {
        *ret_subject = subject;
        return 0;
    }
    for (size_t i = SUBJECT_UID; i < COUNT_OF(kinds); i++) {
        size_t length = strlen(kinds[i].prefix);
        if (strncmp(word, kinds[i].prefix, length) != 0)
            continue;
        subject.kind = (enum subject_kind)i;
        subject.name = word + length;
        int r = subject.kind == SUBJECT_PEER ? peer_read(word, subject.name, &subject.range, error)
                : value_read(&subject, subject.name)
                    ? 0
                    : error_set(error, -EINVAL, word, NULL, "expected %s after %s",
                          kinds[i].expected, kinds[i].prefix);
        if (r == 0)
            *ret_subject = subject;
        return r;
    }
    return error_set(error, -EINVAL, word, NULL,
        "expected uid:NUMBER, user:NAME, gid:NUMBER, group:NAME, exe:PATH, unit:NAME, "
        "peer:HOST[/BITS] or any");
}

/* These are the types that have processes. */
int subject_unit_name(const char *name, char **ret_name)
{
    static const char *const types[] = { ".service", ".scope", ".socket", ".mount", ".swap" };
    size_t length = strlen(name);
    bool typed = false;

    for (size_t i = 0; i < COUNT_OF(types); i++) {
        size_t size = strlen(types[i]);
        typed = typed || (length > size && strcmp(name + length - size, types[i]) == 0);
    }
    return asprintf(ret_name, "%s%s", name, typed ? "" : ".service") < 0 ? -ENOMEM : 0;
}
