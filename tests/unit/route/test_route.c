/* test_route.c - one route at work: who is admitted, what is told, and a lack of descriptors. */
#include "fixture.h"
#include "process/limits.h"
#include "route/keep.h"
#include "suite.h"
#include "wire/control.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

START_TEST(test_a_connection_from_start_to_end)
{
    ck_assert_int_eq(apply("[route e]\nlisten = unix:e\nto = echo\n"), 0);
    ck_assert_uint_eq(emitted[EVENT_STARTED], 1);
    ck_assert_ptr_nonnull(strstr(lines[EVENT_STARTED], "-> echo; service echo"));

    int fd = dial("e", SOCK_STREAM);
    exchange(fd, "hello", "hello");
    struct route *route = route_called("e");
    ck_assert_uint_eq(registry.connection_count, 1);
    ck_assert_uint_eq(route->admitted, 1);
    struct route_totals totals;
    route_get_totals(route, &totals);
    ck_assert_uint_eq(totals.bytes_in, 5);

    close(fd);
    TURN_UNTIL(emitted[EVENT_CLOSED] == 1);
    char who[64];
    snprintf(who, sizeof(who), "e: pid %d uid %u", getpid(), geteuid());
    ck_assert_ptr_nonnull(strstr(lines[EVENT_CLOSED], who));
    ck_assert_ptr_nonnull(strstr(lines[EVENT_CLOSED], "by rule 1: allow uid:0"));
    ck_assert_ptr_nonnull(strstr(lines[EVENT_CLOSED], "; in 5 out "));
    ck_assert_uint_eq(registry.connection_count, 0);
    ck_assert_uint_eq(route->ended, 1);
    ck_assert_int_eq(ended, 1);
    route_get_totals(route, &totals);
    ck_assert_uint_eq(totals.bytes_in, 5);
}
END_TEST

START_TEST(test_the_refused_reach_nothing)
{
    int target = serve("t", 8);
    char text[128], wanted[128];
    snprintf(text, sizeof(text), "[route r]\nlisten = unix:r\nallow = uid:%u\nto = unix:t\n",
        geteuid() + 1);
    ck_assert_int_eq(apply(text), 0);
    int fd = dial("r", SOCK_STREAM);
    send(fd, "secret", 6, MSG_NOSIGNAL);
    expect_closed(fd);
    ck_assert_uint_eq(emitted[EVENT_REFUSED], 1);
    snprintf(wanted, sizeof(wanted), "refused  r: pid %d", getpid());
    ck_assert_ptr_nonnull(strstr(lines[EVENT_REFUSED], wanted));
    ck_assert_ptr_nonnull(strstr(lines[EVENT_REFUSED], "by no rule; no rule admits it"));
    ck_assert_uint_eq(route_called("r")->refused, 1);
    ck_assert_uint_eq(registry.connection_count, 0);
    ck_assert_int_eq(accept(target, NULL, NULL), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(fd);
    close(target);
}
END_TEST

START_TEST(test_a_refusal_names_the_rule_and_the_command)
{
    char text[128];
    snprintf(text, sizeof(text),
        "[route r]\nlisten = unix:r\nallow = uid:%u\ndeny = uid:%u\nallow = any\nto = echo\n",
        geteuid() + 1, geteuid());
    ck_assert_int_eq(apply(text), 0);
    int fd = dial("r", SOCK_STREAM);
    expect_closed(fd);
    snprintf(text, sizeof(text), "by rule 2: deny uid:%u", geteuid());
    ck_assert_ptr_nonnull(strstr(lines[EVENT_REFUSED], text));

    char name[32] = "";
    int probe[2], pidfd;
    socklen_t size = sizeof(pidfd);
    FILE *comm = fopen("/proc/self/comm", "r");
    ck_assert_int_eq(fscanf(comm, "%31[^\n]", name), 1);
    fclose(comm);
    snprintf(text, sizeof(text), "pid %d (%s) uid", getpid(), name);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, probe), 0);
    if (getsockopt(probe[0], SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0) {
        ck_assert_ptr_nonnull(strstr(lines[EVENT_REFUSED], text));
        close(pidfd);
    }
    close(probe[0]);
    close(probe[1]);
    close(fd);
}
END_TEST

