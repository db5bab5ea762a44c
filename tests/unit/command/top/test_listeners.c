/* test_listeners.c - whose connection a socket is, and how fast they come and go. */
#include "base/clock.h"
#include "command/top/listeners.h"
#include "command/top/past.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const struct ferry_namespace here = { .inode = 1 }, there = { .inode = 2 };
static uint64_t cookies;

static struct ferry_endpoint named(const char *name, unsigned state)
{
    cookies++;
    return (struct ferry_endpoint){ .kind = FERRY_ENDPOINT_UNIX_STREAM,
        .family = AF_UNIX,
        .state = (unsigned char)state,
        .cookie = cookies,
        .inode = cookies,
        .name = name,
        .name_size = strlen(name),
        .network = &here };
}

static struct ferry_endpoint tcp(
    struct ferry_inet *inet, unsigned char family, unsigned char last, uint16_t port)
{
    cookies++;
    memset(inet, 0, sizeof(*inet));
    inet->local[family == AF_INET ? 3 : 15] = last;
    inet->local_port = port;
    return (struct ferry_endpoint){ .kind = FERRY_ENDPOINT_TCP,
        .family = family,
        .cookie = cookies,
        .inode = cookies,
        .inet = inet,
        .network = &here };
}

START_TEST(test_a_name_leads_to_its_listener)
{
    struct top_listeners listeners = { 0 };
    struct ferry_endpoint server = named("/run/a", FERRY_STATE_LISTENING);
    struct ferry_endpoint mine = named("/run/a", FERRY_STATE_ESTABLISHED);
    struct ferry_endpoint other = named("/run/b", FERRY_STATE_ESTABLISHED);
    struct ferry_endpoint without = named("", FERRY_STATE_ESTABLISHED);

    without.name = NULL;
    mine.network = &there; /* an accepted socket is in its client's */
    top_listeners_begin(&listeners);
    ck_assert_int_eq(top_listeners_add(&listeners, &server), 0);
    ck_assert_ptr_eq(top_listeners_of(&listeners, &mine)->endpoint, &server);
    ck_assert_ptr_null(top_listeners_of(&listeners, &other));
    ck_assert_ptr_null(top_listeners_of(&listeners, &without));
    top_listeners_fini(&listeners);
}
END_TEST

START_TEST(test_the_address_goes_before_any_and_families_do_not_mix)
{
    struct top_listeners listeners = { 0 };
    struct ferry_inet inets[6];
    struct ferry_endpoint any = tcp(&inets[0], AF_INET, 0, 80);
    struct ferry_endpoint any6 = tcp(&inets[1], AF_INET6, 0, 80);
    struct ferry_endpoint one = tcp(&inets[2], AF_INET, 7, 80);
    struct ferry_endpoint to_one = tcp(&inets[3], AF_INET, 7, 80);
    struct ferry_endpoint to_any = tcp(&inets[4], AF_INET, 8, 80);
    struct ferry_endpoint to_six = tcp(&inets[5], AF_INET6, 9, 80);

    top_listeners_begin(&listeners);
    ck_assert_int_eq(top_listeners_add(&listeners, &any), 0);
    ck_assert_int_eq(top_listeners_add(&listeners, &any6), 0);
    ck_assert_int_eq(top_listeners_add(&listeners, &one), 0);
    ck_assert_ptr_eq(top_listeners_of(&listeners, &to_one)->endpoint, &one);
    ck_assert_ptr_eq(top_listeners_of(&listeners, &to_any)->endpoint, &any);
    ck_assert_ptr_eq(top_listeners_of(&listeners, &to_six)->endpoint, &any6);
    ck_assert(!listeners.items[0].shared);
    to_any.network = &there;
    ck_assert_ptr_null(top_listeners_of(&listeners, &to_any));
    inets[4].local_port = 81;
    to_any.network = &here;
    ck_assert_ptr_null(top_listeners_of(&listeners, &to_any));
    top_listeners_fini(&listeners);
}
END_TEST

static void look(struct top_listeners *listeners, const struct ferry_endpoint *server,
    const struct ferry_endpoint *const *connections, int64_t time_ns)
{
    top_listeners_begin(listeners);
    ck_assert_int_eq(top_listeners_add(listeners, server), 0);
    for (; *connections; connections++)
        top_listener_count(top_listeners_of(listeners, *connections), *connections, time_ns);
    top_listeners_end(listeners, time_ns);
}

START_TEST(test_made_and_closed_are_known_from_the_second_look_on)
{
    struct top_listeners listeners = { 0 };
    struct ferry_endpoint server = named("/run/a", FERRY_STATE_LISTENING);
    struct ferry_endpoint a = named("/run/a", FERRY_STATE_ESTABLISHED), b = a, c = a, d = a;

    a.seen_ns = b.seen_ns = NS_PER_S;
    c.seen_ns = d.seen_ns = 3 * NS_PER_S;
    look(&listeners, &server, (const struct ferry_endpoint *[]){ &a, &b, NULL }, NS_PER_S);
    ck_assert_double_lt(top_listeners_find(&listeners, &server)->made_rate, 0);
    look(&listeners, &server, (const struct ferry_endpoint *[]){ &a, &c, &d, NULL }, 3 * NS_PER_S);
    ck_assert_uint_eq(top_listeners_find(&listeners, &server)->count, 3);
    ck_assert_double_eq(top_listeners_find(&listeners, &server)->made_rate, 1);
    ck_assert_double_eq(top_listeners_find(&listeners, &server)->closed_rate, 0.5);
    /* Another listener in its place knows nothing yet. */
    server.cookie = ++cookies;
    look(&listeners, &server, (const struct ferry_endpoint *[]){ &a, NULL }, 4 * NS_PER_S);
    ck_assert_double_lt(top_listeners_find(&listeners, &server)->made_rate, 0);
    top_listeners_fini(&listeners);
}
END_TEST

START_TEST(test_thousands)
{
    enum { COUNT = 3000 };
    static struct ferry_endpoint servers[COUNT];
    static struct ferry_inet inets[COUNT];
    struct top_listeners listeners = { 0 };

    top_listeners_begin(&listeners);
    for (unsigned i = 0; i < COUNT; i++) {
        servers[i] = tcp(&inets[i], AF_INET, 1, (uint16_t)(i + 1));
        ck_assert_int_eq(top_listeners_add(&listeners, &servers[i]), 0);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        struct ferry_inet inet;
        struct ferry_endpoint mine = tcp(&inet, AF_INET, 1, (uint16_t)(i + 1));
        ck_assert_ptr_eq(top_listeners_of(&listeners, &mine)->endpoint, &servers[i]);
        ck_assert_ptr_eq(top_listeners_find(&listeners, &servers[i])->endpoint, &servers[i]);
    }
    top_listeners_fini(&listeners);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/top/listeners");
    TCase *test = tcase_create("listeners");

    tcase_add_test(test, test_a_name_leads_to_its_listener);
    tcase_add_test(test, test_the_address_goes_before_any_and_families_do_not_mix);
    tcase_add_test(test, test_made_and_closed_are_known_from_the_second_look_on);
    tcase_add_test(test, test_thousands);
    suite_add_tcase(suite, test);
    return suite_run(suite);
}
