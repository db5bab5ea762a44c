/* report.c - what `ferry ping` says, for people and as JSON. */
#include "command/ping/report.h"
#include "base/cleanup.h"
#include "command/table.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static const char *const methods[] = { [PING_UNDECIDED] = "none",
    [PING_ECHO] = "echo",
    [PING_CONNECT] = "connect",
    [PING_OPEN] = "open" };

static const char *const outcomes[] = { [PING_ANSWERED] = "answered",
    [PING_REFUSED] = "refused",
    [PING_FAILED] = "failed",
    [PING_LOST] = "lost" };

static const char *probe_text(const struct ping_probe *probe)
{
    return ferry_address_text(probe->address);
}

/* --- for people ------------------------------------------------------------------------------- */

static void method_print(const struct ping_probe *probe, struct bytes *text)
{
    if (probe->method == PING_UNDECIDED)
        return; /* there never was a channel */
    bytes_append_text(text, probe_text(probe));
    if (probe->host_count)
        bytes_print(text, " is %s", ferry_address_text(ping_probe_target(probe)));
    if (probe->method == PING_ECHO)
        bytes_print(text, ": echo of %zu bytes\n", probe->setup->size);
    else if (probe->method == PING_CONNECT)
        bytes_append_text(text, ": connected, then closed; nothing is sent\n");
    else
        bytes_append_text(text, ": opened, then closed; nothing is sent\n");
}

void ping_report_result(const struct ping_probe *probe, struct bytes *text)
{
    const struct ping_result *result = &probe->result;
    bool timed = result->outcome == PING_ANSWERED || result->outcome == PING_REFUSED;
    char time[24] = "-";

    if (result->number == 1)
        method_print(probe, text);
    if (timed)
        time_print(result->time_ns, time);
    bytes_print(text, "%6" PRIu64 "  %7s  %s", result->number, time, probe_text(probe));
    if (result->reason[0])
        bytes_print(text, ": %s", result->reason);
    bytes_append_char(text, '\n');
}

static double loss_of(const struct ping_probe *probe)
{
    uint64_t missing = probe->asked - ping_probe_answered(probe);
    return probe->asked ? 100.0 * (double)missing / (double)probe->asked : 0;
}

static void add_number(struct table *table, uint64_t number)
{
    char text[24];
    size_print(false, number, text);
    table_add(table, text);
}

static void add_time(struct table *table, int64_t time_ns)
{
    char text[24];
    time_print(time_ns, text);
    table_add(table, text);
}

static void add_probe(struct table *table, const struct ping_probe *probe)
{
    const struct times *times = &probe->times;
    char loss[24];
    snprintf(loss, sizeof(loss), "%.3g%%", loss_of(probe));
    table_add(table, probe_text(probe));
    table_add(table, methods[probe->method]);
    add_number(table, probe->asked);
    add_number(table, ping_probe_answered(probe));
    table_add(table, loss);
    if (!times->count) {
        for (int i = 0; i < 6; i++)
            table_add(table, "-");
        return;
    }
    add_time(table, times->min_ns);
    add_time(table, times_quantile(times, 500));
    add_time(table, times_quantile(times, 990));
    add_time(table, times->max_ns);
    add_time(table, times_mean(times));
    add_time(table, times_jitter(times));
}

/* What the table has no column for. */
static void add_remark(const struct ping_probe *probe, struct bytes *text)
{
    const struct {
        uint64_t count;
        const char *words, *why;
    } remarks[] = {
        { probe->refused, "answered by \"port unreachable\"", NULL },
        { probe->failed, "failed", probe->failure },
        { probe->lost, "without answer", NULL },
        { probe->late, "came late", NULL },
        { probe->twice, "came twice", NULL },
        { probe->foreign, "not ours", NULL },
    };
    const char *separator = ": ";
    size_t before = text->size;

    bytes_append_text(text, probe_text(probe));
    for (size_t i = 0; i < COUNT_OF(remarks); i++) {
        if (!remarks[i].count)
            continue;
        bytes_print(text, "%s%" PRIu64 " %s", separator, remarks[i].count, remarks[i].words);
        if (remarks[i].why)
            bytes_print(text, " (%s)", remarks[i].why);
        separator = ", ";
    }
    if (*separator == ':')
        text->size = before; /* nothing to say */
    else
        bytes_append_char(text, '\n');
}

void ping_report_summary(struct ping_probe *const *probes, size_t count, struct bytes *text)
{
    static const char *const headings[] = { "ADDRESS", "METHOD", ">SENT", ">ANSWERED", ">LOSS",
        ">MIN", ">MEDIAN", ">P99", ">MAX", ">MEAN", ">JITTER", NULL };
    struct table table;

    table_init(&table, headings);
    for (size_t i = 0; i < count; i++)
        add_probe(&table, probes[i]);
    table_print(&table, text);
    table_fini(&table);
    for (size_t i = 0; i < count; i++)
        add_remark(probes[i], text);
}

/* The first and the last bucket that any probe has something in; false: there is none. */
static bool histogram_range(
    struct ping_probe *const *probes, size_t count, size_t *ret_first, size_t *ret_last)
{
    bool found = false;
    for (size_t bucket = 0; bucket < TIMES_HISTOGRAM_COUNT; bucket++) {
        for (size_t i = 0; i < count; i++) {
            if (!probes[i]->times.histogram[bucket])
                continue;
            if (!found)
                *ret_first = bucket;
            *ret_last = bucket;
            found = true;
        }
    }
    return found;
}

