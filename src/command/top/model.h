/* model.h - one look at the machine as rows: connections, listeners and what else is open, or the
 * sums of processes.
 *
 * A connection of which both ends are on this machine is one row, `main` is its server's end: the
 * one with a name, or whose port is listened on. Rows point into the table and live as long as its
 * look. No text is made here: a look at 40,000 sockets must cost little more than the table itself,
 * and a screen shows forty of them.
 */
#ifndef FERRY_COMMAND_TOP_MODEL_H
#define FERRY_COMMAND_TOP_MODEL_H

#include "command/top/listeners.h"
#include "command/top/past.h"

#include <ferry/endpoints.h>

/* A fill or an age that is not known. */
#define TOP_NONE (-1)

struct top_row {
    const struct ferry_endpoint *main;   /* NULL: a process's row */
    const struct ferry_endpoint *peer;   /* the other end, if the row stands for both; NULL */
    const struct ferry_process *process; /* of a process's row */
    uint64_t receive_queue, send_queue;  /* bytes; of a listener connections */
    double in, out;                      /* bytes a second; TOP_UNKNOWN */
    double made, closed;                 /* connections a second; TOP_UNKNOWN */
    int64_t age_ns;                      /* TOP_NONE */
    int fill;                            /* percent of the fuller buffer or backlog; TOP_NONE */
    bool older;                          /* at least age_ns: it was there at the first look */
    /* Of a process. */
    unsigned endpoints, listeners, waiting;
};

struct top_totals {
    unsigned count[FERRY_ENDPOINT_KIND_COUNT][FERRY_STATE_COUNT];
    unsigned kinds[FERRY_ENDPOINT_KIND_COUNT];
    unsigned all;
    unsigned waiting;                   /* connections in backlogs */
    const struct ferry_endpoint *worst; /* the fullest backlog in which somebody waits; NULL */
    double in, out;                     /* of TCP, each connection once; TOP_UNKNOWN */
};

struct top_model {
    const struct ferry_endpoints *table; /* of the last look */
    struct top_past past;
    struct top_listeners listeners;
    struct top_totals totals;
    struct top_row *rows;
    size_t count, capacity;
    struct top_map pids;         /* to rows, of a look by process */
    int64_t first_ns;            /* the first look; 0: there was none */
    int64_t time_ns, elapsed_ns; /* of the last look; since the one before, 0: there was none */
    uint64_t looks;
    bool by_process; /* asked by the caller */
};

void top_model_fini(struct top_model *model);
/* Takes in a table that has just been made or refreshed. Returns 0, -ENOMEM. */
int top_model_look(struct top_model *model, const struct ferry_endpoints *table);
/* Makes the rows again, after by_process has changed. Returns 0, -ENOMEM. */
int top_model_regroup(struct top_model *model);
/* How full the buffers or the backlog of one end are, percent; TOP_NONE. */
int top_fill(const struct ferry_endpoint *endpoint);

#endif
