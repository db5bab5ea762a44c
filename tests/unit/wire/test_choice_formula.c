/* test_choice_formula.c - what is predicted, by the formula and with round figures, and who is no
 * candidate. */
#include "base/cleanup.h"
#include "suite.h"
#include "wire/choice.h"
#include "wire/limits.h"

#include <check.h>
#include <string.h>

/* --- predictions ------------------------------------------------------------------------------ */

static const struct choice_rest round_rest = { 1000, 200 };
static const struct choice_cost looks_out = { 100, 60, 5000, 8000, 600, 500 };
static const struct choice_cost sleeps = { 100, 60, 5000, 8000, 0, 0 };
static const struct choice_cost dear = { 3000, 60, 5000, 8000, 600, 500 };
static const struct choice_cost long_spin = { 100, 60, 5000, 8000, 600, 4000 };
static const struct choice_cost slow_spin = { 100, 60, 5000, 8000, 600, 8000 };

START_TEST(one_way_by_the_formula)
{
    static const struct {
        const struct choice_cost *cost;
        double gap_ns, cpu_ns, wait_ns, wakes;
        bool looks_out, is_late;
    } facts[] = {
        { &looks_out, 59, 100, 60, 0, false, true },
        { &looks_out, 60, 100, 60, 0, false, false },
        { &looks_out, 60.5, 110.5, 250, 0, true, false }, /* half a trip: to copy takes 350 */
        { &looks_out, CHOICE_LOOK_OUT_NS, 20050, 250, 0, true, false },
        { &dear, 1000, 2500, 250, 0, true, false },
        { &long_spin, 1000, 1050, 350, 0, true, false },
        /* The receiver sleeps 1 - 60/20001 of the time, and one wake-up is shared by
         * 1 + (4000 + 0.02 * 200)/20001. */
        { &looks_out, 20001, 4187.05, 3659.24, 0.83070, false, false },
        { &sleeps, 1000, 1021.35, 2259.70, 0.18799, false, false },
        { &slow_spin, 1000, 1021.35, 2259.70, 0.18799, false, false },
        { &sleeps, 1e6, 5974.97, 4190.97, 0.99576, false, false },
        { &sleeps, 1e9, 6000, 4200, 1, false, false },
    };
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        struct choice_prediction found = { 0 };
        choice_predict_one_way(facts[i].cost, &round_rest, facts[i].gap_ns, &found);
        ck_assert_int_eq(found.looks_out, facts[i].looks_out);
        ck_assert_int_eq(found.is_late, facts[i].is_late);
        ck_assert_double_eq_tol(found.wakes, facts[i].wakes, 1e-4);
        ck_assert_double_eq_tol(found.cpu_ns, facts[i].cpu_ns, facts[i].cpu_ns / 1e3);
        ck_assert_double_eq_tol(found.wait_ns, facts[i].wait_ns, facts[i].wait_ns / 1e3);
    }
}
END_TEST

START_TEST(answered_by_the_formula)
{
    static const struct {
        const struct choice_cost *cost;
        double pause_ns, cpu_ns, wait_ns;
        bool looks_out;
    } facts[] = {
        { &looks_out, 0, 600, 500, true },
        { &looks_out, CHOICE_LOOK_OUT_NS, 10600, 500, true },
        { &looks_out, CHOICE_LOOK_OUT_NS + 1, 5010, 8004, false },
        { &sleeps, 0, 5000, 8000, false },
        { &slow_spin, 0, 5000, 8000, false },
        { &sleeps, CHOICE_RESTED_NS / 2, 5250, 8100, false },
        { &sleeps, CHOICE_RESTED_NS, 5500, 8200, false },
        { &sleeps, 1e9, 5500, 8200, false },
    };
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        struct choice_prediction found = { 0 };
        choice_predict_answered(facts[i].cost, &round_rest, facts[i].pause_ns, &found);
        ck_assert_int_eq(found.looks_out, facts[i].looks_out);
        ck_assert_double_eq(found.wakes, !facts[i].looks_out);
        ck_assert_double_eq_tol(found.cpu_ns, facts[i].cpu_ns, 0.1);
        ck_assert_double_eq_tol(found.wait_ns, facts[i].wait_ns, 0.1);
    }
}
END_TEST