static void bar_print(uint64_t number, uint64_t most, unsigned width, struct bytes *text)
{
    uint64_t length = (number * width + most - 1) / most;
    for (uint64_t i = 0; i < length; i++)
        bytes_append_char(text, '#');
}

static void histogram_print(
    const struct times *times, size_t first, size_t last, unsigned width, struct bytes *text)
{
    uint64_t most = 1;
    for (size_t bucket = first; bucket <= last; bucket++)
        if (times->histogram[bucket] > most)
            most = times->histogram[bucket];
    for (size_t bucket = first; bucket <= last; bucket++) {
        char from[24];
        time_print(times_histogram_from(bucket), from);
        bytes_print(text, "%8s  %8" PRIu64 "  ", from, times->histogram[bucket]);
        bar_print(times->histogram[bucket], most, width, text);
        while (text->size && text->data && text->data[text->size - 1] == ' ')
            text->size--;
        bytes_append_char(text, '\n');
    }
}

void ping_report_histograms(
    struct ping_probe *const *probes, size_t count, unsigned width, struct bytes *text)
{
    size_t first, last;
    if (!histogram_range(probes, count, &first, &last))
        return;
    for (size_t i = 0; i < count; i++) {
        if (!probes[i]->times.count)
            continue;
        bytes_print(text, "\n%s, times from\n", probe_text(probes[i]));
        histogram_print(&probes[i]->times, first, last, width, text);
    }
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void set_number(json_t *object, const char *key, uint64_t number)
{
    json_object_set_new(object, key, json_integer((json_int_t)number));
}

/* What came from outside may be no UTF-8. */
static void set_text(json_t *object, const char *key, const char *text)
{
    json_t *value = json_string(text);
    json_object_set_new(object, key, value ? value : json_string("?"));
}

static void json_line(json_t *object, struct bytes *text)
{
    char *line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (!line)
        text->failed = true;
    else
        bytes_print(text, "%s\n", line);
    free(line);
    json_decref(object);
}

void ping_report_result_json(const struct ping_probe *probe, struct bytes *text)
{
    const struct ping_result *result = &probe->result;
    json_t *object = json_object();

    set_text(object, "event", "answer");
    set_text(object, "address", probe_text(probe));
    set_text(object, "method", methods[probe->method]);
    set_number(object, "number", result->number);
    set_text(object, "outcome", outcomes[result->outcome]);
    if (result->outcome == PING_ANSWERED || result->outcome == PING_REFUSED)
        set_number(object, "time_ns", (uint64_t)result->time_ns);
    if (result->reason[0])
        set_text(object, "reason", result->reason);
    json_line(object, text);
}

static json_t *histogram_json(const struct times *times)
{
    json_t *buckets = json_array();
    for (size_t i = 0; i < TIMES_HISTOGRAM_COUNT; i++) {
        if (!times->histogram[i])
            continue;
        json_t *bucket = json_object();
        set_number(bucket, "from_ns", i ? (uint64_t)times_histogram_from(i) : 0);
        if (i + 1 < TIMES_HISTOGRAM_COUNT)
            set_number(bucket, "to_ns", (uint64_t)times_histogram_from(i + 1));
        set_number(bucket, "count", times->histogram[i]);
        json_array_append_new(buckets, bucket);
    }
    return buckets;
}

static void set_times(json_t *object, const struct times *times)
{
    set_number(object, "min_ns", (uint64_t)times->min_ns);
    set_number(object, "median_ns", (uint64_t)times_quantile(times, 500));
    set_number(object, "p99_ns", (uint64_t)times_quantile(times, 990));
    set_number(object, "max_ns", (uint64_t)times->max_ns);
    set_number(object, "mean_ns", (uint64_t)times_mean(times));
    set_number(object, "jitter_ns", (uint64_t)times_jitter(times));
}

static json_t *probe_json(const struct ping_probe *probe)
{
    json_t *object = json_object();
    set_text(object, "address", probe_text(probe));
    set_text(object, "dialled", ferry_address_text(ping_probe_target(probe)));
    set_text(object, "method", methods[probe->method]);
    if (probe->method == PING_ECHO)
        set_number(object, "size", probe->setup->size);
    set_number(object, "sent", probe->asked);
    set_number(object, "answered", ping_probe_answered(probe));
    set_number(object, "refused", probe->refused);
    set_number(object, "failed", probe->failed);
    set_number(object, "lost", probe->lost);
    set_number(object, "late", probe->late);
    set_number(object, "twice", probe->twice);
    set_number(object, "foreign", probe->foreign);
    json_object_set_new(object, "loss_percent", json_real(loss_of(probe)));
    if (probe->failed)
        set_text(object, "reason", probe->failure);
    if (probe->times.count)
        set_times(object, &probe->times);
    json_object_set_new(object, "histogram", histogram_json(&probe->times));
    return object;
}

void ping_report_summary_json(struct ping_probe *const *probes, size_t count, struct bytes *text)
{
    json_t *object = json_object(), *list = json_array();
    set_text(object, "event", "summary");
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, probe_json(probes[i]));
    json_object_set_new(object, "addresses", list);
    json_line(object, text);
}
