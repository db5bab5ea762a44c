/* graph.c - who talks to whom, from a table or a snapshot of endpoints.
 *
 * A connection has two ends, of which one leads: it is counted there and nowhere else. Who is the
 * server: of unix sockets the end with a name, since accept(2) gives it the listener's; of TCP the
 * end at whose port somebody listens; of either, if that does not decide, nobody, or of TCP and UDP
 * the lower port, as people number services. Of a socket that several processes hold, one is shown:
 * not init, which holds for others, and not the one at the other end, whose child has the rest.
 */
#include "command/ls/graph.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "command/view/names.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

void graph_fini(struct graph *graph)
{
    interned_fini(&graph->names);
    interned_fini(&graph->addresses);
    interned_fini(&graph->listening);
    free(graph->nodes);
    free(graph->edges);
}

static bool is_pipe(const struct ferry_endpoint *endpoint)
{
    return endpoint->kind == FERRY_ENDPOINT_PIPE || endpoint->kind == FERRY_ENDPOINT_FIFO;
}

static bool is_ip(const struct ferry_endpoint *endpoint)
{
    return endpoint->inet != NULL;
}

/* --- nodes ------------------------------------------------------------------------------------ */

static const char type_letters[] = "pcunh?";

/* *label goes into the graph. */
static uint32_t node_add(
    struct graph *graph, enum graph_node_type type, pid_t pid, struct bytes *label)
{
    AUTO_BYTES struct bytes name = BYTES_EMPTY;

    bytes_append_char(&name, type_letters[type]);
    if (label->size)
        bytes_append(&name, label->data, label->size);
    if (bytes_failed(&name) || bytes_failed(label))
        return INTERNED_NONE;
    uint32_t node = interned_add(&graph->names, name.data, name.size);
    if (node == INTERNED_NONE || node < graph->node_count)
        return node;
    if (!array_reserve(
            &graph->nodes, graph->node_count, &graph->node_capacity, sizeof(*graph->nodes)))
        return INTERNED_NONE;
    graph->nodes[graph->node_count++] =
        (struct graph_node){ graph->names.texts[node] + 1, type, pid };
    return node;
}

static uint32_t node_of_process(struct graph *graph, const struct ferry_process *process)
{
    AUTO_BYTES struct bytes label = BYTES_EMPTY;
    static const enum graph_node_type types[] = { GRAPH_NODE_PROCESS, GRAPH_NODE_COMMAND,
        GRAPH_NODE_UNIT, GRAPH_NODE_CONTAINER };
    const char *text = NULL;

    switch (graph->by) {
    case GRAPH_BY_PROCESS:
        view_print_process(process, &label);
        break;
    case GRAPH_BY_COMMAND:
        text = process->name;
        break;
    case GRAPH_BY_UNIT:
        text = process->unit ? process->unit : "(no unit)";
        break;
    case GRAPH_BY_CONTAINER:
        text = process->container ? process->container : "(no container)";
        break;
    }
    if (text)
        bytes_append_escaped(&label, text, strlen(text));
    return node_add(
        graph, types[graph->by], graph->by == GRAPH_BY_PROCESS ? process->pid : 0, &label);
}

static uint32_t node_of_unseen(struct graph *graph)
{
    AUTO_BYTES struct bytes label = BYTES_EMPTY;

    bytes_append_text(&label, "(not seen)");
    return node_add(graph, GRAPH_NODE_UNSEEN, 0, &label);
}

/* The remote address without its port. */
static uint32_t node_of_host(struct graph *graph, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes label = BYTES_EMPTY;

    view_print_remote(endpoint, &label);
    char *port = bytes_failed(&label) || !label.data ? NULL : strrchr(label.data, ':');
    if (port)
        label.size = (size_t)(port - label.data);
    return node_add(graph, GRAPH_NODE_HOST, 0, &label);
}

/* Who is shown of an end's owners; NULL: nobody is seen. */
static const struct ferry_process *owner_pick(
    const struct ferry_endpoint *endpoint, const struct ferry_process *other)
{
    const struct ferry_process *picked = NULL;

    for (unsigned i = 0; i < endpoint->owner_count; i++) {
        const struct ferry_process *process = endpoint->owners[i].process;
        bool better = !picked || (picked->pid == 1 && process->pid != 1) ||
                      (picked == other && process != other && process->pid != 1);
        if (better)
            picked = process;
    }
    return picked;
}

/* --- direction -------------------------------------------------------------------------------- */

/* How the place where an endpoint is, or could have been accepted, is written among those where
 * somebody listens. */
static size_t place_print(const struct ferry_endpoint *endpoint, char text[64])
{
    return (size_t)snprintf(text, 64, "%u %" PRIx64 " %u", endpoint->kind,
        endpoint->network ? endpoint->network->inode : 0, endpoint->inet->local_port);
}

