/* report.c - what `ferry bench` found, for people and as JSON. */
#include "command/bench/report.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/machine.h"
#include "command/limits.h"
#include "command/table.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

static const char *const waits[BENCH_WAIT_COUNT] = {
    [BENCH_SLEEP] = "sleep", [BENCH_SPIN] = "spin", [BENCH_ADAPTIVE] = "adaptive"
};

const char *bench_wait_name(enum bench_wait wait)
{
    return waits[wait];
}

static double per(double amount, double count)
{
    return count > 0 ? amount / count : 0;
}

static double cpu_ns(const struct crossing_result *result)
{
    return per((double)result->cpu_ns, (double)result->messages);
}

/* Half of what lies between the slowest and the fastest slice, of their mean: percent. */
static double spread_of(const struct bench_case *one)
{
    return per(100 * (one->fastest - one->slowest), one->fastest + one->slowest);
}

static const char *reason_of(const struct bench_case *one)
{
    switch (one->code) {
    case -EMSGSIZE:
        return "no message may be so large";
    case -ETIMEDOUT:
        return one->crossing.mechanism->may_lose ? "messages were lost" : "nothing came any more";
    default:
        return strerror(-one->code);
    }
}

static void processor_print(struct bytes *text)
{
    struct machine machine;

    machine_read(&machine);
    bytes_append_text(text, machine.processor);
}

static void kernel_print(struct bytes *text)
{
    struct utsname name;

    if (uname(&name) == 0)
        bytes_print(text, "%s %s", name.sysname, name.release);
}

/* --- for people ------------------------------------------------------------------------------- */

static int by_trip(const void *one, const void *other)
{
    const struct bench_case *a = *(const struct bench_case *const *)one;
    const struct bench_case *b = *(const struct bench_case *const *)other;
    int64_t a_ns = times_quantile(&a->times, 500), b_ns = times_quantile(&b->times, 500);
    return (a_ns > b_ns) - (a_ns < b_ns);
}

static void add_time(struct table *table, int64_t time_ns)
{
    char text[24];

    time_print(time_ns, text);
    table_add(table, text);
}

static void add_rate(struct table *table, double rate)
{
    char text[24];

    number_print(rate, text);
    table_add(table, text);
}

/* Percent; of a single slice there is none. */
static void add_spread(struct table *table, const struct bench_method *method, double spread)
{
    char text[24];

    snprintf(text, sizeof(text), "%.0f%%", spread);
    table_add(table, method->rounds > 1 ? text : "-");
}

static void add_case(
    struct table *table, const struct bench_method *method, const struct bench_case *one)
{
    double rate = bench_case_messages_per_s(one);

    table_add(table, one->crossing.mechanism->name);
    table_add(table, waits[one->crossing.wait]);
    add_time(table, times_quantile(&one->times, 500));
    add_time(table, times_quantile(&one->times, 990));
    if (one->times.count >= 1000)
        add_time(table, times_quantile(&one->times, 999));
    else
        table_add(table, "-");
    add_time(table, (int64_t)cpu_ns(&one->trips));
    if (method->rate > 0) {
        add_time(table, times_quantile(&one->ways, 500));
        add_time(table, times_quantile(&one->ways, 990));
    } else {
        add_rate(table, rate);
        add_rate(table, rate * (double)one->crossing.size);
    }
    add_time(table, (int64_t)cpu_ns(&one->one_way));
    add_spread(table, method, spread_of(one));
}

/* What the table has no column for. */
static void add_remark(const struct bench_case *one, struct bytes *text)
{
    const char *name = one->crossing.mechanism->name, *wait = waits[one->crossing.wait];

    if (one->code < 0)
        bytes_print(text, "%s, %s: not measured: %s\n", name, wait, reason_of(one));
    else if (one->one_way.lost)
        bytes_print(text, "%s, %s: %.3g%% of the messages one way were lost\n", name, wait,
            100 * per((double)one->one_way.lost,
                      (double)(one->one_way.lost + one->one_way.messages)));
}

