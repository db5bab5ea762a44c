/* test_resume.c - what is released goes on elsewhere: relays between socket pairs
 * (client <-> one == relay == other <-> target), and listeners. */
#include "base/clock.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct ferry_loop *loop;
static struct ferry_relay_pool *pool;
static struct ferry_relay *relay;
static struct ferry_inbox *inbox;
static struct ferry_channel *client, *target;
static struct ferry_address *address;
static char folder[] = "/tmp/ferry-resume-XXXXXX", path[64];
static int done_calls;

static void on_done(struct ferry_relay *which, int code, const char *text, void *data)
{
    (void)which, (void)code, (void)text, (void)data;
    done_calls++;
}

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(ferry_loop_new(FERRY_EPOLL, &loop), 0);
    ck_assert_int_eq(ferry_relay_pool_new(&pool), 0);
    ck_assert_int_eq(ferry_inbox_new(0, 1, &inbox), 0);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
}

static void teardown(void)
{
    ferry_channel_close(client);
    ferry_channel_close(target);
    ferry_address_free(address);
    ferry_relay_pool_free(pool);
    ferry_loop_free(loop);
    ferry_inbox_free(inbox);
    unlink(path);
    rmdir(folder);
}

static void parse(const char *text)
{
    ferry_address_free(address);
    ck_assert_int_eq(ferry_address_parse(text, NULL, &address, NULL), 0);
}

static void relay_begin(struct ferry_channel *one, struct ferry_channel *other)
{
    struct ferry_relay_options options = { .struct_size = sizeof(options), .done = on_done };
    ck_assert_int_eq(ferry_relay_start(loop, pool, one, other, &options, &relay), 0);
}

static void start(enum ferry_scheme scheme)
{
    struct ferry_channel *one, *other;
    ck_assert_int_eq(ferry_channel_pair(scheme, &client, &one), 0);
    ck_assert_int_eq(ferry_channel_pair(scheme, &other, &target), 0);
    relay_begin(one, other);
}

static void settle(void)
{
    while (ferry_loop_turn(loop, 20) > 0)
        ;
}

static void give(struct ferry_channel *channel, const char *text)
{
    ck_assert_int_eq(
        ferry_channel_send_bytes(channel, text, strlen(text), ferry_deadline(1000)), 0);
}

static void expect(struct ferry_channel *channel, const char *text)
{
    struct ferry_message message;
    settle();
    ck_assert_int_eq(ferry_channel_receive(channel, inbox, &message, ferry_deadline(1000)), 1);
    ck_assert_uint_eq(message.size, strlen(text));
    ck_assert_mem_eq(message.data, text, message.size);
    ferry_message_fini(&message);
}

/* As another process would: with nothing but the descriptors and the address. */
static void go_on(int one_fd, int other_fd, const char *text)
{
    struct ferry_channel *one, *other;
    parse(text);
    ck_assert_int_eq(ferry_channel_resume(one_fd, address, NULL, &one, NULL), 0);
    ck_assert_int_eq(ferry_channel_resume(other_fd, address, NULL, &other, NULL), 0);
    relay_begin(one, other);
}

START_TEST(test_a_relay_goes_on_and_what_waits_in_the_kernel_arrives)
{
    static const struct {
        enum ferry_scheme scheme;
        const char *address;
    } kinds[] = { { FERRY_UNIX, "unix:/x" }, { FERRY_UNIX_SEQ, "unix-seq:/x" } };
    int one, other;
    start(kinds[_i].scheme);
    give(client, "before");
    expect(target, "before");
    give(client, "unread, on its way");
    ck_assert_int_eq(ferry_relay_release(relay, &one, &other), 0);
    ck_assert_int_eq(done_calls, 0);
    give(target, "while nobody relays");
    go_on(one, other, kinds[_i].address);
    expect(target, "unread, on its way");
    expect(client, "while nobody relays");
    ferry_relay_stop(relay);
}
END_TEST

