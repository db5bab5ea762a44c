/* test_mounts.c - which file systems answer at once. */
#include "base/cleanup.h"
#include "base/mounts.h"
#include "suite.h"

#include <check.h>
#include <fcntl.h>
#include <sys/stat.h>

START_TEST(test_types_that_are_not_known_are_not_local)
{
    ck_assert(mounts_type_is_local("ext4"));
    ck_assert(mounts_type_is_local("tmpfs"));
    ck_assert(!mounts_type_is_local("nfs4"));
    ck_assert(!mounts_type_is_local("fuse.sshfs"));
    ck_assert(!mounts_type_is_local("ext"));
    ck_assert(!mounts_type_is_local(""));
}
END_TEST

/* A mountinfo in which what `fd` leads to is of that type, between others. */
static void write_mountinfo(const char *path, int fd, const char *type)
{
    AUTO_FILE FILE *file = fopen(path, "we");
    struct statx status;

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(statx(fd, "", AT_EMPTY_PATH, 0x1000 /* STATX_MNT_ID */, &status), 0);
    unsigned long long id = status.stx_mnt_id;
    fprintf(file, "%llu 1 0:1 / / rw - %s x rw\n", id + 1, "nfs");
    fprintf(file, "%llu 1 0:1 / /a\\040b rw shared:1 master:2 - %s a:/b rw\n", id, type);
    fprintf(file, "%llu 1 0:1 / / rw - %s x rw\n", id + 2, "ext4");
}

START_TEST(test_a_descriptor_is_looked_up_by_its_mount)
{
    char path[] = "/tmp/test-mounts-XXXXXX";
    AUTO_FD int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    write_mountinfo(path, fd, "ext4");
    ck_assert(mounts_is_local(fd, path));
    write_mountinfo(path, fd, "nfs");
    ck_assert(!mounts_is_local(fd, path));
    ck_assert(!mounts_is_local(fd, "/dev/null"));
    ck_assert(!mounts_is_local(fd, "/nowhere"));
    unlink(path);
}
END_TEST

START_TEST(test_of_proc_itself)
{
    AUTO_FD int proc = open("/proc", O_PATH | O_CLOEXEC);

    ck_assert(!mounts_is_local(proc, "/proc/self/mountinfo"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/mounts");
    TCase *cases = tcase_create("mounts");
    tcase_set_timeout(cases, 10);
    tcase_add_test(cases, test_types_that_are_not_known_are_not_local);
    tcase_add_test(cases, test_a_descriptor_is_looked_up_by_its_mount);
    tcase_add_test(cases, test_of_proc_itself);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
