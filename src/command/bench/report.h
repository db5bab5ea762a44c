/* report.h - what `ferry bench` found, for people and as JSON. */
#ifndef FERRY_COMMAND_BENCH_REPORT_H
#define FERRY_COMMAND_BENCH_REPORT_H

#include "base/bytes.h"
#include "command/bench/cases.h"
#include "command/bench/claims.h"
#include "command/bench/ready.h"
#include "command/bench/steps.h"

/* How it was measured. */
struct bench_method {
    int64_t slice_ms;
    unsigned rounds;
    int cpus[2];
    double rate; /* 0: as many messages as can be */
};

/* "sleep", ... */
const char *bench_wait_name(enum bench_wait wait);
/* Appends a table for each size, by the median round trip; below it what could not be measured. */
void bench_report(const struct bench_method *method, const struct bench_case *cases, size_t count,
    struct bytes *text);
/* The same as one JSON object. */
void bench_report_json(const struct bench_method *method, const struct bench_case *cases,
    size_t count, struct bytes *text);

/* Appends a table of what an event costs, by how many descriptors are watched. */
void ready_report(
    const struct bench_method *method, const struct ready_result *result, struct bytes *text);
void ready_report_json(
    const struct bench_method *method, const struct ready_result *result, struct bytes *text);

/* Appends a table of what single steps cost. */
void steps_report(const struct bench_method *method, const struct step_figure figures[STEP_COUNT],
    struct bytes *text);
void steps_report_json(const struct bench_method *method,
    const struct step_figure figures[STEP_COUNT], struct bytes *text);

/* Appends what is claimed, what is so here, and the verdict. */
void claims_report(
    const struct bench_method *method, const struct claim claims[CLAIM_COUNT], struct bytes *text);
void claims_report_json(
    const struct bench_method *method, const struct claim claims[CLAIM_COUNT], struct bytes *text);

#endif
