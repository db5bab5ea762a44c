/* run_as.h - as whom something is done: a uid, a gid, and supplementary groups.
 *
 * Becoming somebody is for good: all of real, effective and saved ids are set, and it is proved
 * that they cannot be had back.
 */
#ifndef FERRY_PROCESS_RUN_AS_H
#define FERRY_PROCESS_RUN_AS_H

#include <ferry/identity.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* `groups` is owned, sorted, and without repetition. */
struct run_as {
    uid_t uid;
    gid_t gid;
    gid_t *groups;
    size_t group_count;
};

/* Asks the name service, which may wait for a directory far away.
 *   user   a name or number; NULL: the user that this process is
 *   group  a name or number, instead of the user's main group; NULL: that one. Without a user,
 *          alone: there are no supplementary groups then
 *   ret    end it with run_as_fini()
 * Returns 0, -ENOENT (there is no such user or group, or a number without a group), -EINVAL (a
 * number that cannot be one), -ENOMEM, or what the name service failed with. */
int run_as_find(
    const char *user, const char *group, struct run_as *ret_run_as, struct ferry_error *error);

/* Whom the kernel vouches for at the other end of a connection, as it was when it was made.
 * -ENODATA with *error: something of it is unknown, and nothing of it is ever guessed. */
int run_as_peer(struct ferry_identity *who, struct run_as *ret_run_as, struct ferry_error *error);

/* Whom this process is now. Returns 0 or -errno. */
int run_as_current(struct run_as *ret_run_as);

/* 0 or -ENOMEM. */
int run_as_copy(const struct run_as *run_as, struct run_as *ret_run_as);
void run_as_fini(struct run_as *run_as);
bool run_as_equal(const struct run_as *one, const struct run_as *other);

/* Makes this process (which has one thread) that user. -EPERM: it may not, or, which the caller
 * must not go on with, it could become what it was again; -errno of what failed. */
int run_as_become(const struct run_as *run_as);

/* Whether this process may become others: CAP_SETUID and CAP_SETGID. */
bool run_as_is_possible(void);

/* Gives up all capabilities but those in the mask (bits of 1 << CAP_...), for good where no program
 * can be executed that brings others (no_new_privs). Returns 0 or -errno. */
int run_as_keep_capabilities(uint32_t mask);

#endif
