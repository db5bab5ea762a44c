/* test_pace.c - which lane a rate calls for: a clock that only the test moves. */
#include "suite.h"
#include "transport/auto/pace.h"
#include "transport/limits.h"

#include <check.h>

static const struct choice_thresholds thresholds = {
    .one_way = { [0 ... CHOICE_CLASSES - 1] = { 10000, 2000 } },
    .answered = { [0 ... CHOICE_CLASSES - 1] = { 5000, 1000 } },
    .memfd_size_min = SIZE_MAX,
};

/* Nothing is received. */
static enum pace_verdict judge(struct pace *pace, bool in_ring, int64_t now_ns)
{
    return pace_measure(pace, 0, now_ns) ? pace_judge(pace, in_ring, &thresholds, now_ns)
                                         : PACE_STAY;
}

/* Messages at a rate, each looked at where pace_count() says so; of `sleepy` in a hundred the
 * receiver had to be woken. Goes on for so long, or to the first verdict that is no stay. */
static enum pace_verdict run(
    struct pace *pace, bool in_ring, double rate, unsigned sleepy, int64_t span_ns, int64_t *now_ns)
{
    int64_t until_ns = *now_ns + span_ns;
    unsigned share = 0;

    while (*now_ns < until_ns) {
        *now_ns += (int64_t)(1e9 / rate);
        share += sleepy;
        if (share >= 100) {
            share -= 100;
            pace->wakes++;
        }
        if (!pace_count(pace, 1, 100))
            continue;
        enum pace_verdict verdict = judge(pace, in_ring, *now_ns);
        if (verdict != PACE_STAY)
            return verdict;
    }
    return PACE_STAY;
}

static struct pace pace_at(int64_t *ret_now_ns)
{
    struct pace pace;
    pace_init(&pace);
    *ret_now_ns = 1000000000;
    return pace;
}

START_TEST(only_enough_of_them_are_fast)
{
    static const struct {
        double rate;
        enum pace_verdict verdict;
    } rates[] = { { 100, PACE_STAY }, { 9000, PACE_STAY }, { 11000, PACE_FAST },
        { 1000000, PACE_FAST } };
    int64_t now_ns;
    struct pace pace = pace_at(&now_ns);

    ck_assert_int_eq(
        run(&pace, false, rates[_i].rate, 0, INT64_C(2000000000), &now_ns), rates[_i].verdict);
    ck_assert_double_gt(pace.rate, rates[_i].rate * 0.95);
    ck_assert_double_lt(pace.rate, rates[_i].rate * 1.05);
    ck_assert_double_eq(pace.mean_size, 100);
}
END_TEST

/* However fast: a window is a time. */
START_TEST(a_burst_is_no_rate)
{
    int64_t now_ns;
    struct pace pace = pace_at(&now_ns);

    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(run(&pace, false, 1e6, 0, PACE_WINDOW_NS - 100000, &now_ns), PACE_STAY);
        now_ns += 1000000000;
        ck_assert_int_eq(run(&pace, false, 1e6, 0, 20000, &now_ns), PACE_STAY);
        pace_init(&pace);
    }
}
END_TEST

/* The clock is looked at after 16, 32, 64 ... and then every 256 messages of a window. */
START_TEST(the_clock_is_looked_at_less_and_less)
{
    static const uint32_t looks[] = { 16, 32, 64, 128, 256, 512, 768, 1024 };
    int64_t now_ns;
    struct pace pace = pace_at(&now_ns);

    for (unsigned i = 1; i < PACE_LOOK_FIRST; i++)
        ck_assert(!pace_count(&pace, 1, 1));
    ck_assert(pace_count(&pace, 1, 1));
    ck_assert_int_eq(judge(&pace, false, now_ns), PACE_STAY);
    ck_assert_double_eq(pace.rate, 0); /* it is not known since when */
    for (uint32_t count = 1, i = 0; count <= 1024; count++) {
        ck_assert_int_eq(pace_count(&pace, 1, 1), count == looks[i]);
        if (count == looks[i]) {
            i++;
            ck_assert_int_eq(judge(&pace, false, now_ns + 1), PACE_STAY);
        }
    }
}
END_TEST

/* Between the thresholds one stays where one is. */
START_TEST(what_is_between_the_thresholds_moves_nothing)
{
    int64_t now_ns;
    struct pace pace = pace_at(&now_ns);

    ck_assert_int_eq(run(&pace, false, 5000, 0, INT64_C(1000000000), &now_ns), PACE_STAY);
    ck_assert_int_eq(run(&pace, false, 11000, 0, INT64_C(1000000000), &now_ns), PACE_FAST);
    pace_entered(&pace, now_ns);
    ck_assert_int_eq(run(&pace, true, 2100, 0, INT64_C(1000000000), &now_ns), PACE_STAY);
    ck_assert_int_eq(run(&pace, true, 1900, 0, INT64_C(1000000000), &now_ns), PACE_SLOW);
}
END_TEST

