/* changes.h - what has become of endpoints between two looks at the machine.
 *
 * Both tables are there while they are compared, so that nothing of what was need be kept, but for
 * how long each queue has not moved, and what has been told of it.
 */
#ifndef FERRY_COMMAND_LS_CHANGES_H
#define FERRY_COMMAND_LS_CHANGES_H

#include <ferry/endpoints.h>

enum ls_event {
    LS_MADE,
    LS_ACCEPTED,  /* the socket that accept(2) has returned */
    LS_BOUND,     /* it has a name now */
    LS_LISTENING, /* or: another backlog */
    LS_WAITING,   /* connected, in a backlog */
    LS_CONNECTED,
    LS_STATE,     /* another change of state */
    LS_PEER,      /* another is at the other end */
    LS_PEER_GONE, /* nobody is any more */
    LS_OWNERS,    /* other processes hold it: inherited, passed, closed by some */
    LS_SHUTDOWN,  /* a direction was closed */
    LS_BACKLOG,   /* as full as is worth a word; once, until it is less full */
    LS_STUCK,     /* bytes do not move; once, until they do */
    LS_PATH_LOST, /* its path does not lead to it any more */
    LS_CLOSED,
    LS_EVENT_COUNT
};

const char *ls_event_name(enum ls_event event);

struct ls_change {
    enum ls_event event;
    const struct ferry_endpoint *endpoint; /* as it is; of a closed one, as it was */
    const struct ferry_endpoint *before;   /* NULL: it was not there */
    int64_t still_ms;                      /* of LS_STUCK: for how long */
};

typedef void (*ls_change_handler)(const struct ls_change *change, void *data);

struct ls_pulse;

struct ls_changes {
    unsigned percent; /* of a backlog */
    int64_t stuck_ms;
    ls_change_handler handler;
    void *data;
    struct ls_pulse *pulses; /* of each row of the last table; owned */
};

/* Calls the handler for each change, in the table's order, what was closed at the end.
 *   before  the table of the last call; NULL: this is the first, and only what lasts (a backlog
 *           that is full) is a change
 * Returns 0, -ENOMEM. */
int ls_changes_find(struct ls_changes *changes, const struct ferry_endpoints *before,
    const struct ferry_endpoints *now);
void ls_changes_fini(struct ls_changes *changes);

#endif
