/* waiting.c - who waits in which backlog.
 *
 * Of unix listeners the kernel tells the inodes of the clients (UDIAG_SHOW_ICONS), the longest
 * waiting first, but not of one that has more than fit into an answer (rows_unix.c). For that there
 * is elimination: a client that waits has a peer without an inode, and did not lose it (a lost peer
 * shuts both directions down). If there are exactly as many of those as the one listener that is
 * left counts, they are its; else we do not know. Those without any listener wait too: at one that
 * we can't see, or they were accepted while we looked.
 *
 * A TCP connection that was not accepted is established and has no inode; its listener is the one
 * with its local port, at its address rather than at any. Of several at the same (SO_REUSEPORT) we
 * do not know which.
 */
#include "base/array.h"
#include "base/cleanup.h"
#include "base/host.h"
#include "endpoints/table.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static int wait_for(
    struct ferry_endpoints *table, struct ferry_endpoint *listener, struct ferry_endpoint *client)
{
    client->state = FERRY_STATE_WAITING;
    client->peer_gone = false;
    client->listener = listener;
    return client_add(table, listener, client);
}

/* --- unix ------------------------------------------------------------------------------------- */

/* The kernel's word; marks the listeners it was about. */
static int waiting_told(struct ferry_endpoints *table, unsigned char *told)
{
    for (size_t i = 0; i < table->wait_count; i++) {
        const struct wait *wait = &table->waits[i];
        struct ferry_endpoint *listener = join_find(&table->rows, wait->listener, true);
        struct ferry_endpoint *client =
            wait->client ? join_find(&table->rows, wait->client, true) : NULL;
        if (listener)
            told[listener - table->rows.data] = 1;
        if (!listener || !client || client->peer_inode || client->state == FERRY_STATE_WAITING)
            continue;
        if (wait_for(table, listener, client) < 0)
            return -ENOMEM;
    }
    return 0;
}

static bool is_waited_for(const struct ferry_endpoint *row)
{
    return row->family == AF_UNIX && row->state == FERRY_STATE_LISTENING && row->receive_queue > 0;
}

static bool waits_somewhere(const struct ferry_endpoint *row)
{
    return row->family == AF_UNIX && row->kind != FERRY_ENDPOINT_UNIX_DATAGRAM &&
           row->state == FERRY_STATE_ESTABLISHED && row->peer_gone &&
           row->shutdown != (FERRY_SHUT_RECEIVE | FERRY_SHUT_SEND);
}

