/* graph_json.c - a graph as JSON. Labels and addresses of a graph are UTF-8 without control
 * characters. */
#include "base/cleanup.h"
#include "command/ls/graph.h"
#include "command/view/json.h"
#include "command/view/names.h"

static json_t *node_json(const struct graph *graph, uint32_t id)
{
    static const char *const types[] = { "process", "command", "unit", "container", "host",
        "unseen" };
    const struct graph_node *node = &graph->nodes[id];
    json_t *object = json_object();

    view_json_set_number(object, "id", id);
    view_json_set_text(object, "type", types[node->type]);
    view_json_set_text(object, "label", node->label);
    if (node->pid)
        view_json_set_number(object, "pid", (uint64_t)node->pid);
    return object;
}

static void set_since(json_t *object, const struct graph *graph, const struct graph_edge *edge)
{
    char mark[2] = { graph_mark(graph, edge), '\0' };

    if (!graph->since)
        return;
    view_json_set_number(object, "before", edge->before);
    if (mark[0] != ' ')
        view_json_set_text(object, "mark", mark);
}

static json_t *edge_json(const struct graph *graph, const struct graph_edge *edge)
{
    json_t *object = json_object();

    view_json_set_number(object, "client", edge->client);
    view_json_set_number(object, "server", edge->server);
    json_object_set_new(object, "directed", json_boolean(edge->directed));
    view_json_set_text(object, "kind", ferry_endpoint_kind_name(edge->kind));
    if (*graph->addresses.texts[edge->address])
        view_json_set_text(object, "address", graph->addresses.texts[edge->address]);
    view_json_set_number(object, "connections", edge->count);
    view_json_set_number(object, "waiting", edge->waiting);
    view_json_set_number(object, "shared", edge->shared);
    if (edge->kind != FERRY_ENDPOINT_PIPE && edge->kind != FERRY_ENDPOINT_FIFO) {
        view_json_set_number(object, "queued_to_server", edge->to_server_size);
        view_json_set_number(object, "queued_to_client", edge->to_client_size);
    }
    if (edge->deadlock)
        view_json_set_number(object, "deadlock", edge->deadlock);
    set_since(object, graph, edge);
    return object;
}

static json_t *wait_json(const struct deadlock_wait *wait)
{
    const struct ferry_endpoint *reader = deadlock_reader(wait->endpoint);
    json_t *object = json_object(), *readers = json_array();

    view_json_set_number(object, "pid", (uint64_t)wait->pid);
    view_json_set_number(object, "fd", (uint64_t)wait->fd);
    if (wait->tid)
        view_json_set_number(object, "tid", (uint64_t)wait->tid);
    view_json_set_text(object, "kind", ferry_endpoint_kind_name(wait->endpoint->kind));
    view_json_set_number(object, "inode", wait->endpoint->inode);
    for (unsigned i = 0; i < reader->owner_count; i++)
        if (i == 0 || reader->owners[i].process != reader->owners[i - 1].process)
            json_array_append_new(readers, json_integer(reader->owners[i].process->pid));
    json_object_set_new(object, "waits_for", readers);
    return object;
}

static json_t *deadlocks_json(const struct deadlocks *deadlocks)
{
    json_t *list = json_array();

    for (unsigned number = 1; number <= deadlocks->count; number++) {
        if (!deadlocks->drawn[number])
            continue;
        json_t *object = json_object(), *waits = json_array();
        for (size_t i = 0; i < deadlocks->wait_count; i++)
            if (deadlocks->waits[i].deadlock == number)
                json_array_append_new(waits, wait_json(&deadlocks->waits[i]));
        view_json_set_number(object, "number", number);
        json_object_set_new(object, "waits", waits);
        json_array_append_new(list, object);
    }
    return list;
}

json_t *graph_json(const struct graph *graph, const struct deadlocks *deadlocks)
{
    json_t *document = json_object(), *nodes = json_array(), *edges = json_array();
    char boot[VIEW_BOOT_SIZE];

    view_json_set_number(document, "schema", VIEW_SCHEMA);
    if (view_boot_read(boot))
        view_json_set_text(document, "boot", boot);
    view_json_set_text(document, "by", graph_by_name(graph->by));
    for (uint32_t i = 0; i < graph->node_count; i++)
        json_array_append_new(nodes, node_json(graph, i));
    for (size_t i = 0; i < graph->edge_count; i++)
        json_array_append_new(edges, edge_json(graph, &graph->edges[i]));
    json_object_set_new(document, "nodes", nodes);
    json_object_set_new(document, "edges", edges);
    json_object_set_new(document, "deadlocks", deadlocks_json(deadlocks));
    return document;
}
