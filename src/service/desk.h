/* desk.h - where a service sits that only answers: one end of a socket pair. A relay carries
 * between the other end and the client.
 *
 * So the service speaks to an ordinary socket whatever the client came by (a datagram session, for
 * one, has no descriptor of its own to wait for), and slow clients, half-closed ones and time-outs
 * are the relay's. What is left to the service is a struct desk_handler: what it says, and to what.
 *
 * A serving owns the relay (which owns the client's channel) and the near end of the pair. The
 * handler's own state stands behind it, in a structure whose first member it is.
 */
#ifndef FERRY_SERVICE_DESK_H
#define FERRY_SERVICE_DESK_H

#include "route/service.h"

#include <stddef.h>

/* What a service does at its desk. Its functions return what to wait for (FERRY_READABLE,
 * FERRY_WRITABLE); 0: nothing more, what was said still goes out; -errno: nothing more, and the
 * client is told so: the desk shuts its end. */
struct desk_handler {
    enum ferry_scheme pair; /* FERRY_UNIX: bytes, FERRY_UNIX_SEQ: messages */
    size_t size;            /* of the structure that begins with the serving; the rest is zeroed */
    size_t inbox_size;      /* 0: it receives nothing */
    int64_t total_ms_max;   /* how long a serving may last at most; 0: as long as the route says */
    /* At the start, before anything can have come; NULL: it waits to be asked. A failure here is
     * the serving's. */
    int (*begin)(struct serving *serving);
    /* When what was waited for is there; NULL: `begin` waits for nothing. */
    int (*work)(struct serving *serving);
    /* Whether a client that stays until its time is out has been told everything. NULL: never. */
    bool (*told)(const struct serving *serving, const struct ferry_relay_stats *stats);
    /* Frees what the structure owns; NULL: nothing. */
    void (*fini)(struct serving *serving);
};

struct serving {
    const struct desk_handler *handler;
    struct registry *registry;     /* borrowed */
    struct ferry_channel *channel; /* the near end of the pair */
    struct ferry_inbox *inbox;     /* NULL if inbox_size is 0 */
    struct ferry_source *source;   /* the rest is the desk's own */
    struct ferry_relay *relay;
    ferry_relay_tap tap;
    void *tap_data;
    void (*done)(int code, const char *reason, void *data);
    void *data;
};

/* Begins to serve, as struct service has it; `handler` outlives the serving. */
int desk_serve(const struct service_call *call, const struct desk_handler *handler,
    struct serving **ret_serving);

/* The rest of the table, for each service that sits at a desk. */
void desk_stop(struct serving *serving);
void desk_get_stats(const struct serving *serving, struct ferry_relay_stats *ret_stats);
struct ferry_channel *desk_get_channel(const struct serving *serving, bool other);

#endif
