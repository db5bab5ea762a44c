/* bench.c - `ferry bench`: how the mechanisms by which processes reach each other compare here.
 *
 * All cases take turns, slice by slice, forth and back, so that what the machine does besides hits
 * all of them alike. The slices of one case lie as far apart as the machine is unquiet: that is its
 * spread, and what lies within it is chance.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/state.h"
#include "command/argument.h"
#include "command/bench/calibrate.h"
#include "command/bench/report.h"
#include "command/command.h"
#include "command/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bench {
    size_t sizes[BENCH_SIZES_MAX];
    size_t size_count;
    unsigned mechanisms; /* 1 << index; 0: all */
    unsigned waits;      /* 1 << enum bench_wait; 0: all */
    enum bench_what {
        BENCH_CROSSINGS,
        BENCH_READY,
        BENCH_STEPS,
        BENCH_CLAIMS,
        BENCH_CALIBRATION
    } what;
    bool one_cpu, json;
    struct bench_method method;
    struct bench_case *cases;
    size_t count;
};

enum { KEY_JSON = 0x600, KEY_ONE_CPU, KEY_RATE, KEY_CALIBRATE };

static const struct argp_option options[] = {
    { "mechanism", 'm', "LIST", 0,
        "Of ring, pipe, fifo, unix, unix-seq, unix-dgram, unix-fd, memfd, mq, tcp, udp (all)", 0 },
    { "size", 's', "LIST", 0, "Bytes of a message, 8 to 16M (64,1k,64k,1M)", 0 },
    { "wait", 'w', "LIST", 0,
        "How a process waits: sleep, spin, adaptive (all; adaptive is the ring's own)", 0 },
    { "time", 't', "SPAN", 0, "How long a slice is (20ms)", 0 },
    { "rounds", 'r', "COUNT", 0, "Slices of each case (3)", 0 },
    { "rate", KEY_RATE, "NUMBER", 0,
        "So many messages one way, and round trips, a second (as many as can be)", 0 },
    { "one-cpu", KEY_ONE_CPU, NULL, 0, "Both processes on one processor; nothing spins", 0 },
    { "calibrate", KEY_CALIBRATE, NULL, 0,
        "Measure for some ten seconds what an auto: channel decides by, and keep it", 0 },
    { "json", KEY_JSON, NULL, 0, "One JSON object", 0 },
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
        bench->mechanisms |= 1u << (found - bench_mechanisms);
}

static void take_wait(struct argp_state *state, struct bench *bench, const char *word)
{
    for (unsigned wait = 0; wait < BENCH_WAIT_COUNT; wait++) {
        if (strcmp(word, bench_wait_name(wait)) == 0) {
            bench->waits |= 1u << wait;
            return;
        }
    }
    argp_error(state, "'%s': sleep, spin or adaptive is expected", word);
}

static bool has_size(const struct bench *bench, size_t size)
{
    for (size_t i = 0; i < bench->size_count; i++)
        if (bench->sizes[i] == size)
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
    else if (bench->size_count == BENCH_SIZES_MAX)
        argp_error(state, "%u sizes at most", BENCH_SIZES_MAX);
    else
        bench->sizes[bench->size_count++] = (size_t)size << shift;
}

/* BENCH_CROSSINGS: none of the words. */
static enum bench_what what_parse(const char *word)
{
    static const char *const words[] = {
        [BENCH_READY] = "ready", [BENCH_STEPS] = "steps", [BENCH_CLAIMS] = "claims"
    };
    for (unsigned what = BENCH_READY; what < COUNT_OF(words); what++)
        if (strcmp(word, words[what]) == 0)
            return what;
    return BENCH_CROSSINGS;
}

