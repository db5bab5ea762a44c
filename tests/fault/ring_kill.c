/* ring_kill.c - one end of a ring is killed, at every step in turn and at none in particular; the
 * other end lives on, learns of it, and looks at what was left.
 *
 *     fault-ring-kill ring   COUNT SEED
 *     fault-ring-kill fan-in COUNT SEED
 *
 * Kills COUNT processes. Each record has its number for a type, and bytes that follow from it, so
 * that one that is missing, comes twice or is not whole is seen. Where the sender dies, the
 * receiver must get what it had committed, and of what it had only begun nothing. Where the
 * receiver dies, a successor of it must go on behind the last receive that had given back its room.
 * In a fan-in there are four senders at any time, each of which will be killed and has a successor;
 * its death is no other's business. Prints
 *
 *     COUNT HANGS CORRUPT LOST DOUBLED
 *
 * and, of a ring, for the socket and for the pidfd by which the death was seen the median, the 99th
 * percentile and the largest of the times, in nanoseconds, from the kill until the survivor knew.
 */
#include "memory/ring_under_test.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CAPACITY = 4096, MAX = CAPACITY / 8, BATCH = 3, SENDERS = 4 };
#define ANY_STEP RING_STEP_COUNT /* killed from outside */

/* Milliseconds without anything that are a hang. */
#define PATIENCE_MS 20000

/* What all processes have besides their rings. */
struct shared {
    struct victim {
        _Atomic uint32_t done; /* records of its calls that have returned */
        _Atomic int64_t killed_ns;
    } victims[SENDERS];
    _Atomic unsigned long hangs, corrupt, lost, doubled;
};

static struct shared *shared;
static uint64_t chance;

static void give_up(const char *what)
{
    perror(what);
    exit(1);
}

/* --- what either end does --------------------------------------------------------------------- */

static size_t size_of(uint32_t number)
{
    return number * 61 % (MAX + 1);
}

/* Sends from `number` on, by a loan or as a batch. Returns how many, or -errno. */
static int send_some(struct ferry_ring *ring, uint32_t number)
{
    static unsigned char data[BATCH][MAX];
    struct ferry_record batch[BATCH];
    void *place;

    if (number % 2) {
        int r = ferry_ring_loan(ring, size_of(number), &place);
        if (r < 0)
            return r;
        bytes_fill(place, size_of(number), number);
        ferry_ring_commit(ring, size_of(number), number);
        return 1;
    }
    for (uint32_t i = 0; i < BATCH; i++) {
        bytes_fill(data[i], size_of(number + i), number + i);
        batch[i] = (struct ferry_record){ data[i], size_of(number + i), number + i };
    }
    return ferry_ring_try_send(ring, batch, BATCH);
}

static void record_judge(const struct ferry_record *record, uint32_t number)
{
    if (record->size != size_of(record->type) ||
        !bytes_are(record->data, record->size, record->type))
        shared->corrupt++;
    else if (record->type != number)
        ++*(record->type > number ? &shared->lost : &shared->doubled);
}

/* Receives from `number` on, as a copy or in place. Returns how many, or -errno. */
static int receive_some(struct ferry_ring *ring, uint32_t number)
{
    static unsigned char buffer[CAPACITY];
    struct ferry_record batch[BATCH];
    bool borrow = number % 2;
    int r = borrow ? ferry_ring_borrow(ring, batch, BATCH)
                   : ferry_ring_try_receive(ring, buffer, sizeof(buffer), batch, BATCH);

    for (int i = 0; i < r; i++)
        record_judge(&batch[i], number + (uint32_t)i);
    if (borrow)
        ferry_ring_release(ring);
    return r;
}

static int act(struct ferry_ring *ring, uint32_t number)
{
    return ring->direction == FERRY_SEND ? send_some(ring, number) : receive_some(ring, number);
}

/* --- the one that dies ------------------------------------------------------------------------ */

static enum ring_step fatal_step;
static unsigned steps_left; /* of that kind */
static struct victim *victim;

