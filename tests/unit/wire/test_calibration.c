/* test_calibration.c - calibrations as text: what is read back, and what is not taken. */
#include "suite.h"
#include "wire/calibration.h"
#include "wire/limits.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct machine here = { "6.18.0", "Some Processor 3000", 2 };
static struct bytes text;

static void setup(void)
{
    struct calibration calibration = {
        .costs = choice_costs_built_in, .machine = here, .time_s = 1796029234
    };
    text = BYTES_EMPTY;
    calibration_print(&calibration, &text);
    ck_assert(!bytes_failed(&text));
}

static void teardown(void)
{
    bytes_fini(&text);
}

static void expect_reason(int code, const char *reason)
{
    struct calibration read;

    calibration_make(code, &text, &here, &read);
    ck_assert_str_eq(read.reason, reason);
    ck_assert_int_eq(read.time_s, 0);
    ck_assert_mem_eq(&read.costs, &choice_costs_built_in, sizeof(read.costs));
    ck_assert(machine_equal(&read.machine, &here));
}

/* Replaces the first of one text by another of the same length, or shorter with blanks behind. */
static void change(const char *before, const char *after)
{
    char *place = strstr(text.data, before);

    ck_assert_ptr_nonnull(place);
    memcpy(place, after, strlen(after));
}

START_TEST(what_was_printed_is_read)
{
    struct calibration read;

    calibration_make(0, &text, &here, &read);
    ck_assert_str_eq(read.reason, "");
    ck_assert_int_eq(read.time_s, 1796029234);
    const double *found = (const double *)&read.costs;
    const double *printed = (const double *)&choice_costs_built_in;
    for (size_t i = 0; i < sizeof(read.costs) / sizeof(double); i++)
        ck_assert_double_eq_tol(found[i], printed[i], 0.51);
    ck_assert_uint_lt(text.size, CALIBRATION_SIZE_MAX / 4);
}
END_TEST

/* As the decimal point of the caller's language is, too: there is none. */
START_TEST(what_was_read_prints_the_same)
{
    struct bytes again = BYTES_EMPTY;
    struct calibration read;

    calibration_make(0, &text, &here, &read);
    calibration_print(&read, &again);
    ck_assert_str_eq(again.data, text.data);
    ck_assert_ptr_null(strpbrk(strstr(text.data, "time"), ".,"));
    bytes_fini(&again);
}
END_TEST

START_TEST(what_was_not_read)
{
    expect_reason(-ENOENT, "");
    expect_reason(-EPERM, "somebody else may have written it");
    expect_reason(-EFBIG, "File too large");
}
END_TEST

START_TEST(another_machine)
{
    change("6.18.0", "6.17.9");
    expect_reason(0, "it is of another kernel, 6.17.9");
    change("6.17.9", "6.18.0");
    change("processors 2", "processors 4");
    expect_reason(0, "it is of another machine, with 4 x Some Processor 3000");
}
END_TEST

START_TEST(what_is_wrong_is_told_by_its_line)
{
    static const struct {
        const char *before, *after;
        unsigned line;
    } wrong[] = {
        { "version 1", "version 2", 1 },
        { "version", "Version", 1 },
        { "processors 2", "processors x", 3 },
        { "time 1", "time -", 5 },
        { "time 1796029234", "time 0000000000", 5 },
        { "apart pipe 64", "apart pipe 65", 7 },
        { "apart pipe", "apart pope", 7 },
        { "apart pipe", "among pipe", 7 },
        { "pipe 64 1180", "pipe 64    0", 7 },
        { "pipe 64 1180", "pipe 64 -180", 7 },
        { "49100 0 0", "49100 0  ", 7 },
        { "49100 0 0", "4910 00 0 0", 7 },
        { "apart pipe 4096 3170", "apart pipe 64   3170", 8 },
        { "apart rested 4", "apart rested -", 6 },
        { "together rested", "apart rested   ", 34 },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char reason[40];
        teardown();
        setup();
        change(wrong[i].before, wrong[i].after);
        snprintf(reason, sizeof(reason), "line %u of it is wrong", wrong[i].line);
        expect_reason(0, reason);
    }
}
END_TEST

/* Nothing could be said of what lies between. */
START_TEST(a_size_is_missing)
{
    char *line = strstr(text.data, "apart pipe 4096"), *next = strchr(line, '\n') + 1;

    memmove(line, next, text.size - (size_t)(next - text.data) + 1);
    text.size -= (size_t)(next - line);
    expect_reason(0, "it is incomplete");
}
END_TEST

static void lines_remove(const char *start)
{
    char *line;

    while ((line = strstr(text.data, start))) {
        char *next = strchr(line, '\n') + 1;
        memmove(line, next, text.size - (size_t)(next - text.data) + 1);
        text.size -= (size_t)(next - line);
    }
}

/* Where one cannot be had, as a queue, there is no line of it; but for the two that are compared.
 */
START_TEST(a_mechanism_is_missing)
{
    static const struct {
        const char *start;
        bool needed;
    } lines[] = { { "apart mq", false }, { "together ring", false }, { "apart unix", true },
        { "apart ring", true } };
    struct calibration read;

    lines_remove(lines[_i].start);
    calibration_make(0, &text, &here, &read);
    ck_assert_str_eq(read.reason, lines[_i].needed ? "it is incomplete" : "");
}
END_TEST

