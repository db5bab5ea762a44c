/* policy.c - who may: ordered rules, first match wins.
 *
 * Names and paths are looked up when a rule is added, so deciding is comparing numbers. A rule that
 * needs a fact which is not known ends the search with a refusal: going on could admit whom the
 * rule would have turned away.
 */
#include "channel/policy.h"
#include "base/account.h"
#include "base/array.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "channel/limits.h"

#include <errno.h>
#include <ferry/channel.h>
#include <string.h>
#include <sys/stat.h>

int ferry_policy_new(struct ferry_policy **ret_policy)
{
    struct ferry_policy *policy = calloc(1, sizeof(*policy));
    if (!policy)
        return -ENOMEM;
    *ret_policy = policy;
    return 0;
}

void policy_cut(struct ferry_policy *policy, size_t count)
{
    while (policy->count > count) {
        struct rule_more *more = &policy->more[--policy->count];
        free(more->text);
        free(more->name);
    }
}

void ferry_policy_free(struct ferry_policy *policy)
{
    if (!policy)
        return;
    policy_cut(policy, 0);
    free(policy->rules);
    free(policy->more);
    free(policy);
}

/* Room for one rule more. */
static int policy_grow(struct ferry_policy *policy)
{
    if (policy->count >= POLICY_RULES_MAX)
        return -E2BIG;
    bool room =
        array_reserve(&policy->rules, policy->count, &policy->capacity, sizeof(*policy->rules)) &&
        array_grow(&policy->more, policy->capacity, &policy->more_capacity, sizeof(*policy->more));
    return room ? 0 : -ENOMEM;
}

/* Nobody gains by a collision, since names are compared as well. */
uint64_t name_hash(const char *name, size_t size)
{
    return hash_add(HASH_EMPTY, name, size);
}

uint64_t host_head(const struct host_range *range)
{
    uint64_t head = 0;
    for (size_t i = 0; i < sizeof(head); i++)
        head = head << 8 | range->host[i];
    return head;
}

/* The sixteen bytes that stand for a subject. */
static struct rule rule_of(bool allow, const struct subject *subject)
{
    static const uint8_t slots[] = { [SUBJECT_ANY] = SLOT_NONE,
        [SUBJECT_UID] = SLOT_UID,
        [SUBJECT_GID] = SLOT_GID,
        [SUBJECT_EXE] = SLOT_EXE,
        [SUBJECT_UNIT] = SLOT_UNIT,
        [SUBJECT_PEER] = SLOT_IPV4 };
    struct rule rule = { .allow = allow,
        .subject = (uint8_t)subject->kind,
        .slot = slots[subject->kind],
        .id = subject->id };

    if (subject->kind == SUBJECT_EXE || subject->kind == SUBJECT_UNIT)
        rule.id = name_hash(subject->name, strlen(subject->name));
    if (subject->kind == SUBJECT_PEER) {
        unsigned bits = subject->range.bits;
        rule.id = host_head(&subject->range);
        rule.slot = bits == 0 ? SLOT_NONE : subject->range.ipv6 ? SLOT_IPV6 : SLOT_IPV4;
        rule.shift = bits == 0 || bits >= 64 ? 0 : (uint8_t)(64 - bits);
    }
    return rule;
}

int policy_append(struct ferry_policy *policy, bool allow, const struct subject *subject,
    const char *text, const char *note)
{
    AUTO_BYTES struct bytes whole = BYTES_EMPTY;
    bool named = subject->kind == SUBJECT_EXE || subject->kind == SUBJECT_UNIT;
    struct rule_more more = { .range = subject->range };

    int r = policy_grow(policy);
    if (r < 0)
        return r;
    bytes_print(&whole, "%s %s", allow ? "allow" : "deny", text);
    if (note)
        bytes_print(&whole, " (%s)", note);
    more.name = named ? strdup(subject->name) : NULL;
    more.text = bytes_take(&whole);
    policy->rules[policy->count] = rule_of(allow, subject);
    policy->more[policy->count++] = more;
    if (more.text && (more.name || !named))
        return 0;
    policy_cut(policy, policy->count - 1);
    return -ENOMEM;
}

/* --- adding ----------------------------------------------------------------------------------- */