static int waiting_rest(struct ferry_endpoints *table, const unsigned char *told)
{
    struct ferry_endpoint *listener = NULL;
    size_t left = 0, waiting = 0;

    for (size_t i = 0; i < table->rows.count; i++) {
        struct ferry_endpoint *row = &table->rows.data[i];
        if (is_waited_for(row) && !told[i]) {
            listener = row;
            left++;
        }
        waiting += waits_somewhere(row);
    }
    bool certain = left == 1 && waiting == listener->receive_queue;
    table->gaps.ambiguous_backlogs = certain ? 0 : (unsigned)left;
    for (size_t i = 0; waiting && i < table->rows.count; i++) {
        struct ferry_endpoint *row = &table->rows.data[i];
        if (!waits_somewhere(row))
            continue;
        row->state = FERRY_STATE_WAITING;
        row->peer_gone = false;
        row->listener = certain ? listener : NULL;
        if (certain && client_add(table, listener, row) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int waiting_unix(struct ferry_endpoints *table)
{
    AUTO_FREE unsigned char *told = calloc(table->rows.count + 1, 1);
    int code = told ? waiting_told(table, told) : -ENOMEM;
    return code < 0 ? code : waiting_rest(table, told);
}

/* --- TCP -------------------------------------------------------------------------------------- */

/* How well a listener fits a connection: 0 not at all, 2 its very address, 1 any. */
static int listener_fits(const struct ferry_endpoint *listener, const struct ferry_endpoint *row)
{
    if (listener->kind != FERRY_ENDPOINT_TCP || listener->state != FERRY_STATE_LISTENING ||
        listener->network != row->network || listener->inet->local_port != row->inet->local_port)
        return 0;
    if (listener->inet->interface && listener->inet->interface != row->inet->interface)
        return 0;
    if (listener->family == row->family &&
        memcmp(listener->inet->local, row->inet->local, host_size(row->family)) == 0)
        return 2;
    bool same_family = listener->family == row->family || listener->family == AF_INET6;
    return same_family && host_is_any(listener->inet->local, listener->family);
}

static bool is_unaccepted(const struct ferry_endpoint *row)
{
    return row->kind == FERRY_ENDPOINT_TCP && row->inode == 0 &&
           (row->state == FERRY_STATE_ESTABLISHED || row->state == FERRY_STATE_CLOSE_WAIT);
}

struct listeners {
    struct ferry_endpoint **rows; /* by port: there may be thousands */
    unsigned char *doubtful;      /* it may or may not be that one's */
    size_t count, capacity;
};

static int compare_ports(const void *one, const void *other)
{
    const struct ferry_endpoint *a = *(struct ferry_endpoint *const *)one;
    const struct ferry_endpoint *b = *(struct ferry_endpoint *const *)other;

    if (a->inet->local_port != b->inet->local_port)
        return a->inet->local_port < b->inet->local_port ? -1 : 1;
    return (a > b) - (a < b);
}

/* The first of that port or a higher one. */
static size_t listeners_first(const struct listeners *listeners, unsigned port)
{
    size_t first = 0, end = listeners->count;

    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (listeners->rows[middle]->inet->local_port < port)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

static int listeners_collect(struct ferry_endpoints *table, struct listeners *listeners)
{
    for (size_t i = 0; i < table->rows.count; i++) {
        struct ferry_endpoint *row = &table->rows.data[i];
        if (row->kind != FERRY_ENDPOINT_TCP || row->state != FERRY_STATE_LISTENING ||
            row->receive_queue == 0)
            continue;
        if (!array_reserve(
                &listeners->rows, listeners->count, &listeners->capacity, sizeof(*listeners->rows)))
            return -ENOMEM;
        listeners->rows[listeners->count++] = row;
    }
    if (listeners->count)
        qsort(listeners->rows, listeners->count, sizeof(*listeners->rows), compare_ports);
    listeners->doubtful = calloc(listeners->count + 1, 1);
    return listeners->doubtful ? 0 : -ENOMEM;
}

/* The one that fits best; of several that do, all are doubtful and it is NULL. Returns how many. */
static unsigned listener_find(struct listeners *listeners, const struct ferry_endpoint *row,
    struct ferry_endpoint **ret_listener)
{
    struct ferry_endpoint *found = NULL;
    unsigned equals = 0;
    int best = 0;
    size_t first = listeners_first(listeners, row->inet->local_port);
    size_t end = listeners_first(listeners, row->inet->local_port + 1u);

    for (size_t i = first; i < end; i++) {
        int fit = listener_fits(listeners->rows[i], row);
        if (fit > best) {
            found = listeners->rows[i];
            best = fit;
            equals = 0;
        }
        equals += fit > 0 && fit == best;
    }
    for (size_t i = first; equals > 1 && i < end; i++)
        if (listener_fits(listeners->rows[i], row) == best)
            listeners->doubtful[i] = 1;
    *ret_listener = equals == 1 ? found : NULL;
    return equals;
}

static int waiting_tcp(struct ferry_endpoints *table)
{
    AUTO_FREE struct ferry_endpoint **rows = NULL;
    AUTO_FREE unsigned char *doubtful = NULL;
    struct listeners listeners = { 0 };
    int code = listeners_collect(table, &listeners);

    rows = listeners.rows;
    doubtful = listeners.doubtful;
    for (size_t i = 0; i < table->rows.count && code == 0; i++) {
        struct ferry_endpoint *row = &table->rows.data[i], *listener;
        if (!is_unaccepted(row) || listener_find(&listeners, row, &listener) == 0)
            continue;
        row->state = FERRY_STATE_WAITING;
        code = listener ? wait_for(table, listener, row) : 0;
    }
    for (size_t i = 0; i < listeners.count && code == 0; i++)
        table->gaps.ambiguous_backlogs += listeners.doubtful[i];
    return code;
}

int waiting_find(struct ferry_endpoints *table)
{
    int code = table->kinds & FERRY_ENDPOINTS_UNIX ? waiting_unix(table) : 0;
    return code < 0 ? code : waiting_tcp(table);
}
