/* test_notify.c - what a service manager receives. */
#include "process/notify.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/ferry-notify-XXXXXX";
static char path[64];
static int manager;

static void listen_on(const char *name, size_t size)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, name, size);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(manager, 0);
    ck_assert_int_eq(bind(manager, (struct sockaddr *)&address,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)),
        0);
}

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/notify", folder);
}

static void teardown(void)
{
    close(manager);
    unlink(path);
    rmdir(folder);
}

static const char *received(void)
{
    static char text[4096];
    ssize_t size = recv(manager, text, sizeof(text) - 1, 0);
    ck_assert_int_ge(size, 0);
    text[size] = '\0';
    return text;
}

START_TEST(test_tells_by_path)
{
    struct notify notify;
    listen_on(path, strlen(path) + 1);
    setenv("NOTIFY_SOCKET", path, 1);
    ck_assert_int_eq(notify_init(&notify), 0);
    ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
    ck_assert_int_eq(notify_ready(&notify, "3 routes"), 1);
    ck_assert_str_eq(received(), "READY=1\nSTATUS=3 routes\n");
    ck_assert_int_eq(notify_ready(&notify, NULL), 1);
    ck_assert_str_eq(received(), "READY=1\n");
    ck_assert_int_eq(notify_status(&notify, "busy"), 1);
    ck_assert_str_eq(received(), "STATUS=busy\n");
    ck_assert_int_eq(notify_stopping(&notify, "2 connections"), 1);
    ck_assert_str_eq(received(), "STOPPING=1\nSTATUS=2 connections\n");
}
END_TEST

START_TEST(test_reloading_says_when)
{
    struct notify notify;
    long long microseconds;
    int end = 0;
    listen_on(path, strlen(path) + 1);
    setenv("NOTIFY_SOCKET", path, 1);
    ck_assert_int_eq(notify_init(&notify), 0);
    ck_assert_int_eq(notify_reloading(&notify), 1);
    const char *text = received();
    ck_assert_int_eq(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%lld\n%n", &microseconds, &end), 1);
    ck_assert_int_eq(end, (int)strlen(text));
    ck_assert_int_gt(microseconds, 0);
}
END_TEST

START_TEST(test_tells_by_abstract_name)
{
    struct notify notify;
    char name[64];
    int length = snprintf(name, sizeof(name), "@ferry-notify-%d", getpid());
    setenv("NOTIFY_SOCKET", name, 1);
    name[0] = '\0';
    listen_on(name, (size_t)length);
    ck_assert_int_eq(notify_init(&notify), 0);
    ck_assert_int_eq(notify_ready(&notify, NULL), 1);
    ck_assert_str_eq(received(), "READY=1\n");
}
END_TEST

START_TEST(test_a_status_stays_one_line)
{
    struct notify notify;
    listen_on(path, strlen(path) + 1);
    setenv("NOTIFY_SOCKET", path, 1);
    ck_assert_int_eq(notify_init(&notify), 0);
    ck_assert_int_eq(notify_status(&notify, "a\nSTOPPING=1"), 1);
    ck_assert_str_eq(received(), "STATUS=a\\x0aSTOPPING=1\n");
}
END_TEST

START_TEST(test_nobody_wants_to_know)
{
    struct notify notify;
    unsetenv("NOTIFY_SOCKET");
    ck_assert_int_eq(notify_init(&notify), 0);
    ck_assert_int_eq(notify_ready(&notify, "x"), 0);
    ck_assert_int_eq(notify_store(&notify, "x", STDIN_FILENO, false), 0);
    ck_assert_int_eq(notify_forget(&notify, "x", false), 0);
    setenv("NOTIFY_SOCKET", "relative", 1);
    ck_assert_int_eq(notify_init(&notify), -EINVAL);
    ck_assert_int_eq(notify_ready(&notify, "x"), 0);
}
END_TEST

START_TEST(test_a_missing_or_stuck_manager_is_an_error_only)
{
    struct notify notify;
    setenv("NOTIFY_SOCKET", path, 1);
    ck_assert_int_eq(notify_init(&notify), 0);
    ck_assert_int_eq(notify_ready(&notify, NULL), -ENOENT);
    listen_on(path, strlen(path) + 1);
    int told, code;
    for (told = 0; (code = notify_status(&notify, "again")) == 1 && told < 100000; told++)
        continue;
    ck_assert_int_eq(code, -EAGAIN);
    ck_assert_int_gt(told, 0);
}
END_TEST

START_TEST(test_the_watchdog_is_ours_or_not)
{
    struct notify notify;
    char pid[16];
    listen_on(path, strlen(path) + 1);
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("WATCHDOG_USEC", "3000000", 1);
    ck_assert_int_eq(notify_init(&notify), 0);
    ck_assert_int_eq(notify.watchdog_ns, INT64_C(3000000000));
    ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
    ck_assert_int_eq(notify_watchdog(&notify), 1);
    ck_assert_str_eq(received(), "WATCHDOG=1\n");

    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("WATCHDOG_USEC", "3000000", 1);
    setenv("WATCHDOG_PID", pid, 1);
    ck_assert_int_eq(notify_init(&notify), 0);
    ck_assert_int_eq(notify.watchdog_ns, INT64_C(3000000000));
    ck_assert_ptr_null(getenv("WATCHDOG_PID"));

    static const char *const others[][2] = { { "3000000", "1" }, { "3000000", "x" }, { "-3", NULL },
        { "3s", NULL }, { "", NULL }, { "99999999999999999999", NULL } };
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        setenv("WATCHDOG_USEC", others[i][0], 1);
        if (others[i][1])
            setenv("WATCHDOG_PID", others[i][1], 1);
        ck_assert_int_eq(notify_init(&notify), 0);
        ck_assert_int_eq(notify.watchdog_ns, 0);
    }
}
END_TEST