/* Fills everything between a sender and a target that does not read. */
static size_t fill(void)
{
    static char block[4096];
    struct iovec buffer = { block, sizeof(block) };
    size_t size = 0;
    for (int idle = 0; idle < 3;) {
        struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
        int r = ferry_channel_try_send(client, &outgoing, 1);
        size += outgoing.sent_size;
        idle = r == -EAGAIN && outgoing.sent_size == 0 ? idle + 1 : 0;
        settle();
    }
    return size;
}

static size_t drain_target(void)
{
    struct ferry_message message;
    size_t size = 0;
    while (ferry_channel_try_receive(target, inbox, &message, 1) == 1) {
        size += message.size;
        ferry_message_fini(&message);
    }
    return size;
}

START_TEST(test_what_it_holds_is_delivered_first_and_no_more_is_taken_in)
{
    int one, other, r = -EAGAIN;
    start(FERRY_UNIX);
    size_t sent = fill(), got = 0;
    ck_assert_int_eq(ferry_relay_release(relay, &one, &other), -EAGAIN);
    /* The sender goes on sending all the time: that must not keep it. */
    for (int i = 0; i < 1000 && r == -EAGAIN; i++) {
        got += drain_target();
        settle();
        r = ferry_relay_release(relay, &one, &other);
    }
    ck_assert_int_eq(r, 0);
    got += drain_target();
    ck_assert_uint_lt(got, sent); /* the rest waits in the kernel */
    go_on(one, other, "unix:/x");
    for (int i = 0; i < 1000 && got < sent; i++) {
        settle();
        got += drain_target();
    }
    ck_assert_uint_eq(got, sent);
    ferry_relay_stop(relay);
}
END_TEST

START_TEST(test_part_of_a_frame_is_waited_for)
{
    struct ferry_channel *one, *other;
    int one_fd, other_fd, ends[2];
    parse("unix:/x,frame=lf");
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(ferry_channel_adopt(ends[0], &client), 0);
    ck_assert_int_eq(ferry_channel_resume(ends[1], address, NULL, &one, NULL), 0);
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX_SEQ, &other, &target), 0);
    relay_begin(one, other);
    give(client, "half of ");
    settle();
    ck_assert_int_eq(ferry_relay_release(relay, &one_fd, &other_fd), -EAGAIN);
    give(client, "a line\n");
    expect(target, "half of a line");
    ck_assert_int_eq(ferry_relay_release(relay, &one_fd, &other_fd), 0);
    close(one_fd);
    close(other_fd);
}
END_TEST

START_TEST(test_what_the_weather_holds_back_is_waited_for)
{
    struct ferry_channel *one, *other;
    int one_fd, other_fd, ends[2];
    parse("unix:/x,delay=50ms");
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(ferry_channel_adopt(ends[0], &client), 0);
    ck_assert_int_eq(ferry_channel_resume(ends[1], address, NULL, &one, NULL), 0);
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &other, &target), 0);
    relay_begin(one, other);
    give(client, "late");
    ck_assert_int_ge(ferry_loop_turn(loop, 1000), 0);
    ck_assert_int_eq(ferry_relay_release(relay, &one_fd, &other_fd), -EAGAIN);
    int r = -EAGAIN;
    for (int i = 0; i < 1000 && r == -EAGAIN; i++) {
        ferry_loop_turn(loop, 10);
        r = ferry_relay_release(relay, &one_fd, &other_fd);
    }
    ck_assert_int_eq(r, 0);
    expect(target, "late");
    close(one_fd);
    close(other_fd);
}
END_TEST

START_TEST(test_what_has_ended_on_one_side_goes_to_its_end)
{
    int one, other;
    start(FERRY_UNIX);
    ck_assert_int_eq(ferry_channel_shutdown(client), 0);
    settle();
    ck_assert_int_eq(ferry_relay_release(relay, &one, &other), -EAGAIN);
    give(target, "answer");
    expect(client, "answer");
    ck_assert_int_eq(ferry_channel_shutdown(target), 0);
    settle();
    ck_assert_int_eq(done_calls, 1);
}
END_TEST

