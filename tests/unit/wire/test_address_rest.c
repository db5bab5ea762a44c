/* test_address_rest.c - what stands after each scheme. */
#include "address_cases.h"
#include "suite.h"

#include <errno.h>
#include <limits.h>

START_TEST(paths)
{
    expect_canonical("unix:/p", NULL, "unix:/p");
    expect_canonical("unix:///p", NULL, "unix:/p");
    expect_canonical("unix:////p//q", NULL, "unix:/p//q");
    expect_canonical("unix:rel/p", NULL, "unix:rel/p");
    expect_canonical("unix:rel/p", "/run", "unix:/run/rel/p");
    expect_canonical("unix:rel/p", "/run/", "unix:/run/rel/p");
    expect_canonical("unix:rel/p", "//run", "unix:/run/rel/p");
    expect_canonical("unix:rel/p", "", "unix:rel/p");
    expect_canonical("unix:./rel", "/run", "unix:/run/rel");
    expect_canonical("unix:.//rel", "/run", "unix:/run/rel");
    expect_canonical("unix:../rel", "/run", "unix:/run/../rel");
    expect_canonical("unix:/p", "/run", "unix:/p");
    expect_canonical("unix:a", "@base,", "unix:./@base\\,/a");
    expect_canonical("fifo:f,reply=r", "/run", "fifo:/run/f,reply=/run/r");
    expect_canonical("file:///etc/motd", "/run", "file:/etc/motd");
    expect_canonical("unix:p,bind=b", "/run", "unix:/run/p,bind=/run/b");
    expect_failure("unix://host/p", -EINVAL, 6, "found '//host/p'", "two slashes");
    expect_failure("fifo:/f,reply=", -EINVAL, 15, "a path", "");
}
END_TEST

START_TEST(abstract_names)
{
    struct ferry_address *address = expect_address("unix:@name", "/base", "unix:@name");
    ck_assert(address->abstract);
    ck_assert_str_eq(address->rest, "name");
    ferry_address_free(address);

    address = expect_address("unix-seq:@\\x00a\\x00\xff@", NULL, "unix-seq:@\\x00a\\x00\\xff@");
    ck_assert(address->abstract);
    ck_assert_uint_eq(address->rest_size, 5);
    ck_assert_mem_eq(address->rest, "\0a\0\xff@", 6);
    ferry_address_free(address);

    address = expect_address("unix:@a\\,b", NULL, "unix:@a\\,b");
    ck_assert_str_eq(address->rest, "a,b");
    ferry_address_free(address);
    expect_canonical("unix:/p,bind=@me", "/base", "unix:/p,bind=@me");
    expect_failure("unix:@", -EINVAL, 7, "abstract", "");
    expect_failure("unix:@,mode=0600", -EINVAL, 7, "abstract", "");
    expect_failure("unix:/p,bind=@", -EINVAL, 15, "abstract", "");
    expect_failure("unix:/p,bind=@\\x00", -EINVAL, 15, "NUL", "");
}
END_TEST

START_TEST(a_file_that_begins_with_at)
{
    struct ferry_address *address = expect_address("unix:./@x", NULL, "unix:./@x");
    ck_assert(!address->abstract);
    ck_assert_str_eq(address->rest, "./@x");
    ferry_address_free(address);

    address = expect_address("unix:\\x40x", NULL, "unix:./@x");
    ck_assert(!address->abstract);
    ferry_address_free(address);
    expect_canonical("unix:./@x", "/run", "unix:/run/@x");
    expect_canonical("unix:\\x40x", "/run", "unix:/run/@x");
    expect_canonical("file:@x", NULL, "file:./@x");
    expect_canonical("unix:/p,bind=\\x40x", NULL, "unix:/p,bind=./@x");
}
END_TEST

START_TEST(long_names)
{
    char text[PATH_MAX + 300];

    /* 200 bytes are more than sun_path has room for, and are left to the transport. */
    memset(text, 'a', sizeof(text));
    memcpy(text, "unix:/", 6);
    text[200] = '\0';
    expect_canonical(text, NULL, text);
    memset(text + 200, 'a', 100);
    text[5 + 1 + NAME_MAX] = '\0';
    expect_canonical(text, NULL, text);
    text[5 + 1 + NAME_MAX] = 'a';
    text[5 + 1 + NAME_MAX + 1] = '\0';
    expect_failure(text, -ENAMETOOLONG, 6, "255", "");

    for (size_t i = 5; i < sizeof(text); i++)
        text[i] = i % 2 ? '/' : 'a';
    text[5 + PATH_MAX - 1] = '\0';
    expect_canonical(text, NULL, text);
    text[5 + PATH_MAX - 1] = 'a';
    text[5 + PATH_MAX] = '\0';
    expect_failure(text, -ENAMETOOLONG, 6, "4095", "");

    memset(text, 'a', sizeof(text));
    memcpy(text, "unix:@", 6);
    text[6 + 107] = '\0';
    expect_canonical(text, NULL, text);
    text[6 + 107] = 'a';
    text[6 + 108] = '\0';
    expect_failure(text, -ENAMETOOLONG, 6, "107", "");
}
END_TEST

