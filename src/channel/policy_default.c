/* policy_default.c - whom the kernel itself admits at an address without rules, as rules. */
#include "base/account.h"
#include "base/error.h"
#include "channel/policy.h"
#include "wire/address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static int append_id(
    struct ferry_policy *policy, bool allow, enum subject_kind kind, unsigned id, const char *note)
{
    const struct subject subject = { .kind = kind, .id = id };
    char text[32];

    snprintf(text, sizeof(text), "%s:%u", kind == SUBJECT_UID ? "uid" : "gid", id);
    return policy_append(policy, allow, &subject, text, note);
}

static int append_any(struct ferry_policy *policy, bool allow, const char *note)
{
    const struct subject any = { .kind = SUBJECT_ANY };
    return policy_append(policy, allow, &any, "any", note);
}

/* What a mode admits. A rule that needs groups stands only where it decides otherwise than the one
 * for the rest, since groups can't always be had; never for datagrams, whose messages tell none:
 * there the kernel's own check at each send has to do. */
static int append_modes(
    struct ferry_policy *policy, unsigned mode, unsigned uid, unsigned gid, bool tells_groups)
{
    bool group = mode & 0020, other = mode & 0002;
    bool apart = group != other;
    char note[64];

    snprintf(note, sizeof(note), "mode=%04o", mode);
    int r = append_id(policy, true, SUBJECT_UID, 0, "root passes any mode");
    if (r == 0 && uid != 0)
        r = append_id(policy, mode & 0200, SUBJECT_UID, uid, note);
    if (r == 0 && apart && tells_groups)
        r = append_id(policy, group, SUBJECT_GID, gid, note);
    if (apart && !tells_groups) {
        snprintf(note, sizeof(note), "mode=%04o; a message tells no groups", mode);
        other = true;
    }
    return r == 0 ? append_any(policy, other, note) : r;
}

/* connect(2) to a path needs write permission: unix(7). Root passes whatever the mode. */
static int add_mode(
    struct ferry_policy *policy, const struct ferry_address *listen, struct ferry_error *error)
{
    unsigned uid, gid;

    owner_get(listen, &uid, &gid);
    int r = id_read(listen, "owner", user_find, uid, &uid, error);
    if (r == 0)
        r = id_read(listen, "group", group_find, gid, &gid, error);
    if (r < 0)
        return r;
    r = append_modes(policy, address_get_mode(listen, "mode", 0600), uid, gid,
        listen->scheme != FERRY_UNIX_DGRAM);
    return r < 0 ? error_set_errno(error, r, ferry_address_text(listen), NULL) : 0;
}

int ferry_policy_add_default(
    struct ferry_policy *policy, const struct ferry_address *listen, struct ferry_error *error)
{
    switch (listen->scheme) {
    case FERRY_UNIX:
    case FERRY_UNIX_DGRAM:
    case FERRY_UNIX_SEQ:
    case FERRY_AUTO:
        if (!listen->abstract)
            return add_mode(policy, listen, error);
        return append_id(
            policy, true, SUBJECT_UID, geteuid(), "abstract names admit their own user");
    case FERRY_FIFO:
    case FERRY_MQ:
        return append_any(policy, true, "its mode admits, nobody is known");
    case FERRY_FD:
    case FERRY_EXEC:
    case FERRY_FILE:
    case FERRY_STDIO:
        return append_any(policy, true, "opened by ourselves");
    default:
        return 0;
    }
}
