/* components.c - Tarjan's algorithm (1972), with a stack of its own instead of recursion: how deep
 * it goes is the processes' choice, not ours.
 */
#include "command/ls/components.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define NONE UINT32_MAX

struct node {
    uint32_t order;  /* when it was met, from 1; 0: not yet */
    uint32_t lowest; /* the earliest that is known to be reached from it and to reach it */
    uint32_t next;   /* which of its arcs is next */
    bool open;       /* on the stack of those without a component */
};

struct search {
    struct node *nodes;
    const struct arc *arcs;
    size_t arc_count;
    uint32_t *path; /* from where the search began to where it is */
    size_t path_count;
    uint32_t *open;
    size_t open_count;
    uint32_t met;
    uint32_t component_count;
    uint32_t *components;
};

static int compare_arcs(const void *one, const void *other)
{
    const struct arc *a = one, *b = other;

    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    return (a->to > b->to) - (a->to < b->to);
}

static void enter(struct search *search, uint32_t which)
{
    struct node *node = &search->nodes[which];

    node->order = node->lowest = ++search->met;
    node->open = true;
    search->open[search->open_count++] = which;
    search->path[search->path_count++] = which;
}

/* What is above the node that a component was entered by belongs to it. */
static void close_component(struct search *search, uint32_t which)
{
    uint32_t member = NONE;

    while (member != which) {
        member = search->open[--search->open_count];
        search->nodes[member].open = false;
        search->components[member] = search->component_count;
    }
    search->component_count++;
}

static void leave(struct search *search, uint32_t which)
{
    const struct node *node = &search->nodes[which];

    search->path_count--;
    if (node->lowest == node->order)
        close_component(search, which);
    if (search->path_count == 0)
        return;
    struct node *before = &search->nodes[search->path[search->path_count - 1]];
    if (node->lowest < before->lowest)
        before->lowest = node->lowest;
}

/* One arc further, or one node back. */
static void step(struct search *search)
{
    uint32_t which = search->path[search->path_count - 1];
    struct node *node = &search->nodes[which];
    const struct arc *arc = &search->arcs[node->next];

    if (node->next == search->arc_count || arc->from != which) {
        leave(search, which);
        return;
    }
    node->next++;
    struct node *to = &search->nodes[arc->to];
    if (!to->order)
        enter(search, arc->to);
    else if (to->open && to->order < node->lowest)
        node->lowest = to->order;
}

/* Where each node's arcs begin; of one without any: at the end. */
static void arcs_index(struct search *search, size_t node_count)
{
    for (size_t i = 0; i < node_count; i++)
        search->nodes[i].next = (uint32_t)search->arc_count;
    for (size_t i = search->arc_count; i > 0; i--)
        search->nodes[search->arcs[i - 1].from].next = (uint32_t)(i - 1);
}

int components_find(size_t node_count, struct arc *arcs, size_t arc_count, uint32_t *ret_components)
{
    AUTO_FREE struct node *nodes = calloc(node_count + 1, sizeof(*nodes));
    AUTO_FREE uint32_t *path = calloc(node_count + 1, sizeof(*path));
    AUTO_FREE uint32_t *open = calloc(node_count + 1, sizeof(*open));
    struct search search = { .nodes = nodes,
        .arcs = arcs,
        .arc_count = arc_count,
        .path = path,
        .open = open,
        .components = ret_components };

    if (!nodes || !path || !open)
        return -ENOMEM;
    if (arc_count)
        qsort(arcs, arc_count, sizeof(*arcs), compare_arcs);
    arcs_index(&search, node_count);
    for (uint32_t i = 0; i < node_count; i++) {
        if (nodes[i].order)
            continue;
        enter(&search, i);
        while (search.path_count)
            step(&search);
    }
    return 0;
}
