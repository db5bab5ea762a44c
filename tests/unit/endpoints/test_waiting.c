/* test_waiting.c - who waits in which backlog, on made-up rows. */
#include "base/array.h"
#include "endpoints/table.h"
#include "suite.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct ferry_endpoints table;
static struct ferry_namespace here, elsewhere;
static struct ferry_inet inets[16];
static size_t inet_count;

static void setup(void)
{
    memset(&table, 0, sizeof(table));
    memset(inets, 0, sizeof(inets));
    inet_count = 0;
    table.kinds = FERRY_ENDPOINTS_SOCKETS;
}

static void teardown(void)
{
    free(table.rows.data);
    free(table.rows.index);
    free(table.clients);
    free(table.waits);
    arena_fini(&table.arena);
}

/* --- rows; each returns its index ------------------------------------------------------------- */

static size_t add(unsigned kind, unsigned state, unsigned family, uint64_t inode)
{
    struct ferry_endpoint *row = table_add_row(&table);

    ck_assert_ptr_nonnull(row);
    row->kind = (unsigned char)kind;
    row->state = (unsigned char)state;
    row->family = (unsigned char)family;
    row->inode = inode;
    row->network = &here;
    return table.rows.count - 1;
}

static size_t add_listener(uint64_t inode, unsigned waiting)
{
    size_t index = add(FERRY_ENDPOINT_UNIX_STREAM, FERRY_STATE_LISTENING, AF_UNIX, inode);

    table.rows.data[index].receive_queue = waiting;
    return index;
}

/* Connected, and the kernel names no peer: it waits, or has lost it. */
static size_t add_client(uint64_t inode)
{
    size_t index = add(FERRY_ENDPOINT_UNIX_STREAM, FERRY_STATE_ESTABLISHED, AF_UNIX, inode);

    table.rows.data[index].peer_gone = true;
    return index;
}

static void note(uint32_t listener, uint32_t client)
{
    ck_assert(
        array_reserve(&table.waits, table.wait_count, &table.wait_capacity, sizeof(*table.waits)));
    table.waits[table.wait_count++] = (struct wait){ listener, client };
}

static void find(void)
{
    ck_assert_int_eq(join_index(&table), 0);
    ck_assert_int_eq(waiting_find(&table), 0);
    join_clients(&table);
}

static void check_waits(size_t client, size_t listener)
{
    const struct ferry_endpoint *row = &table.rows.data[client];

    ck_assert_int_eq(row->state, FERRY_STATE_WAITING);
    ck_assert(!row->peer_gone);
    ck_assert_ptr_eq(row->listener, &table.rows.data[listener]);
}

static void check_clients(size_t listener, const size_t *clients, unsigned count)
{
    const struct ferry_endpoint *row = &table.rows.data[listener], *at = row->clients;

    ck_assert_uint_eq(row->client_count, count);
    for (unsigned i = 0; i < count; i++, at = at->next)
        ck_assert_ptr_eq(at, &table.rows.data[clients[i]]);
    ck_assert_ptr_null(at);
}

/* --- unix ------------------------------------------------------------------------------------- */

START_TEST(as_the_kernel_tells)
{
    size_t one = add_listener(10, 2), other = add_listener(11, 1);
    size_t clients[] = { add_client(20), add_client(21), add_client(22) };

    note(10, 22); /* the longest waiting first */
    note(10, 20);
    note(11, 21);
    find();
    check_waits(clients[2], one);
    check_waits(clients[0], one);
    check_waits(clients[1], other);
    check_clients(one, (size_t[]){ clients[2], clients[0] }, 2);
    check_clients(other, &clients[1], 1);
    ck_assert_uint_eq(table.gaps.ambiguous_backlogs, 0);
}
END_TEST

/* Notes of what has gone, twice the same, or of what is connected by now. */
START_TEST(notes_that_no_longer_hold)
{
    size_t listener = add_listener(10, 1);
    size_t client = add_client(20), connected = add_client(21);

    table.rows.data[connected].peer_gone = false;
    table.rows.data[connected].peer_inode = 77;
    note(10, 20);
    note(10, 20);
    note(10, 21);
    note(10, 99);
    note(99, 20);
    note(10, 0);
    find();
    check_waits(client, listener);
    check_clients(listener, &client, 1);
    ck_assert_int_eq(table.rows.data[connected].state, FERRY_STATE_ESTABLISHED);
}
END_TEST

START_TEST(by_elimination)
{
    size_t full = add_listener(10, 3), told = add_listener(11, 1), idle = add_listener(12, 0);
    size_t clients[] = { add_client(20), add_client(21), add_client(22) };
    size_t known = add_client(23), lost = add_client(24);

    table.rows.data[lost].shutdown = FERRY_SHUT_RECEIVE | FERRY_SHUT_SEND;
    note(11, 23);
    find();
    for (size_t i = 0; i < 3; i++)
        check_waits(clients[i], full);
    check_waits(known, told);
    check_clients(full, clients, 3);
    check_clients(idle, NULL, 0);
    ck_assert_int_eq(table.rows.data[lost].state, FERRY_STATE_ESTABLISHED);
    ck_assert(table.rows.data[lost].peer_gone);
    ck_assert_uint_eq(table.gaps.ambiguous_backlogs, 0);
}
END_TEST

/* They wait, but for whom is not said. */
static void check_unknown(const size_t *clients, size_t count, unsigned listeners)
{
    find();
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(table.rows.data[clients[i]].state, FERRY_STATE_WAITING);
        ck_assert_ptr_null(table.rows.data[clients[i]].listener);
    }
    ck_assert_uint_eq(table.gaps.ambiguous_backlogs, listeners);
    ck_assert_uint_eq(table.client_count, 0);
}

