/* test_races.c - what the peer does just between two looks: the one that only two processors do,
 * and seldom, here it does each time. */
#define AUTO_TEST
#define RING_TEST

#include "peers.h"

extern void (*auto_test_step)(enum auto_step step);

/* --- at a step -------------------------------------------------------------------------------- */

static struct pair pair;
static void (*between)(void); /* done once, at the next of these steps */
static int between_step;

static void now(void)
{
    void (*what)(void) = between;
    between = NULL;
    if (what)
        what();
}

static void auto_step(enum auto_step step)
{
    if ((int)step == between_step)
        now();
}

static void ring_step(enum ring_step step)
{
    if (AUTO_STEP_COUNT + (int)step == between_step)
        now();
}

/* The receiver is the accepted one, awake, in the ring, of which nothing is left. */
static void begin(int step, void (*what)(void))
{
    pair = pair_in_ring();
    ring_awake(end_of(pair.accepted)->ring[FERRY_RECEIVE]);
    ring_test_step = ring_step;
    auto_test_step = auto_step;
    between_step = step;
    between = what;
}

/* --- what it does ----------------------------------------------------------------------------- */

static void say_by_ring(void)
{
    ck_assert_int_eq(say(pair.dialled, "by ring"), 1);
    ck_assert_int_eq(stats_of(pair.dialled).lanes[FERRY_SEND], FERRY_LANE_RING);
}

static void say_by_socket(void)
{
    ferry_auto_prefer(pair.dialled, FERRY_AUTO_PREFER_SOCKET);
    ck_assert_int_eq(say(pair.dialled, "by socket"), 1);
    ck_assert_int_eq(stats_of(pair.dialled).lanes[FERRY_SEND], FERRY_LANE_SOCKET);
}

static void say_by_both(void)
{
    say_by_ring();
    say_by_socket();
}

static void leave(void)
{
    ferry_channel_close(pair.dialled);
    pair.dialled = NULL;
}

static void say_and_leave(void)
{
    say_by_ring();
    leave();
}

/* As if it were killed before it wakes. */
static void say_and_die(void)
{
    struct ferry_ring *ring = end_of(pair.dialled)->ring[FERRY_SEND];
    ring->rung = (uint32_t)(atomic_load(&ring->other->bell) >> 32);
    say_by_ring();
    leave();
}

static void say_by_both_and_leave(void)
{
    say_by_both();
    leave();
}

/* --- and that it is received ------------------------------------------------------------------ */

static const struct {
    void (*what)(void);
    bool by_ring, by_socket, ends;
} deeds[] = {
    { say_by_ring, true, false, false },
    { say_by_socket, false, true, false },
    { say_by_both, true, true, false },
    { leave, false, false, true },
    { say_and_leave, true, false, true },
    { say_and_die, true, false, true },
    { say_by_both_and_leave, true, true, true },
};

/* When it says that it sleeps, and when it has looked at the ring since, but not at the socket. */
static const int steps[] = { AUTO_STEP_COUNT + RING_TO_SLEEP, AUTO_ASLEEP };

static void is_received(size_t deed)
{
    struct ferry_message message;

    if (deeds[deed].by_ring)
        ck_assert_hears(pair.accepted, pair.inbox, "by ring");
    if (deeds[deed].by_socket)
        ck_assert_hears(pair.accepted, pair.inbox, "by socket");
    if (deeds[deed].ends)
        ck_assert_int_eq(receive_one(pair.accepted, pair.inbox, &message), 0);
    else
        ck_assert_int_eq(
            ferry_channel_try_receive(pair.accepted, pair.inbox, &message, 1), -EAGAIN);
    ck_assert_ptr_null(between);
    pair_free(&pair);
}

START_TEST(what_comes_between_two_looks_is_received)
{
    begin(steps[_i % 2], deeds[_i / 2].what);
    is_received((size_t)_i / 2);
}
END_TEST

/* Just after it has looked at the peer's position, for the how manieth time. */
static const void *looked_at;
static int looks_left;

static void look(void *word, size_t size)
{
    (void)size;
    if (word == looked_at && --looks_left == 0)
        now();
}

static void begin_after_looks(int looks, void (*what)(void))
{
    begin(-1, what);
    looked_at = &end_of(pair.accepted)->ring[FERRY_RECEIVE]->other->position;
    looks_left = looks;
    ring_test_loaded = look;
}

START_TEST(what_comes_after_a_look_is_received)
{
    begin_after_looks(1 + _i % 3, deeds[_i / 3].what);
    is_received((size_t)_i / 3);
}
END_TEST

START_TEST(what_comes_after_a_look_is_told)
{
    struct pollfd polled = { .events = POLLIN };

    begin_after_looks(1 + _i % 2, deeds[_i / 2].what);
    polled.fd = ferry_channel_fd(pair.accepted, FERRY_RECEIVE);
    bool pending = ferry_channel_pending(pair.accepted);
    ck_assert(pending || poll(&polled, 1, 0) == 1);
    is_received((size_t)_i / 2);
}
END_TEST

