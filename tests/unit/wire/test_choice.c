/* test_choice.c - predictions and thresholds: what must hold whatever was measured. */
#include "base/cleanup.h"
#include "suite.h"
#include "wire/choice.h"
#include "wire/limits.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An assertion for what happens a million times: those of Check leave a mark each. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("line %d: %s", __LINE__, #condition);                                     \
    } while (0)

static const size_t sizes[] = { 0, 1, 64, 65, 4096, 8192, 8193, 60000, 1 << 20, 16 << 20,
    SIZE_MAX };
static const double rates[] = { 0, 1, 10, 1000, 10000, 10001, 50000, 1e6, 1e9 };

/* --- what was measured, at random ------------------------------------------------------------- */

static double drawn(double most)
{
    return most * (double)(rand() % 1000 + 1) / 1000;
}

static struct choice_cost cost_drawn(double most)
{
    return (struct choice_cost){ .busy_ns = drawn(most),
        .way_ns = drawn(most),
        .asleep_ns = drawn(10 * most),
        .trip_ns = drawn(10 * most),
        .spun_ns = rand() % 2 ? drawn(most) : 0,
        .spun_trip_ns = rand() % 2 ? drawn(most) : 0 };
}

/* As no machine is: a large message may cost less than a small one. */
static void costs_draw(unsigned seed, struct choice_costs *ret_costs)
{
    srand(seed);
    memset(ret_costs, 0, sizeof(*ret_costs));
    for (unsigned place = 0; place < CHOICE_PLACES; place++)
        ret_costs->rested[place] = (struct choice_rest){ drawn(1e5), drawn(1e5) };
    for (unsigned place = 0; place < CHOICE_PLACES; place++)
        for (unsigned i = 0; i < CHOICE_MECHANISMS; i++)
            for (unsigned j = 0; j < CHOICE_SIZES && (j == 0 || rand() % 8); j++)
                ret_costs->of[place][i][j] = cost_drawn(rand() % 2 ? 1e3 : 1e6);
}

/* --- every workload --------------------------------------------------------------------------- */

static void each_workload(const struct choice_costs *costs,
    void (*check)(const struct workload *workload, const struct choice_costs *costs))
{
    for (size_t size = 0; size < COUNT_OF(sizes); size++)
        for (size_t rate = 0; rate < COUNT_OF(rates); rate++)
            for (unsigned bits = 0; bits < 32; bits++) {
                struct workload workload = { .size = sizes[size],
                    .rate_per_s = rates[rate],
                    .reliable = bits & 1,
                    .descriptors = bits & 2,
                    .remote = bits & 4,
                    .answered = bits & 8,
                    .one_processor = bits & 16 };
                check(&workload, costs);
            }
}

static double rank(const struct choice_prediction *prediction)
{
    return choice_score(prediction) / (prediction->mechanism == CHOICE_RING ? 0.9 : 1);
}

static void check_ranking(const struct workload *workload, const struct choice_costs *costs)
{
    struct choice choice;
    unsigned seen = 0;

    choice_make(workload, costs, &choice);
    for (size_t i = 0; i < CHOICE_MECHANISMS; i++) {
        const struct choice_prediction *one = &choice.ranking[i];
        MUST(!one->excluded == (i < choice.candidates));
        seen |= 1u << one->mechanism;
        MUST(choice_find(&choice, one->mechanism) == one);
        MUST(one->excluded || (isfinite(choice_score(one)) && choice_score(one) > 0));
        MUST(one->wakes >= 0 && one->wakes <= 1);
        if (i > 0 && !one->excluded && one[-1].is_late == one->is_late)
            MUST(
                one->is_late ? one[-1].most_per_s >= one->most_per_s : rank(&one[-1]) <= rank(one));
        MUST(i == 0 || one->excluded || one[-1].is_late <= one->is_late);
    }
    MUST(seen == (1u << CHOICE_MECHANISMS) - 1);
    MUST((choice.candidates == 0) == (workload->remote && workload->descriptors));
    if (choice.candidates == 0)
        return;
    enum choice_mechanism first = choice.ranking[0].mechanism;
    MUST(!workload->remote || first == CHOICE_TCP);
    MUST(!workload->descriptors || first == CHOICE_SOCKET || first == CHOICE_MEMFD);
    MUST(workload->size <= 8192 || first != CHOICE_QUEUE);
}

