/* test_address_habits.c - what is said to a text that begins with no scheme. */
#include "address_cases.h"
#include "suite.h"

#include <errno.h>

START_TEST(the_schemes_are_named)
{
    expect_failure("", -EINVAL, 1,
        "a scheme (unix unix-dgram unix-seq tcp udp fifo mq fd exec file - icmp auto) and ':', "
        "found the end",
        "");
    expect_failure("carrier:pigeon", -EINVAL, 1, "found 'carrier:pigeon'", "");
    expect_failure(":", -EINVAL, 1, "a scheme", "");
}
END_TEST

START_TEST(paths)
{
    expect_failure("/run/x", -EINVAL, 1, "a scheme", "write unix:/run/x");
    expect_failure("./x", -EINVAL, 1, "a scheme", "write unix:./x");
    expect_failure("../x", -EINVAL, 1, "a scheme", "write unix:../x");
    expect_failure("@x", -EINVAL, 1, "a scheme", "write unix:@x");
}
END_TEST

START_TEST(places)
{
    expect_failure("8080", -EINVAL, 1, "a scheme", "write tcp:8080");
    expect_failure(":8080", -EINVAL, 1, "a scheme", "write tcp:8080");
    expect_failure("localhost:80", -EINVAL, 1, "a scheme", "write tcp:localhost:80");
    expect_failure("[::1]:80", -EINVAL, 1, "a scheme", "write tcp:[::1]:80");
}
END_TEST

START_TEST(hosts)
{
    expect_failure("10.0.0.1", -EINVAL, 1, "a scheme",
        "write icmp:10.0.0.1 to ping it, tcp:10.0.0.1:PORT to connect to it");
    expect_failure("::1", -EINVAL, 1, "a scheme",
        "write icmp:::1 to ping it, tcp:[::1]:PORT to connect to it");
    expect_failure("localhost", -EINVAL, 1, "a scheme",
        "write unix:localhost for a path, icmp:localhost or tcp:localhost:PORT for a host");
}
END_TEST

START_TEST(other_tools)
{
    static const char *const cases[][2] = {
        { "UNIX-CONNECT:/x", "write unix:PATH" },
        { "UNIX-LISTEN:/x,fork", "write unix:PATH" },
        { "UNIX:/x", "write unix:PATH" },
        { "UNIX-RECVFROM:/x", "write unix-dgram:PATH" },
        { "UNIX-SENDTO:/x", "write unix-dgram:PATH" },
        { "unixgram:/x", "write unix-dgram:PATH" },
        { "unixpacket:/x", "write unix-seq:PATH" },
        { "ABSTRACT-CONNECT:x", "write unix:@NAME" },
        { "TCP4:host:80", "write tcp:HOST:PORT" },
        { "TCP-LISTEN:80", "tcp:*:PORT" },
        { "tcp6:host:80", "write tcp:HOST:PORT" },
        { "UDP4-RECV:80", "udp:*:PORT" },
        { "http://host:80", "write tcp:HOST:PORT" },
        { "STDIO", "write -" },
        { "PIPE:/x", "write fifo:PATH" },
        { "POSIXMQ-RECV:/q", "write mq:/NAME" },
        { "SYSTEM:ls | wc", "exec:" },
        { "OPEN:/x", "write file:PATH" },
        { "FD:3", "write fd:NUMBER" },
        { "SHM:/x", "write auto:PATH" },
        { "ring:x", "write auto:PATH" },
        { "ipc:///x", "write auto:PATH" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_failure(cases[i][0], -EINVAL, 1, "a scheme", cases[i][1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/address_habits");
    TCase *tests = tcase_create("address_habits");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, the_schemes_are_named);
    tcase_add_test(tests, paths);
    tcase_add_test(tests, places);
    tcase_add_test(tests, hosts);
    tcase_add_test(tests, other_tools);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
