/* crossing.c - one slice: a link, two processes that have an end each, and what both have used.
 *
 * Both are children: what a library starts in them, threads or memory, goes with them. They make a
 * round trip that is not measured first, by which what connects late is connected, and all memory
 * has been touched. What moves by itself is then used as it is to be measured until it has moved,
 * or for as long as one may wait for that. Who receives knows that it is to end by a number of
 * messages, which is written before the last one is sent. So nothing has to be told apart in what
 * is sent, and a mechanism that loses messages ends by silence. Neither leaves before the other has
 * all it waits for.
 */
#include "command/bench/crossing.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/bench/cpu.h"
#include "command/limits.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Memory of both, and of who waits for them. */
struct shared {
    atomic_ullong last; /* how many messages there are in all; 0: not known yet */
    uint64_t sent, received;
    int64_t started_ns, ended_ns; /* when the first was sent, when the last came */
    int64_t cpu_ns[2];
    atomic_bool settled;             /* who answers, if that was asked */
    uint64_t counts[2][BENCH_LANES]; /* of each side, of what moves by itself */
    int codes[2];                    /* what each side ended with */
    struct times times;              /* of round trips; at a rate, of messages one way */
};

struct side {
    struct bench_end end;
    unsigned number;    /* 0: who measures, 1: who answers */
    int64_t silence_ms; /* until it is given up */
    struct shared *shared;
    const struct crossing *crossing;
    size_t size;
    char *data;                /* size bytes */
    int64_t due_ns, period_ns; /* at a rate: when the next one goes, and how far apart they are */
    int64_t paced_ns;          /* processor time that went into that */
    bool settles;              /* nothing is measured yet */
    bool is_answered;          /* the other one sends, too */
};

/* --- whole messages --------------------------------------------------------------------------- */

/* How long it has gone on that nothing came, or went. Who spins does not look at the clock for each
 * try, which would take longer than the try. */
struct patience {
    unsigned tries;
    int64_t deadline_ns;
};

/* Waits until it may be tried again. 0, -ETIMEDOUT, -errno. */
static int patience_wait(struct patience *patience, struct side *side,
    int (*wait)(struct bench_end *end, int64_t deadline_ns))
{
    if (side->end.wait != BENCH_SPIN || ++patience->tries % BENCH_TRIES_A_LOOK == 0) {
        int64_t now_ns = clock_now_ns();
        if (!patience->deadline_ns)
            patience->deadline_ns = clock_after(now_ns, side->silence_ms * NS_PER_MS);
        else if (now_ns >= patience->deadline_ns)
            return -ETIMEDOUT;
    }
    return wait(&side->end, patience->deadline_ns);
}

