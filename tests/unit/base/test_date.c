/* test_date.c - points of time as text. */
#include "base/clock.h"
#include "base/date.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <time.h>

START_TEST(in_utc)
{
    char text[DATE_SIZE];
    ck_assert_str_eq(date_utc(0, text), "1970-01-01T00:00:00.000000000Z");
    ck_assert_str_eq(
        date_utc(INT64_C(951868799) * NS_PER_S + 7, text), "2000-02-29T23:59:59.000000007Z");
    ck_assert_str_eq(date_utc(INT64_MAX, text), "2262-04-11T23:47:16.854775807Z");
}
END_TEST

START_TEST(by_the_clock_on_the_wall)
{
    char text[DATE_SIZE];
    setenv("TZ", "XXX-01:30", 1);
    tzset();
    ck_assert_str_eq(date_time(NS_PER_S - 1, text), "01:30:00");
    ck_assert_str_eq(date_time(INT64_C(951868799) * NS_PER_S, text), "01:29:59");
}
END_TEST

START_TEST(now)
{
    int64_t before_s = time(NULL), now_s = date_now_ns() / NS_PER_S, after_s = time(NULL);
    ck_assert_int_ge(now_s, before_s - 1);
    ck_assert_int_le(now_s, after_s + 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/date");
    TCase *cases = tcase_create("date");
    tcase_add_test(cases, in_utc);
    tcase_add_test(cases, by_the_clock_on_the_wall);
    tcase_add_test(cases, now);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
