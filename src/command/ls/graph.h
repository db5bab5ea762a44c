/* graph.h - who talks to whom: endpoints gathered to nodes (processes, or what groups them) and
 * edges (all connections between two nodes by the same address).
 *
 * Ownership: texts are the graph's; it keeps nothing of the endpoints.
 */
#ifndef FERRY_COMMAND_LS_GRAPH_H
#define FERRY_COMMAND_LS_GRAPH_H

#include "base/bytes.h"
#include "command/ls/deadlock.h"
#include "command/ls/interned.h"

#include <jansson.h>

enum graph_form { GRAPH_NONE, GRAPH_TEXT, GRAPH_DOT, GRAPH_JSON };

/* What makes processes one node. */
enum graph_by { GRAPH_BY_PROCESS, GRAPH_BY_COMMAND, GRAPH_BY_UNIT, GRAPH_BY_CONTAINER };

enum graph_node_type {
    GRAPH_NODE_PROCESS,
    GRAPH_NODE_COMMAND,
    GRAPH_NODE_UNIT,
    GRAPH_NODE_CONTAINER,
    GRAPH_NODE_HOST,   /* another machine, by its address */
    GRAPH_NODE_UNSEEN, /* who holds it can't be seen */
};

struct graph_node {
    const char *label; /* escaped: safe to print */
    enum graph_node_type type;
    pid_t pid; /* of a process; 0 */
};

/* Connections are counted once, whatever number of ends can be seen. */
struct graph_edge {
    uint32_t client, server; /* nodes: who connected, or writes; who listened, or reads */
    uint32_t address;        /* of the server, a word; "" for a pair */
    unsigned char kind;      /* enum ferry_endpoint_kind */
    bool directed;           /* false: nobody connected (socketpair(2)), or it is not to be told */
    unsigned count;
    unsigned waiting; /* of those: not accepted yet */
    unsigned shared;  /* of those: an end is held by several processes, of which one is shown */
    unsigned before;  /* how many there were in the snapshot */
    uint64_t to_server_size, to_client_size; /* bytes in queues */
    unsigned deadlock;                       /* of which some are part, from 1; 0: none */
};

struct graph {
    enum graph_by by;
    bool since;            /* `before` is known */
    struct interned names; /* of nodes: a letter for the type, the label */
    struct graph_node *nodes;
    size_t node_count, node_capacity;
    struct interned addresses;
    struct interned listening; /* where somebody listens */
    struct graph_edge *edges;  /* by server, kind, address, client once graph_finish() was called */
    size_t edge_count, edge_capacity;
};

/* What is drawn. */
struct graph_source {
    const struct ferry_endpoint *const *endpoints; /* all: an end that is not wanted itself may be
                                                      the other end of one that is */
    size_t count;
    bool (*wanted)(const struct ferry_endpoint *endpoint, void *data); /* NULL: all */
    void *data;
    struct deadlocks *deadlocks; /* NULL: none; those that edges speak of become `drawn` */
    bool before;                 /* of the snapshot */
};

/* All zeroes but `by` is an empty graph. */
void graph_fini(struct graph *graph);
/* Adds what a source has. Returns 0, -ENOMEM. */
int graph_add(struct graph *graph, const struct graph_source *source);
/* Merges edges and puts them in order; nothing is added then. */
void graph_finish(struct graph *graph);
/* '+' new since the snapshot, '-' gone, '~' another number of connections, ' ' the same, or there
 * is none. */
char graph_mark(const struct graph *graph, const struct graph_edge *edge);

/* Its forms.
 *   deadlocks  told of as far as they were drawn */
void graph_print(const struct graph *graph, const struct deadlocks *deadlocks, struct bytes *text);
void graph_print_dot(const struct graph *graph, struct bytes *text);
/* {schema, boot, by, nodes, edges, deadlocks}; NULL: out of memory. */
json_t *graph_json(const struct graph *graph, const struct deadlocks *deadlocks);
/* "unix:/run/app.sock", "tcp:127.0.0.1:80", "pipe"; "unix socketpair" of a pair. */
void graph_print_address(
    const struct graph *graph, const struct graph_edge *edge, struct bytes *text);
/* "process", "command", "unit", "container"; NULL past the last. */
const char *graph_by_name(unsigned by);

#endif
