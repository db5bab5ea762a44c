/* test_large.c - memory in large pages keeps what is there, however it grows. */
#include "base/cleanup.h"
#include "base/large.h"
#include "base/limits.h"
#include "suite.h"

#include <check.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* What the kernel notes of the mapping that an address lies in: "VmFlags: rd wr mr ..." */
static bool is_flagged(const void *memory, const char *flag)
{
    AUTO_FILE FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    uintptr_t from, to;
    bool inside = false;

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2)
            inside = (uintptr_t)memory >= from && (uintptr_t)memory < to;
        if (inside && strncmp(line, "VmFlags:", 8) == 0)
            return strstr(line, flag);
    }
    return false;
}

START_TEST(the_kernel_was_told)
{
    if (access("/sys/kernel/mm/transparent_hugepage", F_OK) < 0 &&
        skipped("no transparent huge pages in this kernel"))
        return;
    char *much = large_new(LARGE_SIZE_MIN);

    ck_assert_ptr_nonnull(much);
    ck_assert(is_flagged(much, " hg"));
    free(much);
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
    tcase_add_test(tests, the_kernel_was_told);
    tcase_add_test(tests, growing_keeps_what_is_there);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
