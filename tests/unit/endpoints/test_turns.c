/* test_turns.c - a table that asks in turns says the same as one that is made anew.
 *
 * The sockets are the test's own. What others have is none of it, but others that come and go keep
 * looks from being light; that there are light ones, a trace of the program shows (test_top.py).
 */
#include "base/cleanup.h"
#include "endpoints/limits.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <ferry/endpoints.h>
#include <libmnl/libmnl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKETS_MAX 64

static int sockets[SOCKETS_MAX];
static size_t socket_count;
static struct ferry_endpoints *in_turns;
static unsigned looks; /* of it */
static struct ferry_error error;

static bool asks_of_one_fail;

/* In the place of libmnl's, which does the same without a condition. */
ssize_t mnl_socket_sendto(const struct mnl_socket *netlink, const void *request, size_t size)
{
    const struct nlmsghdr *header = request;
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

    if (asks_of_one_fail && !(header->nlmsg_flags & NLM_F_DUMP)) {
        errno = ENOBUFS;
        return -1;
    }
    return sendto(
        mnl_socket_get_fd(netlink), request, size, 0, (struct sockaddr *)&kernel, sizeof(kernel));
}

static struct ferry_endpoints *table_new(unsigned gather)
{
    struct ferry_endpoints_options options = { .struct_size = sizeof(options), .gather = gather };
    struct ferry_endpoints *table;

    ck_assert_int_eq(ferry_endpoints_new(&options, &table, &error), 0);
    return table;
}

static void refresh(unsigned times)
{
    for (unsigned i = 0; i < times; i++, looks++)
        ck_assert_int_eq(ferry_endpoints_refresh(in_turns, &error), 0);
}

static int keep(int fd)
{
    ck_assert_int_ge(fd, 0);
    ck_assert_uint_lt(socket_count, SOCKETS_MAX);
    return sockets[socket_count++] = fd;
}

static void pair(int type, int ret_ends[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, type, 0, ret_ends), 0);
    keep(ret_ends[0]);
    keep(ret_ends[1]);
}

static socklen_t address_of(struct sockaddr_un *address, const char *name)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    int length = snprintf(
        address->sun_path + 1, sizeof(address->sun_path) - 1, "turns-%d-%s", getpid(), name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static int bound(int type, const char *name)
{
    struct sockaddr_un address;
    socklen_t size = address_of(&address, name);
    int fd = keep(socket(AF_UNIX, type, 0));

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    return fd;
}

static int dial(int fd, const char *name)
{
    struct sockaddr_un address;
    socklen_t size = address_of(&address, name);

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, size), 0);
    return fd;
}

static void forget(int fd)
{
    for (size_t i = 0; i < socket_count; i++)
        if (sockets[i] == fd)
            sockets[i] = sockets[--socket_count];
    close(fd);
}

static uint64_t inode_of(const struct ferry_endpoint *row)
{
    return row ? row->inode : 0;
}

static void check_same(const struct ferry_endpoint *one, const struct ferry_endpoint *other)
{
    ck_assert_ptr_nonnull(one);
    ck_assert_ptr_nonnull(other);
    ck_assert_uint_eq(one->cookie, other->cookie);
    ck_assert_uint_eq(one->state, other->state);
    ck_assert_uint_eq(one->shutdown, other->shutdown);
    ck_assert_uint_eq(one->peer_inode, other->peer_inode);
    ck_assert_uint_eq(inode_of(one->peer), inode_of(other->peer));
    ck_assert_int_eq(one->peer_gone, other->peer_gone);
    ck_assert_uint_eq(inode_of(one->listener), inode_of(other->listener));
    ck_assert_uint_eq(inode_of(one->clients), inode_of(other->clients));
    ck_assert_uint_eq(one->receive_queue, other->receive_queue);
    ck_assert_uint_eq(one->uid, other->uid);
    ck_assert_uint_eq(one->send_queue, other->send_queue);
    ck_assert_uint_eq(one->owner_count, other->owner_count);
    ck_assert_int_eq(one->has_memory, other->has_memory);
    ck_assert_mem_eq(one->memory, other->memory, FERRY_MEMORY_COUNT * sizeof(one->memory[0]));
}

/* Looks once, and compares with what is so. */
static void check_sockets(void)
{
    refresh(1);
    struct ferry_endpoints *anew = table_new(0);
    for (size_t i = 0; i < socket_count; i++) {
        struct stat status;
        ck_assert_int_eq(fstat(sockets[i], &status), 0);
        check_same(ferry_endpoints_find(in_turns, status.st_ino),
            ferry_endpoints_find(anew, status.st_ino));
    }
    ferry_endpoints_free(anew);
}

