/* test_choice_words.c - what is said of a choice, word by word. */
#include "base/cleanup.h"
#include "suite.h"
#include "wire/choice.h"

#include <check.h>

static struct bytes text;

static void setup(void)
{
    text = BYTES_EMPTY;
}

static void teardown(void)
{
    bytes_fini(&text);
}

static const char *said(void)
{
    ck_assert(!bytes_failed(&text));
    return text.size ? text.data : "";
}

/* --- why it is the first ---------------------------------------------------------------------- */

#define FEW_AWAKE  "the receiver hardly sleeps, and then a message needs no system call"
#define FEW_ASLEEP "the receiver hardly sleeps, so what counts is what it takes to carry a message"
#define EACH_WAKES                                                                                 \
    "each wakes its receiver, which costs about the same by any mechanism; what is left is the "   \
    "carrying"
#define LOOKS_OUT                                                                                  \
    "messages follow each other before the receiver, which looks out, falls asleep: nobody has "   \
    "to be woken"

START_TEST(the_first_is_explained)
{
    static const struct {
        size_t candidates;
        struct choice_prediction first;
        bool answered;
        const char *said;
    } facts[] = {
        { 0, { .mechanism = CHOICE_PIPE }, false, "nothing: descriptors stay on their machine" },
        { 1, { .mechanism = CHOICE_TCP, .is_late = true }, false, "tcp: it is all that is left" },
        { 2, { .mechanism = CHOICE_SOCKET, .is_late = true, .most_per_s = 12345678 }, false,
            "unix: so many can't go by any; by it 1.23e+07 a second can" },
        { 2, { .mechanism = CHOICE_RING, .looks_out = true }, true,
            "ring: both ends look out for each other, so nobody has to be woken" },
        { 2, { .mechanism = CHOICE_RING, .looks_out = true }, false, "ring: " LOOKS_OUT },
        { 2, { .mechanism = CHOICE_RING, .wakes = 0.19 }, true, "ring: " FEW_AWAKE },
        { 2, { .mechanism = CHOICE_RING, .wakes = 0.2 }, true, "ring: " EACH_WAKES },
        { 2, { .mechanism = CHOICE_PIPE, .wakes = 0.19 }, false, "pipe: " FEW_ASLEEP },
        { 2, { .mechanism = CHOICE_PIPE, .wakes = 0.2 }, false, "pipe: " EACH_WAKES },
    };
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        const struct workload workload = { .size = 64, .answered = facts[i].answered };
        const struct choice choice = { .candidates = facts[i].candidates,
            .ranking = { facts[i].first, { .mechanism = CHOICE_MEMFD, .cpu_ns = 1000 } } };
        teardown();
        setup();
        choice_explain(&workload, &choice, &text);
        ck_assert_str_eq(said(), facts[i].said);
    }
}
END_TEST

/* The second follows by less than a tenth; or it does not keep up, and follows far behind. */
START_TEST(little_more_than_chance_is_said)
{
    static const struct {
        struct choice_prediction second;
        bool is_chance;
    } facts[] = {
        { { .cpu_ns = 50, .wait_ns = 49.9 }, true },
        { { .cpu_ns = 50, .wait_ns = 50 }, false },
        { { .cpu_ns = 91, .is_late = true }, false },
        { { .cpu_ns = 1000 }, false },
    };
    const struct workload workload = { .size = 64 };

    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        struct choice choice = { .candidates = 2,
            .ranking = {
                { .mechanism = CHOICE_PIPE, .cpu_ns = 40, .wait_ns = 50 }, facts[i].second } };
        choice.ranking[1].mechanism = CHOICE_SOCKET;
        teardown();
        setup();
        choice_explain(&workload, &choice, &text);
        ck_assert_str_eq(said(), facts[i].is_chance
                                     ? "pipe: " FEW_ASLEEP
                                       ". That unix comes after it is little more than chance"
                                     : "pipe: " FEW_ASLEEP);
    }
}
END_TEST

