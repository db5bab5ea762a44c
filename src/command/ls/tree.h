/* tree.h - endpoints by process: children below their parents, what each holds below it. */
#ifndef FERRY_COMMAND_LS_TREE_H
#define FERRY_COMMAND_LS_TREE_H

#include <ferry/endpoints.h>

/* Prints the tree of those who hold one of these endpoints. A process whose parent holds none
 * stands below the nearest forefather that does.
 *   width   of the screen, to which lines are cut; 0: they are not
 *   colour  states have colours
 * Returns 0, -ENOMEM, or the -errno of writing. */
int ls_tree_print(const struct ferry_endpoints *table,
    const struct ferry_endpoint *const *endpoints, size_t count, size_t width, bool colour);

#endif
