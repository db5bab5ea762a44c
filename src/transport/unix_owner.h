/* unix_owner.h - whether some socket is bound to a path or an abstract name, and who holds it. */
#ifndef FERRY_TRANSPORT_UNIX_OWNER_H
#define FERRY_TRANSPORT_UNIX_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What a socket is bound to. */
struct unix_place {
    const char *name; /* as given to bind(2): a path (NUL-terminated), or an abstract name without
                         its leading NUL */
    size_t name_size; /* bytes of an abstract name */
    bool abstract;
    dev_t device; /* of a path's socket file */
    ino_t inode;
};

struct unix_owner {
    unsigned socket;  /* the socket's inode number, as in /proc/PID/fd: socket:[N] */
    int type;         /* SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET */
    pid_t pid;        /* 0: not known */
    char command[32]; /* "" when pid is 0; control characters escaped */
};

/* Asks the kernel (sock_diag(7)) whether any socket of this network namespace, in whatever state,
 * is bound there, and looks for a process that holds it.
 * Returns 1 (bound), 0 (not), or -errno when the kernel does not tell. */
int unix_owner_find(const struct unix_place *place, struct unix_owner *ret_owner);

/* Whether what is bound there is the socket of this inode number (fstat(2) of its descriptor).
 * Returns 1, 0, or -errno when the kernel does not tell. */
int unix_owner_is(const struct unix_place *place, ino_t socket);

/* Fills pid and command of a process whose pid is known otherwise (SO_PEERCRED). */
void unix_owner_set_pid(struct unix_owner *owner, pid_t pid);

/* "pid 12 (name)", or "a process that is not visible to this user". */
void unix_owner_text(const struct unix_owner *owner, char *text, size_t size);

#endif