static void step_fatally(enum ring_step step)
{
    if (step != fatal_step || --steps_left > 0)
        return;
    victim->killed_ns = ferry_deadline(0);
    kill(getpid(), SIGKILL);
}

__attribute__((noreturn)) static void victim_run(struct ferry_ring *ring)
{
    ring_test_step = step_fatally;
    for (;;) {
        int r = act(ring, victim->done);
        if (r > 0)
            victim->done += (uint32_t)r;
        else if (r != -EAGAIN || ferry_ring_wait(ring, -1, FERRY_NEVER) < 0)
            _exit(1);
    }
}

/* --- the one that lives ----------------------------------------------------------------------- */

struct survivor {
    struct ferry_ring *ring;
    enum ring_step step; /* at which the other dies */
    struct victim *victim;
    pid_t pid;       /* the victim's */
    int life_fd;     /* becomes readable when the victim has died */
    uint32_t number; /* of the next record */
};

/* A victim that should die falling asleep is left alone until it does. */
static void let_it_sleep(const struct survivor *survivor)
{
    int64_t until_ns = ferry_deadline(PATIENCE_MS);

    while (
        !(uint32_t)atomic_load(&survivor->ring->other->bell) && !is_readable(survivor->life_fd)) {
        if (ferry_deadline(0) > until_ns) {
            shared->hangs++;
            return;
        }
        sched_yield();
    }
}

/* Does its part until the victim has died. Returns when it knew, 0: never. */
static int64_t survivor_run(struct survivor *survivor)
{
    uint32_t enough = survivor->step == ANY_STEP ? draw(&chance) % 200 : UINT32_MAX;
    int r;

    do {
        if (survivor->step == RING_TO_SLEEP)
            let_it_sleep(survivor);
        while ((r = act(survivor->ring, survivor->number)) > 0) {
            survivor->number += (uint32_t)r;
            if (survivor->number < enough)
                continue;
            enough = UINT32_MAX;
            survivor->victim->killed_ns = ferry_deadline(0);
            kill(survivor->pid, SIGKILL);
        }
        if (r == -EAGAIN)
            r = ferry_ring_wait(survivor->ring, survivor->life_fd, ferry_deadline(PATIENCE_MS));
    } while (r == 0);
    int64_t known_ns = ferry_deadline(0);
    if (r == 1)
        return known_ns;
    ++*(r == -ETIMEDOUT ? &shared->hangs : &shared->corrupt);
    kill(survivor->pid, SIGKILL);
    return 0;
}

/* How many records the victim's last call may have moved without its having said so. */
static uint32_t unsaid_max(enum ring_step step)
{
    return step == RING_PUBLISHED || step == RING_WOKEN || step == ANY_STEP ? BATCH : 0;
}

/* The sender has died: what it had committed, and then the end. */
static void look_after_sender(struct survivor *survivor)
{
    uint32_t done = survivor->victim->done;
    int r;

    while ((r = receive_some(survivor->ring, survivor->number)) > 0)
        survivor->number += (uint32_t)r;
    if (r != -EPIPE || survivor->number > done + unsaid_max(survivor->step))
        shared->corrupt++;
    if (survivor->number < done)
        shared->lost += done - survivor->number;
}

/* The receiver has died, and the ring is full: a successor goes on. */
static void look_after_receiver(struct survivor *survivor)
{
    struct ferry_ring *successor = ring_attach_to(survivor->ring);
    struct ferry_record first;
    int r = ferry_ring_borrow(successor, &first, 1);
    uint32_t number = r == 1 ? first.type : 0, done = survivor->victim->done;

    if (r != 1 || send_some(survivor->ring, survivor->number) != -EPIPE)
        shared->corrupt++;
    if (number < done)
        shared->doubled += done - number;
    if (number > done + unsaid_max(survivor->step))
        shared->lost += number - done;
    for (; r > 0; r = receive_some(successor, number))
        number += (uint32_t)r;
    if (r != -EAGAIN || number > survivor->number)
        shared->corrupt++;
    if (number < survivor->number)
        shared->lost += survivor->number - number;
    ferry_ring_free(successor);
}

