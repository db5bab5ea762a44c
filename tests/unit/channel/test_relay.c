/* test_relay.c - what a relay must carry, in both directions, between two socket pairs:
 * client <-> one == relay == other <-> target. */
#include "base/clock.h"
#include "loop/loop.h"
#include "suite.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct ferry_loop *loop;
static struct ferry_relay_pool *pool;
static struct ferry_relay *relay;
static struct ferry_inbox *inbox;
static struct ferry_channel *client, *target;

static struct {
    int calls, code;
    char text[128];
    struct ferry_relay_stats stats;
} ended;

static void on_done(struct ferry_relay *which, int code, const char *text, void *data)
{
    ck_assert_ptr_eq(data, &ended);
    ended.calls++;
    ended.code = code;
    strncpy(ended.text, text, sizeof(ended.text) - 1);
    ferry_relay_get_stats(which, &ended.stats);
}

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    memset(&ended, 0, sizeof(ended));
    ck_assert_int_eq(ferry_loop_new(FERRY_EPOLL, &loop), 0);
    ck_assert_int_eq(ferry_relay_pool_new(&pool), 0);
    ck_assert_int_eq(ferry_inbox_new(0, 1, &inbox), 0);
}

static void teardown(void)
{
    ferry_channel_close(client);
    ferry_channel_close(target);
    ferry_relay_pool_free(pool);
    ferry_loop_free(loop);
    ferry_inbox_free(inbox);
}

static void start(
    enum ferry_scheme left, enum ferry_scheme right, struct ferry_relay_options *given)
{
    struct ferry_relay_options options = { 0 };
    struct ferry_channel *one, *other;
    if (given)
        options = *given;
    options.struct_size = sizeof(options);
    options.done = on_done;
    options.data = &ended;
    ck_assert_int_eq(ferry_channel_pair(left, &client, &one), 0);
    ck_assert_int_eq(ferry_channel_pair(right, &other, &target), 0);
    ck_assert_int_eq(ferry_relay_start(loop, pool, one, other, &options, &relay), 0);
}

/* Turns until nothing happens for a moment, or the relay has ended. */
static void settle(void)
{
    while (!ended.calls && ferry_loop_turn(loop, 20) > 0)
        ;
}

