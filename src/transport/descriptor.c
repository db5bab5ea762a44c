/* descriptor.c - links of descriptors that are open already: fd:, - and whatever is adopted.
 *
 * What a descriptor is, and which way it goes, is asked of the kernel. Those of fd: and - came from
 * another process that may still use them, so their O_NONBLOCK stays as it is (LINK_SHARED). A
 * number given as fd: is taken: its link closes it. Standard input and output are not: their links
 * have copies, so several may come and go. Therefore ending the sending on `-` ends our share of
 * it only; the reader sees the end when the process's own descriptor 1 is closed as well.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "transport/limits.h"
#include "transport/plain.h"
#include "transport/single.h"
#include "transport/socket.h"
#include "transport/socket_options.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

static bool is_listening(int fd)
{
    int listens = 0;
    socklen_t size = sizeof(listens);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

/* A datagram socket with a name that is not tied to one peer. */
static bool is_session_socket(int fd)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof(name), type_size = sizeof(int);
    int type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) < 0 || type != SOCK_DGRAM)
        return false;
    if (getpeername(fd, (struct sockaddr *)&name, &size) == 0)
        return false;
    size = sizeof(name);
    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
        return false;
    switch (name.ss_family) {
    case AF_UNIX:
        return size > sizeof(sa_family_t);
    case AF_INET:
        return ((struct sockaddr_in *)(void *)&name)->sin_port != 0;
    case AF_INET6:
        return ((struct sockaddr_in6 *)(void *)&name)->sin6_port != 0;
    default:
        return false;
    }
}

/* It has no peer yet, or failed to get one: SO_ERROR will tell. */
static bool is_connecting(int fd)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof(name);
    return getpeername(fd, (struct sockaddr *)&name, &size) < 0 && errno == ENOTCONN;
}

static int socket_link_open(int fd, bool shared, bool refuse_descriptors, struct link *ret_link)
{
    AUTO_FD int owned = fd;

    if (is_listening(fd))
        return -EINVAL;
    int r = shared ? 0 : fd_set_nonblocking(fd);
    if (r == 0)
        r = socket_link(fd_take(&owned), is_connecting(fd), refuse_descriptors, ret_link);
    if (r == 0 && shared) {
        ret_link->flags |= LINK_SHARED;
        /* splice(2) on a socket that blocks would block. */
        ret_link->flags &= ~(unsigned)(LINK_SPLICE_FROM | LINK_SPLICE_TO | LINK_WHOLE);
    }
    return r;
}

/* Which ways it was opened. -EBADF: not open, or for none (O_PATH). */
static int descriptor_ways(int fd, bool *ret_receives, bool *ret_sends)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || (flags & O_PATH))
        return -EBADF;
    *ret_receives = (flags & O_ACCMODE) != O_WRONLY;
    *ret_sends = (flags & O_ACCMODE) != O_RDONLY;
    return 0;
}

static int descriptor_open(int fd, bool shared, bool refuse_descriptors, struct link *ret_link)
{
    AUTO_FD int owned = fd;
    bool receives, sends;
    enum plain_kind kind;

    int r = descriptor_ways(fd, &receives, &sends);
    if (r == 0)
        r = plain_kind_of(fd, &kind);
    if (r < 0)
        return r;
    if (kind == PLAIN_SOCKET)
        return socket_link_open(fd_take(&owned), shared, refuse_descriptors, ret_link);
    r = shared ? 0 : fd_set_nonblocking(fd);
    if (r < 0)
        return r;
    owned = -1;
    return plain_link(receives ? fd : -1, sends ? fd : -1, shared ? LINK_SHARED : 0, ret_link);
}

int descriptor_link(int fd, bool shared, struct link *ret_link)
{
    return descriptor_open(fd, shared, false, ret_link);
}

/* --- two descriptors -------------------------------------------------------------------------- */