START_TEST(test_commands_pipes_and_datagrams_cannot_leave)
{
    struct ferry_channel *one, *other;
    int fds[2], ends[2];
    parse("exec:cat");
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &client, &one), 0);
    ck_assert_int_eq(ferry_dial(address, NULL, FERRY_NEVER, &other, NULL), 0);
    relay_begin(one, other);
    ck_assert_int_eq(ferry_relay_release(relay, &fds[0], &fds[1]), -EOPNOTSUPP);
    ferry_relay_stop(relay);
    ferry_channel_close(client);

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &client, &one), 0);
    ck_assert_int_eq(ferry_channel_adopt(ends[1], &other), 0);
    relay_begin(one, other);
    ck_assert_int_eq(ferry_relay_release(relay, &fds[0], &fds[1]), -EOPNOTSUPP);
    ferry_relay_stop(relay);
    close(ends[0]);
    ferry_channel_close(client);

    start(FERRY_UNIX_DGRAM);
    ck_assert_int_eq(ferry_relay_release(relay, &fds[0], &fds[1]), -EOPNOTSUPP);
    ferry_relay_stop(relay);
}
END_TEST

START_TEST(test_only_a_connected_socket_of_its_kind_is_resumed)
{
    struct ferry_channel *channel;
    int ends[2];
    parse("unix:/x");
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(ferry_channel_resume(ends[0], address, NULL, &channel, NULL), -ENOTSOCK);
    close(ends[1]);
    ck_assert_int_eq(
        ferry_channel_resume(socket(AF_UNIX, SOCK_STREAM, 0), address, NULL, &channel, NULL),
        -ENOTCONN);
    ck_assert_int_eq(
        ferry_channel_resume(socket(AF_INET, SOCK_STREAM, 0), address, NULL, &channel, NULL),
        -EPROTOTYPE);
    ck_assert_int_eq(ferry_channel_resume(-1, address, NULL, &channel, NULL), -EBADF);
}
END_TEST

/* --- listeners -------------------------------------------------------------------------------- */

static struct ferry_listener *listener;

