/* test_schedule.c - how many messages may go at which nanosecond. */
#include "base/clock.h"
#include "command/limits.h"
#include "command/replay/schedule.h"
#include "suite.h"

#include <check.h>

#define BEGIN_NS (INT64_C(30) * 86400 * NS_PER_S) /* a machine that has been up for a month */

static struct schedule schedule;

/* How many go in so many turns, one every `step_ns`, when all go that may. */
static size_t sent_in(int64_t step_ns, unsigned turns)
{
    size_t sent = 0;
    for (unsigned turn = 0; turn < turns; turn++) {
        size_t allowed = schedule_allows(&schedule, BEGIN_NS + turn * step_ns, 1000000);
        schedule_take(&schedule, allowed);
        sent += allowed;
    }
    return sent;
}

START_TEST(without_a_rate_all_may_go)
{
    schedule_init(&schedule, 0, BEGIN_NS);
    ck_assert_uint_eq(schedule_allows(&schedule, BEGIN_NS, 64), 64);
    schedule_take(&schedule, 64);
    ck_assert_uint_eq(schedule_allows(&schedule, BEGIN_NS, 64), 64);
}
END_TEST

START_TEST(one_at_its_time)
{
    schedule_init(&schedule, 100, BEGIN_NS);
    ck_assert_uint_eq(schedule_allows(&schedule, BEGIN_NS, 64), 1);
    schedule_take(&schedule, 1);
    ck_assert_uint_eq(schedule_allows(&schedule, BEGIN_NS, 64), 0);
    int64_t due_ns = schedule_due_ns(&schedule);
    ck_assert_int_ge(due_ns, BEGIN_NS + 10 * NS_PER_MS);
    ck_assert_int_le(due_ns, BEGIN_NS + 10 * NS_PER_MS + 10);
    ck_assert_uint_eq(schedule_allows(&schedule, due_ns - 1000, 64), 0);
    ck_assert_uint_eq(schedule_allows(&schedule, due_ns, 64), 1);
}
END_TEST

START_TEST(a_rate_is_kept_by_who_comes_late)
{
    /* Woken every millisecond and a bit for 1000 a second, and for ten million. */
    schedule_init(&schedule, 1000, BEGIN_NS);
    ck_assert_uint_eq(sent_in(1060000, 1000), 1059);
    schedule_init(&schedule, 10000000, BEGIN_NS);
    ck_assert_uint_eq(sent_in(NS_PER_MS, 1001), 10000001);
}
END_TEST

START_TEST(a_rate_that_divides_no_second)
{
    schedule_init(&schedule, 3000000, BEGIN_NS);
    size_t sent = sent_in(NS_PER_MS, 1001);
    ck_assert_uint_ge(sent, 2999999);
    ck_assert_uint_le(sent, 3000001);
}
END_TEST

START_TEST(what_was_held_up_is_not_made_up_for)
{
    schedule_init(&schedule, 1000, BEGIN_NS);
    ck_assert_uint_eq(schedule_allows(&schedule, BEGIN_NS + NS_PER_S, 1000), 6); /* 5 ms, and now */
    schedule_take(&schedule, 6);
    ck_assert_uint_eq(schedule_allows(&schedule, BEGIN_NS + NS_PER_S, 1000), 0);
    schedule_init(&schedule, 100, BEGIN_NS);
    ck_assert_uint_eq(schedule_allows(&schedule, BEGIN_NS + NS_PER_S, 1000), 1);
}
END_TEST

START_TEST(no_more_than_there_is_room_for)
{
    schedule_init(&schedule, 1000, BEGIN_NS);
    ck_assert_uint_eq(schedule_allows(&schedule, BEGIN_NS + 4 * NS_PER_MS, 3), 3);
    schedule_take(&schedule, 2);
    ck_assert_uint_eq(schedule_allows(&schedule, BEGIN_NS + 4 * NS_PER_MS, 64), 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/replay/schedule");
    TCase *tests = tcase_create("schedule");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, without_a_rate_all_may_go);
    tcase_add_test(tests, one_at_its_time);
    tcase_add_test(tests, a_rate_is_kept_by_who_comes_late);
    tcase_add_test(tests, a_rate_that_divides_no_second);
    tcase_add_test(tests, what_was_held_up_is_not_made_up_for);
    tcase_add_test(tests, no_more_than_there_is_room_for);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
