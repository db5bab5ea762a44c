/* model.c - from a table to rows. */
#include "command/top/model.h"
#include "base/array.h"
#include "command/view/backlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void top_model_fini(struct top_model *model)
{
    top_past_fini(&model->past);
    top_listeners_fini(&model->listeners);
    top_map_fini(&model->pids);
    free(model->rows);
}

static struct top_row *row_add(struct top_model *model)
{
    if (!array_reserve(&model->rows, model->count, &model->capacity, sizeof(*model->rows)))
        return NULL;
    struct top_row *row = &model->rows[model->count++];
    *row = (struct top_row){ .in = TOP_UNKNOWN,
        .out = TOP_UNKNOWN,
        .made = TOP_UNKNOWN,
        .closed = TOP_UNKNOWN,
        .age_ns = TOP_NONE,
        .fill = TOP_NONE };
    return row;
}

static bool listens(const struct ferry_endpoint *endpoint)
{
    return endpoint->state == FERRY_STATE_LISTENING;
}

/* --- how full --------------------------------------------------------------------------------- */

static int percent(uint64_t used, uint64_t size)
{
    uint64_t part = size ? used * 100 / size : 0;
    return part > 999 ? 999 : (int)part;
}

static int larger(int one, int other)
{
    return one > other ? one : other;
}

int top_fill(const struct ferry_endpoint *endpoint)
{
    const uint32_t *memory = endpoint->memory;

    if (listens(endpoint))
        return percent(endpoint->receive_queue, view_backlog_room(endpoint));
    if (!endpoint->has_memory)
        return TOP_NONE;
    return larger(percent(memory[FERRY_MEMORY_RECEIVE_USED], memory[FERRY_MEMORY_RECEIVE_SIZE]),
        percent(memory[FERRY_MEMORY_SEND_USED], memory[FERRY_MEMORY_SEND_SIZE]));
}

/* --- both ends -------------------------------------------------------------------------------- */

static const struct ferry_endpoint *other_end(const struct ferry_endpoint *endpoint)
{
    const struct ferry_endpoint *peer = endpoint->peer;
    return peer && peer != endpoint && peer->peer == endpoint ? peer : NULL;
}

static bool is_server(const struct top_model *model, const struct ferry_endpoint *endpoint)
{
    return endpoint->inet ? top_listeners_of(&model->listeners, endpoint) != NULL
                          : endpoint->name != NULL;
}

/* Of two ends exactly one is: the server's, else the older one. */
static bool is_main(const struct top_model *model, const struct ferry_endpoint *endpoint,
    const struct ferry_endpoint *peer)
{
    bool mine = is_server(model, endpoint), theirs = is_server(model, peer);

    if (mine != theirs)
        return mine;
    return endpoint->cookie != peer->cookie ? endpoint->cookie < peer->cookie
                                            : endpoint->inode < peer->inode;
}

static void set_age(const struct top_model *model, struct top_row *row)
{
    const struct ferry_endpoint *endpoint = row->main;
    const struct top_past_item *past = top_past_find(&model->past, endpoint);
    int64_t seen_ns = past ? past->seen_ns : endpoint->seen_ns;

    /* Without both a socket can't be told from the one that was there before. */
    if (!past && (!endpoint->cookie || !endpoint->inode))
        return;
    row->age_ns = model->time_ns - seen_ns;
    row->older = seen_ns == model->first_ns;
}

static int row_of(struct top_model *model, const struct ferry_endpoint *endpoint)
{
    const struct ferry_endpoint *peer = other_end(endpoint);

    if (peer && !is_main(model, endpoint, peer))
        return 0;
    struct top_row *row = row_add(model);
    if (!row)
        return -ENOMEM;
    row->main = endpoint;
    row->peer = peer;
    row->receive_queue = endpoint->receive_queue;
    row->send_queue = endpoint->send_queue;
    row->fill = larger(top_fill(endpoint), peer ? top_fill(peer) : TOP_NONE);
    set_age(model, row);
    const struct top_past_item *past = top_past_find(&model->past, endpoint);
    if (past) {
        row->in = past->in;
        row->out = past->out;
    }
    const struct top_listener *listener =
        listens(endpoint) ? top_listeners_find(&model->listeners, endpoint) : NULL;
    if (listener) {
        row->made = listener->made_rate;
        row->closed = listener->closed_rate;
    }
    return 0;
}

/* --- processes -------------------------------------------------------------------------------- */

static void sum(double *total, double part)
{
    if (part >= 0)
        *total = (*total < 0 ? 0 : *total) + part;
}