/* --- what would make it faster ---------------------------------------------------------------- */

/* As if this were the choice. */
static const char *advised(const struct workload *workload, const struct choice_costs *costs,
    struct choice_prediction first)
{
    const struct choice choice = { .candidates = 2, .ranking = { first } };

    teardown();
    setup();
    choice_advise(workload, costs, &choice, &text);
    return said();
}

START_TEST(times_have_three_digits)
{
    static const struct {
        double time_ns;
        const char *said;
    } times[] = { { 0.4, "0 ns" }, { 7, "7 ns" }, { 999.4, "999 ns" }, { 999.5, "1.0 us" },
        { 34213, "34.2 us" }, { 99940, "99.9 us" }, { 99950, "100 us" }, { 123456, "123 us" },
        { 999499, "999 us" }, { 999500, "1.0 ms" }, { 1.5e6, "1.5 ms" }, { 2e9, "2.0 s" },
        { 5e12, "5000 s" } };
    const struct workload workload = { .size = 64 };
    const struct choice_prediction dear = { .mechanism = CHOICE_SOCKET, .cpu_ns = 1e15 };

    for (size_t i = 0; i < COUNT_OF(times); i++) {
        char expected[200];
        struct choice_costs costs = { 0 };
        costs.of[CHOICE_TOGETHER][CHOICE_PIPE][0] =
            (struct choice_cost){ .busy_ns = times[i].time_ns, .way_ns = 2000 };
        snprintf(expected, sizeof(expected),
            "both ends on one processor: by pipe %s of a processor and 2.0 us of waiting\n",
            times[i].said);
        ck_assert_str_eq(advised(&workload, &costs, dear), expected);
    }
}
END_TEST

/* By a tenth at least, and where it keeps up. */
START_TEST(what_is_much_better_is_advised)
{
    struct workload workload = { .size = 64 };
    struct choice_prediction first = { .mechanism = CHOICE_PIPE, .cpu_ns = 400, .wait_ns = 600 };
    struct choice_costs costs = { 0 };
    struct choice_cost *other = &costs.of[CHOICE_TOGETHER][CHOICE_SOCKET][0];

    ck_assert_str_eq(advised(&workload, &costs, first), ""); /* there is none */
    *other = (struct choice_cost){ 500, 400, 0, 0, 0, 0 };
    ck_assert_str_eq(advised(&workload, &costs, first),
        "both ends on one processor: by unix 500 ns of a processor and 400 ns of waiting\n");
    other->busy_ns = 500.5;
    ck_assert_str_eq(advised(&workload, &costs, first), "");
    other->busy_ns = 5;
    first.cpu_ns = 1e6;
    workload.rate_per_s = 1e9 / 399;
    ck_assert_str_eq(advised(&workload, &costs, first), ""); /* it is late */
    workload.rate_per_s = 1e9 / 400;
    ck_assert_str_eq(advised(&workload, &costs, first),
        "both ends on one processor: by unix 5 ns of a processor and 400 ns of waiting\n");
}
END_TEST

/* One thing is changed at a time. */
START_TEST(each_condition_is_lifted_by_itself)
{
    struct choice_prediction first = { .mechanism = CHOICE_SOCKET, .cpu_ns = 1e6 };
    struct workload workload = { .size = 64 };
    struct choice_costs costs = { 0 };

    for (unsigned place = 0; place < CHOICE_PLACES; place++) {
        costs.of[place][CHOICE_RING][0] = (struct choice_cost){ 1, 2 + place, 0, 0, 0, 0 };
        costs.of[place][CHOICE_SOCKET][0] = (struct choice_cost){ 5, 6 + place, 0, 0, 0, 0 };
    }
    ck_assert_str_eq(advised(&workload, &costs, first),
        "both ends on one processor: by ring 1 ns of a processor and 3 ns of waiting\n");
    workload.one_processor = true;
    ck_assert_str_eq(advised(&workload, &costs, first),
        "a processor for each end: by ring 1 ns of a processor and 2 ns of waiting\n");
    workload.descriptors = true;
    ck_assert_str_eq(advised(&workload, &costs, first),
        "descriptors by a channel of their own: by ring 1 ns of a processor and 3 ns of waiting\n"
        "a processor for each end: by unix 5 ns of a processor and 6 ns of waiting\n");
    workload.descriptors = false;
    workload.remote = true;
    ck_assert_str_eq(advised(&workload, &costs, first),
        "the other end on this machine: by ring 1 ns of a processor and 3 ns of waiting\n");
}
END_TEST

