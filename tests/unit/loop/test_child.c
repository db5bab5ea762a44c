/* test_child.c - children by pidfd. */
#include "loop/child.h"
#include "suite.h"
#include "support.h"

#include <signal.h>
#include <sys/wait.h>

static pid_t child_fork(int status)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (status < 0)
            pause();
        _exit(status);
    }
    return pid;
}

START_TEST(test_runs_ends_is_reaped_once)
{
    int before = descriptor_count();
    struct child child;
    ck_assert_int_eq(child_open(child_fork(-1), &child), 0);
    int code = -1, status = -1;
    ck_assert_int_eq(child_try_reap(&child, &code, &status), 0);
    ck_assert_int_eq(child_wait(&child, ferry_deadline(5), &code, &status), -ETIMEDOUT);
    ck_assert_int_eq(code, -1);
    ck_assert_int_eq(child_signal(&child, 0), 0);
    ck_assert_int_eq(child_signal(&child, SIGUSR1), 0);
    ck_assert_int_eq(child_wait(&child, FERRY_NEVER, &code, &status), 1);
    ck_assert_int_eq(code, CLD_KILLED);
    ck_assert_int_eq(status, SIGUSR1);
    ck_assert_int_eq(child_signal(&child, SIGUSR1), -ESRCH);
    ck_assert_int_eq(child_try_reap(&child, &code, &status), -ECHILD);
    child_close(&child);
    child_close(&child);
    ck_assert_int_eq(descriptor_count(), before);
}
END_TEST

START_TEST(test_exit_status_of_one_already_ended)
{
    pid_t pid = child_fork(7);
    siginfo_t info;
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    struct child child;
    ck_assert_int_eq(child_open(pid, &child), 0);
    int code, status;
    ck_assert_int_eq(child_wait(&child, 0, &code, &status), 1);
    ck_assert_int_eq(code, CLD_EXITED);
    ck_assert_int_eq(status, 7);
    child_close(&child);
}
END_TEST

START_TEST(test_not_ours)
{
    struct child child = CHILD_NONE;
    int before = descriptor_count();
    ck_assert_int_eq(child_open(getppid(), &child), -ECHILD);
    ck_assert_int_eq(child_open(-5, &child), -ECHILD);
    pid_t pid = child_fork(0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(child_open(pid, &child), -ECHILD);
    ck_assert_int_eq(child.pidfd, -1);
    child_close(&child);
    ck_assert_int_eq(descriptor_count(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop/child");
    TCase *children = tcase_create("children");
    tcase_set_timeout(children, 10);
    tcase_add_test(children, test_runs_ends_is_reaped_once);
    tcase_add_test(children, test_exit_status_of_one_already_ended);
    tcase_add_test(children, test_not_ours);
    suite_add_tcase(suite, children);
    return suite_run(suite);
}