static void wait_end(void)
{
    int64_t deadline_ns = ferry_deadline(5000);
    while (!ended.calls && clock_now_ns() < deadline_ns)
        ck_assert_int_ge(ferry_loop_turn(loop, 50), 0);
    ck_assert_int_eq(ended.calls, 1);
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

static void expect_end(struct ferry_channel *channel)
{
    struct ferry_message message;
    settle();
    ck_assert_int_eq(ferry_channel_receive(channel, inbox, &message, ferry_deadline(1000)), 0);
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

START_TEST(test_bytes_pass_both_ways)
{
    start(FERRY_UNIX, FERRY_UNIX, NULL);
    give(client, "question");
    expect(target, "question");
    give(target, "answer");
    expect(client, "answer");
    struct ferry_relay_stats stats;
    ferry_relay_get_stats(relay, &stats);
    ck_assert_uint_eq(stats.forth.bytes, 8);
    ck_assert_uint_eq(stats.back.bytes, 6);
    ferry_relay_stop(relay);
}
END_TEST

START_TEST(test_half_close_passes_and_answers_still_come)
{
    start(FERRY_UNIX, FERRY_UNIX, NULL);
    give(client, "all of it");
    ck_assert_int_eq(ferry_channel_shutdown(client), 0);
    expect(target, "all of it");
    expect_end(target);
    give(target, "late answer");
    ck_assert_int_eq(ferry_channel_shutdown(target), 0);
    expect(client, "late answer");
    expect_end(client);
    wait_end();
    ck_assert_int_eq(ended.code, 0);
    ck_assert_uint_eq(ended.stats.back.bytes, 11);
}
END_TEST

START_TEST(test_boundaries_are_kept_and_an_empty_message_is_one)
{
    start(FERRY_UNIX_SEQ, FERRY_UNIX_SEQ, NULL);
    give(client, "one");
    give(client, "");
    give(client, "three");
    expect(target, "one");
    expect(target, "");
    expect(target, "three");
    ck_assert_int_eq(ferry_channel_shutdown(client), 0);
    expect_end(target);
    ferry_relay_stop(relay);
}
END_TEST

START_TEST(test_descriptors_pass_and_none_leaks)
{
    size_t before = open_descriptors();
    start(FERRY_UNIX, FERRY_UNIX, NULL);
    size_t with_channels = open_descriptors();
    int pipes[2], count = 0;
    ck_assert_int_eq(pipe(pipes), 0);
    struct iovec byte = { "x", 1 };
    struct ferry_outgoing outgoing = {
        .buffers = &byte, .buffer_count = 1, .descriptors = pipes, .descriptor_count = 2
    };
    ck_assert_int_eq(ferry_channel_send(client, &outgoing, ferry_deadline(1000)), 0);
    close(pipes[0]);
    settle();
    struct ferry_message message;
    ck_assert_int_eq(ferry_channel_receive(target, inbox, &message, ferry_deadline(1000)), 1);
    ck_assert_uint_eq(message.descriptor_count, 2);
    int reader = ferry_message_take(&message, 0);
    ck_assert_int_eq(fcntl(reader, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ferry_message_fini(&message);
    ck_assert_int_eq(write(pipes[1], "through", 7), 7);
    char text[8];
    count = (int)read(reader, text, sizeof(text));
    ck_assert_int_eq(count, 7);
    close(reader);
    close(pipes[1]);
    ck_assert_uint_eq(open_descriptors(), with_channels);
    ferry_relay_stop(relay);
    ferry_channel_close(client);
    ferry_channel_close(target);
    client = target = NULL;
    ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

/* Fills a channel until nothing more goes in; returns the bytes that went. */
static size_t flood(struct ferry_channel *channel, size_t at_most)
{
    static char block[65536];
    size_t total = 0;
    for (int quiet = 0; quiet < 3 && total < at_most;) {
        struct iovec buffer = { block, sizeof(block) };
        struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
        int r = ferry_channel_try_send(channel, &outgoing, 1);
        total += outgoing.sent_size;
        quiet = r == -EAGAIN ? quiet + 1 : 0;
        ck_assert(r > 0 || r == -EAGAIN);
        ferry_loop_turn(loop, 5);
    }
    return total;
}

START_TEST(test_descriptors_that_nobody_can_take_are_closed_and_counted)
{
    struct ferry_relay_options options = { .struct_size = sizeof(options) };
    struct ferry_channel *one, *other;
    struct ferry_relay_stats stats;
    int ends[2], passed[2];
    char text[2];
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(pipe(passed), 0);
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &client, &one), 0);
    ck_assert_int_eq(ferry_channel_adopt(ends[1], &other), 0);
    ck_assert_int_eq(ferry_relay_start(loop, pool, one, other, &options, &relay), 0);
    struct iovec byte = { "x", 1 };
    struct ferry_outgoing outgoing = {
        .buffers = &byte, .buffer_count = 1, .descriptors = &passed[1], .descriptor_count = 1
    };
    ck_assert_int_eq(ferry_channel_send(client, &outgoing, ferry_deadline(1000)), 0);
    close(passed[1]);
    settle();
    ck_assert_int_eq(read(ends[0], text, sizeof(text)), 1);
    /* That was the last of it. */
    ck_assert_int_eq(read(passed[0], text, sizeof(text)), 0);
    ferry_relay_get_stats(relay, &stats);
    ck_assert_uint_eq(stats.forth.dropped, 1);
    ck_assert_uint_eq(stats.forth.bytes, 1);
    ferry_relay_stop(relay);
    close(ends[0]);
    close(passed[0]);
}
END_TEST

START_TEST(test_a_reader_that_stops_is_backpressure_and_nothing_is_lost)
{
    start(FERRY_UNIX, FERRY_UNIX, NULL);
    size_t sent = flood(client, 64u << 20), got = 0;
    ck_assert_uint_lt(sent, 4u << 20);
    ck_assert_int_eq(ferry_channel_shutdown(client), 0);
    for (;;) {
        struct ferry_message message;
        ferry_loop_turn(loop, 0);
        int r = ferry_channel_try_receive(target, inbox, &message, 1);
        if (r == 0)
            break;
        ck_assert(r == 1 || r == -EAGAIN);
        if (r == 1) {
            got += message.size;
            ferry_message_fini(&message);
        }
    }
    ck_assert_uint_eq(got, sent);
    ferry_relay_stop(relay);
}
END_TEST

START_TEST(test_what_was_sent_before_a_close_arrives)
{
    start(FERRY_UNIX, FERRY_UNIX, NULL);
    give(client, "last words");
    ferry_channel_close(client);
    client = NULL;
    expect(target, "last words");
    expect_end(target);
    wait_end();
    ck_assert_int_eq(ended.code, 0);
}
END_TEST

START_TEST(test_a_client_that_left_ends_the_relay_though_the_target_is_mute)
{
    start(FERRY_UNIX, FERRY_UNIX, NULL);
    ferry_channel_close(client);
    client = NULL;
    wait_end();
}
END_TEST

START_TEST(test_an_answer_given_before_the_target_left_arrives)
{
    start(FERRY_UNIX, FERRY_UNIX, NULL);
    give(target, "go away");
    ferry_channel_close(target);
    target = NULL;
    expect(client, "go away");
    expect_end(client);
}
END_TEST

START_TEST(test_bytes_that_nobody_took_are_a_failure)
{
    start(FERRY_UNIX, FERRY_UNIX, NULL);
    flood(client, 64u << 20);
    ferry_channel_close(target);
    target = NULL;
    settle();
    ferry_channel_close(client);
    client = NULL;
    wait_end();
    ck_assert_int_eq(ended.code, -EPIPE);
    ck_assert_uint_gt(ended.stats.forth.dropped, 0);
}
END_TEST

START_TEST(test_idle_time_out)
{
    struct ferry_relay_options options = { .idle_timeout_ms = 60 };
    start(FERRY_UNIX, FERRY_UNIX, &options);
    wait_end();
    ck_assert_int_eq(ended.code, -ETIMEDOUT);
    ck_assert_str_eq(ended.text, "idle time-out");
}
END_TEST

START_TEST(test_total_time_out_comes_though_traffic_goes_on)
{
    struct ferry_relay_options options = { .idle_timeout_ms = 2000, .total_timeout_ms = 100 };
    start(FERRY_UNIX, FERRY_UNIX, &options);
    while (!ended.calls) {
        if (ferry_channel_send_bytes(client, "x", 1, ferry_deadline(10)) < 0)
            break;
        ferry_loop_turn(loop, 5);
    }
    wait_end();
    ck_assert_str_eq(ended.text, "total time-out");
}
END_TEST

static int tapped[2];

static void on_tap(
    struct ferry_relay *which, bool forth, const struct ferry_message *message, void *data)
{
    (void)which, (void)data;
    tapped[forth] += (int)message->size;
}

START_TEST(test_tap_sees_both_directions)
{
    struct ferry_relay_options options = { .tap = on_tap };
    tapped[0] = tapped[1] = 0;
    start(FERRY_UNIX, FERRY_UNIX, &options);
    give(client, "12345");
    expect(target, "12345");
    give(target, "123");
    expect(client, "123");
    ck_assert_int_eq(tapped[1], 5);
    ck_assert_int_eq(tapped[0], 3);
    ferry_relay_stop(relay);
}
END_TEST

START_TEST(test_echo_gives_back_everything_and_ends)
{
    struct ferry_channel *one;
    struct ferry_relay_options options = {
        .struct_size = sizeof(options), .done = on_done, .data = &ended
    };
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &client, &one), 0);
    ck_assert_int_eq(ferry_relay_start(loop, pool, one, one, &options, &relay), 0);
    give(client, "again");
    expect(client, "again");
    ck_assert_int_eq(ferry_channel_shutdown(client), 0);
    expect_end(client);
    wait_end();
    ck_assert_int_eq(ended.code, 0);
}
END_TEST

START_TEST(test_bytes_to_messages_needs_a_frame)
{
    struct ferry_channel *one, *other;
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &client, &one), 0);
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX_SEQ, &other, &target), 0);
    ck_assert_int_eq(ferry_relay_start(loop, pool, one, other, NULL, &relay), -EPROTOTYPE);
}
END_TEST

