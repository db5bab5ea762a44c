/* permission.h - who may search a folder, or write to a socket: by mode, owner, group and POSIX
 * access list, as the kernel decides it; of the caller, the kernel's own word.
 */
#ifndef FERRY_COMMAND_WHY_PERMISSION_H
#define FERRY_COMMAND_WHY_PERMISSION_H

#include "base/bytes.h"
#include "command/limits.h"

#include <ferry/error.h>
#include <ferry/identity.h>
#include <stdbool.h>
#include <sys/stat.h>

struct who {
    bool self; /* the caller */
    uid_t uid; /* (uid_t)-1: unknown */
    gid_t groups[PERSON_GROUPS_MAX];
    size_t group_count;
    struct ferry_identity *identity; /* to ask policies about; owned */
    char words[64];                  /* "alice (uid 1000)" */
};

/* Reads --as, NULL for the caller; who_fini() it after success. */
int who_init(struct who *who, const char *as, struct ferry_error *error);
void who_fini(struct who *who);

/* Whether it may; a sum of R_OK, W_OK, X_OK.
 *   path, status  the same file */
bool who_may(const struct who *who, const char *path, const struct stat *status, int wanted);
/* Appends "mode 0750, owner root, group dev; alice (uid 1000) is neither: others have ---". */
void who_print_why(
    const struct who *who, const char *path, const struct stat *status, struct bytes *text);
/* Whether it is said by an access list, which chmod(1) does not show. */
bool has_access_list(const char *path);

#endif
