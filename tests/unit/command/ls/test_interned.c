/* test_interned.c - texts by number. */
#include "command/ls/interned.h"
#include "suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_the_same_text_is_the_same_number)
{
    struct interned interned = { 0 };
    ck_assert_uint_eq(interned_find(&interned, "a", 1), INTERNED_NONE);
    ck_assert_uint_eq(interned_add(&interned, "a", 1), 0);
    ck_assert_uint_eq(interned_add(&interned, "", 0), 1);
    ck_assert_uint_eq(interned_add(&interned, "a\0b", 3), 2);
    ck_assert_uint_eq(interned_add(&interned, "a", 1), 0);
    ck_assert_uint_eq(interned_find(&interned, "a\0b", 3), 2);
    ck_assert_uint_eq(interned_find(&interned, "a\0c", 3), INTERNED_NONE);
    ck_assert_str_eq(interned.texts[0], "a");
    ck_assert_uint_eq(interned.sizes[2], 3);
    interned_fini(&interned);
    ck_assert_uint_eq(interned_find(&interned, "a", 1), INTERNED_NONE);
}
END_TEST

START_TEST(test_thousands)
{
    struct interned interned = { 0 };
    char text[16];
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 5000; i++) {
            int size = snprintf(text, sizeof(text), "%u", i);
            ck_assert_uint_eq(interned_add(&interned, text, (size_t)size), i);
        }
    for (unsigned i = 0; i < 5000; i++)
        ck_assert_int_eq(atoi(interned.texts[i]), (int)i);
    ck_assert_uint_eq(interned.count, 5000);
    interned_fini(&interned);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/ls/interned");
    TCase *cases = tcase_create("interned");
    tcase_set_timeout(cases, 10);
    tcase_add_test(cases, test_the_same_text_is_the_same_number);
    tcase_add_test(cases, test_thousands);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
