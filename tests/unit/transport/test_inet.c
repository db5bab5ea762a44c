/* test_inet.c - tcp and udp on loopback. */
#include "network.h"
#include "scratch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

static void connected(struct link *link)
{
    int r;
    while (link->ops->connected && (r = link->ops->connected(link)) != 0) {
        ck_assert_int_eq(r, -EAGAIN);
        wait_for(link->send_fd, POLLOUT);
    }
}

static void talk(struct listening *listening, const char *host)
{
    char text[128], prefix[64];
    struct link client = dial_to(address_of("tcp:%s:%u", host, listening->bound->port));
    struct link server = accept_one(listening);

    connected(&client);
    ck_assert_int_eq(link_send_text(&client, "question"), 1);
    ck_assert_receives(&server, "question");
    ck_assert_int_eq(link_send_text(&server, "answer"), 1);
    ck_assert_int_eq(server.ops->shutdown(&server), 0);
    ck_assert_receives(&client, "answer");
    ck_assert_int_eq(link_receive_text(&client, text, sizeof(text)), 0);
    server.ops->peer(&server, text, sizeof(text));
    snprintf(prefix, sizeof(prefix), "tcp:%s:", host);
    ck_assert_msg(strncmp(text, prefix, strlen(prefix)) == 0, "%s", text);
    client.ops->close(&client);
    server.ops->close(&server);
}

START_TEST(tcp_listens_on_the_port_it_says)
{
    struct listening listening = listen_at(address_of("tcp:0"));

    ck_assert_uint_ne(listening.bound->port, 0);
    talk(&listening, "127.0.0.1");
    listening.ops->close(&listening);
}
END_TEST

START_TEST(tcp_of_every_address_takes_both_families)
{
    struct listening listening = listen_at(address_of("tcp:*:0"));
    talk(&listening, "127.0.0.1");
    if (ipv6_works())
        talk(&listening, "[::1]");
    listening.ops->close(&listening);
}
END_TEST

START_TEST(tcp_by_name_and_by_ipv6)
{
    struct listening listening = listen_at(address_of("tcp:localhost:0"));
    struct link client = dial_to(address_of("tcp:localhost:%u", listening.bound->port));
    struct link server = accept_one(&listening);

    connected(&client);
    client.ops->close(&client);
    server.ops->close(&server);
    listening.ops->close(&listening);
    if (!ipv6_works())
        return;
    listening = listen_at(address_of("tcp:[::1]:0"));
    talk(&listening, "[::1]");
    listening.ops->close(&listening);
}
END_TEST

