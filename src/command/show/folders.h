/* folders.h - the folders on the way to a socket's path: who may pass through each. */
#ifndef FERRY_COMMAND_SHOW_FOLDERS_H
#define FERRY_COMMAND_SHOW_FOLDERS_H

#include <ferry/endpoints.h>
#include <stdbool.h>
#include <sys/types.h>

struct folder {
    char *path; /* as the owner of the socket has it */
    mode_t mode;
    uid_t uid;
    gid_t gid;
    bool has_acl; /* an access control list says more than the mode */
    bool stops;   /* somebody may not pass: a class of users lacks the right to search */
};

struct folders {
    struct folder *items; /* from the root down, then the socket itself */
    size_t count, capacity;
    bool cut; /* one on the way could not be looked at: nothing is known below it */
};

/* Looks at them. Nothing of one that nobody can connect or send to by a path.
 *   ret_folders  folders_fini() it
 * Returns 0, -ENOMEM. */
int folders_look(const struct ferry_endpoint *endpoint, struct folders *ret_folders);
void folders_fini(struct folders *folders);

#endif