/* What comes as fast as it goes is answered: whoever waits looks out, so a ring pays sooner, and
 * might go oftener. */
START_TEST(answers_count_too)
{
    static const struct {
        int64_t rate;
        enum pace_verdict out, in; /* of the ring */
    } rates[] = { { 900, PACE_STAY, PACE_SLOW }, { 1400, PACE_HOPEFUL, PACE_STAY },
        { 6000, PACE_FAST, PACE_STAY } };
    bool in_ring = _i % 2;
    int64_t now_ns;
    struct pace pace = pace_at(&now_ns);
    uint64_t received = 0;
    enum pace_verdict verdict = PACE_STAY;

    while (verdict == PACE_STAY && now_ns < INT64_C(2000000000)) {
        now_ns += 1000000000 / rates[_i / 2].rate;
        received++;
        if (pace_count(&pace, 1, 100) && pace_measure(&pace, received, now_ns))
            verdict = pace_judge(&pace, in_ring, &thresholds, now_ns);
    }
    ck_assert_int_eq(verdict, in_ring ? rates[_i / 2].in : rates[_i / 2].out);
    ck_assert_double_gt(pace.receive_rate, (double)rates[_i / 2].rate * 0.95);
    ck_assert_double_lt(pace.receive_rate, (double)rates[_i / 2].rate * 1.05);
}
END_TEST

/* Nothing is judged before it has had its time; then a window is as long as any. */
START_TEST(what_has_just_been_entered_is_on_trial)
{
    int64_t now_ns;
    struct pace pace = pace_at(&now_ns);

    pace_entered(&pace, now_ns);
    ck_assert_int_eq(
        run(&pace, true, 20000, 100, PACE_TRIAL_NS - PACE_WINDOW_NS, &now_ns), PACE_STAY);
    ck_assert_int_eq(run(&pace, true, 20000, 100, PACE_WINDOW_NS * 3, &now_ns), PACE_SLEEPY);
    pace_entered(&pace, now_ns);
    ck_assert_int_eq(run(&pace, true, 20000, 0, PACE_TRIAL_NS * 2, &now_ns), PACE_STAY);
    ck_assert_int_eq(run(&pace, true, 20000, 100, PACE_WINDOW_NS * 3, &now_ns), PACE_SLEEPY);
}
END_TEST

START_TEST(only_enough_sleepers_are_sleepy)
{
    static const struct {
        unsigned sleepy;
        enum pace_verdict verdict;
    } shares[] = { { 0, PACE_STAY }, { 30, PACE_STAY }, { 40, PACE_SLEEPY }, { 100, PACE_SLEEPY } };
    int64_t now_ns;
    struct pace pace = pace_at(&now_ns);

    pace_entered(&pace, now_ns);
    ck_assert_int_eq(run(&pace, true, 20000, shares[_i].sleepy, INT64_C(1000000000), &now_ns),
        shares[_i].verdict);
    if (shares[_i].verdict == PACE_STAY) /* what one window had is not the next one's */
        ck_assert_uint_le(pace.wakes, pace.count);
}
END_TEST

/* How long after it did not pay it is fast again. */
static int64_t pause_ns(struct pace *pace, int64_t *now_ns)
{
    int64_t began_ns = *now_ns;
    ck_assert_int_eq(run(pace, false, 20000, 0, 2 * PACE_BACKOFF_NS_MAX, now_ns), PACE_FAST);
    return *now_ns - began_ns;
}

START_TEST(what_does_not_pay_is_tried_later_and_later)
{
    int64_t now_ns;
    struct pace pace = pace_at(&now_ns);

    ck_assert_int_lt(pause_ns(&pace, &now_ns), 3 * PACE_WINDOW_NS);
    for (int64_t expected_ns = PACE_BACKOFF_NS;;) {
        pace_entered(&pace, now_ns);
        ck_assert_int_eq(run(&pace, true, 20000, 100, INT64_C(1000000000), &now_ns), PACE_SLEEPY);
        int64_t waited_ns = pause_ns(&pace, &now_ns);
        ck_assert_int_ge(waited_ns, expected_ns);
        ck_assert_int_lt(waited_ns, expected_ns + 3 * PACE_WINDOW_NS);
        if (expected_ns == PACE_BACKOFF_NS_MAX)
            break;
        expected_ns = expected_ns * 2 > PACE_BACKOFF_NS_MAX ? PACE_BACKOFF_NS_MAX : expected_ns * 2;
    }
    /* Twice at most, then a stay that was worth it: from the beginning. */
    pace_entered(&pace, now_ns);
    ck_assert_int_eq(run(&pace, true, 20000, 0, PACE_WORTH_NS, &now_ns), PACE_STAY);
    ck_assert_int_eq(run(&pace, true, 1000, 0, INT64_C(1000000000), &now_ns), PACE_SLOW);
    int64_t waited_ns = pause_ns(&pace, &now_ns);
    ck_assert_int_ge(waited_ns, PACE_BACKOFF_NS);
    ck_assert_int_lt(waited_ns, PACE_BACKOFF_NS + 3 * PACE_WINDOW_NS);
}
END_TEST

