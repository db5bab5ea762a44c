/* test_table.c - columns for people. */
#include "command/table.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>

START_TEST(test_columns_are_as_wide_as_their_widest_cell)
{
    static const char *const headings[] = { "NAME", ">COUNT", "TO", NULL };
    struct table table;
    struct bytes text = BYTES_EMPTY;
    table_init(&table, headings);
    table_add(&table, "a");
    table_add(&table, "123456");
    table_add(&table, "x");
    table_add(&table, "longer");
    table_add(&table, "7");
    table_add(&table, NULL);
    table_print(&table, &text);
    ck_assert_str_eq(text.data, "NAME     COUNT  TO\n"
                                "a       123456  x\n"
                                "longer       7  \n");
    table_fini(&table);
    bytes_fini(&text);
}
END_TEST

START_TEST(test_control_characters_are_escaped_and_utf8_is_one_wide)
{
    static const char *const headings[] = { "A", "B", NULL };
    struct table table;
    struct bytes text = BYTES_EMPTY;
    table_init(&table, headings);
    table_add(&table, "\x1b[2J");
    table_add(&table, "b");
    table_add(&table, "h\xc3\xa4h");
    table_add(&table, "b");
    table_print(&table, &text);
    ck_assert_str_eq(text.data, "A        B\n"
                                "\\x1b[2J  b\n"
                                "h\xc3\xa4h      b\n");
    table_fini(&table);
    bytes_fini(&text);
}
END_TEST

static void expect_size(unsigned long long size, const char *people)
{
    char text[24];
    size_print(true, size, text);
    ck_assert_str_eq(text, people);
}

START_TEST(test_sizes)
{
    char text[24];
    expect_size(0, "0");
    expect_size(1023, "1023");
    expect_size(1024, "1.0K");
    expect_size(1536, "1.5K");
    expect_size(1048575, "1.0M");
    expect_size(10ull << 30, "10.0G");
    expect_size(~0ull, "16.0E");
    size_print(false, ~0ull, text);
    ck_assert_str_eq(text, "18446744073709551615");
}
END_TEST

static void expect_span(long long span_ms, const char *expected)
{
    char text[24];
    span_print(span_ms, text);
    ck_assert_str_eq(text, expected);
}

START_TEST(test_spans)
{
    expect_span(0, "0ms");
    expect_span(999, "999ms");
    expect_span(59999, "59s");
    expect_span(61000, "1m01s");
    expect_span(3661000, "1h01m");
    expect_span(90061000, "1d01h");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/table");
    TCase *cases = tcase_create("table");
    tcase_set_timeout(cases, 10);
    tcase_add_test(cases, test_columns_are_as_wide_as_their_widest_cell);
    tcase_add_test(cases, test_control_characters_are_escaped_and_utf8_is_one_wide);
    tcase_add_test(cases, test_sizes);
    tcase_add_test(cases, test_spans);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
