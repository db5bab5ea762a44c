/* words.c - the head, and ferry's own routes. */
#include "command/top/words.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/end.h"
#include "command/limits.h"
#include "command/table.h"
#include "command/top/cells.h"
#include "command/view/backlog.h"
#include "command/view/gaps.h"
#include "command/view/names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *top_foot(const struct top_model *model)
{
    const unsigned *kinds = model->totals.kinds;
    bool any = kinds[FERRY_ENDPOINT_UNIX_STREAM] || kinds[FERRY_ENDPOINT_UNIX_DATAGRAM] ||
               kinds[FERRY_ENDPOINT_UNIX_SEQPACKET];

    return any && !model->by_process ? "unix sockets: no rates, the kernel counts no bytes for them"
                                     : "";
}

/* --- the head --------------------------------------------------------------------------------- */

/* "u_str 40 (5 LISTEN, 35 ESTAB)" */
static void print_kind(const struct top_totals *totals, unsigned kind, struct bytes *text)
{
    const char *between = " (";

    bytes_print(text, "%s %u", ferry_endpoint_kind_name(kind), totals->kinds[kind]);
    for (unsigned state = 0; state < FERRY_STATE_COUNT; state++) {
        unsigned count = totals->count[kind][state];
        /* Datagram sockets are connected or not; of the others the states tell something. */
        if (!count || kind == FERRY_ENDPOINT_RAW)
            continue;
        bytes_print(text, "%s%u %s", between, count, ferry_endpoint_state_name(state));
        between = ", ";
    }
    bytes_append_text(text, *between == ',' ? ")" : "");
}

static void print_kinds(const struct top_totals *totals, struct bytes *text)
{
    const char *between = "";

    for (unsigned kind = 0; kind < FERRY_ENDPOINT_KIND_COUNT; kind++) {
        if (!totals->kinds[kind])
            continue;
        bytes_append_text(text, between);
        print_kind(totals, kind, text);
        between = "  ";
    }
    bytes_append_text(text, *between ? "\n" : "nothing is open\n");
}

static void print_worst(const struct top_totals *totals, struct bytes *text)
{
    bytes_print(text, "waiting to be accepted: %u", totals->waiting);
    if (totals->worst) {
        bytes_print(text, "; fullest backlog %u of %" PRIu64 ", ", totals->worst->receive_queue,
            view_backlog_room(totals->worst));
        view_print_local(totals->worst, text);
        bytes_append_char(text, ' ');
        view_print_owners(totals->worst, text);
    }
    bytes_append_char(text, '\n');
}

static void print_rate(double rate, bool people, struct bytes *text)
{
    char digits[16];

    if (rate < 0) {
        bytes_append_char(text, '-');
    } else if (people) {
        top_short_print(rate, digits);
        bytes_append_text(text, digits);
    } else {
        bytes_print(text, "%.0f", rate);
    }
}

void top_print_head(const struct top_model *model, bool people, struct bytes *text)
{
    const struct top_totals *totals = &model->totals;
    AUTO_BYTES struct bytes unseen = BYTES_EMPTY;
    struct ferry_endpoints_gaps gaps;
    size_t processes = ferry_endpoints_process_count(model->table);

    bytes_print(text, "%u socket%s of %zu process%s", totals->all, totals->all == 1 ? "" : "s",
        processes, processes == 1 ? "" : "es");
    if (totals->kinds[FERRY_ENDPOINT_TCP]) {
        bytes_append_text(text, "; TCP bytes/s in ");
        print_rate(totals->in, people, text);
        bytes_append_text(text, ", out ");
        print_rate(totals->out, people, text);
    }
    bytes_append_char(text, '\n');
    print_kinds(totals, text);
    print_worst(totals, text);
    ferry_endpoints_get_gaps(model->table, &gaps);
    view_print_gaps(&gaps, FERRY_ENDPOINTS_ALL, &unseen);
    if (unseen.size && !bytes_failed(&unseen))
        bytes_print(text, "not seen: %s\n", unseen.data);
}

