/* policy.c - what must hold of rules and verdicts.
 *
 * A peer is made up of the first bytes, the rest are rules, one line each. What the policy decides
 * is compared with what the same words mean when they are read one after the other: no slots, no
 * hashes, nothing kept from rule to rule.
 */
#include "channel/policy.h"
#include "base/account.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "properties.h"
#include "require.h"
#include "wire/subject.h"

#include <ferry/ferry.h>
#include <string.h>

enum match { MATCH_NO, MATCH_YES, MATCH_UNKNOWN };

enum { GROUPS_MAX = 4 };

/* The bytes that a peer is made of. Numbers are small, so that rules meet them. */
struct sample {
    uint8_t known; /* 1 << enum known_fact */
    uint8_t uid, gid;
    uint8_t group_count, groups[GROUPS_MAX];
    uint8_t executable, unit;
    uint8_t ipv4;
    uint8_t host[16];
};

enum known_fact { KNOWN_UID, KNOWN_GID, KNOWN_GROUPS, KNOWN_EXECUTABLE, KNOWN_UNIT, KNOWN_HOST };

struct peer {
    struct ferry_identity *who;
    unsigned known;
    unsigned uid, gid;
    gid_t groups[GROUPS_MAX];
    size_t group_count;
    char *executable; /* without " (deleted)" */
    bool deleted;
    const char *unit;
    unsigned char host[16];
};

static bool peer_knows(const struct peer *peer, enum known_fact fact)
{
    return peer->known & 1u << fact;
}

/* --- making it up ----------------------------------------------------------------------------- */

static void peer_read(const struct sample *sample, struct peer *peer)
{
    static const char *const programs[] = { "/bin/sh", "/bin/cat", "/no/program", "/bin/sh" };
    static const char *const units[] = { "cron.service", "user.scope", "odd name", "" };
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    size_t program = sample->executable % COUNT_OF(programs);

    *peer = (struct peer){ .known = sample->known, .uid = sample->uid, .gid = sample->gid };
    peer->group_count = sample->group_count % (GROUPS_MAX + 1);
    for (size_t i = 0; i < peer->group_count; i++)
        peer->groups[i] = sample->groups[i];
    peer->executable = realpath(programs[program], NULL);
    if (!peer->executable)
        peer->executable = strdup(programs[program]);
    REQUIRE(peer->executable);
    peer->deleted = program + 1 == COUNT_OF(programs);
    peer->unit = units[sample->unit % COUNT_OF(units)];
    memcpy(peer->host, sample->host, sizeof(peer->host));
    if (sample->ipv4)
        memcpy(peer->host, mapped, sizeof(mapped));
}

static void peer_tell(struct peer *peer)
{
    char path[4096];

    REQUIRE(ferry_identity_new(&peer->who) == 0);
    if (peer_knows(peer, KNOWN_UID))
        REQUIRE(
            ferry_identity_set_number(peer->who, FERRY_FACT_UID, peer->uid, FERRY_AT_CONNECT) == 0);
    if (peer_knows(peer, KNOWN_GID))
        REQUIRE(
            ferry_identity_set_number(peer->who, FERRY_FACT_GID, peer->gid, FERRY_AT_CONNECT) == 0);
    if (peer_knows(peer, KNOWN_GROUPS))
        REQUIRE(ferry_identity_set_groups(
                    peer->who, peer->groups, peer->group_count, FERRY_AT_CONNECT) == 0);
    if (peer_knows(peer, KNOWN_UNIT))
        REQUIRE(
            ferry_identity_set_text(peer->who, FERRY_FACT_UNIT, peer->unit, FERRY_BY_PIDFD) == 0);
    if (peer_knows(peer, KNOWN_HOST))
        ferry_identity_set_host(peer->who, peer->host, FERRY_AT_CONNECT);
    if (peer_knows(peer, KNOWN_EXECUTABLE)) {
        snprintf(path, sizeof(path), "%s%s", peer->executable, peer->deleted ? " (deleted)" : "");
        REQUIRE(
            ferry_identity_set_text(peer->who, FERRY_FACT_EXECUTABLE, path, FERRY_BY_PIDFD) == 0);
    }
}