static int keep(const char *text)
{
    parse(text);
    ck_assert_int_eq(ferry_listen(address, NULL, &listener, NULL), 0);
    int fd = fcntl(ferry_listener_socket(listener), F_DUPFD_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static bool can_connect(void)
{
    struct ferry_channel *channel;
    if (ferry_dial(address, NULL, ferry_deadline(100), &channel, NULL) < 0)
        return false;
    ferry_channel_close(channel);
    return true;
}

START_TEST(test_a_listener_outlives_its_process_with_its_path)
{
    static const char *const schemes[] = { "unix", "unix-seq", "unix-dgram" };
    struct ferry_channel *channel;
    char text[128];
    snprintf(text, sizeof(text), "%s:%s", schemes[_i], path);
    int fd = keep(text);
    ferry_listener_leave(listener);
    ck_assert_int_eq(access(path, F_OK), 0);
    ck_assert(can_connect());
    ck_assert_int_eq(ferry_listener_resume(fd, address, NULL, &listener, NULL), 0);
    ck_assert_str_eq(ferry_address_text(ferry_listener_address(listener)), text);
    if (_i < 2) {
        ck_assert_int_eq(ferry_listener_try_accept(listener, &channel), 0);
        ferry_channel_close(channel);
    }
    ferry_listener_close(listener);
    ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(test_to_leave_none_is_allowed)
{
    ferry_listener_leave(NULL);
}
END_TEST

START_TEST(test_a_path_that_is_another_sockets_is_not_ours)
{
    struct ferry_listener *other;
    char text[128];
    snprintf(text, sizeof(text), "unix:%s", path);
    int fd = keep(text);
    ferry_listener_leave(listener);
    ck_assert_int_eq(unlink(path), 0);
    int again = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    ck_assert_int_eq(ferry_listener_resume(again, address, NULL, &listener, NULL), -ESTALE);
    ck_assert_int_eq(ferry_listen(address, NULL, &other, NULL), 0);
    ck_assert_int_eq(ferry_listener_resume(fd, address, NULL, &listener, NULL), -ESTALE);
    ck_assert_int_eq(access(path, F_OK), 0);
    ferry_listener_close(other);
}
END_TEST

START_TEST(test_abstract_names_and_ports_are_compared)
{
    char name[64], other[64];
    snprintf(name, sizeof(name), "unix:@ferry-resume-%d", (int)getpid());
    snprintf(other, sizeof(other), "unix:@ferry-resume-%d-other", (int)getpid());
    int fd = keep(name);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    ferry_listener_leave(listener);
    parse(other);
    ck_assert_int_eq(ferry_listener_resume(copy, address, NULL, &listener, NULL), -ESTALE);
    parse(name);
    ck_assert_int_eq(ferry_listener_resume(fd, address, NULL, &listener, NULL), 0);
    ferry_listener_close(listener);

    fd = keep("tcp:127.0.0.1:0");
    char *text = strdup(ferry_address_text(ferry_listener_address(listener)));
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int third = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    ferry_listener_leave(listener);
    parse("tcp:127.0.0.1:1");
    ck_assert_int_eq(ferry_listener_resume(copy, address, NULL, &listener, NULL), -ESTALE);
    parse("tcp:*:0");
    ck_assert_int_eq(ferry_listener_resume(third, address, NULL, &listener, NULL), -ESTALE);
    parse("tcp:0");
    ck_assert_int_eq(ferry_listener_resume(fd, address, NULL, &listener, NULL), 0);
    ck_assert_str_eq(
        strrchr(ferry_address_text(ferry_listener_address(listener)), ':'), strrchr(text, ':'));
    ferry_listener_close(listener);
    free(text);
}
END_TEST

START_TEST(test_a_number_of_a_host_is_compared)
{
    static const char *const others[] = { "tcp:127.0.0.2:0", "tcp:[::1]:0", "tcp:[::1%25lo]:0" };
    int fd = keep("tcp:127.0.0.1:0");
    ferry_listener_leave(listener);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        parse(others[i]);
        ck_assert_int_eq(ferry_listener_resume(copy, address, NULL, &listener, NULL), -ESTALE);
    }
    parse("tcp:127.0.0.1:0");
    ck_assert_int_eq(ferry_listener_resume(fd, address, NULL, &listener, NULL), 0);
    ferry_listener_close(listener);
}
END_TEST

START_TEST(test_what_does_not_listen_is_no_listener)
{
    int ends[2];
    parse("unix:/x");
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(ferry_listener_resume(ends[0], address, NULL, &listener, NULL), -ESTALE);
    parse("fifo:/x");
    ck_assert_int_eq(ferry_listener_resume(ends[1], address, NULL, &listener, NULL), -EPROTOTYPE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel/resume");
    TCase *cases = tcase_create("resume");
    tcase_set_timeout(cases, 30);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, test_a_relay_goes_on_and_what_waits_in_the_kernel_arrives, 0, 2);
    tcase_add_test(cases, test_what_it_holds_is_delivered_first_and_no_more_is_taken_in);
    tcase_add_test(cases, test_part_of_a_frame_is_waited_for);
    tcase_add_test(cases, test_what_the_weather_holds_back_is_waited_for);
    tcase_add_test(cases, test_what_has_ended_on_one_side_goes_to_its_end);
    tcase_add_test(cases, test_commands_pipes_and_datagrams_cannot_leave);
    tcase_add_test(cases, test_only_a_connected_socket_of_its_kind_is_resumed);
    tcase_add_loop_test(cases, test_a_listener_outlives_its_process_with_its_path, 0, 3);
    tcase_add_test(cases, test_to_leave_none_is_allowed);
    tcase_add_test(cases, test_a_path_that_is_another_sockets_is_not_ours);
    tcase_add_test(cases, test_abstract_names_and_ports_are_compared);
    tcase_add_test(cases, test_a_number_of_a_host_is_compared);
    tcase_add_test(cases, test_what_does_not_listen_is_no_listener);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
