/* policy.h (internal) - what stands behind the public, opaque ferry_policy.
 *
 * What deciding looks at lies together, sixteen bytes a rule, so that a thousand rules stay in the
 * first-level cache; what is told of a rule, and what settles the few that a look at these
 * bytes leaves open, lies apart.
 */
#ifndef FERRY_CHANNEL_POLICY_H
#define FERRY_CHANNEL_POLICY_H

#include "wire/subject.h"

#include <ferry/policy.h>

struct rule {
    uint8_t allow;
    uint8_t subject; /* enum subject_kind, names looked up: never SUBJECT_USER, SUBJECT_GROUP */
    uint8_t slot;    /* where a search keeps what is compared with `id`: enum rule_slot */
    uint8_t shift;   /* peer: lowest bits of `id` that are not compared; else 0 */
    uint64_t id;     /* uid, gid; exe, unit: name_hash() of its name; peer: host_head() */
};

enum rule_slot {
    SLOT_NONE, /* nothing to compare: any host, or anybody */
    SLOT_UID,
    SLOT_GID,
    SLOT_EXE,
    SLOT_UNIT,
    SLOT_IPV4,
    SLOT_IPV6,
    SLOT_COUNT
};

struct rule_more {
    char *text;              /* "deny uid:1000" */
    char *name;              /* exe: its path without links; unit: with its type; else NULL */
    struct host_range range; /* peer */
    uint64_t hits, refusals;
};

struct ferry_policy {
    struct rule *rules;
    struct rule_more *more;
    size_t count, capacity, more_capacity;
    uint64_t unmatched; /* verdicts that no rule led to */
};

/* Appends a rule.
 *   subject  what it is about; names looked up, name borrowed
 *   text     what it was written as
 *   note     follows in parentheses; NULL: nothing does
 * Returns 0, -E2BIG, -ENOMEM. */
int policy_append(struct ferry_policy *policy, bool allow, const struct subject *subject,
    const char *text, const char *note);
/* Of the name of a program or unit, so that most of those that differ need not be compared. */
uint64_t name_hash(const char *name, size_t size);
/* The first eight bytes of a host, as a number. */
uint64_t host_head(const struct host_range *range);
/* Forgets the rules from `count` on. */
void policy_cut(struct ferry_policy *policy, size_t count);

#endif
