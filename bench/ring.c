/* ring.c - what a ring costs over the barest that does the same.
 *
 *     bench-ring trips  WAY COUNT           64 bytes there and back, both sides looking out
 *     bench-ring uneven WAY COUNT           the same, at uneven distances from look to look
 *     bench-ring sleeps WAY COUNT           the same, both sides asleep while they wait
 *     bench-ring stream WAY COUNT           1 KiB one way, in batches of 16
 *     bench-ring lend   WAY COUNT           64 bytes or 4 MiB lent, there and back
 *     bench-ring fan    WAY COUNT           1 KiB from four to one, who sleep when they wait
 *
 * WAY: ferry, or what it is compared with: `bare` (trips, uneven, stream: a ring of slots without
 * any check and without anybody to wake; sleeps: an eventfd each way, polled and read), `line`
 * (trips: one word in one cache line each way), `blocking` (sleeps: an eventfd each way that
 * blocks), `unix` (stream: a stream socket; fan: a seqpacket socket that the senders share),
 * `small` and `large` (lend), `ring` and `one` (fan: one sender, by its ring alone and in a
 * fan-in). Two processes, on the first and on the last processor that this one may use; of more,
 * all senders on the last. Prints the nanoseconds that it took, and those of processor time, all
 * processes'.
 */
#include <ferry/ferry.h>

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRIP_SIZE = 64, MESSAGE_SIZE = 1024, BATCH = 16, LARGE_SIZE = 4 << 20, SENDERS_MAX = 4 };

static void fail(const char *what, int code)
{
    fprintf(stderr, "bench-ring: %s: %s\n", what, strerror(code < 0 ? -code : errno));
    exit(1);
}

/* Looks at even distances can fall into step with what they wait for, which then comes just before
 * each of them, or just after: whichever it is lasts for the run. */
static unsigned uneven;

static inline void relax(void)
{
    static unsigned chance = 1;

#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
    chance = chance * 1664525u + 1013904223u;
    for (unsigned turns = chance >> 26 & uneven; turns > 0; turns--)
        __asm__ __volatile__("");
}

/* Memory that both processes have. */
static void *shared_new(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        fail("mmap", 0);
    return memory;
}

/* --- the barest ------------------------------------------------------------------------------- */

/* Slots of a fixed size, a position each way, and each end's copy of the other's. */
enum { SLOT_COUNT = 512, SLOT_SIZE = MESSAGE_SIZE };

struct bare_ring {
    alignas(128) _Atomic size_t head;
    alignas(128) size_t head_seen; /* the receiver's */
    alignas(128) _Atomic size_t tail;
    alignas(128) size_t tail_seen; /* the sender's */
    alignas(128) char slots[SLOT_COUNT][SLOT_SIZE];
};

static void bare_send(struct bare_ring *ring, const char *data, size_t size, size_t count)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    while (head + count - ring->tail_seen > SLOT_COUNT) {
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head + count - ring->tail_seen > SLOT_COUNT)
            relax();
    }
    for (size_t i = 0; i < count; i++)
        memcpy(ring->slots[(head + i) % SLOT_COUNT], data + i * size, size);
    atomic_store_explicit(&ring->head, head + count, memory_order_release);
}

static size_t bare_receive(struct bare_ring *ring, char *data, size_t size, size_t count)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    while (ring->head_seen == tail) {
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (ring->head_seen == tail)
            relax();
    }
    if (count > ring->head_seen - tail)
        count = ring->head_seen - tail;
    for (size_t i = 0; i < count; i++)
        memcpy(data + i * size, ring->slots[(tail + i) % SLOT_COUNT], size);
    atomic_store_explicit(&ring->tail, tail + count, memory_order_release);
    return count;
}

/* --- one end of what is measured -------------------------------------------------------------- */

struct end {
    struct bare_ring *bare_in, *bare_out;
    _Atomic long *line_in, *line_out;
    int in_fd, out_fd;
    struct ferry_ring *in, *out;
    struct ferry_fan_in *fan_in;
    bool sleeps;
    size_t lent_size;
};

