/* line.h - how far apart two processors are: a cache line there and back.
 *
 * Whatever two processes exchange in memory costs so much at least. Where a host gives a machine
 * its processors, they may share a core at one moment and no cache at another.
 */
#ifndef FERRY_COMMAND_BENCH_LINE_H
#define FERRY_COMMAND_BENCH_LINE_H

#include <stdint.h>

/* Nanoseconds; 0: not known, as where both are one. Takes a millisecond. */
int64_t line_ns(const int cpus[2]);

#endif
