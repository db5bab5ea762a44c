/* test_proc.c - facts of /proc, of this process and of one that has gone. */
#include "base/cleanup.h"
#include "command/view/proc.h"
#include "suite.h"

#include <check.h>
#include <sys/resource.h>
#include <sys/wait.h>

START_TEST(who_has_gone)
{
    pid_t pid = fork();
    uint64_t limit;

    if (pid == 0)
        pause();
    AUTO_FD int process = proc_open(pid);
    ck_assert_int_ge(process, 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    int handles[] = { process, proc_open(pid) };
    ck_assert_int_eq(handles[1], -1);
    for (size_t i = 0; i < 2; i++) {
        ck_assert(!proc_limit(handles[i], "Max open files", &limit, NULL));
        ck_assert_int_lt(proc_descriptor_count(handles[i]), 0);
    }
}
END_TEST

START_TEST(descriptors_and_limits)
{
    struct rlimit wanted = { 50, 60 }, time;
    uint64_t soft, hard;

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &wanted), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_CPU, &time), 0);
    AUTO_FD int process = proc_open(getpid());
    ck_assert(proc_limit(process, "Max open files", &soft, &hard));
    ck_assert_uint_eq(soft, 50);
    ck_assert_uint_eq(hard, 60);
    ck_assert(proc_limit(process, "Max cpu time", &soft, NULL));
    ck_assert_uint_eq(soft, time.rlim_cur == RLIM_INFINITY ? UINT64_MAX : time.rlim_cur);
    ck_assert(!proc_limit(process, "Max nonsense", &soft, NULL));

    int64_t before = proc_descriptor_count(process);
    ck_assert_int_gt(before, 0);
    AUTO_FD int one_more = dup(process);
    ck_assert_int_ge(one_more, 0);
    ck_assert_int_eq(proc_descriptor_count(process), before + 1);
}
END_TEST

START_TEST(processes_one_after_the_other)
{
    AUTO_DIR DIR *proc = opendir("/proc");
    bool found = false;

    ck_assert_ptr_nonnull(proc);
    for (pid_t pid; (pid = proc_next(proc));)
        found |= pid == getpid();
    ck_assert(found);
}
END_TEST

START_TEST(a_file_of_numbers)
{
    char path[] = "/tmp/test_proc.XXXXXX";
    AUTO_FD int fd = mkstemp(path);
    uint64_t number = 7;

    ck_assert_int_eq(write(fd, "12\t0\t18446744073709551615 x\n", 28), 28);
    ck_assert(proc_number(path, 0, &number) && number == 12);
    ck_assert(proc_number(path, 2, &number) && number == UINT64_MAX);
    ck_assert(!proc_number(path, 3, &number) && number == UINT64_MAX);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(!proc_number(path, 0, &number) && number == UINT64_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("proc");
    TCase *tests = tcase_create("proc");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, who_has_gone);
    tcase_add_test(tests, descriptors_and_limits);
    tcase_add_test(tests, processes_one_after_the_other);
    tcase_add_test(tests, a_file_of_numbers);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
