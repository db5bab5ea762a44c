/* test_side.c - ADDR of `src ADDR` and `dst ADDR`. */
#include "command/ls/side.h"
#include "suite.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static bool matches(const char *word, const char *address, uint16_t port)
{
    struct ferry_inet inet = { .local_port = port };
    struct ferry_endpoint endpoint = { .kind = FERRY_ENDPOINT_TCP, .inet = &inet };
    struct ls_side side = { .kind = LS_SIDE_ANY };
    struct ferry_error error;

    endpoint.family = strchr(address, ':') ? AF_INET6 : AF_INET;
    ck_assert_int_eq(inet_pton(endpoint.family, address, inet.local), 1);
    ck_assert_msg(ls_side_parse(word, &side, &error) == 0, "%s: %s", word, error.reason);
    bool is = ls_side_matches(&side, &endpoint, false);
    ls_side_fini(&side);
    return is;
}

START_TEST(ports)
{
    ck_assert(matches(":80", "10.1.2.3", 80));
    ck_assert(matches("*:80", "::1", 80));
    ck_assert(!matches(":80", "10.1.2.3", 8080));
    ck_assert(matches("10.1.2.3:80", "10.1.2.3", 80));
    ck_assert(!matches("10.1.2.3:80", "10.1.2.3", 81));
    ck_assert(matches("10.1.2.3:*", "10.1.2.3", 81));
    ck_assert(matches("[fe80::1]:80", "fe80::1", 80));
    ck_assert(!matches("[fe80::1]:80", "fe80::2", 80));
}
END_TEST

START_TEST(prefixes)
{
    ck_assert(matches("10.0.0.0/8", "10.255.0.1", 1));
    ck_assert(!matches("10.0.0.0/8", "11.0.0.1", 1));
    ck_assert(matches("10.0.0.0/7", "11.0.0.1", 1));
    ck_assert(matches("10.64.0.0/10", "10.127.0.1", 1));
    ck_assert(!matches("10.64.0.0/10", "10.128.0.1", 1));
    ck_assert(matches("0.0.0.0/0", "11.0.0.1", 1));
    ck_assert(matches("10.1.2.3/32", "10.1.2.3", 1));
    ck_assert(!matches("10.1.2.3", "10.1.2.2", 1));
    ck_assert(matches("fe80::/10", "febf::1", 1));
    ck_assert(!matches("fe80::/10", "fec0::1", 1));
    ck_assert(!matches("::/0", "10.1.2.3", 1));
}
END_TEST

START_TEST(ipv4_in_ipv6_is_ipv4)
{
    ck_assert(matches("10.0.0.0/8", "::ffff:10.1.2.3", 1));
    ck_assert(!matches("10.0.0.0/8", "::ffff:11.1.2.3", 1));
    ck_assert(!matches("0.0.0.0/0", "fe80::1", 1));
}
END_TEST

START_TEST(names)
{
    static const char abstract[] = "\0web";
    struct ferry_endpoint path = { .kind = FERRY_ENDPOINT_UNIX_STREAM,
        .family = AF_UNIX,
        .name = "/run/a.sock",
        .name_size = 11 };
    struct ferry_endpoint named = { .kind = FERRY_ENDPOINT_UNIX_STREAM,
        .family = AF_UNIX,
        .name = abstract,
        .name_size = 4,
        .peer = &path };
    struct ls_side side = { .kind = LS_SIDE_ANY };
    struct ferry_error error;

    ck_assert(ls_side_matches(&side, &path, false));
    ck_assert_int_eq(ls_side_parse("/run/*", &side, &error), 0);
    ck_assert(ls_side_matches(&side, &path, false));
    ck_assert(!ls_side_matches(&side, &named, false));
    ck_assert(ls_side_matches(&side, &named, true));
    ck_assert_int_eq(ls_side_parse("@w?b", &side, &error), 0);
    ck_assert(ls_side_matches(&side, &named, false));
    ck_assert_int_eq(ls_side_parse("unix:/run/a.sock", &side, &error), 0);
    ck_assert(ls_side_matches(&side, &path, false));
    ck_assert_int_eq(ls_side_parse(":80", &side, &error), 0);
    ck_assert(!ls_side_matches(&side, &path, false));
    ls_side_fini(&side);
}
END_TEST

START_TEST(what_is_no_address)
{
    static const char *const words[] = { "1.2.3", "10.0.0.0/33", "10.0.0.0/", "::1/129", ":70000",
        ":", ":x", ":-1", "[::1", "host", "[]", "1.2.3.4/8/8" };
    struct ls_side side = { .kind = LS_SIDE_ANY };
    struct ferry_error error;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        ck_assert_msg(ls_side_parse(words[i], &side, &error) < 0, "%s", words[i]);
    ck_assert_int_eq(side.kind, LS_SIDE_ANY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/ls/side");
    TCase *tests = tcase_create("side");

    tcase_add_test(tests, ports);
    tcase_add_test(tests, prefixes);
    tcase_add_test(tests, ipv4_in_ipv6_is_ipv4);
    tcase_add_test(tests, names);
    tcase_add_test(tests, what_is_no_address);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
