/* test_resolve.c - names to addresses, from the hosts file and from a name server of our own. */
#include "process/resolve.h"
#include "suite.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ferry_loop *loop;
static int server;
static char servers[32];
static unsigned queries;

static int calls, code;
static size_t count;
static char found[8][64];

static void on_done(
    int result, const char *const *hosts, size_t host_count, const char *reason, void *data)
{
    (void)data;
    ck_assert_ptr_nonnull(reason);
    calls++;
    code = result;
    count = host_count;
    for (size_t i = 0; i < host_count && i < 8; i++)
        snprintf(found[i], sizeof(found[i]), "%s", hosts[i]);
}

static bool was_found(const char *host)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(found[i], host) == 0)
            return true;
    return false;
}

/* Answers every A question with 192.0.2.7 and every AAAA with 2001:db8::7; names that begin with
 * "no" do not exist. The answer repeats the question, then points back at its name. */
static void on_query(struct ferry_source *source, unsigned events, void *data)
{
    static const unsigned char a[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7 };
    static const unsigned char aaaa[] = { 0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16, 0x20, 0x01,
        0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7 };
    unsigned char packet[512];
    struct sockaddr_in from;
    socklen_t from_size = sizeof(from);
    (void)source;
    (void)events;
    (void)data;
    ssize_t size =
        recvfrom(server, packet, sizeof(packet), 0, (struct sockaddr *)&from, &from_size);
    if (size < 17)
        return;
    queries++;
    bool missing = memcmp(packet + 13, "no", 2) == 0;
    size_t end = 12;
    while (packet[end])
        end += packet[end] + 1u;
    bool six = packet[end + 2] == 28;
    end += 5;
    packet[2] = 0x81;
    packet[3] = missing ? 0x83 : 0x80;
    packet[7] = missing ? 0 : 1;
    packet[9] = packet[11] = 0;
    const unsigned char *answer = six ? aaaa : a;
    size_t answer_size = six ? sizeof(aaaa) : sizeof(a);
    if (!missing) {
        memcpy(packet + end, answer, answer_size);
        end += answer_size;
    }
    sendto(server, packet, end, 0, (struct sockaddr *)&from, from_size);
}

static void setup(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof(address);
    struct ferry_source *source;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(ferry_loop_new(FERRY_EPOLL, &loop), 0);
    server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(server, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(getsockname(server, (struct sockaddr *)&address, &size), 0);
    snprintf(servers, sizeof(servers), "127.0.0.1:%d", ntohs(address.sin_port));
    ck_assert_int_eq(ferry_loop_watch(loop, server, FERRY_READABLE, on_query, NULL, &source), 0);
}

static void teardown(void)
{
    ferry_loop_free(loop);
    close(server);
}

static void resolve(const char *host)
{
    struct resolve *resolving;
    ck_assert_int_eq(resolve_start(loop, host, servers, on_done, NULL, &resolving), 0);
    ck_assert_int_eq(calls, 0);
    for (int i = 0; i < 200 && !calls; i++)
        ck_assert_int_ge(ferry_loop_turn(loop, 50), 0);
    ck_assert_int_eq(calls, 1);
}

START_TEST(test_from_the_hosts_file)
{
    resolve("localhost");
    ck_assert_int_eq(code, 0);
    ck_assert(was_found("127.0.0.1"));
    ck_assert_uint_eq(queries, 0);
}
END_TEST

START_TEST(test_from_a_name_server)
{
    resolve("docker.example.");
    ck_assert_int_eq(code, 0);
    ck_assert_uint_eq(count, 2);
    ck_assert(was_found("192.0.2.7"));
    ck_assert(was_found("2001:db8::7"));
    ck_assert_uint_eq(queries, 2);
}
END_TEST

START_TEST(test_no_such_name)
{
    resolve("nothing.example.");
    ck_assert_int_eq(code, -ENOENT);
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(test_stopped_says_nothing)
{
    struct resolve *resolving;
    ck_assert_int_eq(resolve_start(loop, "a.example.", servers, on_done, NULL, &resolving), 0);
    resolve_stop(resolving);
    resolve_stop(NULL);
    for (int i = 0; i < 5; i++)
        ck_assert_int_ge(ferry_loop_turn(loop, 10), 0);
    ck_assert_int_eq(calls, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process/resolve");
    TCase *cases = tcase_create("resolve");
    tcase_set_timeout(cases, 20);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_from_the_hosts_file);
    tcase_add_test(cases, test_from_a_name_server);
    tcase_add_test(cases, test_no_such_name);
    tcase_add_test(cases, test_stopped_says_nothing);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
