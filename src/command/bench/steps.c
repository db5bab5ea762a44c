/* steps.c - the steps, each with what it needs made before. */
#include "command/bench/steps.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/bench/cpu.h"
#include "command/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* What a step works on. */
struct ground {
    int first_fd, second_fd; /* -1: none */
    struct sockaddr_storage address;
    socklen_t address_size;
    unsigned descriptors; /* that are handed over at once */
};

/* --- connections ------------------------------------------------------------------------------ */

static int listen_at(struct ground *ground, int family, int type)
{
    ground->first_fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (ground->first_fd < 0 ||
        bind(ground->first_fd, (struct sockaddr *)&ground->address, ground->address_size) < 0 ||
        listen(ground->first_fd, 1) < 0)
        return -errno;
    ground->address_size = sizeof(ground->address);
    return getsockname(
               ground->first_fd, (struct sockaddr *)&ground->address, &ground->address_size) < 0
               ? -errno
               : 0;
}

/* By a name that the kernel gives, autobind of unix(7): no file. */
static int unix_prepare(struct ground *ground, int type)
{
    ((struct sockaddr *)&ground->address)->sa_family = AF_UNIX;
    ground->address_size = sizeof(sa_family_t);
    return listen_at(ground, AF_UNIX, type);
}

static int stream_prepare(struct ground *ground)
{
    return unix_prepare(ground, SOCK_STREAM);
}

static int sequence_prepare(struct ground *ground)
{
    return unix_prepare(ground, SOCK_SEQPACKET);
}

static int tcp_prepare(struct ground *ground)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    memcpy(&ground->address, &address, sizeof(address));
    ground->address_size = sizeof(address);
    return listen_at(ground, AF_INET, SOCK_STREAM);
}

/* One end connects, the other is accepted, both are closed; by a reset, without which the ports of
 * tcp(7) would soon be used up. */
static int connection_step(struct ground *ground)
{
    struct linger reset = { .l_onoff = 1 };
    int type, family = ((struct sockaddr *)&ground->address)->sa_family;
    socklen_t size = sizeof(type);

    if (getsockopt(ground->first_fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return -errno;
    AUTO_FD int client = socket(family, type | SOCK_CLOEXEC, 0);
    if (client < 0 ||
        connect(client, (struct sockaddr *)&ground->address, ground->address_size) < 0)
        return -errno;
    AUTO_FD int server = accept4(ground->first_fd, NULL, NULL, SOCK_CLOEXEC);
    if (server < 0 ||
        (family == AF_INET && setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0))
        return -errno;
    return 0;
}

static int nothing_prepare(struct ground *ground)
{
    (void)ground;
    return 0;
}

static int pair_step(struct ground *ground)
{
    int ends[2];

    (void)ground;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static int pipe_step(struct ground *ground)
{
    int ends[2];

    (void)ground;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* --- within a connection ---------------------------------------------------------------------- */

static int pair_prepare(struct ground *ground)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    ground->first_fd = ends[0];
    ground->second_fd = ends[1];
    ground->descriptors = 1;
    return 0;
}

static int many_prepare(struct ground *ground)
{
    int code = pair_prepare(ground);
    ground->descriptors = STEP_DESCRIPTORS;
    return code;
}

static int peer_step(struct ground *ground)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    return getsockopt(ground->first_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ? -errno : 0;
}

/* One message with a byte and the descriptors, which the other end receives and closes. */
static int descriptors_step(struct ground *ground)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(STEP_DESCRIPTORS * sizeof(int))];
    } control = { .head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
    size_t size = ground->descriptors * sizeof(int);
    int fds[STEP_DESCRIPTORS];
    char byte = 0;
    struct iovec buffer = { &byte, 1 };
    struct msghdr message = { .msg_iov = &buffer,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = CMSG_SPACE(size) };

    control.head.cmsg_len = CMSG_LEN(size);
    for (unsigned i = 0; i < ground->descriptors; i++)
        fds[i] = ground->first_fd;
    memcpy(CMSG_DATA(&control.head), fds, size);
    if (sendmsg(ground->first_fd, &message, MSG_NOSIGNAL) != 1)
        return -errno;
    message.msg_controllen = sizeof(control.bytes);
    if (recvmsg(ground->second_fd, &message, MSG_CMSG_CLOEXEC) != 1)
        return -errno;
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (!head || head->cmsg_len < CMSG_LEN(sizeof(int)))
        return -EBADMSG;
    size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(head), count * sizeof(int));
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    return count == ground->descriptors ? 0 : -EMFILE;
}

