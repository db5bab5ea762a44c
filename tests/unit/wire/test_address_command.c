/* test_address_command.c - the splitting rule. */
#include "wire/address.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* `words` as one text, each ended by a '|'. */
static void expect_words(const char *text, int count, const char *words)
{
    char **split, joined[256] = "";
    int r = address_split_command(text, &split);

    ck_assert_msg(r == count, "%s: %d", text, r);
    for (int i = 0; i < r; i++) {
        strcat(joined, split[i]);
        strcat(joined, "|");
    }
    ck_assert_str_eq(joined, words);
    ck_assert_ptr_null(split[r]);
    free(split);
}

static void expect_none(const char *text)
{
    char **untouched = NULL;
    ck_assert_int_eq(address_split_command(text, &untouched), -EINVAL);
    ck_assert_ptr_null(untouched);
}

START_TEST(words)
{
    expect_words("cat", 1, "cat|");
    expect_words("  cat \t -n\n", 2, "cat|-n|");
    expect_words("a b c d e f g h i j", 10, "a|b|c|d|e|f|g|h|i|j|");
    expect_words("$HOME *.c ~ a;b a|b >x", 6, "$HOME|*.c|~|a;b|a|b|>x|");
}
END_TEST

START_TEST(quotes)
{
    expect_words("sh -c 'a \"b\" \\c'", 3, "sh|-c|a \"b\" \\c|");
    expect_words("a \"b 'c' \\\" \\\\ \\n\"", 2, "a|b 'c' \" \\ \\n|");
    expect_words("a'b c'd\"e f\"g", 1, "ab cde fg|");
    expect_words("a '' \"\" b", 4, "a|||b|");
    expect_words("'a\nb'", 1, "a\nb|");
    expect_words("'a\\\\b\\\"c'", 1, "a\\\\b\\\"c|");
}
END_TEST

START_TEST(backslashes)
{
    expect_words("a\\ b \\'c \\\\ \\\"", 4, "a b|'c|\\|\"|");
    expect_words("\\ ", 1, " |");
}
END_TEST

START_TEST(no_command)
{
    expect_none("");
    expect_none(" \t\n");
    expect_none("a 'b");
    expect_none("a \"b");
    expect_none("a \"b\\\"");
    expect_none("a \\");
    expect_none("a\\");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/address_command");
    TCase *tests = tcase_create("address_command");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, words);
    tcase_add_test(tests, quotes);
    tcase_add_test(tests, backslashes);
    tcase_add_test(tests, no_command);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
