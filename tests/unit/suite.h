/* suite.h - how each program of unit tests ends. */
#ifndef FERRY_TESTS_SUITE_H
#define FERRY_TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

/* Returns what main() does. */
static inline int suite_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
