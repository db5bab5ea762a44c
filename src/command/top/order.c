/* order.c - the first rows of all, in order. */
#include "command/top/order.h"
#include "base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void top_order_fini(struct top_order *order)
{
    free(order->places);
}

/* --- comparing -------------------------------------------------------------------------------- */

static int compare(double one, double other)
{
    return one < other ? -1 : one > other;
}

static int compare_bytes(const void *one, size_t one_size, const void *other, size_t other_size)
{
    size_t size = one_size < other_size ? one_size : other_size;
    int r = size ? memcmp(one, other, size) : 0;
    return r ? r : compare((double)one_size, (double)other_size);
}

/* Without a name last. */
static int compare_local(const struct ferry_endpoint *a, const struct ferry_endpoint *b)
{
    if (a->inet && b->inet) {
        int r = compare(a->inet->local_port, b->inet->local_port);
        return r ? r : compare_bytes(a->inet->local, 16, b->inet->local, 16);
    }
    if (!a->name_size != !b->name_size)
        return a->name_size ? -1 : 1;
    return compare_bytes(a->name, a->name_size, b->name, b->name_size);
}

static int compare_remote(const struct ferry_endpoint *a, const struct ferry_endpoint *b)
{
    if (a->inet && b->inet) {
        int r = compare(a->inet->remote_port, b->inet->remote_port);
        return r ? r : compare_bytes(a->inet->remote, 16, b->inet->remote, 16);
    }
    if (!a->peer || !b->peer)
        return compare(a->peer == NULL, b->peer == NULL);
    return compare_local(a->peer, b->peer);
}

static const struct ferry_process *first_owner(const struct ferry_endpoint *endpoint)
{
    return endpoint && endpoint->owner_count ? endpoint->owners[0].process : NULL;
}

static int compare_processes(const struct ferry_process *a, const struct ferry_process *b)
{
    if (!a || !b)
        return compare(a == NULL, b == NULL);
    int r = strcmp(a->name, b->name);
    return r ? r : compare(a->pid, b->pid);
}

static int compare_names(enum top_column column, const struct top_row *a, const struct top_row *b)
{
    if (a->process)
        return compare_processes(a->process, b->process);
    switch (column) {
    case TOP_KIND:
        return compare(a->main->kind, b->main->kind);
    case TOP_STATE:
        return strcmp(
            ferry_endpoint_state_name(a->main->state), ferry_endpoint_state_name(b->main->state));
    case TOP_LOCAL:
        return compare_local(a->main, b->main);
    case TOP_REMOTE:
        return compare_remote(a->main, b->main);
    case TOP_PEER:
        return compare_processes(first_owner(a->main->peer), first_owner(b->main->peer));
    default:
        return compare_processes(first_owner(a->main), first_owner(b->main));
    }
}

/* Of two rates; unknown is less than none. */
static double rate_sum(double one, double other)
{
    return one < 0 && other < 0 ? TOP_UNKNOWN : (one > 0 ? one : 0) + (other > 0 ? other : 0);
}

static double figure_of(const struct top_row *row, enum top_column column)
{
    switch (column) {
    case TOP_AGE:
        return (double)row->age_ns;
    case TOP_RECEIVE:
        return (double)row->receive_queue;
    case TOP_SEND:
        return (double)row->send_queue;
    case TOP_FILL:
        return row->fill;
    case TOP_IN:
        return row->in;
    case TOP_OUT:
        return row->out;
    case TOP_ENDPOINTS:
        return row->endpoints;
    case TOP_LISTENERS:
        return row->listeners;
    case TOP_WAITING:
        return row->process                                ? row->waiting
               : row->main->state == FERRY_STATE_LISTENING ? (double)row->receive_queue
                                                           : TOP_UNKNOWN;
    default:
        return rate_sum(row->made, row->closed);
    }
}

static bool is_text(enum top_column column)
{
    return column == TOP_KIND || column == TOP_STATE || (column >= TOP_LOCAL && column <= TOP_PEER);
}

/* Figures: the largest first. What the column leaves equal goes by what is busiest: fullness,
 * rate, coming and going, queues. */
static int compare_rows(
    const struct top_order *order, const struct top_row *a, const struct top_row *b)
{
    int r = is_text(order->sort) ? compare_names(order->sort, a, b)
                                 : compare(figure_of(b, order->sort), figure_of(a, order->sort));
    if (order->reverse)
        r = -r;
    if (!r)
        r = compare(b->fill > 0 ? b->fill : 0, a->fill > 0 ? a->fill : 0);
    if (!r)
        r = compare(rate_sum(b->in, b->out), rate_sum(a->in, a->out));
    if (!r)
        r = compare(rate_sum(b->made, b->closed), rate_sum(a->made, a->closed));
    if (!r)
        r = compare(
            (double)(b->receive_queue + b->send_queue), (double)(a->receive_queue + a->send_queue));
    return r;
}

struct sorting {
    const struct top_order *order;
    const struct top_row *rows;
};

/* Total: the table's order decides last. */
static int compare_places(const void *one, const void *other, void *data)
{
    const struct sorting *sorting = data;
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    int r = compare_rows(sorting->order, &sorting->rows[a], &sorting->rows[b]);

    return r ? r : compare(a, b);
}

/* --- selecting -------------------------------------------------------------------------------- */

static void swap(uint32_t *one, uint32_t *other)
{
    uint32_t kept = *one;
    *one = *other;
    *other = kept;
}

/* Hoare's selection: moves the first `wanted` places of all to the front, in no order. The middle
 * is the pivot, since rows mostly come in order already. */
static void select_first(uint32_t *places, size_t count, size_t wanted, struct sorting *sorting)
{
    size_t low = 0, high = count;

    while (high - low > 1 && wanted > low && wanted < high) {
        size_t at = low, middle = low + (high - low) / 2;
        swap(&places[middle], &places[high - 1]);
        for (size_t i = low; i < high - 1; i++)
            if (compare_places(&places[i], &places[high - 1], sorting) < 0)
                swap(&places[i], &places[at++]);
        swap(&places[at], &places[high - 1]);
        if (wanted <= at)
            high = at;
        else
            low = at + 1;
    }
}

/* Everything that its line shows, whatever the width. */
static bool passes(const struct top_row *row, const char *filter, struct bytes *text)
{
    const enum top_column *column = top_columns_of(row->process != NULL);

    text->size = 0;
    for (; *column != TOP_COLUMN_COUNT; column++) {
        top_cell_print(row, *column, true, text);
        bytes_append_char(text, ' ');
    }
    return bytes_failed(text) || strcasestr(text->data, filter);
}

int top_order_make(struct top_order *order, const struct top_model *model, size_t wanted)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct sorting sorting = { order, model->rows };
    bool all = !order->filter || !*order->filter;

    order->count = order->sorted = 0;
    if (!array_grow(&order->places, model->count, &order->capacity, sizeof(*order->places)))
        return -ENOMEM;
    for (size_t i = 0; i < model->count; i++)
        if (all || passes(&model->rows[i], order->filter, &text))
            order->places[order->count++] = (uint32_t)i;
    if (bytes_failed(&text))
        return -ENOMEM;
    if (wanted > order->count)
        wanted = order->count;
    select_first(order->places, order->count, wanted, &sorting);
    order->sorted = wanted;
    if (wanted > 1)
        qsort_r(order->places, wanted, sizeof(*order->places), compare_places, &sorting);
    return 0;
}