/* By what only messages have. */
static bool is_narrowed(const struct bench *bench)
{
    return bench->mechanisms || bench->size_count || bench->waits || bench->one_cpu ||
           bench->method.rate > 0;
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
        bench->method.slice_ms = argument_span_ms(state, argument, 1, BENCH_SLICE_MS_MAX);
        return 0;
    case 'r':
        bench->method.rounds = (unsigned)argument_number(state, argument, 1, BENCH_ROUNDS_MAX);
        return 0;
    case KEY_ONE_CPU:
        bench->one_cpu = true;
        return 0;
    case KEY_RATE:
        bench->method.rate = (double)argument_number(state, argument, 1, BENCH_RATE_MAX);
        return 0;
    case KEY_CALIBRATE:
        bench->what = BENCH_CALIBRATION;
        return 0;
    case KEY_JSON:
        bench->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0 || bench->what != BENCH_CROSSINGS)
            argp_error(state, "'%s': too much", argument);
        bench->what = what_parse(argument);
        if (bench->what == BENCH_CROSSINGS)
            argp_error(state, "'%s': ready, steps or claims is expected, or nothing", argument);
        return 0;
    case ARGP_KEY_END:
        if (bench->what != BENCH_CROSSINGS && is_narrowed(bench))
            argp_error(state,
                "ready, steps, claims and --calibrate have --time, --rounds and --json, no other "
                "options");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = bench_parse,
    .args_doc = "[ready|steps|claims]",
    .doc =
        "Measure how the mechanisms of this machine compare: round trips between two processes "
        "(TRIP is the median), as many messages as they can one way, and the time of a processor "
        "that a message costs both. SPREAD is how far slices of the same lie apart: what differs "
        "by less is chance.\n\n"
        "ready: select, poll and epoll instead, with 10 to 100,000 descriptors. steps: what a "
        "connection costs, a descriptor that is handed over, and the like. claims: figures that "
        "are "
        "quoted of these mechanisms, and whether they hold here. --calibrate: what is measured is "
        "kept, "
        "for who chooses between mechanisms: auto: and `ferry why --workload`.\v"
        "EXAMPLES\n"
        "  ferry bench\n"
        "  ferry bench -m ring,unix,tcp -s 64,4k -w sleep\n"
        "  ferry bench --one-cpu -m pipe,unix,mq\n"
        "  ferry bench --rate 1000 -m ring,unix -s 64 -t 100ms\n"
        "  ferry bench ready\n"
        "  ferry bench claims\n"
        "  ferry bench -s 64 --json | jq '.cases[].round_trip'\n",
};

/* --- what is measured ------------------------------------------------------------------------- */

static bool is_wanted(const struct bench *bench, const struct mechanism *mechanism, unsigned wait)
{
    bool shared = bench->method.cpus[0] >= 0 && bench->method.cpus[0] == bench->method.cpus[1];

    if (bench->mechanisms && !(bench->mechanisms & 1u << (mechanism - bench_mechanisms)))
        return false;
    if (bench->waits && !(bench->waits & 1u << wait))
        return false;
    /* Who spins where the other is to run waits for itself. */
    return wait == BENCH_SLEEP || (!shared && (wait == BENCH_SPIN || mechanism->is_adaptive));
}

static int cases_make(struct bench *bench)
{
    bench->cases =
        calloc(bench->size_count * bench_mechanism_count * BENCH_WAIT_COUNT, sizeof(*bench->cases));
    if (!bench->cases)
        return -ENOMEM;
    for (size_t i = 0; i < bench->size_count; i++)
        for (size_t j = 0; j < bench_mechanism_count; j++)
            for (unsigned wait = 0; wait < BENCH_WAIT_COUNT; wait++)
                if (is_wanted(bench, &bench_mechanisms[j], wait))
                    bench->cases[bench->count++].crossing =
                        (struct crossing){ .mechanism = &bench_mechanisms[j],
                            .wait = wait,
                            .size = bench->sizes[i],
                            .span_ns = bench->method.slice_ms * NS_PER_MS,
                            .rate = bench->method.rate,
                            .cpus = { bench->method.cpus[0], bench->method.cpus[1] } };
    return bench->count ? 0 : -EINVAL;
}

/* On a terminal, how far it is. */
static void progress_say(const char *what, size_t done, size_t all)
{
    enum { WIDTH = 30 };
    size_t length = WIDTH * done / all;

    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r[%.*s%*s] %zu/%zu %s\033[K", (int)length, "##############################",
        (int)(WIDTH - length), "", done, all, what);
}

