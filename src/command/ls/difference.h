/* difference.h - one table against a snapshot of an earlier one, endpoint by endpoint. */
#ifndef FERRY_COMMAND_LS_DIFFERENCE_H
#define FERRY_COMMAND_LS_DIFFERENCE_H

#include "base/bytes.h"
#include "command/ls/snapshot.h"

#include <jansson.h>
#include <stdbool.h>

struct difference {
    char mark;                           /* '+' new, '-' gone, '~' changed */
    const struct ferry_endpoint *now;    /* NULL: gone */
    const struct ferry_endpoint *before; /* NULL: new */
    bool peer, owner;                    /* what has changed */
};

struct differences {
    const struct snapshot *snapshot;
    struct difference *data; /* in the order of the table, what has gone behind */
    size_t count, capacity;
};

/* Compares what is wanted of either.
 *   kinds             1 << kind: those of the snapshot that are compared
 *   ret_differences   differences_fini() it
 * Returns 0, -ENOMEM. */
int differences_find(const struct ferry_endpoints *table, const struct snapshot *snapshot,
    unsigned kinds, bool (*wanted)(const struct ferry_endpoint *endpoint, void *data), void *data,
    struct differences *ret_differences);
void differences_fini(struct differences *differences);
/* A line each, under a heading. */
void differences_print(const struct differences *differences, struct bytes *text);
/* {schema, boot, new, gone, changed}, what was before as the snapshot has it; of what has changed
 * [{now, before, what}]. NULL: out of memory. */
json_t *differences_json(const struct differences *differences);

#endif
