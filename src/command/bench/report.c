/* report.c - what `ferry bench` found, for people. */
#include "command/bench/report.h"
#include "base/cleanup.h"
#include "command/bench/machine.h"
#include "command/bench/tables.h"
#include "command/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- how -------------------------------------------------------------------------------------- */

static void machine_report(struct bytes *text)
{
    machine_kernel_print(text);
    bytes_append_text(text, ", ");
    machine_processor_print(text);
}

static void slices_report(const struct bench_method *method, const char *what, struct bytes *text)
{
    bytes_print(text, "; %u slice%s of %" PRId64 " ms %s, in turns\n", method->rounds,
        method->rounds == 1 ? "" : "s", method->slice_ms, what);
}

void bench_lines_remark(const struct times *lines, struct bytes *text)
{
    char median[24], least[24], most[24];

    if (lines->count == 0)
        return;
    time_print(times_quantile(lines, 500), median);
    time_print(lines->min_ns, least);
    time_print(lines->max_ns, most);
    bytes_print(text, "A cache line goes there and back between the two in %s", median);
    if (!lines_are_steady(lines))
        bytes_print(text,
            ", from %s to %s in the course of this: they were not equally near all the time, as "
            "when a host moves them, and slices differ for that alone",
            least, most);
}

static void crossing_method_report(const struct bench_findings *findings, struct bytes *text)
{
    const struct bench_method *method = &findings->method;

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
    bench_lines_remark(&findings->lines, text);
    if (findings->lines.count > 0)
        bytes_append_char(text, '\n');
}

static void table_end(struct table *table, struct bytes *text)
{
    table_print(table, text);
    table_fini(table);
}

/* --- messages --------------------------------------------------------------------------------- */

static int by_trip(const void *one, const void *other)
{
    const struct bench_case *a = *(const struct bench_case *const *)one;
    const struct bench_case *b = *(const struct bench_case *const *)other;
    int64_t a_ns = times_quantile(&a->times, 500), b_ns = times_quantile(&b->times, 500);
    return (a_ns > b_ns) - (a_ns < b_ns);
}

size_t bench_order(
    const struct bench_case *cases, size_t count, const struct bench_case **ret_order)
{
    size_t placed = 0;

    for (size_t i = 0; i < count; i++)
        if (cases[i].code == 0)
            ret_order[placed++] = &cases[i];
    size_t measured = placed;
    for (size_t i = 0; i < count; i++)
        if (cases[i].code < 0)
            ret_order[placed++] = &cases[i];
    qsort(ret_order, measured, sizeof(struct bench_case *), by_trip);
    return measured;
}

size_t bench_size_end(const struct bench_cases *cases, size_t first)
{
    size_t next = first;

    while (
        next < cases->count && cases->list[next].crossing.size == cases->list[first].crossing.size)
        next++;
    return next;
}

/* What the table has no column for. */
void bench_remark(const struct bench_case *one, struct bytes *text)
{
    const char *name = one->crossing.mechanism->name, *wait = bench_wait_name(one->crossing.wait);
    char size[24];

    size_print(true, one->crossing.buffer, size);
    if (one->crossing.buffer || one->crossing.profile)
        wait = one->crossing.profile ? one->crossing.profile : size;
    if (one->code < 0)
        bytes_print(text, "%s, %s: not measured: %s\n", name, wait, case_reason(one));
    else if (crossing_by_ring(&one->trips) >= 0)
        bytes_print(text,
            "%s, %s: by the ring went %.3g%% of the messages there and back, %.3g%% of those one "
            "way\n",
            name, wait, crossing_by_ring(&one->trips), crossing_by_ring(&one->one_way));
    else if (one->one_way.lost)
        bytes_print(text, "%s, %s: %.3g%% of the messages one way were lost\n", name, wait,
            100 * figure_per((double)one->one_way.lost,
                      (double)(one->one_way.lost + one->one_way.messages)));
}

static void crossings_report(const struct bench_findings *findings, struct bytes *text)
{
    const struct bench_cases *cases = &findings->crossings;
    AUTO_FREE const struct bench_case **order = calloc(cases->count + 1, sizeof(*order));
    char size[24];
    struct table table;

    if (!order) {
        text->failed = true;
        return;
    }
    crossing_method_report(findings, text);
    for (size_t first = 0, next; first < cases->count; first = next) {
        next = bench_size_end(cases, first);
        (void)bench_order(&cases->list[first], next - first, order);
        size_print(true, cases->list[first].crossing.size, size);
        bytes_print(text, "\nMessages of %s bytes\n", size);
        cases_table(&findings->method, order, next - first, &table);
        table_end(&table, text);
        for (size_t i = 0; i < next - first; i++)
            bench_remark(order[i], text);
    }
}