static void size_report(const struct bench_method *method, const struct bench_case *const *cases,
    size_t count, struct bytes *text)
{
    static const char *const headings[] = { "MECHANISM", "WAIT", ">TRIP", ">P99", ">P99.9",
        ">CPU/MSG", ">ONE-WAY/S", ">BYTES/S", ">CPU/MSG", ">SPREAD", NULL };
    static const char *const paced[] = { "MECHANISM", "WAIT", ">TRIP", ">P99", ">P99.9", ">CPU/MSG",
        ">ONE-WAY", ">P99", ">CPU/MSG", ">SPREAD", NULL };
    char size[24];
    struct table table;

    size_print(true, cases[0]->crossing.size, size);
    bytes_print(text, "\nMessages of %s bytes\n", size);
    table_init(&table, method->rate > 0 ? paced : headings);
    for (size_t i = 0; i < count; i++)
        if (cases[i]->code == 0)
            add_case(&table, method, cases[i]);
    table_print(&table, text);
    table_fini(&table);
    for (size_t i = 0; i < count; i++)
        add_remark(cases[i], text);
}

static void machine_report(struct bytes *text)
{
    kernel_print(text);
    bytes_append_text(text, ", ");
    processor_print(text);
}

static void slices_report(const struct bench_method *method, const char *what, struct bytes *text)
{
    bytes_print(text, "; %u slice%s of %" PRId64 " ms %s, in turns\n", method->rounds,
        method->rounds == 1 ? "" : "s", method->slice_ms, what);
}

static void method_report(const struct bench_method *method, struct bytes *text)
{
    machine_report(text);
    if (method->cpus[0] < 0)
        bytes_append_text(text, "; two processes, anywhere");
    else if (method->cpus[0] == method->cpus[1])
        bytes_print(text, "; two processes on processor %d", method->cpus[0]);
    else
        bytes_print(
            text, "; two processes on processors %d and %d", method->cpus[0], method->cpus[1]);
    if (method->rate > 0)
        bytes_print(text, "; %.0f a second", method->rate);
    slices_report(method, "each way", text);
}

static bool is_measured(const struct bench_case *one)
{
    return one->code == 0;
}

/* Those of one size stand together: with figures first, the fastest first of all. */
void bench_report(const struct bench_method *method, const struct bench_case *cases, size_t count,
    struct bytes *text)
{
    AUTO_FREE const struct bench_case **order = calloc(count + 1, sizeof(struct bench_case *));

    if (!order) {
        text->failed = true;
        return;
    }
    method_report(method, text);
    for (size_t first = 0, next; first < count; first = next) {
        size_t placed = 0, measured;
        for (next = first; next < count && cases[next].crossing.size == cases[first].crossing.size;)
            next++;
        for (size_t i = first; i < next; i++)
            if (is_measured(&cases[i]))
                order[placed++] = &cases[i];
        measured = placed;
        for (size_t i = first; i < next; i++)
            if (!is_measured(&cases[i]))
                order[placed++] = &cases[i];
        qsort(order, measured, sizeof(struct bench_case *), by_trip);
        size_report(method, order, placed, text);
    }
}

/* What the wait alone costs, of an event that costs `each_ns`: less what writing and reading do. */
static double wait_ns(const struct ready_result *result, double each_ns)
{
    const struct ready_figure *bare = &result->bare;
    double wait = each_ns - per((double)bare->cpu_ns, (double)bare->events);
    return wait > 0 ? wait : 0;
}

static double ready_ns(const struct ready_result *result, const struct ready_figure *figure)
{
    return wait_ns(result, per((double)figure->cpu_ns, (double)figure->events));
}

static double ready_spread(const struct ready_result *result, const struct ready_figure *figure)
{
    double slowest = wait_ns(result, figure->slowest_ns);
    double fastest = wait_ns(result, figure->fastest_ns);
    return per(100 * (slowest - fastest), slowest + fastest);
}

