/* test_end.c - the end of a connection, by either lane: what was sent before is received, and who
 * left something unread says so. */
#include "peers.h"

#include <sys/eventfd.h>

/* A pair by its number: which of the two it is about, and by which lane that one sends. */
struct ends {
    struct pair pair;
    struct ferry_channel *one, *other;
};

static struct ends ends_make(int number)
{
    struct ends ends = { .pair = pair_in_ring() };
    bool dialled = number % 2;

    ends.one = dialled ? ends.pair.dialled : ends.pair.accepted;
    ends.other = dialled ? ends.pair.accepted : ends.pair.dialled;
    if (number / 2 % 2)
        move_to(ends.one, ends.other, ends.pair.inbox, FERRY_LANE_SOCKET);
    return ends;
}

static void close_one(struct ends *ends)
{
    ferry_channel_close(ends->one);
    ends->one = NULL;
    *(ends->pair.dialled == ends->other ? &ends->pair.accepted : &ends->pair.dialled) = NULL;
}

static int receive_code(struct ends *ends, struct ferry_channel *channel)
{
    struct ferry_message message;
    int r = receive_one(channel, ends->pair.inbox, &message);
    if (r == 1)
        ferry_message_fini(&message);
    return r;
}

/* As it is for a while, not for once. */
static void has_ended(struct ends *ends, struct ferry_channel *channel, int code)
{
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(receive_code(ends, channel), code);
        ck_assert(ferry_channel_pending(channel));
    }
}

static void say_some(struct ferry_channel *channel)
{
    AUTO_FD int event = eventfd(0, EFD_CLOEXEC);

    ck_assert_int_eq(say(channel, "one"), 1);
    ck_assert_int_eq(send_bytes(channel, "two", 3, &event, 1), 1);
    ck_assert_int_eq(say(channel, ""), 1);
}

static void hear_some(struct ends *ends, struct ferry_channel *channel)
{
    struct ferry_message message = { 0 };

    ck_assert_hears(channel, ends->pair.inbox, "one");
    ck_assert_int_eq(receive_one(channel, ends->pair.inbox, &message), 1);
    ck_assert_uint_eq(message.descriptor_count, 1);
    ferry_message_fini(&message);
    ck_assert_hears(channel, ends->pair.inbox, "");
}

START_TEST(what_was_sent_before_closing_is_received)
{
    struct ends ends = ends_make(_i);

    say_some(ends.one);
    close_one(&ends);
    hear_some(&ends, ends.other);
    has_ended(&ends, ends.other, 0);
    ck_assert_int_eq(say(ends.other, "text"), -EPIPE);
    pair_free(&ends.pair);
}
END_TEST

START_TEST(half_closing_ends_one_way)
{
    struct ends ends = ends_make(_i);

    say_some(ends.one);
    ck_assert_int_eq(ferry_channel_shutdown(ends.one), 0);
    ck_assert_int_eq(say(ends.one, "too late"), -EPIPE);
    hear_some(&ends, ends.other);
    has_ended(&ends, ends.other, 0);
    say_some(ends.other);
    hear_some(&ends, ends.one);
    ck_assert_int_eq(ferry_channel_shutdown(ends.other), 0);
    has_ended(&ends, ends.one, 0);
    pair_free(&ends.pair);
}
END_TEST

START_TEST(who_stops_receiving_has_what_is_there)
{
    struct ends ends = ends_make(_i);
    int sent = 0;

    say_some(ends.one);
    ferry_channel_stop_receiving(ends.other);
    hear_some(&ends, ends.other);
    has_ended(&ends, ends.other, 0);
    for (int r = 1; r == 1; sent++) {
        r = say(ends.one, "nobody hears");
        MUST(r == 1 || r == -EPIPE);
        MUST(sent < 100000);
    }
    pair_free(&ends.pair);
}
END_TEST

/* --- what is left unread ---------------------------------------------------------------------- */

START_TEST(what_is_left_unread_is_a_reset)
{
    struct ends ends = ends_make(_i);

    say_some(ends.one);
    if (_i / 4)
        ck_assert_int_eq(say(ends.other, "unread"), 1);
    else
        say_some(ends.other);
    close_one(&ends);
    hear_some(&ends, ends.other);
    has_ended(&ends, ends.other, -ECONNRESET);
    pair_free(&ends.pair);
}
END_TEST

/* Nor does it matter that we have ended our sending: what woke it is unread as well. */
START_TEST(what_is_left_unread_after_half_closing_is_a_reset)
{
    struct ends ends = ends_make(_i % 2);

    ck_assert(!ferry_channel_pending(ends.one)); /* it sleeps, and is woken */
    ck_assert_int_eq(say(ends.other, "unread"), 1);
    ck_assert_int_eq(ferry_channel_shutdown(ends.other), 0);
    close_one(&ends);
    has_ended(&ends, ends.other, -ECONNRESET);
    pair_free(&ends.pair);
}
END_TEST

