/* auto.c - two processes and an auto: connection between them: a million messages that move all the
 * time, and ends that are killed while they do.
 *
 *     fault-auto move COUNT
 *     fault-auto kill COUNT SEED
 *     fault-auto between LISTENED DIALLED
 *
 * Both ends send and receive at once. Each message has a number, from which its size, its bytes and
 * its descriptors follow, so that one that is missing, comes twice, or is not whole is seen.
 *
 * `move`: COUNT each way; the lane is changed every MOVE_EVERY messages, and as many apart is one
 * with a descriptor. Prints, for each end, how many came and how often its sending moved.
 *
 * `kill`: COUNT processes are killed, one after the other, at every step of the move and of the
 * rings in turn, or at none in particular; it is the one that dialled, or the one that accepted.
 * The other must have received what the dead one had sent, once, and learn of the end. Prints
 *
 *     COUNT HANGS CORRUPT LOST DOUBLED LEFT-OPEN
 *
 * and the median, the 99th percentile and the largest of the times, in nanoseconds, from the kill
 * until the survivor knew.
 *
 * `between`: listens on one path, dials another, where somebody passes on what comes, and has both
 * ends talk. Prints the lane and the reason of each. */
#define AUTO_TEST
#define RING_TEST

#include "transport/auto/peers.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

/* Milliseconds without anything that are a hang. */
#define HANG_MS 20000

enum { SIZE_MAX_SENT = 2 * RECORD_MAX + 4096, BATCH = 8, WINDOW = 48, MOVE_EVERY = 1000 };

/* What both processes have besides their connection. */
static struct shared {
    _Atomic uint32_t done; /* messages of the victim whose sending has returned */
    _Atomic int64_t killed_ns;
    _Atomic unsigned long hangs, corrupt, lost, doubled;
} * shared;

static uint64_t chance;

/* --- one end ---------------------------------------------------------------------------------- */

struct end {
    struct ferry_channel *channel;
    struct ferry_inbox *inbox;
    uint32_t sent, received;
    unsigned move_every, descriptors_every, large_every;
    bool full; /* it waits for room */
};

static size_t size_of(const struct end *end, uint32_t number)
{
    if (number % end->large_every == end->large_every - 1)
        /* Too large for the ring; every other one for the socket as well. */
        return (number % 2 ? RECORD_MAX : 0) + RECORD_MAX - 100 + number % 200;
    return number * 61 % (number % 32 ? 100 : 4000);
}

static size_t descriptors_of(const struct end *end, uint32_t number)
{
    return number % end->descriptors_every == 0;
}

/* Not away from the ring before there is one: who forbids it when it is offered does so for good.
 */
static void change_lane(const struct end *end, bool away)
{
    if (away && end_of(end->channel)->rings == AUTO_RINGS_THERE)
        ferry_auto_prefer(end->channel, FERRY_AUTO_PREFER_SOCKET);
    else
        ferry_auto_prefer(end->channel, FERRY_AUTO_PREFER_RING);
}

/* 1, or as ferry_channel_try_send(). */
static int send_next(struct end *end)
{
    static unsigned char data[SIZE_MAX_SENT];
    uint32_t number = end->sent;
    size_t size = size_of(end, number), count = descriptors_of(end, number);
    AUTO_FD int event = count ? eventfd(number + 1, EFD_CLOEXEC) : -1;

    if (number % end->move_every == 0)
        change_lane(end, number / end->move_every % 2);
    bytes_fill(data, size, number);
    int r = send_bytes(end->channel, data, size, &event, count);
    end->full = r == -EAGAIN;
    end->sent += r == 1;
    return r;
}

static bool is_whole(const struct end *end, const struct ferry_message *message, uint32_t number)
{
    uint64_t value = 0;

    if (message->size != size_of(end, number) ||
        message->descriptor_count != descriptors_of(end, number) ||
        !bytes_are(message->data, message->size, number))
        return false;
    return message->descriptor_count == 0 ||
           (read(message->descriptors[0], &value, sizeof(value)) == sizeof(value) &&
               value == number + 1);
}

/* What came instead of the next message: one of those about it, if any. */
static void accuse(const struct end *end, const struct ferry_message *message)
{
    for (uint32_t away = 1; away < 1000; away++) {
        if (is_whole(end, message, end->received + away)) {
            shared->lost++;
            return;
        }
        if (away <= end->received && is_whole(end, message, end->received - away)) {
            shared->doubled++;
            return;
        }
    }
    shared->corrupt++;
}

