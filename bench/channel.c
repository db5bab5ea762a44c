/* channel.c - what a channel costs over the system calls that it makes.
 *
 *     bench-channel trips|stream KIND WAY COUNT
 *
 * KIND: unix, seq, dgram, tcp, fifo, queue. WAY: channel (libferry), bare (non-blocking calls and
 * poll(2)), blocking (the plain calls). `trips`: so many times 64 bytes there and back; `stream`:
 * so many times 1 KiB one way, by channels in batches of 64, else a call a message, taken in by the
 * same means. Two processes on the core that this one is pinned to. Prints the nanoseconds that it
 * took, and those of processor time, both processes'.
 */
#include <ferry/ferry.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TRIP_SIZE = 64, MESSAGE_SIZE = 1024, BATCH = 64, ROOM = 65536 };

/* One process's end: two descriptors, or two channels, which are one where both directions are. */
struct end {
    bool is_queue, is_socket, blocks;
    int in_fd, out_fd;
    struct ferry_channel *in, *out; /* NULL: bare */
    struct ferry_inbox *inbox;
};

static void fail(const char *what, int code)
{
    fprintf(stderr, "bench-channel: %s: %s\n", what, strerror(code < 0 ? -code : errno));
    exit(1);
}

static int64_t now_ns(void)
{
    return ferry_deadline(0);
}

/* --- the system calls ------------------------------------------------------------------------- */

static void wait_for(int fd, short events)
{
    struct pollfd one = { .fd = fd, .events = events };
    if (poll(&one, 1, -1) < 0)
        fail("poll", 0);
}

static ssize_t send_once(const struct end *end, const char *data, size_t size)
{
    if (end->is_queue)
        return mq_send(end->out_fd, data, size, 0) < 0 ? -1 : (ssize_t)size;
    return end->is_socket ? send(end->out_fd, data, size, MSG_NOSIGNAL)
                          : write(end->out_fd, data, size);
}

static ssize_t receive_once(const struct end *end, char *data, size_t size)
{
    if (end->is_queue)
        return mq_receive(end->in_fd, data, size, NULL);
    return end->is_socket ? recv(end->in_fd, data, size, 0) : read(end->in_fd, data, size);
}

static void bare_send(const struct end *end, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send_once(end, data, size);
        if (sent < 0 && errno != EAGAIN)
            fail("send", 0);
        if (sent < 0) {
            wait_for(end->out_fd, POLLOUT);
            continue;
        }
        data += sent;
        size -= (size_t)sent;
    }
}

static size_t bare_receive(const struct end *end, char *data, size_t size)
{
    for (;;) {
        if (!end->blocks)
            wait_for(end->in_fd, POLLIN);
        ssize_t received = receive_once(end, data, size);
        if (received >= 0)
            return (size_t)received;
        if (errno != EAGAIN)
            fail("receive", 0);
    }
}

/* --- either way ------------------------------------------------------------------------------- */

static void send_all(struct end *end, const char *data, size_t size)
{
    if (!end->out) {
        bare_send(end, data, size);
        return;
    }
    int code = ferry_channel_send_bytes(end->out, data, size, FERRY_NEVER);
    if (code < 0)
        fail("ferry_channel_send_bytes", code);
}

static size_t receive_some(struct end *end)
{
    static char data[ROOM];
    struct ferry_message message;

    if (!end->in)
        return bare_receive(end, data, sizeof(data));
    int code = ferry_channel_receive(end->in, end->inbox, &message, FERRY_NEVER);
    if (code < 0)
        fail("ferry_channel_receive", code);
    return code ? message.size : 0;
}

static void receive_bytes(struct end *end, size_t wanted)
{
    for (size_t have = 0; have < wanted;)
        have += receive_some(end);
}

/* --- round trips ------------------------------------------------------------------------------ */

static void trips_answer(struct end *end, long count)
{
    char data[TRIP_SIZE] = { 0 };

    for (long i = 0; i < count; i++) {
        receive_bytes(end, sizeof(data));
        send_all(end, data, sizeof(data));
    }
}

static void trips_ask(struct end *end, long count)
{
    char data[TRIP_SIZE] = { 0 };

    for (long i = 0; i < count; i++) {
        send_all(end, data, sizeof(data));
        receive_bytes(end, sizeof(data));
    }
}

/* --- one way ---------------------------------------------------------------------------------- */

