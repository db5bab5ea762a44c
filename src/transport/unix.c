/* unix.c - unix:, unix-dgram: and unix-seq: addresses, by path or abstract name. */
#include "base/cleanup.h"
#include "base/error.h"
#include "transport/limits.h"
#include "transport/socket.h"
#include "transport/socket_options.h"
#include "transport/unix_owner.h"
#include "transport/unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

static int scheme_type(enum ferry_scheme scheme)
{
    switch (scheme) {
    case FERRY_UNIX_DGRAM:
        return SOCK_DGRAM;
    case FERRY_UNIX_SEQ:
    case FERRY_AUTO:
        return SOCK_SEQPACKET;
    default:
        return SOCK_STREAM;
    }
}

static int unix_socket(enum ferry_scheme scheme)
{
    int fd = socket(AF_UNIX, scheme_type(scheme) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

static socklen_t abstract_fill(struct sockaddr_un *address, const char *name, size_t size)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (size > sizeof(address->sun_path) - 1)
        size = sizeof(address->sun_path) - 1;
    memcpy(address->sun_path + 1, name, size);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size);
}

static int abstract_bind(
    int fd, const char *name, size_t size, const char *thing, struct ferry_error *error)
{
    struct sockaddr_un address;
    struct unix_place place = { .name = name, .name_size = size, .abstract = true };
    struct unix_owner owner = { 0 };
    char who[80];

    if (bind(fd, (struct sockaddr *)&address, abstract_fill(&address, name, size)) == 0)
        return 0;
    int code = -errno;
    if (code != -EADDRINUSE)
        return error_set_errno(error, code, thing, NULL);
    if (unix_owner_find(&place, &owner) <= 0)
        owner.pid = 0;
    unix_owner_text(&owner, who, sizeof(who));
    return error_set(error, code, thing, "stop it, or listen elsewhere", "is in use by %s", who);
}

static int path_bind(const struct ferry_address *address, const char *path, int fd, int backlog,
    int64_t lock_wait_ms, struct unix_path **ret_path, struct ferry_error *error)
{
    struct unix_path_options options = { .thing = ferry_address_text(address),
        .type = scheme_type(address->scheme),
        .backlog = backlog,
        .lock_wait_ms = lock_wait_ms };

    int r = ownership_read(address, &options.ownership, error);
    return r < 0 ? r : unix_path_bind(fd, path, &options, ret_path, error);
}

/* --- listen ----------------------------------------------------------------------------------- */

static int unix_bind(const struct ferry_address *address, int fd, int backlog,
    struct unix_path **ret_path, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);

    if (!address->abstract)
        return path_bind(address, address->rest, fd, backlog, PATH_LOCK_MS, ret_path, error);
    int r = abstract_bind(fd, address->rest, address->rest_size, thing, error);
    if (r == 0 && backlog >= 0 && listen(fd, backlog) < 0)
        r = error_set_errno(error, -errno, thing, NULL);
    return r;
}

static int unix_listen(const struct ferry_address *address,
    const struct ferry_listen_options *options, struct listening *ret_listening,
    struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);
    int type = scheme_type(address->scheme);
    int backlog = (int)address_get_number(address, "backlog", BACKLOG_DEFAULT);
    bool refuse = options && options->refuse_descriptors;
    struct option_source source = { address, options ? options->profile : NULL, ADDRESS_LISTEN };
    struct ferry_address *bound;
    struct listening listening;
    int fd = unix_socket(address->scheme);

    if (fd < 0)
        return error_set_errno(error, fd, thing, NULL);
    int r = ferry_address_parse(thing, NULL, &bound, error);
    if (r < 0) {
        fd_close(&fd);
        return r;
    }
    if (options)
        socket_pass(fd, options->message_pidfd, options->message_label);
    /* Complete before it has a name: the first message shall say from whom it is, and a failure
     * after the bind would close the socket before its path is removed. */
    r = type == SOCK_DGRAM ? session_listening(fd, bound, refuse, &listening)
                           : socket_listening(fd, bound, refuse, &listening);
    if (r < 0)
        return error_set_errno(error, r, thing, NULL);
    r = listening_apply_options(&listening, MOMENT_MADE | MOMENT_READY, &source, error);
    if (r == 0)
        r = unix_bind(address, fd, type == SOCK_DGRAM ? -1 : backlog, &listening.path, error);
    if (r < 0) {
        listening.ops->close(&listening);
        return r;
    }
    *ret_listening = listening;
    return 0;
}

/* --- dial ------------------------------------------------------------------------------------- */

static int unix_connect(const struct ferry_address *address, int fd)
{
    struct sockaddr_un abstract;
    socklen_t size;

    if (!address->abstract)
        return unix_path_connect(fd, address->rest);
    size = abstract_fill(&abstract, address->rest, address->rest_size);
    while (connect(fd, (struct sockaddr *)&abstract, size) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

/* Which scheme the socket there would have taken: found by trying. NULL: none. */
static const char *scheme_that_fits(const struct ferry_address *address)
{
    static const enum ferry_scheme schemes[] = { FERRY_UNIX, FERRY_UNIX_DGRAM, FERRY_UNIX_SEQ };

    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        AUTO_FD int fd = schemes[i] == address->scheme ? -1 : unix_socket(schemes[i]);
        if (fd < 0)
            continue;
        int r = unix_connect(address, fd);
        if (r == 0 || r == -EAGAIN)
            return address_scheme_name(schemes[i]);
    }
    return NULL;
}

/* The kernel says this of a dead socket, and of a file that is none. */
static int dial_refused(const struct ferry_address *address, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);
    struct stat status;

    if (!address->abstract && stat(address->rest, &status) == 0 && !S_ISSOCK(status.st_mode))
        return error_set(
            error, -ECONNREFUSED, thing, "check the path", "what is there is not a socket");
    return error_set(error, -ECONNREFUSED, thing, "start its server", "nobody listens there%s",
        address->abstract ? "" : ": its server has gone");
}

