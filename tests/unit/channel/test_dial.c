/* test_dial.c - dialling names: each of their addresses gets its try. */
#include "base/cleanup.h"
#include "network.h"
#include "suite.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const hosts[] = { "127.0.0.1", "[::1]" };

/* Makes localhost both addresses, as the usual /etc/hosts does, for this process alone. */
static bool localhost_is_both(void)
{
    static const char text[] = "127.0.0.1 localhost\n::1 localhost\n";
    char path[] = "/tmp/ferry-hosts-XXXXXX";
    bool done = false;
    AUTO_FD int fd = mkostemp(path, O_CLOEXEC);

    if (fd < 0 || !ipv6_works())
        return false;
    if (write(fd, text, sizeof(text) - 1) == sizeof(text) - 1 && fchmod(fd, 0644) == 0 &&
        unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) == 0 &&
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
        done = mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0;
    unlink(path);
    if (!done)
        skipped("/etc/hosts can't be replaced in a mount namespace");
    return done;
}

__attribute__((format(printf, 1, 2))) static struct ferry_address *address_of(
    const char *format, ...)
{
    char text[256];
    struct ferry_address *address;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ck_assert_int_eq(ferry_address_parse(text, NULL, &address, NULL), 0);
    return address;
}

static struct ferry_listener *listen_on(const char *host, unsigned port)
{
    struct ferry_address *address = address_of("tcp:%s:%u", host, port);
    struct ferry_listener *listener;
    ck_assert_int_eq(ferry_listen(address, NULL, &listener, NULL), 0);
    ferry_address_free(address);
    return listener;
}

static unsigned port_of(const struct ferry_listener *listener)
{
    const char *text = ferry_address_text(ferry_listener_address(listener));
    return (unsigned)atoi(strrchr(text, ':') + 1);
}

/* Dials localhost at the port; what is at the other end is at the host expected. */
static void reaches(unsigned port, const char *host)
{
    struct ferry_address *address = address_of("tcp:localhost:%u", port);
    struct ferry_channel *channel;
    struct ferry_error error = { 0 };
    char expected[64];

    int r = ferry_dial(address, NULL, ferry_deadline(2000), &channel, &error);
    ck_assert_msg(r == 0, "%s: %s", error.thing, error.reason);
    snprintf(expected, sizeof(expected), "tcp:%s:%u", host, port);
    ck_assert_str_eq(ferry_channel_peer(channel), expected);
    ck_assert_int_eq(ferry_channel_connected(channel), 0);
    ferry_channel_close(channel);
    ferry_address_free(address);
}

START_TEST(name_is_reached_wherever_it_is_served)
{
    if (!localhost_is_both())
        return;
    struct ferry_listener *listener = listen_on(hosts[_i], 0);
    reaches(port_of(listener), hosts[_i]);
    ferry_listener_close(listener);
}
END_TEST

/* The first address takes the connection and never answers: the second has its share of time. */
START_TEST(silent_address_leaves_time_for_the_next)
{
    struct sockaddr_in6 silent = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    socklen_t size = sizeof(silent);
    int on = 1;

    if (!localhost_is_both())
        return;
    AUTO_FD int fd = socket(AF_INET6, SOCK_STREAM, 0);
    ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&silent, sizeof(silent)), 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&silent, &size), 0);
    for (int i = 0; i < 4; i++) { /* fill its backlog */
        int client = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(client, (struct sockaddr *)&silent, sizeof(silent)) < 0)
            ck_assert_int_eq(errno, EINPROGRESS);
    }
    unsigned port = ntohs(silent.sin6_port);
    struct ferry_listener *listener = listen_on(hosts[0], port);
    reaches(port, hosts[0]);
    ferry_listener_close(listener);
}
END_TEST

START_TEST(failure_names_an_address_that_was_tried)
{
    struct ferry_error error = { 0 };
    struct ferry_channel *channel;
    char expected[2][64];

    if (!localhost_is_both())
        return;
    struct ferry_listener *listener = listen_on(hosts[0], 0);
    unsigned port = port_of(listener);
    ferry_listener_close(listener);
    struct ferry_address *address = address_of("tcp:localhost:%u", port);
    ck_assert_int_eq(
        ferry_dial(address, NULL, ferry_deadline(2000), &channel, &error), -ECONNREFUSED);
    for (int i = 0; i < 2; i++)
        snprintf(expected[i], sizeof(expected[i]), "tcp:%s:%u", hosts[i], port);
    ck_assert_msg(strcmp(error.thing, expected[0]) == 0 || strcmp(error.thing, expected[1]) == 0,
        "%s", error.thing);
    ferry_address_free(address);
}
END_TEST

/* bind= is of one family: that the other can't use it says nothing about the peer. */
START_TEST(failure_tells_of_the_peer_before_this_machine)
{
    struct ferry_error error = { 0 };
    struct ferry_channel *channel;

    if (!localhost_is_both())
        return;
    struct ferry_listener *listener = listen_on(hosts[0], 0);
    unsigned port = port_of(listener);
    ferry_listener_close(listener);
    struct ferry_address *address = address_of("tcp:localhost:%u,bind=%s:0", port, hosts[_i]);
    ck_assert_int_eq(
        ferry_dial(address, NULL, ferry_deadline(2000), &channel, &error), -ECONNREFUSED);
    ck_assert_msg(strstr(error.thing, hosts[_i]) != NULL, "%s", error.thing);
    ferry_address_free(address);
}
END_TEST