/* --- ferry's own routes ----------------------------------------------------------------------- */

static double flow_rate(const struct top_flow *flow)
{
    return flow->in_rate < 0 ? TOP_UNKNOWN : flow->in_rate + flow->out_rate;
}

/* The busiest first. */
static int compare_flows(const void *one, const void *other)
{
    double a = flow_rate(*(const struct top_flow *const *)one);
    double b = flow_rate(*(const struct top_flow *const *)other);
    return a > b ? -1 : a < b;
}

static void add_rate(struct table *table, double rate, bool people)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    print_rate(rate, people, &text);
    table_add(table, bytes_failed(&text) ? "?" : text.data);
}

static const char *text_of(const json_t *report, const char *key)
{
    const char *text = json_string_value(json_object_get(report, key));
    return text ? text : "-";
}

static void add_route(
    struct table *table, const struct top_ferry *ferry, const struct top_flow *flow, bool people)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%d", (int)ferry->pid);
    table_add(table, digits);
    table_add(table, text_of(flow->report, "name"));
    size_print(false, json_array_size(json_object_get(flow->report, "connections")), digits);
    table_add(table, digits);
    add_rate(table, flow->in_rate, people);
    add_rate(table, flow->out_rate, people);
    table_add(table, text_of(flow->report, "listen"));
    table_add(table, text_of(flow->report, "to"));
}

static void add_end(struct table *table, const json_t *end)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    end_print(end, &text);
    table_add(table, bytes_failed(&text) || !text.size ? "-" : text.data);
}

static void add_connection(struct table *table, const struct top_flow *flow, bool people)
{
    table_add(table, "");
    table_add(table, "");
    table_add(table, "");
    add_rate(table, flow->in_rate, people);
    add_rate(table, flow->out_rate, people);
    add_end(table, json_object_get(flow->report, "peer"));
    add_end(table, json_object_get(flow->report, "target"));
}

/* Those that stand behind their route. Returns how many there are. */
static size_t add_connections(
    struct table *table, const struct top_flow *flows, size_t count, bool people, size_t shown)
{
    AUTO_FREE const struct top_flow **sorted = NULL;
    size_t found = 0;

    while (found < count && !flows[found].is_route)
        found++;
    sorted = calloc(found + 1, sizeof(struct top_flow *));
    if (!sorted)
        return found;
    for (size_t i = 0; i < found; i++)
        sorted[i] = &flows[i];
    qsort(sorted, found, sizeof(struct top_flow *), compare_flows);
    for (size_t i = 0; i < found && i < shown; i++)
        add_connection(table, sorted[i], people);
    return found;
}

static size_t add_ferry(
    struct table *table, const struct top_ferry *ferry, bool people, size_t shown)
{
    for (size_t i = 0; i < ferry->flow_count;) {
        const struct top_flow *route = &ferry->flows[i++];
        add_route(table, ferry, route, people);
        i += add_connections(table, route + 1, ferry->flow_count - i, people, shown);
    }
    return ferry->flow_count;
}

void top_print_ferries(
    const struct top_ferries *ferries, bool people, size_t flows, struct bytes *text)
{
    static const char *const headings[] = { ">FERRY", "ROUTE", ">NOW", ">IN/s", ">OUT/s",
        "LISTENS ON / FROM", "LEADS TO", NULL };
    struct table table;
    size_t count = 0;

    table_init(&table, headings);
    for (size_t i = 0; i < ferries->count; i++) {
        const struct top_ferry *ferry = &ferries->items[i];
        count += add_ferry(&table, ferry, people, flows);
        if (!ferry->failure[0])
            continue;
        bytes_print(text, "ferry %d at ", (int)ferry->pid);
        bytes_append_escaped(text, ferry->path, strlen(ferry->path));
        bytes_append_text(text, " tells nothing: ");
        bytes_append_escaped(text, ferry->failure, strlen(ferry->failure));
        bytes_append_char(text, '\n');
    }
    if (count)
        table_print(&table, text);
    table_fini(&table);
}
