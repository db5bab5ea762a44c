/* test_ring_wait.c - who sleeps is woken once, who is awake costs no system call. */
#include "base/clock.h"
#include "memory/limits.h"
#include "ring_under_test.h"
#include "system_call.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { CAPACITY = 4096, MAX = CAPACITY / 8 };

static struct ferry_ring_stats stats_of(const struct ferry_ring *ring)
{
    struct ferry_ring_stats stats;
    ferry_ring_get_stats(ring, &stats);
    return stats;
}

static void fill(struct ferry_ring *sender)
{
    char data[MAX - 8] = { 0 };
    struct ferry_record record = { data, sizeof(data), 0 };

    while (ferry_ring_try_send(sender, &record, 1) == 1)
        ;
}

START_TEST(nobody_is_woken_who_does_not_sleep)
{
    struct ends ends = ends_make(CAPACITY);

    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
        ck_assert_int_eq(one_receive(ends.receiver), 1);
        ck_assert_int_eq(one_receive(ends.receiver), -EAGAIN);
    }
    fill(ends.sender);
    while (one_receive(ends.receiver) == 1)
        ;
    ck_assert(!is_readable(ferry_ring_fd(ends.receiver)));
    ck_assert(!is_readable(ferry_ring_fd(ends.sender)));
    ck_assert_uint_eq(stats_of(ends.sender).wakes + stats_of(ends.receiver).wakes, 0);
    ends_free(&ends);
}
END_TEST

START_TEST(a_sleeping_receiver_is_woken_once)
{
    struct ends ends = ends_make(CAPACITY);

    for (int round = 0; round < 3; round++) {
        ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
        ck_assert(!ferry_ring_prepare_sleep(ends.receiver)); /* another turn of its loop */
        ck_assert(!is_readable(ferry_ring_fd(ends.receiver)));
        ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
        ck_assert(bell_quiet(ferry_ring_fd(ends.receiver)));
        for (int i = 1; i < 10; i++)
            ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
        ck_assert(!bell_quiet(ferry_ring_fd(ends.receiver)));
        for (int i = 0; i < 10; i++)
            ck_assert_int_eq(one_receive(ends.receiver), 1);
    }
    ck_assert_uint_eq(stats_of(ends.sender).wakes, 3);
    ck_assert_uint_eq(stats_of(ends.receiver).sleeps, 3);
    ends_free(&ends);
}
END_TEST

START_TEST(who_got_up_by_himself_is_not_woken)
{
    struct ends ends = ends_make(CAPACITY);

    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    ck_assert_int_eq(one_receive(ends.receiver), -EAGAIN);
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert(!is_readable(ferry_ring_fd(ends.receiver)));
    ends_free(&ends);
}
END_TEST

START_TEST(going_to_sleep_makes_the_descriptor_quiet)
{
    struct ends ends = ends_make(CAPACITY);

    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert(is_readable(ferry_ring_fd(ends.receiver)));
    ck_assert(ferry_ring_prepare_sleep(ends.receiver));
    ck_assert_int_eq(one_receive(ends.receiver), 1);
    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    ck_assert(!is_readable(ferry_ring_fd(ends.receiver)));
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert(is_readable(ferry_ring_fd(ends.receiver)));
    ends_free(&ends);
}
END_TEST

START_TEST(what_is_there_allows_no_sleep)
{
    struct ends ends = ends_make(CAPACITY);

    ck_assert(ferry_ring_prepare_sleep(ends.sender)); /* nothing was refused */
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert(ferry_ring_prepare_sleep(ends.receiver));
    ck_assert(!is_readable(ferry_ring_fd(ends.receiver)));
    ends_free(&ends);
}
END_TEST

/* Published after the last look and before the bell: what the second look is for. */
static struct ferry_ring *between_sender, *between_receiver;

static void send_between(void *word, size_t size)
{
    (void)size;
    if (!between_sender || word != &between_receiver->other->position)
        return;
    struct ferry_ring *sender = between_sender;
    between_sender = NULL;
    ck_assert_int_eq(text_send(sender, "between", 0), 1);
}

START_TEST(what_comes_before_the_bell_is_seen_after_it)
{
    struct ends ends = ends_make(CAPACITY);

    ring_test_loaded = send_between;
    between_sender = ends.sender;
    between_receiver = ends.receiver;
    ck_assert(ferry_ring_prepare_sleep(ends.receiver));
    ck_assert_ptr_null(between_sender);
    ck_assert_int_eq(text_send(ends.sender, "after", 0), 1); /* and nobody sleeps */
    ck_assert_uint_eq(stats_of(ends.sender).wakes, 0);
    ends_free(&ends);
}
END_TEST

