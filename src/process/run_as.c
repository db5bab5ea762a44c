/* run_as.c - as whom something is done.
 *
 * Order matters: groups first, since without CAP_SETGID they stay, and the uid last, since with it
 * the capabilities go. That they went is asked of the kernel, not assumed: a process that was
 * started with SECBIT_NO_SETUID_FIXUP or SECBIT_KEEP_CAPS keeps them.
 */
#include "process/run_as.h"
#include "base/account.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "process/capability.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/syscall.h>

/* --- groups ----------------------------------------------------------------------------------- */

static int gid_compare(const void *one, const void *other)
{
    gid_t first = *(const gid_t *)one, second = *(const gid_t *)other;
    return first < second ? -1 : first > second;
}

static void groups_normalize(struct run_as *run_as)
{
    size_t kept = 0;
    if (run_as->group_count == 0)
        return;
    qsort(run_as->groups, run_as->group_count, sizeof(gid_t), gid_compare);
    for (size_t i = 0; i < run_as->group_count; i++)
        if (i == 0 || run_as->groups[i] != run_as->groups[kept - 1])
            run_as->groups[kept++] = run_as->groups[i];
    run_as->group_count = kept;
}

/* group_count is set already. */
static int groups_copy(struct run_as *run_as, const gid_t *groups)
{
    run_as->groups = NULL;
    if (run_as->group_count == 0)
        return 0;
    run_as->groups = malloc(run_as->group_count * sizeof(gid_t));
    if (!run_as->groups)
        return -ENOMEM;
    memcpy(run_as->groups, groups, run_as->group_count * sizeof(gid_t));
    return 0;
}

static int groups_current(struct run_as *run_as)
{
    int r = groups_own(&run_as->groups, &run_as->group_count);
    if (r == 0)
        groups_normalize(run_as);
    return r;
}

/* --- names ------------------------------------------------------------------------------------ */

static bool is_number(const char *text)
{
    return *text && !text[strspn(text, "0123456789")];
}

static int find_group(const char *group, gid_t *ret_gid, struct ferry_error *error)
{
    if (is_number(group))
        return account_parse(group, ret_gid) < 0
                   ? error_set(error, -EINVAL, group, NULL, "is no number of a group")
                   : 0;
    int r = group_find(group, ret_gid);
    if (r == -ENOENT)
        return error_set(error, r, group, "see getent group", "there is no such group");
    return r < 0 ? error_set_errno(error, r, group, NULL) : 0;
}

/* The user's number, main group and supplementary groups; gid_known: it has another main group. */
static int find_user(
    const char *user, bool gid_known, struct run_as *run_as, struct ferry_error *error)
{
    struct account account;
    bool number = is_number(user);

    if (number && account_parse(user, &run_as->uid) < 0)
        return error_set(error, -EINVAL, user, NULL, "is no number of a user");
    int r = number ? account_read_uid(run_as->uid, &account) : account_read(user, &account);
    if (r < 0 && number && gid_known)
        return 0;
    if (r == -ENOENT)
        return error_set(error, r, user,
            number ? "give its group too (group =)" : "see getent passwd",
            number ? "has no entry that says its group" : "there is no such user");
    if (r < 0)
        return error_set_errno(error, r, user, NULL);
    run_as->uid = account.uid;
    if (!gid_known)
        run_as->gid = account.gid;
    r = account_groups(&account, run_as->gid, &run_as->groups, &run_as->group_count);
    account_fini(&account);
    if (r < 0)
        return error_set_errno(error, r, user, NULL);
    groups_normalize(run_as);
    return 0;
}

int run_as_find(
    const char *user, const char *group, struct run_as *ret_run_as, struct ferry_error *error)
{
    struct run_as run_as = { .uid = geteuid(), .gid = getegid() };
    int r = group ? find_group(group, &run_as.gid, error) : 0;
    if (r == 0 && user)
        r = find_user(user, group, &run_as, error);
    if (r < 0)
        return r;
    *ret_run_as = run_as;
    return 0;
}