START_TEST(a_peer_that_moves_encourages_once_in_a_while)
{
    int64_t now_ns;
    struct pace pace = pace_at(&now_ns);

    for (int i = 0; i < 4; i++) { /* the pause would be eight seconds */
        pace_entered(&pace, now_ns);
        ck_assert_int_eq(run(&pace, true, 20000, 100, INT64_C(1000000000), &now_ns), PACE_SLEEPY);
    }
    pace_encourage(&pace, now_ns);
    ck_assert_int_lt(pause_ns(&pace, &now_ns), 3 * PACE_WINDOW_NS);
    pace_entered(&pace, now_ns);
    ck_assert_int_eq(run(&pace, true, 20000, 100, INT64_C(100000000), &now_ns), PACE_SLEEPY);
    pace_encourage(&pace, now_ns); /* too soon */
    ck_assert_int_ge(pause_ns(&pace, &now_ns), PACE_BACKOFF_NS);
}
END_TEST

/* --- exactly where it turns ------------------------------------------------------------------- */

enum { NOW = 2000000000 };

/* As if it had just been measured so. */
static struct pace pace_measured(double rate, double receive_rate)
{
    struct pace pace;
    pace_init(&pace);
    pace.rate = rate;
    pace.receive_rate = receive_rate;
    pace.mean_size = 100;
    pace.count = 400;
    return pace;
}

START_TEST(a_window_ends_when_its_time_is_over)
{
    int64_t now_ns;
    struct pace pace = pace_at(&now_ns);

    ck_assert(!pace_measure(&pace, 5, now_ns));
    (void)pace_count(&pace, 1, 10);
    (void)pace_count(&pace, 1, 30);
    ck_assert(!pace_measure(&pace, 6, now_ns + PACE_WINDOW_NS - 1));
    ck_assert(pace_measure(&pace, 7, now_ns + PACE_WINDOW_NS));
    ck_assert_double_eq_tol(pace.rate, 2 * 1e9 / PACE_WINDOW_NS, 0.001);
    ck_assert_double_eq_tol(pace.receive_rate, 2 * 1e9 / PACE_WINDOW_NS, 0.001);
    ck_assert_double_eq(pace.mean_size, 20);
    pace_pass(&pace, now_ns + PACE_WINDOW_NS);
    (void)pace_count(&pace, 1, 50);
    ck_assert(pace_measure(&pace, 7, now_ns + 2 * PACE_WINDOW_NS));
    ck_assert_double_eq_tol(pace.rate, 1e9 / PACE_WINDOW_NS, 0.001);
    ck_assert_double_eq(pace.receive_rate, 0);
    ck_assert_double_eq(pace.mean_size, 50);
}
END_TEST

/* Half as many answers as requests to twice as many. */
START_TEST(whoever_waits_for_answers_hopes)
{
    static const struct {
        double rate, receive_rate;
        enum pace_verdict verdict;
    } rates[] = { { 1400, 699, PACE_STAY }, { 1400, 700, PACE_HOPEFUL },
        { 1400, 1400, PACE_HOPEFUL }, { 1400, 2800, PACE_HOPEFUL }, { 1400, 2801, PACE_STAY },
        { 1400, 3500, PACE_STAY } };
    struct pace pace = pace_measured(rates[_i].rate, rates[_i].receive_rate);

    ck_assert_int_eq(pace_judge(&pace, false, &thresholds, NOW), rates[_i].verdict);
}
END_TEST

START_TEST(a_share_of_sleepers_is_too_much_beyond_it)
{
    struct pace pace = pace_measured(20000, 0);

    pace.wakes = (uint32_t)(PACE_SLEEPY_SHARE * pace.count);
    ck_assert_int_eq(pace_judge(&pace, true, &thresholds, NOW), PACE_STAY);
    pace.count = 400;
    pace.wakes = (uint32_t)(PACE_SLEEPY_SHARE * pace.count) + 1;
    ck_assert_int_eq(pace_judge(&pace, true, &thresholds, NOW), PACE_SLEEPY);
}
END_TEST

