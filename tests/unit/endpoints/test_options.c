/* test_options.c - what a table may be asked for, by callers of any version. */
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <ferry/endpoints.h>
#include <stdlib.h>
#include <string.h>

static struct ferry_error error;

static int ask(unsigned kinds, unsigned gather)
{
    const struct ferry_endpoints_options options = {
        .struct_size = sizeof(options), .kinds = kinds, .gather = gather
    };
    struct ferry_endpoints *table = NULL;
    int code = ferry_endpoints_new(&options, &table, &error);

    ck_assert_int_eq(code == 0, table != NULL);
    ferry_endpoints_free(table);
    return code;
}

START_TEST(what_is_known_is_gathered)
{
    struct ferry_endpoints *table;

    ck_assert_int_eq(ask(0, 0), 0);
    ck_assert_int_eq(ask(FERRY_ENDPOINTS_ALL, FERRY_GATHER_USUAL | FERRY_GATHER_MEMORY), 0);
    ck_assert_int_eq(ferry_endpoints_new(NULL, &table, &error), 0);
    ferry_endpoints_free(table);
}
END_TEST

START_TEST(what_is_not_known_is_refused)
{
    ck_assert_int_eq(ask(1u << FERRY_ENDPOINT_KIND_COUNT | 1, 0), -EINVAL);
    ck_assert_str_eq(error.thing, "ferry_endpoints_new()");
    ck_assert_ptr_nonnull(strstr(error.reason, "kinds 0x400"));
    ck_assert_ptr_nonnull(strstr(error.remedy, "or newer"));
    ck_assert_int_eq(ask(0, FERRY_GATHER_USERS << 1 | FERRY_GATHER_OWNERS), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error.reason, "FERRY_GATHER bits 0x200"));
    ck_assert_int_eq(ask(~0u, ~0u), -EINVAL);
}
END_TEST

/* A caller's struct may be longer, if what this library lacks of it is 0; and shorter. */
START_TEST(structs_of_other_versions)
{
    struct {
        struct ferry_endpoints_options known;
        uint64_t more;
    } newer = { .known = { .struct_size = sizeof(newer) } };
    struct ferry_endpoints *table;

    ck_assert_int_eq(ferry_endpoints_new(&newer.known, &table, &error), 0);
    ferry_endpoints_free(table);
    newer.more = 1;
    ck_assert_int_eq(ferry_endpoints_new(&newer.known, &table, &error), -E2BIG);
    newer.known.struct_size = sizeof(size_t);
    newer.known.kinds = ~0u; /* behind the end of what such a caller has */
    ck_assert_int_eq(ferry_endpoints_new(&newer.known, &table, &error), 0);
    ferry_endpoints_free(table);
    newer.known.struct_size = 0;
    ck_assert_int_eq(ferry_endpoints_new(&newer.known, &table, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error.reason, "struct_size is not set"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoints/options");
    TCase *tests = tcase_create("options");

    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, what_is_known_is_gathered);
    tcase_add_test(tests, what_is_not_known_is_refused);
    tcase_add_test(tests, structs_of_other_versions);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
