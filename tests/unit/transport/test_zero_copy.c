/* test_zero_copy.c - the caller's pages are borrowed until the kernel has done with them.
 *
 * Over loopback the kernel copies when it delivers. The receiver here takes in little, so that most
 * of what was sent waits with the sender: in the caller's pages.
 */
#include "network.h"
#include "scratch.h"
#include "transport/limits.h"

enum { LARGE = 1 << 20, SMALL = 1000 };

struct pair {
    struct listening listening;
    struct link sender, receiver;
    char *data;
    struct iovec buffer;
    struct ferry_outgoing outgoing;
    size_t received, kept; /* bytes: all, and as they were when they were sent */
};

static void setup_at(struct pair *pair, const char *host, const char *options)
{
    *pair = (struct pair){ .listening = listen_at(address_of("tcp:%s:0,rcvbuf=16k", host)) };
    pair->sender =
        dial_to(address_of("tcp:%s:%u,sndbuf=4M%s", host, pair->listening.bound->port, options));
    pair->receiver = accept_one(&pair->listening);
    wait_for(pair->sender.send_fd, POLLOUT);
    ck_assert_int_eq(
        pair->sender.ops->connected ? pair->sender.ops->connected(&pair->sender) : 0, 0);
    pair->data = malloc(LARGE);
    memset(pair->data, 'a', LARGE);
    pair->buffer = (struct iovec){ pair->data, LARGE };
    pair->outgoing = (struct ferry_outgoing){ .buffers = &pair->buffer, .buffer_count = 1 };
}

static void setup(struct pair *pair, const char *options)
{
    setup_at(pair, "127.0.0.1", options);
}

static void teardown(struct pair *pair)
{
    if (pair->sender.ops)
        pair->sender.ops->close(&pair->sender);
    if (pair->receiver.ops)
        pair->receiver.ops->close(&pair->receiver);
    pair->listening.ops->close(&pair->listening);
    free(pair->data);
}

static int send_batch(struct pair *pair, struct ferry_outgoing *batch, size_t count)
{
    return pair->sender.ops->send(&pair->sender, batch, count);
}

