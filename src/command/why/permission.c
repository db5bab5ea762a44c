/* permission.c - who may. Access lists as the kernel stores them (acl(5)): a version, then entries
 * of tag, permissions and id, little-endian. */
#include "command/why/permission.h"
#include "base/account.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "command/person.h"
#include "process/user.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ACL_NAME "system.posix_acl_access"
enum { TAG_OWNER = 1, TAG_USER = 2, TAG_GROUP_OWNER = 4, TAG_GROUP = 8, TAG_MASK = 16 };

struct acl_entry {
    uint16_t tag, permissions;
    uint32_t id;
};

struct acl {
    uint32_t version;
    struct acl_entry entries[ACL_ENTRIES_MAX];
};

/* --- who -------------------------------------------------------------------------------------- */

static void add_group(struct who *who, gid_t gid)
{
    if (who->group_count < PERSON_GROUPS_MAX)
        who->groups[who->group_count++] = gid;
}

/* As a login of that user would have them. */
static void groups_of_uid(struct who *who)
{
    struct account account;
    AUTO_FREE gid_t *groups = NULL;
    size_t count = 0;

    if (account_read_uid(who->uid, &account) < 0)
        return;
    (void)account_groups(&account, account.gid, &groups, &count);
    account_fini(&account);
    for (size_t i = 0; i < count; i++)
        add_group(who, groups[i]);
}

static int who_from_identity(struct who *who)
{
    size_t count;

    if (ferry_identity_known(who->identity, FERRY_FACT_UID))
        who->uid = ferry_identity_uid(who->identity);
    const gid_t *groups = ferry_identity_groups(who->identity, &count);
    for (size_t i = 0; i < count; i++)
        add_group(who, groups[i]);
    if (ferry_identity_known(who->identity, FERRY_FACT_GID))
        add_group(who, ferry_identity_gid(who->identity));
    if (!who->group_count && who->uid != (uid_t)-1)
        groups_of_uid(who);
    return 0;
}

static int who_from_self(struct who *who)
{
    int count = getgroups(PERSON_GROUPS_MAX - 1, who->groups);
    int code = ferry_identity_new(&who->identity);

    if (code < 0)
        return code;
    who->uid = geteuid();
    who->group_count = count > 0 ? (size_t)count : 0;
    add_group(who, getegid());
    code = ferry_identity_set_number(who->identity, FERRY_FACT_UID, who->uid, FERRY_AT_CONNECT);
    if (code == 0)
        code =
            ferry_identity_set_number(who->identity, FERRY_FACT_GID, getegid(), FERRY_AT_CONNECT);
    if (code == 0)
        code = ferry_identity_set_groups(
            who->identity, who->groups, who->group_count, FERRY_AT_CONNECT);
    return code;
}

void who_fini(struct who *who)
{
    ferry_identity_free(who->identity);
    who->identity = NULL;
}

static const char *name_of(uid_t uid, char number[16])
{
    const char *name = user_name(uid);

    snprintf(number, 16, "%u", uid);
    return name ? name : number;
}

int who_init(struct who *who, const char *as, struct ferry_error *error)
{
    char number[16];

    *who = (struct who){ .self = !as, .uid = (uid_t)-1 };
    int code = as ? person_parse(as, false, &who->identity, error) : who_from_self(who);

    if (code == 0 && as)
        code = who_from_identity(who);
    if (code < 0 && !as)
        error_set_errno(error, code, "who asks", NULL);
    if (code < 0) {
        who_fini(who);
        return code;
    }
    if (who->uid == (uid_t)-1)
        snprintf(who->words, sizeof(who->words), "somebody of these groups");
    else
        snprintf(
            who->words, sizeof(who->words), "%s (uid %u)", name_of(who->uid, number), who->uid);
    return 0;
}

static bool is_member(const struct who *who, gid_t gid)
{
    for (size_t i = 0; i < who->group_count; i++)
        if (who->groups[i] == gid)
            return true;
    return false;
}

/* --- access lists ----------------------------------------------------------------------------- */