/* From how many on there is a dash, and why. */
static void ready_remark(const struct ready_result *result, enum ready_way way, struct bytes *text)
{
    size_t step = 0;

    while (step < READY_STEP_COUNT && result->figures[step][way].code == 0)
        step++;
    if (step == READY_STEP_COUNT)
        return;
    int code = result->figures[step][way].code;
    bytes_print(
        text, "from %zu by %s: %s", ready_steps[step], ready_way_name(way), strerror(-code));
    if (code == -EMFILE)
        bytes_print(text, "; one process may have %zu (ulimit -Hn)", result->descriptors_max);
    bytes_append_text(text, code == -ENOSPC ? " (fs.epoll.max_user_watches)\n" : "\n");
}

static void ready_row(const struct bench_method *method, const struct ready_result *result,
    size_t step, struct table *table)
{
    double spread = 0;
    char cell[24];

    size_print(false, ready_steps[step], cell);
    table_add(table, cell);
    for (unsigned way = 0; way < READY_WAY_COUNT; way++) {
        const struct ready_figure *figure = &result->figures[step][way];
        if (figure->code < 0) {
            table_add(table, "-");
            continue;
        }
        double half = ready_spread(result, figure);
        add_time(table, (int64_t)ready_ns(result, figure));
        spread = half > spread ? half : spread;
    }
    add_spread(table, method, spread);
}

void ready_report(
    const struct bench_method *method, const struct ready_result *result, struct bytes *text)
{
    static const char *const headings[] = { ">WATCHED", ">SELECT", ">POLL", ">EPOLL", ">EDGE",
        ">SPREAD", NULL };
    struct table table;

    machine_report(text);
    slices_report(method, "each", text);
    bytes_append_text(text, "\nProcessor time until one that is ready is told\n");
    table_init(&table, headings);
    for (size_t i = 0; i < READY_STEP_COUNT; i++)
        ready_row(method, result, i, &table);
    table_print(&table, text);
    table_fini(&table);
    for (unsigned way = 0; way < READY_EPOLL_EDGE; way++)
        ready_remark(result, way, text);
}

void steps_report(const struct bench_method *method, const struct step_figure figures[STEP_COUNT],
    struct bytes *text)
{
    static const char *const headings[] = { "STEP", ">CPU", ">/S", ">SPREAD", "", NULL };
    struct table table;

    machine_report(text);
    slices_report(method, "each", text);
    bytes_append_char(text, '\n');
    table_init(&table, headings);
    for (size_t i = 0; i < STEP_COUNT; i++) {
        const struct step_figure *figure = &figures[i];
        double each_ns = per((double)figure->cpu_ns, (double)figure->steps);
        table_add(&table, figure->name);
        if (figure->code < 0) {
            for (unsigned column = 0; column < 3; column++)
                table_add(&table, "-");
            table_add(&table, strerror(-figure->code));
            continue;
        }
        add_time(&table, (int64_t)each_ns);
        add_rate(&table, per((double)NS_PER_S, each_ns));
        add_spread(&table, method,
            per(100 * (figure->slowest_ns - figure->fastest_ns),
                figure->slowest_ns + figure->fastest_ns));
        table_add(&table, figure->help);
    }
    table_print(&table, text);
    table_fini(&table);
}

static void add_amount(struct table *table, enum claim_unit unit, double amount)
{
    char text[24];

    if (amount < 0) {
        table_add(table, "-");
    } else if (unit == CLAIM_NS) {
        add_time(table, (int64_t)amount);
    } else if (unit == CLAIM_TIMES) {
        snprintf(text, sizeof(text), "%.3g x", amount);
        table_add(table, text);
    } else {
        if (amount < 1e6)
            snprintf(text, sizeof(text), "%.3g kB/s", amount / 1e3);
        else
            snprintf(text, sizeof(text), "%.3g GB/s", amount / 1e9);
        table_add(table, text);
    }
}

