/* crossing.c - one slice: a link, a child that has its other end, and what both have used.
 *
 * The child knows that it is to end by a number of messages, which its parent writes before it
 * sends the last one. So nothing has to be told apart in what is sent, and a mechanism that loses
 * messages ends by silence.
 */
#include "command/bench/crossing.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/bench/cpu.h"
#include "command/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Memory of both. */
struct shared {
    atomic_ullong last; /* how many messages there are in all; 0: not known yet */
    uint64_t received;
    int64_t ended_ns;  /* when the last of them came */
    int64_t cpu_ns;    /* the child's */
    int code;          /* what it ended with */
    struct times ways; /* at a rate: how long messages took */
};

struct side {
    struct bench_end end;
    int ready[2]; /* a pipe: a byte once the child has its end, its place and its memory */
    struct shared *shared;
    const struct crossing *crossing;
    size_t size;
    char *data;                /* size bytes */
    int64_t due_ns, period_ns; /* at a rate: when the next one goes, and how far apart they are */
    int64_t paced_ns;          /* processor time that went into that */
};

static void pin(int cpu)
{
    cpu_set_t cpus;

    if (cpu < 0)
        return;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    (void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* --- whole messages --------------------------------------------------------------------------- */

/* How long it has gone on that nothing came, or went. Who spins does not look at the clock for each
 * try, which would take longer than the try. */
struct patience {
    unsigned tries;
    int64_t deadline_ns;
};

/* Waits until it may be tried again. 0, -ETIMEDOUT, -errno. */
static int patience_wait(struct patience *patience, struct bench_end *end,
    int (*wait)(struct bench_end *end, int64_t deadline_ns))
{
    if (end->wait != BENCH_SPIN || ++patience->tries % BENCH_TRIES_A_LOOK == 0) {
        int64_t now_ns = clock_now_ns();
        int64_t silence_ms = end->mechanism->may_lose ? BENCH_LOST_MS : BENCH_STUCK_MS;
        if (!patience->deadline_ns)
            patience->deadline_ns = clock_after(now_ns, silence_ms * NS_PER_MS);
        else if (now_ns >= patience->deadline_ns)
            return -ETIMEDOUT;
    }
    return wait(end, patience->deadline_ns);
}

static int send_whole(struct side *side)
{
    struct patience patience = { 0 };

    for (size_t sent = 0; sent < side->size;) {
        ssize_t r = side->end.mechanism->send(&side->end, side->data + sent, side->size - sent);
        if (r == -EAGAIN || r == -EINTR)
            r = patience_wait(&patience, &side->end, bench_end_wait_send);
        if (r < 0)
            return (int)r;
        sent += (size_t)r;
    }
    return 0;
}

/* The next part of a message, of which `have` bytes have come: bytes, or -errno; -ETIMEDOUT:
 * nothing for a while. Of a stream, what belongs to the message after it is left there. */
static ssize_t receive_part(struct side *side, size_t have)
{
    struct patience patience = { 0 };

    for (;;) {
        ssize_t r = side->end.mechanism->receive(&side->end, side->data + have, side->size - have);
        if (r != -EAGAIN && r != -EINTR)
            return r == 0 ? -EPIPE : r;
        r = patience_wait(&patience, &side->end, bench_end_wait_receive);
        if (r < 0)
            return r;
    }
}

static int receive_whole(struct side *side)
{
    for (size_t received = 0; received < side->size;) {
        ssize_t r = receive_part(side, received);
        if (r < 0)
            return (int)r;
        received += (size_t)r;
    }
    return 0;
}

/* --- at a rate -------------------------------------------------------------------------------- */

/* Sleeps for most of the time and then looks at the clock, since being woken takes longer than some
 * messages are apart; where both ends have one processor, the other one needs it. Whoever is late
 * does not wait: the rate holds. */
static void pace(struct side *side)
{
    if (!side->period_ns)
        return;
    int64_t before_ns = cpu_used_ns();
    bool shared =
        side->crossing->cpus[0] >= 0 && side->crossing->cpus[0] == side->crossing->cpus[1];
    int64_t wake_ns = side->due_ns - (shared ? 0 : BENCH_PACE_SPIN_NS);
    struct timespec wake = { .tv_sec = wake_ns / NS_PER_S, .tv_nsec = wake_ns % NS_PER_S };

    if (clock_now_ns() < wake_ns)
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
    while (clock_now_ns() < side->due_ns)
        ;
    side->due_ns += side->period_ns;
    side->paced_ns += cpu_used_ns() - before_ns;
}

/* --- the child -------------------------------------------------------------------------------- */

static int child_answer(struct side *side)
{
    for (;;) {
        int code = receive_whole(side);
        if (code < 0)
            return code;
        uint64_t last = atomic_load(&side->shared->last);
        code = send_whole(side);
        side->shared->received++;
        if (code < 0 || side->shared->received == last)
            return code;
    }
}

static int child_receive(struct side *side)
{
    struct shared *shared = side->shared;
    uint64_t bytes = 0;

    for (;;) {
        ssize_t r = receive_part(side, 0);
        if (r < 0 && r != -ETIMEDOUT)
            return (int)r;
        uint64_t last = atomic_load(&shared->last);
        if (r == -ETIMEDOUT && last) /* the rest is lost */
            return 0;
        if (r == -ETIMEDOUT)
            continue;
        bytes += (uint64_t)r;
        shared->received = bytes / side->size;
        if (last && shared->received >= last)
            return 0;
        shared->ended_ns = side->end.mechanism->may_lose ? clock_now_ns() : 0;
    }
}

/* Message by message: each says when it was sent. */
static int child_time(struct side *side)
{
    int64_t sent_ns;

    for (;;) {
        int code = receive_whole(side);
        if (code < 0)
            return code;
        memcpy(&sent_ns, side->data, sizeof(sent_ns));
        times_add(&side->shared->ways, clock_now_ns() - sent_ns);
        if (++side->shared->received == atomic_load(&side->shared->last))
            return 0;
    }
}

static void child_run(struct side *side, int (*run)(struct side *side))
{
    char byte = 1;

    memset(side->data, 'c', side->size);
    if (write(side->ready[1], &byte, 1) != 1)
        _exit(0);
    int64_t before_ns = cpu_used_ns();

    side->shared->code = run(side);
    if (!side->shared->ended_ns || side->shared->received == atomic_load(&side->shared->last))
        side->shared->ended_ns = clock_now_ns();
    side->shared->cpu_ns = cpu_used_ns() - before_ns;
    _exit(0);
}

/* --- the parent ------------------------------------------------------------------------------- */

/* Whether the last one is to be sent now. The clock is not looked at for each small message. */
static bool is_last(uint64_t sent, size_t size, int64_t end_ns)
{
    bool look = size >= BENCH_LARGE_SIZE || sent % BENCH_MESSAGES_A_LOOK == 0;
    return look && sent > 0 && clock_now_ns() >= end_ns;
}

static int parent_trips(struct side *side, int64_t span_ns, struct times *times, uint64_t *ret_sent)
{
    int64_t now_ns = clock_now_ns(), end_ns = now_ns + span_ns;
    uint64_t number = 0, came;

    side->due_ns = now_ns;

    for (bool last = false; !last; number++) {
        last = number > 0 && now_ns >= end_ns;
        if (last)
            atomic_store(&side->shared->last, number + 1);
        memcpy(side->data, &number, sizeof(number));
        pace(side);
        int64_t before_ns = side->period_ns ? clock_now_ns() : now_ns;
        int code = send_whole(side);
        if (code == 0)
            code = receive_whole(side);
        if (code < 0)
            return code;
        now_ns = clock_now_ns();
        times_add(times, now_ns - before_ns);
        memcpy(&came, side->data, sizeof(came));
        if (came != number)
            return -EBADMSG;
    }
    *ret_sent = number;
    return 0;
}

static int parent_send(struct side *side, int64_t span_ns, struct times *times, uint64_t *ret_sent)
{
    int64_t end_ns = clock_now_ns() + span_ns;
    uint64_t sent = 0;

    (void)times;
    for (bool last = false; !last; sent++) {
        last = is_last(sent, side->size, end_ns);
        if (last)
            atomic_store(&side->shared->last, sent + 1);
        int code = send_whole(side);
        if (code < 0)
            return code;
    }
    *ret_sent = sent;
    return 0;
}

static int parent_send_paced(
    struct side *side, int64_t span_ns, struct times *times, uint64_t *ret_sent)
{
    int64_t end_ns = clock_now_ns() + span_ns;
    uint64_t sent = 0;

    (void)times;
    side->due_ns = clock_now_ns();
    for (bool last = false; !last; sent++) {
        pace(side);
        int64_t now_ns = clock_now_ns();
        last = sent > 0 && now_ns >= end_ns;
        if (last)
            atomic_store(&side->shared->last, sent + 1);
        memcpy(side->data, &now_ns, sizeof(now_ns));
        int code = send_whole(side);
        if (code < 0)
            return code;
    }
    *ret_sent = sent;
    return 0;
}

/* --- both ------------------------------------------------------------------------------------- */

typedef int parent_run(struct side *side, int64_t span_ns, struct times *times, uint64_t *ret_sent);

/* Pinned once the link is there: a ring that is made where a process has one processor only never
 * spins. */
static int crossing_in(const struct crossing *crossing, struct shared *shared, char *data,
    parent_run *run, int (*child)(struct side *side), struct times *times,
    struct crossing_result *ret_result)
{
    struct bench_link link;
    struct side side = {
        .shared = shared,
        .crossing = crossing,
        .size = crossing->size,
        .data = data,
        .ready = { -1, -1 },
        .period_ns = crossing->rate > 0 ? (int64_t)((double)NS_PER_S / crossing->rate) : 0,
    };
    int code = bench_link_open(&link, crossing);
    if (code < 0)
        return code;
    code = pipe2(side.ready, O_CLOEXEC) < 0 ? -errno : 0;
    pid_t parent = getpid(), pid = code == 0 ? fork() : -1;
    if (pid < 0) {
        code = code < 0 ? code : -errno;
        fd_close(&side.ready[0]);
        fd_close(&side.ready[1]);
        bench_link_close(&link);
        return code;
    }
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        shared->code = getppid() == parent ? bench_link_take(&link, 1, &side.end) : -EPIPE;
        if (shared->code < 0)
            _exit(0);
        pin(crossing->cpus[1]);
        child_run(&side, child);
    }
    code = bench_link_take(&link, 0, &side.end);
    pin(crossing->cpus[0]);
    fd_close(&side.ready[1]);
    char byte;
    bool ready = read(side.ready[0], &byte, 1) == 1;
    fd_close(&side.ready[0]);
    memset(data, 'f', crossing->size);
    int64_t cpu_ns = cpu_used_ns(), started_ns = clock_now_ns();
    uint64_t sent = 0;
    if (code == 0 && ready)
        code = run(&side, crossing->span_ns, times, &sent);
    cpu_ns = cpu_used_ns() - cpu_ns - side.paced_ns;
    if (code < 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    bench_end_close(&side.end);
    *ret_result = (struct crossing_result){ .messages = shared->received,
        .lost = sent - shared->received,
        .time_ns = shared->ended_ns - started_ns,
        .cpu_ns = cpu_ns + shared->cpu_ns };
    /* What the child failed with is the reason of what is seen here. */
    return shared->code < 0 ? shared->code : code < 0 ? code : ready ? 0 : -ECHILD;
}

static int crossing_run(const struct crossing *crossing, parent_run *run,
    int (*child)(struct side *side), struct times *times, struct crossing_result *ret_result)
{
    AUTO_FREE char *data = malloc(crossing->size);
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cpu_set_t cpus;

    if (!data || shared == MAP_FAILED)
        return -ENOMEM;
    /* A child that dies is told as an error. */
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    (void)sched_getaffinity(0, sizeof(cpus), &cpus);
    int code = crossing_in(crossing, shared, data, run, child, times, ret_result);
    if (code == 0)
        times_merge(times, &shared->ways);
    (void)signal(SIGPIPE, before);
    (void)sched_setaffinity(0, sizeof(cpus), &cpus);
    munmap(shared, sizeof(*shared));
    return code;
}

int crossing_trips(
    const struct crossing *crossing, struct times *times, struct crossing_result *ret_result)
{
    int code = crossing_run(crossing, parent_trips, child_answer, times, ret_result);
    ret_result->messages *= 2;
    return code;
}

int crossing_one_way(
    const struct crossing *crossing, struct times *times, struct crossing_result *ret_result)
{
    return crossing->rate > 0
               ? crossing_run(crossing, parent_send_paced, child_time, times, ret_result)
               : crossing_run(crossing, parent_send, child_receive, times, ret_result);
}
