/* test_address_command.c - the splitting rule. */
#include "suite.h"
#include "wire/address.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
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

START_TEST(a_program_beside_the_configuration)
{
    static const char *const refused[] = { "exec:./hi.sh", "exec:./hi.sh --loud",
        "exec: bin/'hi'.sh" };
    static const char *const found[] = { "'./hi.sh'", "'./hi.sh'", "'bin/hi.sh'" };
    static const unsigned columns[] = { 6, 6, 7 };
    static const char *const good[] = { "exec:cat", "exec:/bin/cat ./x", "exec:sh -c ./hi.sh" };
    static const char *const bases[] = { "/etc/ferry", "" };
    struct ferry_address *address = NULL;
    struct ferry_error error = { 0 };
    char begin[160];

    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 2; j++) {
            ck_assert_int_eq(ferry_address_parse(refused[i], bases[j], &address, &error), -EINVAL);
            ck_assert_ptr_null(address);
            snprintf(begin, sizeof(begin),
                "column %u: expected an absolute path, or a name that PATH finds, found %s",
                columns[i], found[i]);
            ck_assert_str_eq(error.reason, begin);
        }
        ck_assert_int_eq(ferry_address_parse(refused[i], NULL, &address, &error), 0);
        ferry_address_free(address);
        ck_assert_int_eq(ferry_address_parse(good[i], "/etc/ferry", &address, &error), 0);
        ferry_address_free(address);
        address = NULL;
    }
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
    tcase_add_test(tests, a_program_beside_the_configuration);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
