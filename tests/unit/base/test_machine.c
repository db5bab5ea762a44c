/* test_machine.c - what this machine is, and whether another is the same. */
#include "base/machine.h"
#include "suite.h"

#include <check.h>
#include <string.h>
#include <sys/utsname.h>

START_TEST(this_one)
{
    struct machine one, again;
    struct utsname name;

    machine_read(&one);
    machine_read(&again);
    ck_assert(machine_equal(&one, &again));
    ck_assert_int_eq(uname(&name), 0);
    ck_assert_str_eq(one.kernel, name.release);
    ck_assert_uint_eq(one.processors, (unsigned)sysconf(_SC_NPROCESSORS_CONF));
    ck_assert_uint_gt(strlen(one.processor), 0);
    ck_assert_ptr_null(strchr(one.processor, '\n'));
}
END_TEST

START_TEST(another_one)
{
    struct machine one, other;

    machine_read(&one);
    other = one;
    other.processors++;
    ck_assert(!machine_equal(&one, &other));
    other = one;
    other.kernel[0] = '?';
    ck_assert(!machine_equal(&one, &other));
    other = one;
    other.processor[0] = '?';
    ck_assert(!machine_equal(&one, &other));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/machine");
    TCase *tests = tcase_create("machine");

    tcase_add_test(tests, this_one);
    tcase_add_test(tests, another_one);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