void claims_report(
    const struct bench_method *method, const struct claim claims[CLAIM_COUNT], struct bytes *text)
{
    static const char *const headings[] = { "CLAIM", ">CLAIMED", ">HERE", "VERDICT", "METHOD",
        NULL };
    struct table table;

    method_report(method, text);
    bytes_append_char(text, '\n');
    table_init(&table, headings);
    for (size_t i = 0; i < CLAIM_COUNT; i++) {
        table_add(&table, claims[i].what);
        add_amount(&table, claims[i].unit, claims[i].claimed);
        add_amount(&table, claims[i].unit, claims[i].here);
        table_add(&table, claim_verdict_name(claims[i].verdict));
        table_add(&table, claims[i].method);
    }
    table_print(&table, text);
    table_fini(&table);
    bytes_append_char(text, '\n');
    for (size_t i = 0; i < CLAIM_COUNT; i++)
        if (claims[i].why)
            bytes_print(text, "%s: %s\n", claims[i].what, claims[i].why);
    bytes_append_text(text, "\"Reproduced\" is within a quarter. Times are of other machines.\n");
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void set_number(json_t *object, const char *key, double number)
{
    json_object_set_new(object, key, json_integer((json_int_t)(number + 0.5)));
}

static json_t *trips_json(const struct bench_case *one)
{
    json_t *trips = json_object();

    set_number(trips, "count", (double)one->times.count);
    set_number(trips, "median_ns", (double)times_quantile(&one->times, 500));
    set_number(trips, "p99_ns", (double)times_quantile(&one->times, 990));
    set_number(trips, "p999_ns", (double)times_quantile(&one->times, 999));
    set_number(trips, "cpu_ns_per_message", cpu_ns(&one->trips));
    return trips;
}

static json_t *one_way_json(const struct bench_case *one)
{
    json_t *one_way = json_object();
    double rate = bench_case_messages_per_s(one);

    set_number(one_way, "messages", (double)one->one_way.messages);
    set_number(one_way, "lost", (double)one->one_way.lost);
    set_number(one_way, "messages_per_second", rate);
    set_number(one_way, "bytes_per_second", rate * (double)one->crossing.size);
    set_number(one_way, "cpu_ns_per_message", cpu_ns(&one->one_way));
    if (!one->ways.count) {
        set_number(one_way, "slowest_slice_per_second", one->slowest);
        set_number(one_way, "fastest_slice_per_second", one->fastest);
    } else {
        set_number(one_way, "median_ns", (double)times_quantile(&one->ways, 500));
        set_number(one_way, "p99_ns", (double)times_quantile(&one->ways, 990));
    }
    return one_way;
}

static json_t *case_json(const struct bench_case *one)
{
    json_t *object = json_object();

    json_object_set_new(object, "mechanism", json_string(one->crossing.mechanism->name));
    json_object_set_new(object, "wait", json_string(waits[one->crossing.wait]));
    set_number(object, "size", (double)one->crossing.size);
    if (one->code < 0) {
        json_object_set_new(object, "missing", json_string(reason_of(one)));
        return object;
    }
    json_object_set_new(object, "round_trip", trips_json(one));
    json_object_set_new(object, "one_way", one_way_json(one));
    return object;
}

static void set_printed(json_t *object, const char *key, void (*print)(struct bytes *text))
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    print(&text);
    json_object_set_new(object, key, json_string(text.data ? text.data : ""));
}

static json_t *method_json(const struct bench_method *method)
{
    json_t *object = json_object();

    set_printed(object, "kernel", kernel_print);
    set_printed(object, "processor", processor_print);
    if (method->cpus[0] >= 0)
        json_object_set_new(
            object, "processors", json_pack("[ii]", method->cpus[0], method->cpus[1]));
    set_number(object, "slice_ms", (double)method->slice_ms);
    set_number(object, "rounds", method->rounds);
    if (method->rate > 0)
        set_number(object, "rate", method->rate);
    return object;
}

/* Takes the document over. */
static void document_print(json_t *document, struct bytes *text)
{
    char *dumped = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(6));

    if (dumped)
        bytes_print(text, "%s\n", dumped);
    else
        text->failed = true;
    free(dumped);
    json_decref(document);
}

