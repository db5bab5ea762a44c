/* policy.c - who may: ordered rules, first match wins.
 *
 * Every name was looked up when its rule was added, so deciding is comparing numbers. A rule that
 * needs a fact which is not known ends the search with a refusal: going on could admit whom the
 * rule would have turned away.
 */
#include "base/account.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "channel/limits.h"
#include "wire/address.h"

#include <errno.h>
#include <ferry/channel.h>
#include <ferry/policy.h>
#include <string.h>
#include <sys/stat.h>

enum subject { SUBJECT_ANY, SUBJECT_UID, SUBJECT_GID };

struct rule {
    bool allow;
    enum subject subject;
    unsigned id; /* uid or gid */
    char *text;
    uint64_t hits;
};

struct ferry_policy {
    struct rule *rules;
    size_t count;
};

int ferry_policy_new(struct ferry_policy **ret_policy)
{
    struct ferry_policy *policy = calloc(1, sizeof(*policy));
    if (!policy)
        return -ENOMEM;
    *ret_policy = policy;
    return 0;
}

/* Forgets the rules from `count` on. */
static void policy_cut(struct ferry_policy *policy, size_t count)
{
    while (policy->count > count)
        free(policy->rules[--policy->count].text);
}

void ferry_policy_free(struct ferry_policy *policy)
{
    if (!policy)
        return;
    policy_cut(policy, 0);
    free(policy->rules);
    free(policy);
}

/* Appends a rule; `note` follows its text in parentheses if not NULL. */
static int policy_append(
    struct ferry_policy *policy, struct rule rule, const char *subject_text, const char *note)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    if (policy->count >= POLICY_RULES_MAX)
        return -E2BIG;
    bytes_print(&text, "%s %s", rule.allow ? "allow" : "deny", subject_text);
    if (note)
        bytes_print(&text, " (%s)", note);
    struct rule *rules = realloc(policy->rules, (policy->count + 1) * sizeof(*rules));
    if (!rules)
        return -ENOMEM;
    policy->rules = rules;
    rule.text = bytes_take(&text);
    if (!rule.text)
        return -ENOMEM;
    rules[policy->count++] = rule;
    return 0;
}

/* --- subjects --------------------------------------------------------------------------------- */

static int subject_read(const char *word, struct rule *rule, struct ferry_error *error)
{
    static const struct {
        const char *prefix;
        enum subject subject;
        int (*read)(const char *text, unsigned *ret_id);
    } kinds[] = {
        { "uid:", SUBJECT_UID, account_parse },
        { "user:", SUBJECT_UID, user_find },
        { "gid:", SUBJECT_GID, account_parse },
        { "group:", SUBJECT_GID, group_find },
    };

    if (strcmp(word, "any") == 0) {
        rule->subject = SUBJECT_ANY;
        return 0;
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        size_t length = strlen(kinds[i].prefix);
        if (strncmp(word, kinds[i].prefix, length) != 0)
            continue;
        rule->subject = kinds[i].subject;
        int r = kinds[i].read(word + length, &rule->id);
        if (r == -ENOENT)
            return error_set(error, r, word, NULL, "there is no such %s",
                kinds[i].subject == SUBJECT_UID ? "user" : "group");
        if (r == -EINVAL)
            return error_set(error, r, word, NULL, "expected a number after %s", kinds[i].prefix);
        return r < 0 ? error_set_errno(error, r, word, NULL) : 0;
    }
    return error_set(error, -EINVAL, word, NULL,
        "expected uid:NUMBER, user:NAME, gid:NUMBER, group:NAME or any");
}

int ferry_policy_add(
    struct ferry_policy *policy, bool allow, const char *subjects, struct ferry_error *error)
{
    static const char blanks[] = " \t,";
    size_t before = policy->count;
    AUTO_FREE char *copy = strdup(subjects);
    if (!copy)
        return error_set_errno(error, -ENOMEM, subjects, NULL);

