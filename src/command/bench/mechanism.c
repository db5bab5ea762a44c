/* mechanism.c - the mechanisms of Linux by their bare system calls, and the library's ring. */
#include "command/bench/mechanism.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/bench/handed.h"
#include "command/bench/moving.h"
#include "command/bench/peer.h"
#include "command/bench/tuned.h"
#include "command/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static const char *const waits[BENCH_WAIT_COUNT] = {
    [BENCH_SLEEP] = "sleep", [BENCH_SPIN] = "spin", [BENCH_ADAPTIVE] = "adaptive"
};

const char *bench_wait_name(enum bench_wait wait)
{
    return waits[wait];
}

static int failure(ssize_t result)
{
    return result < 0 ? -errno : 0;
}

/* --- sockets, pipes --------------------------------------------------------------------------- */

static ssize_t file_send(struct bench_end *end, const void *data, size_t size)
{
    ssize_t sent = write(end->send_fd, data, size);
    return sent < 0 ? -errno : sent;
}

static ssize_t file_receive(struct bench_end *end, void *data, size_t size)
{
    ssize_t received = read(end->receive_fd, data, size);
    return received < 0 ? -errno : received;
}

static ssize_t socket_send(struct bench_end *end, const void *data, size_t size)
{
    ssize_t sent = send(end->send_fd, data, size, MSG_NOSIGNAL);
    /* The kernel has no memory of that size in one piece. */
    return sent < 0 ? errno == ENOBUFS ? -EMSGSIZE : -errno : sent;
}

static ssize_t socket_receive(struct bench_end *end, void *data, size_t size)
{
    ssize_t received = recv(end->receive_fd, data, size, 0);
    return received < 0 ? -errno : received;
}

/* The kernel doubles what it is given, and cuts it where we are not privileged. */
static int buffer_set(int fd, int option, int forced, int size)
{
    int got;
    socklen_t got_size = sizeof(got);

    if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) < 0 &&
        setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size)) < 0)
        return -errno;
    if (getsockopt(fd, SOL_SOCKET, option, &got, &got_size) < 0)
        return -errno;
    return got / 2 < size ? -EPERM : 0;
}

/* A message must fit into the buffer at once, unless it comes in parts; what is refused by its
 * limit shows when one is sent. */
static int room_make(const struct bench_link *link, int fd)
{
    const struct crossing *crossing = &link->crossing;
    int size = (int)(crossing->buffer ? crossing->buffer : crossing->size * 2);

    if (!crossing->buffer && (crossing->mechanism->is_stream || size < (int)BENCH_BUFFER_MIN))
        return 0;
    int code = buffer_set(fd, SO_SNDBUF, SO_SNDBUFFORCE, size);
    if (code == 0 || code == -EPERM)
        code = buffer_set(fd, SO_RCVBUF, SO_RCVBUFFORCE, size);
    return crossing->buffer || code != -EPERM ? code : 0;
}

static int pipe_open(struct bench_link *link)
{
    int there[2], back[2];

    if (pipe2(there, O_NONBLOCK | O_CLOEXEC) < 0)
        return -errno;
    link->pairs[0][1] = there[1];
    link->pairs[1][0] = there[0];
    if (pipe2(back, O_NONBLOCK | O_CLOEXEC) < 0)
        return -errno;
    link->pairs[1][1] = back[1];
    link->pairs[0][0] = back[0];
    int size = (int)link->crossing.buffer;
    if (size && (fcntl(there[1], F_SETPIPE_SZ, size) < 0 || fcntl(back[1], F_SETPIPE_SZ, size) < 0))
        return -errno;
    return 0;
}

