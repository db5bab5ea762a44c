/* suite.h - how each program of unit tests ends, and how a case says that it is not tried. */
#ifndef FERRY_TESTS_SUITE_H
#define FERRY_TESTS_SUITE_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The case that calls this is counted as skipped (scripts/collect-results reads the line), unless
 * it fails; it has yet to return. True, so that this can stand behind the condition. */
static inline bool skipped(const char *why)
{
    printf("skipped: %s\n", why);
    fflush(stdout);
    return true;
}

static inline bool skipped_without_root(void)
{
    return geteuid() != 0 && skipped("needs root");
}

/* Returns what main() does. */
static inline int suite_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);

    /* What somebody has measured of this machine sways no test. */
    setenv("FERRY_CALIBRATION", "", 0);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
