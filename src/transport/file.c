/* file.c - file: addresses: a regular file or device, read once through or appended to.
 *
 * Symbolic links are followed: the path is the operator's own, as in `cat PATH`. Opening never
 * waits (O_NONBLOCK, which regular files ignore) and never makes a terminal ours (O_NOCTTY).
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "transport/plain.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static int file_failed(const struct ferry_address *address, int code, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);

    switch (code) {
    case -ENOENT:
        return error_set(error, code, thing, "check the path", "there is no such file");
    case -EISDIR:
        return error_set(error, code, thing, "name a file in it", "is a directory");
    case -ENXIO:
        return error_set(error, code, thing, "use unix: for a socket, fifo: for a FIFO",
            "is no file that can be opened");
    default:
        return error_set_errno(error, code, thing, NULL);
    }
}

/* What is no file has a scheme of its own, with another idea of where it ends. */
static int file_check(
    const struct ferry_address *address, const struct stat *status, struct ferry_error *error)
{
    if (S_ISDIR(status->st_mode))
        return file_failed(address, -EISDIR, error);
    if (S_ISFIFO(status->st_mode))
        return error_set(
            error, -EINVAL, ferry_address_text(address), "use fifo: for it", "is a FIFO");
    return 0;
}

static int file_seek(
    const struct ferry_address *address, int fd, int64_t offset, struct ferry_error *error)
{
    if (offset == 0 || lseek(fd, offset, SEEK_SET) >= 0)
        return 0;
    return error_set(error, -errno, ferry_address_text(address), "leave offset= out",
        "has no offset %lld", (long long)offset);
}

/* An option that the direction cannot use would be ignored in silence. */
static int file_check_options(
    const struct ferry_address *address, bool append, struct ferry_error *error)
{
    static const char *const when_reading[] = { "offset", "length" }, *const when_appending[] = {
        "mode"
    };
    const char *const *wrong = append ? when_reading : when_appending;
    size_t count = append ? COUNT_OF(when_reading) : COUNT_OF(when_appending);

    for (size_t i = 0; i < count; i++)
        if (ferry_address_option(address, wrong[i]))
            return error_set(error, -EINVAL, ferry_address_text(address), "leave it out",
                "%s cannot use %s=", append ? "appending" : "reading", wrong[i]);
    return 0;
}

static int file_dial(const struct ferry_address *address, const struct ferry_dial_options *options,
    struct link *ret_link, struct ferry_error *error)
{
    bool append = address_get_flag(address, "append", false);
    int flags = append ? O_WRONLY | O_APPEND | O_CREAT : O_RDONLY;
    struct stat status;

    (void)options;
    int r = file_check_options(address, append, error);
    if (r < 0)
        return r;
    AUTO_FD int fd = open(address->rest, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        address_get_mode(address, "mode", 0600));
    if (fd < 0 || fstat(fd, &status) < 0)
        return file_failed(address, -errno, error);
    r = file_check(address, &status, error);
    if (r == 0)
        r = file_seek(address, fd, address_get_size(address, "offset", 0), error);
    if (r < 0)
        return r;
    int taken = fd_take(&fd);
    r = plain_link(append ? -1 : taken, append ? taken : -1, 0, ret_link);
    if (r < 0)
        return file_failed(address, r, error);
    ret_link->remaining = address_get_size(address, "length", -1);
    return 0;
}

const struct transport transport_file = { .dial = file_dial };
