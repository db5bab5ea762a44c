/* state.c - what is kept from one run to the next. */
#include "base/state.h"
#include "base/cleanup.h"
#include "base/whole.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

int state_path(const char *variable, const char *name, char **ret_path)
{
    const char *given = secure_getenv(variable), *state = secure_getenv("XDG_STATE_HOME");
    const char *home = secure_getenv("HOME");
    int length;

    if (given && !*given)
        return -ENOENT;
    /* The XDG specification: a relative path is none. */
    if (given)
        length = asprintf(ret_path, "%s", given);
    else if (state && *state == '/')
        length = asprintf(ret_path, "%s/ferry/%s", state, name);
    else if (home && *home == '/')
        length = asprintf(ret_path, "%s/.local/state/ferry/%s", home, name);
    else
        return -ENOENT;
    return length < 0 ? -ENOMEM : 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int check(int fd, size_t size_max)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -ENODATA;
    if ((status.st_uid != geteuid() && status.st_uid != 0) || status.st_mode & (S_IWGRP | S_IWOTH))
        return -EPERM;
    return status.st_size > (off_t)size_max ? -EFBIG : 0;
}

int state_read(const char *path, size_t size_max, struct bytes *ret_text)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    char piece[4096];
    /* A FIFO would have us wait for somebody who writes it. */
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int code = fd < 0 ? -errno : check(fd, size_max);

    if (code < 0)
        return code;
    for (ssize_t size; (size = read(fd, piece, sizeof(piece))) != 0;) {
        if (size < 0 && errno != EINTR)
            return -errno;
        if (size > 0)
            bytes_append(&text, piece, (size_t)size);
        /* It may have grown. */
        if (text.size > size_max)
            return -EFBIG;
    }
    if (bytes_failed(&text))
        return -ENOMEM;
    *ret_text = text;
    text = BYTES_EMPTY;
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* The folders above, each that is missing. */
static int folders_make(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int code = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
        *slash = '/';
        if (code < 0)
            return code;
    }
    return 0;
}

int state_load(const char *variable, const char *name, size_t size_max, char **ret_path,
    struct bytes *ret_text)
{
    *ret_path = NULL;
    int code = state_path(variable, name, ret_path);
    return code < 0 ? code : state_read(*ret_path, size_max, ret_text);
}

int state_write(const char *path, const void *data, size_t size)
{
    char next[PATH_MAX];

    if ((size_t)snprintf(next, sizeof(next), "%s.XXXXXX", path) >= sizeof(next))
        return -ENAMETOOLONG;
    int code = folders_make(next);
    if (code < 0)
        return code;
    AUTO_FD int fd = mkostemp(next, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    code = whole_write(fd, data, size);
    if (code == 0 && fsync(fd) < 0)
        code = -errno;
    if (code == 0 && rename(next, path) < 0)
        code = -errno;
    if (code < 0)
        unlink(next);
    return code;
}