static void batch_send(struct end *end, long count)
{
    static char data[MESSAGE_SIZE];
    struct iovec buffer = { data, sizeof(data) };

    while (count > 0) {
        struct ferry_outgoing batch[BATCH] = { 0 };
        int left = count < BATCH ? (int)count : BATCH, first = 0;
        for (int i = 0; i < left; i++)
            batch[i] = (struct ferry_outgoing){ .buffers = &buffer, .buffer_count = 1 };
        count -= left;
        while (left > 0) {
            int done = ferry_channel_try_send(end->out, batch + first, (size_t)left);
            if (done == -EAGAIN) {
                wait_for(ferry_channel_fd(end->out, FERRY_SEND), POLLOUT);
                continue;
            }
            if (done < 0)
                fail("ferry_channel_try_send", done);
            first += done;
            left -= done;
        }
    }
}

static void stream_send(struct end *end, long count)
{
    static char data[MESSAGE_SIZE];

    if (end->out)
        batch_send(end, count);
    for (long i = 0; i < count && !end->out; i++)
        bare_send(end, data, sizeof(data));
    receive_bytes(end, TRIP_SIZE); /* all has arrived */
}

static void stream_receive(struct end *end, long count)
{
    struct ferry_message batch[BATCH];
    char data[TRIP_SIZE] = { 0 };
    size_t wanted = (size_t)count * MESSAGE_SIZE, have = 0;

    while (have < wanted && !end->in)
        have += receive_some(end);
    while (have < wanted) {
        int received = ferry_channel_try_receive(end->in, end->inbox, batch, BATCH);
        if (received == -EAGAIN && !ferry_channel_pending(end->in))
            wait_for(ferry_channel_fd(end->in, FERRY_RECEIVE), POLLIN);
        if (received < 0 && received != -EAGAIN)
            fail("ferry_channel_try_receive", received);
        for (int i = 0; i < received; i++)
            have += batch[i].size;
    }
    send_all(end, data, sizeof(data));
}

/* --- making them ------------------------------------------------------------------------------ */

static void tcp_pair(int fds[2])
{
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) < 0)
        fail("listen", 0);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fds[0], (struct sockaddr *)&address, size) < 0)
        fail("connect", 0);
    fds[1] = accept(listener, NULL, NULL);
    close(listener);
    for (int i = 0; i < 2; i++)
        setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* A FIFO a direction, that nobody else will open. */
static int fifo_open(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/tmp/bench-channel-%d", (int)getpid());
    if (mkfifo(path, 0600) < 0)
        fail(path, 0);
    int fd = open(path, O_RDWR | O_NONBLOCK);
    unlink(path);
    return fd;
}

static int queue_open(void)
{
    struct mq_attr attributes = { .mq_maxmsg = 10, .mq_msgsize = MESSAGE_SIZE };
    char name[64];

    snprintf(name, sizeof(name), "/bench-channel-%d", (int)getpid());
    int fd = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attributes);
    mq_unlink(name);
    return fd;
}

static void end_set(struct end *end, int in_fd, int out_fd, bool blocks)
{
    end->in_fd = in_fd;
    end->out_fd = out_fd;
    end->blocks = blocks;
    for (int i = 0; i < 2; i++) {
        int fd = i ? in_fd : out_fd;
        int flags = fcntl(fd, F_GETFL);
        fcntl(fd, F_SETFL, blocks ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
    }
}

static void ends_open(const char *kind, bool blocks, struct end ends[2])
{
    static const struct {
        const char *kind;
        int type;
    } types[] = { { "unix", SOCK_STREAM }, { "seq", SOCK_SEQPACKET }, { "dgram", SOCK_DGRAM } };
    int fds[2];

    ends[0].is_socket = ends[1].is_socket = true;
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (strcmp(kind, types[i].kind) != 0)
            continue;
        if (socketpair(AF_UNIX, types[i].type, 0, fds) < 0)
            fail("socketpair", 0);
        end_set(&ends[0], fds[0], fds[0], blocks);
        end_set(&ends[1], fds[1], fds[1], blocks);
        return;
    }
    if (strcmp(kind, "tcp") == 0) {
        tcp_pair(fds);
        end_set(&ends[0], fds[0], fds[0], blocks);
        end_set(&ends[1], fds[1], fds[1], blocks);
        return;
    }
    bool queues = strcmp(kind, "queue") == 0;
    if (!queues && strcmp(kind, "fifo") != 0)
        fail(kind, -EINVAL);
    fds[0] = queues ? queue_open() : fifo_open();
    fds[1] = queues ? queue_open() : fifo_open();
    if (fds[0] < 0 || fds[1] < 0)
        fail(kind, 0);
    ends[0].is_socket = ends[1].is_socket = false;
    ends[0].is_queue = ends[1].is_queue = queues;
    end_set(&ends[0], fds[0], fds[1], blocks);
    end_set(&ends[1], fds[1], fds[0], blocks);
}