/* As ferry_channel_try_receive(). */
static int receive_next(struct end *end)
{
    struct ferry_message batch[BATCH];
    int r = ferry_channel_try_receive(end->channel, end->inbox, batch, BATCH);

    for (int i = 0; i < r; i++) {
        if (!is_whole(end, &batch[i], end->received))
            accuse(end, &batch[i]);
        ferry_message_fini(&batch[i]);
        end->received++;
    }
    return r;
}

/* Sleeps until there is something to do. False: it was too long. */
static bool sleep_well(struct end *end)
{
    struct pollfd polled = { .fd = ferry_channel_fd(end->channel, FERRY_RECEIVE),
        .events = (short)(POLLIN | (end->full ? POLLOUT : 0)) };
    return ferry_channel_pending(end->channel) || poll(&polled, 1, HANG_MS) == 1;
}

/* --- moving ----------------------------------------------------------------------------------- */

/* Returns 0, or what went wrong. */
static int end_move(struct end *end, uint32_t count)
{
    while (end->sent < count || end->received < count) {
        bool idle = true;
        for (int i = 0; i < BATCH && end->sent < count; i++) {
            int r = send_next(end);
            if (r < 0 && r != -EAGAIN)
                return r;
            if (r < 0)
                break;
            idle = false;
        }
        int r = receive_next(end);
        if (r < 0 && r != -EAGAIN)
            return r;
        if (r == 0 && (end->sent < count || end->received < count))
            return -EPIPE; /* before it had all */
        if (r < 0 && idle && !sleep_well(end))
            return -ETIMEDOUT;
    }
    return 0;
}

static int end_move_and_say(struct end *end, uint32_t count)
{
    struct ferry_auto_stats stats;
    int r = end_move(end, count);

    /* Whoever closes first would leave unread what only wakes. */
    ferry_channel_shutdown(end->channel);
    while (r == 0 && (r = receive_next(end)) == -EAGAIN)
        r = sleep_well(end) ? 0 : -ETIMEDOUT;
    stats = stats_of(end->channel);
    printf("%u %llu %d\n", end->received, (unsigned long long)stats.moves, r);
    fflush(stdout);
    return r;
}

static int move_run(uint32_t count)
{
    const char *place = place_new();
    struct end end = { .inbox = inbox_of(SIZE_MAX_SENT, 16),
        .move_every = MOVE_EVERY,
        .descriptors_every = MOVE_EVERY,
        .large_every = 4999 };
    struct ferry_listener *listener = listen_auto(place, "", false);
    pid_t child = fork();

    if (child == 0) {
        end.channel = dial_auto(place, "", false);
        _exit(end_move_and_say(&end, count) != 0);
    }
    end.channel = accept_auto(listener);
    int r = end_move_and_say(&end, count);
    ferry_channel_close(end.channel);
    ferry_listener_close(listener);
    ferry_inbox_free(end.inbox);
    int status;
    MUST(waitpid(child, &status, 0) == child);
    printf("%lu %lu %lu\n", shared->corrupt, shared->lost, shared->doubled);
    return status != 0 || r != 0;
}

/* --- killing: the one that dies --------------------------------------------------------------- */

/* Those of the move, those of the rings, and none. */
#define RING_STEP(step) (AUTO_STEP_COUNT + (step))
#define ANY_STEP        RING_STEP(RING_STEP_COUNT)

static int fatal_step;
static unsigned steps_left; /* of that kind */

static void step_count(int step)
{
    if (step != fatal_step || --steps_left > 0)
        return;
    shared->killed_ns = ferry_deadline(0);
    kill(getpid(), SIGKILL);
}

static void auto_step_fatally(enum auto_step step)
{
    step_count((int)step);
}

static void ring_step_fatally(enum ring_step step)
{
    step_count(RING_STEP((int)step));
}

/* One turn of either: what may be sent, a window ahead of what has come, and what is there. Returns
 * what the last receive did, or -ETIMEDOUT. */
static int end_turn(struct end *end, bool is_victim)
{
    bool idle = true;

    for (int i = 0; i < BATCH && end->sent < end->received + WINDOW && send_next(end) == 1; i++) {
        idle = false;
        if (is_victim)
            shared->done = end->sent;
    }
    int r = receive_next(end);
    if (r == -EAGAIN && idle && !sleep_well(end))
        return -ETIMEDOUT;
    return r;
}