/* Opened for both, so that neither open waits for the other; then the name goes. */
static int fifo_make(const char *folder, int ret_ends[2])
{
    char path[64];

    snprintf(path, sizeof(path), "%s/fifo", folder);
    if (mkfifo(path, 0600) < 0)
        return -errno;
    ret_ends[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ret_ends[1] = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    int code = ret_ends[0] < 0 || ret_ends[1] < 0 ? -errno : 0;
    unlink(path);
    return code;
}

static int fifo_open(struct bench_link *link)
{
    char folder[] = "/tmp/ferry-bench-XXXXXX";
    int there[2] = { -1, -1 }, back[2] = { -1, -1 };

    if (!mkdtemp(folder))
        return -errno;
    int code = fifo_make(folder, there);
    if (code == 0)
        code = fifo_make(folder, back);
    rmdir(folder);
    link->pairs[0][0] = back[0];
    link->pairs[0][1] = there[1];
    link->pairs[1][0] = there[0];
    link->pairs[1][1] = back[1];
    return code;
}

static void socket_take(struct bench_link *link, unsigned side, int fd)
{
    link->pairs[side][0] = link->pairs[side][1] = fd;
}

static int unix_open_type(struct bench_link *link, int type)
{
    int ends[2];

    if (socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    for (unsigned side = 0; side < 2; side++)
        socket_take(link, side, ends[side]);
    int code = room_make(link, ends[0]);
    return code < 0 ? code : room_make(link, ends[1]);
}

static int unix_open(struct bench_link *link)
{
    return unix_open_type(link, SOCK_STREAM);
}

static int sequence_open(struct bench_link *link)
{
    return unix_open_type(link, SOCK_SEQPACKET);
}

/* However large a message is, it takes no room in the socket. */
static int memory_open(struct bench_link *link)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    for (unsigned side = 0; side < 2; side++)
        socket_take(link, side, ends[side]);
    return 0;
}

static int datagram_open(struct bench_link *link)
{
    return unix_open_type(link, SOCK_DGRAM);
}

/* A socket of that type, bound to a port of the loopback device that the kernel chooses. */
static int inet_bind(int type, struct sockaddr_in *ret_address)
{
    socklen_t size = sizeof(*ret_address);
    AUTO_FD int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    *ret_address =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    if (fd < 0 || bind(fd, (struct sockaddr *)ret_address, sizeof(*ret_address)) < 0 ||
        getsockname(fd, (struct sockaddr *)ret_address, &size) < 0)
        return -errno;
    return fd_take(&fd);
}

static int make_nonblocking(const struct bench_link *link)
{
    int code = fd_set_nonblocking(link->pairs[0][0]);
    return code < 0 ? code : fd_set_nonblocking(link->pairs[1][0]);
}

static int tcp_open(struct bench_link *link)
{
    struct sockaddr_in address;
    int at_once = 1;

    if (link->crossing.profile)
        return tuned_open(link);
    AUTO_FD int listener = inet_bind(SOCK_STREAM, &address);

    if (listener < 0)
        return listener;
    int code = room_make(link, listener);
    if (code < 0)
        return code;
    if (listen(listener, 1) < 0)
        return -errno;
    socket_take(link, 0, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int fd = link->pairs[0][0];
    code = fd < 0 ? -errno : room_make(link, fd);
    if (code < 0)
        return code;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    socket_take(link, 1, accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    for (unsigned side = 0; side < 2; side++)
        if (link->pairs[side][0] < 0 || setsockopt(link->pairs[side][0], IPPROTO_TCP, TCP_NODELAY,
                                            &at_once, sizeof(at_once)) < 0)
            return -errno;
    return make_nonblocking(link);
}

static int udp_open(struct bench_link *link)
{
    struct sockaddr_in addresses[2];

    if (link->crossing.size > BENCH_UDP_SIZE_MAX)
        return -EMSGSIZE;
    for (unsigned side = 0; side < 2; side++) {
        int fd = inet_bind(SOCK_DGRAM, &addresses[side]);
        if (fd < 0)
            return fd;
        socket_take(link, side, fd);
        int code = room_make(link, fd);
        if (code < 0)
            return code;
    }
    for (unsigned side = 0; side < 2; side++)
        if (connect(link->pairs[side][0], (struct sockaddr *)&addresses[!side],
                sizeof(addresses[side])) < 0)
            return -errno;
    return make_nonblocking(link);
}

/* --- queues ----------------------------------------------------------------------------------- */

static int queue_make(size_t size, int ret_ends[2])
{
    static unsigned number;
    char name[40];
    struct mq_attr attributes = { .mq_maxmsg = BENCH_QUEUE_MESSAGES, .mq_msgsize = (long)size };

    snprintf(name, sizeof(name), "/ferry-bench-%d-%u", (int)getpid(), number++);
    ret_ends[1] =
        mq_open(name, O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, 0600, &attributes);
    /* EINVAL: above msgsize_max; EMFILE: above RLIMIT_MSGQUEUE, as mq_overview(7) has it. */
    if (ret_ends[1] < 0)
        return errno == EINVAL || errno == EMFILE || errno == ENOMEM ? -EMSGSIZE : -errno;
    ret_ends[0] = mq_open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    int code = failure(ret_ends[0]);
    mq_unlink(name);
    return code;
}

static int queue_open(struct bench_link *link)
{
    int there[2] = { -1, -1 }, back[2] = { -1, -1 };
    int code = queue_make(link->crossing.size, there);

    if (code == 0)
        code = queue_make(link->crossing.size, back);
    link->pairs[0][0] = back[0];
    link->pairs[0][1] = there[1];
    link->pairs[1][0] = there[0];
    link->pairs[1][1] = back[1];
    return code;
}

static ssize_t queue_send(struct bench_end *end, const void *data, size_t size)
{
    return mq_send(end->send_fd, data, size, 0) < 0 ? -errno : (ssize_t)size;
}

static ssize_t queue_receive(struct bench_end *end, void *data, size_t size)
{
    ssize_t received = mq_receive(end->receive_fd, data, size, NULL);
    return received < 0 ? -errno : received;
}

/* --- the ring --------------------------------------------------------------------------------- */

static struct ferry_ring_options ring_options(const struct bench_link *link)
{
    struct ferry_ring_options options = { .struct_size = sizeof(options),
        .capacity = BENCH_RING_SIZE,
        .spin_max_ns = link->crossing.wait == BENCH_ADAPTIVE ? 0 : -1 };

    /* The largest record has an eighth, its head included. */
    while (options.capacity / 8 <= link->crossing.size)
        options.capacity *= 2;
    return options;
}

static int ring_open(struct bench_link *link)
{
    struct ferry_ring_options options = ring_options(link);
    int code = ferry_ring_new(FERRY_SEND, &options, &link->rings[0], NULL);

    return code < 0 ? code : ferry_ring_new(FERRY_RECEIVE, &options, &link->rings[1], NULL);
}

/* The same ring, from its other end. */
static int ring_attach(struct ferry_ring *ring, enum ferry_direction direction,
    const struct ferry_ring_options *options, struct ferry_ring **ret_ring)
{
    int descriptors[FERRY_RING_DESCRIPTORS];

    ferry_ring_get_descriptors(ring, descriptors);
    for (size_t i = 0; i < FERRY_RING_DESCRIPTORS; i++) {
        descriptors[i] = fcntl(descriptors[i], F_DUPFD_CLOEXEC, 0);
        if (descriptors[i] < 0)
            return -errno;
    }
    return ferry_ring_attach(direction, descriptors, options, ret_ring, NULL);
}

static int ring_join(struct bench_link *link, unsigned side, struct bench_end *end)
{
    struct ferry_ring_options options = ring_options(link);

    if (side == 0) {
        end->send_ring = TAKE(link->rings[0]);
        end->receive_ring = TAKE(link->rings[1]);
        return 0;
    }
    int code = ring_attach(link->rings[0], FERRY_RECEIVE, &options, &end->receive_ring);
    return code < 0 ? code : ring_attach(link->rings[1], FERRY_SEND, &options, &end->send_ring);
}

static ssize_t ring_send(struct bench_end *end, const void *data, size_t size)
{
    struct ferry_record record = { .data = data, .size = size };
    int code = ferry_ring_try_send(end->send_ring, &record, 1);
    return code < 0 ? code : (ssize_t)size;
}

static ssize_t ring_receive(struct bench_end *end, void *data, size_t size)
{
    struct ferry_record record;
    int code = ferry_ring_try_receive(end->receive_ring, data, size, &record, 1);
    return code < 0 ? code : (ssize_t)record.size;
}

/* --- all -------------------------------------------------------------------------------------- */

#define MOVING                                                                                     \
    .join = moving_join, .send = moving_send, .receive = moving_receive,                           \
    .is_settled = moving_is_settled, .count = moving_count, .late_ms = 60

/* What was not built in fails when it is joined. */
#ifdef HAVE_NNG
#define NNG .join = peer_nng_join, .send = peer_nng_send, .receive = peer_nng_receive
#else
#define NNG .join = peer_absent_join
#endif
#ifdef HAVE_ZEROMQ
#define ZEROMQ .join = peer_zeromq_join, .send = peer_zeromq_send, .receive = peer_zeromq_receive
#else
#define ZEROMQ .join = peer_absent_join
#endif
#ifdef HAVE_NANOMSG
#define NANOMSG                                                                                    \
    .join = peer_nanomsg_join, .send = peer_nanomsg_send, .receive = peer_nanomsg_receive
#else
#define NANOMSG .join = peer_absent_join
#endif
#ifdef HAVE_ICEORYX
#define ICEORYX                                                                                    \
    .open = peer_iceoryx_open, .join = peer_iceoryx_join, .send = peer_iceoryx_send,               \
    .receive = peer_iceoryx_receive, .leave = peer_iceoryx_leave, .unname = peer_iceoryx_unname,   \
    .close = peer_iceoryx_close, .late_ms = 200
#else
#define ICEORYX .open = peer_open, .join = peer_absent_join
#endif

const struct mechanism bench_mechanisms[] = {
    { "ring", "libferry's ring in shared memory", .is_adaptive = true, .open = ring_open,
        .join = ring_join, .send = ring_send, .receive = ring_receive },
    { "auto", "libferry's auto:, a unix socket or rings, whichever pays", .is_adaptive = true,
        .open = moving_open, MOVING },
    { "auto-ring", "the same by rings", .is_adaptive = true, .is_forced = true,
        .open = moving_ring_open, MOVING },
    { "auto-socket", "the same by the socket", .is_adaptive = true, .is_forced = true,
        .open = moving_socket_open, MOVING },
    { "unix-channel", "unix-seq: as a channel of libferry", .is_forced = true,
        .open = moving_plain_open, .join = moving_join, .send = moving_send,
        .receive = moving_receive },
    { "pipe", "pipe(7)", .is_stream = true, .open = pipe_open, .send = file_send,
        .receive = file_receive },
    { "fifo", "a pipe with a name, fifo(7)", .is_stream = true, .open = fifo_open,
        .send = file_send, .receive = file_receive },
    { "unix", "unix(7), bytes", .is_stream = true, .open = unix_open, .send = socket_send,
        .receive = socket_receive },
    { "unix-seq", "unix(7), messages over a connection", .open = sequence_open, .send = socket_send,
        .receive = socket_receive },
    { "unix-dgram", "unix(7), datagrams", .open = datagram_open, .send = socket_send,
        .receive = socket_receive },
    { "unix-fd", "unix(7), messages, each with a descriptor", .open = sequence_open,
        .send = descriptor_send, .receive = descriptor_receive },
    { "memfd", "unix(7), each message a sealed memfd, memfd_create(2)", .open = memory_open,
        .send = memfd_send, .receive = memfd_receive },
    { "mq", "a POSIX message queue, mq_overview(7)", .open = queue_open, .send = queue_send,
        .receive = queue_receive },
    { "tcp", "tcp(7) on the loopback device", .is_stream = true, .open = tcp_open,
        .send = socket_send, .receive = socket_receive },
    { "udp", "udp(7) on the loopback device", .may_lose = true, .open = udp_open,
        .send = socket_send, .receive = socket_receive },
    { "nng", "pair sockets of nng over an abstract unix socket", .is_peer = true,
        .has_threads = true, .open = peer_open, NNG },
    { "zeromq", "pair sockets of ZeroMQ over an abstract unix socket", .is_peer = true,
        .has_threads = true, .open = peer_open, ZEROMQ },
    { "nanomsg", "pair sockets of nanomsg over a unix socket", .is_peer = true, .has_threads = true,
        .open = peer_open_folder, NANOMSG },
    { "iceoryx", "what iceoryx publishes in shared memory, by its daemon iox-roudi",
        .is_peer = true, .has_threads = true, ICEORYX },
};
const size_t bench_mechanism_count = COUNT_OF(bench_mechanisms);

const struct mechanism *mechanism_find(const char *name)
{
    for (size_t i = 0; i < bench_mechanism_count; i++)
        if (strcmp(bench_mechanisms[i].name, name) == 0)
            return &bench_mechanisms[i];
    return NULL;
}

/* Descriptors may be one for both directions. */
static void pair_close(int pair[2])
{
    if (pair[0] == pair[1])
        pair[1] = -1;
    fd_close(&pair[0]);
    fd_close(&pair[1]);
}

int bench_link_open(struct bench_link *link, const struct crossing *crossing)
{
    *link = (struct bench_link){
        .crossing = *crossing, .pairs = { { -1, -1 }, { -1, -1 } }, .roudi = ROUDI_NONE
    };
    int code = crossing->mechanism->open(link);
    if (code < 0)
        bench_link_close(link);
    return code;
}

int bench_link_take(struct bench_link *link, unsigned side, struct bench_end *ret_end)
{
    const struct mechanism *mechanism = link->crossing.mechanism;

    *ret_end = (struct bench_end){ .mechanism = mechanism,
        .wait = link->crossing.wait,
        .filled_fd = -1,
        .receive_fd = link->pairs[side][0],
        .send_fd = link->pairs[side][1] };
    link->pairs[side][0] = link->pairs[side][1] = -1;
    int code = mechanism->join ? mechanism->join(link, side, ret_end) : 0;
    for (unsigned i = 0; i < 2; i++) {
        pair_close(link->pairs[i]);
        ferry_ring_free(TAKE(link->rings[i]));
    }
    ferry_listener_close(TAKE(link->listener));
    return code;
}

void bench_link_unname(struct bench_link *link)
{
    char path[64];

    if (link->crossing.mechanism->unname)
        link->crossing.mechanism->unname(link);
    if (!*link->folder)
        return;
    snprintf(path, sizeof(path), "%s/" BENCH_SOCKET_NAME, link->folder);
    unlink(path);
    rmdir(link->folder);
}

void bench_link_close(struct bench_link *link)
{
    bench_link_unname(link);
    for (unsigned side = 0; side < 2; side++) {
        pair_close(link->pairs[side]);
        ferry_ring_free(TAKE(link->rings[side]));
    }
    ferry_listener_close(TAKE(link->listener));
    if (link->crossing.mechanism->close)
        link->crossing.mechanism->close(link);
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Gives the other thread of the same core its turn. */
static void spin(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static int end_wait(
    const struct bench_end *end, struct ferry_ring *ring, int fd, short events, int64_t deadline_ns)
{
    if (end->wait == BENCH_SPIN) {
        spin();
        return 0;
    }
    if (ring)
        return ferry_ring_wait(ring, -1, deadline_ns);
    struct pollfd one = { .fd = fd, .events = events };
    int r = poll(&one, 1, clock_poll_ms(deadline_ns, clock_now_ns()));
    return r < 0 ? errno == EINTR ? 0 : -errno : r == 0 ? -ETIMEDOUT : 0;
}

int bench_end_wait_receive(struct bench_end *end, int64_t deadline_ns)
{
    /* Its descriptor says nothing of what is in its ring, unless it was asked first. */
    if (end->channel && end->wait != BENCH_SPIN && ferry_channel_pending(end->channel))
        return 0;
    return end_wait(end, end->receive_ring, end->receive_fd, POLLIN, deadline_ns);
}

int bench_end_wait_send(struct bench_end *end, int64_t deadline_ns)
{
    return end_wait(end, end->send_ring, end->send_fd, POLLOUT, deadline_ns);
}