START_TEST(a_sender_is_woken_when_its_record_has_room)
{
    struct ends ends = ends_make(CAPACITY);
    void *place;

    fill(ends.sender);
    ck_assert_int_eq(ferry_ring_loan(ends.sender, MAX, &place), -EAGAIN);
    ck_assert(!ferry_ring_prepare_sleep(ends.sender));
    ck_assert_int_eq(one_receive(ends.receiver), 1); /* 8 bytes less than it needs */
    ck_assert(!is_readable(ferry_ring_fd(ends.sender)));
    ck_assert(!ferry_ring_prepare_sleep(ends.sender));
    ck_assert_int_eq(one_receive(ends.receiver), 1);
    ck_assert(is_readable(ferry_ring_fd(ends.sender)));
    ck_assert_int_eq(one_receive(ends.receiver), 1);
    ck_assert_uint_eq(stats_of(ends.receiver).wakes, 1);
    ck_assert_int_eq(ferry_ring_loan(ends.sender, MAX, &place), 0);
    ends_free(&ends);
}
END_TEST

START_TEST(exactly_enough_room_is_enough)
{
    struct ends ends = ends_make(CAPACITY);

    fill(ends.sender); /* all of one size */
    ck_assert(!ferry_ring_prepare_sleep(ends.sender));
    ck_assert_int_eq(one_receive(ends.receiver), 1);
    ck_assert(is_readable(ferry_ring_fd(ends.sender)));
    ck_assert(ferry_ring_prepare_sleep(ends.sender));
    ends_free(&ends);
}
END_TEST

/* The receiver looks whether it sleeps for each eighth that was given back, however that was. */
START_TEST(a_sender_is_woken_for_an_eighth)
{
    struct ends ends = ends_make(CAPACITY);
    struct ferry_record record;
    unsigned given_back = 0;

    while (text_send(ends.sender, "text", 0) == 1)
        ;
    ck_assert(!ferry_ring_prepare_sleep(ends.sender));
    for (bool borrows = _i; given_back < CAPACITY / 8; given_back += 16) {
        ck_assert(!is_readable(ferry_ring_fd(ends.sender)));
        ck_assert_int_eq(
            borrows ? ferry_ring_borrow(ends.receiver, &record, 1) : one_receive(ends.receiver), 1);
        if (borrows)
            ferry_ring_release(ends.receiver);
    }
    ck_assert(is_readable(ferry_ring_fd(ends.sender)));
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    while (text_send(ends.sender, "text", 0) == 1)
        ;
    ck_assert(!ferry_ring_prepare_sleep(ends.sender)); /* and what is given back is counted anew */
    for (given_back = 0; given_back < CAPACITY / 8; given_back += 16) {
        ck_assert(!is_readable(ferry_ring_fd(ends.sender)));
        ck_assert_int_eq(one_receive(ends.receiver), 1);
    }
    ck_assert(is_readable(ferry_ring_fd(ends.sender)));
    ck_assert_uint_eq(stats_of(ends.receiver).wakes, 2);
    ends_free(&ends);
}
END_TEST

START_TEST(a_sender_that_was_not_refused_has_nothing_to_wait_for)
{
    struct ends ends = ends_make(CAPACITY);
    void *place;

    fill(ends.sender);
    ck_assert_int_eq(one_receive(ends.receiver), 1);
    ck_assert_int_eq(ferry_ring_loan(ends.sender, MAX, &place), -EAGAIN);
    ck_assert_int_eq(text_send(ends.sender, "smaller", 0), 1);
    ck_assert(ferry_ring_prepare_sleep(ends.sender));
    ends_free(&ends);
}
END_TEST

/* A sleep of the predecessor's was ended already, one of the successor's is another. */
START_TEST(a_successor_is_woken)
{
    struct ends ends = ends_make(CAPACITY);

    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert_int_eq(one_receive(ends.receiver), 1);
    ferry_ring_free(ends.receiver);
    ends.receiver = ring_attach_to(ends.sender);
    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert(is_readable(ferry_ring_fd(ends.receiver)));
    ck_assert_int_eq(one_receive(ends.receiver), 1);
    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    ferry_ring_free(ends.sender);
    ends.sender = ring_attach_to(ends.receiver);
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert(is_readable(ferry_ring_fd(ends.receiver)));
    ends_free(&ends);
}
END_TEST

START_TEST(a_wait_ends_at_its_deadline)
{
    struct ends ends = ends_make(CAPACITY);

    ck_assert_int_eq(ferry_ring_wait(ends.receiver, -1, ferry_deadline(0)), -ETIMEDOUT);
    ck_assert_int_eq(ferry_ring_wait(ends.receiver, -1, ferry_deadline(20)), -ETIMEDOUT);
    ck_assert_uint_eq(stats_of(ends.receiver).sleeps, 1); /* still the same */
    ends_free(&ends);
}
END_TEST

START_TEST(a_wait_tells_of_the_other_descriptor)
{
    struct ends ends = ends_make(CAPACITY);
    int pipes[2];

    ck_assert_int_eq(pipe(pipes), 0);
    close(pipes[1]); /* as a dying peer does */
    ck_assert_int_eq(ferry_ring_wait(ends.receiver, pipes[0], FERRY_NEVER), 1);
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert_int_eq(ferry_ring_wait(ends.receiver, pipes[0], FERRY_NEVER), 0);
    ck_assert_int_eq(one_receive(ends.receiver), 1);
    ends_free(&ends);
}
END_TEST