__attribute__((noreturn)) static void victim_run(struct end *end)
{
    int r;

    auto_test_step = auto_step_fatally;
    ring_test_step = ring_step_fatally;
    do
        r = end_turn(end, true);
    while (r > 0 || r == -EAGAIN);
    _exit(1);
}

/* --- killing: the one that lives -------------------------------------------------------------- */

/* Does its part until the end. Returns when it knew, 0: never. */
static int64_t survivor_run(struct end *end, pid_t victim)
{
    /* Not before it has accepted: an end of ours would wait in our own listener for ever. */
    uint32_t enough = fatal_step == ANY_STEP ? draw(&chance) % 500 + 1 : UINT32_MAX;
    int r;

    do {
        r = end_turn(end, false);
        if (end->received >= enough) {
            enough = UINT32_MAX;
            shared->killed_ns = ferry_deadline(0);
            kill(victim, SIGKILL);
        }
        if (end->received > 1000000) {
            fprintf(stderr, "step %d does not come\n", fatal_step);
            shared->hangs++;
            kill(victim, SIGKILL);
            return 0;
        }
    } while (r > 0 || r == -EAGAIN);
    int64_t known_ns = ferry_deadline(0);
    if (r == 0 || r == -ECONNRESET)
        return known_ns;
    ++*(r == -ETIMEDOUT ? &shared->hangs : &shared->corrupt);
    kill(victim, SIGKILL);
    return 0;
}

/* How many the victim's last call may have sent, and must, without its having said so. */
static void unsaid(uint32_t *ret_min, uint32_t *ret_max)
{
    bool was_sent =
        fatal_step == AUTO_BACK_SENT || fatal_step == AUTO_TO_WAKE || fatal_step == AUTO_WAKE_SENT;
    *ret_min = was_sent;
    *ret_max = was_sent || fatal_step >= AUTO_STEP_COUNT;
}

static void survivor_judge(struct end *end)
{
    uint32_t done = shared->done, min, max;

    unsaid(&min, &max);
    if (end->received < done + min)
        shared->lost += done + min - end->received;
    if (end->received > done + max)
        shared->doubled += end->received - done - max;
    end->sent = end->sent / end->move_every * end->move_every + 1; /* and no more moves */
    if (say(end->channel, "text") != -EPIPE)
        shared->corrupt++;
}

/* Steps that come only where somebody sleeps. */
static bool is_of_sleep(int step)
{
    return (step >= AUTO_TO_WAKE && step <= AUTO_ASLEEP) || step == RING_STEP(RING_TO_SLEEP);
}

/* On two processors both ends may keep each other awake for as long as they like; on one, each
 * sleeps before the other goes on. Of this process, and what it starts from now on. */
static void processors_share(bool one)
{
    static cpu_set_t all;
    cpu_set_t first;

    if (CPU_COUNT(&all) == 0)
        MUST(sched_getaffinity(0, sizeof(all), &all) == 0);
    CPU_ZERO(&first);
    for (int cpu = 0; CPU_COUNT(&first) == 0; cpu++)
        if (CPU_ISSET(cpu, &all))
            CPU_SET(cpu, &first);
    MUST(sched_setaffinity(0, sizeof(first), one ? &first : &all) == 0);
}

struct place {
    const char *name;
    struct ferry_listener *listener;
};

/* Returns how long it took to know. */
static int64_t live_and_die(const struct place *place, struct end end, bool dialled_dies)
{
    bool dials = !dialled_dies;
    int status;

    shared->done = 0;
    processors_share(is_of_sleep(fatal_step));
    steps_left = fatal_step <= AUTO_ACCEPT_TAKEN ? 1 : draw(&chance) % 12 + 1;
    if (dials)
        end.channel = dial_auto(place->name, "", false);
    pid_t victim = fork();
    MUST(victim >= 0);
    if (victim == 0) {
        end.channel = dials ? accept_auto(place->listener) : dial_auto(place->name, "", false);
        victim_run(&end);
    }
    if (!dials)
        end.channel = accept_auto(place->listener);
    int64_t known_ns = survivor_run(&end, victim);
    if (known_ns)
        survivor_judge(&end);
    ferry_channel_close(end.channel);
    if (waitpid(victim, &status, 0) != victim || !WIFSIGNALED(status) ||
        WTERMSIG(status) != SIGKILL) {
        fprintf(stderr, "the victim was not killed at step %d\n", fatal_step);
        exit(1);
    }
    return known_ns - shared->killed_ns;
}

