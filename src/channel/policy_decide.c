/* policy_decide.c - who may: the verdict.
 *
 * A fact is asked of the identity when the first rule that needs it is reached, and kept for the
 * rest of the search, so that what no reached rule needs costs nothing. A rule that needs a fact
 * which is not known ends the search with a refusal: going on could admit whom the rule would have
 * turned away. Nothing is allocated here, and no rule costs a system call but the one that names
 * the very executable of the peer.
 */
#include "base/cleanup.h"
#include "channel/limits.h"
#include "channel/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum match { MATCH_NO, MATCH_YES, MATCH_UNKNOWN };

/* What a search has learnt of the peer. */
struct search {
    struct ferry_identity *who;
    unsigned asked;              /* 1 << enum ferry_fact */
    unsigned settled;            /* 1 << enum rule_slot: what the peer has there is known ... */
    uint64_t values[SLOT_COUNT]; /* ... and this, to be compared with the id of a rule */
    uint64_t group_bits[POLICY_GROUP_BITS / 64];
    const gid_t *groups; /* ascending; NULL: unknown */
    size_t group_count;
    const char *executable, *unit; /* NULL: unknown */
    size_t executable_size;        /* bytes, without " (deleted)" */
    struct host_range host;
    const char *why; /* of a MATCH_UNKNOWN */
};

/* True the first time. */
static bool search_asks(struct search *search, enum ferry_fact fact)
{
    bool first = !(search->asked & 1u << fact);
    search->asked |= 1u << fact;
    return first;
}

static void search_settle(struct search *search, enum rule_slot slot, uint64_t value)
{
    search->settled |= 1u << slot;
    search->values[slot] = value;
}

static bool search_knows(const struct search *search, enum rule_slot slot)
{
    return search->settled & 1u << slot;
}

static enum match match_unknown(struct search *search, const char *why)
{
    search->why = why;
    return MATCH_UNKNOWN;
}

static enum match match_of(bool matches)
{
    return matches ? MATCH_YES : MATCH_NO;
}

static bool group_bit(const struct search *search, gid_t gid)
{
    return search->group_bits[gid % POLICY_GROUP_BITS / 64] >> gid % 64 & 1;
}

/* Whether a look at the sixteen bytes of a rule tells that it does not match: nearly always, once
 * the fact is known that it needs. False says nothing. */
static inline bool rule_differs(const struct search *search, const struct rule *rule)
{
    return search->settled & 1u << rule->slot &&
           (search->values[rule->slot] ^ rule->id) >> rule->shift != 0 &&
           (rule->subject != SUBJECT_GID || !group_bit(search, (gid_t)rule->id));
}

/* --- users and groups ------------------------------------------------------------------------- */

static enum match match_user(struct search *search, uid_t uid)
{
    if (search_asks(search, FERRY_FACT_UID) && ferry_identity_known(search->who, FERRY_FACT_UID))
        search_settle(search, SLOT_UID, ferry_identity_uid(search->who));
    if (!search_knows(search, SLOT_UID))
        return match_unknown(search, "nobody vouches for its uid");
    return match_of(search->values[SLOT_UID] == uid);
}