static void check_words(const struct workload *workload, const struct choice_costs *costs)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct choice choice;

    choice_make(workload, costs, &choice);
    choice_explain(workload, &choice, &text);
    const char *name = choice.candidates ? choice_name(choice.ranking[0].mechanism) : "nothing";
    MUST(strncmp(text.data, name, strlen(name)) == 0 && text.data[strlen(name)] == ':');
    MUST(!strchr(text.data, '\n'));
    size_t explained = text.size;
    choice_advise(workload, costs, &choice, &text);
    MUST(text.size == explained || text.data[text.size - 1] == '\n');
    MUST(!strstr(text.data, "nan"));
}

START_TEST(no_excluded_mechanism_is_chosen)
{
    each_workload(&choice_costs_built_in, check_ranking);
}
END_TEST

START_TEST(whatever_was_measured)
{
    struct choice_costs costs;

    costs_draw((unsigned)_i, &costs);
    each_workload(&costs, check_ranking);
}
END_TEST

START_TEST(words_are_found_for_each)
{
    each_workload(&choice_costs_built_in, check_words);
}
END_TEST

/* --- known ones ------------------------------------------------------------------------------- */

START_TEST(built_in_choices)
{
    static const struct {
        struct workload workload;
        enum choice_mechanism first;
    } facts[] = {
        { { .size = 64 }, CHOICE_RING },
        { { .size = 64, .answered = true }, CHOICE_RING },
        { { .size = 64, .rate_per_s = 1e6 }, CHOICE_RING },
        { { .size = 1 << 20 }, CHOICE_RING },
        { { .size = 64, .rate_per_s = 1e6, .descriptors = true }, CHOICE_SOCKET },
        { { .size = 64, .rate_per_s = 1e6, .remote = true }, CHOICE_TCP },
        { { .size = 4 << 20, .one_processor = true }, CHOICE_SOCKET },
    };
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        struct choice choice;
        choice_make(&facts[i].workload, &choice_costs_built_in, &choice);
        ck_assert_int_eq(choice.ranking[0].mechanism, facts[i].first);
    }
}
END_TEST

START_TEST(the_fixed_rule)
{
    static const struct {
        struct workload workload;
        enum choice_mechanism taken;
    } facts[] = {
        { { .size = 999999, .rate_per_s = 10000 }, CHOICE_QUEUE },
        { { .size = 1000000, .rate_per_s = 10000 }, CHOICE_RING },
        { { .size = 1000000, .rate_per_s = 10001, .reliable = true }, CHOICE_RING },
        { { .size = 64, .rate_per_s = 10001, .reliable = true }, CHOICE_SOCKET },
        { { .size = 64, .rate_per_s = 10001 }, CHOICE_PIPE },
        { { .size = 64 }, CHOICE_PIPE },
        { { .size = 64, .rate_per_s = 1, .descriptors = true }, CHOICE_QUEUE },
    };
    for (size_t i = 0; i < COUNT_OF(facts); i++)
        ck_assert_int_eq(choice_rule(&facts[i].workload), facts[i].taken);
}
END_TEST

/* --- how predictions go ----------------------------------------------------------------------- */

/* The more there are the more share a wake-up, so each costs less, until the receiver looks out. */
START_TEST(more_messages_never_cost_more_each)
{
    for (unsigned i = 0; i < CHOICE_MECHANISMS; i++) {
        struct choice_cost cost;
        double before_ns = INFINITY, wakes = 1;
        ck_assert(choice_cost_at(choice_costs_built_in.of[CHOICE_TOGETHER][i], 64, &cost));
        for (double gap_ns = 1e9; gap_ns > cost.way_ns; gap_ns /= 1.3) {
            struct choice_prediction prediction = { 0 };
            choice_predict_one_way(
                &cost, &choice_costs_built_in.rested[CHOICE_TOGETHER], gap_ns, &prediction);
            ck_assert_double_le(prediction.cpu_ns, before_ns);
            ck_assert_double_le(prediction.wakes, wakes);
            ck_assert_double_le(prediction.wait_ns, cost.trip_ns / 2 + cost.way_ns + 11000);
            ck_assert(!prediction.looks_out && !prediction.is_late);
            before_ns = prediction.cpu_ns;
            wakes = prediction.wakes;
        }
    }
}
END_TEST

