/* join_inet.c - the other end of TCP and UDP sockets on this machine, which no kernel tells: found
 * by the addresses. */
#include "base/hash.h"
#include "base/host.h"
#include "endpoints/table.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* IPv4 in IPv6 is IPv4: one end may be of one family, the other of the other. */
struct flow {
    unsigned char from[16], to[16];
    uint16_t from_port, to_port;
    uint16_t kind; /* as wide as the rest: no padding, which would be compared too */
};

static struct flow flow_of(const struct ferry_endpoint *row, bool reverse)
{
    const struct ferry_inet *inet = row->inet;
    struct flow flow = { .kind = row->kind };

    host_map(reverse ? inet->remote : inet->local, row->family, flow.from);
    host_map(reverse ? inet->local : inet->remote, row->family, flow.to);
    flow.from_port = reverse ? inet->remote_port : inet->local_port;
    flow.to_port = reverse ? inet->local_port : inet->remote_port;
    return flow;
}

static uint64_t flow_hash(const struct flow *flow)
{
    return hash_add(HASH_EMPTY, flow, sizeof(*flow));
}

static bool flow_equal(const struct flow *one, const struct flow *other)
{
    return memcmp(one, other, sizeof(*one)) == 0;
}

/* Whether it can have a counterpart: a connection that is one still. */
static bool is_connected(const struct ferry_endpoint *row)
{
    return row->inet && row->kind != FERRY_ENDPOINT_RAW && row->inet->remote_port != 0 &&
           row->state != FERRY_STATE_TIME_WAIT;
}

struct flows {
    uint32_t *slots; /* row + 1 */
    size_t size;     /* a power of two */
};

static int flows_index(struct rows *rows, struct flows *flows)
{
    size_t count = 0;

    for (size_t i = 0; i < rows->count; i++)
        count += is_connected(&rows->data[i]);
    flows->size = 64;
    while (flows->size < count * 2)
        flows->size *= 2;
    flows->slots = calloc(flows->size, sizeof(*flows->slots));
    if (!flows->slots)
        return -ENOMEM;
    for (size_t i = 0; i < rows->count; i++) {
        if (!is_connected(&rows->data[i]))
            continue;
        struct flow flow = flow_of(&rows->data[i], false);
        size_t slot = flow_hash(&flow) & (flows->size - 1);
        while (flows->slots[slot])
            slot = (slot + 1) & (flows->size - 1);
        flows->slots[slot] = (uint32_t)(i + 1);
    }
    return 0;
}

/* The same network before another; each has a loopback of its own. Two machines' worth of
 * namespaces may use the same addresses: of several elsewhere none is known to be the one. */
static struct ferry_endpoint *flow_find(
    struct rows *rows, const struct flows *flows, const struct ferry_endpoint *row)
{
    struct flow wanted = flow_of(row, true);
    struct ferry_endpoint *found = NULL;
    unsigned elsewhere = 0;
    size_t slot = flow_hash(&wanted) & (flows->size - 1);

    for (; flows->slots[slot]; slot = (slot + 1) & (flows->size - 1)) {
        struct ferry_endpoint *other = &rows->data[flows->slots[slot] - 1];
        struct flow flow = flow_of(other, false);
        if (other == row || !flow_equal(&flow, &wanted))
            continue;
        if (other->network == row->network)
            return other;
        found = other;
        elsewhere++;
    }
    return elsewhere == 1 && !host_is_loopback(wanted.from, AF_INET6) ? found : NULL;
}

/* UDP sockets that are not connected, by their port: whoever connects thousands must not make us
 * look at all for each. */
struct servers {
    uint32_t *start; /* of a port's; the next one's is its end */
    struct ferry_endpoint **data;
};

enum { PORT_COUNT = 65536 };

static bool is_server(const struct ferry_endpoint *row)
{
    return row->kind == FERRY_ENDPOINT_UDP && row->inet && !row->inet->remote_port;
}

static void servers_fini(struct servers *servers)
{
    free(servers->start);
    free(servers->data);
}

/* Each behind those of lower ports, and of its own in the order of the rows. */
static int servers_index(struct rows *rows, struct servers *servers)
{
    size_t count = 0;

    for (size_t i = 0; i < rows->count; i++)
        count += is_server(&rows->data[i]);
    servers->start = calloc(PORT_COUNT + 2, sizeof(*servers->start));
    servers->data = calloc(count + 1, sizeof(*servers->data));
    if (!servers->start || !servers->data)
        return -ENOMEM;
    for (size_t i = 0; i < rows->count; i++)
        if (is_server(&rows->data[i]))
            servers->start[rows->data[i].inet->local_port + 2]++;
    for (size_t port = 2; port < PORT_COUNT + 2; port++)
        servers->start[port] += servers->start[port - 1];
    for (size_t i = 0; i < rows->count; i++)
        if (is_server(&rows->data[i]))
            servers->data[servers->start[rows->data[i].inet->local_port + 1]++] = &rows->data[i];
    return 0;
}

/* A connected UDP socket's server: not connected itself, at the address that is sent to, or at any
 * if that is surely one of this machine's. */
static struct ferry_endpoint *server_find(
    const struct servers *servers, const struct ferry_endpoint *row)
{
    struct flow flow = flow_of(row, false);
    bool own = host_is_loopback(flow.to, AF_INET6) || memcmp(flow.to, flow.from, 16) == 0;

    for (uint32_t i = servers->start[flow.to_port]; i < servers->start[flow.to_port + 1]; i++) {
        struct ferry_endpoint *other = servers->data[i];
        if (other->network != row->network)
            continue;
        struct flow there = flow_of(other, false);
        bool any = host_is_any(other->inet->local, other->family);
        bool family = other->family == row->family || other->family == AF_INET6;
        if ((any && own && family) || memcmp(there.from, flow.to, 16) == 0)
            return other;
    }
    return NULL;
}

int join_inet(struct ferry_endpoints *table)
{
    struct rows *rows = &table->rows;
    struct flows flows;
    struct servers servers = { 0 };
    int code = flows_index(rows, &flows);

    if (code == 0)
        code = servers_index(rows, &servers);
    for (size_t i = 0; i < rows->count && code == 0; i++) {
        struct ferry_endpoint *row = &rows->data[i];
        if (!is_connected(row))
            continue;
        struct ferry_endpoint *peer = flow_find(rows, &flows, row);
        if (!peer && row->kind == FERRY_ENDPOINT_UDP)
            peer = server_find(&servers, row);
        row->peer = peer;
        row->peer_inode = peer ? peer->inode : 0;
    }
    free(flows.slots);
    servers_fini(&servers);
    return code;
}
