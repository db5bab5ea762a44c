/* measure.h - which cases there are, and all of them measured. */
#ifndef FERRY_COMMAND_BENCH_MEASURE_H
#define FERRY_COMMAND_BENCH_MEASURE_H

#include "command/bench/findings.h"
#include "command/limits.h"

/* What somebody wants measured of the crossings; 0: all, or the usual. */
struct bench_choice {
    size_t sizes[BENCH_SIZES_MAX];
    size_t size_count;
    unsigned mechanisms; /* 1 << index */
    unsigned waits;      /* 1 << enum bench_wait */
    bool one_cpu, peers;
};

/* Measures the parts that the findings say are asked for, by their method.
 *   ret_thing  what could not be made, for a message; written on failure
 * 0, -EINVAL (of the choice nothing is left to measure), -ENOMEM, -errno. */
int measure(
    const struct bench_choice *choice, struct bench_findings *findings, const char **ret_thing);

#endif
