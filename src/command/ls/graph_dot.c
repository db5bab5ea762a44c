/* graph_dot.c - a graph in DOT, the language of graphviz(7): `ferry ls --graph=dot | dot -Tsvg`.
 *
 * Texts stand in double quotes, as labels only. They hold no control characters and are UTF-8, as
 * all labels of the graph; what remains to be quoted is the quote, the backslash (which in a label
 * begins \N, \G, \n) and the ampersand (which begins &lt;).
 */
#include "command/ls/graph.h"

#include <inttypes.h>

static void append_quoted(struct bytes *text, const char *words)
{
    for (; *words; words++) {
        if (*words == '"' || *words == '\\')
            bytes_append_char(text, '\\');
        bytes_append_char(text, *words);
        if (*words == '&')
            bytes_append_text(text, "amp;");
    }
}

static const char *shape_of(enum graph_node_type type)
{
    switch (type) {
    case GRAPH_NODE_HOST:
        return "ellipse";
    case GRAPH_NODE_UNSEEN:
        return "plaintext";
    default:
        return "box";
    }
}

static void print_node(const struct graph *graph, uint32_t node, struct bytes *text)
{
    bytes_print(
        text, "  n%" PRIu32 " [shape=%s, label=\"", node, shape_of(graph->nodes[node].type));
    append_quoted(text, graph->nodes[node].label);
    bytes_append_text(text, "\"];\n");
}

static void print_figures(const struct graph_edge *edge, struct bytes *text)
{
    bytes_print(text, "\\n%u", edge->count);
    if (edge->waiting)
        bytes_print(text, ", %u waiting", edge->waiting);
    if (edge->to_server_size || edge->to_client_size)
        bytes_print(text, "\\n%" PRIu64 " B to, %" PRIu64 " B from", edge->to_server_size,
            edge->to_client_size);
    if (edge->deadlock)
        bytes_print(text, "\\nDEADLOCK? %u", edge->deadlock);
}

/* What needs attention is red, what is new green, what has gone dotted. */
static void print_style(
    const struct graph *graph, const struct graph_edge *edge, struct bytes *text)
{
    char mark = graph_mark(graph, edge);

    if (!edge->directed)
        bytes_append_text(text, ", dir=none");
    if (edge->deadlock)
        bytes_append_text(text, ", color=red, penwidth=3");
    else if (mark == '+')
        bytes_append_text(text, ", color=green");
    else if (mark == '-')
        bytes_append_text(text, ", color=gray, style=dotted");
    else if (edge->waiting)
        bytes_append_text(text, ", style=dashed");
}

static void print_edge(const struct graph *graph, const struct graph_edge *edge, struct bytes *text)
{
    AUTO_BYTES struct bytes address = BYTES_EMPTY;
    char mark = graph_mark(graph, edge);

    graph_print_address(graph, edge, &address);
    text->failed |= bytes_failed(&address);
    if (bytes_failed(text))
        return;
    bytes_print(text, "  n%" PRIu32 " -> n%" PRIu32 " [label=\"", edge->client, edge->server);
    if (mark != ' ')
        bytes_print(text, "%c ", mark);
    append_quoted(text, address.data);
    print_figures(edge, text);
    bytes_append_text(text, "\"");
    print_style(graph, edge, text);
    bytes_append_text(text, "];\n");
}

void graph_print_dot(const struct graph *graph, struct bytes *text)
{
    bytes_append_text(text, "digraph ferry {\n  rankdir=LR;\n");
    for (uint32_t i = 0; i < graph->node_count; i++)
        print_node(graph, i, text);
    for (size_t i = 0; i < graph->edge_count; i++)
        print_edge(graph, &graph->edges[i], text);
    bytes_append_text(text, "}\n");
}
