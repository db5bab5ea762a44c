/* cpu.h - processor time. */
#ifndef FERRY_COMMAND_BENCH_CPU_H
#define FERRY_COMMAND_BENCH_CPU_H

#include "base/clock.h"

#include <time.h>

/* What this process has used of it, user and system: nanoseconds. */
static inline int64_t cpu_used_ns(void)
{
    struct timespec time;
    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) < 0
               ? 0
               : (int64_t)time.tv_sec * NS_PER_S + time.tv_nsec;
}

#endif
