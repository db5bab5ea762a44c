/* ownership.c - mode, owner and group that an address asks for, and giving them to what we made. */
#include "transport/ownership.h"
#include "base/account.h"
#include "base/error.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* A name or a number. */
static int id_read(
    const char *text, int (*find)(const char *name, unsigned *ret_id), unsigned *ret_id)
{
    return account_parse(text, ret_id) == 0 ? 0 : find(text, ret_id);
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

    int r = owner ? id_read(owner, user_find, &ownership.owner) : 0;
    if (r == -ENOENT)
        return error_set(
            error, r, thing, "name one that getent passwd lists", "there is no user \"%s\"", owner);
    if (r == 0 && group)
        r = id_read(group, group_find, &ownership.group);
    if (r == -ENOENT)
        return error_set(
            error, r, thing, "name one that getent group lists", "there is no group \"%s\"", group);
    if (r < 0)
        return error_set_errno(error, r, thing, NULL);
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
