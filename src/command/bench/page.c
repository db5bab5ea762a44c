/* page.c - the page: what the charts are of, and what stands around them.
 *
 * It refers to nothing outside itself, and forbids its browser to load anything, so that it can be
 * kept, sent and opened anywhere.
 */
#include "command/bench/page.h"
#include "base/cleanup.h"
#include "command/bench/chart.h"
#include "command/bench/machine.h"
#include "command/bench/markup.h"
#include "command/bench/report.h"
#include "command/bench/tables.h"
#include "command/bench/tuned.h"
#include "command/limits.h"

#include <inttypes.h>
#include <string.h>

/* --- curves of mechanisms --------------------------------------------------------------------- */

/* A family has a colour, each of it a dash and a mark. */
static struct chart_look look_of(const char *name)
{
    static const struct {
        const char *name;
        struct chart_look look;
    } looks[] = {
        { "ring", { 0, 0, 0, false } },
        { "auto", { 0, 2, 6, false } },
        { "auto-ring", { 0, 2, 7, false } },
        { "auto-socket", { 0, 2, 8, false } },
        { "unix-channel", { 1, 2, 8, false } },
        { "pipe", { 1, 0, 1, false } },
        { "fifo", { 1, 1, 1, true } },
        { "unix", { 2, 0, 2, false } },
        { "unix-seq", { 2, 1, 2, true } },
        { "unix-dgram", { 2, 2, 3, false } },
        { "unix-fd", { 2, 2, 4, true } },
        { "memfd", { 3, 1, 8, false } },
        { "mq", { 3, 0, 4, false } },
        { "tcp", { 4, 0, 5, false } },
        { "udp", { 4, 1, 6, false } },
        { "nng", { 5, 0, 7, false } },
        { "zeromq", { 6, 0, 8, false } },
        { "nanomsg", { 5, 1, 4, true } },
        { "iceoryx", { 6, 1, 0, true } },
    };
    for (size_t i = 0; i < COUNT_OF(looks); i++)
        if (strcmp(name, looks[i].name) == 0)
            return looks[i].look;
    return (struct chart_look){ .colour = CHART_COLOURS - 1, .mark = CHART_MARKS - 1 };
}

/* What is drawn of a case, in a unit without prefix; 0: there is none. */
typedef double case_value(const struct bench_case *one);

static double median_s(const struct bench_case *one)
{
    return (double)times_quantile(&one->times, 500) / 1e9;
}

static double p99_s(const struct bench_case *one)
{
    return (double)times_quantile(&one->times, 990) / 1e9;
}

static double p999_s(const struct bench_case *one)
{
    return one->times.count < 1000 ? 0 : (double)times_quantile(&one->times, 999) / 1e9;
}

static double trip_cpu_s(const struct bench_case *one)
{
    return case_trip_cpu_ns(one) / 1e9;
}

static double one_way_cpu_s(const struct bench_case *one)
{
    return case_one_way_cpu_ns(one) / 1e9;
}

static double byte_cpu_s(const struct bench_case *one)
{
    return case_byte_cpu_ns(one) / 1e9;
}

static double size_of(const struct bench_case *one)
{
    return (double)one->crossing.size;
}

static double buffer_of(const struct bench_case *one)
{
    return (double)one->crossing.buffer;
}

/* The place of x among those of the chart, a new one at the end. */
static size_t x_find(struct chart *chart, double x)
{
    size_t i = 0;

    while (i < chart->x_count && chart->xs[i] != x)
        i++;
    if (i == chart->x_count && i < CHART_POINTS_MAX)
        chart->xs[chart->x_count++] = x;
    return i;
}

static struct chart_series *series_find(struct chart *chart, const struct crossing *crossing)
{
    char name[sizeof(chart->series[0].name)];

    snprintf(name, sizeof(name), "%s%s", crossing->mechanism->name,
        crossing->wait == BENCH_ADAPTIVE ? ", adaptive" : "");
    for (size_t i = 0; i < chart->series_count; i++)
        if (strcmp(chart->series[i].name, name) == 0)
            return &chart->series[i];
    if (chart->series_count == CHART_SERIES_MAX)
        return NULL;
    struct chart_series *series = &chart->series[chart->series_count++];
    *series = (struct chart_series){ .look = look_of(crossing->mechanism->name) };
    strcpy(series->name, name);
    if (crossing->wait == BENCH_ADAPTIVE) {
        series->look.dash = 1;
        series->look.is_open = true;
    }
    return series;
}

