/* cases.h - what is measured of a mechanism at one size: slices both ways, added up. */
#ifndef FERRY_COMMAND_BENCH_CASES_H
#define FERRY_COMMAND_BENCH_CASES_H

#include "command/bench/crossing.h"
#include "command/bench/slices.h"

struct bench_case {
    struct crossing crossing;
    int code;                              /* -errno: why there are no figures */
    struct times times;                    /* of all round trips */
    struct times ways;                     /* at a rate: of all messages one way */
    struct crossing_result trips, one_way; /* sums of all slices */
    /* Slice one way, messages a second; at a rate, a second of a processor. */
    double slowest, fastest;
};

struct bench_cases {
    struct bench_case *list;
    size_t count;
};

/* The first two processors that we may use; one twice, if there are no two; -1: not told. */
void bench_cpus(int ret_cpus[2]);
/* One slice each way, unless it has failed before. */
void bench_case_run(struct bench_case *one);
/* All of them in turns, forth and back; `rounds` slices each, which are a part of the slices.
 * Those for which there was no time have -ETIME.
 *   lines  how far apart the processors are now and then is added, where that is known */
void bench_cases_run(
    struct bench_cases *cases, unsigned rounds, struct slices *slices, struct times *lines);

/* They need a slice at least. */

double bench_case_messages_per_s(const struct bench_case *one);
double bench_case_bytes_per_s(const struct bench_case *one);

#endif