/* A relay over TCP splices bulk; every byte counted and compared by a running sum. */
/* The second time without a descriptor for a pipe: it is copied then. */
START_TEST(test_splice_carries_bulk_whole)
{
    struct ferry_address *address;
    struct ferry_listener *listener;
    struct ferry_channel *one, *other;
    ck_assert_int_eq(ferry_address_parse("tcp:0", NULL, &address, NULL), 0);
    ck_assert_int_eq(ferry_listen(address, NULL, &listener, NULL), 0);
    ck_assert_int_eq(
        ferry_dial(ferry_listener_address(listener), NULL, ferry_deadline(1000), &client, NULL), 0);
    ck_assert_int_eq(ferry_listener_accept(listener, ferry_deadline(1000), &one), 0);
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &other, &target), 0);
    ck_assert_int_eq(ferry_relay_start(loop, pool, one, other, NULL, &relay), 0);
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit none = { .rlim_cur = 0, .rlim_max = limit.rlim_max };
    if (_i == 1)
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);

    static unsigned char block[1 << 20];
    uint64_t sent_sum = 0, got_sum = 0;
    size_t sent = 0, got = 0, total = 48u << 20;
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (unsigned char)(i * 2654435761u >> 13);
    while (got < total) {
        if (sent < total) {
            struct iovec buffer = { block, sizeof(block) };
            struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
            int r = ferry_channel_try_send(client, &outgoing, 1);
            ck_assert(r == 1 || r == -EAGAIN);
            for (size_t i = 0; i < outgoing.sent_size; i++)
                sent_sum = sent_sum * 31 + block[i];
            sent += outgoing.sent_size;
            total = sent >= total ? sent : total;
        }
        ferry_loop_turn(loop, 0);
        struct ferry_message message;
        while (ferry_channel_try_receive(target, inbox, &message, 1) == 1) {
            for (size_t i = 0; i < message.size; i++)
                got_sum = got_sum * 31 + ((const unsigned char *)message.data)[i];
            got += message.size;
            ferry_message_fini(&message);
        }
    }
    ck_assert_uint_eq(got, sent);
    ck_assert(got_sum == sent_sum);
    struct ferry_relay_stats stats;
    ferry_relay_get_stats(relay, &stats);
    ck_assert_int_eq(stats.forth.way, FERRY_WAY_SPLICE);
    ck_assert_int_eq(stats.back.way, FERRY_WAY_COPY);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ferry_relay_stop(relay);
    ferry_listener_close(listener);
    ferry_address_free(address);
}
END_TEST

