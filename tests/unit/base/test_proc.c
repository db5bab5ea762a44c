/* test_proc.c - files of /proc, of this process, of one that has gone, and of one made up. */
#include "base/cleanup.h"
#include "base/proc.h"
#include "suite.h"

#include <check.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static char folder_name[64];
static int folder;

static void setup(void)
{
    snprintf(folder_name, sizeof(folder_name), "/tmp/ferry-proc-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder_name));
    folder = open(folder_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(folder, 0);
}

static void teardown(void)
{
    unlinkat(folder, "stat", 0);
    unlinkat(folder, "exe", 0);
    fd_close(&folder);
    rmdir(folder_name);
}

static void write_stat(const char *text)
{
    AUTO_FD int fd = openat(folder, "stat", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

#define USER_THREAD   "4194560"
#define KERNEL_THREAD "2129984"
#define BEHIND_FLAGS  " 1 2 3 4 5 6 7 8 20 0 1 0 987654321 1000 2000\n"

/* A process may call itself anything. */
START_TEST(a_name_may_look_like_the_rest)
{
    static const char *const names[] = { "cat", "", "a b", ")", "((", "x) R 1 2 3 (y", ") S 1",
        "a\nb" };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct proc_stat stat;
        char text[256];
        snprintf(text, sizeof(text), "4711 (%s) T 42 7 7 0 -1 " USER_THREAD BEHIND_FLAGS, names[i]);
        write_stat(text);
        ck_assert_int_eq(proc_stat_read(folder, &stat), 0);
        ck_assert_str_eq(stat.name, names[i]);
        ck_assert_int_eq(stat.state, 'T');
        ck_assert_int_eq(stat.parent, 42);
        ck_assert_uint_eq(stat.start_ticks, 987654321);
        ck_assert(!stat.is_kernels);
    }
}
END_TEST

/* The kernel's own threads have longer ones. */
START_TEST(a_name_is_cut_at_its_room)
{
    static const char name[] = "kworker/u33:12-events_freezable_power_efficient_and_of_64_bytes__";
    struct proc_stat stat;
    char text[256];

    snprintf(text, sizeof(text), "7 (%s) I 2 0 0 0 -1 " KERNEL_THREAD BEHIND_FLAGS, name);
    write_stat(text);
    ck_assert_int_eq(proc_stat_read(folder, &stat), 0);
    ck_assert_uint_eq(strlen(stat.name), sizeof(stat.name) - 1);
    ck_assert_int_eq(strncmp(stat.name, name, sizeof(stat.name) - 1), 0);
    ck_assert(stat.is_kernels);
}
END_TEST

START_TEST(a_stat_that_is_none)
{
    static const char *const texts[] = { "", "4711", "4711 (cat", "4711 cat) S 1 2", "4711 (cat) S",
        ")(", "4711 (cat) S 42 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0" };
    struct proc_stat stat = { .parent = 7 };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        write_stat(texts[i]);
        ck_assert_msg(proc_stat_read(folder, &stat) == -EPROTO, "%s", texts[i]);
    }
    unlinkat(folder, "stat", 0);
    ck_assert_int_eq(proc_stat_read(folder, &stat), -ENOENT);
    ck_assert_int_eq(stat.parent, 7);
}
END_TEST

START_TEST(no_more_is_read_than_there_is_room)
{
    char text[8];

    write_stat("0123456789");
    ck_assert_int_eq(proc_read(folder, "stat", text, sizeof(text)), 7);
    ck_assert_str_eq(text, "0123456");
    ck_assert_int_eq(proc_read(folder, "none", text, sizeof(text)), -ENOENT);
}
END_TEST

START_TEST(ourselves)
{
    struct proc_stat stat;
    char text[4096], *executable, own[4096] = "";

    ck_assert_int_eq(prctl(PR_SET_NAME, "a) Z 1 (b"), 0);
    AUTO_FD int process = proc_open(getpid());
    ck_assert_int_eq(proc_stat_read(process, &stat), 0);
    ck_assert_str_eq(stat.name, "a) Z 1 (b");
    ck_assert_int_eq(stat.parent, getppid());
    ck_assert_int_eq(stat.state, 'R');
    ck_assert_uint_gt(stat.start_ticks, 0);

    ck_assert_int_gt(proc_read(process, "status", text, sizeof(text)), 0);
    ck_assert_uint_eq(proc_status_id(text, "\nUid:"), geteuid());
    ck_assert_uint_eq(proc_status_id(text, "\nGid:"), getegid());

    executable = proc_executable(process);
    ck_assert_int_gt(readlink("/proc/self/exe", own, sizeof(own) - 1), 0);
    ck_assert_str_eq(executable, own);
    free(executable);
}
END_TEST

START_TEST(the_effective_ids)
{
    static const char status[] = "Name:\tUid: 9 9\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n";

    ck_assert_uint_eq(proc_status_id(status, "\nUid:"), 2);
    ck_assert_uint_eq(proc_status_id(status, "\nGid:"), 6);
    ck_assert_uint_eq(proc_status_id("Name:\tcat\n", "\nUid:"), (unsigned)-1);
    ck_assert_uint_eq(proc_status_id("Name:\tcat\nUid:\t1\n", "\nUid:"), (unsigned)-1);
}
END_TEST

START_TEST(what_it_runs)
{
    ck_assert_ptr_null(proc_executable(folder));
    ck_assert_int_eq(symlinkat("/usr/bin/cat (deleted)", folder, "exe"), 0);
    AUTO_FREE char *executable = proc_executable(folder);
    ck_assert_str_eq(executable, "/usr/bin/cat (deleted)");
}
END_TEST

START_TEST(who_has_gone)
{
    pid_t pid = fork();
    struct proc_stat stat;
    char text[16];

    if (pid == 0)
        pause();
    AUTO_FD int process = proc_open(pid);
    ck_assert_int_ge(process, 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    int handles[] = { process, proc_open(pid) };
    ck_assert_int_eq(handles[1], -1);
    for (size_t i = 0; i < COUNT_OF(handles); i++) {
        ck_assert_int_lt(proc_stat_read(handles[i], &stat), 0);
        ck_assert_int_lt(proc_read(handles[i], "comm", text, sizeof(text)), 0);
        ck_assert_ptr_null(proc_executable(handles[i]));
    }
}
END_TEST

/* One that allows everything. */
START_TEST(whether_a_filter_judges)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = { .len = 1, .filter = &allow };

    if (proc_is_filtered() && skipped("a filter judges this test already"))
        return;
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert(!proc_is_filtered());
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
    ck_assert(proc_is_filtered());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/proc");
    TCase *tests = tcase_create("proc");

    tcase_set_timeout(tests, 10);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_name_may_look_like_the_rest);
    tcase_add_test(tests, a_name_is_cut_at_its_room);
    tcase_add_test(tests, a_stat_that_is_none);
    tcase_add_test(tests, no_more_is_read_than_there_is_room);
    tcase_add_test(tests, ourselves);
    tcase_add_test(tests, the_effective_ids);
    tcase_add_test(tests, what_it_runs);
    tcase_add_test(tests, who_has_gone);
    tcase_add_test(tests, whether_a_filter_judges);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
