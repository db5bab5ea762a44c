/* test_calibration.c - which file a channel decides by. */
#include "base/cleanup.h"
#include "base/state.h"
#include "suite.h"
#include "transport/calibration.h"

#include <check.h>
#include <string.h>
#include <sys/stat.h>

static char folder[64], path[128];
static struct calibration calibration;

static void setup(void)
{
    strcpy(folder, "/tmp/ferry-calibration-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/ferry/calibration", folder);
    unsetenv("FERRY_CALIBRATION");
    setenv("XDG_STATE_HOME", folder, 1);
}

static void teardown(void)
{
    char command[96];

    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static void leave(const char *where)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct calibration left = { .costs = choice_costs_built_in, .time_s = 4711 };

    machine_read(&left.machine);
    left.costs.of[CHOICE_APART][CHOICE_RING][0].busy_ns = 12345;
    calibration_print(&left, &text);
    ck_assert_int_eq(state_write(where, text.data, text.size), 0);
}

static void expect_built_in(const char *reason)
{
    calibration_read(&calibration);
    ck_assert_int_eq(calibration.time_s, 0);
    ck_assert_str_eq(calibration.reason, reason);
}

START_TEST(none_is_none)
{
    expect_built_in("");
}
END_TEST

START_TEST(the_one_of_this_machine)
{
    leave(path);
    calibration_read(&calibration);
    ck_assert_int_eq(calibration.time_s, 4711);
    ck_assert_double_eq(calibration.costs.of[CHOICE_APART][CHOICE_RING][0].busy_ns, 12345);
    setenv("FERRY_CALIBRATION", "", 1);
    expect_built_in("");
}
END_TEST

START_TEST(another_that_is_named)
{
    char named[128];

    snprintf(named, sizeof(named), "%s/named", folder);
    leave(named);
    setenv("FERRY_CALIBRATION", named, 1);
    calibration_read(&calibration);
    ck_assert_int_eq(calibration.time_s, 4711);
}
END_TEST

START_TEST(what_others_may_write_is_ignored)
{
    leave(path);
    ck_assert_int_eq(chmod(path, 0666), 0);
    expect_built_in("somebody else may have written it");
}
END_TEST

START_TEST(what_is_no_calibration_is_ignored)
{
    ck_assert_int_eq(state_write(path, "hello\n", 6), 0);
    expect_built_in("line 1 of it is wrong");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/calibration");
    TCase *tests = tcase_create("calibration");

    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, none_is_none);
    tcase_add_test(tests, the_one_of_this_machine);
    tcase_add_test(tests, another_that_is_named);
    tcase_add_test(tests, what_others_may_write_is_ignored);
    tcase_add_test(tests, what_is_no_calibration_is_ignored);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