static int listening_add(struct graph *graph, const struct graph_source *source)
{
    char place[64];

    interned_fini(&graph->listening);
    for (size_t i = 0; i < source->count; i++) {
        const struct ferry_endpoint *endpoint = source->endpoints[i];
        uint32_t word = 0;
        if (endpoint->state != FERRY_STATE_LISTENING)
            continue;
        if (is_ip(endpoint))
            word = interned_add(&graph->listening, place, place_print(endpoint, place));
        else if (endpoint->name_size)
            word = interned_add(&graph->listening, endpoint->name, endpoint->name_size);
        if (word == INTERNED_NONE)
            return -ENOMEM;
    }
    return 0;
}

static bool is_listened_at(const struct graph *graph, const struct ferry_endpoint *endpoint)
{
    char place[64];
    uint32_t word = is_ip(endpoint)
                        ? interned_find(&graph->listening, place, place_print(endpoint, place))
                        : interned_find(&graph->listening, endpoint->name, endpoint->name_size);

    return word != INTERNED_NONE;
}

/* A connection: the two ends, either may be missing. */
struct ends {
    const struct ferry_endpoint *client, *server;
    const struct ferry_endpoint *address; /* whose local address is the server's; NULL: none, or the
                                             client's remote one */
    bool directed, waiting;
};

static struct ends ends_swapped(struct ends ends)
{
    const struct ferry_endpoint *client = ends.client;

    ends.client = ends.server;
    ends.server = client;
    return ends;
}

static struct ends ends_unix(
    const struct graph *graph, const struct ferry_endpoint *one, const struct ferry_endpoint *other)
{
    struct ends ends = { .client = one, .server = other };
    bool names = one->name_size > 0, other_names = other->name_size > 0;

    if (names && other_names) {
        names = is_listened_at(graph, one);
        other_names = is_listened_at(graph, other);
    }
    if (names && !other_names)
        ends = ends_swapped(ends);
    ends.directed = names != other_names;
    ends.address = ends.directed ? ends.server : NULL;
    return ends;
}

/* `other` is NULL: on another machine. */
static struct ends ends_inet(
    const struct graph *graph, const struct ferry_endpoint *one, const struct ferry_endpoint *other)
{
    struct ends ends = { .client = one, .server = other, .directed = true };
    bool listened = is_listened_at(graph, one);
    bool other_listened = other && is_listened_at(graph, other);
    uint16_t port = one->inet->local_port, other_port = one->inet->remote_port;

    if (other && listened == other_listened) {
        listened = port < other_port;
        ends.directed = port != other_port;
    }
    if (listened)
        ends = ends_swapped(ends);
    ends.address = ends.server;
    return ends;
}

/* --- which connections there are -------------------------------------------------------------- */

static bool is_mutual(const struct ferry_endpoint *endpoint)
{
    return endpoint->peer && endpoint->peer->peer == endpoint;
}

/* What belongs to no process and waits for none is being taken down. */
static bool is_alive(const struct ferry_endpoint *endpoint)
{
    return (endpoint->inode || endpoint->state == FERRY_STATE_WAITING) &&
           endpoint->kind < FERRY_ENDPOINT_KIND_COUNT;
}

/* Whether a connection is counted at this end. */
static bool leads(const struct ferry_endpoint *endpoint)
{
    const struct ferry_endpoint *peer = endpoint->peer;

    if (!is_alive(endpoint) || endpoint->state == FERRY_STATE_LISTENING)
        return false;
    if (is_pipe(endpoint))
        return endpoint->ends == FERRY_END_WRITE && peer;
    if (endpoint->state == FERRY_STATE_WAITING)
        return true;
    if (is_mutual(endpoint) && is_alive(peer))
        return peer->state != FERRY_STATE_WAITING && endpoint < peer;
    if (is_ip(endpoint))
        return endpoint->inet->remote_port && endpoint->state != FERRY_STATE_TIME_WAIT;
    return peer || (endpoint->peer_inode && !endpoint->peer_gone);
}

static struct ends ends_waiting(const struct ferry_endpoint *endpoint)
{
    /* Of TCP it is the server's end that waits, of unix sockets the client's. */
    if (is_ip(endpoint))
        return (struct ends){ .client = endpoint->peer,
            .server = endpoint,
            .address = endpoint,
            .directed = true,
            .waiting = true };
    return (struct ends){ .client = endpoint,
        .server = endpoint->listener,
        .address = endpoint->listener,
        .directed = true,
        .waiting = true };
}

static struct ends ends_of(const struct graph *graph, const struct ferry_endpoint *endpoint)
{
    const struct ferry_endpoint *peer = endpoint->peer;

