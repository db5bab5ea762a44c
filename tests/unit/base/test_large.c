/* test_large.c - memory in large pages keeps what is there, however it grows. */
#include "base/large.h"
#include "base/limits.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

START_TEST(whole_large_pages)
{
    char *much = large_new(LARGE_SIZE_MIN), *little = large_new(LARGE_SIZE_MIN - 1);

    ck_assert_ptr_nonnull(much);
    ck_assert_ptr_nonnull(little);
    ck_assert_uint_eq((uintptr_t)much % LARGE_PAGE_SIZE, 0);
    memset(much, 1, LARGE_SIZE_MIN);
    memset(little, 1, LARGE_SIZE_MIN - 1);
    free(much);
    free(little);
}
END_TEST

START_TEST(growing_keeps_what_is_there)
{
    static const size_t sizes[] = { 10, LARGE_SIZE_MIN - 1, LARGE_SIZE_MIN, LARGE_PAGE_SIZE,
        LARGE_PAGE_SIZE + 1, 3 * LARGE_PAGE_SIZE };
    char *memory = NULL;
    size_t before = 0, wrong = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        memory = large_grow(memory, before, sizes[i]);
        ck_assert_ptr_nonnull(memory);
        for (size_t at = 0; at < before; at++)
            wrong += memory[at] != (char)(at % 101);
        for (size_t at = before; at < sizes[i]; at++)
            memory[at] = (char)(at % 101);
        before = sizes[i];
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_ptr_null(large_grow(memory, before, SIZE_MAX - 1));
    ck_assert_int_eq(memory[100], 100);
    free(memory);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/large");
    TCase *tests = tcase_create("large");

    tcase_add_test(tests, whole_large_pages);
    tcase_add_test(tests, growing_keeps_what_is_there);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
