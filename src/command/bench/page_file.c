/* page_file.c - writes beside the file, then renames. */
#include "command/bench/page_file.h"
#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* The temporary file's name; what is there already is found through symbolic links.
 *   ret_path  where it will be in the end */
static int beside_open(const char *path, struct bytes *ret_path, struct bytes *ret_beside)
{
    AUTO_FREE char *real = realpath(path, NULL);

    bytes_append_text(ret_path, real ? real : path);
    bytes_append(ret_beside, ret_path->data, ret_path->size);
    bytes_append_text(ret_beside, ".XXXXXX");
    if (bytes_failed(ret_path) || bytes_failed(ret_beside))
        return -ENOMEM;
    int fd = mkostemp(ret_beside->data, O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* What the file has, or what a new one gets. */
static mode_t mode_of(const char *path)
{
    struct stat status;
    mode_t mask = umask(0);

    umask(mask);
    return stat(path, &status) == 0 ? status.st_mode & 0777 : 0666 & ~mask;
}

int page_file_try(const char *path)
{
    AUTO_BYTES struct bytes target = BYTES_EMPTY, beside = BYTES_EMPTY;
    struct stat status;

    if (!*path)
        return -ENOENT;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return S_ISDIR(status.st_mode) ? -EISDIR : -EEXIST;
    AUTO_FD int fd = beside_open(path, &target, &beside);
    if (fd < 0)
        return fd;
    return unlink(beside.data) < 0 ? -errno : 0;
}

static int all_write(int fd, const struct bytes *text)
{
    for (size_t written = 0; written < text->size;) {
        ssize_t r = write(fd, text->data + written, text->size - written);
        if (r < 0 && errno != EINTR)
            return -errno;
        written += r > 0 ? (size_t)r : 0;
    }
    return 0;
}

int page_file_write(const char *path, const struct bytes *text)
{
    AUTO_BYTES struct bytes target = BYTES_EMPTY, beside = BYTES_EMPTY;
    AUTO_FD int fd = beside_open(path, &target, &beside);

    if (fd < 0)
        return fd;
    int code = all_write(fd, text);
    if (code == 0 && (fchmod(fd, mode_of(target.data)) < 0 || fsync(fd) < 0 ||
                         rename(beside.data, target.data) < 0))
        code = -errno;
    if (code < 0)
        unlink(beside.data);
    return code;
}