void bench_report_json(const struct bench_method *method, const struct bench_case *cases,
    size_t count, struct bytes *text)
{
    json_t *document = json_object(), *rows = json_array();

    json_object_set_new(document, "method", method_json(method));
    for (size_t i = 0; i < count; i++)
        json_array_append_new(rows, case_json(&cases[i]));
    json_object_set_new(document, "cases", rows);
    document_print(document, text);
}

static json_t *ready_json(const struct ready_result *result, size_t step, enum ready_way way)
{
    const struct ready_figure *figure = &result->figures[step][way];
    json_t *object = json_object();

    json_object_set_new(object, "by", json_string(ready_way_name(way)));
    set_number(object, "watched", (double)ready_steps[step]);
    if (figure->code < 0) {
        json_object_set_new(object, "missing", json_string(strerror(-figure->code)));
        return object;
    }
    set_number(object, "events", (double)figure->events);
    set_number(object, "cpu_ns_per_wait", ready_ns(result, figure));
    set_number(object, "fastest_slice_ns", wait_ns(result, figure->fastest_ns));
    set_number(object, "slowest_slice_ns", wait_ns(result, figure->slowest_ns));
    return object;
}

void ready_report_json(
    const struct bench_method *method, const struct ready_result *result, struct bytes *text)
{
    json_t *document = json_object(), *rows = json_array();

    json_object_set_new(document, "method", method_json(method));
    set_number(document, "write_and_read_ns",
        per((double)result->bare.cpu_ns, (double)result->bare.events));
    for (size_t i = 0; i < READY_STEP_COUNT; i++)
        for (unsigned way = 0; way < READY_WAY_COUNT; way++)
            json_array_append_new(rows, ready_json(result, i, way));
    json_object_set_new(document, "cases", rows);
    document_print(document, text);
}

static json_t *step_json(const struct step_figure *figure)
{
    json_t *object = json_object();

    json_object_set_new(object, "step", json_string(figure->name));
    json_object_set_new(object, "what", json_string(figure->help));
    if (figure->code < 0) {
        json_object_set_new(object, "missing", json_string(strerror(-figure->code)));
        return object;
    }
    set_number(object, "count", (double)figure->steps);
    set_number(object, "cpu_ns", per((double)figure->cpu_ns, (double)figure->steps));
    set_number(object, "fastest_slice_ns", figure->fastest_ns);
    set_number(object, "slowest_slice_ns", figure->slowest_ns);
    return object;
}

void steps_report_json(const struct bench_method *method,
    const struct step_figure figures[STEP_COUNT], struct bytes *text)
{
    json_t *document = json_object(), *rows = json_array();

    json_object_set_new(document, "method", method_json(method));
    for (size_t i = 0; i < STEP_COUNT; i++)
        json_array_append_new(rows, step_json(&figures[i]));
    json_object_set_new(document, "cases", rows);
    document_print(document, text);
}

static json_t *claim_json(const struct claim *claim)
{
    static const char *const units[] = {
        [CLAIM_NS] = "ns", [CLAIM_BYTES_PER_S] = "bytes_per_second", [CLAIM_TIMES] = "times"
    };
    json_t *object = json_object();

    json_object_set_new(object, "claim", json_string(claim->what));
    json_object_set_new(object, "method", json_string(claim->method));
    json_object_set_new(object, "unit", json_string(units[claim->unit]));
    json_object_set_new(object, "claimed", json_real(claim->claimed));
    if (claim->here >= 0)
        json_object_set_new(object, "here", json_real(claim->here));
    json_object_set_new(object, "verdict", json_string(claim_verdict_name(claim->verdict)));
    if (claim->why)
        json_object_set_new(object, "why", json_string(claim->why));
    return object;
}

void claims_report_json(
    const struct bench_method *method, const struct claim claims[CLAIM_COUNT], struct bytes *text)
{
    json_t *document = json_object(), *rows = json_array();

    json_object_set_new(document, "method", method_json(method));
    for (size_t i = 0; i < CLAIM_COUNT; i++)
        json_array_append_new(rows, claim_json(&claims[i]));
    json_object_set_new(document, "cases", rows);
    document_print(document, text);
}
