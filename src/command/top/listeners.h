/* listeners.h - how many connections each listening address has, and how fast they come and go.
 *
 * A connection belongs to the listener whose address it has: an accepted socket keeps it. Made are
 * those that were not there at the last look, closed those that are not there any more; one that
 * lived between two looks only was seen by nobody, so both are at least so many. Where two
 * listeners have one address (a path that was replaced, SO_REUSEPORT) nothing is told.
 */
#ifndef FERRY_COMMAND_TOP_LISTENERS_H
#define FERRY_COMMAND_TOP_LISTENERS_H

#include "command/top/map.h"

#include <ferry/endpoints.h>

struct top_listener {
    const struct ferry_endpoint *endpoint; /* of this look */
    uint64_t cookie;
    unsigned count, made;          /* accepted connections: now; among them new ones */
    bool shared;                   /* another listens at the same address */
    double made_rate, closed_rate; /* a second; TOP_UNKNOWN */
};

struct top_listeners {
    struct top_listener *items, *before;
    size_t count, capacity, before_count, before_capacity;
    struct top_map addresses; /* to items, by the hash of the address */
    struct top_map cookies;   /* to items */
    struct top_map cookies_before;
    int64_t time_ns;
};

void top_listeners_fini(struct top_listeners *listeners);
/* Begins a look: forgets the last but one. */
void top_listeners_begin(struct top_listeners *listeners);
/* Adds one that listens. Listeners come before the connections of their kind. Returns 0, -ENOMEM.
 */
int top_listeners_add(struct top_listeners *listeners, const struct ferry_endpoint *endpoint);
/* Whose connection an endpoint is; NULL: nobody's that is known. */
struct top_listener *top_listeners_of(
    const struct top_listeners *listeners, const struct ferry_endpoint *endpoint);
/* Counts an accepted connection, made in the look of time_ns if it was seen first then. */
void top_listener_count(
    struct top_listener *listener, const struct ferry_endpoint *endpoint, int64_t time_ns);
/* Ends a look: what was made and closed since the last. */
void top_listeners_end(struct top_listeners *listeners, int64_t time_ns);
/* That of a listening endpoint; NULL: there is none. */
const struct top_listener *top_listeners_find(
    const struct top_listeners *listeners, const struct ferry_endpoint *endpoint);

#endif