static int event_prepare(struct ground *ground)
{
    ground->first_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return ground->first_fd < 0 ? -errno : 0;
}

static int event_step(struct ground *ground)
{
    uint64_t value = 1;
    return write(ground->first_fd, &value, sizeof(value)) == sizeof(value) &&
                   read(ground->first_fd, &value, sizeof(value)) == sizeof(value)
               ? 0
               : -EIO;
}

/* --- measuring -------------------------------------------------------------------------------- */

static const struct {
    const char *name, *help;
    int (*prepare)(struct ground *ground);
    int (*take)(struct ground *ground);
} steps[STEP_COUNT] = {
    { "connection, unix", "socket, connect, accept, close of both ends", stream_prepare,
        connection_step },
    { "connection, unix-seq", "the same with messages", sequence_prepare, connection_step },
    { "connection, tcp", "the same on the loopback device, closed by a reset", tcp_prepare,
        connection_step },
    { "socketpair", "both ends made and closed", nothing_prepare, pair_step },
    { "pipe", "both ends made and closed", nothing_prepare, pipe_step },
    { "who is the peer", "SO_PEERCRED", pair_prepare, peer_step },
    { "descriptor, one", "sent, received and closed, one in a message", pair_prepare,
        descriptors_step },
    { "descriptor, of 64", "the same, 64 in a message: for each", many_prepare, descriptors_step },
    { "eventfd", "written and read", event_prepare, event_step },
};

/* One slice, with a ground of its own. */
static void slice_run(size_t number, int64_t span_ns, struct step_figure *figure)
{
    struct ground ground = { .first_fd = -1, .second_fd = -1, .descriptors = 1 };
    int code = steps[number].prepare(&ground);
    int64_t before_ns = cpu_used_ns(), end_ns = clock_now_ns() + span_ns;
    uint64_t taken = 0;

    while (code == 0 && (taken % STEPS_A_LOOK || !taken || clock_now_ns() < end_ns)) {
        code = steps[number].take(&ground);
        taken++;
    }
    int64_t used_ns = cpu_used_ns() - before_ns;
    taken *= ground.descriptors;
    fd_close(&ground.first_fd);
    fd_close(&ground.second_fd);
    figure->code = code;
    if (code < 0)
        return;
    double each_ns = (double)used_ns / (double)taken;
    if (!figure->steps || each_ns < figure->fastest_ns)
        figure->fastest_ns = each_ns;
    if (each_ns > figure->slowest_ns)
        figure->slowest_ns = each_ns;
    figure->steps += taken;
    figure->cpu_ns += used_ns;
}

void steps_run(
    int64_t span_ns, unsigned rounds, struct slices *slices, struct step_figure figures[STEP_COUNT])
{
    for (size_t i = 0; i < STEP_COUNT; i++)
        figures[i] = (struct step_figure){ .name = steps[i].name, .help = steps[i].help };
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < STEP_COUNT; i++) {
            size_t number = round % 2 ? STEP_COUNT - 1 - i : i;
            struct step_figure *figure = &figures[number];
            if (!slices_step(slices, steps[number].name))
                figure->code = figure->code || figure->steps ? figure->code : -ETIME;
            else if (figure->code == 0)
                slice_run(number, span_ns, figure);
        }
    }
}