START_TEST(two_listeners_are_not_told_apart)
{
    add_listener(10, 1);
    add_listener(11, 1);
    check_unknown((size_t[]){ add_client(20), add_client(21) }, 2, 2);
}
END_TEST

START_TEST(another_count_is_not_trusted)
{
    add_listener(10, 3);
    check_unknown((size_t[]){ add_client(20), add_client(21) }, 2, 1);
}
END_TEST

/* Datagram sockets have no backlog; who has lost the peer waits for nobody. */
START_TEST(who_does_not_wait)
{
    size_t datagram = add(FERRY_ENDPOINT_UNIX_DATAGRAM, FERRY_STATE_ESTABLISHED, AF_UNIX, 20);
    size_t client = add_client(21);

    table.rows.data[datagram].peer_gone = true;
    table.rows.data[client].shutdown = FERRY_SHUT_RECEIVE | FERRY_SHUT_SEND;
    add_listener(10, 0);
    find();
    ck_assert_int_eq(table.rows.data[datagram].state, FERRY_STATE_ESTABLISHED);
    ck_assert_int_eq(table.rows.data[client].state, FERRY_STATE_ESTABLISHED);
    ck_assert(table.rows.data[client].peer_gone);
}
END_TEST

/* Its listener may be one that we can't see, or have accepted it while we looked. */
START_TEST(who_waits_where_nobody_counts_it)
{
    size_t client = add_client(21);

    add_listener(10, 0);
    find();
    ck_assert_int_eq(table.rows.data[client].state, FERRY_STATE_WAITING);
    ck_assert_ptr_null(table.rows.data[client].listener);
    ck_assert(!table.rows.data[client].peer_gone);
}
END_TEST

/* --- TCP -------------------------------------------------------------------------------------- */

static size_t add_tcp(unsigned state, int family, const char *local, uint16_t port, uint64_t inode)
{
    size_t index = add(FERRY_ENDPOINT_TCP, state, (unsigned)family, inode);
    struct ferry_inet *inet = &inets[inet_count++];

    ck_assert_int_eq(inet_pton(family, local, inet->local), 1);
    inet->local_port = port;
    table.rows.data[index].inet = inet;
    table.rows.data[index].receive_queue = state == FERRY_STATE_LISTENING;
    return index;
}

START_TEST(the_very_address_before_any)
{
    size_t any = add_tcp(FERRY_STATE_LISTENING, AF_INET, "0.0.0.0", 80, 10);
    size_t very = add_tcp(FERRY_STATE_LISTENING, AF_INET, "127.0.0.1", 80, 11);
    size_t near = add_tcp(FERRY_STATE_ESTABLISHED, AF_INET, "127.0.0.1", 80, 0);
    size_t far = add_tcp(FERRY_STATE_CLOSE_WAIT, AF_INET, "10.0.0.1", 80, 0);

    find();
    check_waits(near, very);
    check_waits(far, any);
}
END_TEST

START_TEST(a_listener_of_both_families)
{
    size_t both = add_tcp(FERRY_STATE_LISTENING, AF_INET6, "::", 80, 10);
    size_t four = add_tcp(FERRY_STATE_ESTABLISHED, AF_INET, "127.0.0.1", 80, 0);
    size_t mapped = add_tcp(FERRY_STATE_ESTABLISHED, AF_INET6, "::ffff:127.0.0.1", 80, 0);
    size_t six = add_tcp(FERRY_STATE_ESTABLISHED, AF_INET6, "::1", 80, 0);

    find();
    check_clients(both, (size_t[]){ four, mapped, six }, 3);
}
END_TEST

START_TEST(who_waits_for_no_listener_of_these)
{
    size_t others[4];

    add_tcp(FERRY_STATE_LISTENING, AF_INET, "0.0.0.0", 80, 10);
    others[0] = add_tcp(FERRY_STATE_ESTABLISHED, AF_INET, "127.0.0.1", 81, 0);
    others[1] = add_tcp(FERRY_STATE_ESTABLISHED, AF_INET6, "::1", 80, 0);
    others[2] = add_tcp(FERRY_STATE_ESTABLISHED, AF_INET, "127.0.0.1", 80, 20); /* accepted */
    others[3] = add_tcp(FERRY_STATE_ESTABLISHED, AF_INET, "127.0.0.1", 80, 0);
    table.rows.data[others[3]].network = &elsewhere;
    size_t ended = add_tcp(FERRY_STATE_TIME_WAIT, AF_INET, "127.0.0.1", 80, 0);
    find();
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(table.rows.data[others[i]].state, FERRY_STATE_ESTABLISHED);
    ck_assert_int_eq(table.rows.data[ended].state, FERRY_STATE_TIME_WAIT);
    ck_assert_uint_eq(table.client_count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoints/waiting");
    TCase *tests = tcase_create("waiting");

    tcase_set_timeout(tests, 10);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, as_the_kernel_tells);
    tcase_add_test(tests, notes_that_no_longer_hold);
    tcase_add_test(tests, by_elimination);
    tcase_add_test(tests, two_listeners_are_not_told_apart);
    tcase_add_test(tests, another_count_is_not_trusted);
    tcase_add_test(tests, who_does_not_wait);
    tcase_add_test(tests, who_waits_where_nobody_counts_it);
    tcase_add_test(tests, the_very_address_before_any);
    tcase_add_test(tests, a_listener_of_both_families);
    tcase_add_test(tests, who_waits_for_no_listener_of_these);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
