/* unix_path.c - sockets at paths of the file system: their birth, their end, and the way to them.
 *
 * The directory is opened once and everything happens in that very directory. Its owner, and
 * nobody else, can replace entries in it: that is checked, since all the rest follows from it.
 * Its own flock(2) keeps two starts apart, so nothing is left over when either dies. Whoever may
 * read the directory may hold that lock, so it is waited for briefly or not at all.
 *
 * A path is removed only while device and inode are those that were bound here: at the end that may
 * be somebody else's socket. A child that forked has the same struct, but not the same pid. No lock
 * is needed for it: a start replaces dead sockets only, and ours lives until after its path is
 * gone.
 *
 * sun_path holds 107 bytes. Shorter paths are bound as they are, so that everyone sees them as
 * they were written; what was made is then looked for in the checked directory.
 */
#include "transport/unix_path.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "transport/limits.h"
#include "transport/unix_owner.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

struct unix_path {
    int directory;
    char *name; /* in the directory */
    dev_t device;
    ino_t inode;
    pid_t pid; /* of the process that bound it */
};

static void unix_path_free(struct unix_path *path)
{
    if (!path)
        return;
    fd_close(&path->directory);
    free(path->name);
    free(path);
}

static void cleanup_path(struct unix_path **path)
{
    unix_path_free(*path);
}

/* --- addresses -------------------------------------------------------------------------------- */

static int sockaddr_fill(struct sockaddr_un *address, const char *path)
{
    size_t length = strlen(path);

    if (length >= sizeof(address->sun_path))
        return -ENAMETOOLONG;
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(address->sun_path, path, length);
    return 0;
}

int unix_path_connect(int fd, const char *path)
{
    struct sockaddr_un address;
    char through[64];
    AUTO_FD int target = -1;

    if (sockaddr_fill(&address, path) < 0) {
        target = open(path, O_PATH | O_CLOEXEC);
        if (target < 0)
            return -errno;
        snprintf(through, sizeof(through), "/proc/self/fd/%d", target);
        int r = sockaddr_fill(&address, through);
        if (r < 0)
            return r;
    }
    while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

/* As written when it fits, else by way of the directory's descriptor. */
static int bind_address_fill(
    struct sockaddr_un *address, const char *path, const struct unix_path *opened)
{
    char through[sizeof(address->sun_path) + 1];

    if (sockaddr_fill(address, path) == 0)
        return 0;
    int length =
        snprintf(through, sizeof(through), "/proc/self/fd/%d/%s", opened->directory, opened->name);
    if (length >= (int)sizeof(through))
        return -ENAMETOOLONG;
    return sockaddr_fill(address, through);
}

/* --- the directory ---------------------------------------------------------------------------- */

/* Whoever can rename in the directory can put a socket of his own where clients look for ours. */
static int directory_check(int directory, const char *name, const struct unix_path_options *options,
    struct ferry_error *error)
{
    struct stat status;

    if (fstat(directory, &status) < 0)
        return error_set_errno(error, -errno, options->thing, NULL);
    bool ours = status.st_uid == 0 || status.st_uid == geteuid() ||
                status.st_uid == options->ownership.owner;
    if (!ours)
        return error_set(error, -EPERM, options->thing,
            "use a directory of your own or of root, or owner= as the directory has it",
            "the directory %s belongs to uid %u, who could replace the socket", name,
            (unsigned)status.st_uid);
    bool group = (status.st_mode & S_IWGRP) && status.st_gid != getegid();
    bool other = status.st_mode & S_IWOTH;
    if ((group || other) && !(status.st_mode & S_ISVTX))
        return error_set(error, -EPERM, options->thing,
            other ? "chmod o-w it, or set its sticky bit" : "chmod g-w it, or set its sticky bit",
            "others may write to the directory %s and so could replace the socket", name);
    return 0;
}

static int directory_open(const char *path, const struct unix_path_options *options,
    struct unix_path *opened, struct ferry_error *error)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    AUTO_FREE char *directory =
        !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));

    opened->name = strdup(name);
    if (!directory || !opened->name)
        return error_set_errno(error, -ENOMEM, options->thing, NULL);
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return error_set(
            error, -EISDIR, options->thing, "add the socket's name", "the path is a directory");
    opened->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened->directory >= 0)
        return directory_check(opened->directory, directory, options, error);
    int code = -errno;
    if (code == -ENOENT)
        return error_set(error, code, options->thing, "make it with mkdir -p",
            "there is no directory %s", directory);
    if (code == -EACCES)
        return error_set(error, code, options->thing, "use a directory that this user may read",
            "the directory %s may not be read", directory);
    return error_set_errno(error, code, options->thing, NULL);
}

