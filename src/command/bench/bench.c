/* bench.c - `ferry bench`: how the mechanisms by which processes reach each other compare here.
 *
 * All cases take turns, slice by slice, forth and back, so that what the machine does besides hits
 * all of them alike. The slices of one case lie as far apart as the machine is unquiet: that is its
 * spread, and what lies within it is chance.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/state.h"
#include "command/argument.h"
#include "command/bench/calibrate.h"
#include "command/bench/document.h"
#include "command/bench/measure.h"
#include "command/bench/page.h"
#include "command/bench/page_file.h"
#include "command/bench/report.h"
#include "command/command.h"
#include "command/limits.h"
#include "command/quote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bench {
    struct bench_choice choice;
    struct bench_findings findings;
    bool calibrates, json;
    const char *part;     /* which was asked for; NULL: none */
    const char *report;   /* where the page goes; NULL: there is none */
    struct bytes command; /* what was typed, for a shell */
};

enum { KEY_JSON = 0x600, KEY_ONE_CPU, KEY_RATE, KEY_CALIBRATE, KEY_REPORT, KEY_PEERS, KEY_BUDGET };

static const struct argp_option options[] = {
    { "mechanism", 'm', "LIST", 0,
        "Of ring, auto, pipe, fifo, unix, unix-seq, unix-dgram, unix-fd, memfd, mq, tcp, udp (all "
        "these), auto-ring, auto-socket, unix-channel, nng, zeromq, nanomsg, iceoryx",
        0 },
    { "size", 's', "LIST", 0, "Bytes of a message, 8 to 16M (64,1k,64k,1M)", 0 },
    { "wait", 'w', "LIST", 0,
        "How a process waits: sleep, spin, adaptive (all; adaptive is of ring and auto)", 0 },
    { "time", 't', "SPAN", 0, "How long a slice is (20ms; --calibrate: 10ms)", 0 },
    { "rounds", 'r', "COUNT", 0, "Slices of each case (3; --calibrate: 6)", 0 },
    { "budget", KEY_BUDGET, "SPAN", 0,
        "How long all of it may take: slices are shorter or fewer then (several times the "
        "estimate)",
        0 },
    { "rate", KEY_RATE, "NUMBER", 0,
        "So many messages one way, and round trips, a second (as many as can be)", 0 },
    { "one-cpu", KEY_ONE_CPU, NULL, 0, "Both processes on one processor; nothing spins", 0 },
    { "calibrate", KEY_CALIBRATE, NULL, 0,
        "Measure for some ten seconds what an auto: channel decides by, and keep it", 0 },
    { "peers", KEY_PEERS, NULL, 0,
        "Also nng, zeromq, nanomsg and iceoryx, those that are installed", 0 },
    { "json", KEY_JSON, NULL, 0, "One JSON object", 0 },
    { "report", KEY_REPORT, "FILE", 0,
        "Everything, or the part that is asked for, as an HTML page with charts", 0 },
    { 0 },
};

/* --- options ---------------------------------------------------------------------------------- */