    char *rest = copy;
    for (char *word; (word = strsep(&rest, blanks));) {
        struct rule rule = { .allow = allow };
        if (!*word)
            continue;
        int r = subject_read(word, &rule, error);
        if (r == 0) {
            r = policy_append(policy, rule, word, NULL);
            if (r < 0)
                error_set_errno(error, r, word, NULL);
        }
        if (r < 0) {
            policy_cut(policy, before);
            return r;
        }
    }
    if (policy->count == before)
        return error_set(error, -EINVAL, allow ? "allow" : "deny", NULL,
            "expected uid:NUMBER, user:NAME, gid:NUMBER, group:NAME or any, found nothing");
    return 0;
}

/* --- what the kernel itself admits ------------------------------------------------------------ */

/* A name or a number, as owner= and group= take them; absent: `own`. */
static int id_read(const struct ferry_address *address, const char *key,
    int (*find)(const char *name, unsigned *ret_id), unsigned own, unsigned *ret_id,
    struct ferry_error *error)
{
    const char *name = ferry_address_option(address, key);
    *ret_id = own;
    if (!name || account_parse(name, ret_id) == 0)
        return 0;
    int r = find(name, ret_id);
    if (r == -ENOENT)
        return error_set(error, r, ferry_address_text(address), NULL, "there is no %s called %s",
            strcmp(key, "owner") == 0 ? "user" : "group", name);
    return r < 0 ? error_set_errno(error, r, ferry_address_text(address), NULL) : 0;
}

/* Whose the path is where the address does not say: a socket's own once it is bound (a setgid
 * directory gives it another group than ours), else what binding would give it. */
static void owner_get(const struct ferry_address *listen, unsigned *ret_uid, unsigned *ret_gid)
{
    struct stat status;
    bool bound = lstat(listen->rest, &status) == 0 && S_ISSOCK(status.st_mode);

    *ret_uid = bound ? status.st_uid : geteuid();
    *ret_gid = bound ? status.st_gid : getegid();
}

static int policy_append_mode(
    struct ferry_policy *policy, struct rule rule, unsigned mode, const char *more)
{
    char note[64], text[32];

    snprintf(note, sizeof(note), "mode=%04o%s", mode, more);
    if (rule.subject == SUBJECT_ANY)
        return policy_append(policy, rule, "any", note);
    snprintf(text, sizeof(text), "%s:%u", rule.subject == SUBJECT_UID ? "uid" : "gid", rule.id);
    return policy_append(policy, rule, text, note);
}

/* What a mode admits. A rule that needs groups stands only where it decides otherwise than the one
 * for the rest, since groups can't always be had; never for datagrams, whose messages tell none:
 * there the kernel's own check at each send has to do. */
static int policy_append_modes(
    struct ferry_policy *policy, unsigned mode, unsigned uid, unsigned gid, bool tells_groups)
{
    struct rule root = { .allow = true, .subject = SUBJECT_UID, .id = 0 };
    struct rule owner = { .allow = mode & 0200, .subject = SUBJECT_UID, .id = uid };
    struct rule group = { .allow = mode & 0020, .subject = SUBJECT_GID, .id = gid };
    struct rule other = { .allow = mode & 0002, .subject = SUBJECT_ANY };
    const char *more = "";

    int r = policy_append(policy, root, "uid:0", "root passes any mode");
    if (r == 0 && uid != 0)
        r = policy_append_mode(policy, owner, mode, "");
    if (r == 0 && group.allow != other.allow && tells_groups)
        r = policy_append_mode(policy, group, mode, "");
    if (group.allow != other.allow && !tells_groups) {
        other.allow = true;
        more = "; a message tells no groups";
    }
    return r == 0 ? policy_append_mode(policy, other, mode, more) : r;
}

/* connect(2) to a path needs write permission: unix(7). Root passes whatever the mode. */
static int policy_add_mode(
    struct ferry_policy *policy, const struct ferry_address *listen, struct ferry_error *error)
{
    unsigned uid, gid;

