/* test_fan_in.c - many senders, one receiver: each has its turn, one sleep is for all, and whatever
 * becomes of one sender is no other's business. */
#include "ring_under_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CAPACITY = 4096, MAX = CAPACITY / 8, SENDERS = 3 };

struct fan {
    struct ferry_fan_in *fan_in;
    struct ends ends[SENDERS]; /* each sender's, by the data that its ring was added with */
};

static struct fan fan_make(void)
{
    struct fan fan;

    MUST(ferry_fan_in_new(&fan.fan_in) == 0);
    for (size_t i = 0; i < SENDERS; i++) {
        fan.ends[i] = ends_make(CAPACITY);
        MUST(ferry_fan_in_add(fan.fan_in, fan.ends[i].receiver, (void *)i) == 0);
    }
    return fan;
}

static void fan_free(struct fan *fan)
{
    ferry_fan_in_free(fan->fan_in);
    for (size_t i = 0; i < SENDERS; i++)
        ends_free(&fan->ends[i]);
}

/* Whose turn it is, and that it is what it says; -1: nobody's. */
static int turn_of(struct fan *fan)
{
    void *data;
    struct ferry_ring *ring = ferry_fan_in_next(fan->fan_in, &data);

    if (!ring)
        return -1;
    ck_assert_ptr_eq(ring, fan->ends[(size_t)data].receiver);
    return (int)(size_t)data;
}

static bool is_ringing(const struct fan *fan)
{
    return is_readable(ferry_fan_in_fd(fan->fan_in));
}

static void say(struct fan *fan, int sender, const char *text)
{
    ck_assert_int_eq(text_send(fan->ends[sender].sender, text, 0), 1);
}

/* --- turns ------------------------------------------------------------------------------------ */

START_TEST(each_has_one_turn_before_any_has_another)
{
    static const int expected[] = { 0, 1, 2, 0, 2, 0, 0 };
    struct fan fan = fan_make();

    for (int i = 0; i < 4; i++)
        say(&fan, 0, "much");
    say(&fan, 1, "one");
    say(&fan, 2, "two");
    say(&fan, 2, "two");
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        ck_assert_int_eq(turn_of(&fan), expected[i]);
        ck_assert_int_eq(one_receive(fan.ends[expected[i]].receiver), 1);
    }
    ck_assert_int_eq(turn_of(&fan), -1);
    ck_assert_ptr_null(ferry_fan_in_next(fan.fan_in, NULL));
    fan_free(&fan);
}
END_TEST

/* However much others send: at the latest when each of them has had one more turn. */
START_TEST(who_sends_without_end_delays_nobody_for_longer_than_a_turn)
{
    struct fan fan = fan_make();

    for (int round = 0; round < 1000; round++) {
        int quiet = round % SENDERS, turns = 0, whose;
        for (int i = 0; i < SENDERS; i++)
            while (i != quiet && text_send(fan.ends[i].sender, "flood", 0) == 1)
                ;
        say(&fan, quiet, "quiet");
        do {
            whose = turn_of(&fan);
            ck_assert_int_eq(one_receive(fan.ends[whose].receiver), 1);
            ck_assert_int_le(++turns, SENDERS);
        } while (whose != quiet);
        while (one_receive(fan.ends[(quiet + 1) % SENDERS].receiver) == 1)
            ;
    }
    fan_free(&fan);
}
END_TEST

START_TEST(a_turn_that_is_not_used_comes_again)
{
    struct fan fan = fan_make();

    say(&fan, 1, "text");
    ck_assert_int_eq(turn_of(&fan), 1);
    ck_assert_int_eq(turn_of(&fan), 1);
    text_expect(fan.ends[1].receiver, "text", 0);
    ck_assert_int_eq(turn_of(&fan), -1);
    fan_free(&fan);
}
END_TEST

/* --- sleeping --------------------------------------------------------------------------------- */

START_TEST(one_sleep_is_for_all)
{
    struct fan fan = fan_make();

    for (int i = 0; i < SENDERS; i++) {
        ck_assert(!ferry_fan_in_prepare_sleep(fan.fan_in));
        ck_assert(!ferry_fan_in_prepare_sleep(fan.fan_in)); /* another turn of its loop */
        ck_assert(!is_ringing(&fan));
        say(&fan, i, "one");
        say(&fan, i, "two");
        ck_assert(is_ringing(&fan));
        ck_assert(ferry_fan_in_prepare_sleep(fan.fan_in));
        ck_assert_int_eq(turn_of(&fan), i);
        text_expect(fan.ends[i].receiver, "one", 0);
        ck_assert(ferry_fan_in_prepare_sleep(fan.fan_in));
        text_expect(fan.ends[i].receiver, "two", 0);
        ck_assert_int_eq(turn_of(&fan), -1);
    }
    fan_free(&fan);
}
END_TEST

