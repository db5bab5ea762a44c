/* test_framing.c - messages on a stream of bytes: frames cut anywhere, batches, descriptors. */
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ferry_inbox *inbox;
static struct ferry_channel *framed;
static struct ferry_listener *listener;
static int raw = -1;

static void setup(void)
{
    ck_assert_int_eq(ferry_inbox_new(1 << 20, 4, &inbox), 0);
}

/* A framed channel by the address, its other end a bare descriptor. */
static void start(const char *frame)
{
    char text[64], folder[] = "/tmp/ferry-framing-XXXXXX";
    struct ferry_address *address;
    struct ferry_channel *dialled;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(text, sizeof(text), "unix:%s/s,frame=%s", folder, frame);
    ck_assert_int_eq(ferry_address_parse(text, NULL, &address, NULL), 0);
    ck_assert_int_eq(ferry_listen(address, NULL, &listener, NULL), 0);
    ck_assert_int_eq(ferry_dial(address, NULL, ferry_deadline(1000), &dialled, NULL), 0);
    ck_assert_int_eq(ferry_listener_accept(listener, ferry_deadline(1000), &framed), 0);
    raw = dup(ferry_channel_fd(dialled, FERRY_SEND));
    ferry_channel_close(dialled);
    ferry_listener_close(listener);
    ferry_address_free(address);
    rmdir(folder);
    ck_assert(ferry_channel_capabilities(framed) & FERRY_HAS_BOUNDARIES);
}

static void teardown(void)
{
    ferry_channel_close(framed);
    ferry_inbox_free(inbox);
    if (raw >= 0)
        close(raw);
}

static void put(const void *data, size_t size)
{
    ck_assert_int_eq(write(raw, data, size), (ssize_t)size);
}

static void expect(const char *text)
{
    struct ferry_message message;
    ck_assert_int_eq(ferry_channel_receive(framed, inbox, &message, ferry_deadline(500)), 1);
    ck_assert_uint_eq(message.size, strlen(text));
    ck_assert_mem_eq(message.data, text, message.size);
    ferry_message_fini(&message);
}

START_TEST(test_lines_cut_anywhere)
{
    struct ferry_message message;
    start("lf");
    put("on", 2);
    ck_assert_int_eq(ferry_channel_try_receive(framed, inbox, &message, 1), -EAGAIN);
    ck_assert(!ferry_channel_pending(framed));
    put("e\n\nthree\nfo", 11);
    expect("one");
    ck_assert(ferry_channel_pending(framed));
    expect("");
    expect("three");
    ck_assert(!ferry_channel_pending(framed));
    put("ur", 2);
    shutdown(raw, SHUT_WR);
    expect("four");
    ck_assert_int_eq(ferry_channel_try_receive(framed, inbox, &message, 1), 0);
}
END_TEST

START_TEST(test_a_batch_of_lines)
{
    struct ferry_message batch[4];
    start("lf");
    put("a\nb\nc\nd\ne\nf\n", 12);
    ck_assert_int_eq(ferry_channel_try_receive(framed, inbox, batch, 4), 4);
    ck_assert_int_eq(*(const char *)batch[3].data, 'd');
    ck_assert_int_eq(ferry_channel_try_receive(framed, inbox, batch, 4), 2);
    ck_assert_int_eq(*(const char *)batch[1].data, 'f');
}
END_TEST

