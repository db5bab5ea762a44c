/* cells.c - what stands in a row. */
#include "command/top/cells.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/table.h"
#include "command/view/names.h"

#include <inttypes.h>
#include <string.h>

const struct top_column_facts top_columns[TOP_COLUMN_COUNT] = {
    [TOP_KIND] = { "KIND", "kind" },
    [TOP_STATE] = { "STATE", "state" },
    [TOP_AGE] = { ">AGE", "age" },
    [TOP_RECEIVE] = { ">RECV-Q", "recv-q" },
    [TOP_SEND] = { ">SEND-Q", "send-q" },
    [TOP_FILL] = { ">FILL", "fill" },
    [TOP_IN] = { ">IN/s", "in" },
    [TOP_OUT] = { ">OUT/s", "out" },
    [TOP_LOCAL] = { "LOCAL", "local" },
    [TOP_REMOTE] = { "REMOTE", "remote" },
    [TOP_PROCESS] = { "PROCESS", "process" },
    [TOP_PEER] = { "PEER", "peer" },
    [TOP_ENDPOINTS] = { ">SOCKETS", "sockets" },
    [TOP_LISTENERS] = { ">LISTEN", "listen" },
    [TOP_WAITING] = { ">WAITING", "waiting" },
    [TOP_CHURN] = { ">CHURN", "churn" },
};

const enum top_column *top_columns_of(bool by_process)
{
    static const enum top_column endpoints[] = { TOP_KIND, TOP_STATE, TOP_AGE, TOP_RECEIVE,
        TOP_SEND, TOP_FILL, TOP_IN, TOP_OUT, TOP_LOCAL, TOP_REMOTE, TOP_PROCESS, TOP_PEER,
        TOP_COLUMN_COUNT };
    static const enum top_column processes[] = { TOP_PROCESS, TOP_ENDPOINTS, TOP_LISTENERS,
        TOP_WAITING, TOP_RECEIVE, TOP_SEND, TOP_FILL, TOP_IN, TOP_OUT, TOP_COLUMN_COUNT };
    return by_process ? processes : endpoints;
}

enum top_column top_column_find(const char *name)
{
    for (unsigned i = 0; i < TOP_COLUMN_COUNT; i++)
        if (strcmp(top_columns[i].name, name) == 0)
            return (enum top_column)i;
    return TOP_COLUMN_COUNT;
}

/* --- figures ---------------------------------------------------------------------------------- */

void top_short_print(double number, char text[16])
{
    static const char units[] = "KMGTPE";
    size_t unit = 0;

    if (number < 9999.5) {
        snprintf(text, 16, "%.0f", number);
        return;
    }
    for (number /= 1024; number >= 999.5 && units[unit + 1]; unit++)
        number /= 1024;
    snprintf(text, 16, number < 9.95 ? "%.1f%c" : "%.0f%c", number, units[unit]);
}

static void print_number(double number, bool people, struct bytes *text)
{
    char digits[16];

    if (!people) {
        bytes_print(text, "%.0f", number);
        return;
    }
    top_short_print(number, digits);
    bytes_append_text(text, digits);
}

static void print_rate(double rate, bool people, struct bytes *text)
{
    if (rate < 0)
        bytes_append_char(text, '-');
    else
        print_number(rate, people, text);
}

/* Connections a second, with their sign: "+3" made, "-2" closed; few are told to a tenth. */
static void print_churn(double rate, char sign, struct bytes *text)
{
    if (rate < 0)
        bytes_append_char(text, '-');
    else if (rate < 0.05)
        bytes_append_char(text, '0');
    else
        bytes_print(text, rate < 9.95 ? "%c%.1f" : "%c%.0f", sign, rate);
}

/* One unit: the column is narrow. */
static void print_age(const struct top_row *row, struct bytes *text)
{
    int64_t second = row->age_ns / NS_PER_S;
    const char *sign = row->older ? ">" : "";

    if (row->age_ns < 0)
        bytes_append_char(text, '-');
    else if (second < 100)
        bytes_print(text, "%s%" PRId64 "s", sign, second);
    else if (second < 100 * 60)
        bytes_print(text, "%s%" PRId64 "m", sign, second / 60);
    else if (second < 72 * 3600)
        bytes_print(text, "%s%" PRId64 "h", sign, second / 3600);
    else
        bytes_print(text, "%s%" PRId64 "d", sign, second / 86400);
}

/* --- names ------------------------------------------------------------------------------------ */

/* That it waits stands in its state; there is little room. */
static void print_peer(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (!endpoint->peer && endpoint->listener)
        view_print_owners(endpoint->listener, text);
    else
        view_print_peer(endpoint, text);
}

static void print_name(const struct top_row *row, enum top_column column, struct bytes *text)
{
    size_t size = text->size;

    if (row->process)
        view_print_process(row->process, text);
    else if (column == TOP_LOCAL)
        view_print_local(row->main, text);
    else if (column == TOP_REMOTE)
        view_print_remote(row->main, text);
    else if (column == TOP_PEER)
        print_peer(row->main, text);
    else
        view_print_owners(row->main, text);
    if (text->size == size)
        bytes_append_char(text, '-');
}

void top_cell_print(
    const struct top_row *row, enum top_column column, bool people, struct bytes *text)
{
    bool listens = row->main && row->main->state == FERRY_STATE_LISTENING;

    switch (column) {
    case TOP_KIND:
        bytes_append_text(text, ferry_endpoint_kind_name(row->main->kind));
        return;
    case TOP_STATE:
        bytes_append_text(text, ferry_endpoint_state_name(row->main->state));
        return;
    case TOP_AGE:
        print_age(row, text);
        return;
    case TOP_RECEIVE:
        print_number((double)row->receive_queue, people, text);
        return;
    case TOP_SEND:
        print_number((double)row->send_queue, people, text);
        return;
    case TOP_FILL:
        if (row->fill < 0)
            bytes_append_char(text, '-');
        else
            bytes_print(text, "%d%%", row->fill);
        return;
    case TOP_IN:
        if (listens)
            print_churn(row->made, '+', text);
        else
            print_rate(row->in, people, text);
        return;
    case TOP_OUT:
        if (listens)
            print_churn(row->closed, '-', text);
        else
            print_rate(row->out, people, text);
        return;
    case TOP_ENDPOINTS:
        bytes_print(text, "%u", row->endpoints);
        return;
    case TOP_LISTENERS:
        bytes_print(text, "%u", row->listeners);
        return;
    case TOP_WAITING:
        bytes_print(text, "%u", row->waiting);
        return;
    default:
        print_name(row, column, text);
        return;
    }
}
