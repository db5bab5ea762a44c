/* test_order.c - the rows that are shown are the first of all, in order. */
#include "base/cleanup.h"
#include "command/top/order.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>

enum { ROWS = 500 };

static struct ferry_endpoint endpoints[ROWS];
static struct top_row rows[ROWS];

/* Few different figures, so that many rows are equal and the rest of the order must decide. */
static struct top_model make_model(unsigned seed)
{
    srandom(seed);
    for (size_t i = 0; i < ROWS; i++) {
        endpoints[i] = (struct ferry_endpoint){ .inode = i + 1, .cookie = i + 1 };
        rows[i] = (struct top_row){ .main = &endpoints[i],
            .fill = (int)(random() % 5) - 1,
            .receive_queue = (uint64_t)(random() % 3),
            .in = (double)(random() % 4) - 1,
            .out = TOP_UNKNOWN,
            .made = TOP_UNKNOWN,
            .closed = TOP_UNKNOWN };
    }
    return (struct top_model){ .rows = rows, .count = ROWS };
}

START_TEST(test_the_first_are_those_of_the_whole_order)
{
    static const size_t wanted[] = { 0, 1, 2, 17, ROWS / 2, ROWS - 1, ROWS, ROWS * 2 };
    struct top_model model = make_model((unsigned)_i);
    struct top_order all = { .sort = TOP_FILL, .reverse = _i % 2 }, some = all;

    ck_assert_int_eq(top_order_make(&all, &model, SIZE_MAX), 0);
    ck_assert_uint_eq(all.sorted, ROWS);
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        ck_assert_int_eq(top_order_make(&some, &model, wanted[i]), 0);
        ck_assert_uint_eq(some.count, ROWS);
        ck_assert_uint_eq(some.sorted, wanted[i] < ROWS ? wanted[i] : ROWS);
        for (size_t place = 0; place < some.sorted; place++)
            ck_assert_uint_eq(some.places[place], all.places[place]);
    }
    top_order_fini(&all);
    top_order_fini(&some);
}
END_TEST

START_TEST(test_the_fullest_first_then_the_fastest)
{
    struct top_model model = make_model(1);
    struct top_order order = { .sort = TOP_FILL };

    ck_assert_int_eq(top_order_make(&order, &model, SIZE_MAX), 0);
    for (size_t i = 1; i < ROWS; i++) {
        const struct top_row *a = &rows[order.places[i - 1]], *b = &rows[order.places[i]];
        ck_assert_int_ge(a->fill, b->fill);
        if (a->fill == b->fill)
            ck_assert_double_ge(a->in, b->in);
    }
    top_order_fini(&order);
}
END_TEST

START_TEST(test_a_filter_looks_at_everything_shown)
{
    struct top_model model = make_model(2);
    struct top_order order = { .sort = TOP_FILL, .filter = "U_STR" };

    ck_assert_int_eq(top_order_make(&order, &model, 3), 0);
    ck_assert_uint_eq(order.count, ROWS);
    order.filter = "nothing has this";
    ck_assert_int_eq(top_order_make(&order, &model, 3), 0);
    ck_assert_uint_eq(order.count, 0);
    ck_assert_uint_eq(order.sorted, 0);
    top_order_fini(&order);
}
END_TEST

START_TEST(test_nothing_is_in_order)
{
    struct top_model model = { 0 };
    struct top_order order = { .sort = TOP_LOCAL };

    ck_assert_int_eq(top_order_make(&order, &model, 10), 0);
    ck_assert_uint_eq(order.sorted, 0);
    top_order_fini(&order);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/top/order");
    TCase *test = tcase_create("order");

    tcase_add_loop_test(test, test_the_first_are_those_of_the_whole_order, 0, 20);
    tcase_add_test(test, test_the_fullest_first_then_the_fastest);
    tcase_add_test(test, test_a_filter_looks_at_everything_shown);
    tcase_add_test(test, test_nothing_is_in_order);
    suite_add_tcase(suite, test);
    return suite_run(suite);
}
