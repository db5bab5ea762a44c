/* test_config.c - sections, entries, places, and every kind of problem. */
#include "suite.h"
#include "wire/config.h"
#include "wire/limits.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct config *read_text(const char *text, size_t size)
{
    struct config *config;
    ck_assert_int_eq(config_new(&config), 0);
    ck_assert_int_eq(config_parse(config, "test.conf", text, size), 0);
    return config;
}

static void expect_entry(const struct config *config, size_t index, unsigned line, unsigned column,
    const char *section, const char *name, const char *key, const char *value)
{
    ck_assert_uint_lt(index, config_entry_count(config));
    const struct config_entry *entry = config_get_entry(config, index);
    ck_assert_str_eq(entry->place.file, "test.conf");
    ck_assert_uint_eq(entry->place.line, line);
    ck_assert_uint_eq(entry->place.column, column);
    ck_assert_str_eq(entry->section, section);
    ck_assert_str_eq(entry->name, name);
    ck_assert_str_eq(entry->key, key);
    ck_assert_str_eq(entry->value, value);
}

/* The text has exactly this problem, and `entries` entries beside it. */
static void expect_problem(const char *text, size_t size, unsigned line, unsigned column,
    const char *key, const char *words, size_t entries)
{
    struct config *config = read_text(text, size);
    ck_assert_uint_eq(config_problem_count(config), 1);
    const struct config_problem *problem = config_get_problem(config, 0);
    ck_assert_str_eq(problem->place.file, "test.conf");
    ck_assert_uint_eq(problem->place.line, line);
    ck_assert_uint_eq(problem->place.column, column);
    ck_assert_str_eq(problem->key, key);
    ck_assert_msg(strstr(problem->text, words), "%s", problem->text);
    ck_assert_uint_eq(config_entry_count(config), entries);
    config_free(config);
}

START_TEST(a_whole_file)
{
    static const char text[] = "# a comment\n"
                               "  ; another\n"
                               "\n"
                               "include = more.conf\n"
                               "[route docker]\n"
                               "listen = unix:/run/d.sock,mode=0660\n"
                               "allow=uid:0\n"
                               "\tallow \t=\t group:a b # not a comment \t\n"
                               "empty =\n"
                               "[ferry]\n"
                               "[ route  two words ]\r\n"
                               "to = a = [b]\r\n"
                               "last = no line feed";
    struct config *config = read_text(text, strlen(text));

    ck_assert_uint_eq(config_problem_count(config), 0);
    ck_assert_uint_eq(config_entry_count(config), 7);
    expect_entry(config, 0, 4, 11, "", "", "include", "more.conf");
    expect_entry(config, 1, 6, 10, "route", "docker", "listen", "unix:/run/d.sock,mode=0660");
    expect_entry(config, 2, 7, 7, "route", "docker", "allow", "uid:0");
    expect_entry(config, 3, 8, 12, "route", "docker", "allow", "group:a b # not a comment");
    expect_entry(config, 4, 9, 8, "route", "docker", "empty", "");
    expect_entry(config, 5, 12, 6, "route", "two words", "to", "a = [b]");
    expect_entry(config, 6, 13, 8, "route", "two words", "last", "no line feed");
    ck_assert_uint_eq(config_get_entry(config, 4)->section_place.line, 5);
    ck_assert_uint_eq(config_get_entry(config, 5)->section_place.line, 11);

    ck_assert_uint_eq(config_section_count(config), 3);
    ck_assert_str_eq(config_get_section(config, 1)->section, "ferry");
    ck_assert_str_eq(config_get_section(config, 1)->name, "");
    ck_assert_uint_eq(config_get_section(config, 1)->place.line, 10);
    ck_assert_str_eq(config_get_section(config, 2)->name, "two words");
    config_free(config);
}
END_TEST

START_TEST(nothing_to_read)
{
    struct config *config = read_text("", 0);
    ck_assert_int_eq(config_parse(config, "b", "\n\r\n \n", 5), 0);
    ck_assert_uint_eq(config_entry_count(config) + config_problem_count(config), 0);
    config_free(config);
    config_free(NULL);
}
END_TEST