static int dial_failed(const struct ferry_address *address, int code, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address), *scheme;
    char remedy[64] = "";

    switch (code) {
    case -EAGAIN:
        return error_set(error, code, thing, "try again", "the backlog of its server is full");
    case -ENOENT:
        return error_set(
            error, code, thing, "start its server, or check the path", "there is no such socket");
    case -ECONNREFUSED:
        return dial_refused(address, error);
    case -EACCES:
        return error_set(error, code, thing,
            "its mode (ls -l) must let this user write to it, and search the directories above",
            "permission denied");
    case -EPROTOTYPE:
        scheme = scheme_that_fits(address);
        if (scheme)
            snprintf(remedy, sizeof(remedy), "use %s:", scheme);
        return error_set(error, code, thing, remedy, "the socket there is of another type");
    default:
        return error_set_errno(error, code, thing, NULL);
    }
}

/* When dialling, mode=, owner= and group= are those of the path that bind= makes. */
static int ownership_check(
    const struct ferry_address *address, const char *name, struct ferry_error *error)
{
    static const char *const keys[] = { "mode", "owner", "group" };

    for (size_t i = 0; i < COUNT_OF(keys) && (!name || name[0] == '@'); i++)
        if (ferry_address_option(address, keys[i]))
            return error_set(error, -EINVAL, ferry_address_text(address),
                "leave it out, or add bind=PATH",
                "when dialling, %s says something about bind=PATH only", keys[i]);
    return 0;
}

/* bind=PATH or bind=@NAME: the address that the peer sees and replies go to. Dialling never waits,
 * so the lock of its directory is not waited for. */
static int client_bind(const struct ferry_address *address, const char *name, int fd,
    struct unix_path **ret_path, struct ferry_error *error)
{
    if (name[0] == '@')
        return abstract_bind(fd, name + 1, strlen(name + 1), ferry_address_text(address), error);
    /* A longer path is bound through the directory's descriptor, and so the peer would be told a
     * name of ours, /proc/self/fd/..., to answer to. */
    if (strlen(name) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return error_set(error, -ENAMETOOLONG, ferry_address_text(address),
            "bind to a shorter path, or to @NAME", "an answer finds no path above 107 bytes");
    return path_bind(address, name, fd, -1, 0, ret_path, error);
}

/* A datagram client without a name could not be answered: the kernel gives it one. */
static int client_autobind(const struct ferry_address *address, int fd, struct ferry_error *error)
{
    sa_family_t family = AF_UNIX;

    if (address->scheme != FERRY_UNIX_DGRAM)
        return 0;
    if (bind(fd, (struct sockaddr *)(void *)&family, sizeof(family)) < 0)
        return error_set_errno(error, -errno, ferry_address_text(address), NULL);
    return 0;
}

static int unix_dial(const struct ferry_address *address, const struct ferry_dial_options *options,
    struct link *ret_link, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);
    const char *name = ferry_address_option(address, "bind");
    struct option_source source = { address, options ? options->profile : NULL, ADDRESS_DIAL };
    struct unix_path *path = NULL;

    int r = ownership_check(address, name, error);
    if (r < 0)
        return r;
    AUTO_FD int alive = -1, fd = unix_socket(address->scheme);
    if (fd < 0)
        return error_set_errno(error, fd, thing, NULL);
    if (options)
        socket_pass(fd, options->message_pidfd, options->message_label);
    r = socket_options_apply(fd, MOMENT_MADE | MOMENT_READY, &source, error);
    if (r < 0)
        return r;
    r = name ? client_bind(address, name, fd, &path, error) : client_autobind(address, fd, error);
    if (r < 0)
        return r;
    r = unix_connect(address, fd);
    if (r < 0) {
        unix_path_remove(path);
        return dial_failed(address, r, error);
    }
    /* A failing socket_link() closes the socket, and its path is to go first. */
    if (path && (alive = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0)
        r = -errno;
    if (r == 0)
        r = socket_link(fd_take(&fd), false, options && options->refuse_descriptors, ret_link);
    if (r < 0) {
        unix_path_remove(path);
        return error_set_errno(error, r, thing, NULL);
    }
    ret_link->path = path;
    return 0;
}

const struct transport transport_unix = { .listen = unix_listen, .dial = unix_dial };

int unix_pair(enum ferry_scheme scheme, struct link *ret_one, struct link *ret_other)
{
    int fds[2];
    struct link one, other;

    if (scheme != FERRY_UNIX && scheme != FERRY_UNIX_DGRAM && scheme != FERRY_UNIX_SEQ)
        return -EINVAL;
    if (socketpair(AF_UNIX, scheme_type(scheme) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    int r = socket_link(fds[0], false, false, &one);
    if (r < 0) {
        fd_close(&fds[1]);
        return r;
    }
    r = socket_link(fds[1], false, false, &other);
    if (r < 0) {
        one.ops->close(&one);
        return r;
    }
    *ret_one = one;
    *ret_other = other;
    return 0;
}
