/* test_profile.c - profiles: what the built-in ones say, and what can be made of them. */
#include "suite.h"
#include "wire/profile.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct ferry_profile *profile;

static void teardown(void)
{
    ferry_profile_free(profile);
}

START_TEST(built_in_ones)
{
    static const struct {
        const char *name, *key, *value;
    } facts[] = {
        { "web", "nodelay", "" },
        { "web", "defer-accept", "3s" },
        { "web", "quickack", NULL },
        { "realtime", "quickack", "" },
        { "realtime", "tos", "ef" },
        { "bulk", "nodelay", "no" },
        { "bulk", "keepidle", "5m" },
        { "bulk", "rcvbuf", NULL },
    };
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        struct ferry_profile *one;
        ck_assert_int_eq(ferry_profile_new(facts[i].name, &one), 0);
        const char *value = ferry_profile_get(one, facts[i].key);
        ck_assert_pstr_eq(value, facts[i].value);
        ferry_profile_free(one);
    }
    ck_assert_int_eq(ferry_profile_new("nosuch", &profile), -ENOENT);
}
END_TEST

START_TEST(what_is_set_replaces_what_was)
{
    ck_assert_int_eq(ferry_profile_new("bulk", &profile), 0);
    ck_assert_int_eq(ferry_profile_set(profile, "keepidle", "90", NULL), 0);
    ck_assert_str_eq(ferry_profile_get(profile, "keepidle"), "90s");
    ck_assert_int_eq(ferry_profile_set(profile, "rcvbuf", "1024K", NULL), 0);
    ck_assert_str_eq(ferry_profile_get(profile, "rcvbuf"), "1M");
    ck_assert_str_eq(ferry_profile_get(profile, "nodelay"), "no");
}
END_TEST

/* The priority of a queue's messages has the key of a socket option, and another range. */
START_TEST(a_key_of_two_meanings_is_the_sockets)
{
    ck_assert_int_eq(ferry_profile_new(NULL, &profile), 0);
    ck_assert_int_eq(ferry_profile_set(profile, "priority", "40000", NULL), 0);
    ck_assert_str_eq(ferry_profile_get(profile, "priority"), "40000");
}
END_TEST

START_TEST(what_is_wrong_is_told)
{
    struct ferry_error error;

    ck_assert_int_eq(ferry_profile_new(NULL, &profile), 0);
    ck_assert_int_eq(ferry_profile_set(profile, "mode", "0600", &error), -ENOENT);
    ck_assert_str_eq(error.thing, "mode");
    ck_assert_int_eq(ferry_profile_set(profile, "nosuch", "1", NULL), -ENOENT);
    ck_assert_int_eq(ferry_profile_set(profile, "keepcnt", "x", &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error.reason, "column 1: expected a number from 1 to 127"));
    ck_assert_int_eq(ferry_profile_set(profile, "keepcnt", "", NULL), -EINVAL);
    ck_assert_ptr_null(ferry_profile_get(profile, "keepcnt"));
    ck_assert_ptr_null(ferry_profile_get(profile, "nosuch"));
}
END_TEST

START_TEST(equal_are_those_that_set_the_same)
{
    struct ferry_profile *copy;

    ck_assert_int_eq(ferry_profile_new("web", &profile), 0);
    ck_assert_int_eq(profile_copy(profile, &copy), 0);
    ck_assert(profile_equal(profile, copy));
    ck_assert_int_eq(ferry_profile_set(copy, "linger", "0", NULL), 0);
    ck_assert(!profile_equal(profile, copy));
    ck_assert(!profile_equal(profile, NULL));
    ck_assert(profile_equal(NULL, NULL));
    ferry_profile_free(copy);
    ck_assert_int_eq(ferry_profile_new(NULL, &copy), 0);
    ck_assert(profile_equal(NULL, copy));
    ferry_profile_free(copy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/profile");
    TCase *tests = tcase_create("profile");

    tcase_set_timeout(tests, 10);
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, built_in_ones);
    tcase_add_test(tests, what_is_set_replaces_what_was);
    tcase_add_test(tests, a_key_of_two_meanings_is_the_sockets);
    tcase_add_test(tests, what_is_wrong_is_told);
    tcase_add_test(tests, equal_are_those_that_set_the_same);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