/* Of those that wait so; who adapts does both. */
static void chart_fill(struct chart *chart, const struct bench_cases *cases, enum bench_wait wait,
    case_value *x_of, case_value *y_of)
{
    for (size_t i = 0; i < cases->count; i++) {
        const struct bench_case *one = &cases->list[i];
        size_t x = x_find(chart, x_of(one));
        if (one->code < 0 || x == CHART_POINTS_MAX ||
            (one->crossing.wait != wait && one->crossing.wait != BENCH_ADAPTIVE))
            continue;
        struct chart_series *series = series_find(chart, &one->crossing);
        if (series)
            series->values[x] = y_of(one);
    }
}

static bool has_wait(const struct bench_cases *cases, enum bench_wait wait)
{
    for (size_t i = 0; i < cases->count; i++)
        if (cases->list[i].crossing.wait == wait)
            return true;
    return false;
}

/* One chart for those that sleep, one for those that spin, with one scale. */
static void wait_charts(const struct bench_cases *cases, const char *title,
    const struct chart_axis *axis, case_value *y_of, struct bytes *page)
{
    static const char *const waits[] = {
        [BENCH_SLEEP] = "asleep while they wait", [BENCH_SPIN] = "spinning while they wait"
    };
    AUTO_FREE struct chart *charts = calloc(2, sizeof(*charts));
    double least = 0, most = 0;
    char titles[2][96];

    if (!charts) {
        page->failed = true;
        return;
    }
    for (unsigned wait = BENCH_SLEEP; wait <= BENCH_SPIN; wait++) {
        snprintf(titles[wait], sizeof(titles[wait]), "%s, %s", title, waits[wait]);
        charts[wait] = (struct chart){
            .title = titles[wait], .x = { "Size of a message", "B", true }, .y = *axis
        };
        chart_fill(&charts[wait], cases, wait, size_of, y_of);
        chart_range(&charts[wait], &least, &most);
    }
    for (unsigned wait = BENCH_SLEEP; wait <= BENCH_SPIN; wait++) {
        charts[wait].least = least;
        charts[wait].most = most;
        if (has_wait(cases, wait))
            chart_print(&charts[wait], page);
    }
}

/* --- parts ------------------------------------------------------------------------------------ */

/* Takes the lines, each of which becomes a paragraph. */
static void remarks_print(struct bytes *lines, struct bytes *page)
{
    char *rest = NULL;

    if (bytes_failed(lines))
        page->failed = true;
    for (char *line = lines->data ? strtok_r(lines->data, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest))
        markup_element(page, "p", line);
    bytes_fini(lines);
}

static void size_print_table(const struct bench_findings *findings, size_t first, size_t count,
    const struct bench_case **order, struct bytes *page)
{
    struct bytes remarks = BYTES_EMPTY;
    struct table table;
    char size[32], caption[64];

    (void)bench_order(&findings->crossings.list[first], count, order);
    cases_table(&findings->method, order, count, &table);
    amount_print((double)order[0]->crossing.size, "B", true, size);
    snprintf(caption, sizeof(caption), "Messages of %s", size);
    markup_table(page, caption, &table);
    for (size_t i = 0; i < count; i++)
        bench_remark(order[i], &remarks);
    remarks_print(&remarks, page);
}

static void crossings_tables(const struct bench_findings *findings, struct bytes *page)
{
    const struct bench_cases *cases = &findings->crossings;
    AUTO_FREE const struct bench_case **order = calloc(cases->count + 1, sizeof(*order));

    if (!order) {
        page->failed = true;
        return;
    }
    bytes_append_text(page, "<details><summary>Figures</summary>\n");
    for (size_t first = 0, next; first < cases->count; first = next) {
        next = bench_size_end(cases, first);
        size_print_table(findings, first, next - first, order, page);
    }
    bytes_append_text(page, "</details>\n");
}

static void crossings_print(const struct bench_findings *findings, struct bytes *page)
{
    static const struct {
        const char *title;
        struct chart_axis axis;
        case_value *value;
    } charts[] = {
        { "Round trip, median", { "Time of a round trip", "s", false }, median_s },
        { "Round trip, 99 of 100", { "Time that 1 of 100 exceeds", "s", false }, p99_s },
        { "Round trip, 999 of 1000", { "Time that 1 of 1000 exceeds", "s", false }, p999_s },
        { "Throughput", { "One way", "B/s", false }, bench_case_bytes_per_s },
        { "Processor, one way", { "Processor time a message", "s", false }, one_way_cpu_s },
        { "Processor, round trip", { "Processor time a message", "s", false }, trip_cpu_s },
    };
    bytes_append_text(page, "<p>Two processes. Round trip: one sends a message and waits for the "
                            "answer. One way: one sends as fast as it can, the other takes what "
                            "comes. Processor time is that of both, user and system; a round trip "
                            "is two messages. Who spins buys speed with it. Fewer than a thousand "
                            "round trips have no time that 1 of 1000 exceeds.</p>\n"
                            "<div class=\"charts\">\n");
    for (size_t i = 0; i < COUNT_OF(charts); i++)
        wait_charts(&findings->crossings, charts[i].title, &charts[i].axis, charts[i].value, page);
    bytes_append_text(page, "</div>\n");
    crossings_tables(findings, page);
}