    owner_get(listen, &uid, &gid);
    int r = id_read(listen, "owner", user_find, uid, &uid, error);
    if (r == 0)
        r = id_read(listen, "group", group_find, gid, &gid, error);
    if (r < 0)
        return r;
    r = policy_append_modes(policy, address_get_mode(listen, "mode", 0600), uid, gid,
        listen->scheme != FERRY_UNIX_DGRAM);
    return r < 0 ? error_set_errno(error, r, ferry_address_text(listen), NULL) : 0;
}

int ferry_policy_add_default(
    struct ferry_policy *policy, const struct ferry_address *listen, struct ferry_error *error)
{
    char text[32];
    struct rule own = { .allow = true, .subject = SUBJECT_UID, .id = geteuid() };
    struct rule any = { .allow = true, .subject = SUBJECT_ANY };

    switch (listen->scheme) {
    case FERRY_UNIX:
    case FERRY_UNIX_DGRAM:
    case FERRY_UNIX_SEQ:
        if (!listen->abstract)
            return policy_add_mode(policy, listen, error);
        snprintf(text, sizeof(text), "uid:%u", own.id);
        return policy_append(policy, own, text, "abstract names admit their own user");
    case FERRY_FIFO:
    case FERRY_MQ:
        return policy_append(policy, any, "any", "its mode admits, nobody is known");
    case FERRY_FD:
    case FERRY_EXEC:
    case FERRY_FILE:
    case FERRY_STDIO:
        return policy_append(policy, any, "any", "opened by ourselves");
    default:
        return 0;
    }
}

/* --- deciding --------------------------------------------------------------------------------- */

enum match { MATCH_NO, MATCH_YES, MATCH_UNKNOWN };

static enum match match_group(struct ferry_identity *identity, gid_t id)
{
    size_t count;

    if (ferry_identity_known(identity, FERRY_FACT_GID) && ferry_identity_gid(identity) == id)
        return MATCH_YES;
    const gid_t *groups = ferry_identity_groups(identity, &count);
    for (size_t i = 0; i < count; i++)
        if (groups[i] == id)
            return MATCH_YES;
    return groups && ferry_identity_known(identity, FERRY_FACT_GID) ? MATCH_NO : MATCH_UNKNOWN;
}

static enum match rule_match(const struct rule *rule, struct ferry_identity *identity)
{
    switch (rule->subject) {
    case SUBJECT_UID:
        if (!ferry_identity_known(identity, FERRY_FACT_UID))
            return MATCH_UNKNOWN;
        return ferry_identity_uid(identity) == rule->id ? MATCH_YES : MATCH_NO;
    case SUBJECT_GID:
        return match_group(identity, rule->id);
    default:
        return MATCH_YES;
    }
}

void ferry_policy_decide(
    struct ferry_policy *policy, struct ferry_identity *identity, struct ferry_verdict *ret_verdict)
{
    *ret_verdict = (struct ferry_verdict){ .text = "no rule admits it" };
    for (size_t i = 0; i < policy->count; i++) {
        struct rule *rule = &policy->rules[i];
        enum match match = rule_match(rule, identity);
        if (match == MATCH_NO)
            continue;
        rule->hits++;
        ret_verdict->rule = (int)i + 1;
        ret_verdict->allowed = match == MATCH_YES && rule->allow;
        snprintf(ret_verdict->text, sizeof(ret_verdict->text), "%s%s", rule->text,
            match == MATCH_YES             ? ""
            : rule->subject == SUBJECT_UID ? ", but nobody vouches for its uid"
                                           : ", but its groups are unknown");
        return;
    }
}

size_t ferry_policy_count(const struct ferry_policy *policy)
{
    return policy->count;
}

const char *ferry_policy_rule(const struct ferry_policy *policy, size_t rule, uint64_t *ret_hits)
{
    const struct rule *found = &policy->rules[rule - 1];
    if (ret_hits)
        *ret_hits = found->hits;
    return found->text;
}
