/* graph_text.c - a graph as lines for people: each server with those who talk to it.
 *
 *     mariadbd[812]  unix:/run/mysqld/mysqld.sock
 *       <- php-fpm[900]  12 connections, 3 waiting, 4096 bytes to it
 */
#include "base/cleanup.h"
#include "command/ls/graph.h"
#include "command/view/names.h"

#include <inttypes.h>
#include <string.h>

const char *graph_by_name(unsigned by)
{
    static const char *const names[] = { "process", "command", "unit", "container" };
    return by < COUNT_OF(names) ? names[by] : NULL;
}

static const char *scheme_of(unsigned kind)
{
    switch (kind) {
    case FERRY_ENDPOINT_UNIX_STREAM:
        return "unix";
    case FERRY_ENDPOINT_UNIX_DATAGRAM:
        return "unix-dgram";
    case FERRY_ENDPOINT_UNIX_SEQPACKET:
        return "unix-seq";
    default:
        return ferry_endpoint_kind_name(kind);
    }
}

void graph_print_address(
    const struct graph *graph, const struct graph_edge *edge, struct bytes *text)
{
    const char *address = graph->addresses.texts[edge->address];

    bytes_append_text(text, scheme_of(edge->kind));
    if (*address)
        bytes_print(text, ":%s", address);
    else if (edge->kind <= FERRY_ENDPOINT_UNIX_SEQPACKET && !edge->directed)
        bytes_append_text(text, " socketpair");
}

static void print_figures(
    const struct graph *graph, const struct graph_edge *edge, struct bytes *text)
{
    bytes_print(text, "  %u connection%s", edge->count, edge->count == 1 ? "" : "s");
    if (graph->since && edge->before != edge->count)
        bytes_print(text, " (%u before)", edge->before);
    if (edge->waiting)
        bytes_print(text, ", %u waiting", edge->waiting);
    if (edge->to_server_size)
        bytes_print(text, ", %" PRIu64 " bytes to it", edge->to_server_size);
    if (edge->to_client_size)
        bytes_print(text, ", %" PRIu64 " bytes from it", edge->to_client_size);
    if (edge->shared)
        bytes_print(text, ", %u shared with others", edge->shared);
    if (edge->deadlock)
        bytes_print(text, "  DEADLOCK? %u", edge->deadlock);
}

static bool is_same_group(const struct graph_edge *one, const struct graph_edge *other)
{
    return one->server == other->server && one->kind == other->kind &&
           one->address == other->address && one->directed == other->directed;
}

/* --- deadlocks -------------------------------------------------------------------------------- */

static void print_readers(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    const struct ferry_endpoint *reader = deadlock_reader(endpoint);

    for (unsigned i = 0; i < reader->owner_count; i++) {
        if (i > 0 && reader->owners[i].process == reader->owners[i - 1].process)
            continue;
        bytes_append_text(text, i ? ", " : "");
        view_print_process(reader->owners[i].process, text);
    }
}

static const struct ferry_process *process_of(const struct deadlock_wait *wait)
{
    for (unsigned i = 0; i < wait->endpoint->owner_count; i++)
        if (wait->endpoint->owners[i].process->pid == wait->pid)
            return wait->endpoint->owners[i].process;
    return NULL;
}

static void print_wait(const struct deadlock_wait *wait, struct bytes *text)
{
    const struct ferry_process *process = process_of(wait);

    bytes_append_text(text, "  ");
    if (process)
        view_print_process(process, text);
    bytes_print(text, " waits for ");
    print_readers(wait->endpoint, text);
    bytes_print(text, " to read: %s fd %d is full", ferry_endpoint_kind_name(wait->endpoint->kind),
        wait->fd);
    if (wait->tid)
        bytes_print(text, ", thread %d sleeps in a write to it\n", (int)wait->tid);
    else
        bytes_append_text(text, ", and it sleeps\n");
}

static void print_deadlocks(const struct deadlocks *deadlocks, struct bytes *text)
{
    for (unsigned number = 1; number <= deadlocks->count; number++) {
        if (!deadlocks->drawn[number])
            continue;
        bytes_print(text, "DEADLOCK? %u\n", number);
        for (size_t i = 0; i < deadlocks->wait_count; i++)
            if (deadlocks->waits[i].deadlock == number)
                print_wait(&deadlocks->waits[i], text);
    }
}

void graph_print(const struct graph *graph, const struct deadlocks *deadlocks, struct bytes *text)
{
    for (size_t i = 0; i < graph->edge_count; i++) {
        const struct graph_edge *edge = &graph->edges[i];
        if (i == 0 || !is_same_group(edge, edge - 1)) {
            bytes_print(text, "%s  ", graph->nodes[edge->server].label);
            graph_print_address(graph, edge, text);
            bytes_append_char(text, '\n');
        }
        bytes_print(text, "%c %s %s", graph_mark(graph, edge), edge->directed ? "<-" : "--",
            graph->nodes[edge->client].label);
        print_figures(graph, edge, text);
        bytes_append_char(text, '\n');
    }
    print_deadlocks(deadlocks, text);
}
