/* test_times.c - figures of known times. */
#include "command/times.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct times *statistics;

static void setup(void)
{
    statistics = calloc(1, sizeof(*statistics));
}

static void teardown(void)
{
    free(statistics);
}

static void add_all(const int64_t *times, size_t count)
{
    for (size_t i = 0; i < count; i++)
        times_add(statistics, times[i]);
}

START_TEST(one_time)
{
    add_all((int64_t[]){ 123456789 }, 1);
    ck_assert_int_eq(statistics->min_ns, 123456789);
    ck_assert_int_eq(statistics->max_ns, 123456789);
    ck_assert_int_eq(times_quantile(statistics, 500), 123456789);
    ck_assert_int_eq(times_quantile(statistics, 990), 123456789);
    ck_assert_int_eq(times_mean(statistics), 123456789);
    ck_assert_int_eq(times_jitter(statistics), 0);
}
END_TEST

START_TEST(known_times)
{
    add_all((int64_t[]){ 40, 10, 30, 20, 100 }, 5);
    ck_assert_uint_eq(statistics->count, 5);
    ck_assert_int_eq(statistics->min_ns, 10);
    ck_assert_int_eq(statistics->max_ns, 100);
    ck_assert_int_eq(times_quantile(statistics, 500), 30);
    ck_assert_int_eq(times_quantile(statistics, 200), 10);
    ck_assert_int_eq(times_quantile(statistics, 210), 20);
    ck_assert_int_eq(times_quantile(statistics, 990), 100);
    ck_assert_int_eq(times_mean(statistics), 40);
    /* 30, 20, 10, 80 */
    ck_assert_int_eq(times_jitter(statistics), 35);
}
END_TEST

START_TEST(even_counts_take_the_lower_middle)
{
    add_all((int64_t[]){ 4, 1, 3, 2 }, 4);
    ck_assert_int_eq(times_quantile(statistics, 500), 2);
}
END_TEST

START_TEST(one_in_a_hundred)
{
    for (int i = 0; i < 198; i++)
        times_add(statistics, 100);
    add_all((int64_t[]){ 511, 512 }, 2);
    ck_assert_int_eq(times_quantile(statistics, 990), 100);
    add_all((int64_t[]){ 500 }, 1);
    ck_assert_int_eq(times_quantile(statistics, 990), 500);
    ck_assert_int_eq(times_quantile(statistics, 1000), 512);
}
END_TEST

/* Of any size, a quantile is within 0.2 % of the true one. */
START_TEST(quantiles_of_large_times)
{
    int64_t before = 0;
    for (int64_t time = 1; time < INT64_C(1) << 41; time += time / 3 + 1) {
        memset(statistics, 0, sizeof(*statistics));
        add_all((int64_t[]){ 0, time, INT64_C(1) << 41 }, 3);
        int64_t median = times_quantile(statistics, 500);
        ck_assert_int_le(llabs(median - time), time / 500 + 1);
        ck_assert_int_ge(median, before);
        before = median;
    }
}
END_TEST

START_TEST(times_beyond_the_counters)
{
    add_all((int64_t[]){ INT64_C(1) << 42, INT64_MAX / 4, INT64_MAX / 4 }, 3);
    ck_assert_int_eq(statistics->max_ns, INT64_MAX / 4);
    ck_assert_int_ge(times_quantile(statistics, 500), INT64_C(1) << 42);
    ck_assert_uint_eq(statistics->histogram[TIMES_HISTOGRAM_COUNT - 1], 3);
}
END_TEST

START_TEST(what_is_merged_is_as_if_it_had_been_added)
{
    static const int64_t first[] = { 700, 20, 90000 }, second[] = { 90000, 3, INT64_C(1) << 40, 8 };
    struct times *others = calloc(1, sizeof(*others)), *whole = calloc(1, sizeof(*whole));

    ck_assert(others && whole);
    times_merge(whole, others);
    ck_assert_uint_eq(whole->count, 0);
    for (size_t i = 0; i < 3; i++)
        times_add(whole, first[i]);
    for (size_t i = 0; i < 4; i++) {
        times_add(whole, second[i]);
        times_add(others, second[i]);
    }
    add_all(first, 3);
    times_merge(statistics, others);
    ck_assert_mem_eq(statistics, whole, sizeof(*whole));
    memset(statistics, 0, sizeof(*statistics));
    times_merge(statistics, others);
    ck_assert_mem_eq(statistics, others, sizeof(*others));
    free(others);
    free(whole);
}
END_TEST

START_TEST(histogram)
{
    static const int64_t froms[] = { 1, 2, 5, 10, 20, 50, 100 };
    for (size_t i = 0; i < sizeof(froms) / sizeof(froms[0]); i++)
        ck_assert_int_eq(times_histogram_from(i), froms[i]);
    ck_assert_int_eq(times_histogram_from(TIMES_HISTOGRAM_COUNT - 1), 1000000000000);
    add_all((int64_t[]){ 0, 1, 2, 4, 5, 9, 10, 19, 20, 49999, 50000 }, 11);
    static const uint64_t counts[] = { 2, 2, 2, 2, 1 };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        ck_assert_uint_eq(statistics->histogram[i], counts[i]);
    ck_assert_uint_eq(statistics->histogram[13], 1); /* from 20,000 */
    ck_assert_uint_eq(statistics->histogram[14], 1); /* from 50,000 */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/times");
    TCase *tests = tcase_create("times");

    tcase_set_timeout(tests, 10);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, one_time);
    tcase_add_test(tests, known_times);
    tcase_add_test(tests, even_counts_take_the_lower_middle);
    tcase_add_test(tests, one_in_a_hundred);
    tcase_add_test(tests, quantiles_of_large_times);
    tcase_add_test(tests, times_beyond_the_counters);
    tcase_add_test(tests, what_is_merged_is_as_if_it_had_been_added);
    tcase_add_test(tests, histogram);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
