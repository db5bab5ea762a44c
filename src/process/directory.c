/* directory.c - a folder in which nobody else can put or replace a socket of ours.
 *
 * What is checked is what was opened: each folder is opened once without following a link in its
 * last part, and asked through its descriptor. The folder above counts as well, since who may
 * write there may rename ours away; a sticky one (/tmp) forbids that.
 */
#include "process/directory.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

static int folder_check(int fd, const char *path, bool above, struct ferry_error *error)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return error_set_errno(error, -errno, path, NULL);
    bool trusted = status.st_uid == geteuid() || (above && status.st_uid == 0);
    bool sticky = above && (status.st_mode & S_ISVTX);
    if (!trusted && !sticky)
        return error_set(error, -EPERM, path, "choose a directory of your own",
            "belongs to uid %u, who could replace what is in it", status.st_uid);
    if ((status.st_mode & 0022) && !sticky)
        return error_set(error, -EPERM, path, "chmod go-w it, or choose another",
            "can be written by others (mode %04o)", status.st_mode & 07777);
    return 0;
}

/* Splits a path into the folder above and its last part; both point into `copy`. */
static void path_split(char *copy, const char **ret_above, const char **ret_name)
{
    size_t length = strlen(copy);
    while (length > 1 && copy[length - 1] == '/')
        copy[--length] = '\0';
    char *slash = strrchr(copy, '/');
    *ret_name = slash ? slash + 1 : copy;
    *ret_above = !slash ? "." : slash == copy ? "/" : copy;
    if (slash)
        *slash = '\0';
}

static int folder_open(int above, const char *name, const char *path, mode_t mode, int *ret_fd,
    struct ferry_error *error)
{
    bool made = mkdirat(above, name, mode & 0700) == 0;
    if (!made && errno != EEXIST)
        return error_set_errno(error, -errno, path, NULL);
    AUTO_FD int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return error_set(error, -ENOTDIR, path, "remove it, or choose another",
            "is not a directory (a symbolic link is not followed)");
    if (fd < 0)
        return error_set_errno(error, -errno, path, NULL);
    /* Our umask does not decide who may reach the sockets in it. */
    if (made && fchmod(fd, mode) < 0)
        return error_set_errno(error, -errno, path, NULL);
    *ret_fd = fd_take(&fd);
    return 0;
}

int directory_make(const char *path, mode_t mode, struct ferry_error *error)
{
    AUTO_FREE char *copy = strdup(path);
    if (!copy)
        return error_set_errno(error, -ENOMEM, path, NULL);
    const char *above_path, *name;
    path_split(copy, &above_path, &name);
    if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return error_set(error, -EINVAL, path, NULL, "expected the name of a directory");

    AUTO_FD int above = open(above_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (above < 0)
        return error_set_errno(error, -errno, above_path, NULL);
    int r = folder_check(above, above_path, true, error);
    if (r < 0)
        return r;
    AUTO_FD int fd = -1;
    r = folder_open(above, name, path, mode, &fd, error);
    return r < 0 ? r : folder_check(fd, path, false, error);
}

/* Where the runtime directory is, and with which mode it is made. */
static int runtime_path(char **ret_path, mode_t *ret_mode, struct ferry_error *error)
{
    const char *given = getenv("RUNTIME_DIRECTORY"), *user = getenv("XDG_RUNTIME_DIR");
    char *path = NULL;
    int length;

    *ret_mode = geteuid() == 0 ? 0755 : 0700;
    if (given && given[0] == '/')
        length = asprintf(&path, "%.*s", (int)strcspn(given, ":"), given);
    else if (geteuid() == 0)
        length = asprintf(&path, "/run/ferry");
    else if (user && user[0] == '/')
        length = asprintf(&path, "%s/ferry", user);
    else
        return error_set(error, -ENOENT, "XDG_RUNTIME_DIR",
            "set it to a directory of your own, or name a path", "is not set");
    if (length < 0)
        return error_set_errno(error, -ENOMEM, "the runtime directory", NULL);
    *ret_path = path;
    return 0;
}

int directory_runtime(char **ret_path, struct ferry_error *error)
{
    AUTO_FREE char *path = NULL;
    mode_t mode;
    int r = runtime_path(&path, &mode, error);
    if (r == 0)
        r = directory_make(path, mode, error);
    if (r < 0)
        return r;
    *ret_path = TAKE(path);
    return 0;
}