/* By any mechanism it costs as much more to wake who has slept for long. */
START_TEST(who_has_slept_for_long_is_harder_to_wake)
{
    static const struct choice_rest rested = { 1000, 200 };
    static const struct choice_cost cost = { 100, 100, 5000, 10000, 0, 0 };
    struct choice_prediction rare = { 0 }, asked = { 0 }, soon = { 0 };

    choice_predict_one_way(&cost, &rested, 1e9, &rare);
    ck_assert_double_eq_tol(rare.cpu_ns, 6000, 1);
    ck_assert_double_eq_tol(rare.wait_ns, 5200, 1);
    choice_predict_answered(&cost, &rested, 1e9, &asked);
    ck_assert_double_eq_tol(asked.cpu_ns, 5500, 1);
    ck_assert_double_eq_tol(asked.wait_ns, 10200, 1);
    choice_predict_answered(&cost, &rested, 0, &soon);
    ck_assert_double_eq_tol(soon.cpu_ns, 5000, 1);
    choice_predict_answered(&cost, &rested, CHOICE_RESTED_NS / 2, &soon);
    ck_assert_double_eq_tol(soon.cpu_ns, 5250, 1);
}
END_TEST

/* But for what chance put into the built-in figures. */
START_TEST(larger_messages_never_cost_less)
{
    for (unsigned i = 0; i < CHOICE_MECHANISMS; i++) {
        struct choice_cost before = { 0 };
        for (size_t size = 1; size < (size_t)1 << 40; size = size * 3 / 2 + 1) {
            struct choice_cost cost;
            ck_assert(choice_cost_at(choice_costs_built_in.of[CHOICE_APART][i], size, &cost));
            ck_assert_double_ge(cost.way_ns * 1.25, before.way_ns);
            ck_assert_double_gt(cost.busy_ns, 0);
            before = cost;
        }
    }
}
END_TEST

START_TEST(what_was_measured_is_what_is_predicted)
{
    const struct choice_cost *measured = choice_costs_built_in.of[CHOICE_APART][CHOICE_RING];
    struct choice_cost cost;

    for (size_t i = 0; i < CHOICE_SIZES; i++) {
        ck_assert(choice_cost_at(measured, choice_sizes[i], &cost));
        ck_assert_double_eq_tol(cost.busy_ns, measured[i].busy_ns, 1e-6 * cost.busy_ns);
        ck_assert_double_eq_tol(cost.spun_trip_ns, measured[i].spun_trip_ns, 1);
    }
    ck_assert(choice_cost_at(measured, (64 + 4096) / 2, &cost));
    ck_assert_double_eq_tol(cost.asleep_ns, (measured[0].asleep_ns + measured[1].asleep_ns) / 2, 1);
}
END_TEST

START_TEST(who_has_no_messages_has_no_cost)
{
    struct choice_cost costs[CHOICE_SIZES] = { 0 }, cost;

    ck_assert(!choice_cost_at(costs, 64, &cost));
    costs[0] = (struct choice_cost){ 5, 6, 7, 8, 0, 0 };
    ck_assert(choice_cost_at(costs, 1 << 20, &cost));
    ck_assert_double_eq(cost.busy_ns, 5);
}
END_TEST

