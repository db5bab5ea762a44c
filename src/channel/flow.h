/* flow.h - one direction of a relay: receives from one channel, sends to another.
 *
 *     FLOWING --end of from--> ENDING --everything sent, end passed on--> DONE
 *        \--`to` fails--> DISCARDING --end of from--> DONE
 *
 * Invariants: while something received is not sent, nothing more is received (backpressure); a flow
 * holds a batch or a pipe only while that is so. A flow never closes a channel.
 */
#ifndef FERRY_CHANNEL_FLOW_H
#define FERRY_CHANNEL_FLOW_H

#include "channel/pool.h"
#include "channel/quota.h"

#include <ferry/relay.h>
#include <stdbool.h>

enum flow_state { FLOW_FLOWING, FLOW_ENDING, FLOW_DISCARDING, FLOW_DONE };

struct flow {
    struct ferry_channel *from, *to;
    struct ferry_relay_pool *pool;
    struct ferry_flow_stats stats;
    enum flow_state state;
    bool bulk;      /* splicing at the moment: the last receives were large */
    bool blocked;   /* `to` is full */
    int from_error; /* -errno of receiving, 0: ended properly or not yet */
    int to_error;   /* -errno of sending */
    struct batch *batch;
    struct pipe_pair pipe;
    size_t piped;                    /* bytes in it */
    struct ferry_relay_quota *quota; /* what is held is charged to it; NULL: nobody counts */
    struct charge charge;
    const struct flow *opposite; /* NULL: an echo has none */
    /* Shows a message before it is sent; NULL: nobody looks. */
    void (*tap)(struct flow *flow, const struct ferry_message *message);
    void *tap_data;
};

/* What carries this direction, and why (a static text). -EPROTOTYPE. */
int flow_choose(const struct ferry_channel *from, const struct ferry_channel *to, bool tapped,
    enum ferry_way *ret_way, const char **ret_why);

/* Moves what can be moved now, a bounded amount. Returns true when something passed. */
bool flow_pump(struct flow *flow);
/* Wants to hear when `from` is readable; when `to` is writable is flow->blocked. */
bool flow_wants_more(const struct flow *flow);
/* The quota that keeps it from wanting more; NULL: none does. */
struct ferry_relay_quota *flow_starved_by(const struct flow *flow);
/* Stops sending: `to` is gone. What comes is received and dropped from here on. */
void flow_break(struct flow *flow, int code);
void flow_fini(struct flow *flow);

#endif