START_TEST(test_out_of_descriptors_pauses_and_goes_on)
{
    struct rlimit limit, tight;
    enum { CLIENTS = 6 };
    int fds[CLIENTS], filler[64];
    size_t filled = 0;
    ck_assert_int_eq(apply("[route e]\nlisten = unix:e\nto = echo\n"), 0);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = dial("e", SOCK_STREAM);

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    tight = limit;
    tight.rlim_cur = 48;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
    while (filled < 64 && (filler[filled] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        filled++;
    ck_assert_int_eq(errno, EMFILE);
    close(filler[--filled]); /* one peer can be served, no more */

    struct route *route = route_called("e");
    int turns = 0;
    int64_t end = clock_now_ns() + NS_PER_S / 2;
    for (; clock_now_ns() < end; turns++)
        ck_assert_int_ge(ferry_loop_turn(loop, 100), 0);
    ck_assert_uint_eq(route->admitted, 1);
    ck_assert_uint_eq(emitted[EVENT_TROUBLE], 1);
    ck_assert_ptr_nonnull(strstr(lines[EVENT_TROUBLE], "LimitNOFILE"));
    ck_assert_int_gt(route->pause_ms, 0);
    ck_assert_int_lt(turns, 100); /* spinning would be many thousands */

    while (filled)
        close(filler[--filled]);
    TURN_UNTIL(route->admitted == CLIENTS);
    ck_assert_int_eq(route->pause_ms, 0);
    exchange(fds[CLIENTS - 1], "still", "still");
    ck_assert_uint_eq(emitted[EVENT_TROUBLE], 1);
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
}
END_TEST

START_TEST(test_nothing_leaks)
{
    ck_assert_int_eq(apply("[route e]\nlisten = unix:e\nto = echo\n"), 0);
    int fd = dial("e", SOCK_STREAM);
    exchange(fd, "warm", "warm");
    close(fd);
    TURN_UNTIL(registry.connection_count == 0);
    unsigned before = open_descriptors();
    for (int i = 0; i < 300; i++) {
        fd = dial("e", SOCK_STREAM);
        if (i % 3)
            exchange(fd, "x", "x");
        close(fd);
    }
    TURN_UNTIL(route_called("e")->ended == 301);
    ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(test_once_serves_one_peer)
{
    registry.once = true;
    ck_assert_int_eq(apply("[route e]\nlisten = unix:e\nto = echo\n"), 0);
    int fd = dial("e", SOCK_STREAM);
    exchange(fd, "only", "only");
    char path[256];
    struct stat status;
    snprintf(path, sizeof(path), "%s/e", folder);
    ck_assert_int_eq(stat(path, &status), -1);
    ck_assert(!registry_finished(&registry));
    close(fd);
    TURN_UNTIL(registry_finished(&registry));
    ck_assert_int_eq(ended, 1);
}
END_TEST

START_TEST(test_a_datagram_session_ends_by_silence)
{
    ck_assert_int_eq(apply("[route d]\nlisten = unix-dgram:d\nidle = 100ms\nto = echo\n"), 0);
    struct sockaddr_un own = { .sun_family = AF_UNIX };
    int fd = dial("d", SOCK_DGRAM);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&own, sizeof(own.sun_family)), 0);
    exchange(fd, "ping", "ping");
    ck_assert_uint_eq(registry.connection_count, 1);
    TURN_UNTIL(registry.connection_count == 0);
    ck_assert_uint_eq(emitted[EVENT_CLOSED], 1);
    ck_assert_uint_eq(emitted[EVENT_FAILED], 0);
    exchange(fd, "again", "again");
    close(fd);
}
END_TEST

static int inherited = -1;

static int inherit(const char *name, void *data)
{
    (void)data;
    int fd = strcmp(name, "web") == 0 ? inherited : -1;
    inherited = fd >= 0 ? -1 : inherited;
    return fd;
}

START_TEST(test_an_inherited_listener)
{
    registry.inherit = inherit;
    inherited = serve("w", 8);
    ck_assert_int_eq(apply("[route w]\nlisten = fd:web\nto = echo\n"), 0);
    int fd = dial("w", SOCK_STREAM);
    exchange(fd, "passed", "passed");
    close(fd);
    /* a reload with other settings keeps it, it could not be had again */
    ck_assert_int_eq(apply("[route w]\nlisten = fd:web\nallow = any\nto = echo\n"), 0);
    fd = dial("w", SOCK_STREAM);
    exchange(fd, "kept", "kept");
    close(fd);
    ck_assert_int_eq(apply("[route x]\nlisten = fd:other\nto = echo\n"), -ENOENT);
    ck_assert_ptr_nonnull(strstr(problem, "FileDescriptorName="));
}
END_TEST

static void admits_its_own_user_only(const struct route *route)
{
    char rule[64];
    snprintf(rule, sizeof(rule), "allow uid:%u", geteuid());
    ck_assert_uint_eq(ferry_policy_count(route->policy), 1);
    ck_assert_str_eq(ferry_policy_rule(route->policy, 1, NULL), rule);
}

START_TEST(test_an_inherited_abstract_name_admits_its_own_user_only)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct sockaddr_un own = address;
    socklen_t size = sizeof(own);
    registry.inherit = inherit;
    inherited = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(inherited, (struct sockaddr *)&address, sizeof(address.sun_family)), 0);
    ck_assert_int_eq(getsockname(inherited, (struct sockaddr *)&own, &size), 0);
    ck_assert_int_eq(listen(inherited, 8), 0);
    ck_assert_int_eq(apply("[route w]\nlisten = fd:web\nto = echo\n"), 0);
    admits_its_own_user_only(route_called("w"));
}
END_TEST