static void ring_wait(struct end *end, struct ferry_ring *ring)
{
    int r = end->sleeps ? ferry_ring_wait(ring, -1, FERRY_NEVER) : 0;
    if (r < 0)
        fail("ferry_ring_wait", r);
    if (!end->sleeps)
        relax();
}

static void ring_send(struct end *end, const struct ferry_record *batch, size_t count)
{
    while (count > 0) {
        int sent = ferry_ring_try_send(end->out, batch, count);
        if (sent > 0) {
            batch += sent;
            count -= (size_t)sent;
        } else if (sent == -EAGAIN) {
            ring_wait(end, end->out);
        } else {
            fail("ferry_ring_try_send", sent);
        }
    }
}

/* Returns how many came, perhaps none. */
static size_t ring_try_receive(struct ferry_ring *ring, char *data, size_t size, size_t count)
{
    struct ferry_record batch[BATCH];
    int received = ferry_ring_try_receive(ring, data, size * count, batch, count);

    if (received < 0 && received != -EAGAIN)
        fail("ferry_ring_try_receive", received);
    return received > 0 ? (size_t)received : 0;
}

static size_t ring_receive(struct end *end, char *data, size_t size, size_t count)
{
    size_t received;

    while ((received = ring_try_receive(end->in, data, size, count)) == 0)
        ring_wait(end, end->in);
    return received;
}

/* --- there and back --------------------------------------------------------------------------- */

static void ferry_forth(struct end *end)
{
    static char data[TRIP_SIZE];
    struct ferry_record record = { data, sizeof(data), 0 };
    ring_send(end, &record, 1);
}

static void ferry_back(struct end *end)
{
    char data[TRIP_SIZE];
    ring_receive(end, data, sizeof(data), 1);
}

static void bare_forth(struct end *end)
{
    static const char data[TRIP_SIZE];
    bare_send(end->bare_out, data, sizeof(data), 1);
}

/* What nobody looks at the compiler would not copy out at all. */
static void look_at(const char *data)
{
    __asm__ __volatile__("" : : "r"(data) : "memory");
}

static void bare_back(struct end *end)
{
    char data[TRIP_SIZE];
    bare_receive(end->bare_in, data, sizeof(data), 1);
    look_at(data);
}

static void line_forth(struct end *end)
{
    atomic_store_explicit(end->line_out, *end->line_out + 1, memory_order_release);
}

static void line_back(struct end *end)
{
    static long seen;
    while (atomic_load_explicit(end->line_in, memory_order_acquire) == seen)
        relax();
    seen++;
}

static void eventfd_forth(struct end *end)
{
    if (eventfd_write(end->out_fd, 1) < 0)
        fail("eventfd_write", 0);
}

static void eventfd_back(struct end *end)
{
    struct pollfd one = { .fd = end->in_fd, .events = POLLIN };
    eventfd_t number;
    if (poll(&one, 1, -1) < 0 || eventfd_read(end->in_fd, &number) < 0)
        fail("eventfd_read", 0);
}

static void blocking_back(struct end *end)
{
    eventfd_t number;
    if (eventfd_read(end->in_fd, &number) < 0)
        fail("eventfd_read", 0);
}

/* In what is lent one word is written, and read at the other end. */
static void lent_forth(struct end *end)
{
    void *place;
    int r;

    while ((r = ferry_ring_loan(end->out, end->lent_size, &place)) == -EAGAIN)
        relax();
    if (r < 0)
        fail("ferry_ring_loan", r);
    memcpy(place, &(long){ 1 }, sizeof(long));
    ferry_ring_commit(end->out, end->lent_size, 0);
}

static void lent_back(struct end *end)
{
    struct ferry_record record;
    int r;

    while ((r = ferry_ring_borrow(end->in, &record, 1)) == -EAGAIN)
        relax();
    if (r < 0 || record.size != end->lent_size || *(const long *)record.data != 1)
        fail("ferry_ring_borrow", r);
    ferry_ring_release(end->in);
}

