/* test_channel.c - deadlines, ends, limits and what a channel tells about itself. */
#include "base/clock.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ferry_channel *one, *other;
static struct ferry_inbox *inbox;
static char folder[64];

static void setup(void)
{
    strcpy(folder, "/tmp/ferry-channel-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(ferry_inbox_new(0, 4, &inbox), 0);
}

static void teardown(void)
{
    ferry_channel_close(one);
    ferry_channel_close(other);
    ferry_inbox_free(inbox);
    rmdir(folder);
}

static void pair(enum ferry_scheme scheme)
{
    ck_assert_int_eq(ferry_channel_pair(scheme, &one, &other), 0);
}

static struct ferry_address *address_of(const char *format)
{
    char text[256];
    struct ferry_address *address;
    snprintf(text, sizeof(text), format, folder);
    ck_assert_int_eq(ferry_address_parse(text, NULL, &address, NULL), 0);
    return address;
}

START_TEST(test_receive_keeps_its_deadline)
{
    struct ferry_message message;
    pair(FERRY_UNIX);
    int64_t start_ns = clock_now_ns();
    ck_assert_int_eq(ferry_channel_receive(one, inbox, &message, ferry_deadline(50)), -ETIMEDOUT);
    ck_assert_int_ge(clock_now_ns() - start_ns, 50 * NS_PER_MS);
    ck_assert_int_eq(ferry_channel_receive(one, inbox, &message, ferry_deadline(0)), -ETIMEDOUT);
}
END_TEST

/* A receive that expects to have to wait still takes what is there when its time is over. */
START_TEST(test_what_is_there_is_received_after_the_deadline)
{
    struct ferry_message message;
    pair(FERRY_UNIX_SEQ);
    ck_assert_int_eq(ferry_channel_receive(one, inbox, &message, ferry_deadline(1)), -ETIMEDOUT);
    for (int i = 0; i < 40; i++) {
        ck_assert_int_eq(ferry_channel_send_bytes(other, "x", 1, ferry_deadline(0)), 0);
        ck_assert_int_eq(ferry_channel_receive(one, inbox, &message, ferry_deadline(0)), 1);
        ck_assert_int_eq(
            ferry_channel_receive(one, inbox, &message, ferry_deadline(0)), -ETIMEDOUT);
    }
}
END_TEST

START_TEST(test_send_keeps_its_deadline_and_says_how_far_it_came)
{
    static char block[8 << 20];
    struct iovec buffer = { block, sizeof(block) };
    struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
    pair(FERRY_UNIX);
    ck_assert_int_eq(ferry_channel_send(one, &outgoing, ferry_deadline(30)), -ETIMEDOUT);
    ck_assert_uint_gt(outgoing.sent_size, 0);
    ck_assert_uint_lt(outgoing.sent_size, sizeof(block));
    ck_assert(!outgoing.complete);
}
END_TEST

START_TEST(test_a_batch_on_a_stream_is_joined_and_complete)
{
    struct iovec buffers[] = { { "one ", 4 }, { "two ", 4 }, { "three", 5 } };
    struct ferry_outgoing batch[] = { { .buffers = buffers, .buffer_count = 2 },
        { .buffers = buffers + 2, .buffer_count = 1 } };
    struct ferry_message message;
    pair(FERRY_UNIX);
    ck_assert_int_eq(ferry_channel_try_send(one, batch, 2), 2);
    ck_assert(batch[0].complete && batch[1].complete);
    ck_assert_int_eq(ferry_channel_try_receive(other, inbox, &message, 1), 1);
    ck_assert_uint_eq(message.size, 13);
    ck_assert_mem_eq(message.data, "one two three", 13);
}
END_TEST

START_TEST(test_a_batch_of_messages_keeps_boundaries)
{
    struct iovec buffers[] = { { "one", 3 }, { "", 0 }, { "three", 5 } };
    struct ferry_outgoing batch[3] = { { .buffers = buffers, .buffer_count = 1 },
        { .buffers = buffers + 1, .buffer_count = 1 },
        { .buffers = buffers + 2, .buffer_count = 1 } };
    struct ferry_message messages[4];
    pair(_i ? FERRY_UNIX_SEQ : FERRY_UNIX_DGRAM);
    ck_assert_int_eq(ferry_channel_try_send(one, batch, 3), 3);
    ck_assert_int_eq(ferry_channel_try_receive(other, inbox, messages, 4), 3);
    ck_assert_uint_eq(messages[0].size, 3);
    ck_assert_uint_eq(messages[1].size, 0);
    ck_assert_uint_eq(messages[2].size, 5);
    ck_assert_uint_eq(ferry_identity_uid(messages[2].sender), geteuid());
    ck_assert_int_eq(ferry_identity_known(messages[2].sender, FERRY_FACT_UID), FERRY_FORGEABLE);
}
END_TEST

START_TEST(test_the_end_of_a_packet_channel_is_no_empty_message)
{
    struct ferry_message message;
    pair(FERRY_UNIX_SEQ);
    ck_assert_int_eq(ferry_channel_send_bytes(one, "", 0, ferry_deadline(100)), 0);
    ck_assert_int_eq(ferry_channel_shutdown(one), 0);
    ck_assert_int_eq(ferry_channel_receive(other, inbox, &message, ferry_deadline(100)), 1);
    ck_assert_uint_eq(message.size, 0);
    ck_assert_int_eq(ferry_channel_receive(other, inbox, &message, ferry_deadline(100)), 0);
}
END_TEST

START_TEST(test_truncation_tells_the_true_size)
{
    struct ferry_inbox *small;
    struct ferry_message message;
    char body[5000] = "";
    ck_assert_int_eq(ferry_inbox_new(1024, 1, &small), 0);
    pair(_i ? FERRY_UNIX_SEQ : FERRY_UNIX_DGRAM);
    ck_assert_int_eq(ferry_channel_send_bytes(one, body, sizeof(body), ferry_deadline(100)), 0);
    ck_assert_int_eq(ferry_channel_send_bytes(one, "next", 4, ferry_deadline(100)), 0);
    ck_assert_int_eq(ferry_channel_try_receive(other, small, &message, 1), -EMSGSIZE);
    ck_assert_uint_eq(message.size, sizeof(body));
    ck_assert_int_eq(ferry_channel_try_receive(other, small, &message, 1), 1);
    ck_assert_uint_eq(message.size, 4);
    ferry_inbox_free(small);
}
END_TEST

START_TEST(test_descriptor_counts)
{
    int descriptors[FERRY_DESCRIPTORS_MAX + 1];
    struct iovec byte = { "x", 1 };
    struct ferry_message message;
    for (size_t i = 0; i <= FERRY_DESCRIPTORS_MAX; i++)
        descriptors[i] = 0;
    struct ferry_outgoing outgoing = {
        .buffers = &byte, .buffer_count = 1, .descriptors = descriptors
    };
    pair(FERRY_UNIX);
    outgoing.descriptor_count = FERRY_DESCRIPTORS_MAX + 1;
    ck_assert_int_eq(ferry_channel_try_send(one, &outgoing, 1), -EINVAL);
    outgoing.descriptor_count = FERRY_DESCRIPTORS_MAX;
    ck_assert_int_eq(ferry_channel_try_send(one, &outgoing, 1), 1);
    ck_assert_int_eq(ferry_channel_try_receive(other, inbox, &message, 1), 1);
    ck_assert_uint_eq(message.descriptor_count, FERRY_DESCRIPTORS_MAX);
    int taken = ferry_message_take(&message, 7);
    ck_assert_int_eq(ferry_message_take(&message, 7), -EBADF);
    ferry_message_fini(&message);
    ck_assert_int_ge(fcntl(taken, F_GETFD), 0);
    close(taken);
}
END_TEST

START_TEST(test_descriptors_attached_once_over_partial_sends)
{
    static char block[4 << 20];
    int zero = 0;
    struct iovec buffer = { block, sizeof(block) };
    struct ferry_outgoing outgoing = {
        .buffers = &buffer, .buffer_count = 1, .descriptors = &zero, .descriptor_count = 1
    };
    size_t got = 0, descriptors = 0;
    pair(FERRY_UNIX);
    while (got < sizeof(block)) {
        struct ferry_message message;
        if (!outgoing.complete) {
            int r = ferry_channel_try_send(one, &outgoing, 1);
            ck_assert(r == 1 || r == -EAGAIN);
        }
        int r = ferry_channel_try_receive(other, inbox, &message, 1);
        ck_assert_int_eq(r, 1);
        got += message.size;
        descriptors += message.descriptor_count;
        ferry_message_fini(&message);
    }
    ck_assert_uint_eq(descriptors, 1);
}
END_TEST

START_TEST(test_tcp_passes_no_descriptors)
{
    struct ferry_address *address = address_of("tcp:0");
    struct ferry_listener *listener;
    int zero = 0;
    struct iovec byte = { "x", 1 };
    struct ferry_outgoing outgoing = {
        .buffers = &byte, .buffer_count = 1, .descriptors = &zero, .descriptor_count = 1
    };
    struct ferry_identity *who;
    ck_assert_int_eq(ferry_listen(address, NULL, &listener, NULL), 0);
    ck_assert_int_eq(
        ferry_dial(ferry_listener_address(listener), NULL, ferry_deadline(1000), &one, NULL), 0);
    ck_assert(!(ferry_channel_capabilities(one) & FERRY_HAS_DESCRIPTORS));
    ck_assert_int_eq(ferry_channel_try_send(one, &outgoing, 1), -EOPNOTSUPP);
    ck_assert_int_eq(ferry_channel_identity(one, &who), 0);
    for (int fact = 0; fact < FERRY_FACT_HOST; fact++)
        ck_assert_int_eq(ferry_identity_known(who, (enum ferry_fact)fact), FERRY_UNKNOWN);
    ck_assert_int_eq(ferry_identity_known(who, FERRY_FACT_HOST), FERRY_AT_CONNECT);
    ck_assert_int_eq(ferry_identity_host(who)[15], 1);
    ferry_listener_close(listener);
    ferry_address_free(address);
}
END_TEST

START_TEST(test_dialling_a_full_backlog_waits_until_the_deadline)
{
    struct ferry_address *address = address_of("unix:%s/s,backlog=1");
    struct ferry_address *plain = address_of("unix:%s/s");
    struct ferry_listener *listener;
    struct ferry_channel *waiting[8], *accepted;
    struct ferry_error error;
    size_t count = 0;
    int r;
    ck_assert_int_eq(ferry_listen(address, NULL, &listener, NULL), 0);
    while ((r = ferry_try_dial(plain, NULL, &waiting[count], &error)) == 0)
        ck_assert_uint_lt(++count, 8);
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_int_eq(ferry_dial(plain, NULL, ferry_deadline(40), &one, &error), -ETIMEDOUT);
    ck_assert_int_eq(ferry_listener_try_accept(listener, &accepted), 0);
    ck_assert_int_eq(ferry_dial(plain, NULL, ferry_deadline(2000), &one, &error), 0);
    ferry_channel_close(one);
    one = NULL;
    /* Who waits for ever is not asleep for ever. */
    pid_t pid = fork();
    if (pid == 0) {
        poll(NULL, 0, 50);
        _exit(ferry_listener_try_accept(listener, &other) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(ferry_dial(plain, NULL, FERRY_NEVER, &one, &error), 0);
    ck_assert_int_eq(waitpid(pid, &r, 0), pid);
    ck_assert_int_eq(r, 0);
    while (count)
        ferry_channel_close(waiting[--count]);
    ferry_channel_close(accepted);
    ferry_listener_close(listener);
    ferry_address_free(address);
    ferry_address_free(plain);
}
END_TEST

START_TEST(test_dialling_nobody_says_who_and_why)
{
    struct ferry_address *address = address_of("unix:%s/nobody");
    struct ferry_error error = { .code = 0 };
    ck_assert_int_eq(ferry_dial(address, NULL, ferry_deadline(100), &one, &error), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error.thing, "nobody"));
    ck_assert_str_ne(error.reason, "");
    ferry_address_free(address);
}
END_TEST

START_TEST(test_identity_of_the_other_end)
{
    struct ferry_identity *who;
    char self[256];
    size_t count;
    pair(FERRY_UNIX);
    ck_assert_int_eq(ferry_channel_identity(one, &who), 0);
    ck_assert_int_eq(ferry_identity_pid(who), getpid());
    ck_assert_uint_eq(ferry_identity_uid(who), geteuid());
    ck_assert_ptr_nonnull(ferry_identity_groups(who, &count));
    ck_assert_int_eq((int)count, getgroups(0, NULL));
    if (ferry_identity_pidfd(who) >= 0) {
        ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
        self[size] = '\0';
        ck_assert_str_eq(ferry_identity_executable(who), self);
        ck_assert_int_eq(ferry_identity_is_executable(who, "/proc/self/exe"), 1);
        ck_assert_int_eq(ferry_identity_is_executable(who, "/bin/sh"), 0);
        ck_assert_int_eq(ferry_identity_is_executable(who, "/nowhere"), -ENOENT);
    }
    /* What was had is given back, and had again. */
    int pidfd = ferry_identity_pidfd(who);
    ferry_channel_forget_identity(one);
    if (pidfd >= 0)
        ck_assert_int_eq(fcntl(pidfd, F_GETFD), -1);
    ck_assert_int_eq(ferry_channel_identity(one, &who), 0);
    ck_assert_int_eq(ferry_identity_pid(who), getpid());
}
END_TEST

START_TEST(test_buffer_sizes_are_set_and_read_back)
{
    size_t size;
    pair(FERRY_UNIX);
    ck_assert_int_eq(ferry_channel_set_buffer(one, FERRY_SEND, 65536), 0);
    ck_assert_int_eq(ferry_channel_get_buffer(one, FERRY_SEND, &size), 0);
    ck_assert_uint_eq(size, 2 * 65536);

    int pipes[2];
    struct ferry_channel *reader;
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    ck_assert_int_eq(ferry_channel_adopt(pipes[0], &reader), 0);
    ck_assert_int_eq(ferry_channel_set_buffer(reader, FERRY_RECEIVE, 8192), 0);
    ck_assert_int_eq(ferry_channel_get_buffer(reader, FERRY_RECEIVE, &size), 0);
    ck_assert_uint_eq(size, 8192);
    ck_assert_int_eq(ferry_channel_get_buffer(reader, FERRY_SEND, &size), -EOPNOTSUPP);
    ferry_channel_close(reader);
    close(pipes[1]);
}
END_TEST

START_TEST(test_what_is_nothing_is_not_adopted)
{
    struct ferry_channel *channel = NULL;
    int fd = open("/", O_PATH | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ferry_channel_adopt(fd, &channel), -EBADF);
    ck_assert_ptr_null(channel);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(test_sending_to_who_is_gone_is_epipe_and_no_signal)
{
    pair(FERRY_UNIX);
    ferry_channel_close(other);
    other = NULL;
    ck_assert_int_eq(ferry_channel_send_bytes(one, "x", 1, ferry_deadline(100)), -EPIPE);
}
END_TEST

START_TEST(test_options_must_say_their_size)
{
    struct ferry_address *address = address_of("unix:%s/s");
    struct ferry_dial_options options = { .refuse_descriptors = true };
    struct {
        struct ferry_dial_options known;
        int unknown;
    } newer = { .known = { .struct_size = sizeof(newer) }, .unknown = 1 };
    struct ferry_error error;
    ck_assert_int_eq(ferry_try_dial(address, &options, &one, &error), -EINVAL);
    ck_assert_int_eq(ferry_try_dial(address, &newer.known, &one, &error), -E2BIG);
    newer.unknown = 0;
    ck_assert_int_eq(ferry_try_dial(address, &newer.known, &one, &error), -ENOENT);
    ferry_address_free(address);
}
END_TEST

START_TEST(test_options_that_dialling_cannot_use_are_an_error)
{
    struct ferry_address *address = address_of("unix:%s/s,mode=0660");
    struct ferry_error error = { .code = 0 };
    ck_assert_int_eq(ferry_dial(address, NULL, ferry_deadline(100), &one, &error), -EINVAL);
    ck_assert(strstr(error.reason, "mode"));
    ferry_address_free(address);
}
END_TEST

/* By who goes on as soon as the call returns, and reuses what it has sent. */
START_TEST(test_sending_from_pages_waits_until_they_are_given_back)
{
    struct ferry_listener *listener;
    struct ferry_address *address = address_of("tcp:0,rcvbuf=16k");
    size_t size = 1 << 20, seen = 0;
    char *data = malloc(size), text[128];

    ck_assert_int_eq(ferry_listen(address, NULL, &listener, NULL), 0);
    ferry_address_free(address);
    snprintf(text, sizeof(text), "%s", ferry_address_text(ferry_listener_address(listener)));
    strcpy(strchr(text, ','), ",zerocopy,sndbuf=4M"); /* for its own options */
    address = address_of(text);
    ck_assert_int_eq(ferry_dial(address, NULL, ferry_deadline(5000), &one, NULL), 0);
    ck_assert_int_eq(ferry_listener_accept(listener, ferry_deadline(5000), &other), 0);
    memset(data, 'a', size);
    ck_assert_int_eq(ferry_channel_send_bytes(one, data, size, ferry_deadline(50)), -ETIMEDOUT);
    ferry_channel_close(one);
    ck_assert_int_eq(ferry_dial(address, NULL, ferry_deadline(5000), &one, NULL), 0);
    ferry_channel_close(other);
    ck_assert_int_eq(ferry_listener_accept(listener, ferry_deadline(5000), &other), 0);
    pid_t child = fork();
    if (child == 0) {
        struct ferry_message message;
        while (ferry_channel_receive(other, inbox, &message, ferry_deadline(5000)) > 0)
            for (size_t i = 0; i < message.size; i++)
                seen += ((const char *)message.data)[i] == 'a';
        _exit(seen != size);
    }
    ck_assert_int_eq(ferry_channel_send_bytes(one, data, size, ferry_deadline(5000)), 0);
    memset(data, 'b', size);
    ck_assert_int_eq(ferry_channel_shutdown(one), 0);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ferry_address_free(address);
    ferry_listener_close(listener);
    free(data);
}
END_TEST

/* A file of "0123456789" without a name. */
static int digits_new(void)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    ck_assert_int_eq(pwrite(fd, "0123456789", 10, 0), 10);
    return fd;
}

/* What the window shows, in pieces of 3 bytes. */
static void check_window(struct ferry_window_options options, const char *wanted)
{
    struct ferry_window *window;
    struct ferry_piece piece;
    char seen[16] = "";

    options.struct_size = sizeof(options);
    options.piece_size = 3;
    ck_assert_int_eq(ferry_channel_open_window(one, &options, &window, NULL), 0);
    while (ferry_window_next(window, 0, &piece) > 0)
        strncat(seen, piece.data, piece.size);
    ferry_window_close(window);
    ck_assert_str_eq(seen, wanted);
}

START_TEST(test_a_window_shows_what_is_left_of_a_file)
{
    struct ferry_message message;
    int fd = digits_new();

    ck_assert_int_eq(lseek(fd, 2, SEEK_SET), 2);
    ck_assert_int_eq(ferry_channel_adopt(fd, &one), 0);
    check_window((struct ferry_window_options){ 0 }, "23456789");
    check_window((struct ferry_window_options){ .offset = 3, .size = 4 }, "5678");
    check_window((struct ferry_window_options){ .offset = 8 }, "");
    ck_assert_int_eq(ferry_channel_receive(one, inbox, &message, FERRY_NEVER), 1);
    ck_assert_uint_eq(message.size, 8);
    check_window((struct ferry_window_options){ 0 }, "");
}
END_TEST

START_TEST(test_a_window_keeps_to_the_part_of_the_address)
{
    static const char *const cases[][2] = { { "offset=1,length=5", "12345" },
        { "offset=9,length=9", "9" }, { "length=0", "" }, { "offset=4", "456789" } };
    char text[128];
    int fd = digits_new();

    snprintf(text, sizeof(text), "file:/proc/self/fd/%d,%s", fd, cases[_i][0]);
    struct ferry_address *address = address_of(text);
    ck_assert_int_eq(ferry_dial(address, NULL, 0, &one, NULL), 0);
    check_window((struct ferry_window_options){ 0 }, cases[_i][1]);
    if (_i == 0)
        check_window((struct ferry_window_options){ .offset = 2, .size = 100 }, "345");
    ferry_address_free(address);
    close(fd);
}
END_TEST

START_TEST(test_there_is_no_window_but_over_files)
{
    struct ferry_window_options options = { .struct_size = 1 };
    struct ferry_window *window;
    struct ferry_error error;
    struct ferry_address *address = address_of("file:/dev/null,frame=lf");

    pair(FERRY_UNIX);
    ck_assert_int_eq(ferry_channel_open_window(one, NULL, &window, &error), -EOPNOTSUPP);
    ck_assert_str_eq(error.remedy, "receive from the channel");
    ck_assert_int_eq(ferry_channel_open_window(one, &options, &window, NULL), -EINVAL);
    ferry_channel_close(other);
    ck_assert_int_eq(ferry_dial(address, NULL, 0, &other, NULL), 0);
    ck_assert_int_eq(ferry_channel_open_window(other, NULL, &window, &error), -EOPNOTSUPP);
    ferry_address_free(address);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel/channel");
    TCase *cases = tcase_create("channel");
    tcase_set_timeout(cases, 10);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_receive_keeps_its_deadline);
    tcase_add_test(cases, test_what_is_there_is_received_after_the_deadline);
    tcase_add_test(cases, test_send_keeps_its_deadline_and_says_how_far_it_came);
    tcase_add_test(cases, test_a_batch_on_a_stream_is_joined_and_complete);
    tcase_add_loop_test(cases, test_a_batch_of_messages_keeps_boundaries, 0, 2);
    tcase_add_test(cases, test_the_end_of_a_packet_channel_is_no_empty_message);
    tcase_add_loop_test(cases, test_truncation_tells_the_true_size, 0, 2);
    tcase_add_test(cases, test_descriptor_counts);
    tcase_add_test(cases, test_descriptors_attached_once_over_partial_sends);
    tcase_add_test(cases, test_tcp_passes_no_descriptors);
    tcase_add_test(cases, test_dialling_a_full_backlog_waits_until_the_deadline);
    tcase_add_test(cases, test_dialling_nobody_says_who_and_why);
    tcase_add_test(cases, test_identity_of_the_other_end);
    tcase_add_test(cases, test_buffer_sizes_are_set_and_read_back);
    tcase_add_test(cases, test_what_is_nothing_is_not_adopted);
    tcase_add_test(cases, test_sending_to_who_is_gone_is_epipe_and_no_signal);
    tcase_add_test(cases, test_options_must_say_their_size);
    tcase_add_test(cases, test_options_that_dialling_cannot_use_are_an_error);
    tcase_add_test(cases, test_sending_from_pages_waits_until_they_are_given_back);
    tcase_add_test(cases, test_a_window_shows_what_is_left_of_a_file);
    tcase_add_loop_test(cases, test_a_window_keeps_to_the_part_of_the_address, 0, 4);
    tcase_add_test(cases, test_there_is_no_window_but_over_files);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