START_TEST(name_that_is_none_is_told_as_it_was_written)
{
    struct ferry_error error = { 0 };
    struct ferry_channel *channel;
    struct ferry_address *address = address_of("tcp:no..name:1");

    ck_assert_int_lt(ferry_dial(address, NULL, ferry_deadline(2000), &channel, &error), 0);
    ck_assert_str_eq(error.thing, "tcp:no..name:1");
    ferry_address_free(address);
    /* What dialling can't use is an error before anybody is asked for the name. */
    address = address_of("tcp:no..name:1,backlog=1");
    ck_assert_int_eq(ferry_dial(address, NULL, ferry_deadline(2000), &channel, &error), -EINVAL);
    ferry_address_free(address);
}
END_TEST

/* --- what another process dialled ------------------------------------------------------------- */

static int adopt(const char *text, int receive_fd, int send_fd, struct ferry_channel **ret_channel)
{
    struct ferry_error error;
    struct ferry_address *address = address_of("%s", text);
    int r = ferry_channel_adopt_dialled(address, NULL, receive_fd, send_fd, ret_channel, &error);
    if (r < 0)
        ck_assert_str_eq(error.thing, text);
    ferry_address_free(address);
    return r;
}

START_TEST(dialled_elsewhere_it_has_what_its_address_says)
{
    struct ferry_channel *channel;
    struct ferry_inbox *inbox;
    struct ferry_message message;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(adopt("unix:/x,frame=lf,descriptors=no", ends[0], ends[0], &channel), 0);
    unsigned capabilities = ferry_channel_capabilities(channel);
    ck_assert(capabilities & FERRY_HAS_BOUNDARIES);
    ck_assert(!(capabilities & FERRY_HAS_DESCRIPTORS));
    ck_assert(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    ck_assert_int_eq(ferry_inbox_new(0, 0, &inbox), 0);
    ck_assert_int_eq(write(ends[1], "one\ntwo\n", 8), 8);
    ck_assert_int_eq(ferry_channel_receive(channel, inbox, &message, ferry_deadline(2000)), 1);
    ck_assert_uint_eq(message.size, 3);
    ferry_message_fini(&message);
    ferry_inbox_free(inbox);
    ferry_channel_close(channel);
    close(ends[1]);
}
END_TEST

START_TEST(dialled_elsewhere_in_two_parts)
{
    struct ferry_channel *channel;
    int in[2], out[2];

    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    ck_assert_int_eq(adopt("fifo:/x", in[0], out[1], &channel), 0);
    ck_assert_int_eq(ferry_channel_fd(channel, FERRY_RECEIVE), in[0]);
    ck_assert_int_eq(ferry_channel_fd(channel, FERRY_SEND), out[1]);
    ferry_channel_close(channel);
    ck_assert_int_eq(fcntl(in[0], F_GETFD), -1);
    ck_assert_int_eq(fcntl(out[1], F_GETFD), -1);
    close(in[1]);
    close(out[0]);
}
END_TEST

START_TEST(dialled_elsewhere_a_file_ends_at_its_length)
{
    struct ferry_channel *channel;
    struct ferry_inbox *inbox;
    struct ferry_message message;

    ck_assert_int_eq(
        adopt("file:/etc/passwd,length=5", open("/etc/passwd", O_RDONLY | O_CLOEXEC), -1, &channel),
        0);
    ck_assert_int_eq(ferry_inbox_new(0, 0, &inbox), 0);
    ck_assert_int_eq(ferry_channel_receive(channel, inbox, &message, ferry_deadline(2000)), 1);
    ck_assert_uint_eq(message.size, 5);
    ferry_message_fini(&message);
    ck_assert_int_eq(ferry_channel_receive(channel, inbox, &message, ferry_deadline(2000)), 0);
    ferry_inbox_free(inbox);
    ferry_channel_close(channel);
}
END_TEST

/* A connection that is refused after it was handed over. */
START_TEST(dialled_elsewhere_it_may_still_be_connecting)
{
    struct ferry_channel *channel;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(1)
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
    ck_assert_int_eq(errno, EINPROGRESS);
    ck_assert_int_eq(adopt("tcp:127.0.0.1:1", fd, fd, &channel), 0);
    int r;
    while ((r = ferry_channel_connected(channel)) == -EAGAIN)
        continue;
    ck_assert_int_eq(r, -ECONNREFUSED);
    ferry_channel_close(channel);
}
END_TEST

START_TEST(dialled_elsewhere_nothing_is_left_open_on_failure)
{
    struct ferry_channel *channel;
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sa_family_t family = AF_UNIX;

    ck_assert_int_eq(bind(listening, (struct sockaddr *)(void *)&family, sizeof(family)), 0);
    ck_assert_int_eq(listen(listening, 1), 0);
    ck_assert_int_eq(adopt("unix:/x", listening, listening, &channel), -EINVAL);
    ck_assert_int_eq(fcntl(listening, F_GETFD), -1);
    ck_assert_int_eq(adopt("unix:/x", -1, -1, &channel), -EBADF);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel/dial");
    TCase *cases = tcase_create("dial");

    tcase_set_timeout(cases, 20);
    tcase_add_loop_test(cases, name_is_reached_wherever_it_is_served, 0, 2);
    tcase_add_test(cases, silent_address_leaves_time_for_the_next);
    tcase_add_test(cases, failure_names_an_address_that_was_tried);
    tcase_add_loop_test(cases, failure_tells_of_the_peer_before_this_machine, 0, 2);
    tcase_add_test(cases, name_that_is_none_is_told_as_it_was_written);
    tcase_add_test(cases, dialled_elsewhere_it_has_what_its_address_says);
    tcase_add_test(cases, dialled_elsewhere_in_two_parts);
    tcase_add_test(cases, dialled_elsewhere_a_file_ends_at_its_length);
    tcase_add_test(cases, dialled_elsewhere_it_may_still_be_connecting);
    tcase_add_test(cases, dialled_elsewhere_nothing_is_left_open_on_failure);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
