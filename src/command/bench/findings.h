/* findings.h - all that one `ferry bench` has measured, and what its figures come to. */
#ifndef FERRY_COMMAND_BENCH_FINDINGS_H
#define FERRY_COMMAND_BENCH_FINDINGS_H

#include "command/bench/cases.h"
#include "command/bench/claims.h"
#include "command/bench/ready.h"
#include "command/bench/steps.h"

enum bench_part {
    BENCH_CROSSINGS,
    BENCH_BUFFERS,
    BENCH_PROFILES,
    BENCH_READY,
    BENCH_STEPS,
    BENCH_CLAIMS,
    BENCH_PART_COUNT
};

/* How it was measured. */
struct bench_method {
    int64_t slice_ms;
    unsigned rounds;
    int cpus[2]; /* -1: nobody was pinned */
    double rate; /* 0: as many messages as can be */
    /* That all of it has, which makes slices shorter and fewer; 0: several times what it should
     * take. */
    int64_t budget_ms;
};

struct bench_findings {
    struct bench_method method;
    unsigned parts; /* 1 << enum bench_part: what was asked for */
    struct bench_cases crossings, buffers, profiles;
    /* There and back between both processors, now and then before a slice of theirs. */
    struct times lines;
    struct ready_result ready;
    struct step_figure steps[STEP_COUNT];
    struct claim claims[CLAIM_COUNT];
    int64_t estimate_ms, took_ms;
    bool is_cut; /* time was up: some have fewer slices, or none */
};

void bench_findings_fini(struct bench_findings *findings);
static inline bool bench_has(const struct bench_findings *findings, enum bench_part part)
{
    return findings->parts & 1u << part;
}

/* "ready", ...: as it is asked for, and called in JSON. */
const char *bench_part_name(enum bench_part part);

/* --- what figures come to --------------------------------------------------------------------- */

/* 0 where there is nothing to divide by. */
double figure_per(double amount, double count);
/* Whether both processors were equally near each other all the time, as far as that is known. */
bool lines_are_steady(const struct times *lines);
/* Half of what lies between the slowest and the fastest slice, of their mean: percent. */
double figure_spread(double slowest, double fastest);

double case_trip_cpu_ns(const struct bench_case *one);    /* a message */
double case_one_way_cpu_ns(const struct bench_case *one); /* a message */
double case_byte_cpu_ns(const struct bench_case *one);    /* a byte one way */
/* Of what moves by itself, how many of its messages went by the ring: percent; -1: it does not. */
double crossing_by_ring(const struct crossing_result *result);
/* Why it has no figures. */
const char *case_reason(const struct bench_case *one);

/* What the wait alone costs, less what writing and reading do, of a figure or of an event that
 * costs so much. */
double ready_wait_ns(const struct ready_result *result, double each_ns);
double ready_ns(const struct ready_result *result, const struct ready_figure *figure);

/* Why it has no figure. */
const char *ready_reason(const struct ready_figure *figure);

double step_ns(const struct step_figure *figure);
const char *step_reason(const struct step_figure *figure);

#endif