static void buffer_chart(const struct bench_findings *findings, const char *title,
    struct chart_axis axis, case_value *y_of, struct bytes *page)
{
    AUTO_FREE struct chart *chart = calloc(1, sizeof(*chart));

    if (!chart) {
        page->failed = true;
        return;
    }
    *chart = (struct chart){ .title = title, .x = { "Size of the buffers", "B", true }, .y = axis };
    chart_fill(chart, &findings->buffers, BENCH_SLEEP, buffer_of, y_of);
    chart_print(chart, page);
}

static void buffers_print(const struct bench_findings *findings, struct bytes *page)
{
    struct bytes remarks = BYTES_EMPTY;
    struct table table;

    bytes_append_text(page, "<p>Messages of 64 KiB one way, both asleep while they wait, with the "
                            "kernel's buffers set by F_SETPIPE_SZ, SO_SNDBUF and SO_RCVBUF.</p>\n"
                            "<div class=\"charts\">\n");
    buffer_chart(findings, "Throughput by buffer", (struct chart_axis){ "One way", "B/s", false },
        bench_case_bytes_per_s, page);
    buffer_chart(findings, "Processor by buffer",
        (struct chart_axis){ "Processor time a byte", "s", false }, byte_cpu_s, page);
    bytes_append_text(page, "</div>\n<details><summary>Figures</summary>\n");
    buffers_table(&findings->method, &findings->buffers, &table);
    markup_table(page, "By the size of the buffers", &table);
    for (size_t i = 0; i < findings->buffers.count; i++)
        bench_remark(&findings->buffers.list[i], &remarks);
    remarks_print(&remarks, page);
    bytes_append_text(page, "</details>\n");
}

/* The profiles at one size. */
static void profile_bars(const struct bench_cases *cases, size_t size, const char *title,
    const struct chart_axis *axis, case_value *value, struct bytes *page)
{
    struct bar bars[TUNED_COUNT];
    size_t count = 0;

    for (size_t i = 0; i < cases->count && count < TUNED_COUNT; i++) {
        const struct bench_case *one = &cases->list[i];
        if (one->crossing.size == size)
            bars[count++] = (struct bar){ .name = one->crossing.profile,
                .value = one->code < 0 ? 0 : value(one) };
    }
    bars_print(title, axis, bars, count, page);
}

static void profiles_print(const struct bench_findings *findings, struct bytes *page)
{
    static const struct chart_axis trip = { "Median time of a round trip", "s", false },
                                   messages = { "Messages one way", "/s", false },
                                   bytes = { "One way", "B/s", false };
    const struct bench_cases *cases = &findings->profiles;
    struct bytes remarks = BYTES_EMPTY;
    struct table table;

    bytes_append_text(page, "<p>TCP on the loopback device, both ends tuned by the profile, asleep "
                            "while they wait. A path without delay or loss shows what a profile "
                            "costs; what it is for shows on others.</p>\n<div class=\"charts\">\n");
    profile_bars(cases, PROFILE_SIZE_SMALL, "Round trip of 64 B by profile", &trip, median_s, page);
    profile_bars(cases, PROFILE_SIZE_SMALL, "Messages of 64 B by profile", &messages,
        bench_case_messages_per_s, page);
    profile_bars(cases, PROFILE_SIZE_LARGE, "Throughput of 64 KiB by profile", &bytes,
        bench_case_bytes_per_s, page);
    bytes_append_text(page, "</div>\n<details><summary>Figures</summary>\n");
    profiles_table(&findings->method, cases, &table);
    markup_table(page, "By profile", &table);
    for (size_t i = 0; i < cases->count; i++)
        bench_remark(&cases->list[i], &remarks);
    remarks_print(&remarks, page);
    bytes_append_text(page, "</details>\n");
}

