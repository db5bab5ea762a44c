/* test_activation.c - descriptors that a service manager opened for us.
 *
 * The protocol fixes the numbers 3, 4, ..., which the test program itself uses; so every case runs
 * in a child of its own, which reports the line of the first wrong fact.
 */
#include "process/activation.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPECT(fact)                                                                               \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #fact);                             \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

static void run(int (*child)(void))
{
    int status;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(child());
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

/* Opens 3 .. 3 + count - 1 and says so as a service manager does. */
static void pass(int count, const char *names)
{
    char number[16];
    int null = open("/dev/null", O_RDWR);
    for (int fd = 3; fd < 3 + count; fd++)
        dup2(null, fd);
    snprintf(number, sizeof(number), "%d", getpid());
    setenv("LISTEN_PID", number, 1);
    snprintf(number, sizeof(number), "%d", count);
    setenv("LISTEN_FDS", number, 1);
    if (names)
        setenv("LISTEN_FDNAMES", names, 1);
    else
        unsetenv("LISTEN_FDNAMES");
}

static int takes_by_name(void)
{
    struct activation activation;
    pass(3, "web:log:web");
    EXPECT(activation_take(&activation, NULL) == 0);
    EXPECT(activation.count == 3);
    EXPECT(fcntl(4, F_GETFD) == FD_CLOEXEC);
    EXPECT(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
    EXPECT(activation_claim(&activation, "log") == 4);
    EXPECT(activation_claim(&activation, "log") == -1);
    EXPECT(activation_claim(&activation, "web") == 3);
    EXPECT(activation_claim(&activation, "web") == 5);
    activation_close(&activation, NULL, NULL);
    EXPECT(fcntl(4, F_GETFD) >= 0);
    return 0;
}

START_TEST(test_takes_by_name)
{
    run(takes_by_name);
}
END_TEST

static int reported[4], reported_count;

static void report(const char *name, int fd, void *data)
{
    (void)name;
    (void)data;
    reported[reported_count++] = fd;
}

static int closes_the_unclaimed(void)
{
    struct activation activation;
    pass(3, "one:two:three");
    EXPECT(activation_take(&activation, NULL) == 0);
    EXPECT(activation_claim(&activation, "two") == 4);
    activation_close(&activation, report, NULL);
    EXPECT(reported_count == 2 && reported[0] == 3 && reported[1] == 5);
    EXPECT(fcntl(3, F_GETFD) < 0 && errno == EBADF);
    EXPECT(fcntl(4, F_GETFD) >= 0);
    EXPECT(fcntl(5, F_GETFD) < 0 && errno == EBADF);
    EXPECT(activation.count == 0);
    return 0;
}

START_TEST(test_closes_the_unclaimed)
{
    run(closes_the_unclaimed);
}
END_TEST

static int claims_by_number(void)
{
    struct activation activation;
    pass(2, NULL);
    EXPECT(activation_take(&activation, NULL) == 0);
    EXPECT(strcmp(activation.entries[0].name, "unknown") == 0);
    EXPECT(activation_claim(&activation, "4") == 4);
    EXPECT(activation_claim(&activation, "7") == -1);
    activation_close(&activation, NULL, NULL);
    return 0;
}

START_TEST(test_claims_by_number)
{
    run(claims_by_number);
}
END_TEST

static int leaves_what_is_for_another(void)
{
    struct activation activation;
    pass(1, "web");
    setenv("LISTEN_PID", "1", 1);
    EXPECT(activation_take(&activation, NULL) == 0);
    EXPECT(activation.count == 0);
    EXPECT(!getenv("LISTEN_FDS"));
    EXPECT(fcntl(3, F_GETFD) == 0);
    return 0;
}

START_TEST(test_leaves_what_is_for_another)
{
    run(leaves_what_is_for_another);
}
END_TEST

static int nothing_passed(void)
{
    struct activation activation;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    EXPECT(activation_take(&activation, NULL) == 0);
    EXPECT(activation.count == 0);
    EXPECT(activation_claim(&activation, "web") == -1);
    activation_close(&activation, report, NULL);
    EXPECT(reported_count == 0);
    return 0;
}

START_TEST(test_nothing_passed)
{
    run(nothing_passed);
}
END_TEST

static int contradictions(void)
{
    struct activation activation;
    struct ferry_error error = { 0 };
    pass(2, "one");
    EXPECT(activation_take(&activation, &error) == -EINVAL);
    EXPECT(strcmp(error.thing, "LISTEN_FDNAMES") == 0);
    pass(1, "one:two");
    EXPECT(activation_take(&activation, &error) == -EINVAL);
    pass(1, "one");
    setenv("LISTEN_FDS", "1x", 1);
    EXPECT(activation_take(&activation, &error) == -EINVAL);
    EXPECT(strcmp(error.thing, "LISTEN_FDS") == 0);
    pass(1, "one");
    close(3);
    EXPECT(activation_take(&activation, &error) == -EBADF);
    return 0;
}

START_TEST(test_contradictions)
{
    run(contradictions);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process/activation");
    TCase *cases = tcase_create("activation");
    tcase_set_timeout(cases, 10);
    tcase_add_test(cases, test_takes_by_name);
    tcase_add_test(cases, test_closes_the_unclaimed);
    tcase_add_test(cases, test_claims_by_number);
    tcase_add_test(cases, test_leaves_what_is_for_another);
    tcase_add_test(cases, test_nothing_passed);
    tcase_add_test(cases, test_contradictions);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