/* Only who dialled makes an offer, and only who accepted takes it. */
static bool can_die_there(int step, bool dialled_dies)
{
    switch (step) {
    case AUTO_RINGS_MADE:
    case AUTO_OFFER_SENT:
    case AUTO_ACCEPT_TAKEN:
        return dialled_dies;
    case AUTO_ATTACHED:
    case AUTO_ACCEPT_SENT:
        return !dialled_dies;
    default:
        return true;
    }
}

static int compare(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static int kill_run(size_t count)
{
    const struct end end = { .inbox = inbox_of(SIZE_MAX_SENT, 16),
        .move_every = 37,
        .descriptors_every = 29,
        .large_every = 211 };
    struct place place = { place_new(), NULL };
    int64_t *times = calloc(count, sizeof(*times));
    size_t killed = 0;

    MUST(times);
    place.listener = listen_auto(place.name, "", false);
    unsigned before = descriptors_open();
    for (size_t i = 0; killed < count; i++) {
        fatal_step = (int)(i / 2 % (ANY_STEP + 1));
        if (can_die_there(fatal_step, i % 2))
            times[killed++] = live_and_die(&place, end, i % 2);
    }
    unsigned after = descriptors_open();
    printf("%zu %lu %lu %lu %lu %u\n", killed, shared->hangs, shared->corrupt, shared->lost,
        shared->doubled, after - before);
    qsort(times, count, sizeof(*times), compare);
    printf("%lld %lld %lld\n", (long long)times[count / 2], (long long)times[count * 99 / 100],
        (long long)times[count - 1]);
    ferry_listener_close(place.listener);
    ferry_inbox_free(end.inbox);
    free(times);
    return 0;
}

/* --- with somebody in between ----------------------------------------------------------------- */

static int talk(struct end *from, struct end *to)
{
    int r = send_next(from), received = 0;

    while (r == 1 && received == 0) {
        received = receive_next(to);
        if (received == -EAGAIN)
            received = sleep_well(to) ? 0 : -ETIMEDOUT;
    }
    return r < 0 ? r : received;
}

static int between_run(const char *listened, const char *dialled)
{
    struct ferry_listener *listener = listen_auto(listened, ",ring=yes", false);
    struct end ends[2] = { { .move_every = UINT32_MAX,
        .inbox = inbox_of(0, 16),
        .descriptors_every = UINT32_MAX,
        .large_every = UINT32_MAX } };
    int r = 1;

    ends[1] = ends[0];
    ends[0].sent = ends[1].received = ends[1].sent = ends[0].received = 1; /* without descriptors */
    ends[0].channel = dial_auto(dialled, ",ring=yes", false);
    ends[1].channel = accept_auto(listener);
    for (int i = 0; i < 80 && r == 1; i++)
        r = talk(&ends[i % 2], &ends[1 - i % 2]);
    for (int i = 0; i < 2; i++) {
        struct ferry_auto_stats stats = stats_of(ends[i].channel);
        printf("%s %s\n", ferry_lane_name(stats.lanes[FERRY_SEND]),
            ferry_auto_reason_name(stats.reason));
        ferry_channel_close(ends[i].channel);
    }
    ferry_listener_close(listener);
    ferry_inbox_free(ends[0].inbox);
    return r != 1 || shared->corrupt + shared->lost + shared->doubled > 0;
}

int main(int argc, char **argv)
{
    size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    bool moves = argc == 3 && strcmp(argv[1], "move") == 0;
    bool kills = argc == 4 && strcmp(argv[1], "kill") == 0;
    bool between = argc == 4 && strcmp(argv[1], "between") == 0;

    if (!between && (count < 1 || (!moves && !kills))) {
        fprintf(stderr, "usage: fault-auto move COUNT\n       fault-auto kill COUNT SEED\n"
                        "       fault-auto between LISTENED DIALLED\n");
        return 2;
    }
    chance = kills ? strtoul(argv[3], NULL, 10) : 0;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    strcpy(scratch_directory, "/tmp/ferry-fault-XXXXXX");
    if (shared != MAP_FAILED && between)
        return between_run(argv[2], argv[3]);
    if (shared == MAP_FAILED || !mkdtemp(scratch_directory))
        return 1;
    int r = moves ? move_run((uint32_t)count) : kill_run(count);
    nftw(scratch_directory, scratch_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return r;
}
