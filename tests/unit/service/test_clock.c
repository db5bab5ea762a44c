/* test_clock.c - the clock on a stream and on messages, and how its conversations end. */
#include "service/limits.h"
#include "service/service.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ferry_loop *loop;
static struct ferry_relay_pool *pool;
static struct ferry_inbox *inbox;
static struct ferry_channel *client;
static struct serving *serving;
static int done_count, done_code;

static void on_done(int code, const char *reason, void *data)
{
    struct ferry_relay_stats stats;
    ck_assert_ptr_nonnull(reason);
    ck_assert_ptr_eq(data, &done_count);
    service_clock.get_stats(serving, &stats); /* it answers until here */
    done_count++;
    done_code = code;
}

static void start(enum ferry_scheme scheme)
{
    struct service_call call = { .route = "clock", .argument = "", .done = on_done };
    setenv("TZ", "XXX-05:45", 1);
    ck_assert_int_eq(ferry_loop_new(FERRY_EPOLL, &loop), 0);
    ck_assert_int_eq(ferry_relay_pool_new(&pool), 0);
    ck_assert_int_eq(ferry_inbox_new(4096, 1, &inbox), 0);
    ck_assert_int_eq(ferry_channel_pair(scheme, &client, &call.channel), 0);
    call.loop = loop;
    call.pool = pool;
    call.data = &done_count;
    done_count = 0;
    ck_assert_int_eq(service_clock.serve(&call, &serving), 0);
    ck_assert_int_eq(done_count, 0);
}

static void finish(void)
{
    ferry_channel_close(client);
    ferry_inbox_free(inbox);
    ferry_relay_pool_free(pool);
    ferry_loop_free(loop);
}

/* Turns until the client has received something; returns what try_receive does. */
static int receive(struct ferry_message *message)
{
    int code = -EAGAIN;
    for (int turns = 0; code == -EAGAIN && turns < 1000; turns++) {
        ck_assert_int_ge(ferry_loop_turn(loop, 10), 0);
        code = ferry_channel_try_receive(client, inbox, message, 1);
    }
    return code;
}

static void expect_time(void)
{
    struct ferry_message message;
    char text[64];
    int year, month, day, hour, minute, second, used = 0;
    ck_assert_int_eq(receive(&message), 1);
    ck_assert_uint_eq(message.size, strlen("2024-02-29T23:59:58+05:45\n"));
    memcpy(text, message.data, message.size);
    text[message.size] = '\0';
    ck_assert_int_eq(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d+05:45\n%n", &year, &month, &day, &hour,
                         &minute, &second, &used),
        6);
    ck_assert_int_eq(used, (int)message.size);
    ferry_message_fini(&message);
}

static void turn_until_done(void)
{
    for (int turns = 0; !done_count && turns < 1000; turns++)
        ck_assert_int_ge(ferry_loop_turn(loop, 10), 0);
    ck_assert_int_eq(done_count, 1);
}

START_TEST(test_a_stream_gets_one_line_and_the_end)
{
    struct ferry_message message;
    start(FERRY_UNIX);
    expect_time();
    ck_assert_int_eq(receive(&message), 0);
    ck_assert_int_eq(done_count, 0); /* the end came by half-close, our half is open still */
    ck_assert_int_eq(ferry_channel_shutdown(client), 0);
    turn_until_done();
    ck_assert_int_eq(done_code, 0);
    finish();
}
END_TEST

START_TEST(test_a_client_that_stays_is_let_go_as_a_good_end)
{
    start(FERRY_UNIX);
    expect_time();
    turn_until_done();
    ck_assert_int_eq(done_code, 0);
    finish();
}
END_TEST

START_TEST(test_each_message_is_answered)
{
    start(FERRY_UNIX_SEQ);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(ferry_channel_send_bytes(client, "?", 1, ferry_deadline(1000)), 0);
        expect_time();
    }
    ferry_channel_close(client);
    client = NULL;
    turn_until_done();
    ck_assert_int_eq(done_code, 0);
    finish();
}
END_TEST

START_TEST(test_a_client_that_only_asks_is_not_served_without_bound)
{
    int sent = 0;
    start(FERRY_UNIX_SEQ);
    for (int turns = 0; turns < 20000; turns++) {
        struct iovec buffer = { (void *)"?", 1 };
        struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
        if (ferry_channel_try_send(client, &outgoing, 1) == 1)
            sent++;
        ck_assert_int_ge(ferry_loop_turn(loop, 0), 0);
    }
    ck_assert_int_lt(sent, 20000); /* backpressure reached the client */
    for (int i = 0; i < sent; i++)
        expect_time(); /* and no answer was lost */
    service_clock.stop(serving);
    ck_assert_int_eq(done_count, 0);
    finish();
}
END_TEST

START_TEST(test_stopped_in_the_middle)
{
    start(FERRY_UNIX);
    service_clock.stop(serving);
    ck_assert_int_eq(done_count, 0);
    ck_assert_ptr_nonnull(client);
    finish();
    start(FERRY_UNIX_SEQ);
    service_clock.stop(serving);
    ck_assert_int_eq(done_count, 0);
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("service/clock");
    TCase *cases = tcase_create("clock");
    tcase_set_timeout(cases, 20);
    tcase_add_test(cases, test_a_stream_gets_one_line_and_the_end);
    tcase_add_test(cases, test_a_client_that_stays_is_let_go_as_a_good_end);
    tcase_add_test(cases, test_each_message_is_answered);
    tcase_add_test(cases, test_a_client_that_only_asks_is_not_served_without_bound);
    tcase_add_test(cases, test_stopped_in_the_middle);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
