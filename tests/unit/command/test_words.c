/* test_words.c - texts by number. */
#include "command/ls/words.h"
#include "suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_the_same_text_is_the_same_number)
{
    struct words words = { 0 };
    ck_assert_uint_eq(words_find(&words, "a", 1), WORDS_NONE);
    ck_assert_uint_eq(words_add(&words, "a", 1), 0);
    ck_assert_uint_eq(words_add(&words, "", 0), 1);
    ck_assert_uint_eq(words_add(&words, "a\0b", 3), 2);
    ck_assert_uint_eq(words_add(&words, "a", 1), 0);
    ck_assert_uint_eq(words_find(&words, "a\0b", 3), 2);
    ck_assert_uint_eq(words_find(&words, "a\0c", 3), WORDS_NONE);
    ck_assert_str_eq(words.texts[0], "a");
    ck_assert_uint_eq(words.sizes[2], 3);
    words_fini(&words);
    ck_assert_uint_eq(words_find(&words, "a", 1), WORDS_NONE);
}
END_TEST

START_TEST(test_thousands)
{
    struct words words = { 0 };
    char text[16];
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 5000; i++) {
            int size = snprintf(text, sizeof(text), "%u", i);
            ck_assert_uint_eq(words_add(&words, text, (size_t)size), i);
        }
    for (unsigned i = 0; i < 5000; i++)
        ck_assert_int_eq(atoi(words.texts[i]), (int)i);
    ck_assert_uint_eq(words.count, 5000);
    words_fini(&words);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/words");
    TCase *cases = tcase_create("words");
    tcase_set_timeout(cases, 10);
    tcase_add_test(cases, test_the_same_text_is_the_same_number);
    tcase_add_test(cases, test_thousands);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