/* What has been sent beyond it holds up the sender instead of filling our memory. */
START_TEST(test_no_more_is_taken_from_the_kernel_than_a_receive_needs)
{
    static char line[100 << 10];
    struct ferry_message message;
    int waiting, size = sizeof(line) * 4;

    start("lf");
    ck_assert_int_eq(setsockopt(raw, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    memset(line, 'x', sizeof(line));
    line[1] = line[sizeof(line) - 1] = '\n';
    put(line, sizeof(line));
    expect("x");
    ck_assert_int_eq(ioctl(ferry_channel_fd(framed, FERRY_RECEIVE), FIONREAD, &waiting), 0);
    ck_assert_int_eq(waiting, (int)sizeof(line) - (64 << 10));
    ck_assert_int_eq(ferry_channel_try_receive(framed, inbox, &message, 1), 1);
    ck_assert_uint_eq(message.size, sizeof(line) - 3);
}
END_TEST

START_TEST(test_length_frames)
{
    struct ferry_message message;
    start("length");
    put("\0\0\0\3abc\0\0\0\0\0\0\0\2x", 16);
    expect("abc");
    expect("");
    put("y\0\0", 3);
    expect("xy");
    shutdown(raw, SHUT_WR);
    ck_assert_int_eq(ferry_channel_try_receive(framed, inbox, &message, 1), -EPROTO);
}
END_TEST

START_TEST(test_a_length_beyond_the_limit_is_refused_before_it_is_believed)
{
    struct ferry_message message;
    start("length");
    put("\x7f\xff\xff\xff", 4);
    ck_assert_int_eq(ferry_channel_try_receive(framed, inbox, &message, 1), -EPROTO);
}
END_TEST

START_TEST(test_sending_survives_a_full_socket)
{
    start("length");
    static char body[200000];
    struct iovec buffer = { body, sizeof(body) };
    size_t got = 0, wanted = 4 * (sizeof(body) + 4);
    fcntl(raw, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 4; i++) {
        struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
        for (int r; (r = ferry_channel_try_send(framed, &outgoing, 1)) != 1;) {
            static char sink[65536];
            ck_assert_int_eq(r, -EAGAIN);
            ssize_t size = read(raw, sink, sizeof(sink));
            got += size > 0 ? (size_t)size : 0;
        }
        ck_assert_uint_eq(outgoing.sent_size, sizeof(body) + 4);
    }
    for (ssize_t size; got < wanted; got += (size_t)size) {
        static char sink[65536];
        size = read(raw, sink, sizeof(sink));
        ck_assert_int_gt(size, 0);
    }
    ck_assert_uint_eq(got, wanted);
}
END_TEST

START_TEST(test_a_line_feed_inside_a_line_is_refused)
{
    start("lf");
    ck_assert_int_eq(ferry_channel_send_bytes(framed, "a\nb", 3, ferry_deadline(100)), -EBADMSG);
    ck_assert_int_eq(ferry_channel_send_bytes(framed, "ab", 2, ferry_deadline(100)), 0);
    char text[8];
    ck_assert_int_eq(read(raw, text, sizeof(text)), 3);
    ck_assert_mem_eq(text, "ab\n", 3);
}
END_TEST

START_TEST(test_a_line_may_bring_its_own_end)
{
    struct iovec buffers[] = { { "o", 1 }, { "ne\n", 3 }, { "two", 3 }, { "\n", 1 } };
    struct ferry_outgoing batch[] = { { .buffers = buffers, .buffer_count = 2 },
        { .buffers = buffers + 2, .buffer_count = 1 },
        { .buffers = buffers + 3, .buffer_count = 1 } };
    char text[16];
    start("lf");
    ck_assert_int_eq(ferry_channel_try_send(framed, batch, 3), 3);
    ck_assert_int_eq(read(raw, text, sizeof(text)), 9);
    ck_assert_mem_eq(text, "one\ntwo\n\n", 9);
}
END_TEST

/* Sends bytes together with `raw` itself, `count` times. */
static void put_descriptors(const char *text, size_t count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FERRY_DESCRIPTORS_MAX * sizeof(int))];
    } control = { .bytes = { 0 } };
    struct iovec buffer = { (void *)(uintptr_t)text, strlen(text) };
    struct msghdr header = { .msg_iov = &buffer,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &raw, sizeof(int));
    ck_assert_int_eq(sendmsg(raw, &header, 0), (ssize_t)strlen(text));
}

START_TEST(test_descriptors_wait_for_their_message)
{
    struct ferry_message message;
    start("lf");
    put_descriptors("par", 1);
    ck_assert_int_eq(ferry_channel_try_receive(framed, inbox, &message, 1), -EAGAIN);
    put("t\n", 2);
    ck_assert_int_eq(ferry_channel_try_receive(framed, inbox, &message, 1), 1);
    ck_assert_uint_eq(message.size, 4);
    ck_assert_uint_eq(message.descriptor_count, 1);
    ferry_message_fini(&message);
}
END_TEST

static int open_count(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

START_TEST(test_a_message_brings_as_many_descriptors_as_another_at_most)
{
    struct ferry_message message;
    start("lf");
    int before = open_count();
    put_descriptors("a", FERRY_DESCRIPTORS_MAX - 1);
    ck_assert_int_eq(ferry_channel_try_receive(framed, inbox, &message, 1), -EAGAIN);
    put_descriptors("b", 1);
    ck_assert_int_eq(ferry_channel_try_receive(framed, inbox, &message, 1), -EAGAIN);
    ck_assert_int_eq(open_count(), before + FERRY_DESCRIPTORS_MAX);
    put_descriptors("c\n", 1);
    ck_assert_int_eq(ferry_channel_try_receive(framed, inbox, &message, 1), -EBADMSG);
    ck_assert_int_eq(open_count(), before + FERRY_DESCRIPTORS_MAX);
    ferry_channel_close(framed);
    framed = NULL;
    ck_assert_int_eq(open_count(), before - 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel/framing");
    TCase *cases = tcase_create("framing");
    tcase_set_timeout(cases, 10);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_lines_cut_anywhere);
    tcase_add_test(cases, test_a_batch_of_lines);
    tcase_add_test(cases, test_no_more_is_taken_from_the_kernel_than_a_receive_needs);
    tcase_add_test(cases, test_length_frames);
    tcase_add_test(cases, test_a_length_beyond_the_limit_is_refused_before_it_is_believed);
    tcase_add_test(cases, test_sending_survives_a_full_socket);
    tcase_add_test(cases, test_a_line_feed_inside_a_line_is_refused);
    tcase_add_test(cases, test_a_line_may_bring_its_own_end);
    tcase_add_test(cases, test_descriptors_wait_for_their_message);
    tcase_add_test(cases, test_a_message_brings_as_many_descriptors_as_another_at_most);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