START_TEST(nothing_is_advised_where_nothing_can)
{
    const struct workload workload = { .size = 1 << 20, .remote = true, .descriptors = true };
    const struct choice choice = { .ranking = { { .mechanism = CHOICE_RING, .cpu_ns = 1e9 } } };

    choice_advise(&workload, &choice_costs_built_in, &choice, &text);
    ck_assert_str_eq(said(), "");
}
END_TEST

/* Several share the one wake-up: if each has one, and they are many enough for that. */
START_TEST(batches_are_advised)
{
    static const struct {
        double wakes, rate_per_s, cpu_ns, busy_ns;
        bool answered;
        const char *each;
    } facts[] = {
        { 1, 1000, 1700, 100, false, "200 ns" }, { 0.2, 16, 1700, 100, false, "200 ns" },
        { 0.19, 1000, 1700, 100, false, NULL }, { 1, 15.9, 1700, 100, false, NULL },
        { 1, 0, 1700, 100, false, NULL }, { 1, 1000, 1700, 100, true, NULL },
        { 1, 1000, 750, 670, false, "675 ns" }, /* a tenth better */
        { 1, 1000, 750, 671, false, NULL },
        { 1, 1000, 1700, 0, false, NULL }, /* it is not known what it costs */
    };
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        const struct workload workload = {
            .size = 64, .rate_per_s = facts[i].rate_per_s, .answered = facts[i].answered
        };
        const struct choice_prediction first = {
            .mechanism = CHOICE_PIPE, .cpu_ns = facts[i].cpu_ns, .wakes = facts[i].wakes
        };
        struct choice_costs costs = { 0 };
        char expected[200] = "";
        costs.of[CHOICE_APART][CHOICE_PIPE][0].busy_ns = facts[i].busy_ns;
        if (facts[i].each)
            snprintf(expected, sizeof(expected),
                "16 messages at a time, where they may wait for each other: %s of a processor "
                "each\n",
                facts[i].each);
        ck_assert_str_eq(advised(&workload, &costs, first), expected);
    }
}
END_TEST

START_TEST(large_records_are_advised_to_stay_in_place)
{
    static const char expected[] = "write in place and read in place (ferry_ring_loan(), "
                                   "ferry_ring_borrow()): no copy at all\n";
    struct workload workload = { .size = 16 << 10 };
    struct choice_prediction first = { .mechanism = CHOICE_RING, .cpu_ns = 1 };
    const struct choice_costs costs = { 0 };

    ck_assert_str_eq(advised(&workload, &costs, first), expected);
    workload.size--;
    ck_assert_str_eq(advised(&workload, &costs, first), "");
    workload.size++;
    first.mechanism = CHOICE_SOCKET;
    ck_assert_str_eq(advised(&workload, &costs, first), "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/choice_words");
    TCase *tests = tcase_create("choice_words");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, the_first_is_explained);
    tcase_add_test(tests, little_more_than_chance_is_said);
    tcase_add_test(tests, times_have_three_digits);
    tcase_add_test(tests, what_is_much_better_is_advised);
    tcase_add_test(tests, each_condition_is_lifted_by_itself);
    tcase_add_test(tests, nothing_is_advised_where_nothing_can);
    tcase_add_test(tests, batches_are_advised);
    tcase_add_test(tests, large_records_are_advised_to_stay_in_place);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