/* A wake-up that comes when the sleeper is up already. */
START_TEST(a_late_wake_up_does_not_keep_a_wait_busy)
{
    struct ends ends = ends_make(CAPACITY);

    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    bell_ring(ferry_ring_fd(ends.receiver));
    ck_assert_int_eq(ferry_ring_wait(ends.receiver, -1, ferry_deadline(20)), -ETIMEDOUT);
    ck_assert(!is_readable(ferry_ring_fd(ends.receiver)));
    ck_assert_uint_eq(stats_of(ends.receiver).sleeps, 2);
    ends_free(&ends);
}
END_TEST

/* So many are a mistake of nobody's, one more is none. */
START_TEST(a_few_wake_ups_for_nothing_end_no_ring)
{
    struct ends ends = ends_make(CAPACITY);

    for (int i = 0; i < RING_FALSE_WAKES_MAX; i++) {
        ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
        bell_ring(ferry_ring_fd(ends.receiver));
        ck_assert_int_eq(one_receive(ends.receiver), -EAGAIN);
    }
    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    bell_ring(ferry_ring_fd(ends.receiver));
    ck_assert_int_eq(one_receive(ends.receiver), -EAGAIN);
    ck_assert(!ferry_ring_prepare_sleep(ends.receiver)); /* where the last is counted */
    ck_assert_int_eq(one_receive(ends.receiver), -EPROTO);
    ends_free(&ends);
}
END_TEST

START_TEST(a_bell_that_rings_for_ever_ends_the_ring)
{
    struct ends ends = ends_make(CAPACITY);

    bell_set_endless(ferry_ring_fd(ends.receiver));
    ck_assert_int_eq(ferry_ring_wait(ends.receiver, -1, FERRY_NEVER), 0);
    ck_assert_int_eq(one_receive(ends.receiver), -EPROTO);
    ends_free(&ends);
}
END_TEST

/* A bell that rings again and again hides neither the peer's end nor the deadline. */
START_TEST(a_wait_ends_whoever_rings)
{
    struct ends ends = ends_make(CAPACITY);
    int line[2];

    bell_set_endless(ferry_ring_fd(ends.receiver));
    ck_assert_int_eq(pipe(line), 0);
    ck_assert_int_eq(write(line[1], "", 1), 1);
    ck_assert_int_eq(ferry_ring_wait(ends.receiver, line[0], FERRY_NEVER), 1);
    ck_assert_int_eq(ferry_ring_wait(ends.receiver, -1, ferry_deadline(0)), -ETIMEDOUT);
    ck_assert_int_eq(one_receive(ends.receiver), -EAGAIN); /* it was not the ring that ended */
    close(line[0]);
    close(line[1]);
    ends_free(&ends);
}
END_TEST

static void interrupted(int signal)
{
    (void)signal;
}

START_TEST(a_signal_does_not_end_a_wait)
{
    const struct sigaction action = { .sa_handler = interrupted };
    const struct itimerval soon = { .it_value.tv_usec = 5000, .it_interval.tv_usec = 5000 };
    struct ends ends = ends_make(CAPACITY);

    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &soon, NULL), 0);
    ck_assert_int_eq(ferry_ring_wait(ends.receiver, -1, ferry_deadline(30)), -ETIMEDOUT);
    ends_free(&ends);
}
END_TEST

START_TEST(a_wait_that_fails_says_so)
{
    struct ends ends = ends_make(CAPACITY);

#ifdef SYS_poll
    system_call_fails(SYS_poll, ENOMEM);
#endif
    system_call_fails(SYS_ppoll, ENOMEM);
    ck_assert_int_eq(ferry_ring_wait(ends.receiver, -1, FERRY_NEVER), -ENOMEM);
    ends_free(&ends);
}
END_TEST

/* What was allowed before is so after a release: who comes meanwhile has woken it. */
START_TEST(a_release_leaves_the_sleep)
{
    struct ends ends = ends_make(CAPACITY);
    struct ferry_record record;

    ck_assert_int_eq(text_send(ends.sender, "one", 0), 1);
    ck_assert_int_eq(ferry_ring_borrow(ends.receiver, &record, 1), 1);
    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    ck_assert_int_eq(text_send(ends.sender, "two", 0), 1);
    ferry_ring_release(ends.receiver);
    ck_assert(is_readable(ferry_ring_fd(ends.receiver)));
    text_expect(ends.receiver, "two", 0);
    ends_free(&ends);
}
END_TEST

START_TEST(a_receive_of_nothing_releases_what_was_borrowed)
{
    struct ends ends = ends_make(CAPACITY);
    struct ferry_record batch[CAPACITY / 8];
    int sent = 0;

    while (text_send(ends.sender, "text", 0) == 1)
        sent++;
    ck_assert(!ferry_ring_prepare_sleep(ends.sender));
    ck_assert_int_eq(ferry_ring_borrow(ends.receiver, batch, CAPACITY / 8), sent);
    ck_assert_int_eq(one_receive(ends.receiver), -EAGAIN);
    ck_assert(is_readable(ferry_ring_fd(ends.sender)));
    ends_free(&ends);
}
END_TEST

