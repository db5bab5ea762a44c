/* test_icmp.c - echo requests on the loopback of a network namespace of the test's own, by both
 * kinds of socket. */
#include "scratch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <sched.h>
#include <sys/ioctl.h>

static const char *const hosts[] = { "127.0.0.1", "[::1]" };

/* A fresh namespace with its loopback up, where all groups or none may have ping sockets. The case
 * is a process of its own. False: not root. */
static bool namespace_enter(bool unprivileged)
{
    struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    const char *range = unprivileged ? "0 2147483647" : "1 0";

    if (unshare(CLONE_NEWNET) < 0 && skipped("a network namespace of its own needs root"))
        return false;
    AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    AUTO_FD int group_range = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(write(group_range, range, strlen(range)), (ssize_t)strlen(range));
    return true;
}

static int socket_type(const struct link *link)
{
    int type;
    socklen_t size = sizeof(type);
    ck_assert_int_eq(getsockopt(link->receive_fd, SOL_SOCKET, SO_TYPE, &type, &size), 0);
    return type;
}

/* A message in two buffers, so that its checksum runs over an odd place. */
static void echo(struct link *link, size_t size)
{
    static char sent[2048];
    char received[sizeof(sent) + 1];
    size_t half = size / 2;
    struct iovec buffers[] = { { sent, half }, { sent + half, size - half } };
    struct ferry_outgoing outgoing = { .buffers = buffers, .buffer_count = 2 };

    for (size_t i = 0; i < size; i++)
        sent[i] = (char)(i * 7 + size);
    ck_assert_int_eq(link->ops->send(link, &outgoing, 1), 1);
    ck_assert(outgoing.complete);
    ck_assert_uint_eq(outgoing.sent_size, size);
    ck_assert_int_eq(link_receive_text(link, received, size + 2), (int)size);
    ck_assert_mem_eq(received, sent, size);
}

static void echo_on(bool unprivileged)
{
    static const size_t sizes[] = { 0, 1, 2, 3, 56, 57, 1472, 2047 };
    char text[64], expected[64];

    if (!namespace_enter(unprivileged))
        return;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct link link = dial_to(address_of("icmp:%s", hosts[i]));
        ck_assert_int_eq(socket_type(&link), unprivileged ? SOCK_DGRAM : SOCK_RAW);
        ck_assert_int_eq(fcntl(link.receive_fd, F_GETFD), FD_CLOEXEC);
        ck_assert(fcntl(link.receive_fd, F_GETFL) & O_NONBLOCK);
        for (size_t j = 0; j < COUNT_OF(sizes); j++)
            echo(&link, sizes[j]);
        link.ops->peer(&link, text, sizeof(text));
        snprintf(expected, sizeof(expected), "icmp:%s", hosts[i]);
        ck_assert_str_eq(text, expected);
        link.ops->close(&link);
    }
}

START_TEST(echo_by_a_raw_socket)
{
    echo_on(false);
}
END_TEST

START_TEST(echo_by_a_ping_socket)
{
    echo_on(true);
}
END_TEST

/* Every raw socket gets the replies to both. */
START_TEST(replies_to_others_are_not_received)
{
    if (!namespace_enter(false))
        return;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct link one = dial_to(address_of("icmp:%s", hosts[i]));
        struct link other = dial_to(address_of("icmp:%s", hosts[i]));
        char text[8];

        ck_assert_int_eq(link_send_text(&one, "one"), 1);
        ck_assert_int_eq(link_send_text(&other, "other"), 1);
        ck_assert_receives(&other, "other");
        ck_assert_receives(&one, "one");
        wait_for(one.receive_fd, POLLIN); /* for the other's */
        struct ferry_inbox *inbox;
        struct ferry_message message;
        ck_assert_int_eq(ferry_inbox_new(sizeof(text), 1, &inbox), 0);
        ck_assert_int_eq(one.ops->receive(&one, inbox, &message, 1), -EAGAIN);
        ferry_inbox_free(inbox);
        one.ops->close(&one);
        other.ops->close(&other);
    }
}
END_TEST

/* An echo reply to ourselves, of anybody's making. */
static void forge(int fd, uint16_t identifier, uint16_t number, bool whole)
{
    struct sockaddr_in self = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct {
        struct icmphdr header;
        char text[4];
    } packet = { { .un.echo = { identifier, number } }, "one" };
    uint16_t words[sizeof(packet) / 2];
    uint32_t sum = 0;

    memcpy(words, &packet, sizeof(packet));
    for (size_t i = 0; i < COUNT_OF(words); i++)
        sum += words[i];
    sum = (sum & 0xffff) + (sum >> 16);
    packet.header.checksum = (uint16_t) ~(sum + (sum >> 16) + !whole);
    ck_assert_int_eq(sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&self, sizeof(self)),
        (ssize_t)sizeof(packet));
}