/* All mechanisms cost this; what is asked is what a ring would. */
static struct choice_prediction predicted(const struct workload *workload, struct choice_cost cost)
{
    struct choice_costs costs = { .rested = { round_rest, round_rest } };
    struct choice choice;

    for (unsigned i = 0; i < CHOICE_MECHANISMS; i++)
        costs.of[choice_place_of(workload)][i][0] = cost;
    choice_make(workload, &costs, &choice);
    return *choice_find(&choice, CHOICE_RING);
}

/* The rate says how far requests are apart; the pause is what the answer leaves of that. */
START_TEST(requests_by_the_formula)
{
    static const struct {
        const struct choice_cost *cost;
        double gap_ns, cpu_ns, wait_ns;
        bool looks_out, is_late;
    } facts[] = {
        { &looks_out, 400, 600, 500, true, true },
        { &looks_out, 500, 600, 500, true, false },
        { &looks_out, CHOICE_LOOK_OUT_NS + 500, 10600, 500, true, false },
        /* Too far apart: the trip is one of sleepers, though the rest of the pause is short. */
        { &looks_out, CHOICE_LOOK_OUT_NS + 600, 6900, 500, true, false },
        { &looks_out, CHOICE_LOOK_OUT_NS + 8100, 5010.05, 8004.02, false, false },
        { &sleeps, 7900, 5000, 8000, false, true },
        { &sleeps, 8000, 5000, 8000, false, false },
        { &sleeps, 508000, 5250, 8100, false, false },
    };
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        const struct workload workload = {
            .size = 64, .rate_per_s = 1e9 / facts[i].gap_ns, .answered = true
        };
        struct choice_prediction found = predicted(&workload, *facts[i].cost);
        ck_assert_int_eq(found.looks_out, facts[i].looks_out);
        ck_assert_int_eq(found.is_late, facts[i].is_late);
        ck_assert_double_eq_tol(found.cpu_ns, facts[i].cpu_ns, 0.2);
        ck_assert_double_eq_tol(found.wait_ns, facts[i].wait_ns, 0.2);
        ck_assert_double_eq_tol(found.most_per_s, 1e9 / found.wait_ns, 1);
    }
}
END_TEST

/* As many as can go: each is as cheap as it gets, and none is late. */
START_TEST(a_flood_by_the_formula)
{
    struct workload workload = { .size = 64 };

    for (int on_one = 0; on_one < 2; on_one++) {
        workload.one_processor = on_one;
        workload.answered = false;
        struct choice_prediction found = predicted(&workload, looks_out);
        ck_assert(!found.is_late && !found.looks_out);
        ck_assert_double_eq(found.cpu_ns, 100);
        ck_assert_double_eq(found.wait_ns, 60);
        ck_assert_double_eq_tol(found.most_per_s, 1e9 / 60, 1);
        workload.answered = true;
        found = predicted(&workload, looks_out);
        ck_assert(!found.is_late && found.looks_out);
        ck_assert_double_eq(found.cpu_ns, 600);
        ck_assert_double_eq(found.wait_ns, 500);
        ck_assert_double_eq_tol(found.most_per_s, 2e6, 1);
    }
}
END_TEST

/* Beyond the largest size as up to it, but never less. */
START_TEST(larger_than_what_was_measured)
{
    struct choice_cost costs[CHOICE_SIZES], found;
    const size_t mebibyte = 1 << 20;

    for (size_t i = 0; i < CHOICE_SIZES; i++)
        costs[i] = (struct choice_cost){ 100, 100, 100, 100, 100, 100 };
    costs[4] = (struct choice_cost){ 400, 40, 400, 40, 100, 40 }; /* at 4 MiB; at 1 MiB: 100 */
    ck_assert(choice_cost_at(costs, 8 * mebibyte, &found));
    ck_assert_double_eq_tol(found.busy_ns, 800, 0.1);
    ck_assert_double_eq(found.way_ns, 40);
    ck_assert_double_eq_tol(found.asleep_ns, 800, 0.1);
    ck_assert_double_eq(found.trip_ns, 40);
    ck_assert_double_eq(found.spun_ns, 100);
    ck_assert_double_eq(found.spun_trip_ns, 40);
    ck_assert(choice_cost_at(costs, 2 * mebibyte, &found));
    ck_assert_double_eq_tol(found.way_ns, 80, 0.1);
}
END_TEST

