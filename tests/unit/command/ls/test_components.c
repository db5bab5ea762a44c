/* test_components.c - strongly connected components, against the definition. */
#include "base/cleanup.h"
#include "command/ls/components.h"
#include "suite.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_nothing)
{
    uint32_t components[1] = { 7 };
    ck_assert_int_eq(components_find(0, NULL, 0, components), 0);
    ck_assert_uint_eq(components[0], 7);
}
END_TEST

START_TEST(test_a_ring_is_one_and_its_tail_is_not)
{
    /* 0 -> 1 -> 2 -> 0, 2 -> 3, 4 -> 4 */
    struct arc arcs[] = { { 4, 4 }, { 2, 3 }, { 1, 2 }, { 0, 1 }, { 2, 0 } };
    uint32_t components[5];
    ck_assert_int_eq(components_find(5, arcs, COUNT_OF(arcs), components), 0);
    ck_assert_uint_eq(components[0], components[1]);
    ck_assert_uint_eq(components[1], components[2]);
    ck_assert_uint_ne(components[2], components[3]);
    ck_assert_uint_ne(components[3], components[4]);
    ck_assert_uint_ne(components[0], components[4]);
}
END_TEST

#define NODES 12u

static void close_over(bool reaches[NODES][NODES])
{
    for (size_t k = 0; k < NODES; k++)
        for (size_t i = 0; i < NODES; i++)
            for (size_t j = 0; j < NODES; j++)
                reaches[i][j] = reaches[i][j] || (reaches[i][k] && reaches[k][j]);
}

/* Two nodes are in one component if and only if each reaches the other. */
START_TEST(test_random_graphs_against_reachability)
{
    uint32_t state = 1;
    for (unsigned round = 0; round < 500; round++) {
        struct arc arcs[30];
        bool reaches[NODES][NODES] = { 0 };
        uint32_t components[NODES];
        size_t count = round % COUNT_OF(arcs);
        for (size_t i = 0; i < count; i++) {
            state = state * 1103515245u + 12345u;
            arcs[i] = (struct arc){ (state >> 8) % NODES, (state >> 16) % NODES };
            reaches[arcs[i].from][arcs[i].to] = true;
        }
        close_over(reaches);
        ck_assert_int_eq(components_find(NODES, arcs, count, components), 0);
        for (size_t i = 0; i < NODES; i++)
            for (size_t j = 0; j < NODES; j++)
                ck_assert_int_eq(
                    components[i] == components[j], i == j || (reaches[i][j] && reaches[j][i]));
    }
}
END_TEST

/* As deep as no stack of calls goes. */
START_TEST(test_a_ring_of_a_million)
{
    size_t count = 1000000;
    AUTO_FREE struct arc *arcs = calloc(count, sizeof(*arcs));
    AUTO_FREE uint32_t *components = calloc(count, sizeof(*components));
    for (uint32_t i = 0; i < count; i++)
        arcs[i] = (struct arc){ i, (i + 1) % (uint32_t)count };
    ck_assert_int_eq(components_find(count, arcs, count, components), 0);
    for (size_t i = 1; i < count; i++)
        if (components[i] != components[0])
            ck_abort_msg("node %zu is in another component", i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/ls/components");
    TCase *cases = tcase_create("components");
    tcase_set_timeout(cases, 30);
    tcase_add_test(cases, test_nothing);
    tcase_add_test(cases, test_a_ring_is_one_and_its_tail_is_not);
    tcase_add_test(cases, test_random_graphs_against_reachability);
    tcase_add_test(cases, test_a_ring_of_a_million);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
