/* test_bytes.c - growable bytes and escaping. */
#include "base/bytes.h"
#include "base/limits.h"
#include "suite.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(appending)
{
    AUTO_BYTES struct bytes bytes = BYTES_EMPTY;

    bytes_append_text(&bytes, "ab");
    bytes_append_char(&bytes, 'c');
    bytes_append(&bytes, "\0d", 2);
    bytes_append(&bytes, NULL, 0);
    bytes_print(&bytes, "%d%s", 42, "e");
    ck_assert(!bytes_failed(&bytes));
    ck_assert_uint_eq(bytes.size, 8);
    ck_assert_mem_eq(bytes.data, "abc\0d42e", 9);
}
END_TEST

/* Over every boundary of capacity, byte by byte, always NUL-terminated. */
START_TEST(growing)
{
    AUTO_BYTES struct bytes bytes = BYTES_EMPTY;

    for (size_t i = 0; i < 10000; i++) {
        bytes_append_char(&bytes, (char)('a' + i % 26));
        ck_assert_uint_eq(bytes.size, i + 1);
        ck_assert_uint_gt(bytes.capacity, bytes.size);
        ck_assert_int_eq(bytes.data[bytes.size], '\0');
    }
    for (size_t i = 0; i < bytes.size; i++)
        ck_assert_int_eq(bytes.data[i], (char)('a' + i % 26));
}
END_TEST

START_TEST(consuming)
{
    AUTO_BYTES struct bytes bytes = BYTES_EMPTY;

    bytes_append_text(&bytes, "abcdef");
    bytes_consume(&bytes, 2);
    ck_assert_str_eq(bytes.data, "cdef");
    bytes_consume(&bytes, 0);
    ck_assert_str_eq(bytes.data, "cdef");
    bytes_consume(&bytes, 4);
    ck_assert_uint_eq(bytes.size, 0);
    ck_assert_str_eq(bytes.data, "");
    /* Twice the whole: no overlap is allowed to matter. */
    bytes_append_text(&bytes, "ghijkl");
    bytes_consume(&bytes, 1);
    ck_assert_str_eq(bytes.data, "hijkl");
}
END_TEST

START_TEST(taking)
{
    AUTO_BYTES struct bytes bytes = BYTES_EMPTY;

    char *nothing = bytes_take(&bytes);
    ck_assert_str_eq(nothing, "");
    free(nothing);
    bytes_append_text(&bytes, "x");
    char *text = bytes_take(&bytes);
    ck_assert_str_eq(text, "x");
    ck_assert_ptr_null(bytes.data);
    ck_assert_uint_eq(bytes.size, 0);
    free(text);
}
END_TEST

/* What cannot be had marks the bytes; later appends do nothing, and nothing is lost of before. */
START_TEST(failing)
{
    AUTO_BYTES struct bytes bytes = BYTES_EMPTY;
    static char much[1 << 20];

    memset(much, 'm', sizeof(much));
    for (size_t i = 0; i < TEXT_SIZE_MAX / sizeof(much) + 1; i++)
        bytes_append(&bytes, much, sizeof(much));
    ck_assert(bytes_failed(&bytes));
    size_t size = bytes.size;
    ck_assert_uint_lt(size, TEXT_SIZE_MAX);
    bytes_append_char(&bytes, 'x');
    bytes_append_escaped(&bytes, "x", 1);
    bytes_print(&bytes, "x");
    ck_assert_uint_eq(bytes.size, size);
    ck_assert_ptr_null(bytes_take(&bytes));
}
END_TEST

static void expect_escaped(const char *data, size_t size, const char *expected)
{
    char text[128];
    AUTO_BYTES struct bytes bytes = BYTES_EMPTY;

    ck_assert_uint_eq(text_escape(data, size, text, sizeof(text)), strlen(expected));
    ck_assert_str_eq(text, expected);
    bytes_append_text(&bytes, "<");
    bytes_append_escaped(&bytes, data, size);
    ck_assert_uint_eq(bytes.size, strlen(expected) + 1);
    ck_assert_str_eq(bytes.data + 1, expected);
}

START_TEST(escaping)
{
    expect_escaped("plain ~", 7, "plain ~");
    expect_escaped("", 0, "");
    expect_escaped("a\0b\n\t\x1b\x7f", 7, "a\\x00b\\x0a\\x09\\x1b\\x7f");
    expect_escaped("a\\b", 3, "a\\b");
    expect_escaped(
        "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
}
END_TEST

START_TEST(escaping_what_is_not_utf8)
{
    expect_escaped("\xff\x80", 2, "\\xff\\x80");
    expect_escaped("a\u202eb\u2066\u2030", 11, "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa6\u2030");
    expect_escaped("\xc3", 1, "\\xc3");
    expect_escaped("\u20ac", 2, "\\xe2\\x82"); /* the rest lies behind it */
    expect_escaped("\xc3z", 2, "\\xc3z");
    expect_escaped("\xc0\xaf", 2, "\\xc0\\xaf");                   /* overlong / */
    expect_escaped("\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf");          /* overlong / */
    expect_escaped("\xf0\x80\x80\xaf", 4, "\\xf0\\x80\\x80\\xaf"); /* overlong / */
    expect_escaped("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");          /* surrogate */
    expect_escaped("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
    expect_escaped("\xc2\x9b", 2, "\\xc2\\x9b");                   /* C1: CSI */
    expect_escaped("\xc2\xa0", 2, "\xc2\xa0");                     /* the first after C1 */
    expect_escaped("\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf");     /* U+10FFFF */
}
END_TEST

/* Cut at a whole character, never beyond the array. */
START_TEST(escaping_into_little_room)
{
    static const char data[] = "a\n\xe2\x82\xac";
    static const size_t lengths[] = { 0, 0, 1, 1, 1, 1, 5, 5, 5, 8 };

    for (size_t room = 1; room < sizeof(lengths) / sizeof(lengths[0]); room++) {
        char *text = malloc(room);
        ck_assert_uint_eq(text_escape(data, 5, text, room), lengths[room]);
        ck_assert_uint_eq(strlen(text), lengths[room]);
        free(text);
    }
}
END_TEST

START_TEST(appending_numbers)
{
    static const unsigned long long numbers[] = { 0, 9, 10, 4294967296, ULLONG_MAX };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct bytes bytes = BYTES_EMPTY;
        char expected[24];
        snprintf(expected, sizeof(expected), "=%llu", numbers[i]);
        bytes_append_char(&bytes, '=');
        bytes_append_number(&bytes, numbers[i]);
        ck_assert_str_eq(bytes.data, expected);
        bytes_fini(&bytes);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/bytes");
    TCase *tests = tcase_create("bytes");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, appending);
    tcase_add_test(tests, appending_numbers);
    tcase_add_test(tests, growing);
    tcase_add_test(tests, consuming);
    tcase_add_test(tests, taking);
    tcase_add_test(tests, failing);
    tcase_add_test(tests, escaping);
    tcase_add_test(tests, escaping_what_is_not_utf8);
    tcase_add_test(tests, escaping_into_little_room);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