    if (endpoint->state == FERRY_STATE_WAITING)
        return ends_waiting(endpoint);
    if (peer && !is_alive(peer))
        peer = NULL;
    if (is_pipe(endpoint) || (peer && peer->peer != endpoint))
        return (struct ends){ endpoint, peer, peer, true, false };
    if (is_ip(endpoint))
        return ends_inet(graph, endpoint, peer);
    if (peer)
        return ends_unix(graph, endpoint, peer);
    /* The other end is out of sight; a name tells which this is. */
    struct ends ends = { .client = endpoint, .directed = endpoint->name_size > 0 };
    if (ends.directed) {
        ends = ends_swapped(ends);
        ends.address = endpoint;
    }
    return ends;
}

/* --- edges ------------------------------------------------------------------------------------ */

/* Bytes on their way. The kernel tells of a stream what the reader has before it, of TCP also what
 * is not acknowledged; of datagrams, and before accept(2), only what memory the sender is charged
 * with. Of pipes nothing. */
static uint64_t queued_size(const struct ferry_endpoint *from, const struct ferry_endpoint *to)
{
    const struct ferry_endpoint *any = from ? from : to;

    if (!any || is_pipe(any))
        return 0;
    if (is_ip(any))
        return (from ? from->send_queue : 0) +
               (to && to->state != FERRY_STATE_LISTENING ? to->receive_queue : 0);
    bool stream = any->kind != FERRY_ENDPOINT_UNIX_DATAGRAM;
    if (stream && to && to->state != FERRY_STATE_LISTENING)
        return to->receive_queue;
    return from && from->state != FERRY_STATE_LISTENING ? from->send_queue : 0;
}

static uint32_t address_add(struct graph *graph, const struct ends *ends)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    if (ends->address)
        view_print_local(ends->address, &text);
    else if (!ends->server && ends->client && is_ip(ends->client))
        view_print_remote(ends->client, &text);
    if (bytes_failed(&text))
        return INTERNED_NONE;
    return interned_add(&graph->addresses, text.size ? text.data : "", text.size);
}

static int edge_add(struct graph *graph, const struct graph_edge *edge)
{
    if (edge->client == INTERNED_NONE || edge->server == INTERNED_NONE ||
        edge->address == INTERNED_NONE)
        return -ENOMEM;
    if (!array_reserve(
            &graph->edges, graph->edge_count, &graph->edge_capacity, sizeof(*graph->edges)))
        return -ENOMEM;
    graph->edges[graph->edge_count++] = *edge;
    return 0;
}

/* Who is at an end; `other` is the process at the other. */
static uint32_t node_of_end(struct graph *graph, const struct ferry_endpoint *end,
    const struct ferry_endpoint *far, const struct ferry_process *process)
{
    if (process)
        return node_of_process(graph, process);
    /* A TCP or UDP socket without a counterpart here has it elsewhere. */
    if (!end && far && is_ip(far) && !far->peer)
        return node_of_host(graph, far);
    return node_of_unseen(graph);
}

static bool is_shared(const struct ferry_endpoint *endpoint)
{
    return endpoint && endpoint->state != FERRY_STATE_LISTENING &&
           view_owner_processes(endpoint) > 1;
}

static unsigned deadlock_of(const struct graph_source *source, const struct ends *ends)
{
    unsigned found = 0;

    if (source->deadlocks && ends->client)
        found = deadlocks_of(source->deadlocks, ends->client);
    if (source->deadlocks && ends->server && !found)
        found = deadlocks_of(source->deadlocks, ends->server);
    if (found)
        source->deadlocks->drawn[found] = true;
    return found;
}

/* Whose the server's end is: a TCP connection that nobody has accepted is the listener's. */
static const struct ferry_endpoint *server_end(const struct ends *ends)
{
    return ends->server && ends->server->listener ? ends->server->listener : ends->server;
}

static int connection_add(struct graph *graph, const struct graph_source *source,
    const struct ends *ends, const struct ferry_process *client)
{
    const struct ferry_endpoint *any = ends->client ? ends->client : ends->server;
    const struct ferry_endpoint *end = server_end(ends);
    const struct ferry_process *server = end ? owner_pick(end, client) : NULL;
    struct graph_edge edge = {
        .client = node_of_end(graph, ends->client, ends->server, client),
        .server = node_of_end(graph, end, ends->client, server),
        .address = address_add(graph, ends),
        .kind = any->kind,
        .directed = ends->directed,
        .before = source->before,
    };

    if (!source->before) {
        edge.count = 1;
        edge.waiting = ends->waiting;
        edge.shared = is_shared(ends->client) || is_shared(ends->server);
        edge.to_server_size = queued_size(ends->client, ends->server);
        edge.to_client_size = queued_size(ends->server, ends->client);
        edge.deadlock = deadlock_of(source, ends);
    }
    return edge_add(graph, &edge);
}

