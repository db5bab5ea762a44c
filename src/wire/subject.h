/* subject.h - whom a rule is about: one word, as it stands after allow and deny.
 *
 *     any | uid:NUMBER | user:NAME | gid:NUMBER | group:NAME | exe:PATH | unit:NAME |
 *     peer:ADDRESS[/BITS]
 *
 * Words of one rule are parted by blanks or commas. Pure: whether a user, group or file of that
 * name is there, the policy asks when it takes the rule.
 */
#ifndef FERRY_WIRE_SUBJECT_H
#define FERRY_WIRE_SUBJECT_H

#include <ferry/error.h>
#include <stdbool.h>
#include <stdint.h>

/* What parts the words of a list of subjects. */
#define SUBJECT_BLANKS " \t,"

enum subject_kind {
    SUBJECT_ANY,
    SUBJECT_UID,
    SUBJECT_USER,
    SUBJECT_GID,
    SUBJECT_GROUP,
    SUBJECT_EXE,
    SUBJECT_UNIT,
    SUBJECT_PEER,
};

/* The hosts whose address begins with the first `bits` of `host`; the rest of it is zero. */
struct host_range {
    bool ipv6;
    unsigned bits;    /* 0 to 32, of IPv6 to 128 */
    uint8_t host[16]; /* in network order; IPv4 in the first four */
};

struct subject {
    enum subject_kind kind;
    unsigned id;             /* uid, gid */
    const char *name;        /* user, group, exe, unit: borrowed, the end of the word */
    struct host_range range; /* peer */
};

/* Reads one word. An IPv6 range that is one of IPv4-mapped addresses becomes the IPv4 range.
 *   error  may be NULL; its thing is the word
 * Returns 0 or -EINVAL. */
int subject_parse(const char *word, struct subject *ret_subject, struct ferry_error *error);

/* The whole name of a unit: "nginx" is nginx.service, as for systemctl(1).
 *   ret_name  free it; -ENOMEM */
int subject_unit_name(const char *name, char **ret_name);

/* Brings a host (4 or 16 bytes in network order) into the form of struct host_range: an IPv4-mapped
 * address becomes IPv4. Returns false for another size. */
bool host_range_of(const void *address, size_t size, struct host_range *ret_host);
/* Whether a host, as host_range_of() made it, is in a range. */
bool host_range_has(const struct host_range *range, const struct host_range *host);

#endif