/* Who sends is asked to sleep again; who does not still sleeps, and costs no more. */
START_TEST(a_sleep_costs_those_that_were_awake)
{
    struct fan fan = fan_make();
    struct ferry_ring_stats stats[SENDERS], woken[SENDERS];

    for (int i = 0; i < 10; i++) {
        ck_assert(!ferry_fan_in_prepare_sleep(fan.fan_in));
        say(&fan, 0, "text");
        say(&fan, 0, "text");
        ck_assert_int_eq(turn_of(&fan), 0);
        ck_assert_int_eq(one_receive(fan.ends[0].receiver), 1);
        ck_assert_int_eq(one_receive(fan.ends[0].receiver), 1);
        ck_assert_int_eq(turn_of(&fan), -1);
    }
    for (int i = 0; i < SENDERS; i++) {
        ferry_ring_get_stats(fan.ends[i].receiver, &stats[i]);
        ferry_ring_get_stats(fan.ends[i].sender, &woken[i]);
        ck_assert_uint_eq(stats[i].sleeps, i == 0 ? 10 : 1);
        ck_assert_uint_eq(woken[i].wakes, i == 0 ? 10 : 0);
    }
    fan_free(&fan);
}
END_TEST

/* After the last look at the second ring and before its bell. */
static struct fan *between;

static void send_between(void *word, size_t size)
{
    (void)size;
    if (!between || word != &between->ends[1].receiver->other->position)
        return;
    struct fan *fan = between;
    between = NULL;
    say(fan, 1, "between");
}

START_TEST(what_comes_while_it_falls_asleep_is_seen)
{
    struct fan fan = fan_make();

    ring_test_loaded = send_between;
    between = &fan;
    ck_assert(ferry_fan_in_prepare_sleep(fan.fan_in));
    ck_assert_ptr_null(between);
    ck_assert_int_eq(turn_of(&fan), 1);
    fan_free(&fan);
}
END_TEST

START_TEST(a_wait_ends_with_a_record_the_other_descriptor_or_its_deadline)
{
    struct fan fan = fan_make();
    int line[2];

    ck_assert_int_eq(pipe(line), 0);
    ck_assert_int_eq(ferry_fan_in_wait(fan.fan_in, -1, ferry_deadline(0)), -ETIMEDOUT);
    ck_assert_int_eq(ferry_fan_in_wait(fan.fan_in, line[0], ferry_deadline(20)), -ETIMEDOUT);
    close(line[1]);
    ck_assert_int_eq(ferry_fan_in_wait(fan.fan_in, line[0], FERRY_NEVER), 1);
    say(&fan, 2, "text");
    ck_assert_int_eq(ferry_fan_in_wait(fan.fan_in, line[0], FERRY_NEVER), 0);
    ck_assert_int_eq(turn_of(&fan), 2);
    close(line[0]);
    fan_free(&fan);
}
END_TEST

/* More of them than are heard at a time. */
START_TEST(any_number_can_wake_at_once)
{
    enum { COUNT = 150 };
    struct ferry_fan_in *fan_in;
    static struct ends ends[COUNT];
    struct ferry_ring *ring;
    int came = 0;

    ck_assert_int_eq(ferry_fan_in_new(&fan_in), 0);
    for (int i = 0; i < COUNT; i++) {
        ends[i] = ends_make(CAPACITY);
        ck_assert_int_eq(ferry_fan_in_add(fan_in, ends[i].receiver, NULL), 0);
    }
    for (int round = 1; round <= 3; round++) {
        while (!ferry_fan_in_prepare_sleep(fan_in))
            for (int i = 0; i < COUNT; i++)
                ck_assert_int_eq(text_send(ends[i].sender, "text", 0), 1);
        while ((ring = ferry_fan_in_next(fan_in, NULL)))
            came += one_receive(ring);
        ck_assert_int_eq(came, round * COUNT);
        ck_assert(!ferry_fan_in_prepare_sleep(fan_in));
        ck_assert(!is_readable(ferry_fan_in_fd(fan_in)));
    }
    ferry_fan_in_free(fan_in);
    for (int i = 0; i < COUNT; i++)
        ends_free(&ends[i]);
}
END_TEST

/* --- coming and going ------------------------------------------------------------------------- */