START_TEST(test_inherited_datagrams_admit_no_more_than_a_stream_would)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    registry.inherit = inherit;
    inherited = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(inherited, (struct sockaddr *)&address, sizeof(address.sun_family)), 0);
    ck_assert_int_eq(apply("[route w]\nlisten = fd:web\nto = echo\n"), 0);
    admits_its_own_user_only(route_called("w"));
}
END_TEST

START_TEST(test_an_inherited_port_needs_a_rule)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    registry.inherit = inherit;
    inherited = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(inherited, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(apply("[route w]\nlisten = fd:web\nto = unix:behind\n"), -EACCES);
    ck_assert_ptr_nonnull(strstr(problem, "every local user can connect to it"));
}
END_TEST

START_TEST(test_a_full_store_takes_no_pair)
{
    struct store full = { .count = STORE_MAX };
    ck_assert_int_eq(apply("[route w]\nlisten = unix:w\nto = unix:behind\n"), 0);
    registry.store = &full;
    ck_assert_int_eq(keep_pair(route_called("w"), 0, 1), -ENOBUFS);
    ck_assert_uint_eq(full.count, STORE_MAX);
    registry.store = NULL;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route/route");
    TCase *cases = tcase_create("route");
    tcase_set_timeout(cases, 30);
    tcase_add_checked_fixture(cases, fixture_setup, fixture_teardown);
    tcase_add_test(cases, test_a_connection_from_start_to_end);
    tcase_add_test(cases, test_the_refused_reach_nothing);
    tcase_add_test(cases, test_a_refusal_names_the_rule_and_the_command);
    tcase_add_test(cases, test_out_of_descriptors_pauses_and_goes_on);
    tcase_add_test(cases, test_nothing_leaks);
    tcase_add_test(cases, test_once_serves_one_peer);
    tcase_add_test(cases, test_a_datagram_session_ends_by_silence);
    tcase_add_test(cases, test_an_inherited_listener);
    tcase_add_test(cases, test_an_inherited_abstract_name_admits_its_own_user_only);
    tcase_add_test(cases, test_inherited_datagrams_admit_no_more_than_a_stream_would);
    tcase_add_test(cases, test_an_inherited_port_needs_a_rule);
    tcase_add_test(cases, test_a_full_store_takes_no_pair);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