/* How many entries; 0: there is no list. */
static size_t acl_read(const char *path, struct acl *acl)
{
    ssize_t size = getxattr(path, ACL_NAME, acl, sizeof(*acl));

    if (size < (ssize_t)sizeof(acl->version) || le32toh(acl->version) != 2)
        return 0;
    return ((size_t)size - sizeof(acl->version)) / sizeof(acl->entries[0]);
}

bool has_access_list(const char *path)
{
    struct acl acl;

    return acl_read(path, &acl) > 0;
}

static int acl_mask(const struct acl *acl, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (le16toh(acl->entries[i].tag) == TAG_MASK)
            return le16toh(acl->entries[i].permissions);
    return 7;
}

static bool is_named(const struct who *who, const struct acl_entry *entry, gid_t owner)
{
    switch (le16toh(entry->tag)) {
    case TAG_USER:
        return le32toh(entry->id) == who->uid;
    case TAG_GROUP_OWNER:
        return is_member(who, owner);
    case TAG_GROUP:
        return is_member(who, le32toh(entry->id));
    default:
        return false;
    }
}

/* acl(5), "access check algorithm": a named user decides at once; of the groups any that has all
 * suffices, and belonging to one keeps from being among the others. */
static bool acl_allows(const struct who *who, const struct acl *acl, size_t count,
    const struct stat *status, int wanted)
{
    int mask = acl_mask(acl, count);
    bool member = false;

    if (who->uid == status->st_uid)
        return (int)(status->st_mode >> 6 & 7 & (unsigned)wanted) == wanted;
    for (size_t i = 0; i < count; i++) {
        const struct acl_entry *entry = &acl->entries[i];
        if (!is_named(who, entry, status->st_gid))
            continue;
        bool allowed = (le16toh(entry->permissions) & mask & wanted) == wanted;
        if (allowed || le16toh(entry->tag) == TAG_USER)
            return allowed;
        member = true;
    }
    return !member && (int)(status->st_mode & 7 & (unsigned)wanted) == wanted;
}

/* --- the answer ------------------------------------------------------------------------------- */

/* What of the mode is about them: 6 the owner's, 3 the group's, 0 the others'. */
static unsigned shift_of(const struct who *who, const struct stat *status)
{
    return who->uid == status->st_uid ? 6 : is_member(who, status->st_gid) ? 3 : 0;
}

bool who_may(const struct who *who, const char *path, const struct stat *status, int wanted)
{
    struct acl acl;

    if (who->self)
        return faccessat(AT_FDCWD, path, wanted, AT_EACCESS) == 0;
    if (who->uid == 0) /* CAP_DAC_OVERRIDE */
        return true;
    size_t count = acl_read(path, &acl);
    if (count)
        return acl_allows(who, &acl, count, status, wanted);
    return (int)(status->st_mode >> shift_of(who, status) & 7 & (unsigned)wanted) == wanted;
}

static void print_bits(unsigned bits, struct bytes *text)
{
    bytes_print(text, "%c%c%c", bits & 4 ? 'r' : '-', bits & 2 ? 'w' : '-', bits & 1 ? 'x' : '-');
}

void who_print_why(
    const struct who *who, const char *path, const struct stat *status, struct bytes *text)
{
    unsigned shift = shift_of(who, status);
    AUTO_FREE char *group = NULL;
    char number[16];

    bytes_print(text, "mode %04o, owner %s, group ", (unsigned)status->st_mode & 07777,
        name_of(status->st_uid, number));
    if (group_find_name(status->st_gid, &group) == 0)
        bytes_append_text(text, group);
    else
        bytes_print(text, "%u", status->st_gid);
    bytes_print(text, "; %s %s ", who->words,
        shift == 6   ? "is its owner, who has"
        : shift == 3 ? "is in its group, which has"
                     : "is neither, and others have");
    print_bits(status->st_mode >> shift & 7, text);
    if (has_access_list(path))
        bytes_append_text(text, " (and there is an access list, see getfacl)");
}