START_TEST(whose_sender_has_gone_comes_up_until_it_is_removed)
{
    struct fan fan = fan_make();

    say(&fan, 1, "last words");
    ck_assert_int_eq(turn_of(&fan), 1);
    text_expect(fan.ends[1].receiver, "last words", 0);
    ck_assert(!ferry_fan_in_prepare_sleep(fan.fan_in));
    ferry_ring_set_peer_gone(fan.ends[1].receiver);
    for (int i = 0; i < 3; i++) {
        ck_assert(ferry_fan_in_prepare_sleep(fan.fan_in));
        ck_assert_int_eq(turn_of(&fan), 1);
        ck_assert_int_eq(one_receive(fan.ends[1].receiver), -EPIPE);
    }
    ferry_fan_in_remove(fan.fan_in, fan.ends[1].receiver);
    ck_assert(!ferry_fan_in_prepare_sleep(fan.fan_in));
    ck_assert_int_eq(turn_of(&fan), -1);
    fan_free(&fan);
}
END_TEST

/* The sender still has its bell, and rings it. */
START_TEST(a_ring_that_is_freed_is_heard_no_more)
{
    struct fan fan = fan_make();

    ck_assert(!ferry_fan_in_prepare_sleep(fan.fan_in));
    ferry_ring_free(fan.ends[0].receiver);
    say(&fan, 0, "in vain");
    bell_ring(fan.ends[0].sender->fds[1]);
    ck_assert(!is_ringing(&fan));
    ck_assert_int_eq(turn_of(&fan), -1);
    fan.ends[0].receiver = NULL;
    fan_free(&fan);
}
END_TEST

START_TEST(one_that_is_removed_is_a_ring_like_any_other)
{
    struct fan fan = fan_make();

    ck_assert(!ferry_fan_in_prepare_sleep(fan.fan_in));
    ferry_fan_in_remove(fan.fan_in, fan.ends[0].receiver);
    say(&fan, 0, "alone");
    ck_assert(!is_ringing(&fan));
    ck_assert(is_readable(ferry_ring_fd(fan.ends[0].receiver)));
    text_expect(fan.ends[0].receiver, "alone", 0);
    ck_assert_int_eq(ferry_fan_in_add(fan.fan_in, fan.ends[0].receiver, (void *)0), 0);
    say(&fan, 0, "together");
    ck_assert_int_eq(turn_of(&fan), 0);
    ferry_fan_in_free(fan.fan_in);
    text_expect(fan.ends[0].receiver, "together", 0);
    fan.fan_in = NULL;
    fan_free(&fan);
}
END_TEST

