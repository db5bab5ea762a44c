/* test_account.c - users and groups: found, not there, and not to be found out. */
#include "base/account.h"
#include "base/cleanup.h"
#include "suite.h"

#include <check.h>
#include <grp.h>
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

START_TEST(whole_accounts)
{
    struct account root = { 0 }, same = { 0 };

    ck_assert_int_eq(account_read("root", &root), 0);
    ck_assert_uint_eq(root.uid, 0);
    ck_assert_uint_eq(root.gid, 0);
    ck_assert_str_eq(root.name, "root");
    ck_assert_str_eq(root.home, "/root");
    ck_assert_int_eq(root.shell[0], '/');
    ck_assert_int_eq(account_read_uid(1, &same), 0);
    ck_assert_str_eq(same.name, "daemon");
    account_fini(&same);
    ck_assert_int_eq(account_read("no-such-user-here", &root), -ENOENT);
    ck_assert_int_eq(account_read_uid(4000000001, &root), -ENOENT);
    ck_assert_str_eq(root.name, "root");
    account_fini(&root);
    ck_assert_ptr_null(root.name);
    account_fini(&root);
}
END_TEST

START_TEST(names_of_groups)
{
    char *name = NULL;

    ck_assert_int_eq(group_find_name(4000000001, &name), -ENOENT);
    ck_assert_ptr_null(name);
    ck_assert_int_eq(group_find_name(1, &name), 0);
    ck_assert_str_eq(name, "daemon");
    free(name);
}
END_TEST

START_TEST(own_groups)
{
    static const gid_t wanted[] = { 5001, 5002, 5003 };
    gid_t *groups = NULL;
    size_t count = 7;

    if (setgroups(COUNT_OF(wanted), wanted) < 0 &&
        skipped("groups of one's own need the right to set them"))
        return;
    ck_assert_int_eq(groups_own(&groups, &count), 0);
    ck_assert_uint_eq(count, COUNT_OF(wanted));
    ck_assert_mem_eq(groups, wanted, sizeof(wanted));
    free(groups);
    ck_assert_int_eq(setgroups(0, NULL), 0);
    ck_assert_int_eq(groups_own(&groups, &count), 0);
    ck_assert_uint_eq(count, 0);
    ck_assert_ptr_null(groups);
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

/* A file that stands for /etc/group, of this process alone. */
static FILE *group_file_begin(char *path)
{
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

    ck_assert_ptr_nonnull(file);
    return file;
}

static bool group_file_end(FILE *file, const char *path)
{
    ck_assert_int_eq(fclose(file), 0);
    bool apart = unshare(CLONE_NEWNS) == 0 &&
                 mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                 mount(path, "/etc/group", NULL, MS_BIND, NULL) == 0;
    unlink(path);
    return apart || !skipped("other groups need the right to mount");
}

/* A group with members for some 200 kB. */
START_TEST(a_group_may_be_large)
{
    char path[] = "/tmp/ferry-test-group-XXXXXX", *name = NULL;
    FILE *file = group_file_begin(path);
    gid_t gid;

    fputs("crowd:x:4242:m", file);
    for (int i = 0; i < 20000; i++)
        fprintf(file, ",member%d", i);
    fputs("\n", file);
    if (!group_file_end(file, path))
        return;
    ck_assert_int_eq(group_find("crowd", &gid), 0);
    ck_assert_uint_eq(gid, 4242);
    ck_assert_int_eq(group_find_name(4242, &name), 0);
    ck_assert_str_eq(name, "crowd");
    free(name);
}
END_TEST

/* More than there is room for at first. */
START_TEST(a_user_may_be_in_many_groups)
{
    char path[] = "/tmp/ferry-test-group-XXXXXX";
    FILE *file = group_file_begin(path);
    struct account account;
    gid_t *groups = NULL;
    size_t count = 0;

    for (int i = 0; i < 300; i++)
        fprintf(file, "team%d:x:%d:%s\n", i, 5000 + i, i % 2 ? "somebody" : "daemon");
    if (!group_file_end(file, path))
        return;
    ck_assert_int_eq(account_read("daemon", &account), 0);
    ck_assert_int_eq(account_groups(&account, 4999, &groups, &count), 0);
    ck_assert_uint_eq(count, 151);
    ck_assert_uint_eq(groups[0], 4999);
    for (size_t i = 1; i < count; i++)
        ck_assert_uint_eq(groups[i], 5000 + 2 * (i - 1));
    free(groups);
    account_fini(&account);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/account");
    TCase *tests = tcase_create("account");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, numbers);
    tcase_add_test(tests, names);
    tcase_add_test(tests, whole_accounts);
    tcase_add_test(tests, names_of_groups);
    tcase_add_test(tests, own_groups);
    tcase_add_test(tests, what_cannot_be_read_is_not_missing);
    tcase_add_test(tests, a_group_may_be_large);
    tcase_add_test(tests, a_user_may_be_in_many_groups);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
