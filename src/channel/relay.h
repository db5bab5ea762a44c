/* relay.h (channel) - what a relay is made of, how far it is, and what it waits for.
 *
 * The questions here are answered from the states of the flows and from what the relay was told at
 * the start, each time anew; relay.c does what follows from the answers, and alone changes a relay.
 */
#ifndef FERRY_CHANNEL_RELAY_H
#define FERRY_CHANNEL_RELAY_H

#include "channel/flow.h"
#include "channel/watch.h"

#include <assert.h>
#include <ferry/relay.h>

struct ferry_relay {
    struct watch sides[2];
    struct flow_shared shared; /* flows[0] from side 0, [1] from side 1; an echo uses [0] only */
    struct ferry_loop *loop;
    struct ferry_source *timer; /* idle, total, linger, weather; NULL: none is wanted yet */
    int64_t idle_timeout_ms, total_timeout_ms; /* as in the options */
    ferry_relay_done done;
    void *data; /* for done and the tap */
    int64_t started_ns, last_ns;
    int64_t discarding_ns;      /* since when all that comes is dropped, or CLOCK_NEVER */
    struct quota_waiter waiter; /* for room in the quota */
    uint32_t linger_timeout_ms; /* as in the options, 49 days at most */
    uint8_t side_count;
    uint8_t looks; /* for stuck descriptors, in vain, since last_ns */
    bool ending;   /* done is being called */
    bool leaving;  /* it was asked for its descriptors */
};

static_assert(sizeof(struct ferry_relay) <= 424, "an idle connection pays for this");

enum relay_stage {
    RELAY_RUNNING,
    RELAY_LINGERING,  /* one side cannot be told that the other has ended */
    RELAY_DISCARDING, /* nothing more can be delivered */
    RELAY_OVER,
};

enum relay_stage relay_stage(const struct ferry_relay *relay);
bool relay_has_weather(const struct ferry_relay *relay);

/* Points in time, or CLOCK_NEVER. */

/* When something that the weather held back is due. */
int64_t relay_due_ns(const struct ferry_relay *relay);
/* When an address has the connection reset. */
int64_t relay_reset_ns(const struct ferry_relay *relay);
/* When the relay ends although it is not over. */
int64_t relay_linger_ns(const struct ferry_relay *relay, enum relay_stage stage);
/* When to look for descriptors that wait for a receiver which takes nothing. */
int64_t relay_look_ns(const struct ferry_relay *relay);
/* The earliest of idle, total, linger, reset. Idle is lazy: traffic moves last_ns, not the timer.
 */
int64_t relay_end_ns(const struct ferry_relay *relay, enum relay_stage stage);
/* The earliest of all. */
int64_t relay_wake_ns(const struct ferry_relay *relay, enum relay_stage stage);

#endif