START_TEST(without_rings_it_sleeps)
{
    struct ferry_fan_in *fan_in;
    struct rlimit usual, none = { 0 };
    int lowest = dup(0);

    close(lowest);
    ck_assert_int_eq(ferry_fan_in_new(&fan_in), 0);
    ck_assert_ptr_null(ferry_fan_in_next(fan_in, NULL));
    ck_assert_int_eq(ferry_fan_in_wait(fan_in, -1, ferry_deadline(5)), -ETIMEDOUT);
    ferry_fan_in_free(fan_in);
    ferry_fan_in_free(NULL);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none.rlim_max = usual.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(ferry_fan_in_new(&fan_in), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
    ck_assert_int_eq(dup(0), lowest);
}
END_TEST

/* After the last look, when nothing keeps it from sleeping. */
static struct fan *late;

static void say_late(void *word, size_t size)
{
    struct fan *fan = late;

    (void)size;
    if (!fan || word != &fan->ends[SENDERS - 1].receiver->other->position)
        return;
    late = NULL;
    say(fan, SENDERS - 1, "late");
}

START_TEST(a_ring_goes_before_the_other_descriptor)
{
    struct fan fan = fan_make();
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    close(ends[1]);
    ck_assert_int_eq(ferry_fan_in_wait(fan.fan_in, ends[0], FERRY_NEVER), 1);
    ck_assert(!ferry_fan_in_prepare_sleep(fan.fan_in));
    ring_test_loaded = say_late;
    late = &fan;
    ck_assert_int_eq(ferry_fan_in_wait(fan.fan_in, ends[0], FERRY_NEVER), 0);
    ck_assert_ptr_null(late);
    ck_assert_int_eq(turn_of(&fan), SENDERS - 1);
    close(ends[0]);
    fan_free(&fan);
}
END_TEST

/* What only a mistake of the program's can ask for. */
START_TEST(only_who_receives_is_added_and_once)
{
    struct fan fan = fan_make();

    struct ferry_ring *ring = _i ? fan.ends[0].receiver : fan.ends[0].sender;
    ck_assert_int_eq(ferry_fan_in_add(fan.fan_in, ring, NULL), 0);
}
END_TEST

/* --- one that goes wrong ---------------------------------------------------------------------- */

START_TEST(one_that_breaks_its_ring_breaks_no_other)
{
    struct fan fan = fan_make();

    ck_assert(!ferry_fan_in_prepare_sleep(fan.fan_in));
    atomic_store(&fan.ends[1].sender->side->position, 3);
    say(&fan, 2, "fine");
    ck_assert_int_eq(turn_of(&fan), 1);
    ck_assert_int_eq(one_receive(fan.ends[1].receiver), -EPROTO);
    ferry_fan_in_remove(fan.fan_in, fan.ends[1].receiver);
    ck_assert_int_eq(turn_of(&fan), 2);
    text_expect(fan.ends[2].receiver, "fine", 0);
    ck_assert(!ferry_fan_in_prepare_sleep(fan.fan_in));
    fan_free(&fan);
}
END_TEST

/* It ends with its ring, and who sends meanwhile is heard. */
START_TEST(one_that_wakes_for_nothing_is_found_out)
{
    struct fan fan = fan_make();
    int bell = fan.ends[1].sender->fds[1], wakes = 0, whose = -1;

    while (whose != 1) {
        ck_assert(!ferry_fan_in_prepare_sleep(fan.fan_in));
        ck_assert(!is_ringing(&fan));
        ck_assert_int_lt(wakes++, 1000);
        bell_ring(bell);
        ck_assert(is_ringing(&fan));
        if (wakes % 2)
            say(&fan, 2, "heard");
        whose = turn_of(&fan);
        if (whose == 2)
            text_expect(fan.ends[2].receiver, "heard", 0);
        else
            ck_assert(whose == 1 || wakes % 2 == 0);
    }
    ck_assert_int_eq(one_receive(fan.ends[1].receiver), -EPROTO);
    fan_free(&fan);
}
END_TEST

/* A wait would otherwise be busy for ever. */
START_TEST(one_whose_bell_never_stops_does_not_keep_a_wait_busy)
{
    struct fan fan = fan_make();
    struct ferry_ring *hostile = fan.ends[0].receiver;

    bell_set_endless(ferry_ring_fd(hostile));
    ck_assert_int_eq(ferry_fan_in_wait(fan.fan_in, -1, FERRY_NEVER), 0);
    ck_assert_int_eq(turn_of(&fan), 0);
    ck_assert_int_eq(one_receive(hostile), -EPROTO);
    fan_free(&fan);
}
END_TEST

/* --- at once ---------------------------------------------------------------------------------- */

enum { COUNT = 20000, FEWER = 4000 };

static void numbers_send(struct ferry_ring *ring, uint32_t count)
{
    unsigned char data[MAX];
    int r;

    for (uint32_t number = 0; number < count; number++) {
        struct ferry_record record = { data, number * 61 % 200, number };
        bytes_fill(data, record.size, number);
        while ((r = ferry_ring_try_send(ring, &record, 1)) == -EAGAIN)
            MUST(ferry_ring_wait(ring, -1, FERRY_NEVER) == 0);
        MUST(r == 1);
    }
}

/* One turn. Returns the receive's result; `received` is moved by what came. */
static int numbers_receive(struct ferry_ring *ring, uint32_t *received)
{
    static unsigned char buffer[CAPACITY];
    struct ferry_record batch[8];
    int r = ferry_ring_try_receive(ring, buffer, sizeof(buffer), batch, COUNT_OF(batch));

    for (int i = 0; i < r; i++, ++*received)
        MUST(batch[i].type == *received && batch[i].size == *received * 61 % 200 &&
             bytes_are(batch[i].data, batch[i].size, *received));
    return r;
}

static void *sender_run(void *ring)
{
    numbers_send(ring, COUNT);
    return NULL;
}

/* A wake-up that is lost leaves all asleep, and the time limit says so. */
START_TEST(everything_of_everybody_arrives_once_and_in_order)
{
    struct ferry_fan_in *fan_in;
    struct ferry_ring *receivers[SENDERS], *senders[SENDERS];
    uint32_t received[SENDERS] = { 0 };
    pthread_t threads[SENDERS];
    void *data;

    MUST(ferry_fan_in_new(&fan_in) == 0);
    for (int i = 0; i < SENDERS; i++) {
        receivers[i] = ring_make_one(FERRY_RECEIVE, CAPACITY);
        senders[i] = ring_twin(receivers[i]);
        MUST(ferry_fan_in_add(fan_in, receivers[i], &received[i]) == 0);
    }
    for (int i = 0; i < SENDERS; i++)
        MUST(pthread_create(&threads[i], NULL, sender_run, senders[i]) == 0);
    for (int total = 0; total < SENDERS * COUNT;) {
        struct ferry_ring *ring = ferry_fan_in_next(fan_in, &data);
        if (ring)
            total += numbers_receive(ring, data);
        else
            MUST(ferry_fan_in_wait(fan_in, -1, FERRY_NEVER) == 0);
    }
    ferry_fan_in_free(fan_in);
    for (int i = 0; i < SENDERS; i++) {
        MUST(pthread_join(threads[i], NULL) == 0);
        MUST(received[i] == COUNT);
        ring_twin_free(senders[i]);
        ferry_ring_free(receivers[i]);
    }
}
END_TEST

static enum ring_step fatal_step;
static int steps_left;

static void step_fatally(enum ring_step step)
{
    if (step == fatal_step && --steps_left == 0)
        kill(getpid(), SIGKILL);
}

/* Of three processes the second is killed at a step of its sending; of the others comes all. */
START_TEST(one_that_is_killed_costs_nobody_else_a_record)
{
    struct ferry_fan_in *fan_in;
    struct ferry_ring *rings[SENDERS];
    uint32_t received[SENDERS] = { 0 }, committed = _i < RING_PUBLISHED ? 99 : 100;
    pid_t children[SENDERS];
    int status;

    MUST(ferry_fan_in_new(&fan_in) == 0);
    for (int i = 0; i < SENDERS; i++) {
        rings[i] = ring_make_one(FERRY_RECEIVE, CAPACITY);
        MUST(ferry_fan_in_add(fan_in, rings[i], &received[i]) == 0);
        fatal_step = (enum ring_step)_i;
        steps_left = 100;
        children[i] = fork();
        if (children[i] == 0) {
            if (i == 1)
                ring_test_step = step_fatally;
            numbers_send(ring_attach_to(rings[i]), FEWER);
            _exit(0);
        }
    }
    while (received[0] < FEWER || received[1] < committed || received[2] < FEWER) {
        void *data;
        struct ferry_ring *ring = ferry_fan_in_next(fan_in, &data);
        if (ring)
            MUST(numbers_receive(ring, data) > 0);
        else
            MUST(ferry_fan_in_wait(fan_in, -1, ferry_deadline(20000)) == 0);
    }
    MUST(waitpid(children[1], &status, 0) == children[1] && WIFSIGNALED(status));
    ferry_ring_set_peer_gone(rings[1]);
    MUST(numbers_receive(rings[1], &received[1]) == -EPIPE && received[1] == committed);
    for (int i = 0; i < SENDERS; i++) {
        MUST(i == 1 || (waitpid(children[i], &status, 0) == children[i] && status == 0));
        ferry_ring_free(rings[i]);
    }
    ferry_fan_in_free(fan_in);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("fan_in");

    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, each_has_one_turn_before_any_has_another);
    tcase_add_test(tests, who_sends_without_end_delays_nobody_for_longer_than_a_turn);
    tcase_add_test(tests, a_turn_that_is_not_used_comes_again);
    tcase_add_test(tests, one_sleep_is_for_all);
    tcase_add_test(tests, a_sleep_costs_those_that_were_awake);
    tcase_add_test(tests, what_comes_while_it_falls_asleep_is_seen);
    tcase_add_test(tests, a_wait_ends_with_a_record_the_other_descriptor_or_its_deadline);
    tcase_add_test(tests, any_number_can_wake_at_once);
    tcase_add_test(tests, whose_sender_has_gone_comes_up_until_it_is_removed);
    tcase_add_test(tests, a_ring_that_is_freed_is_heard_no_more);
    tcase_add_test(tests, one_that_is_removed_is_a_ring_like_any_other);
    tcase_add_test(tests, a_ring_goes_before_the_other_descriptor);
    tcase_add_loop_test_raise_signal(tests, only_who_receives_is_added_and_once, SIGABRT, 0, 2);
    tcase_add_test(tests, without_rings_it_sleeps);
    tcase_add_test(tests, one_that_breaks_its_ring_breaks_no_other);
    tcase_add_test(tests, one_that_wakes_for_nothing_is_found_out);
    tcase_add_test(tests, one_whose_bell_never_stops_does_not_keep_a_wait_busy);
    tcase_add_test(tests, everything_of_everybody_arrives_once_and_in_order);
    tcase_add_loop_test(
        tests, one_that_is_killed_costs_nobody_else_a_record, RING_RESERVED, RING_WOKEN + 1);
    return run_tests(tests, "memory/fan_in");
}