/* The descriptor that came with a message, -1: none; its text is in `text`. */
static int received_with(char *text, size_t room)
{
    char control[CMSG_SPACE(4 * sizeof(int))];
    struct iovec line = { text, room - 1 };
    struct msghdr message = {
        .msg_iov = &line, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    ssize_t size = recvmsg(manager, &message, MSG_CMSG_CLOEXEC);
    ck_assert_int_ge(size, 0);
    text[size] = '\0';
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    int fd = -1;
    if (header) {
        ck_assert_uint_eq(header->cmsg_len, CMSG_LEN(sizeof(fd)));
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    }
    return fd;
}

START_TEST(test_descriptors_are_stored_and_forgotten)
{
    struct notify notify;
    struct stat sent, kept;
    char text[256];
    int ends[2];
    listen_on(path, strlen(path) + 1);
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("FDSTORE", "100", 1);
    ck_assert_int_eq(notify_init(&notify), 0);
    ck_assert(notify.stores);
    ck_assert_ptr_null(getenv("FDSTORE"));
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(notify_store(&notify, "a-name", ends[0], true), 1);
    int fd = received_with(text, sizeof(text));
    ck_assert_str_eq(text, "FDSTORE=1\nFDNAME=a-name\nFDPOLL=0\n");
    ck_assert_int_eq(fstat(fd, &kept) | fstat(ends[0], &sent), 0);
    ck_assert_uint_eq(kept.st_ino, sent.st_ino);
    close(fd);
    ck_assert_int_eq(notify_forget(&notify, "b", true), 1);
    ck_assert_int_eq(received_with(text, sizeof(text)), -1);
    ck_assert_str_eq(text, "FDSTOREREMOVE=1\nFDNAME=b\n");
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(test_a_barrier_ends_when_the_manager_has_read_so_far)
{
    struct notify notify;
    char text[64];
    int status;
    listen_on(path, strlen(path) + 1);
    setenv("NOTIFY_SOCKET", path, 1);
    ck_assert_int_eq(notify_init(&notify), 0);
    ck_assert_int_eq(notify_barrier(&notify), -ETIMEDOUT);
    close(received_with(text, sizeof(text)));
    ck_assert_str_eq(text, "BARRIER=1");
    pid_t child = fork();
    if (child == 0) {
        int fd = -1;
        fcntl(manager, F_SETFL, 0);
        fd = received_with(text, sizeof(text));
        _exit(fd >= 0 ? 0 : 1);
    }
    ck_assert_int_eq(notify_barrier(&notify), 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process/notify");
    TCase *cases = tcase_create("notify");
    tcase_set_timeout(cases, 20);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_tells_by_path);
    tcase_add_test(cases, test_reloading_says_when);
    tcase_add_test(cases, test_tells_by_abstract_name);
    tcase_add_test(cases, test_a_status_stays_one_line);
    tcase_add_test(cases, test_nobody_wants_to_know);
    tcase_add_test(cases, test_the_watchdog_is_ours_or_not);
    tcase_add_test(cases, test_descriptors_are_stored_and_forgotten);
    tcase_add_test(cases, test_a_barrier_ends_when_the_manager_has_read_so_far);
    tcase_add_test(cases, test_a_missing_or_stuck_manager_is_an_error_only);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