static void leave(enum ring_step step)
{
    if (step == RING_PUBLISHED)
        _exit(0);
}

/* Runs in a process that ends when it has published something, and woken nobody. */
static void die_unheard(struct ferry_ring *ring, int (*act)(struct ferry_ring *ring))
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        ring_test_step = leave;
        (void)act(ring);
        _exit(1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static int text_send_one(struct ferry_ring *ring)
{
    return text_send(ring, "text", 0);
}

START_TEST(a_successor_wakes_whom_the_last_has_not)
{
    struct ends ends = ends_make(CAPACITY);

    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    die_unheard(ends.sender, text_send_one);
    ck_assert(!is_readable(ferry_ring_fd(ends.receiver)));
    ferry_ring_free(ends.sender);
    ends.sender = ring_attach_to(ends.receiver);
    ck_assert(is_readable(ferry_ring_fd(ends.receiver)));
    text_expect(ends.receiver, "text", 0);
    while (text_send(ends.sender, "text", 0) == 1)
        ;
    ck_assert(!ferry_ring_prepare_sleep(ends.sender));
    die_unheard(ends.receiver, one_receive);
    ck_assert(!is_readable(ferry_ring_fd(ends.sender)));
    ferry_ring_free(ends.receiver);
    ends.receiver = ring_attach_to(ends.sender);
    ck_assert(is_readable(ferry_ring_fd(ends.sender)));
    ends_free(&ends);
}
END_TEST

/* When the successor comes there is no room yet. */
START_TEST(a_successor_wakes_who_slept_before_it_came)
{
    struct ends ends = ends_make(CAPACITY);

    fill(ends.sender);
    ck_assert(!ferry_ring_prepare_sleep(ends.sender));
    ferry_ring_free(ends.receiver);
    ends.receiver = ring_attach_to(ends.sender);
    ck_assert(!is_readable(ferry_ring_fd(ends.sender)));
    ck_assert_int_eq(one_receive(ends.receiver), 1);
    ck_assert(is_readable(ferry_ring_fd(ends.sender)));
    ends_free(&ends);
}
END_TEST

/* Whatever the number of that sleep is: they are counted modulo 2^32. */
START_TEST(a_successor_wakes_whose_sleeps_were_many)
{
    struct ends ends = ends_make(CAPACITY);

    fill(ends.sender);
    ends.sender->sleep = UINT32_MAX;
    ck_assert(!ferry_ring_prepare_sleep(ends.sender));
    ck_assert_uint_eq(ends.sender->sleep, 0);
    ferry_ring_free(ends.receiver);
    ends.receiver = ring_attach_to(ends.sender);
    ck_assert_int_eq(one_receive(ends.receiver), 1);
    ck_assert(is_readable(ferry_ring_fd(ends.sender)));
    ends_free(&ends);
}
END_TEST

/* Its sleeps are no others' that were ended already. */
START_TEST(a_successor_is_woken_like_the_last)
{
    struct ends ends = ends_make(CAPACITY);

    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    text_expect(ends.receiver, "text", 0);
    ferry_ring_free(ends.receiver);
    ends.receiver = ring_attach_to(ends.sender);
    ck_assert(bell_quiet(ferry_ring_fd(ends.receiver)));
    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert(is_readable(ferry_ring_fd(ends.receiver)));
    ends_free(&ends);
}
END_TEST

/* --- without descriptors that wake ------------------------------------------------------------ */

static bool call_fails_first(void *data)
{
    return (*(int *)data)++ > 0;
}

/* Who could not be woken is woken by what comes next. */
START_TEST(a_call_that_fails_is_made_again)
{
    int calls = 0, never = 0;
    struct ends ends = quiet_ends_make(CAPACITY, &calls, &never);

    ends.sender->call = call_fails_first;
    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    for (int i = 1; i <= 4; i++) {
        ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
        ck_assert_int_eq(calls, i < 2 ? i : 2);
    }
    ends_free(&ends);
}
END_TEST

/* What was published is received; of what comes later the sender's owner hears. */
START_TEST(who_receives_no_more_says_so)
{
    int calls = 0, never = 0;
    struct ends ends = quiet_ends_make(CAPACITY, &calls, &never);
    char buffer[64];
    struct ferry_record record;

    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ring_stop_receiving(ends.receiver);
    ck_assert_int_eq(text_send(ends.sender, "more", 0), 1);
    ck_assert_int_eq(calls, 1);
    text_expect(ends.receiver, "text", 0);
    ck_assert_int_eq(
        ferry_ring_try_receive(ends.receiver, buffer, sizeof(buffer), &record, 1), -EPIPE);
    ends_free(&ends);
}
END_TEST

/* As of a sleep of its own, that nobody has ended yet; whoever sends may be a successor. */
START_TEST(who_receives_no_more_says_so_after_other_sleeps)
{
    int calls = 0, never = 0;
    struct ends ends = quiet_ends_make(CAPACITY, &calls, &never);

    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert_int_eq(calls, 1);
    text_expect(ends.receiver, "text", 0);
    if (_i) {
        const struct ring_quiet quiet = { .spin_max_ns = -1, call_count, &calls };
        int memory = fcntl(ring_memory_fd(ends.sender), F_DUPFD_CLOEXEC, 0);
        ferry_ring_free(ends.sender);
        ck_assert_int_eq(
            ring_attach_quiet(FERRY_SEND, memory, CAPACITY, &quiet, &ends.sender, NULL), 0);
    }
    ring_stop_receiving(ends.receiver);
    ck_assert_int_eq(text_send(ends.sender, "more", 0), 1);
    ck_assert_int_eq(calls, 2);
    ends_free(&ends);
}
END_TEST

/* Published just when the receiver has looked for the last time: it is received, or the owner of
 * who sends hears of it. */
START_TEST(what_comes_while_one_stops_receiving_is_received_or_told)
{
    int calls = 0, never = 0;
    struct ends ends = quiet_ends_make(CAPACITY, &calls, &never);

    if (_i) /* asleep before */
        ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    ring_test_loaded = send_between;
    between_sender = ends.sender;
    between_receiver = ends.receiver;
    ring_stop_receiving(ends.receiver);
    ck_assert_ptr_null(between_sender);
    ck_assert_int_eq(one_receive(ends.receiver), -EPIPE);
    ck_assert_int_eq(calls, 1);
    ends_free(&ends);
}
END_TEST

START_TEST(the_owner_is_called_once_for_a_sleep)
{
    int calls = 0, never = 0;
    struct ends ends = quiet_ends_make(CAPACITY, &calls, &never);

    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert_int_eq(calls, 0);
    text_expect(ends.receiver, "text", 0);
    for (int i = 1; i <= 3; i++) {
        ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
        ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
        ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
        ck_assert_int_eq(calls, i);
        text_expect(ends.receiver, "text", 0);
        text_expect(ends.receiver, "text", 0);
    }
    ck_assert_int_eq(never, 0);
    ends_free(&ends);
}
END_TEST

/* It goes the other way when there is no room; one that says it sleeps is up to no good. */
START_TEST(a_receiver_calls_nobody)
{
    int calls = 0, never = 0;
    struct ends ends = quiet_ends_make(CAPACITY, &calls, &never);

    fill(ends.sender);
    atomic_store(&ends.sender->side->bell, UINT64_C(1) << 32 | 1);
    ck_assert_int_eq(one_receive(ends.receiver), 1);
    ck_assert_int_eq(calls + never, 0);
    ends_free(&ends);
}
END_TEST

/* --- looking out for the peer ----------------------------------------------------------------- */

static struct ferry_ring *spinning_receiver(const struct ferry_ring *sender, int64_t spin_max_ns)
{
    const struct ferry_ring_options options = { .struct_size = sizeof(options),
        .spin_max_ns = spin_max_ns };
    struct ferry_ring *ring;
    int copies[FERRY_RING_DESCRIPTORS];

    descriptors_copy(sender, copies);
    ck_assert_int_eq(ferry_ring_attach(FERRY_RECEIVE, copies, &options, &ring, NULL), 0);
    return ring;
}

static bool processors_are_many(void)
{
    cpu_set_t cpus;
    return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) > 1;
}

