/* test_segments.c - datagrams of equal size as one buffer, which the receiver sees apart. */
#include "scratch.h"
#include "suite.h"
#include "transport/limits.h"
#include "transport/segments.h"

#include <netinet/in.h>
#include <netinet/udp.h>

enum { ROOM = 80 };

struct pair {
    int receiver;
    struct link link;
};

static struct pair pair_new(size_t segment_max)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
    socklen_t size = sizeof(address);
    int receiver = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int sender = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(receiver, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(getsockname(receiver, (struct sockaddr *)&address, &size), 0);
    ck_assert_int_eq(connect(sender, (struct sockaddr *)&address, size), 0);
    return (struct pair){ receiver, { .send_fd = sender, .segment_max = segment_max } };
}

static void pair_close(struct pair *pair)
{
    fd_close(&pair->receiver);
    fd_close(&pair->link.send_fd);
}

/* Sends datagrams of these sizes, each in two buffers, and expects them one by one. */
static void expect_sizes(struct pair *pair, const size_t *sizes, size_t count)
{
    static char bytes[ROOM][2000], got[4000];
    struct iovec buffers[ROOM][2];
    struct ferry_outgoing batch[ROOM];
    size_t done = 0;

    for (size_t i = 0; i < count; i++) {
        memset(bytes[i], (int)(i + 1), sizeof(bytes[i]));
        buffers[i][0] = (struct iovec){ bytes[i], sizes[i] / 2 };
        buffers[i][1] = (struct iovec){ bytes[i], sizes[i] - sizes[i] / 2 };
        batch[i] = (struct ferry_outgoing){ .buffers = buffers[i], .buffer_count = 2 };
    }
    while (done < count) {
        size_t most = count - done < SEND_BATCH_MAX ? count - done : SEND_BATCH_MAX;
        int r = segments_send(&pair->link, NULL, 0, batch + done, most);
        ck_assert_int_gt(r, 0);
        done += (size_t)r;
    }
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(recv(pair->receiver, got, sizeof(got), 0), (int)sizes[i]);
        ck_assert_mem_eq(got, bytes[i], sizes[i]);
    }
    ck_assert_int_eq(recv(pair->receiver, got, sizeof(got), 0), -1);
}

START_TEST(every_mixture_arrives_apart)
{
    static const size_t sizes[] = { 0, 5, 5, 5, 3, 5, 0, 0, 7, 8, 8, 1400, 1400, 1399, 1400, 1, 1 };
    static const size_t maxima[] = { 0, 5, 7, UINT16_MAX };
    for (size_t i = 0; i < COUNT_OF(maxima); i++) {
        struct pair pair = pair_new(maxima[i]);
        expect_sizes(&pair, sizes, COUNT_OF(sizes));
        ck_assert_uint_eq(pair.link.segment_max, maxima[i]);
        pair_close(&pair);
    }
}
END_TEST

START_TEST(more_than_one_buffer_holds)
{
    size_t sizes[ROOM];
    struct pair pair = pair_new(UINT16_MAX);

    for (size_t i = 0; i < ROOM; i++)
        sizes[i] = 1500;
    expect_sizes(&pair, sizes, ROOM);
    for (size_t i = 0; i < ROOM; i++)
        sizes[i] = 1;
    expect_sizes(&pair, sizes, ROOM);
    pair_close(&pair);
}
END_TEST

START_TEST(joined_by_the_kernel_on_request)
{
    char bytes[300], control[64], got[1000];
    struct iovec buffers[3], buffer = { got, sizeof(got) };
    struct ferry_outgoing batch[3];
    struct msghdr header = {
        .msg_iov = &buffer, .msg_iovlen = 1, .msg_control = control, .msg_controllen = 64
    };
    struct control_facts facts;
    struct pair pair = pair_new(UINT16_MAX);

    memset(bytes, 'x', sizeof(bytes));
    for (size_t i = 0; i < 3; i++) {
        buffers[i] = (struct iovec){ bytes, 100 };
        batch[i] = (struct ferry_outgoing){ .buffers = &buffers[i], .buffer_count = 1 };
    }
    segments_join(pair.receiver);
    ck_assert_int_eq(segments_send(&pair.link, NULL, 0, batch, 3), 3);
    ck_assert_int_eq(recvmsg(pair.receiver, &header, 0), 300);
    control_walk(&header, NULL, 0, NULL, &facts);
    ck_assert_uint_eq(facts.segment_size, 100);
    pair_close(&pair);
}
END_TEST

START_TEST(only_udp_is_asked)
{
    static const struct {
        int family, type, protocol;
        size_t most;
    } cases[] = {
        { AF_INET, SOCK_DGRAM, 0, UINT16_MAX },
        { AF_INET6, SOCK_DGRAM, 0, UINT16_MAX },
        { AF_UNIX, SOCK_DGRAM, 0, 0 },
        { AF_INET, SOCK_DGRAM, IPPROTO_ICMP, 0 },
        { AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE, 0 },
        { AF_NETLINK, SOCK_DGRAM, 0, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_FD int fd = socket(cases[i].family, cases[i].type | SOCK_CLOEXEC, cases[i].protocol);
        struct link link;
        if (fd < 0)
            continue; /* not in this kernel, or not for this user */
        ck_assert_uint_eq(segments_most(fd, cases[i].family), cases[i].most);
        ck_assert_int_eq(socket_link(fd_take(&fd), false, false, &link), 0);
        ck_assert_uint_eq(link.segment_max, cases[i].most);
        link.ops->close(&link);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/segments");
    TCase *tests = tcase_create("segments");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, every_mixture_arrives_apart);
    tcase_add_test(tests, more_than_one_buffer_holds);
    tcase_add_test(tests, joined_by_the_kernel_on_request);
    tcase_add_test(tests, only_udp_is_asked);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