static void ready_chart(const struct ready_result *result, struct bytes *page)
{
    AUTO_FREE struct chart *chart = calloc(1, sizeof(*chart));

    if (!chart) {
        page->failed = true;
        return;
    }
    *chart = (struct chart){ .title = "Until one that is ready is told",
        .x = { "Descriptors watched", "", false },
        .y = { "Processor time an event", "s", false },
        .series_count = READY_WAY_COUNT };
    for (size_t step = 0; step < READY_STEP_COUNT; step++)
        (void)x_find(chart, (double)ready_steps[step]);
    for (unsigned way = 0; way < READY_WAY_COUNT; way++) {
        struct chart_series *series = &chart->series[way];
        snprintf(series->name, sizeof(series->name), "%s", ready_way_name(way));
        series->look = (struct chart_look){ .colour = way, .mark = way, .dash = way % 3 };
        for (size_t step = 0; step < READY_STEP_COUNT; step++)
            if (result->figures[step][way].code == 0)
                series->values[step] = ready_ns(result, &result->figures[step][way]) / 1e9;
    }
    chart_print(chart, page);
}

static void ready_print(const struct bench_findings *findings, struct bytes *page)
{
    struct bytes remarks = BYTES_EMPTY;
    struct table table;

    bytes_append_text(page, "<p>One eventfd is written, waited for and read while the others stay "
                            "quiet; what writing and reading alone cost is taken off. More "
                            "descriptors than one process may have are held by children, which "
                            "share an epoll set.</p>\n<div class=\"charts\">\n");
    ready_chart(&findings->ready, page);
    bytes_append_text(page, "</div>\n<details><summary>Figures</summary>\n");
    ready_table(&findings->method, &findings->ready, &table);
    markup_table(page, "Processor time until one that is ready is told", &table);
    ready_remarks(&findings->ready, &remarks);
    remarks_print(&remarks, page);
    bytes_append_text(page, "</details>\n");
}

static void steps_print(const struct bench_findings *findings, struct bytes *page)
{
    struct bar bars[STEP_COUNT];
    struct table table;

    for (size_t i = 0; i < STEP_COUNT; i++) {
        const struct step_figure *figure = &findings->steps[i];
        bars[i] = (struct bar){ .name = figure->name };
        if (figure->code == 0)
            bars[i] = (struct bar){ figure->name, step_ns(figure) / 1e9, figure->fastest_ns / 1e9,
                figure->slowest_ns / 1e9 };
    }
    bytes_append_text(page, "<p>What daemons do often, all within one process, so that nobody has "
                            "to be woken. The thin line is from the fastest slice to the "
                            "slowest.</p>\n<div class=\"charts\">\n");
    bars_print("Single steps", &(struct chart_axis){ "Processor time a step", "s", false }, bars,
        STEP_COUNT, page);
    bytes_append_text(page, "</div>\n<details><summary>Figures</summary>\n");
    steps_table(&findings->method, findings->steps, &table);
    markup_table(page, "Single steps", &table);
    bytes_append_text(page, "</details>\n");
}

static void claims_print(const struct bench_findings *findings, struct bytes *page)
{
    struct bytes remarks = BYTES_EMPTY;
    struct table table;

    bytes_append_text(page, "<p>Figures that are quoted of these mechanisms, held against this "
                            "machine.</p>\n");
    claims_table(findings->claims, &table);
    markup_table(page, "Claims and verdicts", &table);
    bytes_append_text(page, "<details><summary>Why</summary>\n");
    claims_remarks(findings->claims, &remarks);
    remarks_print(&remarks, page);
    bytes_append_text(page, "</details>\n");
}

/* --- around them ------------------------------------------------------------------------------ */