/* The load of the receiver's that the record comes after. */
static int loads_until_sent;

static void send_later(void *word, size_t size)
{
    (void)size;
    if (word == &between_receiver->other->position && --loads_until_sent == 0)
        ck_assert_int_eq(text_send(between_sender, "later", 0), 1);
}

START_TEST(looking_out_saves_the_sleep)
{
    struct ferry_ring *sender = ring_make_one(FERRY_SEND, CAPACITY);
    struct ferry_ring *receiver = spinning_receiver(sender, 10 * INT64_C(1000000000));
    struct ferry_ring_stats stats;

    ring_test_loaded = send_later;
    between_sender = sender;
    between_receiver = receiver;
    loads_until_sent = 100;
    ck_assert(processors_are_many() == ferry_ring_prepare_sleep(receiver));
    stats = stats_of(receiver);
    ck_assert_uint_eq(stats.spins, processors_are_many());
    ck_assert_uint_eq(stats.spins_paid, processors_are_many());
    ck_assert_uint_eq(stats.sleeps, !processors_are_many());
    ferry_ring_free(sender);
    ferry_ring_free(receiver);
}
END_TEST

/* Which has been in vain already. */
START_TEST(who_sleeps_does_not_look_out)
{
    struct ferry_ring *sender = ring_make_one(FERRY_SEND, CAPACITY);
    struct ferry_ring *receiver = spinning_receiver(sender, 0);

    for (int i = 0; i < 10; i++)
        ck_assert(!ferry_ring_prepare_sleep(receiver));
    ck_assert_uint_eq(stats_of(receiver).spins, processors_are_many());
    ferry_ring_free(sender);
    ferry_ring_free(receiver);
}
END_TEST

