/* test_account.c - users and groups: found, not there, and not to be found out. */
#include "base/account.h"
#include "base/cleanup.h"
#include "suite.h"

#include <check.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/resource.h>

START_TEST(numbers)
{
    static const struct {
        const char *text;
        int code;
        unsigned id;
    } cases[] = {
        { "0", 0, 0 },
        { "1000", 0, 1000 },
        { "4294967294", 0, UINT32_MAX - 1 },
        { "4294967295", -EINVAL, 7 },
        { "99999999999999999999", -EINVAL, 7 },
        { "", -EINVAL, 7 },
        { "-1", -EINVAL, 7 },
        { " 1", -EINVAL, 7 },
        { "1x", -EINVAL, 7 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsigned id = 7;
        ck_assert_msg(account_parse(cases[i].text, &id) == cases[i].code, "%s", cases[i].text);
        ck_assert_uint_eq(id, cases[i].id);
    }
}
END_TEST

START_TEST(names)
{
    uid_t uid = 7;
    gid_t gid = 7;
    ck_assert_int_eq(user_find("root", &uid), 0);
    ck_assert_uint_eq(uid, 0);
    ck_assert_int_eq(group_find("root", &gid), 0);
    ck_assert_uint_eq(gid, 0);
    uid = gid = 7;
    ck_assert_int_eq(user_find("no-such-user-here", &uid), -ENOENT);
    ck_assert_int_eq(group_find("no-such-group-here", &gid), -ENOENT);
    ck_assert_uint_eq(uid, 7);
    ck_assert_uint_eq(gid, 7);
}
END_TEST

/* Without a descriptor the files can't be read: that is not "there is none". */
START_TEST(what_cannot_be_read_is_not_missing)
{
    struct rlimit before;
    uid_t uid;
    gid_t gid;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = { 0, before.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    int user = user_find("root", &uid), group = group_find("root", &gid);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(user, -EMFILE);
    ck_assert_int_eq(group, -EMFILE);
}
END_TEST

/* A group with members for some 200 kB, in a /etc/group of this process alone. */
START_TEST(a_group_may_be_large)
{
    char path[] = "/tmp/ferry-test-group-XXXXXX";
    gid_t gid;
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");

    fputs("crowd:x:4242:m", file);
    for (int i = 0; i < 20000; i++)
        fprintf(file, ",member%d", i);
    fputs("\n", file);
    ck_assert_int_eq(fclose(file), 0);
    bool apart = unshare(CLONE_NEWNS) == 0 &&
                 mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                 mount(path, "/etc/group", NULL, MS_BIND, NULL) == 0;
    unlink(path);
    if (!apart && skipped("needs the right to mount"))
        return;
    ck_assert_int_eq(group_find("crowd", &gid), 0);
    ck_assert_uint_eq(gid, 4242);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/account");
    TCase *tests = tcase_create("account");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, numbers);
    tcase_add_test(tests, names);
    tcase_add_test(tests, what_cannot_be_read_is_not_missing);
    tcase_add_test(tests, a_group_may_be_large);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
