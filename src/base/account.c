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

int account_parse(const char *text, unsigned *ret_id)
{
    int64_t number = number_parse(text, 10, UINT32_MAX - 1);

    if (number < 0)
        return -EINVAL;
    *ret_id = (unsigned)number;
    return 0;
}

/* What getpwnam_r(3) and getgrnam_r(3) return without an entry. */
static int missing_code(int code)
{
    return code == 0 || code == ESRCH ? -ENOENT : -code;
}

static int user_read(const char *name, char *buffer, size_t size, unsigned *ret_id)
{
    struct passwd entry, *found = NULL;
    int code = getpwnam_r(name, &entry, buffer, size, &found);

    if (!found)
        return missing_code(code);
    *ret_id = found->pw_uid;
    return 0;
}

static int group_read(const char *name, char *buffer, size_t size, unsigned *ret_id)
{
    struct group entry, *found = NULL;
    int code = getgrnam_r(name, &entry, buffer, size, &found);

    if (!found)
        return missing_code(code);
    *ret_id = found->gr_gid;
    return 0;
}

/* A group's entry lists its members, so no size is right for all. */
static int entry_find(int (*read)(const char *name, char *buffer, size_t size, unsigned *ret_id),
    const char *name, unsigned *ret_id)
{
    for (size_t size = ACCOUNT_SIZE; size <= ACCOUNT_SIZE_MAX; size *= 4) {
        AUTO_FREE char *buffer = malloc(size);
        if (!buffer)
            return -ENOMEM;
        int r = read(name, buffer, size, ret_id);
        if (r != -ERANGE)
            return r;
    }
    return -ERANGE;
}

int user_find(const char *name, uid_t *ret_uid)
{
    return entry_find(user_read, name, ret_uid);
}

int group_find(const char *name, gid_t *ret_gid)
{
    return entry_find(group_read, name, ret_gid);
}