#define EXPECT_PROBLEM(text, ...) expect_problem(text, sizeof(text) - 1, __VA_ARGS__)

START_TEST(problems)
{
    EXPECT_PROBLEM("[a]\nkey value\nb=c\n", 2, 1, "", "no =", 1);
    EXPECT_PROBLEM("[a]\n  key: value\n", 2, 3, "", "no =", 0);
    EXPECT_PROBLEM("[a]\n = value\n", 2, 2, "", "no key", 0);
    EXPECT_PROBLEM("key = value\ninclude = x\n", 1, 1, "key", "include", 1);
    EXPECT_PROBLEM("[route a\nb = c\n", 1, 1, "", "never closed", 1);
    EXPECT_PROBLEM("[route a] # why\nb = c\n", 1, 10, "", "text after ]", 1);
    EXPECT_PROBLEM("[route a]]\n", 1, 10, "", "text after ]", 0);
    EXPECT_PROBLEM("[ ]\nb = c\n[x]\nd = e\n", 1, 1, "", "no name", 1);
    EXPECT_PROBLEM("[\nb = c\n", 1, 1, "", "never closed", 0);
    EXPECT_PROBLEM("[a]\nb = c\0d\n", 2, 6, "", "NUL", 0);
    EXPECT_PROBLEM("# \0\n", 1, 3, "", "NUL", 0);
    EXPECT_PROBLEM("[a]\nb = c\rd\n", 2, 6, "", "control character", 0);
    EXPECT_PROBLEM("[a]\nb = \x1b[2J\n", 2, 5, "", "control character", 0);
    EXPECT_PROBLEM("[a]\nb = \x7f\n", 2, 5, "", "control character", 0);
    EXPECT_PROBLEM("[a]\nb\x01 = c\n", 2, 2, "", "control character", 0);
}
END_TEST

