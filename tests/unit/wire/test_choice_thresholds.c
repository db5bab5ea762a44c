/* test_choice_thresholds.c - where a channel moves: by thresholds, and which these are, of figures
 * that are easy to reckon with. */
#include "base/cleanup.h"
#include "suite.h"
#include "wire/choice.h"
#include "wire/limits.h"

#include <check.h>

/* --- by thresholds ---------------------------------------------------------------------------- */

static struct choice_thresholds thresholds_of(
    struct choice_move one_way, struct choice_move answered)
{
    return (struct choice_thresholds){
        .one_way = { one_way }, .answered = { answered }, .memfd_size_min = SIZE_MAX
    };
}

START_TEST(answers_are_within_a_factor_of_two)
{
    static const struct {
        uint32_t sent, received;
        bool is_for_ring;
    } rates[] = { { 6000, 3000, true }, { 6000, 2999, false }, { 3000, 6000, true },
        { 2999, 6000, false }, { 6000, 0, false }, { 0, 6000, false }, { 4999, 4999, false },
        { 5000, 4000, true }, { 4000, 5000, true }, { 10000, 0, true }, { 0, 10000, true },
        { 9999, 1, false } };
    const struct choice_thresholds thresholds =
        thresholds_of((struct choice_move){ 10000, 2000 }, (struct choice_move){ 5000, 1000 });

    for (size_t i = 0; i < COUNT_OF(rates); i++)
        ck_assert_int_eq(
            choice_is_for_ring(&thresholds, false, 64, rates[i].sent, rates[i].received),
            rates[i].is_for_ring);
    ck_assert(choice_is_for_ring(&thresholds, true, 64, 2000, 0));
    ck_assert(!choice_is_for_ring(&thresholds, true, 64, 1999, 0));
    ck_assert(choice_is_for_ring(&thresholds, true, 64, 1000, 1000));
    ck_assert(!choice_is_for_ring(&thresholds, true, 64, 999, 999));
}
END_TEST

/* Of one a second the half is none. */
START_TEST(who_sends_nothing_answers_nothing)
{
    const struct choice_thresholds thresholds =
        thresholds_of((struct choice_move){ 10, 5 }, (struct choice_move){ 1, 0 });

    ck_assert(choice_is_for_ring(&thresholds, false, 64, 1, 1));
    ck_assert(!choice_is_for_ring(&thresholds, false, 64, 0, 1));
    ck_assert(!choice_is_for_ring(&thresholds, false, 64, 1, 0));
}
END_TEST

/* Answers are no reason to stay away. */
START_TEST(the_lower_of_two_thresholds_counts)
{
    const struct choice_move never = { .from_per_s = CHOICE_NEVER }, some = { 100, 50 };
    struct choice_thresholds thresholds = thresholds_of(some, never);

    ck_assert(choice_is_for_ring(&thresholds, false, 64, 100, 100));
    thresholds = thresholds_of(never, some);
    ck_assert(choice_is_for_ring(&thresholds, false, 64, 100, 100));
    ck_assert(!choice_is_for_ring(&thresholds, true, 64, 100, 1));
    ck_assert(!choice_is_for_ring(&thresholds, true, 64, UINT32_MAX, 1));
}
END_TEST

/* --- which they are --------------------------------------------------------------------------- */

/* Of any size: these costs. */
static struct choice_thresholds made(
    struct choice_cost socket, struct choice_cost ring, struct choice_rest rested)
{
    struct choice_thresholds thresholds;
    struct choice_costs costs = { .rested = { rested, rested } };

    costs.of[CHOICE_APART][CHOICE_SOCKET][0] = socket;
    costs.of[CHOICE_APART][CHOICE_RING][0] = ring;
    choice_thresholds_make(&costs, CHOICE_APART, &thresholds);
    for (unsigned class = 1; class < CHOICE_CLASSES; class ++) {
        ck_assert_uint_eq(thresholds.one_way[class].from_per_s, thresholds.one_way[0].from_per_s);
        ck_assert_uint_eq(thresholds.answered[class].back_per_s, thresholds.answered[0].back_per_s);
    }
    return thresholds;
}

#define ck_assert_move(move, from)                                                                 \
    do {                                                                                           \
        ck_assert_uint_eq((move).from_per_s, (from));                                              \
        ck_assert_uint_eq((move).back_per_s, (from) == CHOICE_NEVER ? 0 : (from) / 2);             \
    } while (0)

static const struct choice_rest none;

/* In steps of a tenth: the first from 1000 on is 1051, from 2500 on 2726. */
START_TEST(a_ring_is_worth_a_fifth_and_a_millisecond_a_second)
{
    const struct choice_cost socket = { 100, 100, 1000, 1000, 0, 0 };
    struct choice_cost ring = { 100, 100, 500, 500, 0, 0 };

    ck_assert_move(made(socket, ring, none).answered[0], 1051u);
    ring.asleep_ns = ring.trip_ns = 800;
    ck_assert_move(made(socket, ring, none).answered[0], 2726u);
    ring.trip_ns = 800.5;
    ck_assert_move(made(socket, ring, none).answered[0], CHOICE_NEVER);
}
END_TEST