/* --- quotas ----------------------------------------------------------------------------------- */

/* A second relay beside the first, on the same quota. */
static struct ferry_channel *client2, *target2;
static struct ferry_relay *relay2;
static struct ferry_relay_quota *quota;

static void start_two(size_t bytes_max, size_t descriptors_max, struct ferry_relay_quota *above)
{
    struct ferry_channel *one, *other;
    struct ferry_relay_options options = { .struct_size = sizeof(options) };
    ck_assert_int_eq(ferry_relay_quota_new(bytes_max, descriptors_max, above, &quota), 0);
    options.quota = quota;
    start(FERRY_UNIX, FERRY_UNIX, &options);
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &client2, &one), 0);
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &other, &target2), 0);
    ck_assert_int_eq(ferry_relay_start(loop, pool, one, other, &options, &relay2), 0);
}

static void end_two(void)
{
    ferry_relay_stop(relay2);
    ferry_channel_close(client2);
    ferry_channel_close(target2);
    ferry_relay_quota_free(quota);
}

/* Sends blocks, each with `fd` if it is not -1, until nothing more moves. */
static void fill(struct ferry_channel *channel, int fd)
{
    static char block[4096];
    struct iovec buffer = { block, sizeof(block) };
    int r;
    do {
        struct ferry_outgoing outgoing = {
            .buffers = &buffer, .buffer_count = 1, .descriptors = &fd, .descriptor_count = fd >= 0
        };
        r = ferry_channel_try_send(channel, &outgoing, 1);
        if (r == -EAGAIN) {
            settle();
            r = ferry_channel_try_send(channel, &outgoing, 1);
        }
    } while (r > 0);
    ck_assert_int_eq(r, -EAGAIN);
}