/* Returns 0, -EAGAIN (held, and there is no time to wait), -EBUSY (held all that time), ... */
static int directory_lock(int directory, int64_t limit_ms)
{
    int64_t deadline_ns = clock_after(clock_now_ns(), limit_ms * NS_PER_MS);

    while (flock(directory, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (clock_now_ns() >= deadline_ns)
            return limit_ms > 0 ? -EBUSY : -EAGAIN;
        poll(NULL, 0, PATH_LOCK_PAUSE_MS);
    }
    return 0;
}

static int lock_failed(
    int code, const char *path, const struct unix_path_options *options, struct ferry_error *error)
{
    const char *slash = strrchr(path, '/');
    int size = !slash ? 1 : slash == path ? 1 : (int)(slash - path);
    char remedy[sizeof(error->remedy)];

    if (!slash)
        path = ".";
    if (code != -EAGAIN && code != -EBUSY)
        return error_set(error, code, options->thing, NULL,
            "the directory %.*s can't be locked: %s", size, path, strerrordesc_np(-code));
    snprintf(remedy, sizeof(remedy),
        "find who holds it: fuser or lsof; a directory of mode 0700 nobody else can lock: %.*s",
        size, path);
    return error_set(error, code, options->thing, remedy,
        "another process holds the lock (flock) of the directory %.*s", size, path);
}

/* --- what lies there already ------------------------------------------------------------------ */

/* Tries to connect as a client would. Returns 0 when nobody is there, -EADDRINUSE when somebody is
 * (with the pid of who made it listen where that can be had), or -errno. */
static int probe(const char *path, int type, struct unix_owner *owner)
{
    AUTO_FD int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct ucred credentials;
    socklen_t size = sizeof(credentials);

    if (fd < 0)
        return -errno;
    switch (unix_path_connect(fd, path)) {
    case 0:
        if (owner->pid == 0 && type != SOCK_DGRAM &&
            getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 &&
            credentials.pid > 0)
            unix_owner_set_pid(owner, credentials.pid);
        return -EADDRINUSE;
    case -EAGAIN:     /* its backlog is full */
    case -EPROTOTYPE: /* a living socket of another type */
        return -EADDRINUSE;
    case -ECONNREFUSED:
    case -ENOENT:
        return 0;
    default:
        return -EACCES;
    }
}

static int in_use(const struct unix_path_options *options, const struct unix_owner *owner,
    struct ferry_error *error)
{
    char who[80];

    unix_owner_text(owner, who, sizeof(who));
    return error_set(
        error, -EADDRINUSE, options->thing, "stop it, or listen elsewhere", "is in use by %s", who);
}

/* Whether the socket file is dead and ours to replace. */
static int stale_check(const char *path, const struct unix_path *opened, const struct stat *status,
    const struct unix_path_options *options, struct ferry_error *error)
{
    struct unix_place place = {
        .name = opened->name, .device = status->st_dev, .inode = status->st_ino
    };
    struct unix_owner owner = { 0 };

    /* Asking the kernel first spares a living server a connection that only looks. Where it finds
     * nobody, the socket may still be of another network namespace, which a connection reaches. */
    bool bound = unix_owner_find(&place, &owner) > 0;
    if (bound && owner.pid > 0)
        return in_use(options, &owner, error);
    int r = probe(path, bound ? owner.type : options->type, &owner);
    if (bound || r == -EADDRINUSE)
        return in_use(options, &owner, error);
    bool ours = status->st_uid == geteuid() || status->st_uid == options->ownership.owner;
    if (!ours)
        return error_set(error, -EPERM, options->thing, "remove it if nobody needs it",
            "a socket of uid %u lies there, which is not ours to replace",
            (unsigned)status->st_uid);
    /* Our own, but closed even to us: look at nothing, decide nothing. */
    if (r < 0)
        return error_set(error, r, options->thing, "remove it if nobody needs it",
            "a socket lies there that can't be tried");
    return 0;
}

/* Makes room for the new socket. */
static int stale_remove(const char *path, const struct unix_path *opened,
    const struct unix_path_options *options, struct ferry_error *error)
{
    struct stat status, again;

    if (fstatat(opened->directory, opened->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_set_errno(error, -errno, options->thing, NULL);
    if (!S_ISSOCK(status.st_mode))
        return error_set(error, -EEXIST, options->thing, "listen elsewhere, or move it away",
            "exists and is not a socket");
    int r = stale_check(path, opened, &status, options, error);
    if (r < 0)
        return r;
    if (fstatat(opened->directory, opened->name, &again, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_set_errno(error, -errno, options->thing, NULL);
    if (again.st_dev != status.st_dev || again.st_ino != status.st_ino)
        return error_set(
            error, -EADDRINUSE, options->thing, NULL, "somebody replaced the socket just now");
    if (unlinkat(opened->directory, opened->name, 0) < 0 && errno != ENOENT)
        return error_set_errno(error, -errno, options->thing, NULL);
    return 0;
}

/* --- the new socket --------------------------------------------------------------------------- */

/* Gives the file its owner and mode and remembers which it is. The descriptor is of the file
 * itself, so whatever happens to the name, nothing else is changed. */
static int file_finish(
    struct unix_path *opened, const struct unix_path_options *options, struct ferry_error *error)
{
    struct stat status;
    char through[64];
    AUTO_FD int file = openat(opened->directory, opened->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (file < 0 || fstat(file, &status) < 0)
        return error_set_errno(error, -errno, options->thing, NULL);
    if (!S_ISSOCK(status.st_mode) || status.st_uid != geteuid())
        return error_set(
            error, -EADDRINUSE, options->thing, NULL, "somebody replaced the socket just now");
    opened->device = status.st_dev;
    opened->inode = status.st_ino;
    if ((options->ownership.owner != (uid_t)-1 || options->ownership.group != (gid_t)-1) &&
        fchownat(file, "", options->ownership.owner, options->ownership.group, AT_EMPTY_PATH) < 0)
        return error_set(error, -errno, options->thing,
            "only root may give a socket to another user, or to a group it is not in",
            "owner= or group= can't be set: %s", strerrordesc_np(errno));
    snprintf(through, sizeof(through), "/proc/self/fd/%d", file);
    if (chmod(through, options->ownership.mode) < 0)
        return error_set(error, -errno, options->thing, "is /proc mounted?",
            "its mode can't be set: %s", strerrordesc_np(errno));
    return 0;
}

static void file_remove(const struct unix_path *path)
{
    struct stat status;

    if (fstatat(path->directory, path->name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISSOCK(status.st_mode) && status.st_dev == path->device && status.st_ino == path->inode)
        unlinkat(path->directory, path->name, 0);
}

static int bind_failed(int code, const struct unix_path_options *options, struct ferry_error *error)
{
    if (code == -EACCES)
        return error_set(error, code, options->thing, "use a directory that this user may write to",
            "the directory may not be written to");
    if (code == -ENAMETOOLONG)
        return error_set(error, code, options->thing, "use a file name below 80 bytes",
            "the last part of the path is too long for a socket");
    return error_set_errno(error, code, options->thing, NULL);
}

static int bind_and_listen(int fd, const char *path, struct unix_path *opened,
    const struct unix_path_options *options, struct ferry_error *error)
{
    struct sockaddr_un address;

    /* bind(2) makes the file with the mode of the socket, less the umask: never more than this. */
    if (fchmod(fd, S_IRUSR | S_IWUSR) < 0)
        return error_set_errno(error, -errno, options->thing, NULL);
    int r = bind_address_fill(&address, path, opened);
    if (r == 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        r = -errno;
    if (r < 0)
        return bind_failed(r, options, error);
    r = file_finish(opened, options, error);
    if (r == 0 && options->backlog >= 0 && listen(fd, options->backlog) < 0)
        r = error_set_errno(error, -errno, options->thing, NULL);
    if (r < 0)
        file_remove(opened);
    return r;
}

/* Whether a living socket is there; says whose. */
static bool place_is_in_use(const char *path, const struct unix_path *opened,
    const struct unix_path_options *options, struct ferry_error *error)
{
    struct stat status;
    return fstatat(opened->directory, opened->name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISSOCK(status.st_mode) &&
           stale_check(path, opened, &status, options, error) == -EADDRINUSE;
}

static int path_open(const char *path, const struct unix_path_options *options,
    struct unix_path **ret_path, struct ferry_error *error)
{
    __attribute__((cleanup(cleanup_path))) struct unix_path *opened = calloc(1, sizeof(*opened));

    if (!opened)
        return error_set_errno(error, -ENOMEM, options->thing, NULL);
    opened->directory = -1;
    opened->pid = getpid();
    int r = directory_open(path, options, opened, error);
    if (r < 0)
        return r;
    *ret_path = TAKE(opened);
    return 0;
}

int unix_path_bind(int fd, const char *path, const struct unix_path_options *options,
    struct unix_path **ret_path, struct ferry_error *error)
{
    __attribute__((cleanup(cleanup_path))) struct unix_path *opened = NULL;

    int r = path_open(path, options, &opened, error);
    if (r < 0)
        return r;
    r = directory_lock(opened->directory, options->lock_wait_ms);
    /* Of many that start at once those that wait too long have lost to one that serves now. */
    if (r == -EBUSY && place_is_in_use(path, opened, options, error))
        return -EADDRINUSE;
    if (r < 0)
        return lock_failed(r, path, options, error);
    r = stale_remove(path, opened, options, error);
    if (r == 0)
        r = bind_and_listen(fd, path, opened, options, error);
    flock(opened->directory, LOCK_UN);
    if (r == 0)
        *ret_path = TAKE(opened);
    return r;
}

int unix_path_resume(int fd, const char *path, const struct unix_path_options *options,
    struct unix_path **ret_path, struct ferry_error *error)
{
    __attribute__((cleanup(cleanup_path))) struct unix_path *opened = NULL;
    struct stat status, socket;

    int r = path_open(path, options, &opened, error);
    if (r < 0)
        return r;
    if (fstat(fd, &socket) < 0)
        return error_set_errno(error, -errno, options->thing, NULL);
    if (fstatat(opened->directory, opened->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return error_set(error, -ESTALE, options->thing, NULL,
            "the path of the socket that was kept is gone: %s", strerrordesc_np(errno));
    struct unix_place place = {
        .name = opened->name, .device = status.st_dev, .inode = status.st_ino
    };
    r = unix_owner_is(&place, socket.st_ino);
    if (r < 0)
        return error_set(error, r, options->thing, "let this program use AF_NETLINK",
            "the kernel does not tell whose the path is: %s", strerrordesc_np(-r));
    if (r == 0)
        return error_set(error, -ESTALE, options->thing, NULL,
            "the path is not that of the socket that was kept");
    opened->device = status.st_dev;
    opened->inode = status.st_ino;
    *ret_path = TAKE(opened);
    return 0;
}

void unix_path_leave(struct unix_path *path)
{
    unix_path_free(path);
}

void unix_path_remove(struct unix_path *path)
{
    if (path && path->pid == getpid())
        file_remove(path);
    unix_path_free(path);
}
