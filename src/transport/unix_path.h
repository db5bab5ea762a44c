/* unix_path.h - sockets at paths of the file system: their birth, their end, and the way to them.
 */
#ifndef FERRY_TRANSPORT_UNIX_PATH_H
#define FERRY_TRANSPORT_UNIX_PATH_H

#include "transport/ownership.h"

#include <ferry/error.h>

/* A socket file that we made. Holds a descriptor of its directory. */
struct unix_path;

struct unix_path_options {
    const char *thing; /* what errors name: the address as text */
    int type;          /* SOCK_STREAM, ... */
    struct ownership ownership;
    int backlog;          /* for listen(2); -1: do not listen */
    int64_t lock_wait_ms; /* how long to wait for the directory's lock; 0: one try, then -EAGAIN */
};

/* Binds a socket to a path, and lets it listen, all under a lock on the directory:
 * a dead socket of ours that lies there is replaced, anything else is left as it is. Until mode,
 * owner and group are set nobody but its owner can connect.
 *   fd        borrowed
 *   ret_path  give to unix_path_remove()
 * Returns 0, -EADDRINUSE, -EEXIST (not a socket), -EPERM (directory or dead socket of somebody
 * else), -ENOENT, -EACCES, -EBUSY or -EAGAIN (locked), -ENAMETOOLONG, ... */
FERRY_CHECK int unix_path_bind(int fd, const char *path, const struct unix_path_options *options,
    struct unix_path **ret_path, struct ferry_error *error);

/* The path of a socket that was bound there before, by a process that is gone.
 *   fd        borrowed
 *   ret_path  give to unix_path_remove()
 * Returns 0, -ESTALE (the path is gone, or is another socket's), -EPERM, ... */
FERRY_CHECK int unix_path_resume(int fd, const char *path, const struct unix_path_options *options,
    struct unix_path **ret_path, struct ferry_error *error);

/* Frees without removing: another process goes on with the socket. NULL is allowed. */
void unix_path_leave(struct unix_path *path);

/* Removes the path if it is still the socket that we bound and this is the process that bound it,
 * and frees. NULL is allowed. Call it before the socket is closed: until then no start of another
 * process takes the path over, so what is removed is ours for certain. */
void unix_path_remove(struct unix_path *path);

/* connect(2) to a path of any length. Returns 0 or -errno. */
FERRY_CHECK int unix_path_connect(int fd, const char *path);

#endif