/* What lies before the table is not of it. */
START_TEST(a_table_of_nothing_is_not_gone_beyond)
{
    struct choice_cost costs[2 * CHOICE_SIZES] = { { .busy_ns = 5 } }, found;
    ck_assert(!choice_cost_at(costs + CHOICE_SIZES, 64, &found));
}
END_TEST

/* --- who is no candidate ---------------------------------------------------------------------- */

static const char *excluded(const struct workload *workload, enum choice_mechanism mechanism)
{
    struct choice choice;
    choice_make(workload, &choice_costs_built_in, &choice);
    return choice_find(&choice, mechanism)->excluded;
}

START_TEST(a_mechanism_is_excluded_with_a_reason)
{
    struct workload descriptors = { .size = 64, .descriptors = true };
    struct workload remote = { .size = 64, .remote = true }, large = { .size = 8 << 10 };

    ck_assert_ptr_null(excluded(&descriptors, CHOICE_SOCKET));
    ck_assert_ptr_null(excluded(&descriptors, CHOICE_MEMFD));
    ck_assert_str_eq(excluded(&descriptors, CHOICE_PIPE), "only a unix socket passes descriptors");
    ck_assert_str_eq(excluded(&descriptors, CHOICE_RING),
        "memory passes no descriptors; an auto: channel sends what has some by its socket");
    ck_assert_ptr_null(excluded(&remote, CHOICE_TCP));
    ck_assert_str_eq(excluded(&remote, CHOICE_RING), "the other end is on another machine");
    ck_assert_ptr_null(excluded(&large, CHOICE_QUEUE));
    large.size++;
    ck_assert_str_eq(excluded(&large, CHOICE_QUEUE),
        "a message of a queue has 8 KiB at most (fs.mqueue.msgsize_max)");
    large.size = CHOICE_RING_SIZE_MAX;
    ck_assert_ptr_null(excluded(&large, CHOICE_RING));
    large.size++;
    ck_assert_str_eq(excluded(&large, CHOICE_RING),
        "a record has an eighth of its ring, whose largest is 1 GiB");
}
END_TEST

/* Those stand behind the candidates, in their own order. */
START_TEST(what_could_not_be_measured_is_no_candidate)
{
    struct choice_costs costs = choice_costs_built_in;
    struct workload workload = { .size = 64 };
    struct choice choice;

    memset(costs.of[CHOICE_APART][CHOICE_QUEUE], 0, sizeof(costs.of[0][0]));
    choice_make(&workload, &costs, &choice);
    ck_assert_str_eq(choice_find(&choice, CHOICE_QUEUE)->excluded, "it could not be measured here");
    ck_assert_uint_eq(choice.candidates, CHOICE_MECHANISMS - 1);
    workload.remote = true;
    choice_make(&workload, &costs, &choice);
    ck_assert_str_eq(
        choice_find(&choice, CHOICE_QUEUE)->excluded, "the other end is on another machine");
    ck_assert_uint_eq(choice.candidates, 1);
    for (unsigned i = 1; i < CHOICE_MECHANISMS; i++)
        ck_assert_int_eq(choice.ranking[i].mechanism, i - 1); /* tcp is the last of them */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/choice_formula");
    TCase *tests = tcase_create("choice_formula");

    tcase_add_test(tests, one_way_by_the_formula);
    tcase_add_test(tests, answered_by_the_formula);
    tcase_add_test(tests, requests_by_the_formula);
    tcase_add_test(tests, a_flood_by_the_formula);
    tcase_add_test(tests, larger_than_what_was_measured);
    tcase_add_test(tests, a_table_of_nothing_is_not_gone_beyond);
    tcase_add_test(tests, a_mechanism_is_excluded_with_a_reason);
    tcase_add_test(tests, what_could_not_be_measured_is_no_candidate);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