/* --- one life and death ----------------------------------------------------------------------- */

static int pidfd_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* One end in a process that will be killed at a step, the other here. */
static struct survivor life_begin(
    enum ferry_direction survives, enum ring_step step, bool by_pidfd, struct victim *place)
{
    struct survivor survivor = { .ring = ring_make_one(survives, CAPACITY), step, .victim = place };
    int sockets[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
        give_up("socketpair");
    ring_begin_at(survivor.ring, 0u - 4 * CAPACITY);
    place->done = 0;
    victim = place;
    fatal_step = step;
    steps_left = draw(&chance) % 30 + 1;
    survivor.pid = fork();
    if (survivor.pid < 0)
        give_up("fork");
    if (survivor.pid == 0)
        victim_run(ring_attach_to(survivor.ring));
    close(sockets[1]);
    survivor.life_fd = sockets[0];
    if (!by_pidfd)
        return survivor;
    close(sockets[0]);
    survivor.life_fd = pidfd_of(survivor.pid);
    if (survivor.life_fd < 0)
        give_up("pidfd_open");
    return survivor;
}

static void life_end(struct survivor *survivor)
{
    int status;

    if (waitpid(survivor->pid, &status, 0) != survivor->pid || !WIFSIGNALED(status) ||
        WTERMSIG(status) != SIGKILL) {
        fprintf(stderr, "the victim was not killed at step %d\n", survivor->step);
        exit(1);
    }
    close(survivor->life_fd);
    ferry_ring_free(survivor->ring);
}

/* Returns how long it took to know. */
static int64_t live_and_die(enum ferry_direction survives, enum ring_step step, bool by_pidfd)
{
    struct survivor survivor = life_begin(survives, step, by_pidfd, &shared->victims[0]);
    int64_t known_ns = survivor_run(&survivor);

    ferry_ring_set_peer_gone(survivor.ring);
    if (known_ns && survives == FERRY_RECEIVE)
        look_after_sender(&survivor);
    else if (known_ns)
        look_after_receiver(&survivor);
    life_end(&survivor);
    return known_ns - survivor.victim->killed_ns;
}

/* Where each end can die: what a sender and what a receiver passes. */
static const struct death {
    enum ferry_direction survives;
    enum ring_step step;
} deaths[] = {
    { FERRY_RECEIVE, RING_RESERVED },
    { FERRY_RECEIVE, RING_WRITTEN },
    { FERRY_RECEIVE, RING_TO_PUBLISH },
    { FERRY_RECEIVE, RING_PUBLISHED },
    { FERRY_RECEIVE, RING_WOKEN },
    { FERRY_RECEIVE, RING_TO_SLEEP },
    { FERRY_RECEIVE, ANY_STEP },
    { FERRY_SEND, RING_TAKEN },
    { FERRY_SEND, RING_TO_PUBLISH },
    { FERRY_SEND, RING_PUBLISHED },
    { FERRY_SEND, RING_WOKEN },
    { FERRY_SEND, RING_TO_SLEEP },
    { FERRY_SEND, ANY_STEP },
};

static void counts_print(size_t count)
{
    printf("%zu %lu %lu %lu %lu\n", count, shared->hangs, shared->corrupt, shared->lost,
        shared->doubled);
}

static int compare(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static void times_print(int64_t *times, size_t count)
{
    qsort(times, count, sizeof(*times), compare);
    printf("%lld %lld %lld\n", (long long)times[count / 2], (long long)times[count * 99 / 100],
        (long long)times[count - 1]);
}

/* Kills so many, one after the other. */
static void rings_run(size_t count)
{
    int64_t *times[2] = { calloc(count, sizeof(int64_t)), calloc(count, sizeof(int64_t)) };

    if (!times[0] || !times[1])
        give_up("calloc");
    for (size_t i = 0; i < count; i++) {
        const struct death *death = &deaths[i / 2 % COUNT_OF(deaths)];
        times[i % 2][i / 2] = live_and_die(death->survives, death->step, i % 2);
    }
    counts_print(count);
    times_print(times[0], (count + 1) / 2);
    times_print(times[1], count / 2);
    free(times[0]);
    free(times[1]);
}

/* --- in a fan-in ------------------------------------------------------------------------------ */

struct fan {
    struct ferry_fan_in *fan_in;
    int lives_fd; /* an epoll of what tells that a sender has died */
    struct survivor senders[SENDERS];
};

static void sender_begin(struct fan *fan, size_t i)
{
    static const enum ring_step steps[] = { RING_RESERVED, RING_WRITTEN, RING_TO_PUBLISH,
        RING_PUBLISHED, RING_WOKEN, RING_TO_SLEEP };
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = i };
    struct survivor *sender = &fan->senders[i];

    *sender = life_begin(
        FERRY_RECEIVE, steps[draw(&chance) % COUNT_OF(steps)], i % 2, &shared->victims[i]);
    if (ferry_fan_in_add(fan->fan_in, sender->ring, sender) < 0 ||
        epoll_ctl(fan->lives_fd, EPOLL_CTL_ADD, sender->life_fd, &event) < 0)
        give_up("a sender");
}

/* Turns, until nobody has any. */
static void turns_take(struct fan *fan)
{
    void *data;

    while (ferry_fan_in_next(fan->fan_in, &data)) {
        struct survivor *sender = data;
        int r = receive_some(sender->ring, sender->number);
        if (r > 0)
            sender->number += (uint32_t)r;
        else
            shared->corrupt++;
    }
}

/* Returns how many had died. Their successors have begun. */
static size_t dead_replace(struct fan *fan)
{
    struct epoll_event events[SENDERS];
    int count = epoll_wait(fan->lives_fd, events, SENDERS, 0);

    for (int i = 0; i < count; i++) {
        struct survivor *sender = &fan->senders[events[i].data.u64];
        ferry_ring_set_peer_gone(sender->ring);
        look_after_sender(sender);
        epoll_ctl(fan->lives_fd, EPOLL_CTL_DEL, sender->life_fd, NULL);
        life_end(sender);
        sender_begin(fan, events[i].data.u64);
    }
    return count > 0 ? (size_t)count : 0;
}

/* Kills so many at least. */
static void fan_in_run(size_t count)
{
    struct fan fan = { .lives_fd = epoll_create1(EPOLL_CLOEXEC) };
    size_t killed = 0;
    int r = 0;

    if (fan.lives_fd < 0 || ferry_fan_in_new(&fan.fan_in) < 0)
        give_up("a fan-in");
    for (size_t i = 0; i < SENDERS; i++)
        sender_begin(&fan, i);
    while (killed < count && r >= 0) {
        turns_take(&fan);
        killed += dead_replace(&fan);
        r = ferry_fan_in_wait(fan.fan_in, fan.lives_fd, ferry_deadline(PATIENCE_MS));
    }
    shared->hangs += r < 0;
    ferry_fan_in_free(fan.fan_in);
    for (size_t i = 0; i < SENDERS; i++) {
        kill(fan.senders[i].pid, SIGKILL);
        life_end(&fan.senders[i]);
    }
    close(fan.lives_fd);
    counts_print(killed);
}

int main(int argc, char **argv)
{
    bool fan_in = argc == 4 && strcmp(argv[1], "fan-in") == 0;
    size_t count = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;

    if (count < 2 || (!fan_in && strcmp(argv[1], "ring") != 0)) {
        fprintf(stderr, "usage: fault-ring-kill ring|fan-in COUNT SEED\n");
        return 2;
    }
    chance = strtoul(argv[3], NULL, 10);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        give_up("mmap");
    if (fan_in)
        fan_in_run(count);
    else
        rings_run(count);
    return 0;
}