/* As inetd and systemd start a service: both are the connection. */
static bool is_same_socket(int one, int other)
{
    struct stat first, second;

    return one >= 0 && other >= 0 && fstat(one, &first) == 0 && fstat(other, &second) == 0 &&
           S_ISSOCK(first.st_mode) && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

/* Closes and forgets what cannot be used that way. */
static void drop_useless(int *receive_fd, int *send_fd)
{
    bool receives = false, sends = false;

    descriptor_ways(*receive_fd, &receives, &sends);
    if (!receives)
        fd_close(receive_fd);
    receives = sends = false;
    descriptor_ways(*send_fd, &receives, &sends);
    if (!sends)
        fd_close(send_fd);
}

static int descriptor_open_two(
    int receive_fd, int send_fd, bool shared, bool refuse_descriptors, struct link *ret_link)
{
    AUTO_FD int receiving = receive_fd;
    AUTO_FD int sending = send_fd == receive_fd ? -1 : send_fd;

    if (send_fd == receive_fd || is_same_socket(receive_fd, send_fd))
        return descriptor_open(fd_take(&receiving), shared, refuse_descriptors, ret_link);
    drop_useless(&receiving, &sending);
    if (receiving < 0 && sending < 0)
        return -EBADF;
    int r = shared || receiving < 0 ? 0 : fd_set_nonblocking(receiving);
    if (r == 0 && !shared && sending >= 0)
        r = fd_set_nonblocking(sending);
    if (r < 0)
        return r;
    return plain_link(fd_take(&receiving), fd_take(&sending), shared ? LINK_SHARED : 0, ret_link);
}

int descriptor_link_two(int receive_fd, int send_fd, bool shared, struct link *ret_link)
{
    return descriptor_open_two(receive_fd, send_fd, shared, false, ret_link);
}

int descriptor_link_dialled(const struct ferry_address *address, int receive_fd, int send_fd,
    bool refuse_descriptors, struct link *ret_link)
{
    bool two_lanes = address->scheme == FERRY_AUTO;
    int r =
        descriptor_open_two(receive_fd, send_fd, false, refuse_descriptors && !two_lanes, ret_link);
    return r == 0 && two_lanes ? auto_link(address, true, refuse_descriptors, ret_link) : r;
}

/* --- addresses -------------------------------------------------------------------------------- */

static int descriptor_failed(
    const struct ferry_address *address, int fd, int code, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);

    switch (code) {
    case -EBADF:
        if (fd < 0)
            return error_set(error, code, thing, NULL, "standard input and output are closed");
        return error_set(error, code, thing, "let whoever starts this program open it (3<>FILE)",
            "descriptor %d is not open", fd);
    case -EISDIR:
        return error_set(error, code, thing, NULL, "is a directory");
    case -EINVAL:
        return error_set(error, code, thing, "listen on it", "is a socket that listens");
    case -EPROTOTYPE:
        return error_set(error, code, thing, "let input and output be the same socket",
            "a socket of messages and something else make no pair");
    default:
        return error_set_errno(error, code, thing, NULL);
    }
}

/* The descriptor of fd:, taken. What was passed to this program is open across exec; what is not is
 * the program's own, our loop's perhaps, or taken already. */
static int number_take(const struct ferry_address *address, int *ret_fd, struct ferry_error *error)
{
    int fd = address->descriptor;
    int flags = fd < 0 ? 0 : fcntl(fd, F_GETFD);

    if (fd < 0)
        return error_set(error, -ENOENT, ferry_address_text(address),
            "let a service manager pass it (FileDescriptorName=), or use fd:NUMBER",
            "no descriptor of this name was passed (LISTEN_FDNAMES)");
    if (flags >= 0 && flags & FD_CLOEXEC)
        return error_set(error, -EBADF, ferry_address_text(address),
            "let whoever starts this program open it (3<>FILE)",
            "descriptor %d was not passed to this program, or is in use", fd);
    if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return descriptor_failed(address, fd, -errno, error);
    *ret_fd = fd;
    return 0;
}

/* -1 when it is closed. */
static int stdio_copy(int fd, int *ret_fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

    if (copy < 0 && errno != EBADF)
        return -errno;
    *ret_fd = copy;
    return 0;
}

static int stdio_dial(const struct ferry_address *address, bool refuse_descriptors,
    struct link *ret_link, struct ferry_error *error)
{
    AUTO_FD int receiving = -1;
    AUTO_FD int sending = -1;

    int r = stdio_copy(STDIN_FILENO, &receiving);
    if (r == 0)
        r = stdio_copy(STDOUT_FILENO, &sending);
    if (r == 0 && receiving < 0 && sending < 0)
        r = -EBADF;
    if (r == 0)
        r = descriptor_open_two(
            fd_take(&receiving), fd_take(&sending), true, refuse_descriptors, ret_link);
    return r < 0 ? descriptor_failed(address, -1, r, error) : 0;
}

