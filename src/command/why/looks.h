/* looks.h - what was in the queues at the first look, to tell at the second what has moved. */
#ifndef FERRY_COMMAND_WHY_LOOKS_H
#define FERRY_COMMAND_WHY_LOOKS_H

#include <ferry/endpoints.h>

struct look {
    uint64_t cookie;   /* of the socket */
    uint64_t listener; /* of the listener for which it waits; 0: none */
    uint32_t receive_queue, send_queue, send_used;
    uint64_t bytes_acked; /* of TCP */
};

struct looks {
    struct look *items; /* by cookie; those only that have something in a queue, or wait */
    size_t count;
    uint64_t overflows; /* of listeners' backlogs in this network namespace, since boot */
};

/* Notes the first look. Returns 0, -ENOMEM. */
int looks_note(struct looks *looks, const struct ferry_endpoints *table);
void looks_fini(struct looks *looks);
/* NULL: it had nothing in its queues, or was not there. */
const struct look *looks_find(const struct looks *looks, const struct ferry_endpoint *endpoint);
/* How many of those that waited for this listener at the first look wait no longer. */
unsigned looks_accepted(const struct looks *looks, const struct ferry_endpoint *listener);

#endif
