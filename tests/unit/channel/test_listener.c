/* test_listener.c - rules in an address: who is refused never reaches the caller. */
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/ferry-listener-XXXXXX";
static struct ferry_listener *listener;
static struct ferry_channel *clients[100];
static size_t client_count;

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void)
{
    for (size_t i = 0; i < client_count; i++)
        ferry_channel_close(clients[i]);
    ferry_listener_close(listener);
    ck_assert_int_eq(rmdir(folder), 0);
}

static struct ferry_address *address_of(const char *scheme, const char *options)
{
    struct ferry_address *address;
    char text[256];
    snprintf(text, sizeof(text), "%s:%s/s%s", scheme, folder, options);
    ck_assert_int_eq(ferry_address_parse(text, NULL, &address, NULL), 0);
    return address;
}

static int try_listen(
    const char *scheme, const char *rules, bool admit_all, struct ferry_error *error)
{
    const struct ferry_listen_options options = { .struct_size = sizeof(options),
        .admit_all = admit_all };
    struct ferry_address *address = address_of(scheme, rules);
    int r = ferry_listen(address, &options, &listener, error);
    ferry_address_free(address);
    return r;
}

/* One client that says "hello". */
static void connect_one(const char *scheme)
{
    struct ferry_address *address = address_of(scheme, "");
    struct ferry_channel *client;
    ck_assert_int_eq(ferry_try_dial(address, NULL, &client, NULL), 0);
    ck_assert_int_eq(ferry_channel_send_bytes(client, "hello", 5, ferry_deadline(1000)), 0);
    clients[client_count++] = client;
    ferry_address_free(address);
}

static const char *const schemes[] = { "unix", "unix-seq", "unix-dgram" };

START_TEST(who_is_allowed_is_brought)
{
    char rules[64];
    struct ferry_channel *channel;
    snprintf(rules, sizeof(rules), ",allow=uid:4294967294 uid:%u", geteuid());
    ck_assert_int_eq(try_listen(schemes[_i], rules, false, NULL), 0);
    connect_one(schemes[_i]);
    ck_assert_int_eq(ferry_listener_accept(listener, ferry_deadline(1000), &channel), 0);
    ck_assert_uint_eq(ferry_listener_refused(listener), 0);
    ferry_channel_close(channel);
}
END_TEST

START_TEST(who_is_not_is_closed_and_counted)
{
    char rules[64];
    struct ferry_channel *channel;
    snprintf(rules, sizeof(rules), ",deny=uid:%u,allow=any", geteuid());
    ck_assert_int_eq(try_listen(schemes[_i], rules, false, NULL), 0);
    for (int i = 0; i < 3; i++)
        connect_one(schemes[_i]);
    ck_assert_int_eq(ferry_listener_accept(listener, ferry_deadline(50), &channel), -ETIMEDOUT);
    ck_assert_uint_ge(ferry_listener_refused(listener), 3);
}
END_TEST

/* A flood of refused peers is not served to its end in one call. */
START_TEST(refusals_of_one_call_are_bounded)
{
    struct ferry_channel *channel;
    ck_assert_int_eq(try_listen("unix", ",deny=any", false, NULL), 0);
    for (int i = 0; i < 100; i++)
        connect_one("unix");
    ck_assert_int_eq(ferry_listener_try_accept(listener, &channel), -EAGAIN);
    ck_assert_uint_lt(ferry_listener_refused(listener), 100);
    ck_assert_uint_gt(ferry_listener_refused(listener), 0);
    ck_assert_int_eq(ferry_listener_try_accept(listener, &channel), -EAGAIN);
    ck_assert_uint_eq(ferry_listener_refused(listener), 100);
}
END_TEST

START_TEST(a_caller_may_decide_himself)
{
    struct ferry_channel *channel;
    ck_assert_int_eq(try_listen("unix", ",deny=any", true, NULL), 0);
    connect_one("unix");
    ck_assert_int_eq(ferry_listener_try_accept(listener, &channel), 0);
    ck_assert_uint_eq(ferry_listener_refused(listener), 0);
    ferry_channel_close(channel);
}
END_TEST

START_TEST(rules_that_nothing_could_decide_are_refused)
{
    struct ferry_error error = { 0 };
    struct ferry_address *address;

    ck_assert_int_eq(try_listen("unix", ",allow=peer:10.0.0.0/8", false, &error), -EOPNOTSUPP);
    ck_assert_str_eq(error.thing, "allow peer:10.0.0.0/8");
    ck_assert_str_eq(error.reason, "who comes there comes by no network");
    ck_assert_int_eq(ferry_address_parse("tcp:0,allow=uid:0", NULL, &address, NULL), 0);
    ck_assert_int_eq(ferry_listen(address, NULL, &listener, &error), -EOPNOTSUPP);
    ferry_address_free(address);
    ck_assert_str_eq(error.reason, "nobody vouches for who comes there");
    ck_assert_ptr_nonnull(strstr(error.remedy, "peer:HOST[/BITS]"));
    ck_assert_int_eq(try_listen("unix", ",allow=user:no-such-user-here", false, &error), -ENOENT);
    listener = NULL;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel/listener");
    TCase *cases = tcase_create("rules in an address");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, who_is_allowed_is_brought, 0, 3);
    tcase_add_loop_test(cases, who_is_not_is_closed_and_counted, 0, 3);
    tcase_add_test(cases, refusals_of_one_call_are_bounded);
    tcase_add_test(cases, a_caller_may_decide_himself);
    tcase_add_test(cases, rules_that_nothing_could_decide_are_refused);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