/* What waits for a socket that can't carry it all waits for ever. */
START_TEST(who_does_not_keep_up_comes_last)
{
    struct workload workload = { .size = 64, .rate_per_s = 5e6 };
    struct choice choice;

    choice_make(&workload, &choice_costs_built_in, &choice);
    ck_assert_int_eq(choice.ranking[0].mechanism, CHOICE_RING);
    ck_assert(!choice.ranking[0].is_late && choice.ranking[1].is_late);
    ck_assert_double_lt(choice.ranking[1].most_per_s, 5e6);
}
END_TEST

/* --- thresholds ------------------------------------------------------------------------------- */

START_TEST(classes_meet)
{
    for (unsigned class = 0; class + 1 < CHOICE_CLASSES; class ++) {
        size_t most = choice_class_size_max(class);
        ck_assert_uint_eq(choice_class(most), class);
        ck_assert_uint_eq(choice_class(most + 1), class + 1);
    }
    ck_assert_uint_eq(choice_class(0), 0);
    ck_assert_uint_eq(choice_class(SIZE_MAX), CHOICE_CLASSES - 1);
    ck_assert_uint_eq(choice_class_size_max(CHOICE_CLASSES - 1), SIZE_MAX);
}
END_TEST

static void check_move(const struct choice_move *move)
{
    if (move->from_per_s == CHOICE_NEVER)
        MUST(move->back_per_s == 0);
    else
        MUST(move->from_per_s >= 1 && move->back_per_s <= move->from_per_s / 2);
}

/* Whoever has just moved does not move back at the same rate, in either direction. */
static void check_hysteresis(const struct choice_thresholds *thresholds)
{
    for (size_t size = 0; size < COUNT_OF(sizes); size++)
        for (uint32_t rate = 0; rate < 20000000; rate = rate * 5 / 4 + 1)
            for (uint32_t back = 0; back <= 1; back++) {
                bool moves = choice_is_for_ring(thresholds, false, sizes[size], rate, back * rate);
                bool stays = choice_is_for_ring(thresholds, true, sizes[size], rate, back * rate);
                MUST(!moves || stays);
            }
}

START_TEST(thresholds_are_never_inverted)
{
    struct choice_thresholds thresholds;
    struct choice_costs costs = choice_costs_built_in;

    if (_i > 0)
        costs_draw((unsigned)_i, &costs);
    for (unsigned place = 0; place < CHOICE_PLACES; place++) {
        choice_thresholds_make(&costs, place, &thresholds);
        for (unsigned class = 0; class < CHOICE_CLASSES; class ++) {
            check_move(&thresholds.one_way[class]);
            check_move(&thresholds.answered[class]);
        }
        check_hysteresis(&thresholds);
        ck_assert_uint_ge(thresholds.memfd_size_min, CHOICE_MEMFD_SIZE_MIN);
    }
}
END_TEST

START_TEST(more_traffic_is_no_reason_to_go_back)
{
    struct choice_thresholds thresholds;

    choice_thresholds_make(&choice_costs_built_in, CHOICE_APART, &thresholds);
    for (int on_ring = 0; on_ring <= 1; on_ring++) {
        bool before = false;
        for (uint32_t rate = 0; rate < 20000000; rate = rate * 5 / 4 + 1) {
            bool is_for_ring = choice_is_for_ring(&thresholds, on_ring, 64, rate, 0);
            ck_assert(is_for_ring || !before);
            before = is_for_ring;
        }
        ck_assert(before);
    }
}
END_TEST

static bool is_ring_cheaper(const struct choice_costs *costs, double rate_per_s)
{
    struct choice_prediction socket = { 0 }, ring = { 0 };

    choice_predict_one_way(&costs->of[CHOICE_APART][CHOICE_SOCKET][0], &costs->rested[CHOICE_APART],
        1e9 / rate_per_s, &socket);
    choice_predict_one_way(&costs->of[CHOICE_APART][CHOICE_RING][0], &costs->rested[CHOICE_APART],
        1e9 / rate_per_s, &ring);
    return socket.is_late || choice_score(&ring) <= choice_score(&socket) * CHOICE_WORTH_SHARE;
}

