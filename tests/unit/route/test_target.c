/* test_target.c - reaching an address: at once, after a while, by name, or not at all. */
#include "fixture.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection that arrived at a listening socket, accepted within the loop's turns. */
static int arrive(int listener)
{
    int fd = -1;
    TURN_UNTIL((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0);
    return fd;
}

static void expect_bytes(int fd, const char *wanted)
{
    char got[64] = "";
    size_t size = 0;
    while (size < strlen(wanted)) {
        ssize_t more = -1;
        TURN_UNTIL((more = recv(fd, got + size, sizeof(got) - 1 - size, MSG_DONTWAIT)) >= 0);
        ck_assert_int_gt(more, 0);
        size += (size_t)more;
    }
    ck_assert_str_eq(got, wanted);
}

START_TEST(test_both_ways_and_half_close)
{
    int listener = serve("t", 8);
    ck_assert_int_eq(apply("[route r]\nlisten = unix:r\nto = unix:t\n"), 0);
    ck_assert_ptr_nonnull(strstr(lines[EVENT_STARTED], "both ways by copy"));
    int client = dial("r", SOCK_STREAM);
    send(client, "question", 8, MSG_NOSIGNAL);
    shutdown(client, SHUT_WR);
    int target = arrive(listener);
    expect_bytes(target, "question");
    expect_closed(target);
    send(target, "answer", 6, MSG_NOSIGNAL);
    close(target);
    expect_bytes(client, "answer");
    expect_closed(client);
    TURN_UNTIL(emitted[EVENT_CLOSED] == 1);
    ck_assert_ptr_nonnull(strstr(lines[EVENT_CLOSED], "; in 8 out 6 bytes"));
    close(client);
    close(listener);
}
END_TEST

START_TEST(test_nobody_there)
{
    ck_assert_int_eq(apply("[route r]\nlisten = unix:r\nto = unix:missing\n"), 0);
    int client = dial("r", SOCK_STREAM);
    expect_closed(client);
    TURN_UNTIL(emitted[EVENT_FAILED] == 1);
    ck_assert_ptr_nonnull(strstr(lines[EVENT_FAILED], "missing: "));
    ck_assert_uint_eq(route_called("r")->failed, 1);
    ck_assert_int_eq(ended, 1);
    close(client);
}
END_TEST

START_TEST(test_a_full_backlog_is_waited_for)
{
    int listener = serve("t", 0);
    int first = dial("t", SOCK_STREAM); /* fills it */
    ck_assert_int_eq(apply("[route r]\nlisten = unix:r\nto = unix:t\n"), 0);
    int client = dial("r", SOCK_STREAM);
    send(client, "patience", 8, MSG_NOSIGNAL);
    for (int i = 0; i < 20; i++)
        ck_assert_int_ge(ferry_loop_turn(loop, 5), 0);
    ck_assert_uint_eq(registry.connection_count, 1);
    ck_assert_uint_eq(emitted[EVENT_FAILED], 0);
    close(arrive(listener));
    int target = arrive(listener);
    expect_bytes(target, "patience");
    close(target);
    close(client);
    close(first);
    close(listener);
}
END_TEST

START_TEST(test_a_full_backlog_until_the_deadline)
{
    int listener = serve("t", 0);
    int first = dial("t", SOCK_STREAM);
    ck_assert_int_eq(apply("[route r]\nlisten = unix:r\nto = unix:t,timeout=200ms\n"), 0);
    int client = dial("r", SOCK_STREAM);
    expect_closed(client);
    TURN_UNTIL(emitted[EVENT_FAILED] == 1);
    ck_assert_ptr_nonnull(strstr(lines[EVENT_FAILED], "did not answer in time"));
    ck_assert_ptr_nonnull(strstr(lines[EVENT_FAILED], "timeout="));
    close(client);
    close(first);
    close(listener);
}
END_TEST

static int serve_tcp(in_addr_t host, in_port_t *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof(address);
    address.sin_addr.s_addr = htonl(host);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void reach(const char *host, int listener, in_port_t port)
{
    char text[128];
    snprintf(text, sizeof(text), "[route r]\nlisten = unix:r\nto = tcp:%s:%d\n", host, port);
    ck_assert_int_eq(apply(text), 0);
    int client = dial("r", SOCK_STREAM);
    send(client, "by name", 7, MSG_NOSIGNAL);
    int target = arrive(listener);
    expect_bytes(target, "by name");
    send(target, "found", 5, MSG_NOSIGNAL);
    expect_bytes(client, "found");
    close(target);
    close(client);
    close(listener);
}

START_TEST(test_by_name)
{
    in_port_t port;
    int listener = serve_tcp(INADDR_LOOPBACK, &port);
    reach("localhost", listener, port);
}
END_TEST

/* Another hosts file for this process alone; false: that needs root. */
static bool set_hosts(const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/hosts", folder);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    bool done = unshare(CLONE_NEWNS) == 0 &&
                mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0;
    if (!done)
        skipped("/etc/hosts can't be replaced without root");
    return done;
}

/* One of the two addresses is served; whichever is tried first, the other must be tried too. */
START_TEST(test_all_addresses_of_a_name_are_tried)
{
    in_port_t port;
    if (!set_hosts("127.0.0.1 two.test\n127.0.0.2 two.test\n"))
        return;
    int listener = serve_tcp(INADDR_LOOPBACK + (in_addr_t)_i, &port);
    reach("two.test", listener, port);
}
END_TEST

START_TEST(test_no_such_name)
{
    if (!set_hosts("127.0.0.1 localhost\n"))
        return;
    /* an empty label is nothing that could be asked for */
    ck_assert_int_eq(apply("[route r]\nlisten = unix:r\nto = tcp:no..where:1\n"), 0);
    int client = dial("r", SOCK_STREAM);
    expect_closed(client);
    TURN_UNTIL(emitted[EVENT_FAILED] == 1);
    ck_assert_ptr_nonnull(strstr(lines[EVENT_FAILED], "no..where: there is no such host"));
    close(client);
}
END_TEST

START_TEST(test_nobody_at_a_port)
{
    in_port_t port;
    char text[128];
    close(serve_tcp(INADDR_LOOPBACK, &port));
    snprintf(text, sizeof(text), "[route r]\nlisten = unix:r\nto = tcp:%d\n", port);
    ck_assert_int_eq(apply(text), 0);
    int client = dial("r", SOCK_STREAM);
    expect_closed(client);
    TURN_UNTIL(emitted[EVENT_FAILED] == 1);
    ck_assert_ptr_nonnull(strstr(lines[EVENT_FAILED], "efused"));
    close(client);
}
END_TEST

START_TEST(test_a_command_is_told_who_called)
{
    char text[512], wanted[512], got[1024] = "";
    setenv("FERRY_PEER_USER", "somebody else", 1);
    registry_fini(&registry);
    ck_assert_int_eq(registry_init(&registry, loop, registry.events), 0);
    snprintf(text, sizeof(text),
        "[route r]\nlisten = unix:r\nto = exec:sh -c 'env | grep ^FERRY_[PR] | sort; cat'\n");
    ck_assert_int_eq(apply(text), 0);
    int client = dial("r", SOCK_STREAM);
    shutdown(client, SHUT_WR);
    size_t size = 0;
    for (ssize_t more = 1; more > 0; size += (size_t)more)
        TURN_UNTIL((more = recv(client, got + size, sizeof(got) - 1 - size, MSG_DONTWAIT)) >= 0);
    snprintf(wanted, sizeof(wanted), "FERRY_PEER_GID=%u\nFERRY_PEER_PID=%d\nFERRY_PEER_UID=%u\n",
        getegid(), getpid(), geteuid());
    ck_assert_ptr_eq(strstr(got, wanted), got);
    ck_assert_ptr_nonnull(strstr(got, "FERRY_ROUTE=r\n"));
    ck_assert_ptr_null(strstr(got, "somebody else"));
    close(client);
}
END_TEST

START_TEST(test_nothing_is_left_of_failures)
{
    ck_assert_int_eq(apply("[route r]\nlisten = unix:r\nto = unix:missing\n"), 0);
    unsigned before = open_descriptors();
    for (int i = 0; i < 200; i++) {
        int client = dial("r", SOCK_STREAM);
        ck_assert_int_ge(ferry_loop_turn(loop, 0), 0);
        close(client);
    }
    TURN_UNTIL(route_called("r")->failed == 200);
    ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(test_stopped_while_dialling)
{
    int listener = serve("t", 0);
    int first = dial("t", SOCK_STREAM);
    ck_assert_int_eq(apply("[route r]\nlisten = unix:r\nto = unix:t\n"), 0);
    int client = dial("r", SOCK_STREAM);
    TURN_UNTIL(registry.connection_count == 1);
    registry_fini(&registry);
    char byte;
    ck_assert_int_eq(recv(client, &byte, 1, 0), 0);
    ck_assert_int_eq(registry_init(&registry, loop, registry.events), 0);
    close(client);
    close(first);
    close(listener);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route/target");
    TCase *cases = tcase_create("target");
    tcase_set_timeout(cases, 30);
    tcase_add_checked_fixture(cases, fixture_setup, fixture_teardown);
    tcase_add_test(cases, test_both_ways_and_half_close);
    tcase_add_test(cases, test_nobody_there);
    tcase_add_test(cases, test_a_full_backlog_is_waited_for);
    tcase_add_test(cases, test_a_full_backlog_until_the_deadline);
    tcase_add_test(cases, test_by_name);
    tcase_add_loop_test(cases, test_all_addresses_of_a_name_are_tried, 0, 2);
    tcase_add_test(cases, test_no_such_name);
    tcase_add_test(cases, test_nobody_at_a_port);
    tcase_add_test(cases, test_a_command_is_told_who_called);
    tcase_add_test(cases, test_nothing_is_left_of_failures);
    tcase_add_test(cases, test_stopped_while_dialling);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
