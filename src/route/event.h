/* event.h - the one trace that whatever crosses leaves.
 *
 * Log lines, status, and whatever else reports only render events; nothing else reports. An event
 * is plain data that lives for the call of event_emit(): all pointers are borrowed, NULL or 0 where
 * a fact does not apply.
 */
#ifndef FERRY_ROUTE_EVENT_H
#define FERRY_ROUTE_EVENT_H

#include "base/bytes.h"

#include <ferry/identity.h>
#include <stdint.h>
#include <stdio.h>

enum event_kind {
    EVENT_STARTED, /* a route listens; reason: the way taken and why */
    EVENT_STOPPED, /* a route listens no more */
    EVENT_REFUSED, /* a peer was turned away; verdict: the rule, reason: why */
    /* a dry run admitted a peer that would have been turned away; the rest as EVENT_REFUSED */
    EVENT_WOULD_REFUSE,
    EVENT_MOVED,    /* an auto: channel of a connection moved; to: where; reason: why */
    EVENT_CLOSED,   /* a connection ended as it should */
    EVENT_FAILED,   /* a connection ended otherwise: target not reached, reset, time-out */
    EVENT_KEPT,     /* a connection was handed to the service manager, for the next start */
    EVENT_RESUMED,  /* a connection that was kept goes on */
    EVENT_RELOADED, /* the configuration was read again; reason: what changed, or why nothing did */
    EVENT_TROUBLE,  /* something that an operator should know: out of descriptors, messages lost */
    EVENT_KIND_COUNT
};

/* What an event says of a peer: plain data, so that it outlives the channel. */
struct event_who {
    pid_t pid; /* 0: unknown */
    uid_t uid; /* (uid_t)-1: unknown */
    gid_t gid; /* (gid_t)-1: unknown */
};

struct event_who event_who_of(struct ferry_identity *identity);

struct event {
    enum event_kind kind;
    int64_t time_ns; /* CLOCK_REALTIME; 0: filled by event_emit() */
    const char *route;
    const struct event_who *who; /* the peer, if known */
    const char *name;            /* the peer's command name, if known */
    const char *executable;      /* and its program, of one that was refused */
    const char *unit;            /* and its systemd unit, likewise */
    const char *peer;            /* the peer's address, if it has one */
    const char *via;             /* address it came by */
    const char *to;              /* address or service it went to */
    uint64_t bytes_in;           /* from the peer */
    uint64_t bytes_out;          /* to the peer */
    uint64_t descriptors;        /* passed, both ways */
    uint64_t dropped;            /* messages that could not be delivered */
    int64_t age_ms;              /* how long the connection lasted */
    const char *verdict;         /* the rule that admitted or refused */
    const char *reason;          /* in words */
};

const char *event_kind_name(enum event_kind kind); /* "started", "refused", ... */

typedef void (*event_sink)(const struct event *event, void *data);

/* Where events go: a few sinks, called in order. Sinks must not block. */
struct events {
    struct {
        event_sink sink;
        void *data;
    } sinks[4];
    size_t count;
    uint64_t counts[EVENT_KIND_COUNT]; /* how many of each kind there were */
};

void events_add(struct events *events, event_sink sink, void *data);
void event_emit(struct events *events, const struct event *event);

/* One line for people (without the line feed), one line of JSON for machines; appended to *text.
 * Facts from peers are escaped. */
void event_print_text(const struct event *event, struct bytes *text);
void event_print_message(const struct event *event, struct bytes *text); /* text without time */
void event_print_json(const struct event *event, struct bytes *text);

/* "pid 4711 (curl) uid 1000 (alice)"; whatever is unknown is left out; "unknown" if all is. */
void event_print_who(const struct event_who *who, const char *name, struct bytes *text);

#endif