START_TEST(what_pays_is_done_no_longer_than_was_asked)
{
    struct ferry_ring *sender = ring_make_one(FERRY_SEND, CAPACITY);
    struct ferry_ring *receiver = spinning_receiver(sender, 5000000);

    ring_test_loaded = send_later;
    between_sender = sender;
    between_receiver = receiver;
    for (int i = 0; i < 5 && processors_are_many(); i++) {
        loads_until_sent = 3;
        ck_assert(ferry_ring_prepare_sleep(receiver));
        ck_assert_int_eq(one_receive(receiver), 1);
        ck_assert_int_eq(receiver->spin_ns, receiver->spin_max_ns);
    }
    ferry_ring_free(sender);
    ferry_ring_free(receiver);
}
END_TEST

/* A deadline would be of no use otherwise. */
START_TEST(nobody_looks_out_for_long)
{
    struct ferry_ring *sender = ring_make_one(FERRY_SEND, CAPACITY);
    struct ferry_ring *receiver = spinning_receiver(sender, INT64_MAX);

    ck_assert_int_eq(receiver->spin_max_ns, processors_are_many() ? RING_SPIN_NS_MAX : 0);
    ferry_ring_free(sender);
    ferry_ring_free(receiver);
}
END_TEST

/* More often than it takes to try again what has not paid. */
static void sleep_often(struct ferry_ring *receiver)
{
    for (int i = 0; i < 200; i++) {
        ck_assert(!ferry_ring_prepare_sleep(receiver));
        ck_assert_int_eq(one_receive(receiver), -EAGAIN);
    }
}

/* In vain six times (50, 25, 12.5, 6.2, 3.1, 1.6 us), then once in 64. */
START_TEST(what_does_not_pay_is_left)
{
    struct ferry_ring *sender = ring_make_one(FERRY_SEND, CAPACITY);
    struct ferry_ring *receiver = spinning_receiver(sender, 0);

    for (int i = 0; i < 6 + 3 * 64; i++) {
        ck_assert(!ferry_ring_prepare_sleep(receiver));
        ck_assert_int_eq(one_receive(receiver), -EAGAIN);
    }
    ck_assert_uint_eq(stats_of(receiver).spins, processors_are_many() ? 6 + 3 : 0);
    ck_assert_uint_eq(stats_of(receiver).spins_paid, 0);
    ferry_ring_free(sender);
    ferry_ring_free(receiver);
}
END_TEST

/* Has what had not paid tried again, with a record after so many looks, until nothing has kept us
 * from looking meanwhile. It lasts so long afterwards if it paid; else it is left. */
static void try_again(int64_t spin_max_ns, int looks, int64_t then_ns)
{
    struct ferry_ring *sender = ring_make_one(FERRY_SEND, CAPACITY);
    struct ferry_ring *receiver = spinning_receiver(sender, spin_max_ns);

    ring_test_loaded = send_later;
    between_sender = sender;
    between_receiver = receiver;
    for (int i = 0; i < 100 && processors_are_many() && !stats_of(receiver).spins_paid; i++) {
        receiver->spin_ns = 0;
        receiver->unspun = RING_SPIN_RETRY - 1;
        loads_until_sent = looks;
        bool paid = ferry_ring_prepare_sleep(receiver);
        ck_assert_int_eq(receiver->spin_ns, paid ? then_ns : 0);
        loads_until_sent = 0;
        int r = one_receive(receiver);
        ck_assert(r == 1 || r == -EAGAIN);
    }
    ck_assert_uint_eq(stats_of(receiver).spins_paid, processors_are_many());
    ferry_ring_free(sender);
    ferry_ring_free(receiver);
}

/* Long enough then for a peer that had to be woken: as many looks as fit into the shortest span
 * would not find it. */
START_TEST(what_is_tried_again_is_tried_for_long)
{
    try_again(0, 300, RING_SPIN_NS);
}
END_TEST

/* And no longer than at first: what is more has to pay. */
START_TEST(what_is_tried_again_begins_as_the_first)
{
    try_again(8 * RING_SPIN_NS, 3, 2 * RING_SPIN_NS);
}
END_TEST

/* By whoever has another descriptor to sleep on: awake meanwhile, so that nobody is called; who
 * does not look out sleeps on. */
