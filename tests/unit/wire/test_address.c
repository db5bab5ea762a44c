/* test_address.c - addresses as a whole: schemes, canonical text, equality, copies. */
#include "address_cases.h"
#include "suite.h"
#include "wire/limits.h"

#include <errno.h>

START_TEST(every_scheme)
{
    static const struct {
        const char *text;
        enum ferry_scheme scheme;
        const char *rest;
    } cases[] = {
        { "unix:/p", FERRY_UNIX, "/p" },
        { "unix-dgram:/p", FERRY_UNIX_DGRAM, "/p" },
        { "unix-seq:/p", FERRY_UNIX_SEQ, "/p" },
        { "tcp:localhost:80", FERRY_TCP, "localhost" },
        { "udp:localhost:80", FERRY_UDP, "localhost" },
        { "fifo:/p", FERRY_FIFO, "/p" },
        { "mq:/q", FERRY_MQ, "/q" },
        { "fd:3", FERRY_FD, "" },
        { "exec:cat -n", FERRY_EXEC, "cat -n" },
        { "file:/p", FERRY_FILE, "/p" },
        { "-", FERRY_STDIO, "" },
        { "icmp:localhost", FERRY_ICMP, "localhost" },
        { "auto:/p", FERRY_AUTO, "/p" },
    };
    ck_assert_uint_eq(sizeof(cases) / sizeof(cases[0]), FERRY_SCHEME_COUNT);
    for (size_t i = 0; i < FERRY_SCHEME_COUNT; i++) {
        struct ferry_address *address = expect_address(cases[i].text, NULL, cases[i].text);
        ck_assert_int_eq(ferry_address_scheme(address), cases[i].scheme);
        ck_assert_str_eq(address->rest, cases[i].rest);
        ck_assert_uint_eq(address->option_count, 0);
        ferry_address_free(address);
    }
    ferry_address_free(NULL);
}
END_TEST

START_TEST(escapes)
{
    struct ferry_address *address =
        expect_address("unix:/a\\,b\\\\c d=e", NULL, "unix:/a\\,b\\\\c d=e");
    ck_assert_str_eq(address->rest, "/a,b\\c d=e");
    ferry_address_free(address);

    address = expect_address("unix:/\\x0a\\x1B\\x2c\\xfFz", NULL, "unix:/\\x0a\\x1b\\,\\xffz");
    ck_assert_str_eq(address->rest, "/\n\x1b,\xffz");
    ferry_address_free(address);

    expect_canonical("unix:/tab\there\x7f", NULL, "unix:/tab\\x09here\\x7f");
    expect_canonical("unix:/\xc3\xa4\\xc3\\xa4\xc3", NULL, "unix:/\xc3\xa4\xc3\xa4\\xc3");
    expect_canonical("unix:/p,owner=a\\,b=c\\\\", NULL, "unix:/p,owner=a\\,b=c\\\\");
    expect_failure("unix:/a\\b", -EINVAL, 8, "found '\\b'", "\\\\");
    expect_failure("unix:/a\\", -EINVAL, 8, "escapes", "");
    expect_failure("unix:/a\\x0", -EINVAL, 8, "escapes", "");
    expect_failure("unix:/a\\xg0", -EINVAL, 8, "escapes", "");
    expect_failure("unix:/a\\x00", -EINVAL, 8, "NUL", "");
    expect_failure("unix:/p,owner=\\x00", -EINVAL, 15, "NUL", "");
}
END_TEST

START_TEST(options_in_any_order)
{
    struct ferry_address *one = expect_address(
        "unix:/p,group=g,frame=lf,mode=660", NULL, "unix:/p,mode=0660,group=g,frame=lf");
    struct ferry_address *two = expect_address(
        "unix:///p,frame=lf,mode=00660,group=g", NULL, "unix:/p,mode=0660,group=g,frame=lf");
    struct ferry_address *three = expect_address(
        "unix:/p,frame=lf,mode=0600,group=g", NULL, "unix:/p,mode=0600,group=g,frame=lf");

    ck_assert(ferry_address_equal(one, two));
    ck_assert(!ferry_address_equal(one, three));
    ck_assert_str_eq(ferry_address_option(one, "group"), "g");
    ck_assert_ptr_null(ferry_address_option(one, "owner"));
    ferry_address_free(one);
    ferry_address_free(two);
    ferry_address_free(three);
}
END_TEST

START_TEST(stdio)
{
    expect_canonical("-,frame=length", NULL, "-,frame=length");
    expect_failure("-x", -EINVAL, 1, "a scheme", "");
    expect_failure("-:", -EINVAL, 1, "a scheme", "");
}
END_TEST

