/* report.c - a look as text or as JSON, for pipes. */
#include "base/clock.h"
#include "command/table.h"
#include "command/top/top.h"
#include "command/view/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- text ------------------------------------------------------------------------------------- */

static void print_rows(const struct top *top, bool people, struct bytes *text)
{
    const enum top_column *columns = top_columns_of(top->model.by_process);
    const char *headings[TABLE_COLUMNS_MAX + 1] = { NULL };
    struct table table;

    for (size_t i = 0; columns[i] != TOP_COLUMN_COUNT; i++)
        headings[i] = top_columns[columns[i]].heading;
    table_init(&table, headings);
    for (size_t i = 0; i < top->order.sorted; i++) {
        const struct top_row *row = &top->model.rows[top->order.places[i]];
        for (const enum top_column *column = columns; *column != TOP_COLUMN_COUNT; column++) {
            top_cell_print(row, *column, people, &table.cells);
            bytes_append_char(&table.cells, '\0');
        }
    }
    table_print(&table, text);
    table_fini(&table);
}

static int report_text(const struct top *top)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    bool people = isatty(STDOUT_FILENO);

    if (top->model.looks > 1)
        bytes_append_char(&text, '\n');
    top_print_head(&top->model, people, &text);
    print_rows(top, people, &text);
    if (top->ferries.count) {
        bytes_append_text(&text, "\nferry's own routes\n");
        top_print_ferries(&top->ferries, people, SIZE_MAX, &text);
    }
    if (*top_foot(&top->model))
        bytes_print(&text, "(%s)\n", top_foot(&top->model));
    if (bytes_failed(&text))
        return -ENOMEM;
    fwrite(text.data, 1, text.size, stdout);
    return 0;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void set_rate(json_t *object, const char *key, double rate)
{
    if (rate >= 0)
        json_object_set_new(object, key, json_real(rate));
}

static void set_rates(json_t *object, const struct top_row *row)
{
    set_rate(object, "in_per_s", row->in);
    set_rate(object, "out_per_s", row->out);
    set_rate(object, "made_per_s", row->made);
    set_rate(object, "closed_per_s", row->closed);
    if (row->fill >= 0)
        view_json_set_number(object, "fill_percent", (uint64_t)row->fill);
}

static json_t *json_endpoint(const struct top_row *row)
{
    json_t *object = view_json_endpoint(row->main);

    if (row->age_ns >= 0) {
        view_json_set_number(object, "age_ms", (uint64_t)(row->age_ns / NS_PER_MS));
        json_object_set_new(object, "older", json_boolean(row->older));
    }
    set_rates(object, row);
    return object;
}

static json_t *json_process(const struct top_row *row)
{
    json_t *object = view_json_process(row->process);

    view_json_set_number(object, "sockets", row->endpoints);
    view_json_set_number(object, "listeners", row->listeners);
    view_json_set_number(object, "waiting", row->waiting);
    view_json_set_number(object, "receive_queue", row->receive_queue);
    view_json_set_number(object, "send_queue", row->send_queue);
    set_rates(object, row);
    return object;
}

static json_t *json_counts(const struct top_totals *totals)
{
    json_t *counts = json_object();

    for (unsigned kind = 0; kind < FERRY_ENDPOINT_KIND_COUNT; kind++) {
        json_t *states = json_object();
        for (unsigned state = 0; state < FERRY_STATE_COUNT; state++) {
            const char *name = ferry_endpoint_state_name(state);
            uint64_t before = (uint64_t)json_integer_value(json_object_get(states, name));
            if (totals->count[kind][state]) /* two states have one name */
                view_json_set_number(states, name, before + totals->count[kind][state]);
        }
        if (totals->kinds[kind])
            json_object_set(counts, ferry_endpoint_kind_name(kind), states);
        json_decref(states);
    }
    return counts;
}

static void copy(json_t *object, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);

    if (value)
        json_object_set(object, key, value);
}

static json_t *json_flow(const struct top_flow *flow)
{
    static const char *const route[] = { "name", "listen", "to", NULL };
    static const char *const connection[] = { "started_ns", "peer", "target", NULL };
    json_t *object = json_object();

    for (const char *const *key = flow->is_route ? route : connection; *key; key++)
        copy(object, flow->report, *key);
    copy(object, flow->report, "bytes_in");
    copy(object, flow->report, "bytes_out");
    set_rate(object, "in_per_s", flow->in_rate);
    set_rate(object, "out_per_s", flow->out_rate);
    return object;
}

static json_t *json_ferry(const struct top_ferry *ferry)
{
    json_t *object = json_object(), *routes = json_array(), *connections = NULL;

    view_json_set_number(object, "pid", (uint64_t)ferry->pid);
    view_json_set_number(object, "elapsed_ms", (uint64_t)(ferry->elapsed_ns / NS_PER_MS));
    if (ferry->failure[0])
        json_object_set_new(object, "failure", json_string(ferry->failure));
    for (size_t i = 0; i < ferry->flow_count; i++) {
        json_t *flow = json_flow(&ferry->flows[i]);
        if (!ferry->flows[i].is_route) {
            json_array_append_new(connections, flow);
            continue;
        }
        connections = json_array();
        json_object_set_new(flow, "connections", connections);
        json_array_append_new(routes, flow);
    }
    json_object_set_new(object, "routes", routes);
    return object;
}

static json_t *json_look(const struct top *top)
{
    const struct top_totals *totals = &top->model.totals;
    json_t *look = json_object(), *rows = json_array(), *ferries = json_array();

    view_json_set_number(look, "schema", VIEW_SCHEMA);
    view_json_set_number(look, "look", top->model.looks);
    view_json_set_number(look, "elapsed_ms", (uint64_t)(top->model.elapsed_ns / NS_PER_MS));
    view_json_set_number(look, "sockets", totals->all);
    json_object_set_new(look, "counts", json_counts(totals));
    view_json_set_number(look, "waiting", totals->waiting);
    if (totals->worst)
        json_object_set_new(look, "fullest_backlog", view_json_endpoint(totals->worst));
    set_rate(look, "tcp_in_per_s", totals->in);
    set_rate(look, "tcp_out_per_s", totals->out);
    for (size_t i = 0; i < top->order.sorted; i++) {
        const struct top_row *row = &top->model.rows[top->order.places[i]];
        json_array_append_new(rows, row->process ? json_process(row) : json_endpoint(row));
    }
    json_object_set_new(look, top->model.by_process ? "processes" : "rows", rows);
    for (size_t i = 0; i < top->ferries.count; i++)
        json_array_append_new(ferries, json_ferry(&top->ferries.items[i]));
    json_object_set_new(look, "ferries", ferries);
    json_object_set_new(look, "gaps", view_json_gaps(top->table));
    return look;
}

int top_report(struct top *top)
{
    size_t wanted = top->row_count ? top->row_count : SIZE_MAX;
    int code = top_order_make(&top->order, &top->model, wanted);

    if (code == 0 && top->json) {
        json_t *look = json_look(top);
        json_dumpf(look, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(look);
    } else if (code == 0) {
        code = report_text(top);
    }
    if (fflush(stdout) != 0 && code == 0)
        code = -errno;
    return code;
}