/* --- one way ---------------------------------------------------------------------------------- */

static char block[BATCH][MESSAGE_SIZE];

/* Of what is left, what goes in one batch. */
static size_t batch_of(long count)
{
    return count < BATCH ? (size_t)count : BATCH;
}

static void ferry_stream_send(struct end *end, long count)
{
    struct ferry_record batch[BATCH];

    for (int i = 0; i < BATCH; i++)
        batch[i] = (struct ferry_record){ block[i], MESSAGE_SIZE, 0 };
    for (; count > 0; count -= BATCH)
        ring_send(end, batch, batch_of(count));
}

static void ferry_stream_receive(struct end *end, long count)
{
    while (count > 0)
        count -= (long)ring_receive(end, block[0], MESSAGE_SIZE, batch_of(count));
}

static void bare_stream_send(struct end *end, long count)
{
    for (; count > 0; count -= BATCH)
        bare_send(end->bare_out, block[0], MESSAGE_SIZE, BATCH);
}

static void bare_stream_receive(struct end *end, long count)
{
    while (count > 0)
        count -= (long)bare_receive(end->bare_in, block[0], MESSAGE_SIZE, BATCH);
}

static void unix_stream_send(struct end *end, long count)
{
    for (; count > 0; count--)
        if (send(end->out_fd, block[0], MESSAGE_SIZE, 0) != MESSAGE_SIZE)
            fail("send", 0);
}

static void unix_stream_receive(struct end *end, long count)
{
    for (size_t left = (size_t)count * MESSAGE_SIZE; left > 0;) {
        /* No more, which would be of the next `count`. */
        size_t most = left < sizeof(block) ? left : sizeof(block);
        ssize_t got = recv(end->in_fd, block, most, 0);
        if (got <= 0)
            fail("recv", 0);
        left -= (size_t)got;
    }
}

/* --- many to one ------------------------------------------------------------------------------ */

static void fan_receive(struct end *end, long count)
{
    while (count > 0) {
        struct ferry_ring *ring = ferry_fan_in_next(end->fan_in, NULL);
        if (ring)
            count -= (long)ring_try_receive(ring, block[0], MESSAGE_SIZE, batch_of(count));
        else if (ferry_fan_in_wait(end->fan_in, -1, FERRY_NEVER) < 0)
            fail("ferry_fan_in_wait", 0);
    }
}

static void packet_receive(struct end *end, long count)
{
    for (; count > 0; count--)
        if (recv(end->in_fd, block, sizeof(block), 0) != MESSAGE_SIZE)
            fail("recv", 0);
}

/* --- what there is ---------------------------------------------------------------------------- */

static const struct way {
    const char *what, *name;
    void (*forth)(struct end *end), (*back)(struct end *end);
    void (*send)(struct end *end, long count), (*receive)(struct end *end, long count);
    size_t capacity; /* of rings of ferry's; 0: none */
    size_t lent_size;
    int senders; /* fan: how many processes send, each its share; else it is one other process */
} ways[] = {
    { "trips", "ferry", ferry_forth, ferry_back, .capacity = 1 << 20 },
    { "trips", "bare", .forth = bare_forth, .back = bare_back },
    { "trips", "line", .forth = line_forth, .back = line_back },
    { "uneven", "ferry", ferry_forth, ferry_back, .capacity = 1 << 20 },
    { "uneven", "bare", .forth = bare_forth, .back = bare_back },
    { "uneven", "line", .forth = line_forth, .back = line_back },
    { "sleeps", "ferry", ferry_forth, ferry_back, .capacity = 1 << 20 },
    { "sleeps", "bare", .forth = eventfd_forth, .back = eventfd_back },
    { "sleeps", "blocking", .forth = eventfd_forth, .back = blocking_back },
    { "stream", "ferry", .send = ferry_stream_send, .receive = ferry_stream_receive,
        .capacity = 1 << 19 },
    { "stream", "bare", .send = bare_stream_send, .receive = bare_stream_receive },
    { "stream", "unix", .send = unix_stream_send, .receive = unix_stream_receive },
    { "fan", "ring", .send = ferry_stream_send, .receive = ferry_stream_receive,
        .capacity = 1 << 19, .senders = 1 },
    { "fan", "one", .send = ferry_stream_send, .receive = fan_receive, .capacity = 1 << 19,
        .senders = 1 },
    { "fan", "ferry", .send = ferry_stream_send, .receive = fan_receive, .capacity = 1 << 19,
        .senders = SENDERS_MAX },
    { "fan", "unix", .send = unix_stream_send, .receive = packet_receive, .senders = SENDERS_MAX },
    { "lend", "small", lent_forth, lent_back, .capacity = 32 << 20, .lent_size = TRIP_SIZE },
    { "lend", "large", lent_forth, lent_back, .capacity = 32 << 20, .lent_size = LARGE_SIZE },
};