/* A path without links, as the kernel shows a process's executable. */
static int program_find(
    const char *word, const char *path, char **ret_real, struct ferry_error *error)
{
    static const char remedy[] = "name an installed program, as exe:/usr/bin/curl";
    struct stat status;
    AUTO_FREE char *real = realpath(path, NULL);

    if (!real || stat(real, &status) < 0)
        return error_set(error, -errno, word, remedy, "%s", strerrordesc_np(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(error, -EINVAL, word, remedy, "is no program's file");
    *ret_real = TAKE(real);
    return 0;
}

static int account_find(const char *word, struct subject *subject, struct ferry_error *error)
{
    bool user = subject->kind == SUBJECT_USER;
    int r = user ? user_find(subject->name, &subject->id) : group_find(subject->name, &subject->id);

    subject->kind = user ? SUBJECT_UID : SUBJECT_GID;
    if (r == -ENOENT)
        return error_set(error, r, word, user ? "see getent passwd" : "see getent group",
            "there is no such %s", user ? "user" : "group");
    return r < 0 ? error_set_errno(error, r, word, NULL) : 0;
}

static int rule_add(
    struct ferry_policy *policy, bool allow, const char *word, struct ferry_error *error)
{
    AUTO_FREE char *name = NULL;
    struct subject subject;

    int r = subject_parse(word, &subject, error);
    if (r < 0)
        return r;
    if (subject.kind == SUBJECT_USER || subject.kind == SUBJECT_GROUP)
        r = account_find(word, &subject, error);
    else if (subject.kind == SUBJECT_EXE)
        r = program_find(word, subject.name, &name, error);
    else if (subject.kind == SUBJECT_UNIT && subject_unit_name(subject.name, &name) < 0)
        r = error_set_errno(error, -ENOMEM, word, NULL);
    if (r < 0)
        return r;
    subject.name = name;
    r = policy_append(policy, allow, &subject, word, NULL);
    if (r == -E2BIG)
        return error_set(error, r, word, "name a group of peers instead of each",
            "a route has at most %u rules", POLICY_RULES_MAX);
    return r < 0 ? error_set_errno(error, r, word, NULL) : 0;
}

int ferry_policy_add(
    struct ferry_policy *policy, bool allow, const char *subjects, struct ferry_error *error)
{
    size_t before = policy->count;
    AUTO_FREE char *copy = strdup(subjects);
    if (!copy)
        return error_set_errno(error, -ENOMEM, subjects, NULL);

    char *rest = copy;
    for (char *word; (word = strsep(&rest, SUBJECT_BLANKS));) {
        int r = *word ? rule_add(policy, allow, word, error) : 0;
        if (r < 0) {
            policy_cut(policy, before);
            return r;
        }
    }
    if (policy->count == before)
        return error_set(error, -EINVAL, allow ? "allow" : "deny",
            "say whom, as uid:1000 group:dev, or any", "no subject follows");
    return 0;
}

int ferry_policy_add_address(
    struct ferry_policy *policy, const struct ferry_address *listen, struct ferry_error *error)
{
    const char *deny = ferry_address_option(listen, "deny");
    const char *allow = ferry_address_option(listen, "allow");
    size_t before = policy->count;

    int r = deny ? ferry_policy_add(policy, false, deny, error) : 0;
    if (r == 0 && allow)
        r = ferry_policy_add(policy, true, allow, error);
    if (r < 0)
        policy_cut(policy, before);
    return r;
}

int ferry_policy_check(
    const struct ferry_policy *policy, unsigned capabilities, struct ferry_error *error)
{
    for (size_t i = 0; i < policy->count; i++) {
        bool peer = policy->rules[i].subject == SUBJECT_PEER;
        if (policy->rules[i].subject == SUBJECT_ANY ||
            capabilities & (peer ? FERRY_HAS_HOST : FERRY_HAS_IDENTITY))
            continue;
        return error_set(error, -EOPNOTSUPP, policy->more[i].text,
            capabilities & FERRY_HAS_HOST ? "only peer:HOST[/BITS] and any can be decided here"
            : capabilities & FERRY_HAS_IDENTITY ? "all but peer: can be decided here"
                                                : "only any can be decided here",
            peer ? "who comes there comes by no network" : "nobody vouches for who comes there");
    }
    return 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

enum ferry_fact ferry_policy_fact(const struct ferry_policy *policy, size_t rule)
{
    switch ((enum subject_kind)policy->rules[rule - 1].subject) {
    case SUBJECT_UID:
        return FERRY_FACT_UID;
    case SUBJECT_GID:
        return FERRY_FACT_GROUPS;
    case SUBJECT_EXE:
        return FERRY_FACT_EXECUTABLE;
    case SUBJECT_UNIT:
        return FERRY_FACT_UNIT;
    case SUBJECT_PEER:
        return FERRY_FACT_HOST;
    default:
        return FERRY_FACT_COUNT;
    }
}

size_t ferry_policy_count(const struct ferry_policy *policy)
{
    return policy->count;
}

const char *ferry_policy_rule(const struct ferry_policy *policy, size_t rule, uint64_t *ret_hits)
{
    const struct rule_more *found = &policy->more[rule - 1];
    if (ret_hits)
        *ret_hits = found->hits;
    return found->text;
}

uint64_t ferry_policy_refusals(const struct ferry_policy *policy, size_t rule)
{
    return rule ? policy->more[rule - 1].refusals : policy->unmatched;
}