START_TEST(every_problem_is_found)
{
    static const char text[] = "x\n[a]\ny\nz = 1\n = 2\n[b\n";
    struct config *config = read_text(text, strlen(text));
    static const unsigned lines[] = { 1, 3, 5, 6 };

    ck_assert_uint_eq(config_problem_count(config), 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_uint_eq(config_get_problem(config, i)->place.line, lines[i]);
    ck_assert_uint_eq(config_entry_count(config), 1);
    config_free(config);
}
END_TEST

START_TEST(lines_at_the_limit)
{
    const size_t size = CONFIG_LINE_MAX + 32;
    char *text = malloc(size);

    memset(text, 'v', size);
    memcpy(text, "[a]\nk=", 6);
    memcpy(text + 4 + CONFIG_LINE_MAX, "\r\n", 2);
    struct config *config = read_text(text, 4 + CONFIG_LINE_MAX + 2);
    ck_assert_uint_eq(config_problem_count(config), 0);
    ck_assert_uint_eq(strlen(config_get_entry(config, 0)->value), CONFIG_LINE_MAX - 2);
    config_free(config);

    memcpy(text + 4 + CONFIG_LINE_MAX, "v\nw=1\n", 6);
    expect_problem(text, 4 + CONFIG_LINE_MAX + 6, 2, CONFIG_LINE_MAX + 1, "", "too long", 1);
    free(text);
}
END_TEST

START_TEST(files_at_the_limit)
{
    char *text = malloc(CONFIG_SIZE_MAX + 1);

    memset(text, '\n', CONFIG_SIZE_MAX + 1);
    struct config *config = read_text(text, CONFIG_SIZE_MAX);
    ck_assert_uint_eq(config_problem_count(config), 0);
    config_free(config);
    expect_problem(text, CONFIG_SIZE_MAX + 1, 1, 1, "", "too large", 0);

    for (size_t i = 0; i < CONFIG_SIZE_MAX; i += 2)
        text[i] = 'x';
    config = read_text(text, CONFIG_SIZE_MAX);
    ck_assert_uint_eq(config_problem_count(config), CONFIG_PROBLEMS_MAX + 1);
    config_free(config);
    free(text);
}
END_TEST

START_TEST(entries_at_the_limit)
{
    char *text = malloc(4 + (CONFIG_ENTRIES_MAX + 1) * 4);
    size_t size = 4;

    memcpy(text, "[a]\n", 4);
    for (size_t i = 0; i < CONFIG_ENTRIES_MAX + 1; i++, size += 4)
        memcpy(text + size, "k=v\n", 4);
    struct config *config = read_text(text, size - 4);
    ck_assert_uint_eq(config_entry_count(config), CONFIG_ENTRIES_MAX);
    ck_assert_uint_eq(config_problem_count(config), 0);
    config_free(config);
    expect_problem(text, size, CONFIG_ENTRIES_MAX + 2, 1, "k", "too many", CONFIG_ENTRIES_MAX);
    free(text);
}
END_TEST

/* Including means parsing while the entries are walked: what was got stays where it is. */
START_TEST(entries_stay_in_place)
{
    struct config *config = read_text("include = x\n", 12);
    const struct config_entry *entry = config_get_entry(config, 0);

    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(config_parse(config, "other.conf", "[a]\nb = c\nd\n", 12), 0);
    ck_assert_ptr_eq(config_get_entry(config, 0), entry);
    ck_assert_str_eq(entry->value, "x");
    ck_assert_uint_eq(config_entry_count(config), 1001);
    ck_assert_uint_eq(config_problem_count(config), 1000);
    config_free(config);
}
END_TEST

START_TEST(problems_from_elsewhere)
{
    struct config *config = read_text("[a]\nb = c\n", 10);
    const struct config_entry *entry = config_get_entry(config, 0);

    ck_assert_int_eq(config_add_problem(config, &entry->place, entry->key, "bad\x1b value"), 0);
    const struct config_problem *problem = config_get_problem(config, 0);
    ck_assert_uint_eq(problem->place.line, 2);
    ck_assert_uint_eq(problem->place.column, 5);
    ck_assert_str_eq(problem->key, "b");
    ck_assert_str_eq(problem->text, "bad\\x1b value");
    config_free(config);
}
END_TEST

START_TEST(problems_stand_in_the_order_of_what_was_read)
{
    static const struct {
        const char *file;
        unsigned line, column;
    } wanted[] = { { "z", 1, 1 }, { "z", 2, 3 }, { "z", 2, 9 }, { "a", 1, 1 }, { "a", 7, 2 } };
    struct config *config;
    ck_assert_int_eq(config_new(&config), 0);
    ck_assert_int_eq(config_parse(config, "z", "nothing\n", 8), 0);
    ck_assert_int_eq(config_parse(config, "a", "nothing\n", 8), 0);
    for (size_t i = 5; i-- > 1;) {
        struct config_place place = { wanted[i].file, wanted[i].line, wanted[i].column };
        if (i != 3)
            ck_assert_int_eq(config_add_problem(config, &place, "key", "bad"), 0);
    }
    ck_assert_uint_eq(config_problem_count(config), 5);
    for (size_t i = 0; i < 5; i++) {
        const struct config_place *place = &config_get_problem(config, i)->place;
        ck_assert_str_eq(place->file, wanted[i].file);
        ck_assert_uint_eq(place->line, wanted[i].line);
        ck_assert_uint_eq(place->column, wanted[i].column);
    }
    config_free(config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/config");
    TCase *tests = tcase_create("config");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, a_whole_file);
    tcase_add_test(tests, nothing_to_read);
    tcase_add_test(tests, problems);
    tcase_add_test(tests, every_problem_is_found);
    tcase_add_test(tests, lines_at_the_limit);
    tcase_add_test(tests, files_at_the_limit);
    tcase_add_test(tests, entries_at_the_limit);
    tcase_add_test(tests, entries_stay_in_place);
    tcase_add_test(tests, problems_from_elsewhere);
    tcase_add_test(tests, problems_stand_in_the_order_of_what_was_read);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
