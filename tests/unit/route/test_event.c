/* test_event.c - the two renderings of an event. */
#include "route/event.h"
#include "suite.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct event_who root = { 4711, 0, 0 };
static const struct event_who stranger = { 12, 4123456789, 7 };
static struct bytes text;

static void setup(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
}

static void teardown(void)
{
    bytes_fini(&text);
}

#define NOON INT64_C(43200000000001)

START_TEST(test_text_of_a_refusal)
{
    struct event event = { .kind = EVENT_REFUSED,
        .time_ns = NOON,
        .route = "docker",
        .who = &root,
        .name = "curl",
        .executable = "/usr/bin/curl",
        .unit = "cron.service",
        .via = "unix:/run/a",
        .to = "unix:/run/b",
        .verdict = "rule 2: deny uid:0" };
    event_print_text(&event, &text);
    ck_assert_str_eq(text.data,
        "12:00:00 refused  docker: pid 4711 (curl) uid 0 (root) running "
        "/usr/bin/curl in cron.service by rule 2: deny uid:0; unix:/run/a -> unix:/run/b");
}
END_TEST

START_TEST(test_text_of_an_end)
{
    struct event event = { .kind = EVENT_CLOSED,
        .time_ns = NOON,
        .route = "docker",
        .who = &stranger,
        .peer = "unix:@x",
        .via = "unix:/run/a",
        .to = "echo",
        .bytes_in = 5,
        .bytes_out = 6,
        .descriptors = 2,
        .dropped = 1,
        .age_ms = 61007,
        .verdict = "rule 1: allow any",
        .reason = "both sides finished" };
    event_print_text(&event, &text);
    ck_assert_str_eq(text.data,
        "12:00:00 closed   docker: pid 12 uid 4123456789 at unix:@x by rule 1: allow any; both "
        "sides finished; in 5 out 6 bytes, 2 descriptors, 1 dropped in 61.007 s; unix:/run/a -> "
        "echo");
}
END_TEST

START_TEST(test_text_of_a_route)
{
    struct event event = { .kind = EVENT_STARTED,
        .time_ns = NOON,
        .route = "docker",
        .via = "unix:/run/a",
        .to = "echo",
        .reason = "service echo" };
    event_print_text(&event, &text);
    ck_assert_str_eq(text.data, "12:00:00 started  docker: unix:/run/a -> echo; service echo");
}
END_TEST

START_TEST(test_text_without_anything)
{
    struct event event = { .kind = EVENT_RELOADED, .time_ns = NOON, .reason = "nothing" };
    event_print_text(&event, &text);
    ck_assert_str_eq(text.data, "12:00:00 reloaded nothing");
    bytes_fini(&text);
    event = (struct event){ .kind = EVENT_FAILED, .time_ns = NOON, .route = "r" };
    event_print_text(&event, &text);
    ck_assert_str_eq(text.data, "12:00:00 failed   r: unknown; in 0 out 0 bytes in 0.000 s");
}
END_TEST

START_TEST(test_peers_cannot_forge_lines)
{
    struct event event = { .kind = EVENT_REFUSED,
        .time_ns = NOON,
        .route = "r",
        .who = &root,
        .name = "x\n12:00:00 \033[2K\xff" };
    event_print_text(&event, &text);
    ck_assert_ptr_null(strpbrk(text.data, "\n\033"));
    ck_assert_ptr_nonnull(strstr(text.data, "(x\\x0a12:00:00 \\x1b[2K\\xff)"));
    bytes_fini(&text);
    event_print_json(&event, &text);
    ck_assert_ptr_null(strpbrk(text.data, "\n\033"));
    json_t *line = json_loads(text.data, 0, NULL);
    ck_assert_str_eq(
        json_string_value(json_object_get(line, "name")), "x\\x0a12:00:00 \\x1b[2K\\xff");
    json_decref(line);
}
END_TEST

static const char *const keys[] = { "time", "event", "route", "pid", "uid", "gid", "name",
    "executable", "unit", "peer", "via", "to", "bytes_in", "bytes_out", "descriptors", "dropped",
    "age_ms", "verdict", "reason" };

START_TEST(test_json_has_all_keys_always)
{
    struct event event = { .kind = EVENT_TROUBLE, .time_ns = NOON };
    event_print_json(&event, &text);
    json_t *line = json_loads(text.data, 0, NULL);
    ck_assert_uint_eq(json_object_size(line), sizeof(keys) / sizeof(keys[0]));
    void *place = json_object_iter(line);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        ck_assert_str_eq(json_object_iter_key(place), keys[i]);
        place = json_object_iter_next(line, place);
    }
    ck_assert_str_eq(
        json_string_value(json_object_get(line, "time")), "1970-01-01T12:00:00.000000001Z");
    ck_assert_str_eq(json_string_value(json_object_get(line, "event")), "trouble");
    ck_assert(json_is_null(json_object_get(line, "pid")));
    ck_assert(json_is_null(json_object_get(line, "route")));
    ck_assert_int_eq(json_integer_value(json_object_get(line, "bytes_in")), 0);
    json_decref(line);
}
END_TEST

START_TEST(test_json_of_an_end)
{
    struct event event = { .kind = EVENT_CLOSED,
        .time_ns = NOON,
        .route = "docker",
        .who = &stranger,
        .bytes_in = UINT64_C(10) << 30,
        .age_ms = 5,
        .to = "echo" };
    event_print_json(&event, &text);
    json_t *line = json_loads(text.data, 0, NULL);
    ck_assert_int_eq(json_integer_value(json_object_get(line, "pid")), 12);
    ck_assert_int_eq(json_integer_value(json_object_get(line, "uid")), 4123456789);
    ck_assert_int_eq(json_integer_value(json_object_get(line, "gid")), 7);
    ck_assert_int_eq(json_integer_value(json_object_get(line, "bytes_in")), INT64_C(10) << 30);
    ck_assert_str_eq(json_string_value(json_object_get(line, "to")), "echo");
    json_decref(line);
}
END_TEST

static int order;

static void sink(const struct event *event, void *data)
{
    ck_assert_int_gt(event->time_ns, INT64_C(1600000000000000000));
    order = order * 10 + *(const int *)data;
}

START_TEST(test_sinks_are_called_in_order_with_a_time)
{
    struct events events = { 0 };
    const int one = 1, two = 2;
    events_add(&events, sink, (void *)(uintptr_t)&one);
    events_add(&events, sink, (void *)(uintptr_t)&two);
    event_emit(&events, &(struct event){ .kind = EVENT_STARTED });
    ck_assert_int_eq(order, 12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route/event");
    TCase *cases = tcase_create("event");
    tcase_set_timeout(cases, 10);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_text_of_a_refusal);
    tcase_add_test(cases, test_text_of_an_end);
    tcase_add_test(cases, test_text_of_a_route);
    tcase_add_test(cases, test_text_without_anything);
    tcase_add_test(cases, test_peers_cannot_forge_lines);
    tcase_add_test(cases, test_json_has_all_keys_always);
    tcase_add_test(cases, test_json_of_an_end);
    tcase_add_test(cases, test_sinks_are_called_in_order_with_a_time);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
