/* test_error.c - failures in words, and the classes of errno. */
#include "base/error.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(in_words)
{
    struct ferry_error error;
    char line[128];

    ck_assert_int_eq(
        error_set(&error, -ENOENT, "unix:/p", "start it", "no %s, %d", "server", 7), -ENOENT);
    ck_assert_int_eq(error.code, -ENOENT);
    ck_assert_str_eq(error.thing, "unix:/p");
    ck_assert_str_eq(error.reason, "no server, 7");
    ck_assert_str_eq(error.remedy, "start it");
    ck_assert_int_eq(ferry_error_format(&error, line, sizeof(line)), 31);
    ck_assert_str_eq(line, "unix:/p: no server, 7; start it");
}
END_TEST

START_TEST(with_parts_missing)
{
    struct ferry_error error;
    char line[64];

    ck_assert_int_eq(error_set(NULL, -EIO, "x", NULL, "y"), -EIO);
    error_set(&error, -EIO, "x", NULL, "y");
    ck_assert_str_eq(error.remedy, "");
    ferry_error_format(&error, line, sizeof(line));
    ck_assert_str_eq(line, "x: y");
    error_set(&error, -EIO, "", "z", "y");
    ferry_error_format(&error, line, sizeof(line));
    ck_assert_str_eq(line, "y; z");
    ck_assert_int_eq(ferry_error_format(&error, line, 3), 4);
    ck_assert_str_eq(line, "y;");
}
END_TEST

START_TEST(from_errno)
{
    struct ferry_error error;

    ck_assert_int_eq(error_set_errno(&error, -EACCES, "x", NULL), -EACCES);
    ck_assert_str_eq(error.reason, "Permission denied");
    error_set_errno(&error, -123456, "x", NULL);
    ck_assert_str_eq(error.reason, "unknown error");
}
END_TEST

START_TEST(of_a_path_with_what_mends_it)
{
    struct ferry_error error;
    char text[200];

    ck_assert_int_eq(error_set_path(&error, -ENOENT, "/x"), -ENOENT);
    ferry_error_format(&error, text, sizeof(text));
    ck_assert_str_eq(text, "/x: No such file or directory; check the path");
    ck_assert_int_eq(error_set_path(&error, -ENOTDIR, "/x"), -ENOTDIR);
    ck_assert_str_eq(error.remedy, "check the path");
    ck_assert_int_eq(error_set_path(&error, -EISDIR, "/x"), -EISDIR);
    ck_assert_str_eq(error.remedy, "name a file in it");
    ck_assert_int_eq(error_set_path(&error, -EACCES, "/x"), -EACCES);
    ck_assert_str_eq(error.remedy, "run as who may, or change its mode");
    ck_assert_int_eq(error_set_path(&error, -EIO, "/x"), -EIO);
    ck_assert_str_eq(error.remedy, "");
}
END_TEST

START_TEST(made_printable_and_cut)
{
    struct ferry_error error;
    char longer[1000];

    memset(longer, 'l', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    error_set(&error, -EIO, "a\x1b", "b\n", "c\r%s", "\x07");
    ck_assert_str_eq(error.thing, "a\\x1b");
    ck_assert_str_eq(error.remedy, "b\\x0a");
    ck_assert_str_eq(error.reason, "c\\x0d\\x07");
    error_set(&error, -EIO, longer, longer, "%s", longer);
    ck_assert_uint_eq(strlen(error.thing), sizeof(error.thing) - 1);
    ck_assert_uint_eq(strlen(error.reason), sizeof(error.reason) - 1);
    ck_assert_uint_eq(strlen(error.remedy), sizeof(error.remedy) - 1);
}
END_TEST

/* Every errno is in the classes that it should be in, and in no other. */
START_TEST(classes)
{
    static const int retry[] = { EAGAIN, EINTR, ETOOMANYREFS, 0 };
    static const int gone[] = { EPIPE, ECONNRESET, ECONNABORTED, ENOTCONN, ESHUTDOWN, ETIMEDOUT,
        EHOSTUNREACH, ENETUNREACH, ENETDOWN, ECONNREFUSED, ETIME, 0 };
    static const int resources[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM, 0 };

    for (int code = 0; code < 140; code++) {
        bool is_retry = false, is_gone = false, is_resources = false;
        for (size_t i = 0; retry[i]; i++)
            is_retry |= code == retry[i];
        for (size_t i = 0; gone[i]; i++)
            is_gone |= code == gone[i];
        for (size_t i = 0; resources[i]; i++)
            is_resources |= code == resources[i];
        ck_assert_int_eq(error_is_retry(-code), is_retry);
        ck_assert_int_eq(error_is_peer_gone(-code), is_gone);
        ck_assert_int_eq(error_is_out_of_resources(-code), is_resources);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/error");
    TCase *tests = tcase_create("error");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, in_words);
    tcase_add_test(tests, with_parts_missing);
    tcase_add_test(tests, from_errno);
    tcase_add_test(tests, of_a_path_with_what_mends_it);
    tcase_add_test(tests, made_printable_and_cut);
    tcase_add_test(tests, classes);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
