/* test_spawn.c - what a started program gets, and nothing else. */
#include "loop/spawn.h"
#include "suite.h"
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Runs `spawn` with standard output into a pipe; the output goes to text[size]. */
static void program_run(struct spawn spawn, char *text, size_t size)
{
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    spawn.stdio[1] = ends[1];
    struct child child;
    ck_assert_int_eq(child_spawn(&spawn, &child), 0);
    close(ends[1]);
    size_t used = 0;
    ssize_t got;
    while ((got = read(ends[0], text + used, size - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    close(ends[0]);
    int code, status;
    ck_assert_int_eq(child_wait(&child, FERRY_NEVER, &code, &status), 1);
    ck_assert_int_eq(code, CLD_EXITED);
    ck_assert_int_eq(status, 0);
    child_close(&child);
}

static void script_run(struct spawn spawn, const char *script, char *text, size_t size)
{
    const char *const argv[] = { "sh", "-c", script, NULL };
    spawn.argv = argv;
    program_run(spawn, text, size);
}

START_TEST(test_environment_is_ours_with_additions)
{
    setenv("FERRY_KEPT", "kept", 1);
    setenv("FERRY_REPLACED", "old", 1);
    static const char *const variables[] = { "FERRY_REPLACED=new", "FERRY_ADDED=a b=c", NULL };
    const char *const argv[] = { "env", NULL };
    struct spawn spawn = { .argv = argv, .variables = variables, .stdio = { -1, -1, -1 } };
    char text[65536] = "\n";
    program_run(spawn, text + 1, sizeof(text) - 1);
    ck_assert_ptr_nonnull(strstr(text, "\nFERRY_KEPT=kept\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nFERRY_REPLACED=new\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nFERRY_ADDED=a b=c\n"));
    ck_assert_ptr_null(strstr(text, "FERRY_REPLACED=old"));
}
END_TEST

START_TEST(test_no_other_descriptor_passes)
{
    int leaky = open("/dev/zero", O_RDONLY); /* without CLOEXEC */
    ck_assert_int_ge(dup2(leaky, 100), 0);
    int before = descriptor_count();
    int extra[] = { leaky };
    struct spawn spawn = { .stdio = { -1, -1, -1 }, .extra = extra, .extra_count = 1 };
    char text[256];
    script_run(spawn,
        "for i in 0 $(seq 2 200); do [ -L /proc/$$/fd/$i ] && "
        "echo $i $(readlink /proc/$$/fd/$i); done; true",
        text, sizeof(text));
    ck_assert_str_eq(text, "0 /dev/null\n2 /dev/null\n3 /dev/zero\n");
    ck_assert_int_eq(descriptor_count(), before);
}
END_TEST

/* In reverse, so that every target is somebody else's source. */
START_TEST(test_places_are_permuted)
{
    int files[4];
    for (int i = 0; i < 4; i++) {
        files[i] = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        ck_assert_int_lt(files[i], 8); /* among the targets */
        char letter = (char)('a' + i);
        ck_assert_int_eq(pwrite(files[i], &letter, 1, 0), 1);
    }
    int extra[] = { files[3], files[2], files[1], files[0], files[0] };
    struct spawn spawn = { .stdio = { files[1], -1, -1 }, .extra = extra, .extra_count = 5 };
    char text[256];
    script_run(spawn, "for i in 0 3 4 5 6 7; do cat /proc/$$/fd/$i; done", text, sizeof(text));
    ck_assert_str_eq(text, "bdcbaa");
}
END_TEST

START_TEST(test_signals_are_as_at_birth)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    const char *const argv[] = { "sed", "-n", "s/^Sig\\(Blk\\|Ign\\)://p", "/proc/self/status",
        NULL };
    struct spawn spawn = { .argv = argv, .stdio = { -1, -1, -1 } };
    char text[256];
    program_run(spawn, text, sizeof(text)); /* no shell: it would clear its mask itself */
    char *rest;
    ck_assert_uint_eq(strtoull(text, &rest, 16), 0);
    /* All but 32 and 33, which are the C library's own. */
    ck_assert_uint_eq(strtoull(rest, NULL, 16) & ~0x180000000ULL, 0);
}
END_TEST

START_TEST(test_failure_is_told)
{
    static const struct {
        const char *program;
        int status;
    } cases[] = { { "/nonexistent/program", -ENOENT }, { "no-such-program-at-all", -ENOENT },
        { "/", -EACCES } };
    int before = descriptor_count();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *const argv[] = { cases[i].program, NULL };
        struct spawn spawn = { .argv = argv, .stdio = { 0, 1, 2 } };
        struct child child = CHILD_NONE;
        ck_assert_int_eq(child_spawn(&spawn, &child), cases[i].status);
        ck_assert_int_eq(child.pidfd, -1);
    }
    ck_assert_int_eq(descriptor_count(), before);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
    ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(test_no_descriptor_left_for_the_child)
{
    int high = open("/dev/null", O_RDONLY);
    struct rlimit before, limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = (struct rlimit){ (rlim_t)high + 1, before.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    const char *const argv[] = { "sleep", "1000", NULL };
    struct spawn spawn = { .argv = argv, .stdio = { -1, -1, -1 } };
    struct child child;
    ck_assert_int_eq(child_spawn(&spawn, &child), -EMFILE);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* it does not live on */
    ck_assert_int_eq(errno, ECHILD);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop/spawn");
    TCase *spawning = tcase_create("spawning");
    tcase_set_timeout(spawning, 10);
    tcase_add_test(spawning, test_environment_is_ours_with_additions);
    tcase_add_test(spawning, test_no_other_descriptor_passes);
    tcase_add_test(spawning, test_places_are_permuted);
    tcase_add_test(spawning, test_signals_are_as_at_birth);
    tcase_add_test(spawning, test_failure_is_told);
    tcase_add_test(spawning, test_no_descriptor_left_for_the_child);
    suite_add_tcase(suite, spawning);
    return suite_run(suite);
}