START_TEST(tcp_links_have_their_options_and_capabilities)
{
    struct listening listening = listen_at(address_of("tcp:0"));
    struct link ends[2] = { dial_to(address_of("tcp:%u", listening.bound->port)) };
    struct ferry_identity identity = { 0 };

    ends[1] = accept_one(&listening);
    connected(&ends[0]);
    for (int i = 0; i < 2; i++) {
        int on = 0;
        socklen_t size = sizeof(on);
        ck_assert_int_eq(getsockopt(ends[i].send_fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
        ck_assert_int_ne(on, 0);
        ck_assert(fcntl(ends[i].send_fd, F_GETFL) & O_NONBLOCK);
        ck_assert_int_eq(fcntl(ends[i].send_fd, F_GETFD), FD_CLOEXEC);
        ck_assert_uint_eq(ends[i].capabilities, FERRY_CAN_SEND | FERRY_CAN_RECEIVE |
                                                    FERRY_HAS_HALF_CLOSE | FERRY_HAS_END |
                                                    FERRY_HAS_HOST);
        ck_assert_uint_eq(
            ends[i].flags, LINK_SPLICE_FROM | LINK_SPLICE_TO | LINK_DRAIN | LINK_WHOLE);
        for (int fact = 0; fact < FERRY_FACT_COUNT; fact++)
            ends[i].ops->identity(&ends[i], (enum ferry_fact)fact, &identity);
        ck_assert_int_eq(identity.known[FERRY_FACT_PID], FERRY_UNKNOWN);
        ck_assert_int_eq(identity.known[FERRY_FACT_UID], FERRY_UNKNOWN);
        ck_assert_int_eq(identity.known[FERRY_FACT_PIDFD], FERRY_UNKNOWN);
        ck_assert_int_eq(identity.known[FERRY_FACT_HOST], FERRY_AT_CONNECT);
        ck_assert_mem_eq(identity.host + 10, "\xff\xff\x7f\0\0\1", 6);
        ends[i].ops->close(&ends[i]);
    }
    listening.ops->close(&listening);
}
END_TEST

START_TEST(tcp_restarts_at_once)
{
    struct listening listening = listen_at(address_of("tcp:0"));
    unsigned port = listening.bound->port;
    struct link client = dial_to(address_of("tcp:%u", port));
    struct link server = accept_one(&listening);

    connected(&client);
    /* The server closes first: its side stays in TIME-WAIT. */
    server.ops->close(&server);
    client.ops->close(&client);
    listening.ops->close(&listening);
    listening = listen_at(address_of("tcp:%u", port));
    listening.ops->close(&listening);
}
END_TEST

START_TEST(tcp_refusal_is_told)
{
    struct listening listening = listen_at(address_of("tcp:0"));
    struct ferry_address *address = address_of("tcp:%u", listening.bound->port);
    struct ferry_error error = { 0 };
    struct link link;

    listening.ops->close(&listening);
    int r = transport_dial(address, NULL, &link, &error);
    if (r == 0) {
        while ((r = link.ops->connected(&link)) == -EAGAIN)
            wait_for(link.send_fd, POLLOUT);
        link.ops->close(&link);
    } else {
        ck_assert_uint_gt(strlen(error.remedy), 0);
    }
    ck_assert_int_eq(r, -ECONNREFUSED);
    ferry_address_free(address);
}
END_TEST

static void assert_port_is_taken(const char *scheme)
{
    struct listening listening = listen_at(address_of("%s:0", scheme)), second;
    struct ferry_address *address = address_of("%s:%u", scheme, listening.bound->port);
    struct ferry_error error = { 0 };

    ck_assert_int_eq(transport_listen(address, NULL, &second, &error), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(error.remedy, "ss -"));
    ferry_address_free(address);
    listening.ops->close(&listening);
}

START_TEST(taken_port_is_told)
{
    assert_port_is_taken("tcp");
    assert_port_is_taken("udp");
}
END_TEST

START_TEST(tcp_binds_where_it_is_told)
{
    char text[64];
    struct listening listening = listen_at(address_of("tcp:0"));
    struct link client = dial_to(address_of("tcp:%u,bind=127.0.0.2:0", listening.bound->port));
    struct link server = accept_one(&listening);

    server.ops->peer(&server, text, sizeof(text));
    ck_assert_msg(strncmp(text, "tcp:127.0.0.2:", 14) == 0, "%s", text);
    client.ops->close(&client);
    server.ops->close(&server);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(unknown_host_is_told)
{
    struct ferry_address *address = address_of("tcp:no-such-host.invalid:80");
    struct ferry_error error = { 0 };
    struct link link;

    int r = transport_dial(address, NULL, &link, &error);
    ck_assert(r == -ENOENT || r == -EHOSTUNREACH);
    ck_assert_ptr_nonnull(strstr(error.reason, "no-such-host.invalid"));
    ferry_address_free(address);
}
END_TEST

START_TEST(udp_messages_and_answers)
{
    char text[64];
    struct listening listening = listen_at(address_of("udp:0"));
    struct link client = dial_to(address_of("udp:%u", listening.bound->port));
    struct ferry_outgoing empty = { 0 };
    struct ferry_inbox *inbox;
    struct ferry_message message;

    ck_assert_int_eq(ferry_inbox_new(64, 1, &inbox), 0);
    ck_assert_int_eq(link_send_text(&client, "question"), 1);
    ck_assert_int_eq(client.ops->send(&client, &empty, 1), 1);
    struct link server = accept_one(&listening);
    ck_assert_uint_eq(server.capabilities,
        FERRY_CAN_SEND | FERRY_CAN_RECEIVE | FERRY_HAS_BOUNDARIES | FERRY_HAS_HOST);
    ck_assert_receives(&server, "question");
    ck_assert_int_eq(server.ops->receive(&server, inbox, &message, 1), 1);
    ck_assert_uint_eq(message.size, 0);
    ck_assert_ptr_null(message.sender);
    ck_assert_int_eq(link_send_text(&server, "answer"), 1);
    ck_assert_receives(&client, "answer");
    server.ops->peer(&server, text, sizeof(text));
    ck_assert_int_eq(strncmp(text, "udp:127.0.0.1:", 14), 0);
    ferry_inbox_free(inbox);
    server.ops->close(&server);
    client.ops->close(&client);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(udp_tells_that_nobody_is_there)
{
    struct listening listening = listen_at(address_of("udp:0"));
    struct link client = dial_to(address_of("udp:%u", listening.bound->port));
    char text[64];

    listening.ops->close(&listening);
    ck_assert_int_eq(link_send_text(&client, "anyone?"), 1);
    ck_assert_int_eq(link_receive_text(&client, text, sizeof(text)), -ECONNREFUSED);
    client.ops->close(&client);
}
END_TEST

START_TEST(how_a_group_is_joined_without_one_is_an_error)
{
    static const char *const options[] = { "source=10.0.0.1", "interface=lo" };
    struct listening listening;
    struct ferry_error error = { 0 };

    for (size_t i = 0; i < COUNT_OF(options); i++) {
        struct ferry_address *address = address_of("udp:127.0.0.1:0,%s", options[i]);
        ck_assert_int_eq(transport_listen(address, NULL, &listening, &error), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error.reason, "there is none"));
        ferry_address_free(address);
    }
}
END_TEST

START_TEST(inet_passes_no_descriptors)
{
    static const char *const schemes[] = { "tcp", "udp" };
    struct listening listening = listen_at(address_of("%s:0", schemes[_i]));
    struct link client = dial_to(address_of("%s:%u", schemes[_i], listening.bound->port));
    int zero = 0;
    struct iovec buffer = { "x", 1 };
    struct ferry_outgoing outgoing = {
        .buffers = &buffer, .buffer_count = 1, .descriptors = &zero, .descriptor_count = 1
    };

    connected(&client);
    ck_assert_int_eq(client.ops->send(&client, &outgoing, 1), -EOPNOTSUPP);
    client.ops->close(&client);
    listening.ops->close(&listening);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/inet");
    TCase *cases = tcase_create("inet");

    tcase_set_timeout(cases, 30);
    tcase_add_test(cases, tcp_listens_on_the_port_it_says);
    tcase_add_test(cases, tcp_of_every_address_takes_both_families);
    tcase_add_test(cases, tcp_by_name_and_by_ipv6);
    tcase_add_test(cases, tcp_links_have_their_options_and_capabilities);
    tcase_add_test(cases, tcp_restarts_at_once);
    tcase_add_test(cases, tcp_refusal_is_told);
    tcase_add_test(cases, taken_port_is_told);
    tcase_add_test(cases, tcp_binds_where_it_is_told);
    tcase_add_test(cases, unknown_host_is_told);
    tcase_add_test(cases, udp_messages_and_answers);
    tcase_add_test(cases, udp_tells_that_nobody_is_there);
    tcase_add_test(cases, how_a_group_is_joined_without_one_is_an_error);
    tcase_add_loop_test(cases, inet_passes_no_descriptors, 0, 2);
    suite_add_tcase(suite, cases);
    return scratch_run(suite);
}
