/* cpu.h - processors: the time of one, and being on one. */
#ifndef FERRY_COMMAND_BENCH_CPU_H
#define FERRY_COMMAND_BENCH_CPU_H

#include "base/clock.h"

#include <sched.h>
#include <time.h>

/* What this process has used of it, user and system: nanoseconds. */
static inline int64_t cpu_used_ns(void)
{
    struct timespec time;
    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) < 0
               ? 0
               : (int64_t)time.tv_sec * NS_PER_S + time.tv_nsec;
}

/* This process runs there only; -1: it need not. */
static inline void cpu_pin(int cpu)
{
    cpu_set_t cpus;

    if (cpu < 0)
        return;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    (void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

#endif