/* Who receives makes room just when there is none: it is not gone round. */
static void receive_all(void)
{
    struct ferry_message message;
    while (ferry_channel_try_receive(pair.accepted, pair.inbox, &message, 1) == 1)
        continue;
}

START_TEST(a_full_ring_is_looked_out_for)
{
    enum { SIZE = 32 << 10 };
    static char data[SIZE];

    begin_after_looks(1, receive_all);
    struct ferry_ring *ring = end_of(pair.dialled)->ring[FERRY_SEND];
    looked_at = NULL;
    while (ring_room(ring) >= SIZE + 2 * RING_HEAD_SIZE)
        ck_assert_int_eq(send_bytes(pair.dialled, data, SIZE, NULL, 0), 1);
    uint64_t moves = stats_of(pair.dialled).moves;
    ck_assert_int_eq(stats_of(pair.dialled).lanes[FERRY_SEND], FERRY_LANE_RING);
    looked_at = &ring->other->position;
    ck_assert_int_eq(send_bytes(pair.dialled, data, SIZE, NULL, 0), 1);
    ck_assert_ptr_null(between);
    ck_assert_uint_eq(stats_of(pair.dialled).moves, moves);
    ck_assert_int_eq(stats_of(pair.dialled).lanes[FERRY_SEND], FERRY_LANE_RING);
    pair_free(&pair);
}
END_TEST

/* Whoever sends while the other stops receiving hears of it with the next at the latest. */
START_TEST(who_sends_while_the_other_stops_hears_of_it)
{
    begin_after_looks(1, say_by_ring);
    ferry_channel_stop_receiving(pair.accepted);
    ck_assert_ptr_null(between);
    ck_assert_int_eq(say(pair.dialled, "in vain"), -EPIPE);
    pair_free(&pair);
}
END_TEST

/* Whoever asks before it sleeps is told, or woken. */
START_TEST(what_comes_while_one_asks_is_told)
{
    struct pollfd polled = { .events = POLLIN };

    begin(AUTO_STEP_COUNT + RING_TO_SLEEP, deeds[_i].what);
    polled.fd = ferry_channel_fd(pair.accepted, FERRY_RECEIVE);
    bool pending = ferry_channel_pending(pair.accepted);
    ck_assert(pending || poll(&polled, 1, 0) == 1);
    is_received((size_t)_i);
}
END_TEST

/* And breaks the ring, while the other has said that it sleeps and looks at the socket. */
static void break_ring(void)
{
    say_by_socket();
    atomic_store(&end_of(pair.dialled)->ring[FERRY_SEND]->side->position, 3);
}

START_TEST(a_ring_that_breaks_between_two_looks_ends_it)
{
    struct ferry_message message;

    begin(steps[_i], break_ring);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            ferry_channel_try_receive(pair.accepted, pair.inbox, &message, 1), -EPROTO);
    ck_assert(ferry_channel_pending(pair.accepted));
    pair_free(&pair);
}
END_TEST

/* The other way round: it falls asleep between what is published and the look whether it sleeps. */
static bool fell_asleep;

static void fall_asleep(void)
{
    fell_asleep = !ferry_channel_pending(pair.accepted);
}

START_TEST(whoever_falls_asleep_meanwhile_is_woken_or_knows)
{
    static const enum ring_step when[] = { RING_RESERVED, RING_WRITTEN, RING_TO_PUBLISH,
        RING_PUBLISHED, RING_WOKEN };
    struct pollfd polled = { .events = POLLIN };

    begin(AUTO_STEP_COUNT + (int)when[_i], fall_asleep);
    polled.fd = ferry_channel_fd(pair.accepted, FERRY_RECEIVE);
    ck_assert_int_eq(say(pair.dialled, "by ring"), 1);
    ck_assert_int_eq(fell_asleep, when[_i] < RING_PUBLISHED);
    if (fell_asleep)
        ck_assert_int_eq(poll(&polled, 1, 0), 1);
    ck_assert_hears(pair.accepted, pair.inbox, "by ring");
    pair_free(&pair);
}
END_TEST

/* Between the mark and what follows it: nothing is there yet. */
static void receive_nothing(void)
{
    struct ferry_message message;
    ck_assert_int_eq(ferry_channel_try_receive(pair.accepted, pair.inbox, &message, 1), -EAGAIN);
    ck_assert(!ferry_channel_pending(pair.accepted));
}

START_TEST(a_mark_alone_is_nothing)
{
    struct pollfd polled = { .events = POLLIN };

    begin(AUTO_MARKED, receive_nothing);
    polled.fd = ferry_channel_fd(pair.accepted, FERRY_RECEIVE);
    if (_i) /* asleep before */
        ck_assert(!ferry_channel_pending(pair.accepted));
    say_by_socket();
    ck_assert_int_eq(poll(&polled, 1, 0), 1);
    ck_assert_hears(pair.accepted, pair.inbox, "by socket");
    ck_assert_ptr_null(between);
    pair_free(&pair);
}
END_TEST