START_TEST(who_looks_out_is_awake)
{
    int calls = 0, never = 0;
    struct ends ends = quiet_ends_make(CAPACITY, &calls, &never);

    ck_assert(!ring_look_out(ends.receiver, CLOCK_NEVER));
    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    ck_assert(!ring_look_out(ends.receiver, CLOCK_NEVER));
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert_int_eq(calls, 1);
    ck_assert(ring_look_out(ends.receiver, CLOCK_NEVER));
    text_expect(ends.receiver, "text", 0);
    ck_assert(!ring_look_out(ends.receiver, CLOCK_NEVER));

    ends.receiver->spin_max_ns = 10 * INT64_C(1000000000);
    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    ring_look_out_anew(ends.receiver);
    ck_assert_int_eq(ends.receiver->spin_ns, ends.receiver->spin_max_ns);
    ring_test_loaded = send_later;
    between_sender = ends.sender;
    between_receiver = ends.receiver;
    loads_until_sent = 3;
    ck_assert(ring_look_out(ends.receiver, CLOCK_NEVER));
    ck_assert_int_eq(calls, 1);
    text_expect(ends.receiver, "later", 0);
    ends.receiver->spin_max_ns = -1;
    ferry_ring_set_peer_gone(ends.receiver);
    ck_assert(ring_look_out(ends.receiver, CLOCK_NEVER)); /* the end */
    ends_free(&ends);
}
END_TEST

/* However often it has no time: nothing is learnt of that, and a sleep goes on. */
START_TEST(who_has_no_time_does_not_look_out)
{
    int calls = 0, never = 0;
    struct ends ends = quiet_ends_make(CAPACITY, &calls, &never);

    ends.receiver->spin_max_ns = RING_SPIN_NS;
    ends.receiver->spin_ns = 0;
    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    for (int i = 0; i < 2 * RING_SPIN_RETRY; i++)
        ck_assert(!ring_look_out(ends.receiver, clock_now_ns()));
    ck_assert_uint_eq(stats_of(ends.receiver).sleeps, 1);
    ck_assert_int_eq(ends.receiver->state, RING_ASLEEP);
    ck_assert(!ring_look_out(ends.receiver, CLOCK_NEVER));
    ck_assert_uint_eq(stats_of(ends.receiver).spins, 0);
    ring_look_out_anew(ends.receiver);
    ck_assert(!ring_look_out(ends.receiver, clock_now_ns()));
    ck_assert_int_eq(ends.receiver->spin_ns, RING_SPIN_NS);
    ck_assert_uint_eq(stats_of(ends.receiver).spins, 0);
    ends_free(&ends);
}
END_TEST

/* A wait of a receiver that looks out, and so many records then. */
static bool comes_later(struct ends *ends, bool may, unsigned records)
{
    ring_come_later(ends->receiver, may);
    for (unsigned i = 0; i < records; i++) {
        ck_assert_int_eq(text_send(ends->sender, "text", 0), 1);
        text_expect(ends->receiver, "text", 0);
    }
    return ends->receiver->was_late;
}

/* Now and then, always as long as there are several then, and never what may not, or what does not
 * look out. */
START_TEST(who_finds_several_comes_later)
{
    struct ends ends = ends_make(CAPACITY);

    ends.receiver->spin_ns = 0;
    for (int i = 0; i < 2 * RING_LATER_RETRY; i++)
        ck_assert(!comes_later(&ends, true, 5));
    ends.receiver->spin_ns = RING_SPIN_NS;
    for (int round = 0; round < 2; round++) {
        for (int i = 1; i < RING_LATER_RETRY; i++)
            ck_assert(!comes_later(&ends, true, 5));
        ck_assert(comes_later(&ends, true, 1));
    }
    for (int i = 1; i < RING_LATER_RETRY; i++)
        ck_assert(!comes_later(&ends, true, 1));
    for (int i = 0; i < 10; i++)
        ck_assert(comes_later(&ends, true, 2));
    ck_assert(!comes_later(&ends, false, 1));
    for (int i = 0; i < RING_LATER_TRUST; i++)
        ck_assert(comes_later(&ends, true, 1));
    ck_assert(!comes_later(&ends, true, 1));
    for (int i = 0; i < 2 * RING_LATER_RETRY; i++)
        ck_assert(!comes_later(&ends, false, 1));
    ends_free(&ends);
}
END_TEST

/* What is there is had at once. */
START_TEST(who_has_something_does_not_come_later)
{
    struct ends ends = ends_make(CAPACITY);

    ends.receiver->spin_ns = RING_SPIN_NS;
    ends.receiver->late_pays = RING_LATER_TRUST;
    ck_assert_int_eq(text_send(ends.sender, "one", 0), 1);
    ck_assert_int_eq(text_send(ends.sender, "other", 0), 1);
    text_expect(ends.receiver, "one", 0);
    ck_assert(!comes_later(&ends, true, 0));
    text_expect(ends.receiver, "other", 0);
    ck_assert(comes_later(&ends, true, 0));
    ends_free(&ends);
}
END_TEST