START_TEST(places)
{
    static const struct {
        const char *text, *canonical, *host;
        unsigned port;
    } cases[] = {
        { "tcp:8080", "tcp:8080", "", 8080 },
        { "tcp::80", "tcp:80", "", 80 },
        { "tcp:0", "tcp:0", "", 0 },
        { "tcp:00080", "tcp:80", "", 80 },
        { "tcp:host:65535", "tcp:host:65535", "host", 65535 },
        { "tcp:*:80", "tcp:*:80", "*", 80 },
        { "tcp:127.0.0.1:80", "tcp:127.0.0.1:80", "127.0.0.1", 80 },
        { "tcp:[::1]:80", "tcp:[::1]:80", "::1", 80 },
        { "tcp:[0:0:0:0:0:0:0:1]:80", "tcp:[::1]:80", "::1", 80 },
        { "tcp:[FE80::1%25eth0]:80", "tcp:[fe80::1%25eth0]:80", "fe80::1%eth0", 80 },
        { "tcp:[fe80::1%eth0]:80", "tcp:[fe80::1%25eth0]:80", "fe80::1%eth0", 80 },
        { "tcp:[fe80::1%25]:80", "tcp:[fe80::1%2525]:80", "fe80::1%25", 80 },
        { "tcp://h:80", "tcp:h:80", "h", 80 },
        { "tcp://h:80/", "tcp:h:80", "h", 80 },
        { "tcp://[::1]:80/", "tcp:[::1]:80", "::1", 80 },
        { "udp://h:53/", "udp:h:53", "h", 53 },
        { "udp:*:5353,bind=[::]:0", "udp:*:5353,bind=[::]:0", "*", 5353 },
        { "tcp:h:1,bind=127.0.0.1:0", "tcp:h:1,bind=127.0.0.1:0", "h", 1 },
        { "tcp:h:1,bind=:9", "tcp:h:1,bind=9", "h", 1 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ferry_address *address = expect_address(cases[i].text, "/base", cases[i].canonical);
        ck_assert_str_eq(address->rest, cases[i].host);
        ck_assert_uint_eq(address->port, cases[i].port);
        ferry_address_free(address);
    }
}
END_TEST

START_TEST(places_that_are_none)
{
    expect_failure("tcp:65536", -EINVAL, 5, "0 to 65535", "");
    expect_failure("tcp:host", -EINVAL, 5, "HOST:PORT", "");
    expect_failure("tcp:host:", -EINVAL, 10, "a port", "");
    expect_failure("tcp:host:http", -EINVAL, 10, "found 'http'", "");
    expect_failure("tcp:host:-1", -EINVAL, 10, "a port", "");
    expect_failure("tcp:host:+1", -EINVAL, 10, "a port", "");
    expect_failure("tcp:host:99999999999999999999", -EINVAL, 10, "a port", "");
    expect_failure("tcp:a b:80", -EINVAL, 6, "a host", "");
    expect_failure("tcp://h:80/x", -EINVAL, 9, "a port", "");
    expect_failure("tcp:::1:80", -EINVAL, 5, "HOST:PORT", "[::1]:80");
    expect_failure("tcp:fe80::1:80", -EINVAL, 5, "HOST:PORT", "[fe80::1]:80");
    expect_failure("tcp:[::1", -EINVAL, 5, "']'", "");
    expect_failure("tcp:[::1]", -EINVAL, 10, "':' and a port", "");
    expect_failure("tcp:[::1]80", -EINVAL, 10, "':' and a port", "");
    expect_failure("tcp:[::g]:80", -EINVAL, 6, "an IPv6 address", "");
    expect_failure("tcp:[]:80", -EINVAL, 6, "an IPv6 address", "");
    expect_failure("tcp:[fe80::1%]:80", -EINVAL, 14, "interface", "");
    expect_failure("tcp:[fe80::1%a/b]:80", -EINVAL, 15, "interface", "");
    expect_failure("tcp:[fe80::1%0123456789abcdef]:80", -EINVAL, 14, "interface", "");
    expect_failure("tcp:h:1,bind=h", -EINVAL, 14, "HOST:PORT", "");
}
END_TEST

START_TEST(hosts)
{
    expect_canonical("icmp:localhost", NULL, "icmp:localhost");
    expect_canonical("icmp:10.0.0.1,ttl=064", NULL, "icmp:10.0.0.1,ttl=64");
    expect_canonical("icmp:::1", NULL, "icmp:[::1]");
    expect_canonical("icmp:[0:0::1]", NULL, "icmp:[::1]");
    expect_canonical("icmp:fe80::1%eth0", NULL, "icmp:[fe80::1%25eth0]");
    expect_canonical("icmp:[fe80::1%25eth0]", NULL, "icmp:[fe80::1%25eth0]");
    expect_canonical("icmp://h/", NULL, "icmp:h");
    expect_failure("icmp:", -EINVAL, 6, "a host", "");
    expect_failure("icmp://", -EINVAL, 8, "a host", "");
    expect_failure("icmp:*", -EINVAL, 6, "a host", "");
    expect_failure("icmp:h:80", -EINVAL, 7, "the end of the host", "no port");
    expect_failure("icmp:[::1]:80", -EINVAL, 6, "an IPv6 address", "");
    expect_failure("icmp:[::1", -EINVAL, 6, "an IPv6 address", "");
    expect_failure("icmp:[]", -EINVAL, 7, "an IPv6 address", "");
    expect_failure("icmp:[", -EINVAL, 6, "a host", "");
    expect_failure("icmp:a b", -EINVAL, 7, "a host", "");
    expect_failure("icmp:h,ttl=256", -EINVAL, 12, "1 to 255", "");
}
END_TEST

START_TEST(hosts_that_are_names)
{
    static const struct {
        const char *text;
        bool name;
    } cases[] = {
        { "icmp:localhost", true },
        { "icmp:10.0.0.1", false },
        { "icmp:fe80::1%eth0", false },
        { "tcp:h.example:80", true },
        { "tcp:80", false },
        { "udp:*:80", false },
        { "tcp:[::1]:80", false },
        { "unix:/localhost", false },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ferry_address *address;
        ck_assert_int_eq(ferry_address_parse(cases[i].text, NULL, &address, NULL), 0);
        ck_assert_msg(address_host_is_name(address) == cases[i].name, "%s", cases[i].text);
        ferry_address_free(address);
    }
}
END_TEST

START_TEST(queues)
{
    char text[300];

    expect_canonical("mq:/q,reply=/r", "/base", "mq:/q,reply=/r");
    expect_canonical("mq:/a\\,b", NULL, "mq:/a\\,b");
    expect_failure("mq:q", -EINVAL, 4, "'/'", "");
    expect_failure("mq:/", -EINVAL, 4, "'/'", "");
    expect_failure("mq:/a/b", -EINVAL, 6, "second slash", "EACCES");
    expect_failure("mq:/..", -EINVAL, 4, "other than", "");
    expect_failure("mq:/q,reply=r", -EINVAL, 13, "'/'", "");
    memset(text, 'q', sizeof(text));
    memcpy(text, "mq:/", 4);
    text[4 + NAME_MAX] = '\0';
    expect_canonical(text, NULL, text);
    text[4 + NAME_MAX] = 'q';
    text[4 + NAME_MAX + 1] = '\0';
    expect_failure(text, -ENAMETOOLONG, 4, "255", "");
}
END_TEST

START_TEST(descriptors)
{
    struct ferry_address *address = expect_address("fd:007", NULL, "fd:7");
    ck_assert_int_eq(address->descriptor, 7);
    ferry_address_free(address);
    address = expect_address("fd:web.socket", NULL, "fd:web.socket");
    ck_assert_int_eq(address->descriptor, -1);
    ck_assert_str_eq(address->rest, "web.socket");
    ferry_address_free(address);
    expect_canonical("fd:0", NULL, "fd:0");
    expect_canonical("fd:2147483647", NULL, "fd:2147483647");
    expect_failure("fd:2147483648", -EINVAL, 4, "number", "");
    expect_failure("fd:-1", -EINVAL, 4, "number", "");
    expect_failure("fd:a:b", -EINVAL, 4, "LISTEN_FDNAMES", "");
    expect_failure("fd:\xc3\xa4", -EINVAL, 4, "LISTEN_FDNAMES", "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/address_rest");
    TCase *tests = tcase_create("address_rest");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, paths);
    tcase_add_test(tests, abstract_names);
    tcase_add_test(tests, a_file_that_begins_with_at);
    tcase_add_test(tests, long_names);
    tcase_add_test(tests, places);
    tcase_add_test(tests, places_that_are_none);
    tcase_add_test(tests, hosts);
    tcase_add_test(tests, hosts_that_are_names);
    tcase_add_test(tests, queues);
    tcase_add_test(tests, descriptors);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
