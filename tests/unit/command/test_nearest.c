/* test_nearest.c - which word was meant. */
#include "command/nearest.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>

static const char *const verbs[] = { "up", "demo", "check", "status", "reload", "relay", "connect",
    "pass", "take", NULL };

START_TEST(test_distance_counts_single_mistakes)
{
    ck_assert_uint_eq(nearest_distance("relay", "relay"), 0);
    ck_assert_uint_eq(nearest_distance("relay", "rela"), 1);
    ck_assert_uint_eq(nearest_distance("rlay", "relay"), 1);
    ck_assert_uint_eq(nearest_distance("rekay", "relay"), 1);
    ck_assert_uint_eq(nearest_distance("realy", "relay"), 1); /* neighbours swapped */
    ck_assert_uint_eq(nearest_distance("", "relay"), 5);
    ck_assert_uint_eq(nearest_distance("kitten", "sitting"), 3);
}
END_TEST

START_TEST(test_long_words_are_far_from_everything)
{
    const char *word = "relayrelayrelayrelayrelayrelayrelayrelay";
    ck_assert_uint_eq(nearest_distance(word, word), 80);
    ck_assert_ptr_null(nearest_word(word, verbs));
}
END_TEST

START_TEST(test_what_was_meant)
{
    ck_assert_str_eq(nearest_word("realy", verbs), "relay");
    ck_assert_str_eq(nearest_word("statsu", verbs), "status");
    ck_assert_str_eq(nearest_word("conect", verbs), "connect");
    ck_assert_str_eq(nearest_word("pu", verbs), "up");
}
END_TEST

START_TEST(test_the_beginning_of_one_word_is_enough)
{
    ck_assert_str_eq(nearest_word("conn", verbs), "connect");
    ck_assert_str_eq(nearest_word("s", verbs), "status");
    ck_assert_str_eq(nearest_word("rel", verbs), "relay"); /* reload needs one letter more */
    ck_assert_ptr_null(nearest_word("re", verbs));         /* so little says neither */
}
END_TEST

START_TEST(test_nothing_like_it)
{
    ck_assert_ptr_null(nearest_word("frobnicate", verbs));
    ck_assert_ptr_null(nearest_word("xyz", verbs));
    ck_assert_ptr_null(nearest_word("", verbs));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/nearest");
    TCase *cases = tcase_create("nearest");
    tcase_set_timeout(cases, 10);
    tcase_add_test(cases, test_distance_counts_single_mistakes);
    tcase_add_test(cases, test_long_words_are_far_from_everything);
    tcase_add_test(cases, test_what_was_meant);
    tcase_add_test(cases, test_the_beginning_of_one_word_is_enough);
    tcase_add_test(cases, test_nothing_like_it);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
