/* test_run_as.c - looking users up, and becoming them. What becomes somebody is a child of Check's,
 * which forks for every case. */
#include "process/run_as.h"
#include "process/standing.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct ferry_error error;

START_TEST(test_names_numbers_and_what_there_is_not)
{
    struct run_as run_as;
    ck_assert_int_eq(run_as_find("daemon", NULL, &run_as, &error), 0);
    ck_assert_uint_eq(run_as.uid, 1);
    ck_assert_uint_eq(run_as.gid, 1);
    ck_assert_uint_ge(run_as.group_count, 1);
    run_as_fini(&run_as);
    ck_assert_int_eq(run_as_find("1", NULL, &run_as, &error), 0);
    ck_assert_uint_eq(run_as.gid, 1);
    run_as_fini(&run_as);
    ck_assert_int_eq(run_as_find("4001", "4002", &run_as, &error), 0);
    ck_assert_uint_eq(run_as.uid, 4001);
    ck_assert_uint_eq(run_as.gid, 4002);
    ck_assert_uint_eq(run_as.group_count, 0);
    run_as_fini(&run_as);
    ck_assert_int_eq(run_as_find(NULL, "daemon", &run_as, &error), 0);
    ck_assert_uint_eq(run_as.uid, geteuid());
    ck_assert_uint_eq(run_as.gid, 1);
    ck_assert_uint_eq(run_as.group_count, 0);
    run_as_fini(&run_as);

    ck_assert_int_eq(run_as_find("nobody-here", NULL, &run_as, &error), -ENOENT);
    ck_assert_int_eq(run_as_find("daemon", "nobody-here", &run_as, &error), -ENOENT);
    ck_assert_int_eq(run_as_find("4001", NULL, &run_as, &error), -ENOENT);
    ck_assert_int_eq(run_as_find("4294967295", "1", &run_as, &error), -EINVAL);
    ck_assert_int_eq(run_as_find("99999999999999999999", "1", &run_as, &error), -EINVAL);
    ck_assert_int_eq(run_as_find("daemon", "4294967295", &run_as, &error), -EINVAL);
}
END_TEST

static void equal(
    const gid_t *one, size_t one_count, const gid_t *other, size_t other_count, bool expected)
{
    const struct run_as first = { 1, 7, (gid_t *)(uintptr_t)one, one_count };
    const struct run_as second = { 1, 7, (gid_t *)(uintptr_t)other, other_count };
    ck_assert_int_eq(run_as_equal(&first, &second), expected);
    ck_assert_int_eq(run_as_equal(&second, &first), expected);
}

START_TEST(test_the_main_group_makes_no_difference)
{
    static const gid_t with[] = { 3, 7, 9 }, without[] = { 3, 9 }, less[] = { 3 }, main[] = { 7 };
    equal(with, 3, without, 2, true);
    equal(with, 3, with, 3, true);
    equal(without, 2, less, 1, false);
    equal(with, 3, less, 1, false);
    equal(main, 1, NULL, 0, true);
    equal(main, 1, less, 1, false);
    const struct run_as one = { 1, 7, NULL, 0 }, other = { 2, 7, NULL, 0 },
                        third = { 1, 8, NULL, 0 };
    ck_assert(!run_as_equal(&one, &other));
    ck_assert(!run_as_equal(&one, &third));
}
END_TEST

/* A made-up identity: uid 4001, gid 4002 known in one way, groups in another. */
static int of_peer(enum ferry_known known, enum ferry_known groups_known, struct run_as *run_as)
{
    static const gid_t groups[] = { 9, 3, 9 };
    struct ferry_identity *who;
    ck_assert_int_eq(ferry_identity_new(&who), 0);
    if (known) {
        ck_assert_int_eq(ferry_identity_set_number(who, FERRY_FACT_UID, 4001, known), 0);
        ck_assert_int_eq(ferry_identity_set_number(who, FERRY_FACT_GID, 4002, known), 0);
    }
    if (groups_known)
        ck_assert_int_eq(ferry_identity_set_groups(who, groups, 3, groups_known), 0);
    int r = run_as_peer(who, run_as, &error);
    ferry_identity_free(who);
    return r;
}