static void progress_end(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

static void cases_run(struct bench *bench)
{
    for (unsigned round = 0; round < bench->method.rounds; round++) {
        for (size_t i = 0; i < bench->count; i++) {
            struct bench_case *one = &bench->cases[round % 2 ? bench->count - 1 - i : i];
            progress_say(one->crossing.mechanism->name, round * bench->count + i,
                bench->method.rounds * bench->count);
            bench_case_run(one);
        }
    }
    progress_end();
}

/* --- all of it -------------------------------------------------------------------------------- */

/* Takes the text's room back. */
static int bench_say(struct bytes *text)
{
    int code = bytes_failed(text) ? -ENOMEM : 0;

    if (code == 0 &&
        (fwrite(text->data, 1, text->size, stdout) != text->size || fflush(stdout) != 0))
        code = -errno;
    bytes_fini(text);
    return code == 0 ? EXIT_DONE : command_fail_errno("bench", "standard output", code);
}

static bool is_measured(const struct bench *bench)
{
    for (size_t i = 0; i < bench->count; i++)
        if (bench->cases[i].code == 0)
            return true;
    return false;
}

static int bench_crossings(struct bench *bench)
{
    static const size_t usual[] = { 64, 1 << 10, 64 << 10, 1 << 20 };
    struct bytes text = BYTES_EMPTY;
    struct ferry_error error;

    if (!bench->size_count) {
        memcpy(bench->sizes, usual, sizeof(usual));
        bench->size_count = COUNT_OF(usual);
    }
    bench_cpus(bench->method.cpus);
    if (bench->one_cpu)
        bench->method.cpus[1] = bench->method.cpus[0];
    int code = cases_make(bench);
    if (code == -EINVAL) {
        error_set(&error, code, "--wait",
            "ask for sleep; spin takes two processors, and adaptive the ring besides",
            "nothing to measure: of these mechanisms none waits so here");
        return command_fail("bench", &error);
    }
    if (code < 0)
        return command_fail_errno("bench", "memory", code);
    cases_run(bench);
    (bench->json ? bench_report_json : bench_report)(
        &bench->method, bench->cases, bench->count, &text);
    int status = bench_say(&text);
    return status == EXIT_DONE && !is_measured(bench) ? EXIT_FAILED : status;
}

static void ready_progress(size_t done, size_t all)
{
    progress_say("descriptors that are ready", done, all);
}

static int bench_ready(const struct bench *bench)
{
    struct ready_result result;
    struct bytes text = BYTES_EMPTY;
    int code = ready_run(
        bench->method.slice_ms * NS_PER_MS, bench->method.rounds, ready_progress, &result);

    progress_end();
    if (code < 0)
        return command_fail_errno("bench", "descriptors that are watched", code);
    (bench->json ? ready_report_json : ready_report)(&bench->method, &result, &text);
    return bench_say(&text);
}

static void steps_progress(size_t done, size_t all)
{
    progress_say("steps", done, all);
}

static int bench_steps(const struct bench *bench)
{
    struct step_figure figures[STEP_COUNT];
    struct bytes text = BYTES_EMPTY;

    steps_run(bench->method.slice_ms * NS_PER_MS, bench->method.rounds, steps_progress, figures);
    progress_end();
    (bench->json ? steps_report_json : steps_report)(&bench->method, figures, &text);
    return bench_say(&text);
}

static void claims_progress(size_t done, size_t all)
{
    progress_say("claims", done, all);
}

static int bench_claims(struct bench *bench)
{
    struct claim claims[CLAIM_COUNT];
    struct bytes text = BYTES_EMPTY;

    bench_cpus(bench->method.cpus);
    int code = claims_run(bench->method.slice_ms * NS_PER_MS, bench->method.rounds,
        bench->method.cpus, claims_progress, claims);
    progress_end();
    if (code < 0)
        return command_fail_errno("bench", "what the claims need", code);
    (bench->json ? claims_report_json : claims_report)(&bench->method, claims, &text);
    return bench_say(&text);
}

static void calibrate_progress(size_t done, size_t all)
{
    progress_say("calibration", done, all);
}

static int calibration_keep(const struct calibration *calibration, const char *path)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    calibration_print(calibration, &text);
    return bytes_failed(&text) ? -ENOMEM : state_write(path, text.data, text.size);
}

static int bench_calibrate(struct bench *bench)
{
    AUTO_FREE char *path = NULL;
    struct calibration before;
    struct calibrate_result result;
    struct bytes text = BYTES_EMPTY;
    struct ferry_error error;

    calibration_load(&before, &path);
    if (!path) {
        error_set(&error, -ENOENT, "--calibrate",
            "set FERRY_CALIBRATION to a path, or HOME or XDG_STATE_HOME to a folder",
            "there is nowhere to keep it");
        return command_fail("bench", &error);
    }
    bench_cpus(bench->method.cpus);
    int code = calibrate_run(&bench->method, calibrate_progress, &result);
    progress_end();
    if (code < 0)
        return command_fail_errno("bench", "a socket or a ring", code);
    code = calibration_keep(&result.found, path);
    if (code < 0)
        return command_fail_errno("bench", path, code);
    (bench->json ? calibrate_report_json : calibrate_report)(&result, &before, path, &text);
    return bench_say(&text);
}

static int bench_run(struct bench *bench)
{
    switch (bench->what) {
    case BENCH_READY:
        return bench_ready(bench);
    case BENCH_STEPS:
        return bench_steps(bench);
    case BENCH_CLAIMS:
        return bench_claims(bench);
    case BENCH_CALIBRATION:
        return bench_calibrate(bench);
    default:
        return bench_crossings(bench);
    }
}

int command_bench(int argc, char **argv)
{
    struct bench bench = {
        .method = { .slice_ms = BENCH_SLICE_MS, .rounds = BENCH_ROUNDS, .cpus = { -1, -1 } }
    };

    if (argument_parse("bench", &argp, argc, argv, 0, &bench) != EXIT_DONE)
        return EXIT_FAILED;
    int status = bench_run(&bench);
    free(bench.cases);
    return status;
}