/* Whole nanoseconds, and one at least where nothing would mean that there is none. */
START_TEST(what_takes_no_time_takes_a_nanosecond)
{
    struct calibration calibration = { .machine = here, .time_s = 1 };

    calibration.costs.of[CHOICE_APART][CHOICE_PIPE][0] =
        (struct choice_cost){ 0.4, 1.4, 1.6, 0.2, 0.4, 1.6 };
    text.size = 0;
    calibration_print(&calibration, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "apart pipe 64 1 1 2 1 0 2\n"));
}
END_TEST

/* It would be another kernel's then, cut. */
START_TEST(a_name_is_whole_or_none)
{
    struct machine long_one = here;
    struct calibration calibration = { .costs = choice_costs_built_in, .time_s = 1 }, read;

    memset(long_one.kernel, 'k', sizeof(long_one.kernel) - 1);
    long_one.kernel[sizeof(long_one.kernel) - 1] = '\0';
    calibration.machine = long_one;
    text.size = 0;
    calibration_print(&calibration, &text);
    calibration_make(0, &text, &long_one, &read);
    ck_assert_str_eq(read.reason, "");
    teardown();
    text = BYTES_EMPTY;
    bytes_print(&text, "version 1\nkernel %sk\n", long_one.kernel);
    calibration_make(0, &text, &long_one, &read);
    ck_assert_str_eq(read.reason, "line 2 of it is wrong");
}
END_TEST

START_TEST(what_stands_twice)
{
    bytes_append_text(&text, "time 5\n");
    expect_reason(0, "line 62 of it is wrong");
}
END_TEST

/* Wherever it is cut, it is no calibration. */
START_TEST(half_a_file)
{
    const char *needed = strstr(text.data, "together rested");
    size_t least = (size_t)(strchr(needed, '\n') + 1 - text.data);
    struct calibration read;

    for (size_t size = text.size; size-- > 0;) {
        text.size = size;
        calibration_make(0, &text, &here, &read);
        bool at_a_line = size > 0 && text.data[size - 1] == '\n';
        ck_assert_int_eq(read.time_s != 0, at_a_line && size >= least);
    }
}
END_TEST

START_TEST(rubbish)
{
    static const char *const texts[] = { "", "\n", "\n\n\n", " ", "version 1\n", "apart",
        "apart \n", "apart ring 64 1 1 1 1 1 99999999999999999999\n", "version 1\nversion 1\n" };
    struct calibration read;
    char large[4096];

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        text.size = 0;
        bytes_append_text(&text, texts[i]);
        calibration_make(0, &text, &here, &read);
        ck_assert(read.reason[0] && read.time_s == 0);
    }
    memset(large, 'a', sizeof(large));
    large[sizeof(large) - 1] = '\n';
    text.size = 0;
    bytes_append(&text, large, sizeof(large));
    calibration_make(0, &text, &here, &read);
    ck_assert(read.reason[0] && read.time_s == 0);
    text.size = 0;
    bytes_append(&text, "version 1\0\n", 11);
    expect_reason(0, "line 1 of it is wrong");
}
END_TEST

/* Whatever becomes of some bytes: it is taken whole, and says the same again, or not at all. */
START_TEST(some_bytes_are_others)
{
    static const char likely[] = "0123456789 \n-apartring";
    struct calibration read, again;
    unsigned taken = 0;

    srand((unsigned)_i);
    for (unsigned round = 0; round < 3000; round++) {
        struct bytes printed = BYTES_EMPTY;
        teardown();
        setup();
        for (int i = rand() % 4; i >= 0; i--)
            text.data[(size_t)rand() % text.size] =
                rand() % 8 ? likely[(size_t)rand() % (sizeof(likely) - 1)] : (char)rand();
        calibration_make(0, &text, &here, &read);
        ck_assert_int_eq(read.time_s != 0, read.reason[0] == '\0');
        if (read.time_s) {
            calibration_print(&read, &printed);
            calibration_make(0, &printed, &here, &again);
            ck_assert_mem_eq(&again, &read, sizeof(read));
            taken++;
        }
        bytes_fini(&printed);
    }
    ck_assert_uint_gt(taken, 100);
    ck_assert_uint_lt(taken, 2900);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/calibration");
    TCase *tests = tcase_create("calibration");

    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_was_printed_is_read);
    tcase_add_test(tests, what_was_read_prints_the_same);
    tcase_add_test(tests, what_was_not_read);
    tcase_add_test(tests, another_machine);
    tcase_add_test(tests, what_is_wrong_is_told_by_its_line);
    tcase_add_test(tests, a_size_is_missing);
    tcase_add_loop_test(tests, a_mechanism_is_missing, 0, 4);
    tcase_add_test(tests, what_takes_no_time_takes_a_nanosecond);
    tcase_add_test(tests, a_name_is_whole_or_none);
    tcase_add_test(tests, what_stands_twice);
    tcase_add_test(tests, half_a_file);
    tcase_add_test(tests, rubbish);
    tcase_add_loop_test(tests, some_bytes_are_others, 0, 4);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
