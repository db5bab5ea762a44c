/* person.c - somebody made up, to ask a policy about. */
#include "command/person.h"
#include "base/account.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/host.h"
#include "command/limits.h"
#include "wire/subject.h"

#include <errno.h>
#include <string.h>

struct person {
    struct ferry_identity *who;
    gid_t groups[PERSON_GROUPS_MAX];
    size_t group_count;
    unsigned said; /* 1 << enum subject_kind */
    const char *user;
};

static int set_uid(struct person *person, unsigned uid)
{
    return ferry_identity_set_number(person->who, FERRY_FACT_UID, uid, FERRY_AT_CONNECT);
}

/* As root's own login would give them. */
static int groups_of_user(struct person *person, const char *word, struct ferry_error *error)
{
    struct account account = { 0 };
    AUTO_FREE gid_t *groups = NULL;
    size_t count = 0;
    int r = account_read(person->user, &account);

    if (r == 0)
        r = account_groups(&account, account.gid, &groups, &count);
    gid_t first = account.gid;
    account_fini(&account);
    if (r < 0 || count > PERSON_GROUPS_MAX)
        return error_set(error, -E2BIG, word,
            "say them with group:", "more than %u groups, or they could not be looked up",
            PERSON_GROUPS_MAX);
    memcpy(person->groups, groups, count * sizeof(*groups));
    person->group_count = count;
    /* The main one stands first. */
    for (size_t i = 0; i < person->group_count; i++) {
        if (person->groups[i] != first)
            continue;
        person->groups[i] = person->groups[0];
        person->groups[0] = first;
        break;
    }
    return 0;
}

static int set_groups(struct person *person, bool by_message)
{
    if (person->group_count == 0)
        return 0;
    int r =
        ferry_identity_set_number(person->who, FERRY_FACT_GID, person->groups[0], FERRY_AT_CONNECT);
    return r < 0 || by_message ? r
                               : ferry_identity_set_groups(person->who, person->groups,
                                     person->group_count, FERRY_AT_CONNECT);
}

static int add_group(
    struct person *person, const char *word, unsigned gid, struct ferry_error *error)
{
    if (person->group_count == PERSON_GROUPS_MAX)
        return error_set(
            error, -E2BIG, word, NULL, "at most %u groups can be said", PERSON_GROUPS_MAX);
    person->groups[person->group_count++] = gid;
    return 0;
}

static int set_host(struct person *person, const char *word, const struct host_range *host,
    struct ferry_error *error)
{
    unsigned char address[16];

    if (host->bits != (host->ipv6 ? 128 : 32))
        return error_set(error, -EINVAL, word, "leave out the slash", "a peer is one host");
    host_map(host->host, host->ipv6 ? AF_INET6 : AF_INET, address);
    ferry_identity_set_host(person->who, address, FERRY_AT_CONNECT);
    return 0;
}

/* The kernel would show the program's file without links. */
static int set_program(struct person *person, const char *path)
{
    AUTO_FREE char *real = realpath(path, NULL);
    return ferry_identity_set_text(
        person->who, FERRY_FACT_EXECUTABLE, real ? real : path, FERRY_BY_PIDFD);
}

static int set_unit(struct person *person, const char *name)
{
    AUTO_FREE char *whole = NULL;
    int r = subject_unit_name(name, &whole);
    return r < 0 ? r : ferry_identity_set_text(person->who, FERRY_FACT_UNIT, whole, FERRY_BY_PIDFD);
}

static int find_account(const char *word, struct subject *subject, struct ferry_error *error)
{
    bool user = subject->kind == SUBJECT_USER;
    int r = user ? user_find(subject->name, &subject->id) : group_find(subject->name, &subject->id);

    if (r == -ENOENT)
        return error_set(error, r, word,
            user ? "see getent passwd, or say uid:NUMBER" : "see getent group, or say gid:NUMBER",
            "there is no such %s", user ? "user" : "group");
    return r < 0 ? error_set_errno(error, r, word, NULL) : 0;
}

static int person_set(struct person *person, const char *word, const struct subject *subject,
    struct ferry_error *error)
{
    int r;

    switch (subject->kind) {
    case SUBJECT_USER:
        person->user = subject->name;
        /* fall through */
    case SUBJECT_UID:
        r = set_uid(person, subject->id);
        break;
    case SUBJECT_GID:
    case SUBJECT_GROUP:
        return add_group(person, word, subject->id, error);
    case SUBJECT_EXE:
        r = set_program(person, subject->name);
        break;
    case SUBJECT_UNIT:
        r = set_unit(person, subject->name);
        break;
    case SUBJECT_PEER:
        return set_host(person, word, &subject->range, error);
    default:
        return error_set(error, -EINVAL, word, "say who, as uid:1000", "is nobody");
    }
    return r < 0 ? error_set_errno(error, r, word, NULL) : 0;
}

static int person_add(struct person *person, const char *word, struct ferry_error *error)
{
    struct subject subject;

    int r = subject_parse(word, &subject, error);
    if (r == 0 && (subject.kind == SUBJECT_USER || subject.kind == SUBJECT_GROUP))
        r = find_account(word, &subject, error);
    if (r < 0)
        return r;
    bool group = subject.kind == SUBJECT_GID || subject.kind == SUBJECT_GROUP;
    bool uid = subject.kind == SUBJECT_UID || subject.kind == SUBJECT_USER;
    unsigned bit = 1u << (uid ? SUBJECT_UID : subject.kind);
    if (!group && person->said & bit)
        return error_set(error, -EINVAL, word, "leave one of them out", "was said already");
    person->said |= bit;
    return person_set(person, word, &subject, error);
}

int person_parse(
    const char *text, bool by_message, struct ferry_identity **ret_who, struct ferry_error *error)
{
    struct person person = { 0 };
    AUTO_FREE char *copy = strdup(text);
    int r = copy ? ferry_identity_new(&person.who) : -ENOMEM;
    if (r < 0)
        return error_set_errno(error, r, text, NULL);

    char *rest = copy;
    for (char *word; r == 0 && (word = strsep(&rest, SUBJECT_BLANKS));)
        if (*word)
            r = person_add(&person, word, error);
    if (r == 0 && !person.said)
        r = error_set(error, -EINVAL, "--as", "say who, as uid:1000,group:dev", "names nobody");
    if (r == 0 && person.user && person.group_count == 0)
        r = groups_of_user(&person, person.user, error);
    if (r == 0 && set_groups(&person, by_message) < 0)
        r = error_set_errno(error, -ENOMEM, text, NULL);
    if (r < 0) {
        ferry_identity_free(person.who);
        return r;
    }
    *ret_who = person.who;
    return 0;
}