/* Calls `take` for each word of a list with commas. */
static void list_each (struct argp_state *state, char *list,
    void (*take)(struct argp_state *state, struct bench *bench, const char *word))
{
    char *rest = NULL;

    if (!*list)
        argp_error(state, "a list is expected, separated by commas");
    for (char *word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
        take(state, state->input, word);
}

static void take_mechanism(struct argp_state *state, struct bench *bench, const char *word)
{
    const struct mechanism *found = mechanism_find(word);

    if (!found)
        argp_error(state, "'%s': no mechanism; `ferry bench --help` lists them", word);
    else
        bench->choice.mechanisms |= 1u << (found - bench_mechanisms);
}

static void take_wait(struct argp_state *state, struct bench *bench, const char *word)
{
    for (unsigned wait = 0; wait < BENCH_WAIT_COUNT; wait++) {
        if (strcmp(word, bench_wait_name(wait)) == 0) {
            bench->choice.waits |= 1u << wait;
            return;
        }
    }
    argp_error(state, "'%s': sleep, spin or adaptive is expected", word);
}

static bool has_size(const struct bench *bench, size_t size)
{
    for (size_t i = 0; i < bench->choice.size_count; i++)
        if (bench->choice.sizes[i] == size)
            return true;
    return false;
}

static void take_size(struct argp_state *state, struct bench *bench, const char *word)
{
    char *end;
    unsigned long long size = *word >= '0' && *word <= '9' ? strtoull(word, &end, 10) : 0;
    unsigned shift = size && (*end == 'k' || *end == 'K') ? 10 : size && *end == 'M' ? 20 : 0;

    if (size < 1 || size > BENCH_SIZE_MAX || end[shift != 0] != '\0' ||
        size << shift < BENCH_SIZE_MIN || size << shift > BENCH_SIZE_MAX)
        argp_error(state, "'%s': bytes from 8 to 16M are expected, as 64 or 4k", word);
    else if (has_size(bench, (size_t)size << shift))
        return;
    else if (bench->choice.size_count == BENCH_SIZES_MAX)
        argp_error(state, "%u sizes at most", BENCH_SIZES_MAX);
    else
        bench->choice.sizes[bench->choice.size_count++] = (size_t)size << shift;
}

/* BENCH_CROSSINGS, which is what is measured without one, has no word. */
static bool part_parse(const char *word, unsigned *ret_parts)
{
    for (unsigned part = BENCH_CROSSINGS + 1; part < BENCH_PART_COUNT; part++) {
        if (strcmp(word, bench_part_name(part)) == 0) {
            *ret_parts = 1u << part;
            return true;
        }
    }
    return false;
}

/* By what only messages have. */
static bool is_narrowed(const struct bench *bench)
{
    const struct bench_choice *choice = &bench->choice;

    return choice->mechanisms || choice->size_count || choice->waits || choice->one_cpu ||
           choice->peers || bench->findings.method.rate > 0;
}

/* Ends the program where one thing that is asked for leaves no room for another. */
static void check_together(struct argp_state *state, const struct bench *bench)
{
    if (bench->calibrates && bench->findings.parts)
        argp_error(
            state, "'%s': --calibrate measures what it needs; give one or the other", bench->part);
    if (bench->calibrates && (is_narrowed(bench) || bench->report))
        argp_error(state, "--calibrate has --time, --rounds and --json, no other options");
    if (bench->findings.parts && is_narrowed(bench))
        argp_error(state,
            "ready, steps, buffers, profiles and claims have --time, --rounds, --budget, --json "
            "and --report, no other options");
    if (bench->calibrates && bench->findings.method.budget_ms)
        argp_error(state, "--calibrate ends by itself, and has no --budget");
    if (bench->report && bench->findings.method.rate > 0)
        argp_error(state, "--report does not go with --rate");
}

static error_t bench_parse(int key, char *argument, struct argp_state *state)
{
    struct bench *bench = state->input;
    switch (key) {
    case 'm':
        list_each (state, argument, take_mechanism)
            ;
        return 0;
    case 's':
        list_each (state, argument, take_size)
            ;
        return 0;
    case 'w':
        list_each (state, argument, take_wait)
            ;
        return 0;
    case 't':
        bench->findings.method.slice_ms = argument_span_ms(state, argument, 1, BENCH_SLICE_MS_MAX);
        return 0;
    case 'r':
        bench->findings.method.rounds =
            (unsigned)argument_number(state, argument, 1, BENCH_ROUNDS_MAX);
        return 0;
    case KEY_ONE_CPU:
        bench->choice.one_cpu = true;
        return 0;
    case KEY_BUDGET:
        bench->findings.method.budget_ms =
            argument_span_ms(state, argument, 1, BENCH_BUDGET_MS_MAX);
        return 0;
    case KEY_RATE:
        bench->findings.method.rate = (double)argument_number(state, argument, 1, BENCH_RATE_MAX);
        return 0;
    case KEY_CALIBRATE:
        bench->calibrates = true;
        return 0;
    case KEY_PEERS:
        bench->choice.peers = true;
        return 0;
    case KEY_JSON:
        bench->json = true;
        return 0;
    case KEY_REPORT:
        bench->report = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "'%s': one part at a time; --report has all of them", argument);
        if (!part_parse(argument, &bench->findings.parts))
            argp_error(state,
                "'%s': ready, steps, buffers, profiles or claims is expected, or nothing",
                argument);
        bench->part = argument;
        return 0;
    case ARGP_KEY_END:
        check_together(state, bench);
        if (!bench->findings.parts)
            bench->findings.parts =
                bench->report ? (1u << BENCH_PART_COUNT) - 1 : 1u << BENCH_CROSSINGS;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = bench_parse,
    .args_doc = "[ready|steps|buffers|profiles|claims]",
    .doc =
        "Measure how the mechanisms of this machine compare: round trips between two processes "
        "(TRIP is the median), as many messages as they can one way, and the time of a processor "
        "that a message costs both. SPREAD is how far slices of the same lie apart: what differs "
        "by less is chance.\n\n"
        "ready: select, poll, epoll and io_uring instead, with 10 to 100,000 descriptors. steps: "
        "what a "
        "connection costs, a descriptor that is handed over, and the like. buffers: pipe, unix "
        "and tcp with buffers from 4 KiB to 4 MiB. profiles: tcp with each of the built-in "
        "profiles, and with none. claims: figures that are quoted of these mechanisms, and "
        "whether they hold here. --calibrate: what is measured is kept, for who chooses between "
        "mechanisms: auto: and `ferry why --workload`.\v"
        "EXAMPLES\n"
        "  ferry bench\n"
        "  ferry bench -m ring,unix,tcp -s 64,4k -w sleep\n"
        "  ferry bench --one-cpu -m pipe,unix,mq\n"
        "  ferry bench --rate 1000 -m ring,unix -s 64 -t 100ms\n"
        "  ferry bench ready\n"
        "  ferry bench claims\n"
        "  ferry bench steps --report steps.html\n"
        "  ferry bench -s 64 --json | jq '.cases[].round_trip'\n",
};

/* --- all of it -------------------------------------------------------------------------------- */

/* Takes the text's room back. */
static int bench_say(struct bytes *text)
{
    bool failed = bytes_failed(text);

    if (!failed && text->size)
        fwrite(text->data, 1, text->size, stdout);
    bytes_fini(text);
    return failed ? command_fail_errno("bench", "memory", -ENOMEM) : EXIT_DONE;
}

static bool is_measured(const struct bench_findings *findings)
{
    const struct bench_cases *cases = &findings->crossings;

    for (size_t i = 0; i < cases->count; i++)
        if (cases->list[i].code == 0)
            return true;
    return cases->count == 0;
}

static int fail(int code, const char *thing)
{
    struct ferry_error error;

    if (code != -EINVAL)
        return command_fail_errno("bench", thing, code);
    error_set(&error, code, "--wait",
        "ask for sleep; spin takes two processors, and adaptive ring or auto besides",
        "nothing to measure: of these mechanisms none waits so here");
    return command_fail("bench", &error);
}

/* What is told of it is then what whoever reads it finds: numbers without fractions. */
static int calibration_keep(struct calibration *calibration, const char *path)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct machine machine = calibration->machine;

    calibration_print(calibration, &text);
    int code = bytes_failed(&text) ? -ENOMEM : state_write(path, text.data, text.size);
    if (code == 0)
        calibration_make(0, &text, &machine, calibration);
    return code;
}