static void drain(struct ferry_channel *channel)
{
    struct ferry_message message;
    for (;;) {
        settle();
        if (ferry_channel_try_receive(channel, inbox, &message, 1) < 1)
            return;
        ferry_message_fini(&message);
    }
}

static void expect_held(const struct ferry_relay_quota *of, size_t bytes, size_t descriptors)
{
    size_t held_bytes, held_descriptors;
    ferry_relay_quota_get(of, &held_bytes, &held_descriptors);
    ck_assert_uint_eq(held_bytes, bytes);
    ck_assert_uint_eq(held_descriptors, descriptors);
}

/* The second relay does not carry now what it will carry later. */
static void give_in_vain(const char *text)
{
    struct ferry_message message;
    give(client2, text);
    settle();
    ck_assert_int_eq(ferry_channel_try_receive(target2, inbox, &message, 1), -EAGAIN);
}

START_TEST(test_a_full_quota_stops_other_relays_until_there_is_room)
{
    struct ferry_relay_quota *above;
    ck_assert_int_eq(ferry_relay_quota_new(0, 0, NULL, &above), 0);
    start_two(65536, 0, above);
    fill(client, -1);
    expect_held(quota, 65536, 0);
    expect_held(above, 65536, 0);
    give_in_vain("waits");
    give(target, "the opposite direction passes");
    expect(client, "the opposite direction passes");
    drain(target);
    expect_held(quota, 0, 0);
    expect_held(above, 0, 0);
    expect(target2, "waits");
    ferry_relay_stop(relay);
    end_two();
    ferry_relay_quota_free(above);
}
END_TEST

START_TEST(test_what_a_stopped_relay_held_is_given_back)
{
    start_two(65536, 0, NULL);
    fill(client, -1);
    give_in_vain("waits");
    ferry_relay_stop(relay);
    expect_held(quota, 0, 0);
    expect(target2, "waits");
    end_two();
}
END_TEST

START_TEST(test_a_quota_of_descriptors)
{
    int passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    start_two(0, 1, NULL);
    fill(client, passed);
    expect_held(quota, 65536, 1);
    give_in_vain("waits");
    drain(target);
    expect_held(quota, 0, 0);
    expect(target2, "waits");
    ferry_relay_stop(relay);
    end_two();
    close(passed);
}
END_TEST

static struct ferry_channel *dial(const char *format, const char *folder)
{
    struct ferry_address *address;
    struct ferry_channel *channel;
    char text[64];
    snprintf(text, sizeof(text), format, folder);
    ck_assert_int_eq(ferry_address_parse(text, NULL, &address, NULL), 0);
    ck_assert_int_eq(ferry_dial(address, NULL, ferry_deadline(1000), &channel, NULL), 0);
    ferry_address_free(address);
    return channel;
}

/* What the weather holds back counts from when it was received, not from when a turn is over. */
START_TEST(test_a_quota_holds_in_a_delay_too)
{
    static char block[16 << 10];
    char folder[] = "/tmp/ferry-relay-XXXXXX", text[64];
    struct ferry_relay_options options = { .struct_size = sizeof(options) };
    struct ferry_address *address;
    struct ferry_listener *listener;
    struct ferry_channel *one, *other;
    size_t bytes, descriptors;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(text, sizeof(text), "unix:%s/s", folder);
    ck_assert_int_eq(ferry_address_parse(text, NULL, &address, NULL), 0);
    ck_assert_int_eq(ferry_listen(address, NULL, &listener, NULL), 0);
    other = dial("unix:%s/s,delay=60s", folder);
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &client, &one), 0);
    for (size_t sent = 0; sent < 2 * 65536; sent += sizeof(block))
        ck_assert_int_eq(
            ferry_channel_send_bytes(client, block, sizeof(block), ferry_deadline(1000)), 0);
    ck_assert_int_eq(ferry_relay_quota_new(65536, 0, NULL, &quota), 0);
    options.quota = quota;
    ck_assert_int_eq(ferry_relay_start(loop, pool, one, other, &options, &relay), 0);
    settle();
    ferry_relay_quota_get(quota, &bytes, &descriptors);
    ck_assert_uint_ge(bytes, 65536);
    ck_assert_uint_lt(bytes, 2 * 65536);
    ferry_relay_stop(relay);
    ferry_relay_quota_free(quota);
    ferry_listener_close(listener);
    ferry_address_free(address);
    rmdir(folder);
}
END_TEST