static const struct way *way_find(const char *what, const char *name)
{
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
        if (strcmp(ways[i].what, what) == 0 && strcmp(ways[i].name, name) == 0)
            return &ways[i];
    return NULL;
}

static void bare_open(const struct way *way, struct end ends[2])
{
    bool sleeps = strcmp(way->what, "sleeps") == 0;
    struct bare_ring *rings = shared_new(2 * sizeof(*rings));
    _Atomic long *lines = shared_new(4096);
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        fail("socketpair", 0);
    for (int i = 0; i < 2; i++) {
        ends[i].bare_in = &rings[i];
        ends[i].bare_out = &rings[!i];
        ends[i].line_in = &lines[i * 32];
        ends[i].line_out = &lines[!i * 32];
        ends[i].in_fd = ends[i].out_fd = pair[i];
    }
    if (!sleeps)
        return;
    ends[0].in_fd = ends[1].out_fd = eventfd(0, way->back == blocking_back ? 0 : EFD_NONBLOCK);
    ends[1].in_fd = ends[0].out_fd = eventfd(0, way->back == blocking_back ? 0 : EFD_NONBLOCK);
}

/* One socket that all senders have. */
static void packets_open(struct end ends[1 + SENDERS_MAX])
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
        fail("socketpair", 0);
    ends[0].in_fd = pair[0];
    for (int i = 1; i <= SENDERS_MAX; i++)
        ends[i].out_fd = pair[1];
}

static struct ferry_ring *ring_attach(const struct ferry_ring *ring, enum ferry_direction direction)
{
    struct ferry_ring_options options = { .struct_size = sizeof(options), .spin_max_ns = -1 };
    struct ferry_ring *attached;
    int fds[FERRY_RING_DESCRIPTORS];

    ferry_ring_get_descriptors(ring, fds);
    for (int i = 0; i < FERRY_RING_DESCRIPTORS; i++)
        fds[i] = dup(fds[i]);
    int r = ferry_ring_attach(direction, fds, &options, &attached, NULL);
    if (r < 0)
        fail("ferry_ring_attach", r);
    return attached;
}

static void rings_open(const struct way *way, struct end ends[2])
{
    struct ferry_ring_options options = {
        .struct_size = sizeof(options), .capacity = way->capacity, .spin_max_ns = -1
    };

    for (int i = 0; i < 2; i++) {
        int r = ferry_ring_new(FERRY_SEND, &options, &ends[i].out, NULL);
        if (r < 0)
            fail("ferry_ring_new", r);
        ends[!i].in = ring_attach(ends[i].out, FERRY_RECEIVE);
        ends[i].sleeps = strcmp(way->what, "sleeps") == 0;
        ends[i].lent_size = way->lent_size;
    }
}

