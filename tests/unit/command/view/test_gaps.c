/* test_gaps.c - what could not be seen, of what was asked about. */
#include "command/view/gaps.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define KIND(one) (1u << FERRY_ENDPOINT_##one)

static void expect(
    const struct ferry_endpoints_gaps *gaps, unsigned kinds, const char *said, const char *unsaid)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    view_print_gaps(gaps, kinds, &text);
    const char *words = text.data ? text.data : "";
    if (said)
        ck_assert_msg(strstr(words, said) != NULL, "%s: %s", said, words);
    if (unsaid)
        ck_assert_msg(strstr(words, unsaid) == NULL, "%s: %s", unsaid, words);
    if (!said && !unsaid)
        ck_assert_str_eq(words, "");
}

START_TEST(what_is_missing_of_other_kinds_is_not_said)
{
    const struct ferry_endpoints_gaps raw = { .missing_kinds = KIND(RAW) };

    expect(&raw, FERRY_ENDPOINTS_ALL, "raw sockets (the kernel lacks", NULL);
    expect(&raw, FERRY_ENDPOINTS_UNIX, NULL, NULL);
    expect(&raw, KIND(TCP), NULL, NULL);
    const struct ferry_endpoints_gaps both = { .missing_kinds = KIND(RAW) | KIND(UDP) };
    expect(&both, KIND(UDP), "udp sockets", "raw");
}
END_TEST

START_TEST(queues_and_backlogs_are_of_their_kinds)
{
    const struct ferry_endpoints_gaps gaps = { .unlisted_queues = 1, .ambiguous_backlogs = 2 };

    expect(&gaps, KIND(QUEUE), "1 directory of message queues", "listeners");
    expect(&gaps, KIND(TCP), "2 listeners' waiting clients", "queues");
    expect(&gaps, KIND(UNIX_DATAGRAM), NULL, NULL);
}
END_TEST

START_TEST(processes_hide_anything_and_networks_sockets)
{
    const struct ferry_endpoints_gaps gaps = { .hidden_processes = 3, .hidden_namespaces = 1 };

    expect(&gaps, KIND(FIFO), "3 processes' descriptors", "namespace");
    expect(&gaps, FERRY_ENDPOINTS_UNIX, "1 network namespace", NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gaps");
    TCase *tests = tcase_create("gaps");

    tcase_add_test(tests, what_is_missing_of_other_kinds_is_not_said);
    tcase_add_test(tests, queues_and_backlogs_are_of_their_kinds);
    tcase_add_test(tests, processes_hide_anything_and_networks_sockets);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