START_TEST(a_command_is_taken_whole)
{
    struct ferry_address *address =
        expect_address("exec:sh -c 'a,b=\\x00 \\n'", "/base", "exec:sh -c 'a,b=\\x00 \\n'");
    ck_assert_str_eq(address->rest, "sh -c 'a,b=\\x00 \\n'");
    ck_assert_uint_eq(address->option_count, 0);
    ferry_address_free(address);
    expect_failure("exec:", -EINVAL, 6, "a program", "");
    expect_failure("exec:  ", -EINVAL, 8, "a program", "");
    expect_failure("exec:a 'b", -EINVAL, 10, "closing '", "");
    expect_failure("exec:a\\", -EINVAL, 8, "backslash", "");
}
END_TEST

START_TEST(nothing_after_the_scheme)
{
    static const char *const texts[] = {
        "unix:", "unix-dgram:", "unix-seq:", "tcp:", "udp:", "fifo:", "mq:", "fd:", "exec:", "file:"
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect_failure(texts[i], -EINVAL, (unsigned)strlen(texts[i]) + 1, "found the end", "");
    expect_failure("unix", -EINVAL, 5, "expected ':'", "");
}
END_TEST

START_TEST(the_longest_text)
{
    char *text = malloc(ADDRESS_SIZE_MAX + 2);
    struct ferry_address *address;

    memset(text, 'a', ADDRESS_SIZE_MAX + 1);
    text[ADDRESS_SIZE_MAX + 1] = '\0';
    memcpy(text, "exec:", 5);
    expect_failure(text, -ENAMETOOLONG, ADDRESS_SIZE_MAX + 1, "at most", "");
    text[ADDRESS_SIZE_MAX] = '\0';
    ck_assert_int_eq(ferry_address_parse(text, NULL, &address, NULL), 0);
    ck_assert_str_eq(ferry_address_text(address), text);
    ferry_address_free(address);
    free(text);
}
END_TEST

START_TEST(a_failure_is_printable)
{
    struct ferry_address *address;
    struct ferry_error error;

    ck_assert_int_eq(ferry_address_parse("unix:/a,\x1b[2J", NULL, &address, &error), -EINVAL);
    ck_assert_str_eq(error.thing, "unix:/a,\\x1b[2J");
    ck_assert_ptr_null(strchr(error.reason, '\x1b'));
    ck_assert_ptr_nonnull(strstr(error.reason, "found '\\x1b[2J'"));
}
END_TEST

START_TEST(auto_on_another_machine)
{
    static const char *const cases[][2] = {
        { "auto:db:5432", "tcp:db:5432,frame=length" },
        { "auto:[::1]:80,frame=lf", "tcp:[::1]:80,frame=lf" },
        { "auto:./db:5432", "auto:./db:5432" },
        { "auto:/run/db:5432", "auto:/run/db:5432" },
        { "auto:@db:5432", "auto:@db:5432" },
        { "auto:db:x,ring", "auto:db:x,ring" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ferry_address_free(expect_address(cases[i][0], NULL, cases[i][1]));
}
END_TEST

START_TEST(another_host)
{
    struct ferry_address *address =
        expect_address("tcp:name:80,frame=lf", NULL, "tcp:name:80,frame=lf");
    struct ferry_address *other = address_with_host(address, "fe80::1%eth0");

    ck_assert_str_eq(ferry_address_text(other), "tcp:[fe80::1%25eth0]:80,frame=lf");
    ck_assert_str_eq(other->rest, "fe80::1%eth0");
    ck_assert_uint_eq(other->rest_size, strlen("fe80::1%eth0"));
    ck_assert_str_eq(ferry_address_option(other, "frame"), "lf");
    ck_assert_str_eq(ferry_address_text(address), "tcp:name:80,frame=lf");
    ferry_address_free(other);
    other = address_with_host(address, "");
    ck_assert_str_eq(ferry_address_text(other), "tcp:80,frame=lf");
    ferry_address_free(other);
    ferry_address_free(address);
}
END_TEST

START_TEST(another_port)
{
    struct ferry_address *address = expect_address("tcp:*:0,backlog=5", NULL, "tcp:*:0,backlog=5");
    struct ferry_address *other = address_with_port(address, 65535);

    ck_assert_str_eq(ferry_address_text(other), "tcp:*:65535,backlog=5");
    ck_assert_uint_eq(other->port, 65535);
    ck_assert_int_eq(address_get_number(other, "backlog", -1), 5);
    ferry_address_free(other);
    ferry_address_free(address);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/address");
    TCase *tests = tcase_create("address");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, every_scheme);
    tcase_add_test(tests, escapes);
    tcase_add_test(tests, options_in_any_order);
    tcase_add_test(tests, stdio);
    tcase_add_test(tests, a_command_is_taken_whole);
    tcase_add_test(tests, nothing_after_the_scheme);
    tcase_add_test(tests, the_longest_text);
    tcase_add_test(tests, a_failure_is_printable);
    tcase_add_test(tests, auto_on_another_machine);
    tcase_add_test(tests, another_host);
    tcase_add_test(tests, another_port);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
