/* test_dialler.c - dialling as somebody else: whom it will become, what it makes of requests that
 * are none, and how calls end. Only root can try. */
#include "base/cleanup.h"
#include "process/dialler.h"
#include "process/dialler_process.h"
#include "suite.h"

#include <check.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/ferry-dialler-XXXXXX";
static char text[128];
static struct sockaddr_un name = { .sun_family = AF_UNIX };
static struct ferry_address *address;
static struct ferry_loop *loop;
static struct dialler *dialler;
static int server;
static bool ended;

static struct run_as mail = { 8, 8, NULL, 0 }, games = { 5, 60, NULL, 0 };

/* What the last call brought. */
static int result;
static struct ferry_error why;
static struct ferry_channel *brought;

static void on_ended(void *data)
{
    (void)data;
    ended = true;
}

static void on_done(
    int code, const struct ferry_error *error, struct ferry_channel *channel, void *data)
{
    (void)data;
    result = code;
    why = *error;
    brought = channel;
}

static void setup(void)
{
    struct ferry_error error;
    const struct dialler_options options = {
        .sandbox = true, .users = &mail, .user_count = 1, .on_ended = on_ended
    };
    if (geteuid() != 0)
        return;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chmod(folder, 0755), 0);
    snprintf(name.sun_path, sizeof(name.sun_path), "%s/s", folder);
    snprintf(text, sizeof(text), "unix:%s/s", folder);
    server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(chmod(name.sun_path, 0666), 0);
    ck_assert_int_eq(listen(server, 8), 0);
    ck_assert_int_eq(ferry_address_parse(text, NULL, &address, &error), 0);
    ck_assert_int_eq(ferry_loop_new(FERRY_EPOLL, &loop), 0);
    ck_assert_int_eq(dialler_start(loop, &options, &dialler, &error), 0);
}

static void teardown(void)
{
    if (geteuid() != 0)
        return;
    dialler_stop(dialler);
    ferry_loop_free(loop);
    ferry_address_free(address);
    close(server);
    unlink(name.sun_path);
    rmdir(folder);
}

static struct dialler_call *ask(const struct run_as *run_as, int peer_fd)
{
    const struct dialler_request request = {
        .address = address, .run_as = run_as, .peer_fd = peer_fd, .timeout_ms = 5000
    };
    struct dialler_call *call;
    result = 1;
    brought = NULL;
    ck_assert_int_eq(dialler_dial(dialler, &request, on_done, NULL, &call, &why), 0);
    return call;
}

static int answer(void)
{
    for (int turn = 0; result == 1 && turn < 100; turn++)
        ck_assert_int_ge(ferry_loop_turn(loop, 100), 0);
    ck_assert_int_le(result, 0);
    return result;
}

/* The uid that the server sees of the next connection. */
static uid_t uid_seen(void)
{
    struct ucred credentials;
    socklen_t size = sizeof(credentials);
    AUTO_FD int fd = accept(server, NULL, NULL);
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size), 0);
    return credentials.uid;
}

START_TEST(test_it_becomes_whom_it_was_told_of_and_nobody_else)
{
    struct run_as root = { 0, 0, NULL, 0 };
    if (skipped_without_root())
        return;
    ask(&mail, -1);
    ck_assert_int_eq(answer(), 0);
    ck_assert_uint_eq(uid_seen(), 8);
    ferry_channel_close(brought);
    ask(&games, -1);
    ck_assert_int_eq(answer(), -EPERM);
    ask(&root, -1);
    ck_assert_int_eq(answer(), -EPERM);
    ck_assert(!brought);
    ck_assert(dialler_knows(dialler, &mail) && !dialler_knows(dialler, &root));
}
END_TEST

/* A connection to our server that uid 4001 makes, and what the server has of it. */
static int connection_of_4001(void)
{
    pid_t pid = fork();
    int status;
    if (pid == 0) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _exit(setresuid(4001, 4001, 4001) || connect(fd, (struct sockaddr *)&name, sizeof(name)));
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    return accept(server, NULL, NULL);
}

START_TEST(test_it_becomes_the_caller_as_the_kernel_says)
{
    if (skipped_without_root())
        return;
    AUTO_FD int peer = connection_of_4001();
    ask(NULL, peer);
    ck_assert_int_eq(answer(), 0);
    ck_assert_uint_eq(uid_seen(), 4001);
    ferry_channel_close(brought);
}
END_TEST

START_TEST(test_nobody_is_no_caller)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int ends[2];
    if (skipped_without_root())
        return;
    AUTO_FD int inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(inet, (struct sockaddr *)&here, sizeof(here)), 0);
    ask(NULL, inet);
    ck_assert_int_eq(answer(), -ENODATA);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ask(NULL, ends[0]);
    ck_assert_int_lt(answer(), 0);
    close(ends[0]);
    close(ends[1]);
    ck_assert(!brought);
}
END_TEST

/* Of a socket that connected, and of one that listens, the kernel vouches for who listens there:
 * root, as a rule. */
START_TEST(test_who_listens_is_no_caller)
{
    if (skipped_without_root())
        return;
    ask(NULL, server);
    ck_assert_int_eq(answer(), -ENODATA);
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    ask(NULL, fd);
    ck_assert_int_eq(answer(), -EPERM);
    ck_assert(!brought);
}
END_TEST

