/* session.h - a bound datagram socket and its senders, within the mechanism: session.c listens and
 * deals, session_link.c is one sender's link. What others need stands in transport/transport.h.
 */
#ifndef FERRY_TRANSPORT_SESSION_H
#define FERRY_TRANSPORT_SESSION_H

#include "base/list.h"
#include "transport/letter.h"
#include "transport/session_sender.h"
#include "transport/session_table.h"
#include "transport/transport.h"

struct sessions {
    unsigned references; /* the listening, and every session */
    int socket;
    int epoll; /* the listening's, -1 once it is closed */
    int timer;
    int family;
    bool refuse_descriptors;
    bool reading; /* the epoll watches the socket */
    bool closed;  /* the listening is */
    unsigned capabilities;
    uint16_t segment_max; /* of every link */
    struct ferry_inbox *inbox;
    struct session_table table;
    struct session_accounts accounts;
    struct session_accounts pidfd_accounts;
    struct list arrived; /* not yet accepted */
    struct list full;    /* the one that has been so longest first */
    uint64_t dropped;
    uint64_t batch; /* number of the one that is dealt */
};

enum session_state { SESSION_OPEN, SESSION_ENDED, SESSION_END_REPORTED };

struct session {
    struct session_entry entry;
    struct sessions *shared;
    struct list arrived;
    struct list full;
    int64_t full_since_ns; /* or since something was last taken */
    int64_t
        deaf_since_ns; /* since when its sender has taken no answer; CLOCK_NEVER: it takes them */
    struct letters letters;
    struct session_sender sender;
    uint64_t batch; /* the last that brought something */
    bool admits;    /* its messages */
    enum session_state state;
    int end_code; /* what receive returns after the last letter */
    /* Where its taker keeps it, learnt when an operation is called: the link has moved to its
     * final place by then. NULL before. */
    struct link *link;
    struct sockaddr_storage name[]; /* none for a sender without address */
};

/* A link that has no place yet. */
struct link session_link(struct session *session);

/* Moves on; only forwards. */
void session_set_state(struct session *session, enum session_state state);
/* Lets its taker have what is queued, and `code` then. */
void session_end(struct session *session, int code);
/* Its taker has taken something. */
void session_took(struct session *session);
void session_free(struct session *session);

/* Reads the socket and deals, once. Returns as a receive of the socket. */
int sessions_pump(struct sessions *shared);
/* To when the first stalled session is to be ended. */
void sessions_set_timer(struct sessions *shared);
/* Reads the socket, or leaves it unread, as there is room. */
void sessions_set_backpressure(struct sessions *shared);

#endif
