/* test_descriptor.c - links of descriptors that are open already, shared ones among them. */
#include "scratch.h"

#include <errno.h>
#include <limits.h>
#include <termios.h>

static bool is_nonblocking(int fd)
{
    return fcntl(fd, F_GETFL) & O_NONBLOCK;
}

static void make_pipe(int ends[2])
{
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
}

static void make_pair(int type, int ends[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
}

/* Makes fd this process's descriptor `number`, as a parent would have. */
static void become(int fd, int number)
{
    ck_assert_int_eq(dup2(fd, number), number);
    close(fd);
}

START_TEST(pipes_go_one_way)
{
    struct link in, out;
    int ends[2];
    char text[8];
    unsigned before = descriptors_open();

    make_pipe(ends);
    ck_assert_int_eq(descriptor_link(ends[0], false, &in), 0);
    ck_assert_int_eq(descriptor_link(ends[1], false, &out), 0);
    ck_assert_uint_eq(in.capabilities, FERRY_CAN_RECEIVE | FERRY_HAS_END);
    ck_assert_uint_eq(out.capabilities, FERRY_CAN_SEND | FERRY_HAS_HALF_CLOSE);
    ck_assert_uint_eq(in.flags, LINK_SPLICE_FROM);
    ck_assert_uint_eq(out.flags, LINK_SPLICE_TO);
    ck_assert(is_nonblocking(ends[0]) && is_nonblocking(ends[1]));
    ck_assert_int_eq(link_send_text(&out, "bytes"), 1);
    ck_assert_receives(&in, "bytes");
    ck_assert_int_eq(out.ops->shutdown(&out), 0);
    ck_assert_int_eq(out.send_fd, -1);
    ck_assert_int_eq(link_receive_text(&in, text, sizeof(text)), 0);
    in.ops->close(&in);
    out.ops->close(&out);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(descriptors_cannot_pass_a_pipe)
{
    struct link out;
    int ends[2], passed = 0;
    struct iovec byte = { (char[]){ "x" }, 1 };
    struct ferry_outgoing outgoing = {
        .buffers = &byte, .buffer_count = 1, .descriptors = &passed, .descriptor_count = 1
    };
    make_pipe(ends);
    ck_assert_int_eq(descriptor_link(ends[1], false, &out), 0);
    ck_assert_int_eq(out.ops->send(&out, &outgoing, 1), -EOPNOTSUPP);
    out.ops->close(&out);
    close(ends[0]);
}
END_TEST

static int watched = -1;

static void changed(void *data)
{
    struct link *link = data;
    /* Gone for who asks, but not closed yet: a loop can still be told to forget it. */
    ck_assert_int_eq(link->send_fd, -1);
    ck_assert_int_ne(fcntl(watched, F_GETFD), -1);
    link->on_change = NULL;
}

START_TEST(shutdown_tells_before_it_closes)
{
    struct link out;
    int ends[2];
    make_pipe(ends);
    ck_assert_int_eq(descriptor_link(ends[1], false, &out), 0);
    watched = ends[1];
    out.on_change = changed;
    out.on_change_data = &out;
    ck_assert_int_eq(out.ops->shutdown(&out), 0);
    ck_assert_ptr_null(out.on_change);
    ck_assert_int_eq(fcntl(ends[1], F_GETFD), -1);
    out.ops->close(&out);
    close(ends[0]);
}
END_TEST

START_TEST(sockets_keep_all_they_can)
{
    struct link link;
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    ck_assert_int_eq(descriptor_link(ends[0], false, &link), 0);
    ck_assert(is_nonblocking(ends[0]));
    ck_assert(link.capabilities & FERRY_HAS_DESCRIPTORS);
    link.ops->close(&link);
    close(ends[1]);

    make_pair(SOCK_SEQPACKET, ends);
    ck_assert_int_eq(descriptor_link(ends[0], true, &link), 0);
    ck_assert(!is_nonblocking(ends[0]));
    ck_assert(link.capabilities & FERRY_HAS_BOUNDARIES);
    ck_assert_uint_eq(link.flags, LINK_SHARED);
    link.ops->close(&link);
    close(ends[1]);
}
END_TEST

START_TEST(what_is_nothing_is_refused)
{
    struct link link;
    unsigned before = descriptors_open();
    ck_assert_int_eq(descriptor_link(open("/tmp", O_RDONLY | O_CLOEXEC), false, &link), -EISDIR);
    ck_assert_int_eq(descriptor_link(open("/etc/passwd", O_PATH | O_CLOEXEC), true, &link), -EBADF);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(descriptor_link(fd, false, &link), -EINVAL);
    ck_assert_int_eq(descriptor_link_two(-1, -1, true, &link), -EBADF);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

/* The other end of the descriptions may be blocking: nothing here may wait, nor change that. */
START_TEST(shared_pipes_stay_blocking)
{
    struct link link;
    struct ferry_inbox *inbox;
    struct ferry_message message;
    int in[2], out[2];
    static char large[1 << 20];
    struct iovec buffer = { large, sizeof(large) };
    struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };

    make_pipe(in);
    make_pipe(out);
    ck_assert_int_eq(descriptor_link_two(in[0], out[1], true, &link), 0);
    ck_assert_uint_eq(link.flags, LINK_SHARED | LINK_SPLICE_FROM);
    ck_assert_int_eq(ferry_inbox_new(100, 1, &inbox), 0);
    ck_assert_int_eq(link.ops->receive(&link, inbox, &message, 1), -EAGAIN);
    ck_assert_int_eq(link.ops->send(&link, &outgoing, 1), -EAGAIN);
    ck_assert_uint_eq(outgoing.sent_size, (size_t)fcntl(out[0], F_GETPIPE_SZ));
    ck_assert(!is_nonblocking(in[0]) && !is_nonblocking(out[1]));
    /* Room for less than PIPE_BUF is no room. */
    ck_assert_int_eq(read(out[0], large, 100), 100);
    ck_assert_int_eq(link.ops->send(&link, &outgoing, 1), -EAGAIN);
    close(in[1]);
    ck_assert_int_eq(link.ops->receive(&link, inbox, &message, 1), 0);
    link.ops->close(&link);
    ferry_inbox_free(inbox);
    close(out[0]);
}
END_TEST

START_TEST(stdio_is_copied)
{
    int in[2], out[2];
    char text[8] = "";
    make_pipe(in);
    make_pipe(out);
    become(in[0], 0);
    become(out[1], 1);
    for (int i = 0; i < 2; i++) {
        struct link link = dial_to(address_of("-"));
        ck_assert_int_gt(link.receive_fd, 2);
        ck_assert_int_gt(link.send_fd, 2);
        ck_assert(fcntl(link.send_fd, F_GETFD) & FD_CLOEXEC);
        ck_assert_int_eq(write(in[1], "in", 2), 2);
        ck_assert_receives(&link, "in");
        ck_assert_int_eq(link_send_text(&link, "out"), 1);
        ck_assert_int_eq(read(out[0], text, sizeof(text)), 3);
        ck_assert_int_eq(link.ops->shutdown(&link), 0);
        link.ops->close(&link);
    }
    ck_assert_int_ne(fcntl(0, F_GETFD), -1);
    ck_assert_int_ne(fcntl(1, F_GETFD), -1);
}
END_TEST

START_TEST(stdio_may_be_one_socket)
{
    int ends[2], passed[2], got;
    struct ferry_inbox *inbox;
    struct ferry_message message;
    struct iovec byte = { (char[]){ "d" }, 1 };
    make_pair(SOCK_STREAM, ends);
    ck_assert_int_eq(dup2(ends[0], 0), 0);
    become(ends[0], 1);
    unsigned before = descriptors_open();
    struct link link = dial_to(address_of("-")), peer;
    ck_assert_uint_eq(descriptors_open(), before + 1);
    ck_assert_int_eq(link.receive_fd, link.send_fd);
    ck_assert(link.capabilities & FERRY_HAS_DESCRIPTORS);
    ck_assert(!is_nonblocking(0));
    ck_assert_int_eq(descriptor_link(ends[1], false, &peer), 0);
    make_pipe(passed);
    struct ferry_outgoing outgoing = {
        .buffers = &byte, .buffer_count = 1, .descriptors = passed, .descriptor_count = 2
    };
    ck_assert_int_eq(peer.ops->send(&peer, &outgoing, 1), 1);
    ck_assert_int_eq(ferry_inbox_new(100, 1, &inbox), 0);
    ck_assert_int_eq(link.ops->receive(&link, inbox, &message, 1), 1);
    ck_assert_uint_eq(message.descriptor_count, 2);
    got = ferry_message_take(&message, 0);
    ck_assert_int_ge(got, 0);
    ferry_message_fini(&message);
    ck_assert_int_eq(link.ops->receive(&link, inbox, &message, 1), -EAGAIN);
    /* Half-close works on the shared connection too. */
    ck_assert_int_eq(link.ops->shutdown(&link), 0);
    ck_assert_int_eq(peer.ops->receive(&peer, inbox, &message, 1), 0);
    close(got);
    ferry_inbox_free(inbox);
    link.ops->close(&link);
    peer.ops->close(&peer);
}
END_TEST

START_TEST(stdin_socket_and_stdout_pipe)
{
    int ends[2], out[2];
    char text[8] = "";
    struct ferry_inbox *inbox;
    struct ferry_message message;
    make_pair(SOCK_STREAM, ends);
    make_pipe(out);
    become(ends[0], 0);
    become(out[1], 1);
    struct link link = dial_to(address_of("-"));
    ck_assert_int_eq(ferry_inbox_new(100, 1, &inbox), 0);
    ck_assert_int_eq(link.ops->receive(&link, inbox, &message, 1), -EAGAIN);
    ck_assert_int_eq(write(ends[1], "in", 2), 2);
    ck_assert_receives(&link, "in");
    ck_assert_int_eq(link_send_text(&link, "out"), 1);
    ck_assert_int_eq(read(out[0], text, sizeof(text)), 3);
    link.ops->close(&link);
    ferry_inbox_free(inbox);

    /* Messages would lose their boundaries. */
    struct ferry_error error = { 0 };
    struct ferry_address *address = address_of("-");
    make_pair(SOCK_SEQPACKET, ends);
    become(ends[0], 0);
    ck_assert_int_eq(transport_dial(address, NULL, &link, &error), -EPROTOTYPE);
    ferry_address_free(address);
}
END_TEST

START_TEST(stdio_may_be_half_or_wholly_closed)
{
    struct ferry_error error = { 0 };
    struct ferry_address *address = address_of("-");
    struct link link;
    int in[2];
    make_pipe(in);
    become(in[0], 0);
    close(1);
    ck_assert_int_eq(transport_dial(address, NULL, &link, &error), 0);
    ck_assert_uint_eq(link.capabilities, FERRY_CAN_RECEIVE | FERRY_HAS_END);
    link.ops->close(&link);
    close(0);
    ck_assert_int_eq(transport_dial(address, NULL, &link, &error), -EBADF);
    ferry_address_free(address);
}
END_TEST

START_TEST(terminal_goes_both_ways_and_ends)
{
    struct link link;
    struct termios raw;
    char text[8];
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert(grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_eq(tcgetattr(slave, &raw), 0);
    cfmakeraw(&raw);
    ck_assert_int_eq(tcsetattr(slave, TCSANOW, &raw), 0);
    ck_assert_int_eq(descriptor_link(master, true, &link), 0);
    ck_assert_uint_eq(link.capabilities, FERRY_CAN_RECEIVE | FERRY_CAN_SEND | FERRY_HAS_END);
    ck_assert_int_eq(write(slave, "up", 2), 2);
    ck_assert_receives(&link, "up");
    ck_assert_int_eq(link_send_text(&link, "down"), 1);
    ck_assert_int_eq(read(slave, text, sizeof(text)), 4);
    close(slave);
    ck_assert_int_eq(link_receive_text(&link, text, sizeof(text)), 0);
    link.ops->close(&link);
}
END_TEST

/* As a descriptor is that another program has passed to this one. */
static int passed(int fd)
{
    ck_assert_int_eq(fcntl(fd, F_SETFD, 0), 0);
    return fd;
}

START_TEST(number_is_taken)
{
    int ends[2];
    struct ferry_error error = { 0 };
    struct link link;
    make_pipe(ends);
    link = dial_to(address_of("fd:%d", passed(ends[0])));
    ck_assert_int_eq(link.receive_fd, ends[0]);
    ck_assert(fcntl(ends[0], F_GETFD) & FD_CLOEXEC);
    ck_assert(!is_nonblocking(ends[0]));
    link.ops->close(&link);
    ck_assert_int_eq(fcntl(ends[0], F_GETFD), -1);

    struct ferry_address *address = address_of("fd:%d", ends[0]);
    ck_assert_int_eq(transport_dial(address, NULL, &link, &error), -EBADF);
    ck_assert_ptr_nonnull(strstr(error.reason, "is not open"));
    ferry_address_free(address);
    address = address_of("fd:%d", ends[1]);
    ck_assert_int_eq(transport_dial(address, NULL, &link, &error), -EBADF);
    ck_assert_ptr_nonnull(strstr(error.reason, "was not passed to this program"));
    ferry_address_free(address);
    close(ends[1]);
    address = address_of("fd:web");
    ck_assert_int_eq(transport_dial(address, NULL, &link, &error), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error.reason, "LISTEN_FDNAMES"));
    ferry_address_free(address);
}
END_TEST

START_TEST(listening_sockets_are_adopted)
{
    int fd = bound_socket(scratch_path("adopted"), SOCK_STREAM, 4);
    struct listening listening = listen_at(address_of("fd:%d", passed(fd)));
    struct link client = dial_to(address_of("unix:%s", scratch_path("adopted")));
    struct link server = accept_one(&listening);
    ck_assert_int_eq(link_send_text(&client, "x"), 1);
    ck_assert_receives(&server, "x");
    client.ops->close(&client);
    server.ops->close(&server);
    listening.ops->close(&listening);
    /* Whoever made the path removes it. */
    ck_assert_int_eq(access(scratch_path("adopted"), F_OK), 0);
}
END_TEST

START_TEST(datagram_sockets_bring_sessions)
{
    int fd = bound_socket(scratch_path("datagrams"), SOCK_DGRAM, -1);
    struct listening listening = listen_at(address_of("fd:%d", passed(fd)));
    struct link client = dial_to(address_of("unix-dgram:%s", scratch_path("datagrams")));
    ck_assert_int_eq(link_send_text(&client, "one"), 1);
    struct link server = accept_one(&listening);
    ck_assert(server.flags & LINK_SESSION);
    ck_assert_receives(&server, "one");
    client.ops->close(&client);
    server.ops->close(&server);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(anything_else_comes_once)
{
    int ends[2];
    struct link link, other;
    make_pair(SOCK_STREAM, ends);
    struct listening listening = listen_at(address_of("fd:%d", passed(ends[0])));
    ck_assert_int_eq(listening.fd, -1);
    ck_assert_int_eq(listening.ops->accept(&listening, &link), 0);
    ck_assert_int_eq(listening.ops->accept(&listening, &other), -ENOTCONN);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    ck_assert_receives(&link, "x");
    link.ops->close(&link);
    listening.ops->close(&listening);
    close(ends[1]);
}
END_TEST

START_TEST(what_cannot_be_tuned_does_not_listen)
{
    int ends[2];
    struct listening listening = { .fd = -1 };
    struct ferry_error error = { 0 };
    make_pair(SOCK_STREAM, ends);
    struct ferry_address *address = address_of("fd:%d,keepalive", passed(ends[0]));
    ck_assert_int_eq(transport_listen(address, NULL, &listening, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error.reason, "cannot have keepalive"));
    ck_assert_ptr_null(listening.ops);
    ck_assert_int_eq(fcntl(ends[0], F_GETFD), -1);
    ferry_address_free(address);
    close(ends[1]);
}
END_TEST

START_TEST(stdin_may_listen)
{
    int fd = bound_socket(scratch_path("stdin"), SOCK_STREAM, 4);
    become(fd, 0);
    struct listening listening = listen_at(address_of("-"));
    struct link client = dial_to(address_of("unix:%s", scratch_path("stdin")));
    struct link server = accept_one(&listening);
    client.ops->close(&client);
    server.ops->close(&server);
    listening.ops->close(&listening);
    ck_assert_int_ne(fcntl(0, F_GETFD), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("descriptor");
    TCase *kinds = tcase_create("kinds"), *stdio = tcase_create("stdio"),
          *listening = tcase_create("listening");

    tcase_add_test(kinds, pipes_go_one_way);
    tcase_add_test(kinds, descriptors_cannot_pass_a_pipe);
    tcase_add_test(kinds, shutdown_tells_before_it_closes);
    tcase_add_test(kinds, sockets_keep_all_they_can);
    tcase_add_test(kinds, what_is_nothing_is_refused);
    tcase_add_test(kinds, shared_pipes_stay_blocking);
    tcase_add_test(kinds, terminal_goes_both_ways_and_ends);
    tcase_add_test(kinds, number_is_taken);
    tcase_add_test(stdio, stdio_is_copied);
    tcase_add_test(stdio, stdio_may_be_one_socket);
    tcase_add_test(stdio, stdin_socket_and_stdout_pipe);
    tcase_add_test(stdio, stdio_may_be_half_or_wholly_closed);
    tcase_add_test(listening, listening_sockets_are_adopted);
    tcase_add_test(listening, datagram_sockets_bring_sessions);
    tcase_add_test(listening, anything_else_comes_once);
    tcase_add_test(listening, what_cannot_be_tuned_does_not_listen);
    tcase_add_test(listening, stdin_may_listen);
    tcase_set_timeout(kinds, 20);
    tcase_set_timeout(stdio, 20);
    tcase_set_timeout(listening, 20);
    suite_add_tcase(suite, kinds);
    suite_add_tcase(suite, stdio);
    suite_add_tcase(suite, listening);
    return scratch_run(suite);
}