static int bench_calibrate(struct bench *bench)
{
    AUTO_FREE char *path = NULL;
    struct calibration before;
    struct calibrate_result result;
    struct slices slices = { 0 };
    struct bytes text = BYTES_EMPTY;
    struct ferry_error error;

    calibration_load(&before, &path);
    if (!path) {
        error_set(&error, -ENOENT, "--calibrate",
            "set FERRY_CALIBRATION to a path, or HOME or XDG_STATE_HOME to a folder",
            "there is nowhere to keep it");
        return command_fail("bench", &error);
    }
    bench_cpus(bench->findings.method.cpus);
    int code = calibrate_run(&bench->findings.method, &slices, &result);
    slices_end();
    if (code < 0)
        return command_fail_errno("bench", "a socket or a ring", code);
    code = calibration_keep(&result.found, path);
    if (code < 0)
        return command_fail_path("bench", path, code);
    (bench->json ? calibrate_report_json : calibrate_report)(&result, &before, path, &text);
    return bench_say(&text);
}

/* What makes the page again. */
static void command_print(int argc, char **argv, struct bytes *text)
{
    bytes_append_text(text, "ferry bench");
    for (int i = 1; i < argc; i++) {
        bytes_append_char(text, ' ');
        shell_quote(text, argv[i]);
    }
}