/* What is open already is past some moments: a window's scale has been agreed, an address bound. It
 * gets what can still be had. */
static int descriptor_open_tuned(int fd, const struct ferry_address *address,
    bool refuse_descriptors, const struct ferry_profile *profile, struct link *ret_link,
    struct ferry_error *error)
{
    struct option_source source = { address, profile, ADDRESS_DIAL };

    int r = descriptor_open(fd, true, refuse_descriptors, ret_link);
    if (r < 0)
        return descriptor_failed(address, fd, r, error);
    r = socket_options_apply(fd, MOMENT_MADE | MOMENT_READY, &source, error);
    if (r < 0)
        ret_link->ops->close(ret_link);
    return r;
}

static int descriptor_dial(const struct ferry_address *address,
    const struct ferry_dial_options *options, struct link *ret_link, struct ferry_error *error)
{
    bool refuse = options && options->refuse_descriptors;
    int fd;

    if (address->scheme == FERRY_STDIO)
        return stdio_dial(address, refuse, ret_link, error);
    int r = number_take(address, &fd, error);
    if (r < 0)
        return r;
    return descriptor_open_tuned(
        fd, address, refuse, options ? options->profile : NULL, ret_link, error);
}

int descriptor_listening(int fd, const struct ferry_address *address,
    const struct ferry_listen_options *options, struct listening *ret_listening,
    struct ferry_error *error)
{
    bool refuse = options && options->refuse_descriptors && address->scheme != FERRY_AUTO;
    const struct ferry_profile *profile = options ? options->profile : NULL;
    struct option_source source = { address, profile, ADDRESS_LISTEN };
    AUTO_FD int owned = fd;
    struct link link;
    int family, type, r;

    if (address->scheme == FERRY_AUTO &&
        (socket_kind(fd, &family, &type) < 0 || family != AF_UNIX || type != SOCK_SEQPACKET))
        return error_set(error, -EPROTOTYPE, ferry_address_text(address),
            "have SOCK_SEQPACKET made of it (ListenSequentialPacket= of systemd.socket(5))",
            "what is inherited is no packet socket");
    if (options)
        socket_pass(fd, options->message_pidfd, options->message_label);
    if (is_listening(fd) || is_session_socket(fd)) {
        r = fd_set_nonblocking(fd);
        if (r == 0 && is_listening(fd))
            r = socket_listening(fd_take(&owned), NULL, refuse, ret_listening);
        else if (r == 0)
            r = session_listening(fd_take(&owned), NULL, refuse, ret_listening);
        if (r < 0)
            return descriptor_failed(address, fd, r, error);
        r = listening_apply_options(ret_listening, MOMENT_MADE | MOMENT_READY, &source, error);
        if (r < 0)
            ret_listening->ops->close(ret_listening);
        else if (address->scheme == FERRY_AUTO)
            auto_listening(address, options && options->refuse_descriptors, ret_listening);
        return r;
    }
    r = descriptor_open_tuned(fd_take(&owned), address, refuse, profile, &link, error);
    if (r < 0)
        return r;
    r = single_listening(&link, ret_listening);
    return r < 0 ? descriptor_failed(address, fd, r, error) : 0;
}

/* inetd's "wait" services and systemd's StandardInput=socket get the listening socket as input. */
static int descriptor_listen(const struct ferry_address *address,
    const struct ferry_listen_options *options, struct listening *ret_listening,
    struct ferry_error *error)
{
    AUTO_FD int fd = -1;
    int r;

    if (address->scheme == FERRY_FD) {
        r = number_take(address, &fd, error);
        return r < 0 ? r
                     : descriptor_listening(fd_take(&fd), address, options, ret_listening, error);
    }
    if (!is_listening(STDIN_FILENO) && !is_session_socket(STDIN_FILENO))
        return single_listen(address, options, ret_listening, error);
    r = stdio_copy(STDIN_FILENO, &fd);
    return r < 0 ? descriptor_failed(address, -1, r, error)
                 : descriptor_listening(fd_take(&fd), address, options, ret_listening, error);
}

const struct transport transport_descriptor = { .listen = descriptor_listen,
    .dial = descriptor_dial };
