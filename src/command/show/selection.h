/* selection.h - the endpoints that a word means, listeners first, and those at their other ends. */
#ifndef FERRY_COMMAND_SHOW_SELECTION_H
#define FERRY_COMMAND_SHOW_SELECTION_H

#include "command/view/target.h"

#include <ferry/endpoints.h>

/* The arrays are owned, what they point to is the table's. */
struct selection {
    const struct ferry_endpoint **endpoints;
    size_t count;
    const struct ferry_endpoint **peers; /* each once, those that are no endpoints of the word */
    size_t peer_count;
};

/* selection_fini() it. Returns 0, -ENOMEM. */
int selection_make(const struct ferry_endpoints *table, const struct view_target *target,
    struct selection *ret_selection);
void selection_fini(struct selection *selection);

#endif
