/* document.c - what `ferry bench` found, as JSON. */
#include "command/bench/document.h"
#include "base/cleanup.h"
#include "command/bench/machine.h"

#include <jansson.h>
#include <string.h>

static void set_number(json_t *object, const char *key, double number)
{
    json_object_set_new(object, key, json_integer((json_int_t)(number + 0.5)));
}

static void set_by_ring(json_t *object, const struct crossing_result *result)
{
    double percent = crossing_by_ring(result);

    if (percent >= 0)
        json_object_set_new(object, "by_ring_percent", json_real(percent));
}

static json_t *trips_json(const struct bench_case *one)
{
    json_t *trips = json_object();

    set_number(trips, "count", (double)one->times.count);
    set_number(trips, "median_ns", (double)times_quantile(&one->times, 500));
    set_number(trips, "p99_ns", (double)times_quantile(&one->times, 990));
    set_number(trips, "p999_ns", (double)times_quantile(&one->times, 999));
    set_number(trips, "cpu_ns_per_message", case_trip_cpu_ns(one));
    set_by_ring(trips, &one->trips);
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
    set_number(one_way, "cpu_ns_per_message", case_one_way_cpu_ns(one));
    set_by_ring(one_way, &one->one_way);
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
    json_object_set_new(object, "wait", json_string(bench_wait_name(one->crossing.wait)));
    set_number(object, "size", (double)one->crossing.size);
    if (one->crossing.buffer)
        set_number(object, "buffer", (double)one->crossing.buffer);
    if (one->crossing.profile)
        json_object_set_new(object, "profile", json_string(one->crossing.profile));
    if (one->code < 0) {
        json_object_set_new(object, "missing", json_string(case_reason(one)));
        return object;
    }
    json_object_set_new(object, "round_trip", trips_json(one));
    json_object_set_new(object, "one_way", one_way_json(one));
    return object;
}

static json_t *cases_json(const struct bench_cases *cases)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < cases->count; i++)
        json_array_append_new(rows, case_json(&cases->list[i]));
    return rows;
}

static json_t *ready_json(const struct ready_result *result, size_t step, enum ready_way way)
{
    const struct ready_figure *figure = &result->figures[step][way];
    json_t *object = json_object();

    json_object_set_new(object, "by", json_string(ready_way_name(way)));
    set_number(object, "watched", (double)ready_steps[step]);
    if (figure->code < 0) {
        json_object_set_new(object, "missing", json_string(ready_reason(figure)));
        return object;
    }
    set_number(object, "events", (double)figure->events);
    set_number(object, "cpu_ns_per_wait", ready_ns(result, figure));
    set_number(object, "fastest_slice_ns", ready_wait_ns(result, figure->fastest_ns));
    set_number(object, "slowest_slice_ns", ready_wait_ns(result, figure->slowest_ns));
    return object;
}

static json_t *readies_json(const struct ready_result *result)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < READY_STEP_COUNT; i++)
        for (unsigned way = 0; way < READY_WAY_COUNT; way++)
            json_array_append_new(rows, ready_json(result, i, way));
    return rows;
}

static json_t *step_json(const struct step_figure *figure)
{
    json_t *object = json_object();

    json_object_set_new(object, "step", json_string(figure->name));
    json_object_set_new(object, "what", json_string(figure->help));
    if (figure->code < 0) {
        json_object_set_new(object, "missing", json_string(step_reason(figure)));
        return object;
    }
    set_number(object, "count", (double)figure->steps);
    set_number(object, "cpu_ns", figure_per((double)figure->cpu_ns, (double)figure->steps));
    set_number(object, "fastest_slice_ns", figure->fastest_ns);
    set_number(object, "slowest_slice_ns", figure->slowest_ns);
    return object;
}

static json_t *steps_json(const struct step_figure figures[STEP_COUNT])
{
    json_t *rows = json_array();

    for (size_t i = 0; i < STEP_COUNT; i++)
        json_array_append_new(rows, step_json(&figures[i]));
    return rows;
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

static json_t *claims_json(const struct claim claims[CLAIM_COUNT])
{
    json_t *rows = json_array();

    for (size_t i = 0; i < CLAIM_COUNT; i++)
        json_array_append_new(rows, claim_json(&claims[i]));
    return rows;
}

/* --- all of it -------------------------------------------------------------------------------- */

static void set_printed(json_t *object, const char *key, void (*print)(struct bytes *text))
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    print(&text);
    json_object_set_new(object, key, json_string(text.data ? text.data : ""));
}

static json_t *line_json(const struct times *lines)
{
    json_t *object = json_object();

    set_number(object, "median_ns", (double)times_quantile(lines, 500));
    set_number(object, "least_ns", (double)lines->min_ns);
    set_number(object, "most_ns", (double)lines->max_ns);
    return object;
}

static json_t *method_json(const struct bench_findings *findings)
{
    const struct bench_method *method = &findings->method;
    json_t *object = json_object();

    set_printed(object, "kernel", machine_kernel_print);
    set_printed(object, "processor", machine_processor_print);
    if (method->cpus[0] >= 0)
        json_object_set_new(
            object, "processors", json_pack("[ii]", method->cpus[0], method->cpus[1]));
    set_number(object, "slice_ms", (double)method->slice_ms);
    set_number(object, "rounds", method->rounds);
    if (method->budget_ms)
        set_number(object, "budget_ms", (double)method->budget_ms);
    set_number(object, "estimate_ms", (double)findings->estimate_ms);
    set_number(object, "took_ms", (double)findings->took_ms);
    if (findings->is_cut)
        json_object_set_new(object, "cut", json_true());
    if (method->rate > 0)
        set_number(object, "rate", method->rate);
    if (findings->lines.count > 0)
        json_object_set_new(object, "cache_line", line_json(&findings->lines));
    return object;
}

static json_t *part_json(const struct bench_findings *findings, enum bench_part part)
{
    switch (part) {
    case BENCH_CROSSINGS:
        return cases_json(&findings->crossings);
    case BENCH_BUFFERS:
        return cases_json(&findings->buffers);
    case BENCH_PROFILES:
        return cases_json(&findings->profiles);
    case BENCH_READY:
        return readies_json(&findings->ready);
    case BENCH_STEPS:
        return steps_json(findings->steps);
    default:
        return claims_json(findings->claims);
    }
}

/* The rows of one part are its cases; of several, each has its name. */
void bench_document(const struct bench_findings *findings, struct bytes *text)
{
    json_t *document = json_object();
    bool one = (findings->parts & (findings->parts - 1)) == 0;

    json_object_set_new(document, "method", method_json(findings));
    if (bench_has(findings, BENCH_READY))
        set_number(document, "write_and_read_ns",
            figure_per((double)findings->ready.bare.cpu_ns, (double)findings->ready.bare.events));
    for (unsigned part = 0; part < BENCH_PART_COUNT; part++)
        if (bench_has(findings, part))
            json_object_set_new(
                document, one ? "cases" : bench_part_name(part), part_json(findings, part));
    char *dumped = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (dumped)
        bytes_print(text, "%s\n", dumped);
    else
        text->failed = true;
    free(dumped);
    json_decref(document);
}
