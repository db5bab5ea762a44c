/* holder.h - what one user holds of a route at a time, and how much it may: per-uid of
 * ferry.conf(5).
 *
 * A holder is a uid that the kernel vouches for; where it does not, the network host (an IPv4
 * address, an IPv6 /64, which one machine has for itself); everybody else is one holder together.
 *
 * A table counts the holders of one route, or those of all routes; a connection is charged in both.
 * A holder without connections is kept only as long as its rate remembers it, so a table holds no
 * more than what is connected and what came within the last second.
 */
#ifndef FERRY_ROUTE_HOLDER_H
#define FERRY_ROUTE_HOLDER_H

#include "base/bytes.h"

#include <ferry/identity.h>
#include <ferry/relay.h>
#include <stdint.h>

/* 0: no limit. */
struct holder_limits {
    uint64_t connections; /* items, at a time */
    uint64_t rate;        /* new connections a second; as many at once after a pause */
    uint64_t bytes;       /* received and not sent yet, ferry_relay_quota_new() */
    uint64_t descriptors; /* the same, items */
};

/* Reads "connections=10 rate=5/s bytes=1M descriptors=8", in any order, each at most once.
 * Returns 0, -EINVAL with *error. */
int holder_limits_parse(
    const char *text, struct holder_limits *ret_limits, struct ferry_error *error);
bool holder_limits_any(const struct holder_limits *limits);
/* The text that holder_limits_parse() reads; "" without limits. */
void holder_limits_print(const struct holder_limits *limits, struct bytes *text);

struct holders; /* a table */
struct holder;

int holders_new(const struct holder_limits *limits, struct holders **ret_holders);
/* Nobody may hold anything any more. NULL is allowed. */
void holders_free(struct holders *holders);
/* For holders that come from now on; bytes and descriptors of those that are there stay. */
void holders_set_limits(struct holders *holders, const struct holder_limits *limits);
const struct holder_limits *holders_get_limits(const struct holders *holders);

/* To whom one connection is charged; NULL: that table limits nothing. */
struct holding {
    struct holder *all, *route;
};

/* Charges one connection of `identity`.
 *   all, route   tables, each may be NULL; once a table of all routes is there it stays, since a
 *                holder of a route may count on the one of all routes
 *   now_ns       CLOCK_MONOTONIC
 *   again        it goes on after a restart: the rate was asked when it came
 *   ret_holding  give it back with holding_give()
 *   why, size    receives the reason when refused
 * Returns 0, -EDQUOT (refused), -ENOMEM. */
int holding_take(struct holders *all, struct holders *route, struct ferry_identity *identity,
    int64_t now_ns, bool again, struct holding *ret_holding, char *why, size_t size);
/* The connection has ended, and its relay with it. */
void holding_give(struct holding *holding);
/* What its relay is charged to; NULL: no limit of bytes or descriptors. */
struct ferry_relay_quota *holding_get_quota(const struct holding *holding);

/* What is told of a holder. */
struct holder_facts {
    const char *name; /* "uid 1000", "host 10.0.0.1"; borrowed for the call */
    uint64_t connections, refused;
    size_t bytes, descriptors;
};
/* Calls `tell` for every holder of a table that has connections. */
void holders_each(const struct holders *holders,
    void (*tell)(const struct holder_facts *facts, void *data), void *data);

#endif
