/* test_clock.c - points and spans, at their ends. */
#include "base/clock.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <ferry/channel.h>
#include <limits.h>
#include <stdlib.h>

START_TEST(now)
{
    int64_t one = clock_now_ns(), two = clock_now_ns();
    ck_assert_int_gt(one, 0);
    ck_assert_int_le(one, two);
}
END_TEST

START_TEST(sums)
{
    ck_assert_int_eq(clock_after(5, 7), 12);
    ck_assert_int_eq(clock_after(CLOCK_NEVER, 0), CLOCK_NEVER);
    ck_assert_int_eq(clock_after(CLOCK_NEVER, -1), CLOCK_NEVER);
    ck_assert_int_eq(clock_after(5, CLOCK_NEVER), CLOCK_NEVER);
    ck_assert_int_eq(clock_after(INT64_MAX - 1, 2), CLOCK_NEVER);
    ck_assert_int_eq(clock_after(INT64_MAX - 3, 2), INT64_MAX - 1);
}
END_TEST

START_TEST(deadlines)
{
    int64_t before = clock_now_ns(), deadline = ferry_deadline(1000), after = clock_now_ns();

    ck_assert_int_ge(deadline, before + NS_PER_S);
    ck_assert_int_le(deadline, after + NS_PER_S);
    ck_assert_int_le(ferry_deadline(0), clock_now_ns());
    ck_assert_int_eq(ferry_deadline(-1), FERRY_NEVER);
    ck_assert_int_eq(ferry_deadline(INT64_MAX), FERRY_NEVER);
    ck_assert_int_eq(ferry_deadline(INT64_MAX / NS_PER_MS), FERRY_NEVER);
}
END_TEST

START_TEST(poll_spans)
{
    ck_assert_int_eq(clock_poll_ms(CLOCK_NEVER, 0), -1);
    ck_assert_int_eq(clock_poll_ms(10, 10), 0);
    ck_assert_int_eq(clock_poll_ms(9, 10), 0);
    ck_assert_int_eq(clock_poll_ms(INT64_MIN, 10), 0);
    /* Rounded up: waking early would mean polling again. */
    ck_assert_int_eq(clock_poll_ms(1, 0), 1);
    ck_assert_int_eq(clock_poll_ms(NS_PER_MS, 0), 1);
    ck_assert_int_eq(clock_poll_ms(NS_PER_MS + 1, 0), 2);
    ck_assert_int_eq(clock_poll_ms(INT64_MAX - 1, 0), INT_MAX);
}
END_TEST

START_TEST(parsing)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        { "0", 0 },
        { "0ms", 0 },
        { "30", 30000 },
        { "250ms", 250 },
        { "30s", 30000 },
        { "5m", 300000 },
        { "2h", 7200000 },
        { "1d", 86400000 },
        { "007s", 7000 },
        { "9223372036854775807ms", INT64_MAX },
        { "", -EINVAL },
        { "s", -EINVAL },
        { "-1s", -EINVAL },
        { "+1s", -EINVAL },
        { " 1s", -EINVAL },
        { "1 s", -EINVAL },
        { "1s ", -EINVAL },
        { "1S", -EINVAL },
        { "1.5s", -EINVAL },
        { "1m30s", -EINVAL },
        { "0x10", -EINVAL },
        { "9223372036854775808ms", -EINVAL },
        { "9223372036854775807s", -EINVAL },
        { "106751991168d", -EINVAL },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_msg(clock_parse_ms(cases[i].text) == cases[i].ms, "%s", cases[i].text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/clock");
    TCase *tests = tcase_create("clock");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, now);
    tcase_add_test(tests, sums);
    tcase_add_test(tests, deadlines);
    tcase_add_test(tests, poll_spans);
    tcase_add_test(tests, parsing);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
