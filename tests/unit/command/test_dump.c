/* test_dump.c - what -x shows. */
#include "base/clock.h"
#include "command/dump.h"
#include "command/limits.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const int64_t moment = INT64_C(1709251198) * NS_PER_S + 123456789;

START_TEST(test_one_message)
{
    struct bytes text = BYTES_EMPTY;
    setenv("TZ", "UTC", 1);
    dump_print(&text, true, moment, 0, "hello\n", 6, 1);
    ck_assert_str_eq(text.data, "> 2024/02/29 23:59:58.123456 length=6 from=0 to=5 descriptors=1\n"
                                " 68 65 6c 6c 6f 0a                                hello.\n");
    bytes_fini(&text);
}
END_TEST

START_TEST(test_rows_of_sixteen)
{
    struct bytes text = BYTES_EMPTY;
    setenv("TZ", "UTC", 1);
    dump_print(&text, false, moment, 100, "0123456789abcdef\x01\xff~", 19, 0);
    ck_assert_str_eq(text.data,
        "< 2024/02/29 23:59:58.123456 length=19 from=100 to=118\n"
        " 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n"
        " 01 ff 7e                                         ..~\n");
    bytes_fini(&text);
}
END_TEST

START_TEST(test_an_empty_message_has_a_head_only)
{
    struct bytes text = BYTES_EMPTY;
    dump_print(&text, true, moment, 7, "", 0, 0);
    ck_assert_ptr_nonnull(strstr(text.data, "length=0 from=7 to=7\n"));
    ck_assert_ptr_eq(strchr(text.data, '\n'), text.data + text.size - 1);
    bytes_fini(&text);
}
END_TEST

START_TEST(test_a_large_message_is_cut_and_counted)
{
    struct bytes text = BYTES_EMPTY;
    static char data[DUMP_SIZE_MAX + 5];
    size_t rows = 0;
    dump_print(&text, true, moment, 0, data, sizeof(data), 0);
    for (const char *feed = text.data; (feed = strchr(feed, '\n')); feed++)
        rows++;
    ck_assert_uint_eq(rows, 1 + DUMP_SIZE_MAX / 16 + 1);
    ck_assert_ptr_nonnull(strstr(text.data, "\n and 5 bytes more\n"));
    bytes_fini(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/dump");
    TCase *cases = tcase_create("dump");
    tcase_set_timeout(cases, 10);
    tcase_add_test(cases, test_one_message);
    tcase_add_test(cases, test_rows_of_sixteen);
    tcase_add_test(cases, test_an_empty_message_has_a_head_only);
    tcase_add_test(cases, test_a_large_message_is_cut_and_counted);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