START_TEST(test_a_failure_is_told_as_if_it_were_ours)
{
    if (skipped_without_root())
        return;
    ck_assert_int_eq(chmod(name.sun_path, 0600), 0);
    ask(&mail, -1);
    ck_assert_int_eq(answer(), -EACCES);
    ck_assert_str_eq(why.thing, text);
    ck_assert_ptr_nonnull(strstr(why.reason, "permission denied"));
}
END_TEST

START_TEST(test_its_end_fails_calls_and_dials_nothing)
{
    const struct dialler_request request = {
        .address = address, .run_as = &mail, .peer_fd = -1, .timeout_ms = 5000
    };
    struct dialler_call *call;
    if (skipped_without_root())
        return;
    ck_assert_int_eq(kill(dialler_pid(dialler), SIGSTOP), 0);
    ask(&mail, -1);
    ck_assert_int_eq(kill(dialler_pid(dialler), SIGKILL), 0);
    ck_assert_int_eq(answer(), -ECONNABORTED);
    while (!ended)
        ck_assert_int_ge(ferry_loop_turn(loop, 100), 0);
    ck_assert_int_eq(dialler_pid(dialler), 0);
    ck_assert_int_eq(dialler_dial(dialler, &request, on_done, NULL, &call, &why), -EPIPE);
}
END_TEST

START_TEST(test_stopped_with_a_call_under_way)
{
    if (skipped_without_root())
        return;
    ck_assert_int_eq(kill(dialler_pid(dialler), SIGSTOP), 0);
    struct dialler_call *cancelled = ask(&mail, -1);
    ask(&mail, -1);
    dialler_stop(TAKE(dialler));
    dialler_cancel(cancelled);
    ck_assert_int_eq(answer(), -ECONNABORTED);
}
END_TEST

/* --- requests that are none ------------------------------------------------------------------- */

static void send_raw(int fd, const void *data, size_t size, int passed)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { 0 };
    struct iovec buffer = { (void *)(uintptr_t)data, size };
    struct msghdr message = { .msg_iov = &buffer, .msg_iovlen = 1 };
    if (passed >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &passed, sizeof(int));
    }
    ck_assert_int_eq(sendmsg(fd, &message, 0), size);
}

/* The code that a request is answered with. */
static int refused(int fd, const void *data, size_t size)
{
    struct dialler_answer said;
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    send_raw(fd, data, size, ends[1]);
    close(ends[1]);
    ck_assert_int_eq(recv(ends[0], &said, sizeof(said), 0), sizeof(said));
    close(ends[0]);
    return said.error.code;
}

START_TEST(test_what_is_no_request_is_refused)
{
    struct {
        struct dialler_ask ask;
        char rest[8];
    } request = { .ask = { .uid = 8, .gid = 8, .address_size = 8, .timeout_ms = 1000 },
        .rest = "unix:/x" };
    const struct dialler_options options = { .users = &mail, .user_count = 1 };
    int ends[2], status;
    if (skipped_without_root())
        return;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    pid_t pid = fork();
    if (pid == 0)
        dialler_process_run(ends[1], &options);
    close(ends[1]);

    send_raw(ends[0], "no way to answer", 16, -1);
    ck_assert_int_eq(refused(ends[0], "short", 5), -EBADMSG);
    ck_assert_int_eq(refused(ends[0], &request, sizeof(request)), -ENOENT); /* is one */
    request.ask.group_count = UINT32_MAX;
    ck_assert_int_eq(refused(ends[0], &request, sizeof(request)), -EBADMSG);
    request.ask.group_count = 3;
    ck_assert_int_eq(refused(ends[0], &request, sizeof(request)), -EBADMSG);
    request.ask.group_count = 0;
    request.ask.variables_size = 1;
    ck_assert_int_eq(refused(ends[0], &request, sizeof(request)), -EBADMSG);
    request.ask.variables_size = 0;
    request.ask.timeout_ms = 0;
    ck_assert_int_eq(refused(ends[0], &request, sizeof(request)), -EBADMSG);
    request.ask.timeout_ms = 1000;
    request.ask.peer = 1; /* and no caller's socket */
    ck_assert_int_eq(refused(ends[0], &request, sizeof(request)), -EBADMSG);
    request.ask.peer = 0;
    request.rest[7] = 'x';
    ck_assert_int_eq(refused(ends[0], &request, sizeof(request)), -EBADMSG);
    memcpy(request.rest, "nowhere", 8);
    ck_assert_int_eq(refused(ends[0], &request, sizeof(request)), -EINVAL);

    close(ends[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process/dialler");
    TCase *cases = tcase_create("dialler");
    tcase_set_timeout(cases, 20);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_it_becomes_whom_it_was_told_of_and_nobody_else);
    tcase_add_test(cases, test_it_becomes_the_caller_as_the_kernel_says);
    tcase_add_test(cases, test_nobody_is_no_caller);
    tcase_add_test(cases, test_who_listens_is_no_caller);
    tcase_add_test(cases, test_a_failure_is_told_as_if_it_were_ours);
    tcase_add_test(cases, test_its_end_fails_calls_and_dials_nothing);
    tcase_add_test(cases, test_stopped_with_a_call_under_way);
    tcase_add_test(cases, test_what_is_no_request_is_refused);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