/* Takes the page's room back. */
static int report_write(struct bench *bench)
{
    AUTO_BYTES struct bytes page = BYTES_EMPTY;

    bench_page(&bench->findings, bench->command.data, &page);
    int code = bytes_failed(&page) ? -ENOMEM : page_file_write(bench->report, &page);
    return code == 0 ? EXIT_DONE : command_fail_path("bench", bench->report, code);
}

static int report_try(const char *path)
{
    struct ferry_error error;
    int code = page_file_try(path);

    if (code == 0)
        return EXIT_DONE;
    if (code != -EEXIST)
        return command_fail_path("bench", path, code);
    error_set(&error, code, path, "name a file", "no regular file is there");
    return command_fail("bench", &error);
}

static int bench_run(struct bench *bench)
{
    struct bench_findings *findings = &bench->findings;
    struct bytes text = BYTES_EMPTY;
    const char *thing;

    if (bench->report && report_try(bench->report) != EXIT_DONE)
        return EXIT_FAILED;
    int code = measure(&bench->choice, findings, &thing);
    if (code < 0)
        return fail(code, thing);
    if (bench->report && report_write(bench) != EXIT_DONE)
        return EXIT_FAILED;
    if (bench->json)
        bench_document(findings, &text);
    else if (!bench->report)
        bench_report(findings, &text);
    int status = bench_say(&text);
    return status == EXIT_DONE && !is_measured(findings) ? EXIT_FAILED : status;
}

/* Unless they are given. Many short slices, where the best of them counts. */
static void method_complete(struct bench *bench)
{
    struct bench_method *method = &bench->findings.method;

    if (!method->slice_ms)
        method->slice_ms = bench->calibrates ? CALIBRATE_SLICE_MS : BENCH_SLICE_MS;
    if (!method->rounds)
        method->rounds = bench->calibrates ? CALIBRATE_ROUNDS : BENCH_ROUNDS;
}

int command_bench(int argc, char **argv)
{
    AUTO_FREE struct bench *bench = calloc(1, sizeof(*bench));

    if (!bench)
        return command_fail_errno("bench", "memory", -ENOMEM);
    bench->findings.method = (struct bench_method){ .cpus = { -1, -1 } };
    command_print(argc, argv, &bench->command);
    if (argument_parse("bench", &argp, argc, argv, 0, bench) != EXIT_DONE)
        return EXIT_FAILED;
    method_complete(bench);
    int status = bytes_failed(&bench->command) ? command_fail_errno("bench", "memory", -ENOMEM)
                 : bench->calibrates           ? bench_calibrate(bench)
                                               : bench_run(bench);
    bytes_fini(&bench->command);
    bench_findings_fini(&bench->findings);
    return status;
}