/* Both sleep between requests for as long as the socket leaves, and what that adds counts as much
 * by the ring: 1.5 ns a nanosecond, so that 2 us of pause are the most, and requests 3 us apart. */
START_TEST(a_pause_is_what_the_socket_leaves)
{
    const struct choice_cost socket = { 100, 100, 1000, 1000, 0, 0 };
    struct choice_cost ring = { 100, 100, 500, 500, 0, 0 };
    const struct choice_rest rested = { 1e6, 1e6 };

    ck_assert_move(made(socket, ring, rested).answered[0], 352062u);
    /* Where there are more requests than it can answer there is none, and not less than none. */
    ring.asleep_ns = ring.trip_ns = 900;
    ck_assert_move(made(socket, ring, rested).answered[0], CHOICE_NEVER);
}
END_TEST

/* Whichever does not keep up, what counts then is how many can go: a million a second by this
 * socket, and the first step from there on is 1004475. */
START_TEST(what_the_socket_cannot_carry_is_worth_it)
{
    const struct choice_cost socket = { 100, 1000, 100, 100, 0, 0 };
    struct choice_cost ring = { 2000, 10, 2000, 100, 0, 0 };

    ck_assert_move(made(socket, ring, none).one_way[0], 1004475u);
    ring.way_ns = 800;
    ck_assert_move(made(socket, ring, none).one_way[0], 1004475u);
    ring.way_ns = 800.5;
    ck_assert_move(made(socket, ring, none).one_way[0], CHOICE_NEVER);
    /* The ring alone does not keep up, however little it costs. */
    ck_assert_move(made((struct choice_cost){ 1e5, 10, 1e5, 1e5, 0, 0 },
                       (struct choice_cost){ 1, 100, 1, 1, 0, 0 }, none)
                       .one_way[0],
        CHOICE_NEVER);
}
END_TEST

/* It is that of the largest size, not of one that nobody sends. */
START_TEST(what_is_larger_than_all_that_was_measured_is_as_that)
{
    struct choice_costs costs = { 0 };
    struct choice_thresholds thresholds;

    for (unsigned i = 0; i < CHOICE_SIZES; i++) {
        costs.of[CHOICE_APART][CHOICE_SOCKET][i] =
            (struct choice_cost){ 100, 100, 1000, 1000, 0, 0 };
        costs.of[CHOICE_APART][CHOICE_RING][i] = (struct choice_cost){ 100, 100, 100, 100, 0, 0 };
    }
    costs.of[CHOICE_APART][CHOICE_RING][CHOICE_SIZES - 1].trip_ns = 900;
    choice_thresholds_make(&costs, CHOICE_APART, &thresholds);
    ck_assert_move(thresholds.answered[CHOICE_CLASSES - 1], 1051u);
}
END_TEST

/* --- memory of its own ------------------------------------------------------------------------ */

/* The socket costs as many nanoseconds as there are bytes. */
static size_t memfd_from(double at_4k, double at_64k, double at_1m, double at_4m)
{
    const double memory[] = { 1e9, at_4k, at_64k, at_1m, at_4m };
    struct choice_costs costs = { 0 };
    struct choice_thresholds thresholds;

    for (unsigned i = 0; i < CHOICE_SIZES; i++) {
        double size = (double)choice_sizes[i];
        costs.of[CHOICE_APART][CHOICE_SOCKET][i] =
            (struct choice_cost){ .busy_ns = 1, .way_ns = 1, .asleep_ns = size };
        costs.of[CHOICE_APART][CHOICE_MEMFD][i] =
            (struct choice_cost){ .busy_ns = 1, .way_ns = 1, .asleep_ns = memory[i] };
    }
    choice_thresholds_make(&costs, CHOICE_APART, &thresholds);
    return thresholds.memfd_size_min;
}

START_TEST(memory_is_taken_from_where_it_is_always_cheaper)
{
    ck_assert_uint_eq(memfd_from(1, 1, 1, 1), 4 << 10);
    ck_assert_uint_eq(memfd_from(1, 1e6, 1, 1), 1 << 20); /* not yet, since it is not at 64k */
    ck_assert_uint_eq(memfd_from(1e9, 1e9, 1e9, 1e9), SIZE_MAX);
    ck_assert_uint_eq(memfd_from(1e7, 1e7, 1e7, 1e7), 16 << 20); /* 0.8 * 16 MiB are more */
    ck_assert_uint_eq(memfd_from(3276.8, 1, 1, 1), 4 << 10);     /* a fifth less */
    ck_assert_uint_eq(memfd_from(3277, 1, 1, 1), 8 << 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/choice_thresholds");
    TCase *tests = tcase_create("choice_thresholds");

    tcase_add_test(tests, answers_are_within_a_factor_of_two);
    tcase_add_test(tests, who_sends_nothing_answers_nothing);
    tcase_add_test(tests, the_lower_of_two_thresholds_counts);
    tcase_add_test(tests, a_ring_is_worth_a_fifth_and_a_millisecond_a_second);
    tcase_add_test(tests, a_pause_is_what_the_socket_leaves);
    tcase_add_test(tests, what_the_socket_cannot_carry_is_worth_it);
    tcase_add_test(tests, what_is_larger_than_all_that_was_measured_is_as_that);
    tcase_add_test(tests, memory_is_taken_from_where_it_is_always_cheaper);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
