/* test_directory.c - folders that are safe to put a socket in, and those that are not. */
#include "process/directory.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/ferry-directory-XXXXXX";
static char path[128];

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/run", folder);
}

static void teardown(void)
{
    chmod(folder, 0700);
    unlink(path);
    rmdir(path);
    rmdir(folder);
}

static unsigned mode_of(const char *of)
{
    struct stat status;
    ck_assert_int_eq(lstat(of, &status), 0);
    ck_assert(S_ISDIR(status.st_mode));
    return status.st_mode & 07777;
}

START_TEST(test_makes_whatever_the_umask)
{
    umask(077);
    ck_assert_int_eq(directory_make(path, 0755, NULL), 0);
    ck_assert_uint_eq(mode_of(path), 0755);
    ck_assert_int_eq(directory_make(path, 0700, NULL), 0);
    ck_assert_uint_eq(mode_of(path), 0755);
}
END_TEST

START_TEST(test_refuses_what_others_can_write)
{
    struct ferry_error error;
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(chmod(path, 0722), 0);
    ck_assert_int_eq(directory_make(path, 0700, &error), -EPERM);
    ck_assert_str_eq(error.thing, path);
}
END_TEST

START_TEST(test_refuses_a_link_and_a_file)
{
    ck_assert_int_eq(symlink("/tmp", path), 0);
    ck_assert_int_eq(directory_make(path, 0700, NULL), -ENOTDIR);
    ck_assert_int_eq(unlink(path), 0);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    ck_assert_int_eq(directory_make(path, 0700, NULL), -ENOTDIR);
}
END_TEST

START_TEST(test_refuses_where_others_could_replace_it)
{
    ck_assert_int_eq(chmod(folder, 0777), 0);
    ck_assert_int_eq(directory_make(path, 0700, NULL), -EPERM);
    ck_assert_int_eq(access(path, F_OK), -1);
    ck_assert_int_eq(chmod(folder, 01777), 0);
    ck_assert_int_eq(directory_make(path, 0700, NULL), 0);
}
END_TEST

START_TEST(test_refuses_another_users_folder)
{
    if (skipped_without_root())
        return; /* only root can make one */
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(chown(path, 12345, 12345), 0);
    ck_assert_int_eq(directory_make(path, 0700, NULL), -EPERM);
}
END_TEST

START_TEST(test_missing_above)
{
    char deep[160];
    struct ferry_error error;
    snprintf(deep, sizeof(deep), "%s/a/b", folder);
    ck_assert_int_eq(directory_make(deep, 0700, &error), -ENOENT);
    ck_assert_int_eq(directory_make("/", 0700, &error), -EINVAL);
    ck_assert_int_eq(directory_make("", 0700, &error), -EINVAL);
}
END_TEST

START_TEST(test_runtime_directory_of_a_unit)
{
    char *found, list[300];
    snprintf(list, sizeof(list), "%s:/nowhere", path);
    setenv("RUNTIME_DIRECTORY", list, 1);
    ck_assert_int_eq(directory_runtime(&found, NULL), 0);
    ck_assert_str_eq(found, path);
    mode_of(path);
    free(found);
}
END_TEST

START_TEST(test_runtime_directory_of_a_user)
{
    char *found, wanted[160];
    struct ferry_error error;
    unsetenv("RUNTIME_DIRECTORY");
    if (geteuid() == 0) {
        ck_assert_int_eq(chown(folder, 12345, 12345), 0);
        ck_assert_int_eq(seteuid(12345), 0);
    }
    unsetenv("XDG_RUNTIME_DIR");
    ck_assert_int_eq(directory_runtime(&found, &error), -ENOENT);
    setenv("XDG_RUNTIME_DIR", folder, 1);
    ck_assert_int_eq(directory_runtime(&found, &error), 0);
    snprintf(wanted, sizeof(wanted), "%s/ferry", folder);
    ck_assert_str_eq(found, wanted);
    ck_assert_uint_eq(mode_of(found), 0700);
    rmdir(found);
    free(found);
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process/directory");
    TCase *cases = tcase_create("directory");
    tcase_set_timeout(cases, 10);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_makes_whatever_the_umask);
    tcase_add_test(cases, test_refuses_what_others_can_write);
    tcase_add_test(cases, test_refuses_a_link_and_a_file);
    tcase_add_test(cases, test_refuses_where_others_could_replace_it);
    tcase_add_test(cases, test_refuses_another_users_folder);
    tcase_add_test(cases, test_missing_above);
    tcase_add_test(cases, test_runtime_directory_of_a_unit);
    tcase_add_test(cases, test_runtime_directory_of_a_user);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
