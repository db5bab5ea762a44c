/* service.h - what a route can lead to: a table of functions that takes a channel.
 *
 * The built-in services (src/service/) fill this table; the target that is an address does too
 * (route/target.c), so that a connection knows one interface only.
 */
#ifndef FERRY_ROUTE_SERVICE_H
#define FERRY_ROUTE_SERVICE_H

#include "route/event.h"

#include <ferry/auto.h>
#include <ferry/channel.h>
#include <ferry/loop.h>
#include <ferry/relay.h>

struct registry;
struct route_settings;
struct serving; /* one channel being served; each service has its own */

/* What a service is given. Borrowed for the call, except the channel, which it takes (and closes,
 * on failure too). */
struct service_call {
    struct ferry_loop *loop;
    struct ferry_relay_pool *pool;
    struct registry *registry;   /* for `control` */
    const char *route;           /* name of the route; outlives the serving */
    const struct event_who *who; /* the peer; NULL: unknown */
    struct ferry_channel *channel;
    const char *argument;                  /* outlives the serving */
    const struct ferry_address *target;    /* for the address target; outlives the serving */
    const struct route_settings *settings; /* as whom it is dialled; outlives the serving */
    const struct ferry_profile *profile;   /* for dialling; NULL: none; outlives the serving */
    struct ferry_channel *upstream;        /* the way there when it is open already; taken; NULL */
    int64_t idle_ms, total_ms;             /* 0: none */
    struct ferry_relay_quota *quota;       /* for its relay; outlives the serving; NULL: none */
    ferry_relay_tap tap;                   /* NULL: none */
    void *tap_data;
    /* Called once, from the loop, when it has ended by itself (never from within serve); the
     * serving still answers get_stats() then, and is gone when this returns. code 0: as it should;
     * else -errno. */
    void (*done)(int code, const char *reason, void *data);
    /* What is sent to the target moves to the other lane (ferry/auto.h); for a target only. */
    void (*target_moved)(void *data, const struct ferry_auto_stats *stats);
    void *data;
};

struct service {
    const char *name;
    const char *help; /* one line for `ferry up --help` and the man page */
    bool relays;      /* it is a relay: the weather of its address takes effect */
    bool harmless;    /* may stand on TCP or UDP loopback without rules */
    unsigned needs;   /* capabilities without which a peer's channel cannot be served */
    unsigned refuses; /* and those with which it cannot */
    unsigned sandbox; /* what its work needs beyond what is open, of enum sandbox_group */
    bool drains;      /* on reload and stop its connections are waited for (false: control) */
    /* Whether the argument ("" if none) is right; NULL: none is allowed. */
    int (*check)(const char *argument, struct ferry_error *error);
    /* Starts to serve. */
    int (*serve)(const struct service_call *call, struct serving **ret_serving);
    /* Ends it now without calling done. */
    void (*stop)(struct serving *serving);
    /* Ends it now without calling done, and gives its descriptors away so that its next life can go
     * on with them. 0, -EAGAIN (not now: something is on its way), -EOPNOTSUPP. NULL: it cannot. */
    int (*release)(struct serving *serving, int *ret_peer, int *ret_target);
    /* How far it is; `forth` is from the peer, last_ns is 0 before anything could pass. */
    void (*get_stats)(const struct serving *serving, struct ferry_relay_stats *ret_stats);
    /* The channel to the peer, and to the target; for asking only. NULL: there is none (any more).
     */
    struct ferry_channel *(*get_channel)(const struct serving *serving, bool other);
};

/* The target that is an address. */
extern const struct service service_target;

#endif