START_TEST(test_a_caller_is_taken_whole_or_not_at_all)
{
    struct run_as run_as;
    ck_assert_int_eq(of_peer(FERRY_AT_CONNECT, FERRY_AT_CONNECT, &run_as), 0);
    ck_assert_uint_eq(run_as.uid, 4001);
    ck_assert_uint_eq(run_as.gid, 4002);
    ck_assert_uint_eq(run_as.group_count, 2);
    ck_assert_uint_eq(run_as.groups[0], 3);
    run_as_fini(&run_as);
    ck_assert_int_eq(of_peer(FERRY_AT_CONNECT, FERRY_UNKNOWN, &run_as), -ENODATA);
    ck_assert_str_eq(error.reason, "the caller's groups are unknown");
    ck_assert_int_eq(of_peer(FERRY_UNKNOWN, FERRY_AT_CONNECT, &run_as), -ENODATA);
    ck_assert_int_eq(of_peer(FERRY_FORGEABLE, FERRY_AT_CONNECT, &run_as), -ENODATA);
    ck_assert_int_eq(of_peer(FERRY_AT_CONNECT, FERRY_FORGEABLE, &run_as), -ENODATA);
}
END_TEST

START_TEST(test_becoming_is_for_good)
{
    gid_t groups[] = { 5001, 5002 };
    struct run_as now, run_as = { 4001, 4002, groups, 2 };
    struct standing standing;
    if (skipped_without_root())
        return;
    ck_assert(run_as_is_possible());
    ck_assert_int_eq(run_as_become(&run_as), 0);
    ck_assert_int_eq(run_as_current(&now), 0);
    ck_assert(run_as_equal(&now, &run_as));
    run_as_fini(&now);
    standing_read(&standing);
    ck_assert_uint_eq(standing.uid, 4001);
    ck_assert_uint_eq(standing.gid, 4002);
    ck_assert_uint_eq(standing.capabilities, 0);
    ck_assert_ptr_nonnull(strstr(standing.groups, "5001 5002"));
    ck_assert_int_lt(setuid(0), 0);
    /* Of this thread only: libc's asks every thread, and a sanitizer's own kept its capabilities.
     */
    ck_assert_int_lt(syscall(SYS_setgroups, 0, NULL), 0);
    ck_assert(!run_as_is_possible());
    run_as.uid = 4003;
    ck_assert_int_eq(run_as_become(&run_as), -EPERM);
}
END_TEST

/* As a service manager may have started us. */
START_TEST(test_kept_capabilities_are_noticed)
{
    struct run_as run_as = { 4001, 4001, NULL, 0 };
    if (skipped_without_root())
        return;
    ck_assert_int_eq(prctl(PR_SET_KEEPCAPS, 1), 0);
    ck_assert_int_eq(run_as_become(&run_as), -EPERM);
}
END_TEST

START_TEST(test_nobody_is_not_become)
{
    struct run_as run_as = { (uid_t)-1, 1, NULL, 0 };
    ck_assert_int_eq(run_as_become(&run_as), -EINVAL);
    run_as = (struct run_as){ 1, (gid_t)-1, NULL, 0 };
    ck_assert_int_eq(run_as_become(&run_as), -EINVAL);
}
END_TEST

START_TEST(test_capabilities_are_given_up)
{
    struct standing standing;
    if (skipped_without_root())
        return;
    ck_assert_int_eq(run_as_keep_capabilities(1u << CAP_DAC_OVERRIDE), 0);
    standing_read(&standing);
    ck_assert_uint_eq(standing.capabilities, 1u << CAP_DAC_OVERRIDE);
    /* Of this thread only: libc's asks every thread, and a sanitizer's own kept its capabilities.
     */
    ck_assert_int_lt(syscall(SYS_setgroups, 0, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process/run_as");
    TCase *cases = tcase_create("run_as");
    tcase_add_test(cases, test_names_numbers_and_what_there_is_not);
    tcase_add_test(cases, test_the_main_group_makes_no_difference);
    tcase_add_test(cases, test_a_caller_is_taken_whole_or_not_at_all);
    tcase_add_test(cases, test_becoming_is_for_good);
    tcase_add_test(cases, test_kept_capabilities_are_noticed);
    tcase_add_test(cases, test_nobody_is_not_become);
    tcase_add_test(cases, test_capabilities_are_given_up);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