/* Every process that can write into a pipe writes into it, as far as we know. */
static int writers_add(
    struct graph *graph, const struct graph_source *source, const struct ends *ends)
{
    int code = 0;

    for (unsigned i = 0; i < ends->client->owner_count && code == 0; i++) {
        const struct ferry_process *writer = ends->client->owners[i].process;
        if (i == 0 || writer != ends->client->owners[i - 1].process)
            code = connection_add(graph, source, ends, writer);
    }
    return code;
}

static bool is_wanted(const struct graph_source *source, const struct ferry_endpoint *endpoint)
{
    return !source->wanted || (endpoint && source->wanted(endpoint, source->data));
}

int graph_add(struct graph *graph, const struct graph_source *source)
{
    int code = listening_add(graph, source);

    graph->since |= source->before;
    for (size_t i = 0; i < source->count && code == 0; i++) {
        const struct ferry_endpoint *endpoint = source->endpoints[i];
        if (!leads(endpoint))
            continue;
        struct ends ends = ends_of(graph, endpoint);
        if (!is_wanted(source, ends.client) && !is_wanted(source, server_end(&ends)))
            continue;
        if (is_pipe(endpoint))
            code = writers_add(graph, source, &ends);
        else
            code = connection_add(
                graph, source, &ends, ends.client ? owner_pick(ends.client, NULL) : NULL);
    }
    return code;
}

/* --- in order --------------------------------------------------------------------------------- */

static int compare_texts(const char *one, const char *other)
{
    /* "a[9]" before "a[10]" */
    return strverscmp(one, other);
}

static int compare_edges(const void *one, const void *other, void *data)
{
    const struct graph_edge *a = one, *b = other;
    const struct graph *graph = data;
    int order = a->server == b->server
                    ? 0
                    : compare_texts(graph->nodes[a->server].label, graph->nodes[b->server].label);

    if (order == 0 && a->server != b->server)
        order = a->server < b->server ? -1 : 1;
    if (order == 0 && a->kind != b->kind)
        order = a->kind < b->kind ? -1 : 1;
    if (order == 0 && a->directed != b->directed)
        order = a->directed ? -1 : 1;
    if (order == 0 && a->address != b->address)
        order =
            compare_texts(graph->addresses.texts[a->address], graph->addresses.texts[b->address]);
    if (order == 0 && a->address != b->address)
        order = a->address < b->address ? -1 : 1;
    if (order == 0 && a->client != b->client)
        order = compare_texts(graph->nodes[a->client].label, graph->nodes[b->client].label);
    if (order == 0 && a->client != b->client)
        order = a->client < b->client ? -1 : 1;
    return order;
}

static void edge_merge(struct graph_edge *into, const struct graph_edge *edge)
{
    into->count += edge->count;
    into->waiting += edge->waiting;
    into->shared += edge->shared;
    into->before += edge->before;
    into->to_server_size += edge->to_server_size;
    into->to_client_size += edge->to_client_size;
    if (!into->deadlock)
        into->deadlock = edge->deadlock;
}

/* Between two that nobody connected, it is chance which one is called the server. */
static void edge_turn(const struct graph *graph, struct graph_edge *edge)
{
    if (edge->directed ||
        compare_texts(graph->nodes[edge->server].label, graph->nodes[edge->client].label) <= 0)
        return;
    uint32_t node = edge->server;
    uint64_t size = edge->to_server_size;
    edge->server = edge->client;
    edge->client = node;
    edge->to_server_size = edge->to_client_size;
    edge->to_client_size = size;
}

void graph_finish(struct graph *graph)
{
    size_t kept = 0;

    for (size_t i = 0; i < graph->edge_count; i++)
        edge_turn(graph, &graph->edges[i]);
    if (graph->edge_count)
        qsort_r(graph->edges, graph->edge_count, sizeof(*graph->edges), compare_edges, graph);
    for (size_t i = 0; i < graph->edge_count; i++) {
        const struct graph_edge *edge = &graph->edges[i];
        if (kept && compare_edges(&graph->edges[kept - 1], edge, graph) == 0)
            edge_merge(&graph->edges[kept - 1], edge);
        else
            graph->edges[kept++] = *edge;
    }
    graph->edge_count = kept;
}

char graph_mark(const struct graph *graph, const struct graph_edge *edge)
{
    if (!graph->since || edge->count == edge->before)
        return ' ';
    return edge->before == 0 ? '+' : edge->count == 0 ? '-' : '~';
}