/* What this file knows of an identity. */
int run_as_peer(struct ferry_identity *who, struct run_as *ret_run_as, struct ferry_error *error)
{
    struct run_as run_as = { .uid = ferry_identity_uid(who), .gid = ferry_identity_gid(who) };
    const gid_t *groups = ferry_identity_groups(who, &run_as.group_count);
    if (ferry_identity_known(who, FERRY_FACT_UID) != FERRY_AT_CONNECT || run_as.uid == (uid_t)-1 ||
        run_as.gid == (gid_t)-1)
        return error_set(error, -ENODATA, "user = peer", NULL,
            "the caller has no number here: nobody vouches for it, or it is of another user "
            "namespace");
    if (ferry_identity_known(who, FERRY_FACT_GROUPS) != FERRY_AT_CONNECT)
        return error_set(error, -ENODATA, "user = peer", "it needs Linux 4.13 (SO_PEERGROUPS)",
            "the caller's groups are unknown");
    int r = groups_copy(&run_as, groups);
    if (r < 0)
        return error_set_errno(error, r, "user = peer", NULL);
    groups_normalize(&run_as);
    *ret_run_as = run_as;
    return 0;
}

int run_as_current(struct run_as *ret_run_as)
{
    struct run_as run_as = { .uid = geteuid(), .gid = getegid() };
    int r = groups_current(&run_as);
    if (r == 0)
        *ret_run_as = run_as;
    return r;
}

int run_as_copy(const struct run_as *run_as, struct run_as *ret_run_as)
{
    struct run_as copy = *run_as;
    int r = groups_copy(&copy, run_as->groups);
    if (r == 0)
        *ret_run_as = copy;
    return r;
}

void run_as_fini(struct run_as *run_as)
{
    free(run_as->groups);
    *run_as = (struct run_as){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
}

/* The next group from *at that is not the main one; false: there is none. */
static bool group_next(const struct run_as *run_as, size_t *at, gid_t *ret_gid)
{
    while (*at < run_as->group_count) {
        *ret_gid = run_as->groups[(*at)++];
        if (*ret_gid != run_as->gid)
            return true;
    }
    return false;
}

/* The main group may be among the others or not: it counts the same to the kernel. */
bool run_as_equal(const struct run_as *one, const struct run_as *other)
{
    size_t first = 0, second = 0;
    gid_t gid = 0, other_gid = 0;
    if (one->uid != other->uid || one->gid != other->gid)
        return false;
    for (;;) {
        bool more = group_next(one, &first, &gid);
        if (more != group_next(other, &second, &other_gid))
            return false;
        if (!more || gid != other_gid)
            return !more;
    }
}

/* --- becoming --------------------------------------------------------------------------------- */

bool run_as_is_possible(void)
{
    return capability_is_effective(CAP_SETUID) && capability_is_effective(CAP_SETGID);
}

static int become_verify(const struct run_as *run_as)
{
    struct __user_cap_data_struct data[2] = { 0 };
    struct run_as now;
    uid_t uids[3];
    gid_t gids[3];

    if (getresuid(&uids[0], &uids[1], &uids[2]) < 0 || getresgid(&gids[0], &gids[1], &gids[2]) < 0)
        return -errno;
    int r = run_as_current(&now);
    if (r < 0)
        return r;
    bool same = run_as_equal(&now, run_as);
    run_as_fini(&now);
    for (size_t i = 0; i < 3; i++)
        same = same && uids[i] == run_as->uid && gids[i] == run_as->gid;
    if (!same)
        return -EPERM;
    if (run_as->uid == 0)
        return 0;
    r = capability_get(data);
    if (r < 0)
        return r;
    for (size_t i = 0; i < 2; i++)
        if (data[i].effective || data[i].permitted)
            return -EPERM;
    return setresuid(0, 0, 0) == 0 ? -EPERM : 0;
}

int run_as_become(const struct run_as *run_as)
{
    if (run_as->uid == (uid_t)-1 || run_as->gid == (gid_t)-1)
        return -EINVAL;
    if (setgroups(run_as->group_count, run_as->groups) < 0 ||
        setresgid(run_as->gid, run_as->gid, run_as->gid) < 0 ||
        setresuid(run_as->uid, run_as->uid, run_as->uid) < 0)
        return -errno;
    return become_verify(run_as);
}

int run_as_keep_capabilities(uint32_t mask)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { 0 };
    int r = capability_get(data);
    if (r < 0)
        return r;
    data[0].effective = data[0].permitted = data[0].permitted & mask;
    data[1].effective = data[1].permitted = 0;
    data[0].inheritable = data[1].inheritable = 0;
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}