static void buffers_report(const struct bench_findings *findings, struct bytes *text)
{
    struct table table;
    char size[24];

    crossing_method_report(findings, text);
    size_print(true, BUFFER_MESSAGE_SIZE, size);
    bytes_print(text, "\nMessages of %s bytes one way, asleep, by the size of the buffers\n", size);
    buffers_table(&findings->method, &findings->buffers, &table);
    table_end(&table, text);
    for (size_t i = 0; i < findings->buffers.count; i++)
        bench_remark(&findings->buffers.list[i], text);
}

static void profiles_report(const struct bench_findings *findings, struct bytes *text)
{
    struct table table;

    crossing_method_report(findings, text);
    bytes_append_text(text, "\nMessages by TCP, asleep, by the profile of both ends\n");
    profiles_table(&findings->method, &findings->profiles, &table);
    table_end(&table, text);
    for (size_t i = 0; i < findings->profiles.count; i++)
        bench_remark(&findings->profiles.list[i], text);
}

/* --- the rest --------------------------------------------------------------------------------- */

/* From how many on there is a dash, and why. */
static void ready_remark(const struct ready_result *result, enum ready_way way, struct bytes *text)
{
    size_t step = 0;

    while (step < READY_STEP_COUNT && result->figures[step][way].code == 0)
        step++;
    if (step == READY_STEP_COUNT)
        return;
    const struct ready_figure *figure = &result->figures[step][way];
    bytes_print(
        text, "from %zu by %s: %s", ready_steps[step], ready_way_name(way), ready_reason(figure));
    if (figure->code == -EMFILE)
        bytes_print(text, "; one process may have %zu (ulimit -Hn)", result->descriptors_max);
    if (figure->code == -ENOSPC)
        bytes_append_text(text, " (fs.epoll.max_user_watches)");
    if (figure->code == -EPERM && way == READY_URING)
        bytes_append_text(text, " (kernel.io_uring_disabled, or a filter of system calls)");
    bytes_append_char(text, '\n');
}

void ready_remarks(const struct ready_result *result, struct bytes *text)
{
    for (unsigned way = 0; way < READY_WAY_COUNT; way++)
        if (way != READY_EPOLL_EDGE)
            ready_remark(result, way, text);
}

static void ready_report(const struct bench_findings *findings, struct bytes *text)
{
    struct table table;

    machine_report(text);
    slices_report(&findings->method, "each", text);
    bytes_append_text(text, "\nProcessor time until one that is ready is told\n");
    ready_table(&findings->method, &findings->ready, &table);
    table_end(&table, text);
    ready_remarks(&findings->ready, text);
}

static void steps_report(const struct bench_findings *findings, struct bytes *text)
{
    struct table table;

    machine_report(text);
    slices_report(&findings->method, "each", text);
    bytes_append_char(text, '\n');
    steps_table(&findings->method, findings->steps, &table);
    table_end(&table, text);
}

void claims_remarks(const struct claim claims[CLAIM_COUNT], struct bytes *text)
{
    for (size_t i = 0; i < CLAIM_COUNT; i++)
        if (claims[i].why)
            bytes_print(text, "%s: %s\n", claims[i].what, claims[i].why);
    bytes_append_text(text, "\"Reproduced\" is within a quarter. Times are of other machines.\n");
}

static void claims_report(const struct bench_findings *findings, struct bytes *text)
{
    struct table table;

    crossing_method_report(findings, text);
    bytes_append_char(text, '\n');
    claims_table(findings->claims, &table);
    table_end(&table, text);
    bytes_append_char(text, '\n');
    claims_remarks(findings->claims, text);
}

void bench_report(const struct bench_findings *findings, struct bytes *text)
{
    static void (*const reports[BENCH_PART_COUNT])(
        const struct bench_findings *, struct bytes *) = {
        [BENCH_CROSSINGS] = crossings_report,
        [BENCH_BUFFERS] = buffers_report,
        [BENCH_PROFILES] = profiles_report,
        [BENCH_READY] = ready_report,
        [BENCH_STEPS] = steps_report,
        [BENCH_CLAIMS] = claims_report,
    };
    for (unsigned part = 0; part < BENCH_PART_COUNT; part++)
        if (bench_has(findings, part))
            reports[part](findings, text);
    if (findings->is_cut)
        bytes_append_text(text, "\n" BENCH_CUT_TEXT "\n");
}
