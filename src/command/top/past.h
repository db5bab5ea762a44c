/* past.h - what TCP sockets had counted at the last look, and so how fast they are now.
 *
 * A rate is the difference of one of the kernel's own counters (tcpi_bytes_received,
 * tcpi_bytes_acked) between two looks. It is not known at the first look at a socket, nor when a
 * counter went backwards, which is another socket then.
 */
#ifndef FERRY_COMMAND_TOP_PAST_H
#define FERRY_COMMAND_TOP_PAST_H

#include "command/top/map.h"

#include <ferry/endpoints.h>

#define TOP_UNKNOWN (-1.0)

struct top_past_item {
    uint64_t cookie;
    uint64_t received, acked; /* bytes */
    int64_t seen_ns;          /* the first look that saw it */
    uint32_t ports;           /* local and remote: the cookie's second witness */
    bool counted;             /* `received` and `acked` are known */
    double in, out;           /* bytes a second; TOP_UNKNOWN */
};

struct top_past_look {
    struct top_past_item *items;
    size_t count, capacity;
    struct top_map map; /* by cookie */
};

struct top_past {
    struct top_past_look now, before;
    int64_t time_ns; /* of `now`; 0: none yet */
};

void top_past_fini(struct top_past *past);
/* Takes in a table that has just been made. Returns 0, -ENOMEM. */
int top_past_look(struct top_past *past, const struct ferry_endpoints *table);
/* NULL: the endpoint is no TCP socket. */
const struct top_past_item *top_past_find(
    const struct top_past *past, const struct ferry_endpoint *endpoint);

#endif
