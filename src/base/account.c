/* account.c - users and groups by name or number.
 *
 * That a name is not there and that nobody could tell are kept apart: the one is a mistake in what
 * was asked for, the other goes away by itself.
 */
#include "base/account.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/number.h"

#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <string.h>

int account_parse(const char *text, unsigned *ret_id)
{
    int64_t number = number_parse(text, 10, UINT32_MAX - 1);

    if (number < 0)
        return -EINVAL;
    *ret_id = (unsigned)number;
    return 0;
}

/* --- entries ---------------------------------------------------------------------------------- */

/* What getpwnam_r(3) and its like return without an entry. */
static int missing_code(int code)
{
    return code == 0 || code == ESRCH ? -ENOENT : -code;
}

/* Whose entry is asked for: by name, or NULL: by number. */
struct wanted {
    const char *name;
    unsigned id;
};

static int user_read(const struct wanted *wanted, void *ret_entry, char *space, size_t size)
{
    struct passwd *found = NULL;
    int code = wanted->name ? getpwnam_r(wanted->name, ret_entry, space, size, &found)
                            : getpwuid_r(wanted->id, ret_entry, space, size, &found);
    return found ? 0 : missing_code(code);
}

static int group_read(const struct wanted *wanted, void *ret_entry, char *space, size_t size)
{
    struct group *found = NULL;
    int code = wanted->name ? getgrnam_r(wanted->name, ret_entry, space, size, &found)
                            : getgrgid_r(wanted->id, ret_entry, space, size, &found);
    return found ? 0 : missing_code(code);
}

/* A group's entry lists its members, so no size is right for all.
 *   ret_space  where the entry's texts are; free it */
static int entry_read(
    int (*read)(const struct wanted *wanted, void *ret_entry, char *space, size_t size),
    const struct wanted *wanted, void *ret_entry, char **ret_space)
{
    for (size_t size = ACCOUNT_SIZE; size <= ACCOUNT_SIZE_MAX; size *= 4) {
        AUTO_FREE char *space = malloc(size);
        if (!space)
            return -ENOMEM;
        int r = read(wanted, ret_entry, space, size);
        if (r == 0)
            *ret_space = TAKE(space);
        if (r != -ERANGE)
            return r;
    }
    return -ERANGE;
}

/* --- users ------------------------------------------------------------------------------------ */

static int account_fill(const struct wanted *wanted, struct account *ret_account)
{
    struct passwd entry;
    char *space = NULL;
    int r = entry_read(user_read, wanted, &entry, &space);

    if (r < 0)
        return r;
    *ret_account = (struct account){ .uid = entry.pw_uid,
        .gid = entry.pw_gid,
        .name = entry.pw_name,
        .home = entry.pw_dir,
        .shell = entry.pw_shell,
        .space = space };
    return 0;
}

int account_read(const char *name, struct account *ret_account)
{
    return account_fill(&(struct wanted){ .name = name }, ret_account);
}

int account_read_uid(uid_t uid, struct account *ret_account)
{
    return account_fill(&(struct wanted){ .id = uid }, ret_account);
}

void account_fini(struct account *account)
{
    free(account->space);
    *account = (struct account){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
}

int account_groups(const struct account *account, gid_t gid, gid_t **ret_groups, size_t *ret_count)
{
    int count = ACCOUNT_GROUPS;

    for (;;) {
        AUTO_FREE gid_t *groups = calloc((size_t)count, sizeof(*groups));
        int room = count;
        if (!groups)
            return -ENOMEM;
        if (getgrouplist(account->name, gid, groups, &count) >= 0) {
            *ret_groups = TAKE(groups);
            *ret_count = (size_t)count;
            return 0;
        }
        if (count <= room || count > ACCOUNT_GROUPS_MAX)
            return -E2BIG;
    }
}

int user_find(const char *name, uid_t *ret_uid)
{
    struct account account;
    int r = account_read(name, &account);

    if (r < 0)
        return r;
    *ret_uid = account.uid;
    account_fini(&account);
    return 0;
}

/* --- groups ----------------------------------------------------------------------------------- */

int group_find(const char *name, gid_t *ret_gid)
{
    AUTO_FREE char *space = NULL;
    struct group entry;
    int r = entry_read(group_read, &(struct wanted){ .name = name }, &entry, &space);

    if (r == 0)
        *ret_gid = entry.gr_gid;
    return r;
}

int group_find_name(gid_t gid, char **ret_name)
{
    AUTO_FREE char *space = NULL;
    struct group entry;
    int r = entry_read(group_read, &(struct wanted){ .id = gid }, &entry, &space);

    if (r < 0)
        return r;
    char *name = strdup(entry.gr_name);
    if (!name)
        return -ENOMEM;
    *ret_name = name;
    return 0;
}

int groups_own(gid_t **ret_groups, size_t *ret_count)
{
    int count = getgroups(0, NULL);
    AUTO_FREE gid_t *groups = count > 0 ? calloc((size_t)count, sizeof(*groups)) : NULL;

    if (count < 0 || (count > 0 && !groups))
        return -ENOMEM;
    if (count > 0 && getgroups(count, groups) != count)
        return -EAGAIN;
    *ret_groups = TAKE(groups);
    *ret_count = (size_t)count;
    return 0;
}
