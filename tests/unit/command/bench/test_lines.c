/* test_lines.c - how far apart two processors are said to be. */
#include "base/cleanup.h"
#include "command/bench/findings.h"
#include "command/bench/report.h"
#include "suite.h"

#include <check.h>

static struct times lines;

static void lines_are(int64_t first_ns, int64_t second_ns, int64_t third_ns)
{
    lines = (struct times){ 0 };
    times_add(&lines, first_ns);
    times_add(&lines, second_ns);
    times_add(&lines, third_ns);
}

START_TEST(what_is_half_as_much_again_is_not_steady)
{
    lines = (struct times){ 0 };
    ck_assert(lines_are_steady(&lines));
    lines_are(100, 150, 120);
    ck_assert(lines_are_steady(&lines));
    lines_are(151, 100, 120);
    ck_assert(!lines_are_steady(&lines));
}
END_TEST

START_TEST(the_range_is_said_where_it_matters)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    lines = (struct times){ 0 };
    bench_lines_remark(&lines, &text);
    ck_assert_uint_eq(text.size, 0);
    lines_are(100, 120, 150);
    bench_lines_remark(&lines, &text);
    ck_assert_str_eq(text.data, "A cache line goes there and back between the two in 120ns");
    bytes_fini(&text);
    text = BYTES_EMPTY;
    lines_are(60, 812, 61);
    bench_lines_remark(&lines, &text);
    ck_assert_str_eq(text.data,
        "A cache line goes there and back between the two in 61ns, from 60ns to 812ns in the "
        "course of this: they were not equally near all the time, as when a host moves them, and "
        "slices differ for that alone");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/bench/lines");
    TCase *tests = tcase_create("lines");

    tcase_add_test(tests, what_is_half_as_much_again_is_not_steady);
    tcase_add_test(tests, the_range_is_said_where_it_matters);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
