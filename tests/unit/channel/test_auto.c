/* test_auto.c - what is told of auto: channels in words. */
#include "suite.h"

#include <check.h>
#include <ferry/auto.h>
#include <limits.h>
#include <string.h>

START_TEST(each_reason_has_words_of_its_own)
{
    for (int i = 0; i < FERRY_AUTO_REASON_COUNT; i++) {
        const char *name = ferry_auto_reason_name((enum ferry_auto_reason)i);
        ck_assert_str_ne(name, "unknown");
        ck_assert_uint_gt(strlen(ferry_auto_reason_text((enum ferry_auto_reason)i)), strlen(name));
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(name, ferry_auto_reason_name((enum ferry_auto_reason)k));
    }
}
END_TEST

START_TEST(what_is_no_reason_has_words_too)
{
    static const int numbers[] = { FERRY_AUTO_REASON_COUNT, 1000000, INT_MAX, -1, INT_MIN };

    ck_assert_str_eq(ferry_auto_reason_name((enum ferry_auto_reason)numbers[_i]), "unknown");
    ck_assert_str_eq(ferry_auto_reason_text((enum ferry_auto_reason)numbers[_i]),
        "for a reason that is not known here");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel/auto");
    TCase *tests = tcase_create("auto");

    suite_add_tcase(suite, tests);
    tcase_add_test(tests, each_reason_has_words_of_its_own);
    tcase_add_loop_test(tests, what_is_no_reason_has_words_too, 0, 5);
    return suite_run(suite);
}