/* So many one after the other, since it was entered. */
START_TEST(slow_windows_count_in_the_ring)
{
    struct pace slow = pace_measured(100, 0), pace = slow;

    for (unsigned i = 0; i < 3 * PACE_SLOW_WINDOWS; i++)
        ck_assert_int_eq(pace_judge(&pace, false, &thresholds, NOW), PACE_STAY);
    ck_assert_int_eq(pace.retry_ns, 0);
    pace_entered(&pace, NOW);
    for (unsigned i = 1; i < PACE_SLOW_WINDOWS; i++)
        ck_assert_int_eq(pace_judge(&pace, true, &thresholds, NOW), PACE_STAY);
    pace.rate = 20000;
    ck_assert_int_eq(pace_judge(&pace, true, &thresholds, NOW), PACE_STAY);
    pace.rate = slow.rate;
    for (unsigned i = 1; i < PACE_SLOW_WINDOWS; i++)
        ck_assert_int_eq(pace_judge(&pace, true, &thresholds, NOW), PACE_STAY);
    ck_assert_int_eq(pace_judge(&pace, true, &thresholds, NOW), PACE_SLOW);
}
END_TEST

START_TEST(a_pause_ends_when_its_time_is_over)
{
    struct pace pace = pace_measured(20000, 0);

    pace.retry_ns = NOW + 1;
    ck_assert_int_eq(pace_judge(&pace, false, &thresholds, NOW), PACE_STAY);
    ck_assert_int_eq(pace_judge(&pace, false, &thresholds, NOW + 1), PACE_FAST);
}
END_TEST

/* One that was worth it, to the nanosecond, is followed by the shortest pause; no pause is longer
 * than the longest. */
START_TEST(a_stay_is_worth_it_after_its_time)
{
    struct pace pace = pace_measured(20000, 0);

    pace.wakes = pace.count;
    pace.backoff_ns = PACE_BACKOFF_NS_MAX;
    pace.entered_ns = NOW - PACE_WORTH_NS + 1;
    ck_assert_int_eq(pace_judge(&pace, true, &thresholds, NOW), PACE_SLEEPY);
    ck_assert_int_eq(pace.retry_ns, NOW + PACE_BACKOFF_NS_MAX);
    ck_assert_int_eq(pace.backoff_ns, PACE_BACKOFF_NS_MAX);
    pace.wakes = pace.count = 1;
    pace.entered_ns = NOW - PACE_WORTH_NS;
    ck_assert_int_eq(pace_judge(&pace, true, &thresholds, NOW), PACE_SLEEPY);
    ck_assert_int_eq(pace.retry_ns, NOW + PACE_BACKOFF_NS);
    ck_assert_int_eq(pace.backoff_ns, 2 * PACE_BACKOFF_NS);
}
END_TEST

START_TEST(it_is_encouraged_again_after_the_shortest_pause)
{
    struct pace pace = pace_measured(20000, 0);

    pace.retry_ns = INT64_MAX;
    pace.encouraged_ns = NOW;
    pace_encourage(&pace, NOW + PACE_BACKOFF_NS - 1);
    ck_assert_int_eq(pace.retry_ns, INT64_MAX);
    pace_encourage(&pace, NOW + PACE_BACKOFF_NS);
    ck_assert_int_eq(pace.retry_ns, NOW + PACE_BACKOFF_NS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/auto/pace");
    TCase *tests = tcase_create("pace");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 30);
    tcase_add_loop_test(tests, only_enough_of_them_are_fast, 0, 4);
    tcase_add_test(tests, a_burst_is_no_rate);
    tcase_add_test(tests, the_clock_is_looked_at_less_and_less);
    tcase_add_test(tests, what_is_between_the_thresholds_moves_nothing);
    tcase_add_loop_test(tests, answers_count_too, 0, 6);
    tcase_add_test(tests, what_has_just_been_entered_is_on_trial);
    tcase_add_loop_test(tests, only_enough_sleepers_are_sleepy, 0, 4);
    tcase_add_test(tests, what_does_not_pay_is_tried_later_and_later);
    tcase_add_test(tests, a_peer_that_moves_encourages_once_in_a_while);
    tcase_add_test(tests, a_window_ends_when_its_time_is_over);
    tcase_add_loop_test(tests, whoever_waits_for_answers_hopes, 0, 6);
    tcase_add_test(tests, a_share_of_sleepers_is_too_much_beyond_it);
    tcase_add_test(tests, slow_windows_count_in_the_ring);
    tcase_add_test(tests, a_pause_ends_when_its_time_is_over);
    tcase_add_test(tests, a_stay_is_worth_it_after_its_time);
    tcase_add_test(tests, it_is_encouraged_again_after_the_shortest_pause);
    return suite_run(suite);
}