/* --- what the words mean ---------------------------------------------------------------------- */

static enum match match_of(bool matches)
{
    return matches ? MATCH_YES : MATCH_NO;
}

static enum match group_match(const struct peer *peer, unsigned gid)
{
    if (peer_knows(peer, KNOWN_GID) && peer->gid == gid)
        return MATCH_YES;
    for (size_t i = 0; peer_knows(peer, KNOWN_GROUPS) && i < peer->group_count; i++)
        if (peer->groups[i] == gid)
            return MATCH_YES;
    return peer_knows(peer, KNOWN_GID) && peer_knows(peer, KNOWN_GROUPS) ? MATCH_NO : MATCH_UNKNOWN;
}

static enum match executable_match(const struct peer *peer, const char *path)
{
    AUTO_FREE char *real = realpath(path, NULL);

    if (!peer_knows(peer, KNOWN_EXECUTABLE))
        return MATCH_UNKNOWN;
    REQUIRE(real); /* or it were no rule */
    if (strcmp(real, peer->executable) != 0)
        return MATCH_NO;
    return peer->deleted ? MATCH_UNKNOWN : MATCH_YES;
}

static enum match unit_match(const struct peer *peer, const char *name)
{
    AUTO_FREE char *whole = NULL;

    if (!peer_knows(peer, KNOWN_UNIT))
        return MATCH_UNKNOWN;
    REQUIRE(subject_unit_name(name, &whole) == 0);
    return match_of(strcmp(whole, peer->unit) == 0);
}

static bool bit_of(const uint8_t *host, unsigned bit)
{
    return host[bit / 8] >> (7 - bit % 8) & 1;
}

/* Bit for bit. No IPv4 host is in a range of IPv6. */
static enum match host_match(const struct peer *peer, const struct host_range *range)
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    bool ipv4 = memcmp(peer->host, mapped, sizeof(mapped)) == 0;
    const uint8_t *host = peer->host + (ipv4 ? sizeof(mapped) : 0);

    if (!peer_knows(peer, KNOWN_HOST))
        return MATCH_UNKNOWN;
    if (range->ipv6 == ipv4)
        return MATCH_NO;
    for (unsigned bit = 0; bit < range->bits; bit++)
        if (bit_of(host, bit) != bit_of(range->host, bit))
            return MATCH_NO;
    return MATCH_YES;
}

static enum match word_match(const struct peer *peer, const char *word)
{
    struct subject subject;

    REQUIRE(subject_parse(word, &subject, NULL) == 0);
    switch (subject.kind) {
    case SUBJECT_USER:
        REQUIRE(user_find(subject.name, &subject.id) == 0);
        /* fall through */
    case SUBJECT_UID:
        return peer_knows(peer, KNOWN_UID) ? match_of(subject.id == peer->uid) : MATCH_UNKNOWN;
    case SUBJECT_GROUP:
        REQUIRE(group_find(subject.name, &subject.id) == 0);
        /* fall through */
    case SUBJECT_GID:
        return group_match(peer, subject.id);
    case SUBJECT_EXE:
        return executable_match(peer, subject.name);
    case SUBJECT_UNIT:
        return unit_match(peer, subject.name);
    case SUBJECT_PEER:
        return host_match(peer, &subject.range);
    default:
        return MATCH_YES;
    }
}

/* "allow uid:0" in two. */
static const char *rule_word(const char *text, bool *ret_allow)
{
    *ret_allow = strncmp(text, "allow ", 6) == 0;
    REQUIRE(*ret_allow || strncmp(text, "deny ", 5) == 0);
    return text + (*ret_allow ? 6 : 5);
}

/* --- what must hold --------------------------------------------------------------------------- */