/* What says that the rest comes by the ring, and nothing does. */
START_TEST(the_last_by_the_socket_is_left_unread)
{
    struct ends ends = ends_make(_i);

    move_to(ends.other, ends.one, ends.pair.inbox, FERRY_LANE_SOCKET);
    ferry_auto_prefer(ends.other, FERRY_AUTO_PREFER_RING);
    ck_assert_int_eq(say(ends.other, "unread"), 1);
    ck_assert_int_eq(stats_of(ends.other).lanes[FERRY_SEND], FERRY_LANE_RING);
    close_one(&ends);
    has_ended(&ends, ends.other, -ECONNRESET);
    pair_free(&ends.pair);
}
END_TEST

/* A half-close is none, though not everything is read yet. */
START_TEST(what_is_yet_to_be_read_is_no_reset)
{
    struct ends ends = ends_make(_i);

    say_some(ends.other);
    ck_assert_int_eq(ferry_channel_shutdown(ends.one), 0);
    if (_i / 4)
        ck_assert_int_eq(ferry_channel_shutdown(ends.other), 0);
    has_ended(&ends, ends.other, 0);
    hear_some(&ends, ends.one);
    pair_free(&ends.pair);
}
END_TEST

/* Of what wakes it is not said. */
START_TEST(a_wake_left_unread_is_no_reset)
{
    struct ends ends = ends_make(_i);

    ck_assert(!ferry_channel_pending(ends.one)); /* it sleeps, and is woken */
    ck_assert_int_eq(say(ends.other, "one"), 1);
    ck_assert_uint_gt(stats_of(ends.other).wakes, 0);
    ck_assert_hears(ends.one, ends.pair.inbox, "one");
    close_one(&ends);
    has_ended(&ends, ends.other, 0);
    pair_free(&ends.pair);
}
END_TEST

/* Whoever only sends never sees the answer to its offer. */
START_TEST(an_answer_left_unread_is_no_reset)
{
    bool greets = _i % 2, refuses = _i / 2;
    struct pair pair = pair_make(refuses ? ",ring=no" : "", ",ring=yes");
    struct ferry_message message;
    int received = 0, r;

    if (greets) {
        ck_assert_int_eq(say(pair.accepted, "greeting"), 1);
        ck_assert_hears(pair.dialled, pair.inbox, "greeting");
    }
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(say(pair.dialled, "text"), 1);
    ck_assert_hears(pair.accepted, pair.inbox, "text"); /* and the offer before it */
    ferry_channel_close(pair.dialled);
    pair.dialled = NULL;
    while ((r = receive_one(pair.accepted, pair.inbox, &message)) == 1)
        received++;
    ck_assert_int_eq(received, 9);
    ck_assert_int_eq(r, 0);
    pair_free(&pair);
}
END_TEST

/* The same, and what was sent before the answer is unread too. */
START_TEST(a_greeting_left_unread_is_a_reset)
{
    struct pair pair = pair_make("", ",ring=yes");
    struct ferry_message message;

    ck_assert_int_eq(say(pair.accepted, "greeting"), 1);
    ck_assert_int_eq(say(pair.dialled, "text"), 1);
    ck_assert_hears(pair.accepted, pair.inbox, "text");
    ferry_channel_close(pair.dialled);
    pair.dialled = NULL;
    ck_assert_int_eq(receive_one(pair.accepted, pair.inbox, &message), -ECONNRESET);
    pair_free(&pair);
}
END_TEST

/* --- nobody is there -------------------------------------------------------------------------- */

/* Whoever sends only, by the ring, learns of it before long. */
START_TEST(sending_to_nobody_ends)
{
    struct ends ends = ends_make(_i);
    int sent = 0, r;

    if (_i / 4)
        ck_assert(!ferry_channel_pending(ends.other)); /* asleep when it goes */
    ferry_channel_close(ends.other);
    *(ends.pair.dialled == ends.other ? &ends.pair.dialled : &ends.pair.accepted) = NULL;
    while ((r = say(ends.one, "text")) == 1)
        MUST(++sent < 2000);
    ck_assert_int_eq(r, -EPIPE);
    ck_assert_int_eq(say(ends.one, "text"), -EPIPE);
    pair_free(&ends.pair);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/auto/end");
    TCase *tests = tcase_create("end");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 30);
    tcase_add_loop_test(tests, what_was_sent_before_closing_is_received, 0, 4);
    tcase_add_loop_test(tests, half_closing_ends_one_way, 0, 4);
    tcase_add_loop_test(tests, who_stops_receiving_has_what_is_there, 0, 4);
    tcase_add_loop_test(tests, what_is_left_unread_is_a_reset, 0, 8);
    tcase_add_loop_test(tests, what_is_left_unread_after_half_closing_is_a_reset, 0, 2);
    tcase_add_loop_test(tests, the_last_by_the_socket_is_left_unread, 0, 4);
    tcase_add_loop_test(tests, what_is_yet_to_be_read_is_no_reset, 0, 8);
    tcase_add_loop_test(tests, a_wake_left_unread_is_no_reset, 0, 4);
    tcase_add_loop_test(tests, an_answer_left_unread_is_no_reset, 0, 4);
    tcase_add_test(tests, a_greeting_left_unread_is_a_reset);
    tcase_add_loop_test(tests, sending_to_nobody_ends, 0, 8);
    return scratch_run(suite);
}