/* Nothing new at several looks; the next four do not ask for everything. */
static void calm(void)
{
    do
        refresh(1);
    while (looks % LOOK_TURNS != 3);
    check_sockets();
}

static void setup(void)
{
    socket_count = 0;
    looks = 1;
    in_turns = table_new(FERRY_GATHER_USUAL | FERRY_GATHER_IN_TURNS);
}

static void teardown(void)
{
    ferry_endpoints_free(in_turns);
    for (size_t i = 0; i < socket_count; i++)
        close(sockets[i]);
}

/* --- the cases -------------------------------------------------------------------------------- */

START_TEST(queues_are_those_of_now)
{
    int stream[2], datagrams[2];
    pair(SOCK_STREAM, stream);
    pair(SOCK_DGRAM, datagrams);
    ck_assert_int_eq(setsockopt(stream[0], SOL_SOCKET, SO_SNDBUF, &(int){ 9999 }, sizeof(int)), 0);
    calm();
    ck_assert_int_eq(send(stream[0], "four", 4, 0), 4);
    ck_assert_int_eq(send(datagrams[1], "datagram", 8, 0), 8);
    check_sockets();
}
END_TEST

START_TEST(who_connects_has_its_peer_at_once)
{
    int ends[2];
    pair(SOCK_STREAM, ends);
    int server = bound(SOCK_STREAM, "server");
    ck_assert_int_eq(listen(server, 5), 0);
    int client = keep(socket(AF_UNIX, SOCK_STREAM, 0));
    calm();
    dial(client, "server");
    check_sockets(); /* it waits */
    calm();
    keep(accept(server, NULL, NULL));
    check_sockets();
    calm();
    dial(keep(socket(AF_UNIX, SOCK_STREAM, 0)), "server");
    keep(accept(server, NULL, NULL));
    check_sockets();
    pair(SOCK_SEQPACKET, ends);
    check_sockets();
}
END_TEST

START_TEST(more_than_are_asked_for_one_by_one)
{
    calm();
    for (unsigned i = 0; i < CHANGED_MAX; i++) {
        int ends[2];
        pair(SOCK_STREAM, ends);
    }
    check_sockets();
    calm();
}
END_TEST

/* What is not known of them now is not taken for what was so at the next look. */
START_TEST(who_could_not_be_asked_for_is_at_the_next_look)
{
    int ends[2];
    calm();
    pair(SOCK_STREAM, ends);
    asks_of_one_fail = true;
    refresh(1);
    asks_of_one_fail = false;
    check_sockets();
}
END_TEST

START_TEST(who_loses_its_peer_is_told_so)
{
    int stream[2], datagrams[2], half[2];
    pair(SOCK_STREAM, stream);
    pair(SOCK_DGRAM, datagrams);
    pair(SOCK_STREAM, half);
    calm();
    forget(stream[1]);
    check_sockets();
    forget(datagrams[1]);
    check_sockets();
    ck_assert_int_eq(shutdown(half[0], SHUT_WR), 0);
    check_sockets();
    calm();
}
END_TEST

START_TEST(who_waits_and_goes)
{
    int server = bound(SOCK_STREAM, "server");
    ck_assert_int_eq(listen(server, 5), 0);
    int first = dial(keep(socket(AF_UNIX, SOCK_STREAM, 0)), "server");
    int second = dial(keep(socket(AF_UNIX, SOCK_STREAM, 0)), "server");
    calm();
    forget(first);
    check_sockets();
    calm();
    forget(server);
    check_sockets();
    calm();
    (void)second;
}
END_TEST

START_TEST(datagrams_that_go_elsewhere_are_seen_in_their_turn)
{
    bound(SOCK_DGRAM, "one");
    bound(SOCK_DGRAM, "other");
    int client = dial(keep(socket(AF_UNIX, SOCK_DGRAM, 0)), "one");
    calm();
    dial(client, "other");
    refresh(LOOK_TURNS);
    check_sockets();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoints/turns");
    TCase *cases = tcase_create("turns");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, queues_are_those_of_now);
    tcase_add_test(cases, who_connects_has_its_peer_at_once);
    tcase_add_test(cases, more_than_are_asked_for_one_by_one);
    tcase_add_test(cases, who_could_not_be_asked_for_is_at_the_next_look);
    tcase_add_test(cases, who_loses_its_peer_is_told_so);
    tcase_add_test(cases, who_waits_and_goes);
    tcase_add_test(cases, datagrams_that_go_elsewhere_are_seen_in_their_turn);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
