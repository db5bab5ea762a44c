/* ownership.c - mode, owner and group that an address asks for, and giving them to what we made. */
#include "transport/ownership.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>

/* A group's entry holds all its members. */
#define ENTRY_SIZE ((size_t)64 << 10)

static bool number_parse(const char *text, unsigned *ret_number)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || number >= UINT_MAX)
        return false;
    *ret_number = (unsigned)number;
    return true;
}

static int owner_find(const char *name, uid_t *ret_uid)
{
    struct passwd entry, *found = NULL;
    AUTO_FREE char *buffer = malloc(ENTRY_SIZE);

    if (number_parse(name, ret_uid))
        return 0;
    if (!buffer)
        return -ENOMEM;
    int r = getpwnam_r(name, &entry, buffer, ENTRY_SIZE, &found);
    if (!found)
        return r > 0 ? -r : -ENOENT;
    *ret_uid = found->pw_uid;
    return 0;
}

static int group_find(const char *name, gid_t *ret_gid)
{
    struct group entry, *found = NULL;
    AUTO_FREE char *buffer = malloc(ENTRY_SIZE);

    if (number_parse(name, ret_gid))
        return 0;
    if (!buffer)
        return -ENOMEM;
    int r = getgrnam_r(name, &entry, buffer, ENTRY_SIZE, &found);
    if (!found)
        return r > 0 ? -r : -ENOENT;
    *ret_gid = found->gr_gid;
    return 0;
}

int ownership_read(
    const struct ferry_address *address, struct ownership *ret_ownership, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);
    const char *owner = ferry_address_option(address, "owner");
    const char *group = ferry_address_option(address, "group");
    struct ownership ownership = { .stated =
                                       owner || group || ferry_address_option(address, "mode"),
        .mode = address_get_mode(address, "mode", 0600),
        .owner = (uid_t)-1,
        .group = (gid_t)-1 };

    int r = owner ? owner_find(owner, &ownership.owner) : 0;
    if (r < 0)
        return error_set(
            error, r, thing, "name one that getent passwd lists", "there is no user \"%s\"", owner);
    r = group ? group_find(group, &ownership.group) : 0;
    if (r < 0)
        return error_set(
            error, r, thing, "name one that getent group lists", "there is no group \"%s\"", group);
    *ret_ownership = ownership;
    return 0;
}

int ownership_apply(int fd, const struct ownership *ownership)
{
    bool given = ownership->owner != (uid_t)-1 || ownership->group != (gid_t)-1;

    if (given && fchown(fd, ownership->owner, ownership->group) < 0)
        return -errno;
    return fchmod(fd, ownership->mode) < 0 ? -errno : 0;
}
