/* components.h - strongly connected components of a graph: who can reach each other both ways. */
#ifndef FERRY_COMMAND_LS_COMPONENTS_H
#define FERRY_COMMAND_LS_COMPONENTS_H

#include <stddef.h>
#include <stdint.h>

struct arc {
    uint32_t from, to;
};

/* Numbers the components, from 0; nodes of the same have the same number. An arc from a node to
 * itself joins nothing.
 *   arcs            each end below node_count; sorted in place
 *   ret_components  [node_count]
 * Returns 0, -ENOMEM. */
int components_find(
    size_t node_count, struct arc *arcs, size_t arc_count, uint32_t *ret_components);

#endif
