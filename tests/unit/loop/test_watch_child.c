/* test_watch_child.c - children as sources. */
#include "suite.h"
#include "support.h"

#include <signal.h>
#include <sys/wait.h>

struct ended {
    int count, code, status;
    bool removes;
};

static void child_ended(struct ferry_source *source, int code, int status, void *data)
{
    struct ended *ended = data;
    ended->count++;
    ended->code = code;
    ended->status = status;
    if (ended->removes)
        ferry_source_remove(source);
}

static pid_t child_fork(int status)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(status);
    return pid;
}

START_TEST(test_children_end_and_their_sources_go)
{
    struct ferry_loop *loop = loop_make(_i);
    int before = descriptor_count();
    struct ended ended[20] = { 0 };
    pid_t pids[20];
    for (int i = 0; i < 20; i++) {
        struct ferry_source *source;
        ended[i].removes = i % 2;
        pids[i] = child_fork(i);
        ck_assert_int_eq(ferry_loop_child(loop, pids[i], child_ended, &ended[i], &source), 0);
    }
    pid_t other = child_fork(0);
    ck_assert_int_eq(ferry_loop_run(loop), 0);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(ended[i].count, 1);
        ck_assert_int_eq(ended[i].code, CLD_EXITED);
        ck_assert_int_eq(ended[i].status, i);
        ck_assert_int_eq(waitpid(pids[i], NULL, WNOHANG), -1);
    }
    ck_assert_int_eq(waitpid(other, NULL, 0), other); /* not touched */
    ck_assert_int_eq(descriptor_count(), before);
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_status_lost)
{
    signal(SIGCHLD, SIG_IGN);
    struct ferry_loop *loop = loop_make(FERRY_EPOLL);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        byte_take(ends[0]);
        _exit(3);
    }
    struct ended ended = { .code = -1 };
    struct ferry_source *source;
    ck_assert_int_eq(ferry_loop_child(loop, pid, child_ended, &ended, &source), 0);
    byte_send(ends[1]);
    ck_assert_int_eq(ferry_loop_run(loop), 0);
    ck_assert_int_eq(ended.count, 1);
    ck_assert_int_eq(ended.code, 0);
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_refused)
{
    struct ferry_loop *loop = loop_make(FERRY_EPOLL);
    int before = descriptor_count();
    struct ferry_source *source = NULL;
    ck_assert_int_eq(ferry_loop_child(loop, getppid(), child_ended, NULL, &source), -ECHILD);
    ck_assert_ptr_null(source);
    ck_assert_int_eq(descriptor_count(), before);
    ferry_loop_free(loop);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop/watch_child");
    TCase *children = tcase_create("children");
    tcase_set_timeout(children, 10);
    tcase_add_loop_test(children, test_children_end_and_their_sources_go, 0, ENGINE_COUNT);
    tcase_add_test(children, test_status_lost);
    tcase_add_test(children, test_refused);
    suite_add_tcase(suite, children);
    return suite_run(suite);
}