START_TEST(test_what_was_stopped_leaves_nothing_in_the_loop)
{
    start(FERRY_UNIX, FERRY_UNIX, &(struct ferry_relay_options){ .idle_timeout_ms = 60000 });
    ck_assert_uint_eq(loop->source_count, 3);
    ferry_relay_stop(relay);
    ck_assert_uint_eq(loop->source_count, 0);
}
END_TEST

/* Of a side with two descriptors the second cannot be watched. */
START_TEST(test_what_cannot_start_leaves_nothing_in_the_loop)
{
    struct ferry_relay_options options = { .struct_size = sizeof(options) };
    struct ferry_channel *one, *other;
    struct ferry_address *address;
    int input[2], output[2];
    ck_assert_int_eq(pipe(input), 0);
    ck_assert_int_eq(pipe(output), 0);
    ck_assert_int_eq(dup2(input[0], STDIN_FILENO), STDIN_FILENO);
    ck_assert_int_eq(dup2(output[1], STDOUT_FILENO), STDOUT_FILENO);
    ck_assert_int_eq(ferry_address_parse("-", NULL, &address, NULL), 0);
    ck_assert_int_eq(ferry_dial(address, NULL, FERRY_NEVER, &one, NULL), 0);
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &other, &target), 0);
    ck_assert_int_ne(ferry_channel_fd(one, FERRY_SEND), ferry_channel_fd(one, FERRY_RECEIVE));
    close(ferry_channel_fd(one, FERRY_SEND));
    ck_assert_int_eq(ferry_relay_start(loop, pool, one, other, &options, &relay), -EBADF);
    ck_assert_uint_eq(loop->source_count, 0);
    expect_end(target);
    ferry_address_free(address);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel/relay");
    TCase *cases = tcase_create("relay");
    tcase_set_timeout(cases, 30);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_bytes_pass_both_ways);
    tcase_add_test(cases, test_half_close_passes_and_answers_still_come);
    tcase_add_test(cases, test_boundaries_are_kept_and_an_empty_message_is_one);
    tcase_add_test(cases, test_descriptors_pass_and_none_leaks);
    tcase_add_test(cases, test_descriptors_that_nobody_can_take_are_closed_and_counted);
    tcase_add_test(cases, test_a_reader_that_stops_is_backpressure_and_nothing_is_lost);
    tcase_add_test(cases, test_what_was_sent_before_a_close_arrives);
    tcase_add_test(cases, test_a_client_that_left_ends_the_relay_though_the_target_is_mute);
    tcase_add_test(cases, test_an_answer_given_before_the_target_left_arrives);
    tcase_add_test(cases, test_bytes_that_nobody_took_are_a_failure);
    tcase_add_test(cases, test_idle_time_out);
    tcase_add_test(cases, test_total_time_out_comes_though_traffic_goes_on);
    tcase_add_test(cases, test_tap_sees_both_directions);
    tcase_add_test(cases, test_echo_gives_back_everything_and_ends);
    tcase_add_test(cases, test_bytes_to_messages_needs_a_frame);
    tcase_add_loop_test(cases, test_splice_carries_bulk_whole, 0, 2);
    tcase_add_test(cases, test_a_full_quota_stops_other_relays_until_there_is_room);
    tcase_add_test(cases, test_what_a_stopped_relay_held_is_given_back);
    tcase_add_test(cases, test_a_quota_of_descriptors);
    tcase_add_test(cases, test_a_quota_holds_in_a_delay_too);
    tcase_add_test(cases, test_what_was_stopped_leaves_nothing_in_the_loop);
    tcase_add_test(cases, test_what_cannot_start_leaves_nothing_in_the_loop);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
