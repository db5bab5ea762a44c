/* test_frame.c - frames found and wrapped, to their limits. */
#include "suite.h"
#include "wire/frame.h"
#include "wire/limits.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t body, body_size, next;

static int find(enum frame frame, const char *data, size_t size)
{
    body = body_size = next = 12345;
    return frame_find(frame, data, size, &body, &body_size, &next);
}

static void expect_found(size_t at, size_t size, size_t after)
{
    ck_assert_uint_eq(body, at);
    ck_assert_uint_eq(body_size, size);
    ck_assert_uint_eq(next, after);
}

START_TEST(names)
{
    ck_assert_int_eq(frame_from_name("lf"), FRAME_LF);
    ck_assert_int_eq(frame_from_name("length"), FRAME_LENGTH);
    ck_assert_int_eq(frame_from_name("none"), FRAME_NONE);
    ck_assert_int_eq(frame_from_name(""), FRAME_ABSENT);
    ck_assert_int_eq(frame_from_name("LF"), FRAME_ABSENT);
    ck_assert_int_eq(frame_from_name("lengthy"), FRAME_ABSENT);
}
END_TEST

START_TEST(lines)
{
    ck_assert_int_eq(find(FRAME_LF, "ab\ncd\n", 6), 1);
    expect_found(0, 2, 3);
    ck_assert_int_eq(find(FRAME_LF, "\n", 1), 1);
    expect_found(0, 0, 1);
    ck_assert_int_eq(find(FRAME_LF, "a\r\n", 3), 1);
    expect_found(0, 2, 3);
    ck_assert_int_eq(find(FRAME_LF, "ab\n", 2), 0);
    expect_found(12345, 12345, 12345);
    ck_assert_int_eq(find(FRAME_LF, NULL, 0), 0);
}
END_TEST

static int find_last(enum frame frame, const char *data, size_t size)
{
    body = body_size = next = 12345;
    return frame_find_last(frame, data, size, &body, &body_size, &next);
}

START_TEST(the_last)
{
    ck_assert_int_eq(find_last(FRAME_LF, "ab\ncd", 5), 1);
    expect_found(0, 2, 3);
    ck_assert_int_eq(find_last(FRAME_LF, "cd", 2), 1);
    expect_found(0, 2, 2);
    ck_assert_int_eq(find_last(FRAME_LENGTH, "\0\0\0\1a", 5), 1);
    expect_found(4, 1, 5);
    ck_assert_int_eq(find_last(FRAME_LENGTH, "\0\0\0\2a", 5), -EPROTO);
    ck_assert_int_eq(find_last(FRAME_LENGTH, "\0\0\0", 3), -EPROTO);
    ck_assert_int_eq(find_last(FRAME_LENGTH, "\xff\0\0\0", 4), -EPROTO);
    ck_assert_int_eq(find_last(FRAME_LF, NULL, 0), 0);
    ck_assert_int_eq(find_last(FRAME_LENGTH, NULL, 0), 0);
}
END_TEST

START_TEST(lines_at_the_limit)
{
    char *data = malloc(FRAME_SIZE_MAX + 2);
    memset(data, 'a', FRAME_SIZE_MAX + 2);

    ck_assert_int_eq(find(FRAME_LF, data, FRAME_SIZE_MAX), 0);
    ck_assert_int_eq(find(FRAME_LF, data, FRAME_SIZE_MAX + 1), -EPROTO);
    data[FRAME_SIZE_MAX] = '\n';
    ck_assert_int_eq(find(FRAME_LF, data, FRAME_SIZE_MAX + 2), 1);
    expect_found(0, FRAME_SIZE_MAX, FRAME_SIZE_MAX + 1);
    data[FRAME_SIZE_MAX] = 'a';
    data[FRAME_SIZE_MAX + 1] = '\n';
    ck_assert_int_eq(find(FRAME_LF, data, FRAME_SIZE_MAX + 2), -EPROTO);
    free(data);
}
END_TEST