/* In vain (8 us), with success (4), in vain (8, 4, 2, 1). */
START_TEST(what_pays_is_done_for_longer)
{
    struct ferry_ring *sender = ring_make_one(FERRY_SEND, CAPACITY);
    struct ferry_ring *receiver = spinning_receiver(sender, 8000);

    between_sender = sender;
    between_receiver = receiver;
    for (int i = 0; i < 20; i++) {
        loads_until_sent = i == 1 ? 2 : 0;
        ring_test_loaded = send_later;
        bool ready = ferry_ring_prepare_sleep(receiver);
        ck_assert_int_eq(ready, i == 1 && processors_are_many());
        (void)!one_receive(receiver);
    }
    ck_assert_uint_eq(stats_of(receiver).spins, processors_are_many() ? 6 : 0);
    ck_assert_uint_eq(stats_of(receiver).spins_paid, processors_are_many());
    ferry_ring_free(sender);
    ferry_ring_free(receiver);
}
END_TEST

START_TEST(on_one_processor_nobody_looks_out)
{
    struct ferry_ring *sender = ring_make_one(FERRY_SEND, CAPACITY);
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    struct ferry_ring *receiver = spinning_receiver(sender, 0);
    sleep_often(receiver);
    ck_assert_uint_eq(stats_of(receiver).spins, 0);
    ferry_ring_free(sender);
    ferry_ring_free(receiver);
}
END_TEST

START_TEST(nobody_looks_out_who_was_told_not_to)
{
    struct ferry_ring *sender = ring_make_one(FERRY_SEND, CAPACITY);
    struct ferry_ring *receiver = spinning_receiver(sender, -1);

    sleep_often(receiver);
    ck_assert_uint_eq(stats_of(receiver).spins, 0);
    ferry_ring_free(sender);
    ferry_ring_free(receiver);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("ring_wait");

    tcase_set_timeout(tests, 20);
    tcase_add_test(tests, nobody_is_woken_who_does_not_sleep);
    tcase_add_test(tests, a_sleeping_receiver_is_woken_once);
    tcase_add_test(tests, who_got_up_by_himself_is_not_woken);
    tcase_add_test(tests, going_to_sleep_makes_the_descriptor_quiet);
    tcase_add_test(tests, what_is_there_allows_no_sleep);
    tcase_add_test(tests, what_comes_before_the_bell_is_seen_after_it);
    tcase_add_test(tests, a_sender_is_woken_when_its_record_has_room);
    tcase_add_test(tests, exactly_enough_room_is_enough);
    tcase_add_loop_test(tests, a_sender_is_woken_for_an_eighth, 0, 2);
    tcase_add_test(tests, a_sender_that_was_not_refused_has_nothing_to_wait_for);
    tcase_add_test(tests, a_successor_is_woken);
    tcase_add_test(tests, a_wait_ends_at_its_deadline);
    tcase_add_test(tests, a_wait_tells_of_the_other_descriptor);
    tcase_add_test(tests, a_late_wake_up_does_not_keep_a_wait_busy);
    tcase_add_test(tests, a_few_wake_ups_for_nothing_end_no_ring);
    tcase_add_test(tests, a_bell_that_rings_for_ever_ends_the_ring);
    tcase_add_test(tests, a_wait_ends_whoever_rings);
    tcase_add_test(tests, a_signal_does_not_end_a_wait);
    tcase_add_test(tests, a_wait_that_fails_says_so);
    tcase_add_test(tests, a_release_leaves_the_sleep);
    tcase_add_test(tests, a_receive_of_nothing_releases_what_was_borrowed);
    tcase_add_test(tests, a_successor_wakes_whom_the_last_has_not);
    tcase_add_test(tests, a_successor_wakes_who_slept_before_it_came);
    tcase_add_test(tests, a_successor_wakes_whose_sleeps_were_many);
    tcase_add_test(tests, a_successor_is_woken_like_the_last);
    tcase_add_test(tests, the_owner_is_called_once_for_a_sleep);
    tcase_add_test(tests, a_call_that_fails_is_made_again);
    tcase_add_test(tests, who_receives_no_more_says_so);
    tcase_add_loop_test(tests, who_receives_no_more_says_so_after_other_sleeps, 0, 2);
    tcase_add_loop_test(tests, what_comes_while_one_stops_receiving_is_received_or_told, 0, 2);
    tcase_add_test(tests, a_receiver_calls_nobody);
    tcase_add_test(tests, looking_out_saves_the_sleep);
    tcase_add_test(tests, who_sleeps_does_not_look_out);
    tcase_add_test(tests, what_pays_is_done_no_longer_than_was_asked);
    tcase_add_test(tests, nobody_looks_out_for_long);
    tcase_add_test(tests, what_does_not_pay_is_left);
    tcase_add_test(tests, what_is_tried_again_is_tried_for_long);
    tcase_add_test(tests, what_is_tried_again_begins_as_the_first);
    tcase_add_test(tests, who_looks_out_is_awake);
    tcase_add_test(tests, who_has_no_time_does_not_look_out);
    tcase_add_test(tests, who_finds_several_comes_later);
    tcase_add_test(tests, who_has_something_does_not_come_later);
    tcase_add_test(tests, what_pays_is_done_for_longer);
    tcase_add_test(tests, on_one_processor_nobody_looks_out);
    tcase_add_test(tests, nobody_looks_out_who_was_told_not_to);
    return run_tests(tests, "memory/ring_wait");
}
