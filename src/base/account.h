/* account.h - users and groups by name or number.
 *
 * Names are looked up in files or by the name service, whichever this machine is set up for: it may
 * take as long as that takes.
 */
#ifndef FERRY_BASE_ACCOUNT_H
#define FERRY_BASE_ACCOUNT_H

#include <sys/types.h>

/* The number of a user or group; 4294967295 stands for "none" in the kernel and is nobody's.
 * Returns 0, -EINVAL. */
int account_parse(const char *text, unsigned *ret_id);

/* All below return 0, -ENOENT (there is none of that name or number), -errno (it could not be
 * looked up). */

/* A user. */
struct account {
    uid_t uid;
    gid_t gid; /* its main group */
    const char *name, *home, *shell;
    char *space; /* where these are */
};
/*   ret_account  account_fini() it */
int account_read(const char *name, struct account *ret_account);
int account_read_uid(uid_t uid, struct account *ret_account);
void account_fini(struct account *account);
/* The groups that a login of it would have, with `gid` for its main one, which is among them.
 * -E2BIG: they are more than a process can have.
 *   ret_groups  free it */
int account_groups(const struct account *account, gid_t gid, gid_t **ret_groups, size_t *ret_count);

int user_find(const char *name, uid_t *ret_uid);
int group_find(const char *name, gid_t *ret_gid);
/*   ret_name  free it */
int group_find_name(gid_t gid, char **ret_name);

/* The supplementary groups that this process has. Returns 0, -ENOMEM, -EAGAIN (another thread
 * changes them).
 *   ret_groups  free it; NULL: none */
int groups_own(gid_t **ret_groups, size_t *ret_count);

#endif