START_TEST(lengths)
{
    ck_assert_int_eq(find(FRAME_LENGTH, "\0\0\0\2abc", 7), 1);
    expect_found(4, 2, 6);
    ck_assert_int_eq(find(FRAME_LENGTH, "\0\0\0\0", 4), 1);
    expect_found(4, 0, 4);
    ck_assert_int_eq(find(FRAME_LENGTH, "\0\0\0\2a", 5), 0);
    ck_assert_int_eq(find(FRAME_LENGTH, "\0\0\0", 3), 0);
    ck_assert_int_eq(find(FRAME_LENGTH, NULL, 0), 0);
    /* Refused by its head, before anything is kept for it. */
    ck_assert_int_eq(find(FRAME_LENGTH, "\0\4\0\0", 4), 0);
    ck_assert_int_eq(find(FRAME_LENGTH, "\0\4\0\1", 4), -EPROTO);
    ck_assert_int_eq(find(FRAME_LENGTH, "\xff\xff\xff\xff", 4), -EPROTO);
}
END_TEST

START_TEST(no_boundaries)
{
    ck_assert_int_eq(find(FRAME_NONE, "a\nb", 3), 1);
    expect_found(0, 3, 3);
    ck_assert_int_eq(find(FRAME_NONE, NULL, 0), 0);
}
END_TEST

START_TEST(wrap)
{
    char head[FRAME_HEAD_MAX], tail[FRAME_TAIL_MAX];
    size_t head_size, tail_size;

    ck_assert_int_eq(frame_wrap(FRAME_LF, 5, head, &head_size, tail, &tail_size), 0);
    ck_assert_uint_eq(head_size, 0);
    ck_assert_uint_eq(tail_size, 1);
    ck_assert_int_eq(tail[0], '\n');
    ck_assert_int_eq(frame_wrap(FRAME_LENGTH, 0x10203, head, &head_size, tail, &tail_size), 0);
    ck_assert_uint_eq(head_size, 4);
    ck_assert_uint_eq(tail_size, 0);
    ck_assert_mem_eq(head, "\0\1\2\3", 4);
    ck_assert_int_eq(frame_wrap(FRAME_NONE, SIZE_MAX, head, &head_size, tail, &tail_size), 0);
    ck_assert_uint_eq(head_size + tail_size, 0);
}
END_TEST

START_TEST(wrap_at_the_limit)
{
    char head[FRAME_HEAD_MAX], tail[FRAME_TAIL_MAX];
    size_t head_size = 9, tail_size = 9;

    ck_assert_int_eq(
        frame_wrap(FRAME_LF, FRAME_SIZE_MAX + 1, head, &head_size, tail, &tail_size), -EMSGSIZE);
    ck_assert_int_eq(
        frame_wrap(FRAME_LENGTH, FRAME_SIZE_MAX + 1, head, &head_size, tail, &tail_size),
        -EMSGSIZE);
    ck_assert_uint_eq(head_size + tail_size, 18);
    ck_assert_int_eq(
        frame_wrap(FRAME_LENGTH, FRAME_SIZE_MAX, head, &head_size, tail, &tail_size), 0);
    ck_assert_int_eq(find(FRAME_LENGTH, head, 4), 0);
}
END_TEST

START_TEST(fits)
{
    ck_assert_int_eq(frame_fits(FRAME_LF, "ab", 2), 0);
    ck_assert_int_eq(frame_fits(FRAME_LF, "a\n", 2), -EINVAL);
    ck_assert_int_eq(frame_fits(FRAME_LF, "a\n", 1), 0);
    ck_assert_int_eq(frame_fits(FRAME_LF, NULL, 0), 0);
    ck_assert_int_eq(frame_fits(FRAME_LENGTH, "\n", 1), 0);
    ck_assert_int_eq(frame_fits(FRAME_NONE, "\n", 1), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/frame");
    TCase *tests = tcase_create("frame");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, names);
    tcase_add_test(tests, lines);
    tcase_add_test(tests, the_last);
    tcase_add_test(tests, lines_at_the_limit);
    tcase_add_test(tests, lengths);
    tcase_add_test(tests, no_boundaries);
    tcase_add_test(tests, wrap);
    tcase_add_test(tests, wrap_at_the_limit);
    tcase_add_test(tests, fits);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