/* --- no memory for a wake-up ------------------------------------------------------------------ */

static int without, with;

static void lose_socket(enum auto_step step)
{
    struct auto_end *end = end_of(pair.dialled);
    if (step == AUTO_TO_WAKE && without > 0)
        end->fd = -1;
    if (step == AUTO_WAKE_SENT && end->fd < 0) {
        end->fd = with;
        without--;
    }
}

/* All that the sender does after it is to wait for the answer: that is when it is said again. */
START_TEST(a_wake_up_that_failed_is_not_forgotten)
{
    struct ferry_message none;
    struct pollfd polled = { .events = POLLIN };

    begin(AUTO_STEP_COUNT + RING_STEP_COUNT, NULL);
    auto_test_step = lose_socket;
    with = end_of(pair.dialled)->fd;
    without = 1 + _i; /* and once more when it receives */
    polled.fd = ferry_channel_fd(pair.accepted, FERRY_RECEIVE);
    ck_assert(!ferry_channel_pending(pair.accepted));
    say_by_ring();
    ck_assert_int_eq(poll(&polled, 1, 0), 0);
    ck_assert_int_eq(ferry_channel_try_receive(pair.dialled, pair.inbox, &none, 1), -EAGAIN);
    ck_assert(!ferry_channel_pending(pair.dialled));
    ck_assert_int_eq(without, 0);
    ck_assert_int_eq(poll(&polled, 1, 0), 1);
    ck_assert_hears(pair.accepted, pair.inbox, "by ring");
    receive_nothing();
    ck_assert_int_eq(poll(&polled, 1, 0), 0); /* it was not said twice */
    pair_free(&pair);
}
END_TEST

/* Who does not sleep in poll(2) comes back to it. */
START_TEST(a_wake_up_that_fails_still_keeps_who_owes_it_awake)
{
    struct ferry_message none;

    begin(AUTO_STEP_COUNT + RING_STEP_COUNT, NULL);
    auto_test_step = lose_socket;
    with = end_of(pair.dialled)->fd;
    without = 100;
    ck_assert(!ferry_channel_pending(pair.accepted));
    say_by_ring();
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(ferry_channel_try_receive(pair.dialled, pair.inbox, &none, 1), -EAGAIN);
        ck_assert(ferry_channel_pending(pair.dialled));
    }
    without = 0;
    ck_assert(!ferry_channel_pending(pair.dialled));
    ck_assert_hears(pair.accepted, pair.inbox, "by ring");
    pair_free(&pair);
}
END_TEST

static unsigned published;

static void note_published(enum ring_step step)
{
    published += step == RING_PUBLISHED;
}

/* A message each would have the receiver fetch the position for each. */
START_TEST(a_batch_is_shown_at_once)
{
    struct iovec buffer = { (void *)(uintptr_t) "text", 4 };
    struct ferry_outgoing batch[5];

    for (int i = 0; i < 5; i++)
        batch[i] = (struct ferry_outgoing){ .buffers = &buffer, .buffer_count = 1 };
    begin(AUTO_STEP_COUNT + RING_STEP_COUNT, NULL);
    ring_test_step = note_published;
    ck_assert_int_eq(ferry_channel_try_send(pair.dialled, batch, 5), 5);
    ck_assert_uint_eq(published, 1);
    pair_free(&pair);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/auto/races");
    TCase *tests = tcase_create("races");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 30);
    tcase_add_loop_test(
        tests, what_comes_between_two_looks_is_received, 0, 2 * (int)COUNT_OF(deeds));
    tcase_add_test(tests, a_batch_is_shown_at_once);
    tcase_add_loop_test(tests, what_comes_while_one_asks_is_told, 0, (int)COUNT_OF(deeds));
    tcase_add_loop_test(tests, what_comes_after_a_look_is_received, 0, 3 * (int)COUNT_OF(deeds));
    tcase_add_loop_test(tests, what_comes_after_a_look_is_told, 0, 2 * (int)COUNT_OF(deeds));
    tcase_add_test(tests, a_full_ring_is_looked_out_for);
    tcase_add_test(tests, who_sends_while_the_other_stops_hears_of_it);
    tcase_add_loop_test(tests, a_ring_that_breaks_between_two_looks_ends_it, 0, 2);
    tcase_add_loop_test(tests, whoever_falls_asleep_meanwhile_is_woken_or_knows, 0, 5);
    tcase_add_loop_test(tests, a_mark_alone_is_nothing, 0, 2);
    tcase_add_loop_test(tests, a_wake_up_that_failed_is_not_forgotten, 0, 2);
    tcase_add_test(tests, a_wake_up_that_fails_still_keeps_who_owes_it_awake);
    return scratch_run(suite);
}
