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

/* Returns 0, -ENOENT (there is none of that name), -errno (it could not be looked up). */
int user_find(const char *name, uid_t *ret_uid);
int group_find(const char *name, gid_t *ret_gid);

#endif