static int send_whole(struct side *side)
{
    struct patience patience = { 0 };

    for (size_t sent = 0; sent < side->size;) {
        ssize_t r = side->end.mechanism->send(&side->end, side->data + sent, side->size - sent);
        if (r == -EAGAIN || r == -EINTR)
            r = patience_wait(&patience, side, bench_end_wait_send);
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
        r = patience_wait(&patience, side, bench_end_wait_receive);
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

/* --- until it has moved ----------------------------------------------------------------------- */

/* Of who measures: whether nothing is waited for any more. */
static bool has_settled(struct side *side)
{
    return side->settles && side->end.mechanism->is_settled(&side->end) &&
           (!side->is_answered || atomic_load(&side->shared->settled));
}

static void answer_settle(struct side *side)
{
    if (side->settles)
        atomic_store(&side->shared->settled, side->end.mechanism->is_settled(&side->end));
}

static void time_add(struct side *side, int64_t time_ns)
{
    if (!side->settles)
        times_add(&side->shared->times, time_ns);
}

/* --- who answers ------------------------------------------------------------------------------ */

static int run_answer(struct side *side, int64_t span_ns)
{
    (void)span_ns;
    for (;;) {
        int code = receive_whole(side);
        if (code < 0)
            return code;
        uint64_t last = atomic_load(&side->shared->last);
        code = send_whole(side);
        answer_settle(side);
        side->shared->received++;
        if (code < 0 || side->shared->received == last)
            return code;
    }
}

static int run_receive(struct side *side, int64_t span_ns)
{
    struct shared *shared = side->shared;
    uint64_t bytes = 0;

    (void)span_ns;
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
static int run_time(struct side *side, int64_t span_ns)
{
    int64_t sent_ns;

    (void)span_ns;
    for (;;) {
        int code = receive_whole(side);
        if (code < 0)
            return code;
        memcpy(&sent_ns, side->data, sizeof(sent_ns));
        time_add(side, clock_now_ns() - sent_ns);
        if (++side->shared->received == atomic_load(&side->shared->last))
            return 0;
    }
}

/* --- who measures ----------------------------------------------------------------------------- */

/* Whether the last one is to be sent now. The clock is not looked at for each small message. */
static bool is_last(uint64_t sent, size_t size, int64_t end_ns)
{
    bool look = size >= BENCH_LARGE_SIZE || sent % BENCH_MESSAGES_A_LOOK == 0;
    return look && sent > 0 && clock_now_ns() >= end_ns;
}

static int run_trips(struct side *side, int64_t span_ns)
{
    int64_t now_ns = clock_now_ns(), end_ns = now_ns + span_ns;
    uint64_t number = 0, came;

    side->due_ns = now_ns;
    for (bool last = false; !last; number++) {
        last = number > 0 && (now_ns >= end_ns || has_settled(side));
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
        time_add(side, now_ns - before_ns);
        memcpy(&came, side->data, sizeof(came));
        if (came != number)
            return -EBADMSG;
    }
    side->shared->sent = number;
    return 0;
}

static int run_send(struct side *side, int64_t span_ns)
{
    int64_t end_ns = clock_now_ns() + span_ns;
    uint64_t sent = 0;

    for (bool last = false; !last; sent++) {
        last = is_last(sent, side->size, end_ns) || has_settled(side);
        if (last)
            atomic_store(&side->shared->last, sent + 1);
        int code = send_whole(side);
        if (code < 0)
            return code;
    }
    side->shared->sent = sent;
    return 0;
}

static int run_send_paced(struct side *side, int64_t span_ns)
{
    int64_t end_ns = clock_now_ns() + span_ns;
    uint64_t sent = 0;

    side->due_ns = clock_now_ns();
    for (bool last = false; !last; sent++) {
        pace(side);
        int64_t now_ns = clock_now_ns();
        last = sent > 0 && (now_ns >= end_ns || has_settled(side));
        if (last)
            atomic_store(&side->shared->last, sent + 1);
        memcpy(side->data, &now_ns, sizeof(now_ns));
        int code = send_whole(side);
        if (code < 0)
            return code;
    }
    side->shared->sent = sent;
    return 0;
}

/* --- both ------------------------------------------------------------------------------------- */

typedef int side_run(struct side *side, int64_t span_ns);

/* The round trip before. */
static int side_greet(struct side *side)
{
    int code = side->number == 0 ? send_whole(side) : receive_whole(side);

    if (code < 0)
        return code;
    return side->number == 0 ? receive_whole(side) : send_whole(side);
}

/* A ring that is made where a process has one processor only never spins, so that it is pinned once
 * it has its end. Threads of a library run where it runs that sleeps; where it spins they would
 * never get their turn there. */
static int side_join(struct side *side, struct bench_link *link)
{
    const struct crossing *crossing = &link->crossing;
    bool first = crossing->mechanism->has_threads && crossing->wait == BENCH_SLEEP;
    int cpu = crossing->cpus[side->number];

    if (first)
        cpu_pin(cpu);
    int code = bench_link_take(link, side->number, &side->end);
    if (!first)
        cpu_pin(cpu);
    return code;
}

/* Until the other one has come as far, or is gone: what is on its way to it is lost otherwise. */
static void meet(int fd)
{
    char byte;

    (void)shutdown(fd, SHUT_WR);
    while (read(fd, &byte, 1) < 0 && errno == EINTR)
        ;
}

/* Until the other one is here as well. */
static int wait_for_other(int fd)
{
    char byte = 0;

    if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
        return -EPIPE;
    return 0;
}

/* What was counted meanwhile is forgotten before anything is sent that counts. */
static int side_settle(struct side *side, side_run *run, int over_fd)
{
    struct shared *shared = side->shared;

    side->settles = true;
    int code = run(side, BENCH_SETTLE_NS);
    side->settles = false;
    side->paced_ns = 0;
    if (code == 0)
        code = wait_for_other(over_fd);
    if (code == 0 && side->number == 0) {
        atomic_store(&shared->last, 0);
        shared->sent = shared->received = 0;
        shared->ended_ns = 0;
    }
    return code < 0 ? code : wait_for_other(over_fd);
}

/* How many it has sent by each lane, less those of before. */
static void side_count(const struct side *side, uint64_t counts[BENCH_LANES])
{
    uint64_t now[BENCH_LANES] = { 0 };

    if (side->end.mechanism->count)
        side->end.mechanism->count(&side->end, now);
    for (unsigned i = 0; i < BENCH_LANES; i++)
        counts[i] = now[i] - counts[i];
}

static int side_do(struct side *side, struct bench_link *link, side_run *run, int over_fd)
{
    const struct crossing *crossing = &link->crossing;
    struct shared *shared = side->shared;

    memset(side->data, "fc"[side->number], side -> size);
    int code = side_greet(side);
    if (code < 0)
        return code;
    bench_link_unname(link);
    side->silence_ms = crossing->mechanism->may_lose ? BENCH_LOST_MS : BENCH_STUCK_MS;
    side->is_answered = run == run_answer || run == run_trips;
    if (crossing->mechanism->is_settled)
        code = side_settle(side, run, over_fd);
    if (code < 0)
        return code;
    side_count(side, shared->counts[side->number]);
    int64_t before_ns = cpu_used_ns();
    if (side->number == 0)
        shared->started_ns = clock_now_ns();
    code = run(side, crossing->span_ns);
    bool all = shared->received == atomic_load(&shared->last);
    if (side->number == 1 && (!shared->ended_ns || all))
        shared->ended_ns = clock_now_ns();
    side_count(side, shared->counts[side->number]);
    if (code == 0)
        meet(over_fd);
    shared->cpu_ns[side->number] = cpu_used_ns() - before_ns - side->paced_ns;
    return code;
}

/* A child's whole life. */
static void side_live(struct bench_link *link, unsigned number, side_run *run,
    struct shared *shared, pid_t parent, int over_fd)
{
    size_t size = link->crossing.size;
    struct side side = { .number = number,
        .silence_ms = BENCH_STUCK_MS,
        .shared = shared,
        .crossing = &link->crossing,
        .period_ns =
            link->crossing.rate > 0 ? (int64_t)((double)NS_PER_S / link->crossing.rate) : 0,
        .size = size,
        .data = malloc(size) };
    int code = side.data ? 0 : -ENOMEM;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_IGN); /* a peer that dies is told as an error */
    if (code == 0 && getppid() != parent)
        code = -EPIPE;
    if (code == 0)
        code = side_join(&side, link);
    if (code == 0)
        code = side_do(&side, link, run, over_fd);
    shared->codes[number] = code;
    if (link->crossing.mechanism->leave)
        link->crossing.mechanism->leave(&side.end, code < 0);
    _exit(code < 0);
}

/* Waits for both; who fails, or dies, takes the other one along. A daemon is of another group. */
static void children_wait(pid_t children[2], struct shared *shared)
{
    int status;

    for (unsigned left = (children[0] > 0) + (children[1] > 0); left > 0; left--) {
        pid_t pid = waitpid(0, &status, 0);
        if (pid < 0 && errno == EINTR) {
            left++;
            continue;
        }
        unsigned number = pid == children[1];
        children[number] = -1;
        if (WIFSIGNALED(status) && !shared->codes[number])
            shared->codes[number] = -ECHILD;
        if (status != 0 && children[!number] > 0)
            kill(children[!number], SIGKILL);
    }
}

/* What one failed with is the reason of what the other one saw, which is killed for it. */
static int code_of(const struct shared *shared)
{
    for (unsigned i = 2; i-- > 0;)
        if (shared->codes[i] < 0 && shared->codes[i] != -ECHILD)
            return shared->codes[i];
    return shared->codes[0] < 0 ? shared->codes[0] : shared->codes[1];
}

static int crossing_in(const struct crossing *crossing, struct shared *shared, side_run *runs[2])
{
    struct bench_link link;
    pid_t children[2] = { -1, -1 }, parent = getpid();
    int over[2], code = bench_link_open(&link, crossing);

    if (code < 0)
        return code;
    code = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, over) < 0 ? -errno : 0;
    for (unsigned i = 0; i < 2 && code == 0; i++) {
        children[i] = fork();
        if (children[i] < 0)
            code = -errno;
        if (children[i] == 0) {
            fd_close(&over[!i]);
            side_live(&link, i, runs[i], shared, parent, over[i]);
        }
    }
    if (code < 0 && children[0] > 0)
        kill(children[0], SIGKILL);
    if (code == 0 || children[0] > 0) {
        fd_close(&over[0]);
        fd_close(&over[1]);
    }
    children_wait(children, shared);
    bench_link_close(&link);
    return code < 0 ? code : code_of(shared);
}

static int crossing_run(const struct crossing *crossing, side_run *measures, side_run *answers,
    struct times *times, struct crossing_result *ret_result)
{
    side_run *runs[2] = { measures, answers };
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        return -ENOMEM;
    shared->times = *times;
    int code = crossing_in(crossing, shared, runs);
    if (code == 0)
        *times = shared->times;
    *ret_result = (struct crossing_result){ .messages = shared->received,
        .lost = shared->sent - shared->received,
        .time_ns = shared->ended_ns - shared->started_ns,
        .cpu_ns = shared->cpu_ns[0] + shared->cpu_ns[1] };
    for (unsigned i = 0; i < BENCH_LANES; i++)
        ret_result->counts[i] = shared->counts[0][i] + shared->counts[1][i];
    munmap(shared, sizeof(*shared));
    return code;
}

int crossing_trips(
    const struct crossing *crossing, struct times *times, struct crossing_result *ret_result)
{
    int code = crossing_run(crossing, run_trips, run_answer, times, ret_result);
    ret_result->messages *= 2;
    return code;
}

int crossing_one_way(
    const struct crossing *crossing, struct times *times, struct crossing_result *ret_result)
{
    return crossing->rate > 0 ? crossing_run(crossing, run_send_paced, run_time, times, ret_result)
                              : crossing_run(crossing, run_send, run_receive, times, ret_result);
}