/* Only what answers a request that was sent is received, and only whole. */
START_TEST(forged_replies)
{
    uint8_t packet[128];
    struct icmphdr request;
    char text[8];

    if (!namespace_enter(false))
        return;
    AUTO_FD int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    struct link link = dial_to(address_of("icmp:127.0.0.1"));
    ck_assert_int_eq(link_send_text(&link, "real"), 1);
    ck_assert_receives(&link, "real");
    /* The listener hears the request first. */
    ck_assert_int_eq(recv(fd, packet, sizeof(packet), 0), 20 + 8 + 4);
    memcpy(&request, packet + 20, sizeof(request));
    ck_assert_uint_eq(request.type, ICMP_ECHO);
    uint16_t identifier = request.un.echo.id, number = request.un.echo.sequence;

    forge(fd, identifier, htons((uint16_t)(ntohs(number) + 1)), true);
    forge(fd, (uint16_t)(identifier + 1), number, true);
    forge(fd, identifier, number, false);
    struct ferry_inbox *inbox;
    struct ferry_message message;
    ck_assert_int_eq(ferry_inbox_new(sizeof(text), 1, &inbox), 0);
    ck_assert_int_eq(link.ops->receive(&link, inbox, &message, 1), -EAGAIN);
    forge(fd, identifier, number, true); /* the network may double it */
    ck_assert_int_eq(link.ops->receive(&link, inbox, &message, 1), 1);
    ck_assert_uint_eq(message.size, 4);
    ferry_inbox_free(inbox);
    link.ops->close(&link);
}
END_TEST

static void too_large_on(bool unprivileged)
{
    struct ferry_inbox *inbox;
    struct ferry_message message = { 0 };

    if (!namespace_enter(unprivileged))
        return;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct link link = dial_to(address_of("icmp:%s", hosts[i]));
        ck_assert_int_eq(ferry_inbox_new(3, 1, &inbox), 0);
        ck_assert_int_eq(link_send_text(&link, "four"), 1);
        wait_for(link.receive_fd, POLLIN);
        ck_assert_int_eq(link.ops->receive(&link, inbox, &message, 1), -EMSGSIZE);
        ck_assert_uint_eq(message.size, 4);
        ferry_inbox_free(inbox);
        ck_assert_int_eq(link_send_text(&link, "next"), 1);
        ck_assert_receives(&link, "next");
        link.ops->close(&link);
    }
}

START_TEST(what_does_not_fit_is_told)
{
    too_large_on(false);
    too_large_on(true);
}
END_TEST

START_TEST(what_cannot_be_sent)
{
    static char large[65536];
    struct iovec buffer = { large, sizeof(large) };
    struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
    int descriptor = 0;

    if (!namespace_enter(true))
        return;
    struct link link = dial_to(address_of("icmp:127.0.0.1"));
    ck_assert_int_eq(link.ops->send(&link, &outgoing, 1), -EMSGSIZE);
    outgoing = (struct ferry_outgoing){ .descriptors = &descriptor, .descriptor_count = 1 };
    ck_assert_int_eq(link.ops->send(&link, &outgoing, 1), -EOPNOTSUPP);
    ck_assert(!outgoing.complete);
    ck_assert_receives((link_send_text(&link, "still"), &link), "still");
    link.ops->close(&link);
}
END_TEST

START_TEST(nobody_may_send)
{
    struct ferry_error error = { 0 };
    struct link link;

    if (!namespace_enter(false))
        return;
    ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
    unsigned before = descriptors_open();
    struct ferry_address *address = address_of("icmp:127.0.0.1");
    ck_assert_int_eq(transport_dial(address, NULL, &link, &error), -EPERM);
    ck_assert_ptr_nonnull(strstr(error.remedy, "ping_group_range"));
    ck_assert_ptr_nonnull(strstr(error.remedy, "cap_net_raw"));
    ck_assert_uint_eq(descriptors_open(), before);
    ferry_address_free(address);
}
END_TEST

START_TEST(nobody_listens)
{
    struct ferry_error error = { 0 };
    struct listening listening;
    struct ferry_address *address = address_of("icmp:127.0.0.1");

    ck_assert_int_eq(transport_listen(address, NULL, &listening, &error), -EOPNOTSUPP);
    ck_assert_ptr_nonnull(strstr(error.reason, "for dialling"));
    ferry_address_free(address);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/icmp");
    TCase *tests = tcase_create("icmp");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, echo_by_a_raw_socket);
    tcase_add_test(tests, echo_by_a_ping_socket);
    tcase_add_test(tests, replies_to_others_are_not_received);
    tcase_add_test(tests, forged_replies);
    tcase_add_test(tests, what_does_not_fit_is_told);
    tcase_add_test(tests, what_cannot_be_sent);
    tcase_add_test(tests, nobody_may_send);
    tcase_add_test(tests, nobody_listens);
    suite_add_tcase(suite, tests);
    return scratch_run(suite);
}