static void style_print(struct bytes *page)
{
    bytes_append_text(page,
        "<style>\n"
        ":root{color-scheme:light dark;--page:#fff;--text:#1b1b1b;--quiet:#555;--grid:#ddd;"
        "--box:#f4f4f2}\n"
        "@media(prefers-color-scheme:dark){:root{--page:#16181b;--text:#e8e8e8;--quiet:#a9adb3;"
        "--grid:#363a40;--box:#202327}}\n"
        "body{margin:0 auto;padding:1.5rem;max-width:92rem;background:var(--page);"
        "color:var(--text);font:16px/1.5 system-ui,sans-serif}\n"
        "h1{font-size:1.7rem;line-height:1.2;margin:0 0 1rem}h2{font-size:1.25rem;margin:2.5rem 0 "
        ".3rem}\n"
        "p{max-width:48rem;margin:.4rem 0 .8rem}\n"
        "dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;margin:1rem 0}\n"
        "dt{color:var(--quiet)}dd{margin:0}\n"
        "pre,code{font:14px/1.4 ui-monospace,monospace}\n"
        "pre{background:var(--box);padding:.7rem 1rem;overflow-x:auto;white-space:pre-wrap}\n"
        ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,34rem),1fr));"
        "gap:1.2rem 2rem}\n"
        ".wide{overflow-x:auto}\n"
        "table{border-collapse:collapse;font-size:14px;margin:.6rem 0 1rem}\n"
        "caption{text-align:left;font-weight:600;padding:.4rem 0}\n"
        "th,td{text-align:left;padding:.15rem .7rem;border-bottom:1px solid var(--grid);"
        "white-space:nowrap}\n"
        "th[scope=col]{color:var(--quiet);font-weight:600}th[scope=row]{font-weight:400}\n"
        ".figure{text-align:right;font-variant-numeric:tabular-nums}\n"
        "summary{cursor:pointer;color:var(--quiet);margin:.6rem 0}\n");
    chart_style(page);
    bytes_append_text(page, "</style>\n");
}

static void head_print(struct bytes *page)
{
    bytes_append_text(page,
        "<!DOCTYPE html>\n"
        "<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\"><head>\n"
        "<meta charset=\"utf-8\"/>\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
        "style-src 'unsafe-inline'\"/>\n"
        "<meta name=\"viewport\" content=\"width=device-width\"/>\n"
        "<title>ferry bench</title>\n");
    style_print(page);
    bytes_append_text(
        page, "</head><body>\n<h1>From one process to another on this machine</h1>\n");
}

static void fact_print(struct bytes *page, const char *name, void (*print)(struct bytes *text))
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    print(&text);
    markup_element(page, "dt", name);
    markup_element(page, "dd", text.data ? text.data : "unknown");
    bytes_append_char(page, '\n');
}

static void machine_print(struct bytes *page)
{
    bytes_append_text(page, "<dl>\n");
    fact_print(page, "Kernel", machine_kernel_print);
    fact_print(page, "Processor", machine_processor_print);
    fact_print(page, "Cores", machine_cores_print);
    fact_print(page, "Memory", machine_memory_print);
    fact_print(page, "Virtual", machine_virtual_print);
    bytes_append_text(page, "</dl>\n");
}

static void method_print(
    const struct bench_findings *findings, const char *command, struct bytes *page)
{
    const struct bench_method *method = &findings->method;

    bytes_append_text(page, "<p>All cases of one kind take turns, slice by slice, forth and back, "
                            "so that what the machine does besides hits all of them alike: ");
    bytes_print(page, "%u slice%s of %" PRId64 " ms each", method->rounds,
        method->rounds == 1 ? "" : "s", method->slice_ms);
    if (method->cpus[0] >= 0)
        bytes_print(
            page, ", two processes on processors %d and %d", method->cpus[0], method->cpus[1]);
    bytes_print(page,
        ". How far the slices of one case lie apart is its spread, in the tables; what "
        "differs by less is chance. It took %.1f s.%s ",
        (double)findings->took_ms / 1000, findings->is_cut ? " " BENCH_CUT_TEXT : "");
    bench_lines_remark(&findings->lines, page);
    bytes_print(page, "%sThe same again:</p>\n<pre><code>", findings->lines.count ? ". " : "");
    markup_text(page, command);
    bytes_append_text(page, "</code></pre>\n");
}

void bench_page(const struct bench_findings *findings, const char *command, struct bytes *page)
{
    static const struct {
        const char *heading;
        void (*print)(const struct bench_findings *findings, struct bytes *page);
    } parts[BENCH_PART_COUNT] = {
        [BENCH_CROSSINGS] = { "Messages", crossings_print },
        [BENCH_BUFFERS] = { "Buffers", buffers_print },
        [BENCH_PROFILES] = { "Profiles", profiles_print },
        [BENCH_READY] = { "Many descriptors", ready_print },
        [BENCH_STEPS] = { "Steps", steps_print },
        [BENCH_CLAIMS] = { "Claims", claims_print },
    };
    head_print(page);
    machine_print(page);
    method_print(findings, command, page);
    for (unsigned part = 0; part < BENCH_PART_COUNT; part++) {
        if (!bench_has(findings, part))
            continue;
        bytes_print(page, "<section id=\"%s\">", bench_part_name(part));
        markup_element(page, "h2", parts[part].heading);
        parts[part].print(findings, page);
        bytes_append_text(page, "</section>\n");
    }
    bytes_append_text(page, "</body></html>\n");
}