/* Where a wake-up costs little a ring wins asleep, loses by looking out, and wins again. */
START_TEST(above_a_threshold_the_ring_always_wins)
{
    struct choice_thresholds thresholds;
    struct choice_costs costs = { 0 };

    costs.of[CHOICE_APART][CHOICE_SOCKET][0] =
        (struct choice_cost){ 1500, 1000, 8000, 12000, 0, 0 };
    costs.of[CHOICE_APART][CHOICE_RING][0] =
        (struct choice_cost){ 100, 100, 5000, 10000, 200, 400 };
    ck_assert(is_ring_cheaper(&costs, 40000) && !is_ring_cheaper(&costs, 52000));
    choice_thresholds_make(&costs, CHOICE_APART, &thresholds);
    double from_per_s = thresholds.one_way[0].from_per_s;
    ck_assert_double_gt(from_per_s, 52000);
    for (double rate_per_s = from_per_s * 1.01; rate_per_s < 5e6; rate_per_s *= 1.05)
        ck_assert(is_ring_cheaper(&costs, rate_per_s));
}
END_TEST

/* Where the answer is looked out for a ring pays at a fraction of the rate. */
START_TEST(answers_move_sooner)
{
    struct choice_thresholds thresholds;

    choice_thresholds_make(&choice_costs_built_in, CHOICE_APART, &thresholds);
    uint32_t answered = thresholds.answered[0].from_per_s;
    ck_assert_uint_lt(answered, thresholds.one_way[0].from_per_s / 2);
    ck_assert(choice_is_for_ring(&thresholds, false, 64, answered, answered));
    ck_assert(choice_is_for_ring(&thresholds, false, 64, answered, answered / 2 + 1));
    ck_assert(!choice_is_for_ring(&thresholds, false, 64, answered, answered / 2 - 1));
    ck_assert(!choice_is_for_ring(&thresholds, false, 64, answered, 0));
    ck_assert(!choice_is_for_ring(&thresholds, false, 64, answered - 1, answered - 1));
    ck_assert(choice_is_for_ring(&thresholds, true, 64, answered - 1, answered - 1));
}
END_TEST

/* As soon as memory is cheaper than a socket from some size on, that is the size. */
START_TEST(large_messages_go_as_memory_where_it_pays)
{
    struct choice_costs costs = choice_costs_built_in;
    struct choice_thresholds thresholds;

    choice_thresholds_make(&costs, CHOICE_APART, &thresholds);
    ck_assert_uint_eq(thresholds.memfd_size_min, SIZE_MAX);
    for (size_t i = 0; i < CHOICE_SIZES; i++)
        costs.of[CHOICE_APART][CHOICE_MEMFD][i] =
            (struct choice_cost){ .busy_ns = 1, .way_ns = 1, .asleep_ns = 40e3, .trip_ns = 80e3 };
    choice_thresholds_make(&costs, CHOICE_APART, &thresholds);
    ck_assert_uint_eq(thresholds.memfd_size_min, 128 << 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/choice");
    TCase *tests = tcase_create("choice");

    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, no_excluded_mechanism_is_chosen);
    tcase_add_loop_test(tests, whatever_was_measured, 1, 30);
    tcase_add_test(tests, words_are_found_for_each);
    tcase_add_test(tests, built_in_choices);
    tcase_add_test(tests, the_fixed_rule);
    tcase_add_test(tests, more_messages_never_cost_more_each);
    tcase_add_test(tests, who_has_slept_for_long_is_harder_to_wake);
    tcase_add_test(tests, larger_messages_never_cost_less);
    tcase_add_test(tests, what_was_measured_is_what_is_predicted);
    tcase_add_test(tests, who_has_no_messages_has_no_cost);
    tcase_add_test(tests, who_does_not_keep_up_comes_last);
    tcase_add_test(tests, classes_meet);
    tcase_add_loop_test(tests, thresholds_are_never_inverted, 0, 30);
    tcase_add_test(tests, more_traffic_is_no_reason_to_go_back);
    tcase_add_test(tests, above_a_threshold_the_ring_always_wins);
    tcase_add_test(tests, answers_move_sooner);
    tcase_add_test(tests, large_messages_go_as_memory_where_it_pays);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
