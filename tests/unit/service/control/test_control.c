/* test_control.c - the control connection: order, bounds, and being stopped by its own order. */
#include "base/bytes.h"
#include "route/registry.h"
#include "service/limits.h"
#include "service/service.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <ferry/ferry.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct ferry_loop *loop;
static struct events events;
static struct registry registry;
static struct ferry_inbox *inbox;
static struct ferry_channel *client;
static struct serving *serving;
static struct bytes received;
static int done_count, done_code;

static void on_done(int code, const char *reason, void *data)
{
    ck_assert_ptr_nonnull(reason);
    ck_assert_ptr_null(data);
    done_count++;
    done_code = code;
}

static int start_on(enum ferry_scheme scheme, int64_t idle_ms)
{
    struct service_call call = {
        .route = "control", .argument = "", .idle_ms = idle_ms, .done = on_done
    };
    ck_assert_int_eq(ferry_loop_new(FERRY_EPOLL, &loop), 0);
    ck_assert_int_eq(registry_init(&registry, loop, &events), 0);
    ck_assert_int_eq(ferry_inbox_new(1 << 20, 1, &inbox), 0);
    ck_assert_int_eq(ferry_channel_pair(scheme, &client, &call.channel), 0);
    call.loop = loop;
    call.pool = registry.pool;
    call.registry = &registry;
    return service_control.serve(&call, &serving);
}

static void start(void)
{
    ck_assert_int_eq(start_on(FERRY_UNIX, 0), 0);
}

static void finish(void)
{
    ferry_channel_close(client);
    ferry_inbox_free(inbox);
    registry_fini(&registry);
    ferry_loop_free(loop);
    bytes_fini(&received);
}

static void say(const char *text)
{
    ck_assert_int_eq(ferry_channel_send_bytes(client, text, strlen(text), ferry_deadline(1000)), 0);
}

static size_t count_lines(void)
{
    size_t count = 0;
    for (size_t i = 0; i < received.size; i++)
        count += received.data[i] == '\n';
    return count;
}

/* Turns the loop until `lines` lines have come, or the end. */
static void listen_for(size_t lines)
{
    for (int turns = 0; count_lines() < lines && turns < 5000; turns++) {
        struct ferry_message message;
        ck_assert_int_ge(ferry_loop_turn(loop, 1), 0);
        int code = ferry_channel_try_receive(client, inbox, &message, 1);
        if (code == 0)
            return;
        if (code > 0) {
            bytes_append(&received, message.data, message.size);
            ferry_message_fini(&message);
        }
    }
}

static json_t *only_reply(void)
{
    json_error_t problem;
    ck_assert_uint_eq(count_lines(), 1);
    json_t *reply = json_loadb(received.data, received.size, 0, &problem);
    ck_assert_msg(reply != NULL, "%s", problem.text);
    return reply;
}

START_TEST(test_status)
{
    start();
    say("{\"do\":\"status\"}\n");
    listen_for(1);
    json_t *reply = only_reply();
    ck_assert(json_is_true(json_object_get(reply, "ok")));
    ck_assert_int_eq(json_integer_value(json_object_get(reply, "pid")), getpid());
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "routes")), 0);
    ck_assert(json_is_boolean(json_object_get(reply, "names")));
    json_decref(reply);
    service_control.stop(serving);
    ck_assert_int_eq(done_count, 0);
    finish();
}
END_TEST

START_TEST(test_the_last_request_needs_no_line_feed)
{
    start();
    say("{\"do\":\"status\"}");
    ck_assert_int_eq(ferry_channel_shutdown(client), 0);
    listen_for(1);
    json_decref(only_reply());
    listen_for(2);
    ck_assert_int_eq(done_count, 1);
    ck_assert_int_eq(done_code, 0);
    finish();
}
END_TEST

START_TEST(test_many_requests_in_one_piece)
{
    start();
    for (unsigned i = 0; i < 10 * CONTROL_REQUESTS_PER_TURN; i++)
        say("{}\n");
    listen_for(10 * CONTROL_REQUESTS_PER_TURN);
    ck_assert_uint_eq(count_lines(), 10 * CONTROL_REQUESTS_PER_TURN);
    service_control.stop(serving);
    finish();
}
END_TEST

