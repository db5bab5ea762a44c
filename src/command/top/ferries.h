/* ferries.h - what running ferries carry: the only true byte rates of unix sockets, since the
 * kernel counts none and ferry counts what it relays.
 *
 * A ferry is found by its control socket: a unix listener at a path that ends in "control.sock",
 * held by a process called "ferry". Anybody can make one of those: what it answers is data, bounded
 * in time (TOP_ASK_MS) and escaped when shown; and no other socket is dialled than that listener's,
 * wherever its path leads by now.
 */
#ifndef FERRY_COMMAND_TOP_FERRIES_H
#define FERRY_COMMAND_TOP_FERRIES_H

#include "command/ask.h"
#include "command/limits.h"
#include "command/top/map.h"

#include <ferry/endpoints.h>
#include <jansson.h>

/* A route, or a connection of the route before it. Texts are the reply's. */
struct top_flow {
    const json_t *report; /* what `status` says of it */
    bool is_route;
    uint64_t id;              /* of a connection: started_ns; 0: the ferry does not tell */
    uint64_t in, out;         /* bytes so far, from the peer and to it */
    double in_rate, out_rate; /* bytes a second; TOP_UNKNOWN */
};

struct top_ferry {
    uint64_t cookie; /* of its control socket */
    pid_t pid;
    char *path;
    const struct ferry_endpoint *listener; /* in this look's table */
    struct asking asking;                  /* kept open from look to look */
    json_t *reply;
    struct top_flow *flows;
    size_t flow_count;
    int64_t asked_ns, reply_ns, next_ns; /* when it was; when it answered; when it may be again */
    int64_t elapsed_ns;                  /* between its last two answers; 0: there is one only */
    char failure[256];                   /* why it did not answer; "" */
    bool kept, asked; /* on the connection of an earlier look; its reply is due */
    bool there;       /* in this look */
};

struct top_ferries {
    struct top_ferry items[TOP_FERRIES_MAX];
    size_t count;
};

void top_ferry_fini(struct top_ferry *ferry);
/* Has it answered: rates are what the answer says beyond the one before.
 *   reply  taken */
void top_ferry_answer(struct top_ferry *ferry, json_t *reply, int64_t now_ns);

void top_ferries_fini(struct top_ferries *ferries);
/* Finds those of a table and asks them. */
void top_ferries_look(struct top_ferries *ferries, const struct ferry_endpoints *table);

#endif