/* The receiver's end is the first. */
static void fan_open(const struct way *way, struct end ends[1 + SENDERS_MAX])
{
    struct ferry_ring_options options = {
        .struct_size = sizeof(options), .capacity = way->capacity, .spin_max_ns = -1
    };
    int r = ferry_fan_in_new(&ends[0].fan_in);

    ends[0].sleeps = true;
    for (int i = 1; r == 0 && i <= way->senders; i++) {
        r = ferry_ring_new(FERRY_RECEIVE, &options, &ends[0].in, NULL);
        if (r == 0)
            r = ferry_fan_in_add(ends[0].fan_in, ends[0].in, NULL);
        if (r == 0)
            ends[i].out = ring_attach(ends[0].in, FERRY_SEND);
        ends[i].sleeps = true;
    }
    if (r < 0)
        fail("ferry_fan_in_add", r);
}

static void ends_open(const struct way *way, struct end ends[1 + SENDERS_MAX])
{
    if (way->senders && way->capacity)
        fan_open(way, ends);
    else if (way->senders)
        packets_open(ends);
    else if (way->capacity)
        rings_open(way, ends);
    else
        bare_open(way, ends);
}

/* --- running it ------------------------------------------------------------------------------- */

/* The first processor that may be used for one process, the last for the other. */
static void pin(bool last)
{
    cpu_set_t cpus, one;
    int chosen = -1;

    if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
        fail("sched_getaffinity", 0);
    for (int cpu = 0; cpu < CPU_SETSIZE && (last || chosen < 0); cpu++)
        if (CPU_ISSET(cpu, &cpus))
            chosen = cpu;
    CPU_ZERO(&one);
    CPU_SET(chosen, &one);
    if (sched_setaffinity(0, sizeof(one), &one) < 0)
        fail("sched_setaffinity", 0);
}

static void answer(const struct way *way, struct end *end, long count)
{
    if (way->senders) {
        way->send(end, count / way->senders);
        return;
    }
    if (way->receive)
        way->receive(end, count);
    for (long i = 0; !way->receive && i < count; i++) {
        way->back(end);
        way->forth(end);
    }
}

static void ask(const struct way *way, struct end *end, long count)
{
    if (way->senders) {
        way->receive(end, count / way->senders * way->senders);
        return;
    }
    if (way->send)
        way->send(end, count);
    for (long i = 0; !way->send && i < count; i++) {
        way->forth(end);
        way->back(end);
    }
}

static long long cpu_ns(int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000LL +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
}

/* The other processes: they answer, on the last processor. */
static void others_start(const struct way *way, struct end *ends, long count, int done_fd)
{
    for (int i = 0; i < (way->senders ? way->senders : 1); i++) {
        if (fork() != 0)
            continue;
        pin(true);
        answer(way, &ends[1 + i], count / 16); /* warm */
        answer(way, &ends[1 + i], count);
        _exit(write(done_fd, "", 1) != 1);
    }
}

int main(int argc, char **argv)
{
    const struct way *way = argc == 4 ? way_find(argv[1], argv[2]) : NULL;
    long count = argc == 4 ? atol(argv[3]) / BATCH * BATCH : 0;
    static struct end ends[1 + SENDERS_MAX];
    int done[2];
    char byte;

    if (!way || count <= 0 || pipe(done) < 0) {
        fprintf(stderr, "usage: bench-ring trips|uneven|sleeps|stream|lend|fan WAY COUNT\n");
        return 2;
    }
    uneven = strcmp(way->what, "uneven") == 0 ? 63 : 0;
    ends_open(way, ends);
    others_start(way, ends, count, done[1]);
    pin(false);
    ask(way, &ends[0], count / 16);
    int64_t started_ns = ferry_deadline(0);
    long long cpu = cpu_ns(RUSAGE_SELF);
    ask(way, &ends[0], count);
    if (way->send && !way->senders && read(done[0], &byte, 1) != 1)
        fail("the other process", -EPIPE);
    int64_t took_ns = ferry_deadline(0) - started_ns;
    cpu = cpu_ns(RUSAGE_SELF) - cpu;
    while (wait(NULL) > 0)
        ;
    printf("%lld %lld\n", (long long)took_ns, cpu + cpu_ns(RUSAGE_CHILDREN));
    return 0;
}
