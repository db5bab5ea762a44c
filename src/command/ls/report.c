/* report.c - changes in words. */
#include "command/ls/report.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/date.h"
#include "command/ls/columns.h"
#include "command/ls/rows.h"
#include "command/table.h"
#include "command/view/json.h"
#include "command/view/names.h"
#include "command/view/screen.h"

#include <string.h>

static void print_clock(struct bytes *text)
{
    int64_t now_ns = date_now_ns();
    char time[DATE_SIZE];

    bytes_print(text, "%s.%03d", date_time(now_ns, time), (int)(now_ns % NS_PER_S / NS_PER_MS));
}

static json_t *json_time(void)
{
    char time[DATE_SIZE];
    return json_string(date_utc(date_now_ns(), time));
}

/* Consumes the object. */
static void print_object(json_t *object, struct bytes *text)
{
    char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;

    if (line)
        bytes_append_text(text, line);
    else
        text->failed = true;
    bytes_append_char(text, '\n');
    free(line);
    json_decref(object);
}

void ls_report_start(size_t count, bool json, struct bytes *text)
{
    if (json) {
        print_object(json_pack("{s:i, s:o, s:s, s:I}", "schema", VIEW_SCHEMA, "time", json_time(),
                         "event", "following", "endpoints", (json_int_t)count),
            text);
        return;
    }
    print_clock(text);
    bytes_print(text, "  following %zu endpoint%s\n", count, count == 1 ? "" : "s");
}

/* --- for people ------------------------------------------------------------------------------- */

static void print_named(const char *name, const struct ferry_endpoint *endpoint, struct bytes *text)
{
    ls_cell_print(ls_column_find(name, strlen(name)), endpoint, text);
}

/* What the event's name and the endpoint do not say. */
static void print_detail(const struct ls_change *change, struct bytes *text)
{
    const struct ferry_endpoint *endpoint = change->endpoint, *before = change->before;
    char span[24];

    switch (change->event) {
    case LS_STATE:
        bytes_print(text, "  %s, was %s", ferry_endpoint_state_name(endpoint->state),
            ferry_endpoint_state_name(before->state));
        break;
    case LS_LISTENING:
    case LS_BACKLOG:
        bytes_print(
            text, "  %u waiting, backlog %u", endpoint->receive_queue, endpoint->send_queue);
        break;
    case LS_OWNERS:
        bytes_append_text(text, "  was ");
        print_named("process", before, text);
        break;
    case LS_PEER:
    case LS_PEER_GONE:
        bytes_append_text(text, "  was ");
        print_named("peer", before, text);
        break;
    case LS_SHUTDOWN:
        bytes_append_text(text, "  ");
        print_named("shutdown", endpoint, text);
        break;
    case LS_STUCK:
        span_print(change->still_ms, span);
        bytes_print(text, "  %u to be read, %u not taken, for %s", endpoint->receive_queue,
            endpoint->send_queue, span);
        break;
    case LS_PATH_LOST:
        bytes_print(text, "  path is %s", ferry_path_state_name(endpoint->path->state));
        break;
    default:
        break;
    }
}

static const char *event_colour(enum ls_event event)
{
    switch (event) {
    case LS_MADE:
    case LS_ACCEPTED:
    case LS_CONNECTED:
    case LS_LISTENING:
        return "\033[32m";
    case LS_BACKLOG:
    case LS_STUCK:
    case LS_PATH_LOST:
    case LS_PEER_GONE:
        return "\033[31m";
    case LS_CLOSED:
        return "\033[2m";
    default:
        return "";
    }
}

void ls_report_text(const struct ls_change *change, bool colour, struct bytes *text)
{
    const struct ferry_endpoint *endpoint = change->endpoint;

    print_clock(text);
    bytes_print(text, "  %s%-9s%s  %-5s  %-10llu  ", colour ? event_colour(change->event) : "",
        ls_event_name(change->event), colour ? VIEW_PLAIN : "",
        ferry_endpoint_kind_name(endpoint->kind), (unsigned long long)endpoint->inode);
    print_named("local", endpoint, text);
    bytes_append_text(text, " -> ");
    print_named("remote", endpoint, text);
    bytes_append_text(text, "  ");
    print_named("process", endpoint, text);
    bytes_append_text(text, " - ");
    print_named("peer", endpoint, text);
    print_detail(change, text);
    bytes_append_char(text, '\n');
}

/* --- for machines ----------------------------------------------------------------------------- */

void ls_report_json(const struct ls_change *change, struct bytes *text)
{
    const struct ferry_endpoint *before = change->before;
    json_t *object = json_pack("{s:i, s:o, s:s}", "schema", VIEW_SCHEMA, "time", json_time(),
        "event", ls_event_name(change->event));
    json_t *endpoint = view_json_endpoint(change->endpoint);

    json_object_update(object, endpoint);
    json_decref(endpoint);
    if (before && before->state != change->endpoint->state)
        json_object_set_new(
            object, "state_before", json_string(ferry_endpoint_state_name(before->state)));
    if (change->event == LS_OWNERS)
        json_object_set_new(object, "owners_before", view_json_owners(before));
    if (change->event == LS_PEER || change->event == LS_PEER_GONE)
        json_object_set_new(object, "peer_before",
            json_pack("{s:I, s:o}", "inode", (json_int_t)before->peer_inode, "owners",
                before->peer ? view_json_owners(before->peer) : json_array()));
    if (change->event == LS_STUCK)
        json_object_set_new(object, "still_ms", json_integer(change->still_ms));
    print_object(object, text);
}
