/* test_sandbox.c - what can be called inside the sandbox, tried. */
#include "base/cleanup.h"
#include "process/sandbox.h"
#include "process/standing.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void enter(unsigned groups)
{
    struct ferry_error error;
    if (sandbox_enter(groups, &error) < 0)
        _exit(2);
}

/* Whether a call fails with EPERM, as it does for root only if the filter says so. */
#define DENIED(call) (errno = 0, (long)(call) == -1 && errno == EPERM)

/* A fact inside a sandbox, in which Check cannot report. */
#define HOLDS(fact)                                                                                \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #fact);               \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static bool skipped_without_filter(void)
{
    const char *why = sandbox_lacks_filter();
    return why && skipped(why);
}

/* Does it in a process of its own, which ends well or as HOLDS() says. */
static void inside(void (*work)(void))
{
    int status;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        work();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

static void is_seen(void)
{
    struct standing before, after;
    standing_read(&before);
    HOLDS(before.filter_mode == 0);
    enter(0);
    standing_read(&after);
    HOLDS(after.no_new_privs);
    HOLDS(after.filter_mode == (sandbox_lacks_filter() ? 0 : 2));
}

START_TEST(test_the_kernel_says_so)
{
    inside(is_seen);
}
END_TEST

static void executes_nothing(void)
{
    static char *const words[] = { "true", NULL };
    pid_t pid;
    enter(SANDBOX_LISTEN | SANDBOX_DIAL);
    HOLDS(DENIED(execv("/bin/true", words)));
    HOLDS(DENIED(fork()));
    HOLDS(posix_spawn(&pid, "/bin/true", NULL, NULL, words, words + 1) != 0);
}

START_TEST(test_no_program_can_be_executed)
{
    if (!skipped_without_filter())
        inside(executes_nothing);
}
END_TEST

static void all_of_these_are_denied(void)
{
    HOLDS(DENIED(ptrace(PTRACE_TRACEME, 0, NULL, NULL)));
    HOLDS(DENIED(syscall(SYS_bpf, 0, NULL, 0)));
    HOLDS(DENIED(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0)));
    HOLDS(DENIED(syscall(SYS_userfaultfd, 0)));
    HOLDS(DENIED(syscall(SYS_io_uring_setup, 1, NULL)));
    HOLDS(DENIED(syscall(SYS_keyctl, 0, 0, 0, 0, 0)));
    HOLDS(DENIED(syscall(SYS_init_module, NULL, 0, "")));
    HOLDS(DENIED(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0)));
    HOLDS(DENIED(mount("none", "/", NULL, MS_REMOUNT, NULL)));
    HOLDS(DENIED(syscall(SYS_setns, -1, 0)));
    HOLDS(DENIED(syscall(SYS_reboot, 0, 0, 0, NULL)));
}

static void denies_the_kernels_inside(void)
{
    enter(SANDBOX_LISTEN | SANDBOX_DIAL | SANDBOX_BECOME);
    all_of_these_are_denied();
    HOLDS(DENIED(unshare(CLONE_NEWNS)));
    HOLDS(DENIED(socket(AF_PACKET, SOCK_RAW, 0)));
    HOLDS(DENIED(syscall(SYS_prctl, PR_SET_SECUREBITS, 0, 0, 0, 0)));
    HOLDS(DENIED(execl("/bin/true", "true", NULL)));
}

START_TEST(test_the_kernels_inside_is_denied)
{
    if (!skipped_without_filter())
        inside(denies_the_kernels_inside);
}
END_TEST

static void runs_commands(void)
{
    enter(SANDBOX_COMMANDS);
    if (!sandbox_lacks_filter())
        all_of_these_are_denied();
    execl("/bin/sh", "sh", "-c", "test -n \"$(echo pipe | cat)\"", NULL);
    _exit(9);
}

START_TEST(test_commands_run_and_are_denied_it_too)
{
    inside(runs_commands);
}
END_TEST

static void stays_who_it_is(void)
{
    enter(SANDBOX_DIAL);
    HOLDS(DENIED(setgroups(0, NULL)));
    HOLDS(DENIED(setresuid(4001, 4001, 4001)));
}

static void becomes_others(void)
{
    enter(SANDBOX_DIAL | SANDBOX_BECOME);
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(setgroups(0, NULL) == 0 && setresuid(4001, 4001, 4001) == 0 ? 0 : 1);
    HOLDS(waitpid(pid, &status, 0) == pid && status == 0);
}

START_TEST(test_only_the_dialler_becomes_others)
{
    if (skipped_without_filter() || skipped_without_root())
        return;
    inside(stays_who_it_is);
    inside(becomes_others);
}
END_TEST

static pthread_barrier_t entered;

static void *make_when_entered(void *data)
{
    (void)data;
    pthread_barrier_wait(&entered);
    return (void *)(intptr_t)DENIED(mkdir("/nowhere/at/all", 0700));
}

static void has_a_thread(void)
{
    void *denied;
    pthread_t thread;
    pthread_barrier_init(&entered, NULL, 2);
    HOLDS(pthread_create(&thread, NULL, make_when_entered, NULL) == 0);
    enter(SANDBOX_DIAL);
    pthread_barrier_wait(&entered);
    HOLDS(pthread_join(thread, &denied) == 0);
    HOLDS(denied);
}

START_TEST(test_threads_that_run_already_are_in_it)
{
    if (!skipped_without_filter())
        inside(has_a_thread);
}
END_TEST

START_TEST(test_groups_have_names)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    sandbox_print_groups(SANDBOX_LISTEN | SANDBOX_DIAL, &text);
    ck_assert_str_eq(text.data, "base listen dial");
    bytes_fini(&text);
    sandbox_print_groups(SANDBOX_COMMANDS | SANDBOX_DIAL, &text);
    ck_assert_str_eq(text.data, "commands (all but denied ones)");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process/sandbox");
    TCase *cases = tcase_create("sandbox");
    tcase_add_test(cases, test_the_kernel_says_so);
    tcase_add_test(cases, test_no_program_can_be_executed);
    tcase_add_test(cases, test_the_kernels_inside_is_denied);
    tcase_add_test(cases, test_commands_run_and_are_denied_it_too);
    tcase_add_test(cases, test_only_the_dialler_becomes_others);
    tcase_add_test(cases, test_threads_that_run_already_are_in_it);
    tcase_add_test(cases, test_groups_have_names);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
