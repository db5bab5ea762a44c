/* flow.h - one direction of a relay: receives from one channel, sends to another.
 *
 *     FLOWING --end of from--> ENDING --everything sent, end passed on--> DONE
 *        \--`to` fails--> DISCARDING --end of from--> DONE
 *
 * Invariants: while something received is not sent, nothing more is received (backpressure); a flow
 * holds a batch or a pipe only while that is so. A flow never closes a channel. Where an address
 * says weather, what was received waits in a delay line until it is due, and only then is to be
 * sent; the line's bound, too, ends receiving.
 */
#ifndef FERRY_CHANNEL_FLOW_H
#define FERRY_CHANNEL_FLOW_H

#include "channel/delay_line.h"
#include "channel/pool.h"
#include "channel/quota.h"

#include <ferry/relay.h>
#include <stdbool.h>

enum flow_state { FLOW_FLOWING, FLOW_ENDING, FLOW_DISCARDING, FLOW_DONE };

/* As in struct ferry_flow_stats. */
struct flow_counts {
    uint64_t bytes, messages, descriptors, dropped;
};

struct flow {
    struct ferry_channel *from, *to;
    const struct flow_shared *shared;
    struct flow_counts counts;
    enum ferry_way way : 8;
    enum flow_state state : 8;
    bool bulk : 1;      /* splicing at the moment: the last receives were large */
    bool blocked : 1;   /* `to` is full */
    bool held_back : 1; /* takes in nothing more: what it has is sent, that is all */
    unsigned piped;     /* bytes in `pipe` */
    struct pipe_pair pipe;
    int from_error; /* -errno of receiving, 0: ended properly or not yet */
    int to_error;   /* -errno of sending */
    struct charge charge;
    struct batch *batch;
    struct delay_line *line; /* what bad weather holds back; NULL: the weather is fair */
};

/* The flows of a relay, and what they have in common; the relay's. */
struct flow_shared {
    struct flow flows[2]; /* each the other's opposite; an echo's second carries nothing */
    struct ferry_relay_pool *pool;
    struct ferry_relay_quota *quota; /* what is held is charged to it; NULL: nobody counts */
    ferry_relay_tap tap;             /* called by relay_show(); NULL: nobody looks */
};

/* Shows a message before it is sent, to the tap; in relay.c. */
void relay_show(const struct flow *flow, const struct ferry_message *message);

/* What carries this direction, and why (a static text). -EPROTOTYPE. */
int flow_choose(const struct ferry_channel *from, const struct ferry_channel *to, bool tapped,
    enum ferry_way *ret_way, const char **ret_why);

/* Makes the delay line if the address of a side says weather. 0 or -ENOMEM. */
int flow_make_line(struct flow *flow);
/* When something that was held back is due, or CLOCK_NEVER: call flow_depart() then. */
int64_t flow_due_ns(const struct flow *flow);
/* Sends what is due. Returns true when something passed. */
bool flow_depart(struct flow *flow);
/* Messages that the weather has dropped, of counts.dropped. */
uint64_t flow_lost(const struct flow *flow);

/* Moves what can be moved now, a bounded amount. Returns true when something passed. */
bool flow_pump(struct flow *flow);
/* Something was received that is not sent yet. */
bool flow_holds(const struct flow *flow);
/* Descriptors of what it holds. */
size_t flow_count_descriptors(const struct flow *flow);
/* Wants to hear when `from` is readable; when `to` is writable is flow->blocked. */
bool flow_wants_more(const struct flow *flow);
/* The quota that keeps it from wanting more; NULL: none does. */
struct ferry_relay_quota *flow_starved_by(const struct flow *flow);
/* Stops sending: `to` is gone. What comes is received and dropped from here on. */
void flow_break(struct flow *flow, int code);
void flow_fini(struct flow *flow);

#endif
