/* test_state.c - files of state: where they are, whose are read, and that they are whole. */
#include "base/cleanup.h"
#include "base/state.h"
#include "suite.h"

#include <check.h>
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static char folder[64], path[128];

static void setup(void)
{
    strcpy(folder, "/tmp/ferry-state-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/one/two/file", folder);
}

static void teardown(void)
{
    char command[96];

    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static void expect_path(const char *expected)
{
    AUTO_FREE char *found = NULL;

    ck_assert_int_eq(state_path("FERRY_TEST_STATE", "file", &found), 0);
    ck_assert_str_eq(found, expected);
}

START_TEST(where_it_is)
{
    char *none = NULL;

    unsetenv("FERRY_TEST_STATE");
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/home/x", 1);
    expect_path("/home/x/.local/state/ferry/file");
    setenv("XDG_STATE_HOME", "relative", 1);
    expect_path("/home/x/.local/state/ferry/file");
    setenv("XDG_STATE_HOME", "/state", 1);
    expect_path("/state/ferry/file");
    setenv("FERRY_TEST_STATE", "here", 1);
    expect_path("here");
    setenv("FERRY_TEST_STATE", "", 1);
    ck_assert_int_eq(state_path("FERRY_TEST_STATE", "file", &none), -ENOENT);
    unsetenv("FERRY_TEST_STATE");
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    ck_assert_int_eq(state_path("FERRY_TEST_STATE", "file", &none), -ENOENT);
    ck_assert_ptr_null(none);
}
END_TEST

static void expect_text(const char *expected)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    ck_assert_int_eq(state_read(path, 100000, &text), 0);
    ck_assert_uint_eq(text.size, strlen(expected));
    ck_assert(text.size == 0 || strcmp(text.data, expected) == 0);
}

START_TEST(what_is_written_is_read)
{
    static char large[50001];
    struct stat status;

    memset(large, 'x', sizeof(large) - 1);
    ck_assert_int_eq(state_write(path, "one\n", 4), 0);
    expect_text("one\n");
    ck_assert_int_eq(state_write(path, large, sizeof(large) - 1), 0);
    expect_text(large);
    ck_assert_int_eq(state_write(path, "", 0), 0);
    expect_text("");
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    *strrchr(path, '/') = '\0';
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0700);
}
END_TEST

/* Who has it open goes on reading what was there: it is replaced, not overwritten. */
START_TEST(a_file_is_replaced_whole)
{
    char text[8] = "";
    unsigned entries = 0;

    ck_assert_int_eq(state_write(path, "before", 6), 0);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(state_write(path, "later", 5), 0);
    ck_assert_int_eq(read(fd, text, sizeof(text) - 1), 6);
    ck_assert_str_eq(text, "before");
    *strrchr(path, '/') = '\0';
    AUTO_DIR DIR *directory = opendir(path);
    for (struct dirent *entry; (entry = readdir(directory));)
        entries += entry->d_name[0] != '.';
    ck_assert_uint_eq(entries, 1);
}
END_TEST

static int read_code(size_t size_max)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    return state_read(path, size_max, &text);
}

START_TEST(what_is_not_read)
{
    ck_assert_int_eq(read_code(100), -ENOENT);
    ck_assert_int_eq(state_write(path, "12345", 5), 0);
    ck_assert_int_eq(read_code(5), 0);
    ck_assert_int_eq(read_code(4), -EFBIG);
    ck_assert_int_eq(chmod(path, 0620), 0);
    ck_assert_int_eq(read_code(5), -EPERM);
    ck_assert_int_eq(chmod(path, 0602), 0);
    ck_assert_int_eq(read_code(5), -EPERM);
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(read_code(5), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(read_code(5), -ENODATA);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(read_code(5), -ENODATA);
}
END_TEST

START_TEST(what_another_user_owns_is_not_read)
{
    if (skipped_without_root())
        return;
    ck_assert_int_eq(state_write(path, "12345", 5), 0);
    ck_assert_int_eq(chown(path, 4711, 0), 0);
    ck_assert_int_eq(read_code(5), -EPERM);
    /* Root's is read by all who may. */
    ck_assert_int_eq(chown(path, 0, 0), 0);
    ck_assert_int_eq(chmod(path, 0644), 0);
    char command[96];
    snprintf(command, sizeof(command), "chmod -R a+rX '%s'", folder);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(seteuid(4711), 0);
    int code = read_code(5);
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(code, 0);
}
END_TEST

START_TEST(what_can_not_be_written_is_told)
{
    char file[160];

    ck_assert_int_eq(state_write(path, "x", 1), 0);
    snprintf(file, sizeof(file), "%s/below", path);
    ck_assert_int_eq(state_write(file, "x", 1), -ENOTDIR);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(state_write(path, "x", 1), -EISDIR);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/state");
    TCase *tests = tcase_create("state");

    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, where_it_is);
    tcase_add_test(tests, what_is_written_is_read);
    tcase_add_test(tests, a_file_is_replaced_whole);
    tcase_add_test(tests, what_is_not_read);
    tcase_add_test(tests, what_another_user_owns_is_not_read);
    tcase_add_test(tests, what_can_not_be_written_is_told);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