static void require_decides(struct ferry_policy *policy, const struct peer *peer)
{
    struct ferry_verdict verdict, again;
    enum match match = MATCH_NO;
    size_t count = ferry_policy_count(policy), i = 0;
    uint64_t hits_before = 0, hits = 0;
    bool allow = false;

    for (; i < count && match == MATCH_NO; i++)
        match = word_match(peer, rule_word(ferry_policy_rule(policy, i + 1, NULL), &allow));
    if (match != MATCH_NO)
        ferry_policy_rule(policy, i, &hits_before);
    ferry_policy_decide(policy, peer->who, &verdict);
    ferry_policy_decide(policy, peer->who, &again);
    REQUIRE(verdict.rule == (match == MATCH_NO ? 0 : (int)i));
    REQUIRE(verdict.allowed == (match == MATCH_YES && allow));
    REQUIRE(again.rule == verdict.rule && again.allowed == verdict.allowed);
    REQUIRE(strcmp(again.text, verdict.text) == 0 && verdict.text[0]);
    if (match != MATCH_NO)
        ferry_policy_rule(policy, i, &hits);
    REQUIRE(match == MATCH_NO || hits == hits_before + 2);
}

/* A rule's text, read again, is that rule. */
static void require_reads_again(const struct ferry_policy *policy)
{
    for (size_t i = 0; i < ferry_policy_count(policy); i++) {
        const struct rule *rule = &policy->rules[i];
        const struct rule_more *more = &policy->more[i];
        struct ferry_policy *other;
        bool allow;
        const char *word = rule_word(more->text, &allow);
        REQUIRE(ferry_policy_new(&other) == 0);
        REQUIRE(ferry_policy_add(other, allow, word, NULL) == 0);
        REQUIRE(ferry_policy_count(other) == 1);
        REQUIRE(strcmp(ferry_policy_rule(other, 1, NULL), more->text) == 0);
        REQUIRE(other->rules->allow == rule->allow && other->rules->subject == rule->subject);
        REQUIRE(other->rules->slot == rule->slot && other->rules->shift == rule->shift);
        REQUIRE(other->rules->id == rule->id);
        REQUIRE(!more->name || strcmp(more->name, other->more->name) == 0);
        ferry_policy_free(other);
    }
}

/* Adds a line of rules: all of it, or nothing. */
static void policy_add(struct ferry_policy *policy, const char *line)
{
    size_t before = ferry_policy_count(policy);
    struct ferry_error error = { 0 };
    bool allow = strncmp(line, "allow ", 6) == 0;
    const char *subjects = allow ? line + 6 : strncmp(line, "deny ", 5) == 0 ? line + 5 : line;

    int r = ferry_policy_add(policy, allow, subjects, &error);
    if (r == 0) {
        REQUIRE(ferry_policy_count(policy) > before);
        return;
    }
    REQUIRE(ferry_policy_count(policy) == before);
    REQUIRE(error.code == r && error.thing[0] && error.reason[0]);
}

int property_policy(const uint8_t *data, size_t size)
{
    struct sample sample;
    struct peer peer;
    struct ferry_policy *policy;

    property_subject(data, size);
    property_cgroup(data, size);
    if (size < sizeof(sample))
        return 0;
    memcpy(&sample, data, sizeof(sample));
    AUTO_FREE char *text = strndup((const char *)data + sizeof(sample), size - sizeof(sample));
    REQUIRE(text && ferry_policy_new(&policy) == 0);
    size_t descriptors = count_descriptors();
    peer_read(&sample, &peer);
    peer_tell(&peer);
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        policy_add(policy, line);
    require_decides(policy, &peer);
    require_reads_again(policy);
    REQUIRE(ferry_policy_check(policy, FERRY_HAS_IDENTITY | FERRY_HAS_HOST, NULL) == 0);
    REQUIRE(count_descriptors() == descriptors);
    int found = ferry_policy_count(policy) > 0;
    ferry_identity_free(peer.who);
    ferry_policy_free(policy);
    free(peer.executable);
    return found;
}