static void process_add(
    const struct top_model *model, struct top_row *row, const struct ferry_endpoint *endpoint)
{
    const struct top_past_item *past = top_past_find(&model->past, endpoint);

    row->endpoints++;
    row->fill = larger(row->fill, top_fill(endpoint));
    if (listens(endpoint)) {
        const struct top_listener *listener = top_listeners_find(&model->listeners, endpoint);
        row->listeners++;
        row->waiting += endpoint->receive_queue;
        sum(&row->made, listener ? listener->made_rate : TOP_UNKNOWN);
        sum(&row->closed, listener ? listener->closed_rate : TOP_UNKNOWN);
        return;
    }
    row->receive_queue += endpoint->receive_queue;
    row->send_queue += endpoint->send_queue;
    sum(&row->in, past ? past->in : TOP_UNKNOWN);
    sum(&row->out, past ? past->out : TOP_UNKNOWN);
}

/* What several processes share counts for each of them. */
static int processes_of(struct top_model *model, const struct ferry_endpoint *endpoint)
{
    for (unsigned i = 0; i < endpoint->owner_count; i++) {
        const struct ferry_process *process = endpoint->owners[i].process;
        if (i > 0 && process == endpoint->owners[i - 1].process)
            continue; /* by another descriptor */
        uint32_t place = top_map_get(&model->pids, (uint64_t)process->pid);
        struct top_row *row = place == TOP_MAP_NONE ? row_add(model) : &model->rows[place];
        if (!row || (place == TOP_MAP_NONE && top_map_put(&model->pids, (uint64_t)process->pid,
                                                  (uint32_t)(row - model->rows)) < 0))
            return -ENOMEM;
        row->process = process;
        process_add(model, row, endpoint);
    }
    return 0;
}

int top_model_regroup(struct top_model *model)
{
    size_t count = ferry_endpoints_count(model->table);
    int code = 0;

    model->count = 0;
    top_map_clear(&model->pids);
    for (size_t i = 0; i < count && code == 0; i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(model->table, i);
        /* What is left of a connection that has ended moves nothing: the totals count it. */
        if (endpoint->state == FERRY_STATE_TIME_WAIT)
            continue;
        code = model->by_process ? processes_of(model, endpoint) : row_of(model, endpoint);
    }
    return code;
}

/* --- totals ----------------------------------------------------------------------------------- */

static void totals_add(struct top_totals *totals, const struct ferry_endpoint *endpoint)
{
    totals->all++;
    totals->kinds[endpoint->kind]++;
    totals->count[endpoint->kind][endpoint->state]++;
    if (!listens(endpoint) || !endpoint->receive_queue)
        return;
    totals->waiting += endpoint->receive_queue;
    if (!totals->worst || top_fill(endpoint) > top_fill(totals->worst))
        totals->worst = endpoint;
}

static void totals_rate(struct top_model *model, const struct ferry_endpoint *endpoint)
{
    const struct top_past_item *past = top_past_find(&model->past, endpoint);
    const struct ferry_endpoint *peer = other_end(endpoint);

    if (!past || (peer && !is_main(model, endpoint, peer)))
        return;
    sum(&model->totals.in, past->in);
    sum(&model->totals.out, past->out);
}

/* Accepted: what waits has no inode, or is the client's end and has not the listener's name. */
static struct top_listener *accepted_by(
    const struct top_model *model, const struct ferry_endpoint *endpoint)
{
    bool can = endpoint->inode && endpoint->kind <= FERRY_ENDPOINT_TCP &&
               endpoint->state != FERRY_STATE_LISTENING && endpoint->state != FERRY_STATE_CLOSED &&
               endpoint->state != FERRY_STATE_WAITING;
    return can ? top_listeners_of(&model->listeners, endpoint) : NULL;
}

static int count_all(struct top_model *model)
{
    size_t count = ferry_endpoints_count(model->table);

    top_listeners_begin(&model->listeners);
    model->totals = (struct top_totals){ .in = TOP_UNKNOWN, .out = TOP_UNKNOWN };
    for (size_t i = 0; i < count; i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(model->table, i);
        struct top_listener *listener = accepted_by(model, endpoint);
        totals_add(&model->totals, endpoint);
        if (listens(endpoint) && top_listeners_add(&model->listeners, endpoint) < 0)
            return -ENOMEM;
        if (listener)
            top_listener_count(listener, endpoint, model->time_ns);
        if (endpoint->kind == FERRY_ENDPOINT_TCP)
            totals_rate(model, endpoint);
    }
    top_listeners_end(&model->listeners, model->time_ns);
    return 0;
}

int top_model_look(struct top_model *model, const struct ferry_endpoints *table)
{
    int64_t now_ns = ferry_endpoints_time_ns(table);

    model->table = table;
    model->elapsed_ns = model->looks ? now_ns - model->time_ns : 0;
    model->time_ns = now_ns;
    if (!model->looks++)
        model->first_ns = now_ns;
    int code = top_past_look(&model->past, table);
    if (code == 0)
        code = count_all(model);
    return code == 0 ? top_model_regroup(model) : code;
}
