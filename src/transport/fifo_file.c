/* fifo_file.c - a FIFO in the file system: made or found, and removed if it was made.
 *
 * Everything happens in the directory that was opened first. Who listens holds a lock on the FIFO
 * itself, and removes it while holding that lock; who comes next may have opened what was just
 * removed, finds that out after it has the lock, and starts over.
 */
#include "transport/fifo_file.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "transport/hold.h"
#include "transport/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static void fifo_file_recognise(struct fifo_file *file, const struct stat *status)
{
    file->device = status->st_dev;
    file->inode = status->st_ino;
}

/* Whether the name still leads to it. */
static bool fifo_file_is_there(const struct fifo_file *file)
{
    struct stat status;

    return fstatat(file->directory_fd, file->name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           status.st_dev == file->device && status.st_ino == file->inode;
}

void fifo_file_close(struct fifo_file *file)
{
    if (file->made && file->maker == getpid() && fifo_file_is_there(file))
        unlinkat(file->directory_fd, file->name, 0);
    fd_close(&file->fd);
    fd_close(&file->directory_fd);
    free(TAKE(file->name));
}

/* Opens the directory and splits the name off. */
static int fifo_file_place(struct fifo_file *file, const char *path)
{
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");

    file->name = strdup(slash ? slash + 1 : path);
    if (!directory || !file->name)
        return -ENOMEM;
    if (!file->name[0])
        return -EISDIR;
    file->directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return file->directory_fd < 0 ? -errno : 0;
}

static bool owner_is_trusted(uid_t owner, const struct ownership *ownership)
{
    return owner == geteuid() || owner == 0 ||
           (ownership->owner != (uid_t)-1 && owner == ownership->owner);
}

static int fifo_file_check(const struct stat *status, const char *thing,
    const struct ownership *ownership, struct ferry_error *error)
{
    if (!S_ISFIFO(status->st_mode))
        return error_set(error, -EEXIST, thing, "move it away, or listen elsewhere",
            "something that is no FIFO is there already");
    if (!owner_is_trusted(status->st_uid, ownership))
        return error_set(error, -EPERM, thing, "listen elsewhere, or let its owner remove it",
            "the FIFO there belongs to user %u", status->st_uid);
    return 0;
}

/* Makes or finds it, and opens it. Opening what is no FIFO could already do something (rewind a
 * tape), hence the look before. 1: it was removed in between. */
static int fifo_file_find(struct fifo_file *file, const char *thing,
    const struct ownership *ownership, struct ferry_error *error)
{
    struct stat status;

    file->made = mkfifoat(file->directory_fd, file->name, 0600) == 0;
    file->maker = getpid();
    if (!file->made && errno != EEXIST)
        return error_set_errno(error, -errno, thing, "check the directory and its mode");
    if (fstatat(file->directory_fd, file->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 1 : error_set_errno(error, -errno, thing, NULL);
    fifo_file_recognise(file, &status);
    int r = fifo_file_check(&status, thing, ownership, error);
    if (r < 0)
        return r;
    file->fd = openat(
        file->directory_fd, file->name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
    if (file->fd < 0)
        return errno == ENOENT
                   ? 1
                   : error_set_errno(error, -errno, thing, "this user must be able to read it");
    if (fstat(file->fd, &status) < 0)
        return error_set_errno(error, -errno, thing, NULL);
    fifo_file_recognise(file, &status);
    return fifo_file_check(&status, thing, ownership, error);
}

/* Finds or makes it and takes the lock. 1: it was removed in between, start over. */
static int fifo_file_try(struct fifo_file *file, const char *thing,
    const struct ownership *ownership, bool hold, struct ferry_error *error)
{
    int r = fifo_file_find(file, thing, ownership, error);
    if (r == 0 && hold)
        r = hold_take(file->fd, thing, error);
    /* Whoever was faster uses it now. */
    if (r == -EADDRINUSE)
        file->made = false;
    if (r < 0 || (r == 0 && fifo_file_is_there(file)))
        return r;
    file->made = false;
    fd_close(&file->fd);
    return 1;
}

static int fifo_file_own(struct fifo_file *file, const char *thing,
    const struct ownership *ownership, struct ferry_error *error)
{
    int r = file->made || ownership->stated ? ownership_apply(file->fd, ownership) : 0;
    return r < 0 ? error_set_errno(error, r, thing, "mode, owner or group could not be set") : 0;
}

/* A reader that never reads would keep the writer from learning that nobody listens. */
static int fifo_file_unread(struct fifo_file *file, const char *thing, struct ferry_error *error)
{
    int fd = fifo_file_reopen(file, O_PATH);

    if (fd < 0)
        return error_set_errno(error, fd, thing, NULL);
    fd_close(&file->fd);
    file->fd = fd;
    return 0;
}

int fifo_file_open(const char *path, const char *thing, const struct ownership *ownership,
    bool hold, struct fifo_file *ret_file, struct ferry_error *error)
{
    struct fifo_file file = FIFO_FILE_NONE;

    int r = fifo_file_place(&file, path);
    if (r < 0) {
        error_set_errno(error, r, thing, "check the directory");
        goto fail;
    }
    r = 1;
    for (unsigned tries = 0; r > 0 && tries < OPEN_TRIES_MAX; tries++)
        r = fifo_file_try(&file, thing, ownership, hold, error);
    if (r > 0)
        r = error_set(error, -EBUSY, thing, "try again", "is made and removed all the time");
    if (r == 0)
        r = fifo_file_own(&file, thing, ownership, error);
    if (r == 0 && !hold)
        r = fifo_file_unread(&file, thing, error);
    if (r < 0)
        goto fail;
    *ret_file = file;
    return 0;
fail:
    fifo_file_close(&file);
    return r;
}

int fifo_file_reopen(const struct fifo_file *file, int flags)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
    int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}
