/* registry.h - all routes that this process runs, and the connections that pass through them.
 *
 *     listener -> identity -> policy -> holder -> service (or target) -> event
 *
 * Owned by one thread, with its loop. A route owns its listener, policy, holders and connections; a
 * connection that outlives its route (reload) is kept by the registry until it ends.
 */
#ifndef FERRY_ROUTE_REGISTRY_H
#define FERRY_ROUTE_REGISTRY_H

#include "base/list.h"
#include "process/store.h"
#include "route/event.h"
#include "route/settings.h"

/* LISTEN_FDS as a floor below received them: takes the descriptor called `name` (-1: none). */
typedef int (*registry_inherit)(const char *name, void *data);

struct registry {
    struct ferry_loop *loop;       /* borrowed */
    struct ferry_relay_pool *pool; /* owned */
    struct events *events;         /* borrowed */
    struct list routes;            /* of struct route */
    struct holders *holders;       /* owned; of all routes; NULL: never limited */
    struct list leaving;           /* of struct route: not listening any more, connections remain */
    struct store *store;   /* keeps listeners and connections; borrowed; NULL: nothing does */
    bool leaves_listeners; /* what is closed stays in the store: at the start and the end */
    uint64_t kept_count;   /* connections that were kept so far */
    ferry_relay_tap tap;   /* -x; NULL */
    void *tap_data;
    registry_inherit inherit;
    void *inherit_data;
    /* What the `control` service's "reload" does; set by the verb that runs the registry. Fills a
     * line for people; 0 or -errno. */
    int (*reload)(struct registry *registry, struct bytes *ret_text, void *data);
    /* Called whenever a connection has ended, and when a route has no more peers to expect (code
     * 0): see registry_finished(). Must not change the registry; ferry_loop_stop() is meant. NULL.
     */
    void (*on_ended)(struct registry *registry, int code, void *data);
    void *data;
    struct dialler *dialler; /* owned; NULL: never needed */
    unsigned groups;         /* of enum sandbox_group: what the first settings needed */
    bool started;            /* the first settings are applied, and confine_enter() was called */
    bool confined;           /* privileges are given up: no dialler can be started */
    bool sandboxed;
    struct run_as run_as;      /* [ferry] user=, once it has become that; uid -1: not given */
    bool once;                 /* a route accepts nobody after the first peer that it admitted */
    const char *configuration; /* what was read, for `status`; borrowed; NULL: nothing was */
    int64_t started_ns;        /* CLOCK_MONOTONIC */
    size_t connection_count;   /* of all routes, leaving ones too */
    /* What the service that looks at the machine keeps from one request to the next; freed with the
     * registry. NULL: nothing yet. */
    void *look;
    void (*look_free)(void *look);
};

struct route {
    struct list node;
    struct registry *registry;
    struct route_settings *settings; /* owned */
    struct ferry_listener *listener; /* NULL when leaving, and after the one peer of `once` */
    struct ferry_source *source;     /* its readiness; NULL: there are no more peers */
    struct ferry_source *pause;      /* timer, armed while accepting pauses */
    bool kept;                       /* its listener is in the store */
    bool keeps;                      /* its connections may be kept: it stood when ferry stopped */
    bool told_dropped;               /* that its listener dropped datagrams */
    int pause_ms;                    /* length of the last pause; 0: accepting works */
    bool refuse_descriptors;         /* as it listens: the target could not take any */
    bool message_pidfd;              /* as it listens: rules ask for the sender's program */
    struct ferry_policy *policy;
    struct holders *holders; /* owned; NULL: not limited */
    struct list connections; /* of struct connection */
    int64_t started_ns;
    uint64_t admitted, refused, failed, ended; /* connections */
    uint64_t would_refuse;                     /* of those admitted, in a dry run */
    /* of connections that ended and listeners that are closed; live ones add theirs when asked */
    uint64_t bytes_in, bytes_out, descriptors, dropped;
};

struct connection {
    struct list node;
    struct route *route;
    struct serving *serving; /* of route_get_service() */
    struct holding holding;
    int64_t started_ns;
    struct event_who who;
    int rule;     /* that admitted it, from 1 */
    char *peer;   /* address text; NULL: it has none */
    bool session; /* of a datagram listener: ends by silence only */
    /* It is there because of a dry run only; so says the rule, if any. */
    bool would_refuse;
};

int registry_init(struct registry *registry, struct ferry_loop *loop, struct events *events);
/* Stops everything at once. */
void registry_fini(struct registry *registry);

/* Makes the registry run what the settings ask for, by difference: routes that are equal keep their
 * listener and connections; changed ones keep their listener if the address is equal, and their
 * connections end by themselves; new listeners are all opened before anything else changes, and on
 * failure closed again: then nothing has changed and *error says why. Only where the same place is
 * listened on in another way (a path's mode=, say) must the old listener go before the new one can
 * come; it is opened again if that fails.
 * Takes the routes out of *settings on success; their `place` no longer counts. Emits EVENT_STARTED
 * and EVENT_STOPPED, not EVENT_RELOADED: that a file was read again only the caller knows.
 *   ret_summary  "2 added, 1 changed, 1 removed, 5 untouched"; may be NULL */
int registry_apply(struct registry *registry, struct settings *settings, struct bytes *ret_summary,
    struct ferry_error *error);

/* Stops listening everywhere; connections go on until they end, except those of services that do
 * not drain: these are stopped. */
void registry_drain(struct registry *registry);

/* Nobody is served, and nobody more can come: what runs the registry may end. Services that do not
 * drain (who only asks how it goes) do not count. */
bool registry_finished(const struct registry *registry);

/* What serves its connections: the service that it leads to, or the target that is an address. */
const struct service *route_get_service(const struct route *route);

/* What passed a route: by connections that ended, by live ones, and what its listener dropped. */
struct route_totals {
    uint64_t bytes_in, bytes_out, descriptors, dropped;
};
void route_get_totals(const struct route *route, struct route_totals *ret_totals);

#endif