START_TEST(test_a_client_that_does_not_read_is_not_read)
{
    struct ferry_message message;
    size_t asked = 0, stuck = 0;
    start();
    while (stuck < 100) {
        struct iovec buffer = { (void *)"{}\n", 3 };
        struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
        int code = ferry_channel_try_send(client, &outgoing, 1);
        ck_assert(code == 1 || (code == -EAGAIN && outgoing.sent_size == 0));
        asked += code == 1;
        stuck = code == 1 ? 0 : stuck + 1;
        ck_assert_int_ge(ferry_loop_turn(loop, 0), 0);
        ck_assert_uint_lt(asked, 1000000); /* it would hold them all */
    }
    ck_assert_int_eq(ferry_channel_shutdown(client), 0);
    for (;;) {
        int code = ferry_channel_try_receive(client, inbox, &message, 1);
        if (code == 0)
            break;
        if (code > 0) {
            bytes_append(&received, message.data, message.size);
            ferry_message_fini(&message);
        } else {
            ck_assert_int_eq(code, -EAGAIN);
        }
        ck_assert_int_ge(ferry_loop_turn(loop, 0), 0);
    }
    ck_assert_uint_eq(count_lines(), asked); /* and every one was answered */
    finish();
}
END_TEST

START_TEST(test_a_request_longer_than_the_limit)
{
    static char line[CONTROL_REQUEST_SIZE_MAX + 1];
    start();
    memset(line, ' ', CONTROL_REQUEST_SIZE_MAX);
    say(line);
    listen_for(2);
    json_t *reply = only_reply();
    ck_assert(json_is_false(json_object_get(reply, "ok")));
    json_decref(reply);
    ck_assert_int_eq(done_count, 1);
    finish();
}
END_TEST

static int reload_that_stops(struct registry *asked, struct bytes *ret_text, void *data)
{
    ck_assert_ptr_eq(asked, &registry);
    (void)data;
    service_control.stop(serving);
    bytes_append_text(ret_text, "1 removed");
    return 0;
}

START_TEST(test_an_order_that_stops_its_own_connection_is_answered)
{
    start();
    registry.reload = reload_that_stops;
    say("{\"do\":\"reload\"}\n{\"do\":\"reload\"}\n");
    listen_for(2);
    json_t *reply = only_reply();
    ck_assert_str_eq(json_string_value(json_object_get(reply, "text")), "1 removed");
    json_decref(reply);
    ck_assert_int_eq(done_count, 0);
    finish();
}
END_TEST

static int reload_that_fails(struct registry *asked, struct bytes *ret_text, void *data)
{
    (void)asked;
    (void)data;
    bytes_append_text(ret_text, "line one\nline two");
    return -EINVAL;
}

START_TEST(test_a_reload_that_fails_says_why)
{
    start();
    registry.reload = reload_that_fails;
    say("{\"do\":\"reload\"}\n");
    listen_for(1);
    json_t *reply = only_reply();
    ck_assert(json_is_false(json_object_get(reply, "ok")));
    ck_assert_str_eq(json_string_value(json_object_get(reply, "error")), "line one\nline two");
    json_decref(reply);
    service_control.stop(serving);
    finish();
}
END_TEST

START_TEST(test_idle)
{
    ck_assert_int_eq(start_on(FERRY_UNIX, 20), 0);
    listen_for(1);
    ck_assert_int_eq(done_count, 1);
    ck_assert_int_eq(done_code, -ETIMEDOUT);
    finish();
}
END_TEST

START_TEST(test_messages_are_no_stream)
{
    ck_assert_int_eq(start_on(FERRY_UNIX_SEQ, 0), -EPROTOTYPE);
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("service/control");
    TCase *cases = tcase_create("control");
    tcase_set_timeout(cases, 20);
    tcase_add_test(cases, test_status);
    tcase_add_test(cases, test_the_last_request_needs_no_line_feed);
    tcase_add_test(cases, test_many_requests_in_one_piece);
    tcase_add_test(cases, test_a_client_that_does_not_read_is_not_read);
    tcase_add_test(cases, test_a_request_longer_than_the_limit);
    tcase_add_test(cases, test_an_order_that_stops_its_own_connection_is_answered);
    tcase_add_test(cases, test_a_reload_that_fails_says_why);
    tcase_add_test(cases, test_idle);
    tcase_add_test(cases, test_messages_are_no_stream);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