static void end_adopt(struct end *end)
{
    int code = ferry_inbox_new(ROOM, BATCH, &end->inbox);

    if (code == 0)
        code = ferry_channel_adopt(end->in_fd, &end->in);
    if (code < 0)
        fail("ferry_channel_adopt", code);
    end->out = end->in;
    if (end->out_fd != end->in_fd && (code = ferry_channel_adopt(end->out_fd, &end->out)) < 0)
        fail("ferry_channel_adopt", code);
}

/* --- queues, which are dialled by name -------------------------------------------------------- */

static struct {
    struct ferry_address *dialled;
    struct ferry_listener *listener;
} queues[2];

static struct ferry_address *queue_address(int number, const char *options)
{
    struct ferry_address *address;
    struct ferry_error error;
    char text[96];

    snprintf(text, sizeof(text), "mq:/bench-channel-%d-%d%s", (int)getpid(), number, options);
    if (ferry_address_parse(text, NULL, &address, &error) < 0)
        fail(text, -EINVAL);
    return address;
}

static void queues_listen(void)
{
    struct ferry_error error;

    for (int i = 0; i < 2; i++) {
        struct ferry_address *address = queue_address(i, ",maxmsg=10,msgsize=1024");
        int code = ferry_listen(address, NULL, &queues[i].listener, &error);
        if (code < 0)
            fail("ferry_listen", code);
        queues[i].dialled = queue_address(i, "");
        ferry_address_free(address);
    }
}

/* The first message brings the channel. */
static void queue_meet(struct end *end, int own)
{
    struct ferry_error error;
    int code = ferry_inbox_new(ROOM, BATCH, &end->inbox);

    if (code == 0)
        code = ferry_dial(queues[!own].dialled, NULL, ferry_deadline(5000), &end->out, &error);
    if (code < 0)
        fail("ferry_dial", code);
    send_all(end, "hello", 5);
    code = ferry_listener_accept(queues[own].listener, ferry_deadline(5000), &end->in);
    if (code < 0)
        fail("ferry_listener_accept", code);
    receive_some(end);
}

/* --- all -------------------------------------------------------------------------------------- */

static int64_t cpu_ns(void)
{
    int64_t total = 0;

    for (int i = 0; i < 2; i++) {
        struct rusage usage;
        getrusage(i ? RUSAGE_CHILDREN : RUSAGE_SELF, &usage);
        total += (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000000) +
                 (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * INT64_C(1000);
    }
    return total;
}

int main(int argc, char **argv)
{
    struct end ends[2] = { 0 };
    long count = argc == 5 ? atol(argv[4]) : 0;

    if (count <= 0) {
        fprintf(stderr, "usage: bench-channel trips|stream KIND channel|bare|blocking COUNT\n");
        return 2;
    }
    bool trips = strcmp(argv[1], "trips") == 0, channels = strcmp(argv[3], "channel") == 0;
    bool by_name = channels && strcmp(argv[2], "queue") == 0;
    if (by_name)
        queues_listen();
    else
        ends_open(argv[2], strcmp(argv[3], "blocking") == 0, ends);
    pid_t child = fork();
    struct end *own = &ends[child == 0];
    if (by_name)
        queue_meet(own, child == 0);
    else if (channels)
        end_adopt(own);
    if (child == 0) {
        (trips ? trips_answer : stream_receive)(own, count);
        _exit(0);
    }
    int64_t started_ns = now_ns();
    (trips ? trips_ask : stream_send)(own, count);
    int64_t took_ns = now_ns() - started_ns;
    waitpid(child, NULL, 0);
    printf("%lld %lld\n", (long long)took_ns, (long long)cpu_ns());
    for (int i = 0; i < 2; i++)
        ferry_listener_close(queues[i].listener);
    return 0;
}
