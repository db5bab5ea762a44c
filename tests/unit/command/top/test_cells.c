/* test_cells.c - figures in few characters, and what is not known as such. */
#include "base/clock.h"
#include "command/top/cells.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void expect_short(double number, const char *expected)
{
    char text[16];

    top_short_print(number, text);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_le(strlen(text), 5);
}

START_TEST(test_short_figures)
{
    expect_short(0, "0");
    expect_short(0.4, "0");
    expect_short(9999, "9999");
    expect_short(9999.4, "9999");
    expect_short(9999.6, "9.8K");
    expect_short(10240, "10K");
    expect_short(999 * 1024.0, "999K");
    expect_short(1000 * 1024.0, "1.0M");
    expect_short(1.5 * 1024 * 1024 * 1024, "1.5G");
    expect_short(1e19, "8.7E");
}
END_TEST

static void expect_cell(const struct top_row *row, enum top_column column, const char *expected)
{
    struct bytes text = BYTES_EMPTY;

    top_cell_print(row, column, true, &text);
    ck_assert_str_eq(text.data, expected);
    bytes_fini(&text);
}

START_TEST(test_what_is_not_known_is_a_dash)
{
    struct ferry_endpoint endpoint = { .kind = FERRY_ENDPOINT_TCP,
        .state = FERRY_STATE_ESTABLISHED };
    struct top_row row = {
        .main = &endpoint, .in = TOP_UNKNOWN, .out = 0, .age_ns = TOP_NONE, .fill = TOP_NONE
    };

    expect_cell(&row, TOP_IN, "-");
    expect_cell(&row, TOP_OUT, "0");
    expect_cell(&row, TOP_AGE, "-");
    expect_cell(&row, TOP_FILL, "-");
    expect_cell(&row, TOP_LOCAL, "-");
    expect_cell(&row, TOP_PROCESS, "-");
    endpoint.peer_gone = true;
    expect_cell(&row, TOP_PEER, "gone");
}
END_TEST

START_TEST(test_ages)
{
    struct ferry_endpoint endpoint = { 0 };
    struct top_row row = { .main = &endpoint, .age_ns = 99 * NS_PER_S, .older = true };

    expect_cell(&row, TOP_AGE, ">99s");
    row.age_ns = 100 * NS_PER_S;
    row.older = false;
    expect_cell(&row, TOP_AGE, "1m");
    row.age_ns = 100 * 60 * NS_PER_S;
    expect_cell(&row, TOP_AGE, "1h");
    row.age_ns = 72 * 3600 * NS_PER_S;
    expect_cell(&row, TOP_AGE, "3d");
}
END_TEST

START_TEST(test_connections_that_come_and_go_have_a_sign)
{
    struct ferry_endpoint endpoint = { .state = FERRY_STATE_LISTENING };
    struct top_row row = { .main = &endpoint, .in = 5, .out = 5, .made = 2.5, .closed = 12 };

    expect_cell(&row, TOP_IN, "+2.5");
    expect_cell(&row, TOP_OUT, "-12");
    row.made = 0;
    row.closed = TOP_UNKNOWN;
    expect_cell(&row, TOP_IN, "0");
    expect_cell(&row, TOP_OUT, "-");
}
END_TEST

START_TEST(test_every_column_of_a_view_has_its_name)
{
    for (int by_process = 0; by_process < 2; by_process++) {
        const enum top_column *column = top_columns_of(by_process);
        for (; *column != TOP_COLUMN_COUNT; column++)
            ck_assert_int_eq(top_column_find(top_columns[*column].name), *column);
    }
    ck_assert_int_eq(top_column_find("colour"), TOP_COLUMN_COUNT);
}
END_TEST

START_TEST(test_fullness)
{
    uint32_t memory[FERRY_MEMORY_COUNT] = { 0 };
    struct ferry_endpoint endpoint = {
        .state = FERRY_STATE_LISTENING, .receive_queue = 129, .memory = memory
    };

    ck_assert_int_eq(top_fill(&endpoint), 999); /* a backlog of nothing takes one */
    endpoint.send_queue = 128;
    ck_assert_int_eq(top_fill(&endpoint), 100);
    endpoint.state = FERRY_STATE_ESTABLISHED;
    ck_assert_int_eq(top_fill(&endpoint), TOP_NONE);
    endpoint.has_memory = true;
    memory[FERRY_MEMORY_SEND_USED] = 3000000000u;
    memory[FERRY_MEMORY_SEND_SIZE] = 4000000000u;
    ck_assert_int_eq(top_fill(&endpoint), 75);
    memory[FERRY_MEMORY_RECEIVE_USED] = 9;
    memory[FERRY_MEMORY_RECEIVE_SIZE] = 10;
    ck_assert_int_eq(top_fill(&endpoint), 90);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/top/cells");
    TCase *test = tcase_create("cells");

    tcase_add_test(test, test_short_figures);
    tcase_add_test(test, test_what_is_not_known_is_a_dash);
    tcase_add_test(test, test_ages);
    tcase_add_test(test, test_connections_that_come_and_go_have_a_sign);
    tcase_add_test(test, test_every_column_of_a_view_has_its_name);
    tcase_add_test(test, test_fullness);
    suite_add_tcase(suite, test);
    return suite_run(suite);
}