static void groups_learn(struct search *search)
{
    search->groups = ferry_identity_groups(search->who, &search->group_count);
    for (size_t i = 0; i < search->group_count; i++) {
        unsigned bit = search->groups[i] % POLICY_GROUP_BITS;
        search->group_bits[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    if (search->groups && ferry_identity_known(search->who, FERRY_FACT_GID))
        search_settle(search, SLOT_GID, ferry_identity_gid(search->who));
}

static bool groups_have(const struct search *search, gid_t gid)
{
    size_t low = 0, high = search->group_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (search->groups[middle] < gid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < search->group_count && search->groups[low] == gid;
}

/* The other groups are asked for only where the main one does not do. */
static enum match match_group(struct search *search, gid_t gid)
{
    if (ferry_identity_known(search->who, FERRY_FACT_GID) && ferry_identity_gid(search->who) == gid)
        return MATCH_YES;
    if (search_asks(search, FERRY_FACT_GROUPS))
        groups_learn(search);
    if (groups_have(search, gid))
        return MATCH_YES;
    return search_knows(search, SLOT_GID) ? MATCH_NO
                                          : match_unknown(search, "its groups are unknown");
}

/* --- what it is ------------------------------------------------------------------------------- */

static void executable_learn(struct search *search)
{
    static const char deleted[] = " (deleted)";
    const char *path = ferry_identity_executable(search->who);
    size_t size = path ? strlen(path) : 0, end = sizeof(deleted) - 1;

    search->executable = path;
    search->executable_size =
        size > end && memcmp(path + size - end, deleted, end) == 0 ? size - end : size;
    if (path)
        search_settle(search, SLOT_EXE, name_hash(path, search->executable_size));
}

/* By the path first, which costs no look at the file: only where that is the peer's must the file
 * be the peer's too. If it is not, somebody has replaced the program, or the peer has arranged its
 * view of the files so that another one seems to be at that path. */
static enum match match_executable(struct search *search, const char *path)
{
    if (search_asks(search, FERRY_FACT_EXECUTABLE))
        executable_learn(search);
    if (!search->executable)
        return match_unknown(search, "its executable is unknown");
    if (strlen(path) != search->executable_size ||
        memcmp(path, search->executable, search->executable_size) != 0)
        return MATCH_NO;
    switch (ferry_identity_is_executable(search->who, path)) {
    case 1:
        return MATCH_YES;
    case 0:
        return match_unknown(search, "another file stands there now");
    case -ESRCH:
        return match_unknown(search, "it has gone");
    case -ENOENT:
        return match_unknown(search, "no file stands there now");
    default:
        return match_unknown(search, "that file cannot be looked at");
    }
}

static enum match match_unit(struct search *search, const char *name)
{
    if (search_asks(search, FERRY_FACT_UNIT)) {
        search->unit = ferry_identity_unit(search->who);
        if (search->unit)
            search_settle(search, SLOT_UNIT, name_hash(search->unit, strlen(search->unit)));
    }
    if (!search->unit)
        return match_unknown(search, "its unit is unknown");
    return match_of(strcmp(search->unit, name) == 0);
}

/* What a host of the other kind is compared with: no host of either begins so. */
#define NO_HOST UINT64_MAX

static void host_learn(struct search *search)
{
    const unsigned char *address = ferry_identity_host(search->who);

    if (!address || !host_range_of(address, 16, &search->host))
        return;
    uint64_t head = host_head(&search->host);
    search_settle(search, SLOT_IPV4, search->host.ipv6 ? NO_HOST : head);
    search_settle(search, SLOT_IPV6, search->host.ipv6 ? head : NO_HOST);
}

static enum match match_peer(struct search *search, const struct host_range *range)
{
    if (search_asks(search, FERRY_FACT_HOST))
        host_learn(search);
    if (!search_knows(search, SLOT_IPV4))
        return match_unknown(search, "its host is unknown");
    return match_of(host_range_has(range, &search->host));
}

/* --- the verdict ------------------------------------------------------------------------------ */

static enum match rule_match(
    struct search *search, const struct rule *rule, const struct rule_more *more)
{
    switch ((enum subject_kind)rule->subject) {
    case SUBJECT_UID:
        return match_user(search, (uid_t)rule->id);
    case SUBJECT_GID:
        return match_group(search, (gid_t)rule->id);
    case SUBJECT_EXE:
        return match_executable(search, more->name);
    case SUBJECT_UNIT:
        return match_unit(search, more->name);
    case SUBJECT_PEER:
        return match_peer(search, &more->range);
    default:
        return MATCH_YES;
    }
}

/* Why a fact was missing is told even where the rule's text must be cut for it. */
static void verdict_explain(struct ferry_verdict *verdict, const char *rule, const char *why)
{
    static const char but[] = ", but ";
    size_t reserved = why ? strlen(but) + strlen(why) + 1 : 1;

    snprintf(verdict->text, sizeof(verdict->text), "%.*s%s%s",
        (int)(sizeof(verdict->text) - reserved), rule, why ? but : "", why ? why : "");
}

void ferry_policy_decide(
    struct ferry_policy *policy, struct ferry_identity *identity, struct ferry_verdict *ret_verdict)
{
    struct search search = { .who = identity };

    *ret_verdict = (struct ferry_verdict){ .text = "no rule admits it" };
    for (size_t i = 0; i < policy->count; i++) {
        const struct rule *rule = &policy->rules[i];
        struct rule_more *more = &policy->more[i];
        if (rule_differs(&search, rule))
            continue;
        enum match match = rule_match(&search, rule, more);
        if (match == MATCH_NO)
            continue;
        ret_verdict->rule = (int)i + 1;
        ret_verdict->allowed = match == MATCH_YES && rule->allow;
        verdict_explain(ret_verdict, more->text, match == MATCH_YES ? NULL : search.why);
        more->hits++;
        more->refusals += !ret_verdict->allowed;
        return;
    }
    policy->unmatched++;
}