/* What is there now; how many of it are the letter. */
static void drain(struct pair *pair, char letter)
{
    static char bytes[64 << 10];
    ssize_t got;

    while ((got = recv(pair->receiver.receive_fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        pair->received += (size_t)got;
        for (ssize_t i = 0; i < got; i++)
            pair->kept += bytes[i] == letter;
    }
}

/* Goes on until all of the batch is complete, the receiver with it. */
static void finish(struct pair *pair, struct ferry_outgoing *batch, size_t count)
{
    int64_t end_ns = clock_now_ns() + 20 * NS_PER_S;
    while (!batch[count - 1].complete) {
        int r = send_batch(pair, batch, count);
        ck_assert_msg(r > 0 || r == -EAGAIN, "send: %d", r);
        drain(pair, 'a');
        ck_assert_int_lt(clock_now_ns(), end_ns);
    }
}

static void receive_rest(struct pair *pair, size_t size)
{
    int64_t end_ns = clock_now_ns() + 20 * NS_PER_S;
    while (pair->received < size && clock_now_ns() < end_ns)
        drain(pair, 'a');
    ck_assert_uint_eq(pair->received, size);
}

START_TEST(what_is_not_complete_is_still_the_kernels)
{
    struct pair pair;
    setup(&pair, ",zerocopy");
    ck_assert(pair.sender.flags & LINK_ZERO_COPY);
    ck_assert_int_eq(send_batch(&pair, &pair.outgoing, 1), -EAGAIN);
    size_t sent = pair.outgoing.sent_size;
    ck_assert_uint_gt(sent, ZERO_COPY_SIZE_MIN);
    ck_assert(!pair.outgoing.complete);
    memset(pair.data, 'b', LARGE); /* which one must not */
    finish(&pair, &pair.outgoing, 1);
    receive_rest(&pair, LARGE);
    ck_assert_uint_lt(pair.kept, sent);
    teardown(&pair);
}
END_TEST

START_TEST(what_is_complete_is_the_callers_again)
{
    struct pair pair;
    if (_i && !ipv6_works())
        return;
    setup_at(&pair, _i ? "[::1]" : "127.0.0.1", ",zerocopy");
    finish(&pair, &pair.outgoing, 1);
    memset(pair.data, 'b', LARGE);
    receive_rest(&pair, LARGE);
    ck_assert_uint_eq(pair.kept, LARGE);
    teardown(&pair);
}
END_TEST

/* As a copy of it is in the kernel when it is taken. */
START_TEST(what_is_small_or_not_asked_for_is_copied)
{
    static const char *const options[] = { ",zerocopy", "", ",zerocopy=no", ",zerocopy,frame=lf" };
    struct pair pair;
    setup(&pair, options[_i]);
    pair.buffer.iov_len = _i ? LARGE : ZERO_COPY_SIZE_MIN - 1;
    ck_assert(!(pair.sender.flags & LINK_ZERO_COPY) == (_i > 0));
    (void)!send_batch(&pair, &pair.outgoing, 1);
    size_t sent = pair.outgoing.sent_size;
    ck_assert(pair.outgoing.complete == (sent == pair.buffer.iov_len));
    memset(pair.data, 'b', LARGE);
    while (pair.kept < sent && pair.received < sent)
        drain(&pair, 'a');
    ck_assert_uint_eq(pair.kept, sent);
    teardown(&pair);
}
END_TEST

START_TEST(a_batch_is_complete_in_order)
{
    struct pair pair;
    char small[SMALL];
    setup(&pair, ",zerocopy");
    memset(small, 'a', sizeof(small));
    pair.buffer.iov_len = LARGE / 4;
    struct iovec little = { small, sizeof(small) };
    struct ferry_outgoing batch[] = { { .buffers = &little, .buffer_count = 1 },
        { .buffers = &pair.buffer, .buffer_count = 1 }, { .buffers = &little, .buffer_count = 1 },
        { .buffer_count = 0 }, { .buffers = &pair.buffer, .buffer_count = 1 } };
    ck_assert_int_eq(send_batch(&pair, batch, 5), 1);
    ck_assert(batch[0].complete && !batch[1].complete);
    ck_assert_int_eq(send_batch(&pair, batch + 1, 4), -EAGAIN);
    finish(&pair, batch + 1, 4);
    for (int i = 0; i < 5; i++)
        ck_assert(batch[i].complete);
    receive_rest(&pair, 2 * SMALL + LARGE / 2);
    ck_assert_uint_eq(pair.kept, 2 * SMALL + LARGE / 2);
    teardown(&pair);
}
END_TEST

/* The last of an outgoing is little, and copied; what was sent of it before is still borrowed. */
START_TEST(a_copied_end_completes_nothing)
{
    struct pair pair;
    char end[SMALL];
    setup(&pair, ",zerocopy");
    memset(end, 'a', sizeof(end));
    struct iovec buffers[] = { { pair.data, LARGE / 2 }, { end, sizeof(end) } };
    struct ferry_outgoing outgoing = { .buffers = buffers, .buffer_count = 1 };
    ck_assert_int_eq(send_batch(&pair, &outgoing, 1), -EAGAIN);
    ck_assert_uint_eq(outgoing.sent_size, LARGE / 2);
    outgoing.buffer_count = 2;
    ck_assert_int_eq(send_batch(&pair, &outgoing, 1), -EAGAIN);
    ck_assert_uint_eq(outgoing.sent_size, LARGE / 2 + SMALL);
    ck_assert(!outgoing.complete);
    finish(&pair, &outgoing, 1);
    receive_rest(&pair, LARGE / 2 + SMALL);
    ck_assert_uint_eq(pair.kept, LARGE / 2 + SMALL);
    teardown(&pair);
}
END_TEST

/* Nothing is gained here, and the kernel says so with the first that is done. */
START_TEST(where_the_kernel_copies_the_link_does_so_itself)
{
    struct pair pair;
    setup(&pair, ",zerocopy");
    finish(&pair, &pair.outgoing, 1);
    receive_rest(&pair, LARGE);
    pair.outgoing.sent_size = pair.received = pair.kept = 0;
    pair.outgoing.complete = false;
    (void)!send_batch(&pair, &pair.outgoing, 1);
    size_t sent = pair.outgoing.sent_size;
    memset(pair.data, 'b', LARGE);
    while (pair.kept < sent && pair.received < sent)
        drain(&pair, 'a');
    ck_assert_uint_eq(pair.kept, sent);
    teardown(&pair);
}
END_TEST

/* Bytes that are the caller's again would be sent in its name. */
START_TEST(closing_sends_nothing_more_from_pages)
{
    struct pair pair;
    char byte;
    setup(&pair, ",zerocopy");
    ck_assert_int_eq(send_batch(&pair, &pair.outgoing, 1), -EAGAIN);
    pair.sender.ops->close(&pair.sender);
    pair.sender.ops = NULL;
    memset(pair.data, 'b', LARGE);
    ssize_t got;
    while ((got = recv(pair.receiver.receive_fd, &byte, 1, 0)) > 0 || (got < 0 && errno == EAGAIN))
        ck_assert(got < 0 || byte == 'a');
    ck_assert_int_eq(got, -1);
    ck_assert_int_eq(errno, ECONNRESET);
    teardown(&pair);
}
END_TEST

START_TEST(a_peer_that_is_gone_is_told)
{
    static const struct linger now = { .l_onoff = 1 };
    struct pair pair;
    int r;
    setup(&pair, ",zerocopy");
    ck_assert_int_eq(send_batch(&pair, &pair.outgoing, 1), -EAGAIN);
    setsockopt(pair.receiver.receive_fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    pair.receiver.ops->close(&pair.receiver);
    wait_for(pair.sender.send_fd, POLLHUP);
    while ((r = send_batch(&pair, &pair.outgoing, 1)) == -EAGAIN)
        ;
    /* What was taken whole is done with, as if it had been copied. */
    ck_assert(r == 1 || r == -ECONNRESET || r == -EPIPE);
    pair.receiver.ops = NULL;
    teardown(&pair);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/zero_copy");
    TCase *tests = tcase_create("zero_copy");

    tcase_set_timeout(tests, 40);
    tcase_add_test(tests, what_is_not_complete_is_still_the_kernels);
    tcase_add_loop_test(tests, what_is_complete_is_the_callers_again, 0, 2);
    tcase_add_loop_test(tests, what_is_small_or_not_asked_for_is_copied, 0, 4);
    tcase_add_test(tests, a_batch_is_complete_in_order);
    tcase_add_test(tests, a_copied_end_completes_nothing);
    tcase_add_test(tests, where_the_kernel_copies_the_link_does_so_itself);
    tcase_add_test(tests, closing_sends_nothing_more_from_pages);
    tcase_add_test(tests, a_peer_that_is_gone_is_told);
    suite_add_tcase(suite, tests);
    return scratch_run(suite);
}
