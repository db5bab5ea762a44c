/* tables.c - the rows of what was found. */
#include "command/bench/tables.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <string.h>

/* --- cells ------------------------------------------------------------------------------------ */

static void add_time(struct table *table, int64_t time_ns)
{
    char text[24];

    time_print(time_ns, text);
    table_add(table, text);
}

/* Below a nanosecond, too. */
static void add_fine_time(struct table *table, double time_ns)
{
    char text[24];

    snprintf(text, sizeof(text), time_ns < 1 ? "%.0fps" : "%.2fns",
        time_ns < 1 ? time_ns * 1000 : time_ns);
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

/* --- rows ------------------------------------------------------------------------------------- */

static void add_case(
    struct table *table, const struct bench_method *method, const struct bench_case *one)
{
    double rate = bench_case_messages_per_s(one);

    table_add(table, one->crossing.mechanism->name);
    table_add(table, bench_wait_name(one->crossing.wait));
    add_time(table, times_quantile(&one->times, 500));
    add_time(table, times_quantile(&one->times, 990));
    if (one->times.count >= 1000)
        add_time(table, times_quantile(&one->times, 999));
    else
        table_add(table, "-");
    add_time(table, (int64_t)case_trip_cpu_ns(one));
    if (method->rate > 0) {
        add_time(table, times_quantile(&one->ways, 500));
        add_time(table, times_quantile(&one->ways, 990));
    } else {
        add_rate(table, rate);
        add_rate(table, rate * (double)one->crossing.size);
    }
    add_time(table, (int64_t)case_one_way_cpu_ns(one));
    add_spread(table, method, figure_spread(one->slowest, one->fastest));
}

void cases_table(const struct bench_method *method, const struct bench_case *const *cases,
    size_t count, struct table *ret_table)
{
    static const char *const headings[] = { "MECHANISM", "WAIT", ">TRIP", ">P99", ">P99.9",
        ">CPU/MSG", ">ONE-WAY/S", ">BYTES/S", ">CPU/MSG", ">SPREAD", NULL };
    static const char *const paced[] = { "MECHANISM", "WAIT", ">TRIP", ">P99", ">P99.9", ">CPU/MSG",
        ">ONE-WAY", ">P99", ">CPU/MSG", ">SPREAD", NULL };

    table_init(ret_table, method->rate > 0 ? paced : headings);
    for (size_t i = 0; i < count; i++)
        if (cases[i]->code == 0)
            add_case(ret_table, method, cases[i]);
}

/* One way alone: what stands in the way of a round trip is not how much fits into a buffer. */
static void add_buffer(
    struct table *table, const struct bench_method *method, const struct bench_case *one)
{
    char size[24];

    size_print(true, one->crossing.buffer, size);
    table_add(table, size);
    table_add(table, one->crossing.mechanism->name);
    add_rate(table, bench_case_bytes_per_s(one));
    add_fine_time(table, case_byte_cpu_ns(one));
    add_spread(table, method, figure_spread(one->slowest, one->fastest));
}

void buffers_table(
    const struct bench_method *method, const struct bench_cases *cases, struct table *ret_table)
{
    static const char *const headings[] = { ">BUFFER", "MECHANISM", ">BYTES/S", ">CPU/BYTE",
        ">SPREAD", NULL };

    table_init(ret_table, headings);
    for (size_t i = 0; i < cases->count; i++)
        if (cases->list[i].code == 0)
            add_buffer(ret_table, method, &cases->list[i]);
}

static void add_profile(
    struct table *table, const struct bench_method *method, const struct bench_case *one)
{
    char size[24];
    double rate = bench_case_messages_per_s(one);

    size_print(true, one->crossing.size, size);
    table_add(table, size);
    table_add(table, one->crossing.profile);
    add_time(table, times_quantile(&one->times, 500));
    add_time(table, times_quantile(&one->times, 990));
    add_time(table, (int64_t)case_trip_cpu_ns(one));
    add_rate(table, rate);
    add_rate(table, rate * (double)one->crossing.size);
    add_time(table, (int64_t)case_one_way_cpu_ns(one));
    add_spread(table, method, figure_spread(one->slowest, one->fastest));
}

void profiles_table(
    const struct bench_method *method, const struct bench_cases *cases, struct table *ret_table)
{
    static const char *const headings[] = { ">SIZE", "PROFILE", ">TRIP", ">P99", ">CPU/MSG",
        ">ONE-WAY/S", ">BYTES/S", ">CPU/MSG", ">SPREAD", NULL };

    table_init(ret_table, headings);
    for (size_t i = 0; i < cases->count; i++)
        if (cases->list[i].code == 0)
            add_profile(ret_table, method, &cases->list[i]);
}

static double ready_spread(const struct ready_result *result, const struct ready_figure *figure)
{
    return figure_spread(
        ready_wait_ns(result, figure->slowest_ns), ready_wait_ns(result, figure->fastest_ns));
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

void ready_table(
    const struct bench_method *method, const struct ready_result *result, struct table *ret_table)
{
    static const char *const headings[] = { ">WATCHED", ">SELECT", ">POLL", ">EPOLL", ">EDGE",
        ">IO_URING", ">SPREAD", NULL };

    table_init(ret_table, headings);
    for (size_t i = 0; i < READY_STEP_COUNT; i++)
        ready_row(method, result, i, ret_table);
}

static void add_step(
    struct table *table, const struct bench_method *method, const struct step_figure *figure)
{
    table_add(table, figure->name);
    if (figure->code < 0) {
        for (unsigned column = 0; column < 3; column++)
            table_add(table, "-");
        table_add(table, step_reason(figure));
        return;
    }
    add_time(table, (int64_t)step_ns(figure));
    add_rate(table, figure_per((double)NS_PER_S, step_ns(figure)));
    add_spread(table, method, figure_spread(figure->slowest_ns, figure->fastest_ns));
    table_add(table, figure->help);
}

void steps_table(const struct bench_method *method, const struct step_figure figures[STEP_COUNT],
    struct table *ret_table)
{
    static const char *const headings[] = { "STEP", ">CPU", ">/S", ">SPREAD", "", NULL };

    table_init(ret_table, headings);
    for (size_t i = 0; i < STEP_COUNT; i++)
        add_step(ret_table, method, &figures[i]);
}

void claims_table(const struct claim claims[CLAIM_COUNT], struct table *ret_table)
{
    static const char *const headings[] = { "CLAIM", ">CLAIMED", ">HERE", "VERDICT", "METHOD",
        NULL };

    table_init(ret_table, headings);
    for (size_t i = 0; i < CLAIM_COUNT; i++) {
        table_add(ret_table, claims[i].what);
        add_amount(ret_table, claims[i].unit, claims[i].claimed);
        add_amount(ret_table, claims[i].unit, claims[i].here);
        table_add(ret_table, claim_verdict_name(claims[i].verdict));
        table_add(ret_table, claims[i].method);
    }
}
