/* cases.c - slices, and what they come to. */
#include "command/bench/cases.h"
#include "base/clock.h"
#include "command/bench/line.h"
#include "command/limits.h"

#include <errno.h>
#include <sched.h>

void bench_cpus(int ret_cpus[2])
{
    cpu_set_t cpus;
    unsigned found = 0;

    ret_cpus[0] = ret_cpus[1] = -1;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
        if (CPU_ISSET((size_t)cpu, &cpus))
            ret_cpus[found++] = cpu;
    if (found == 1)
        ret_cpus[1] = ret_cpus[0];
}

static void result_add(struct crossing_result *sum, const struct crossing_result *slice)
{
    sum->messages += slice->messages;
    sum->lost += slice->lost;
    sum->time_ns += slice->time_ns;
    sum->cpu_ns += slice->cpu_ns;
    for (unsigned i = 0; i < BENCH_LANES; i++)
        sum->counts[i] += slice->counts[i];
}

static double messages_per_s(const struct crossing_result *result)
{
    return result->time_ns > 0
               ? (double)result->messages * (double)NS_PER_S / (double)result->time_ns
               : 0;
}

static double messages_per_cpu_s(const struct crossing_result *result)
{
    return result->cpu_ns > 0 ? (double)result->messages * (double)NS_PER_S / (double)result->cpu_ns
                              : 0;
}

void bench_case_run(struct bench_case *one)
{
    struct crossing_result slice = { 0 };

    if (one->code < 0)
        return;
    one->code = crossing_trips(&one->crossing, &one->times, &slice);
    if (one->code < 0)
        return;
    result_add(&one->trips, &slice);
    one->code = crossing_one_way(&one->crossing, &one->ways, &slice);
    if (one->code < 0)
        return;
    result_add(&one->one_way, &slice);
    double rate = one->crossing.rate > 0 ? messages_per_cpu_s(&slice) : messages_per_s(&slice);
    if (one->slowest == 0 || rate < one->slowest)
        one->slowest = rate;
    if (rate > one->fastest)
        one->fastest = rate;
}

/* Now and then: what it takes is not to be felt beside short slices. */
static void line_look(struct times *lines, const int cpus[2], int64_t *due_ns)
{
    if (clock_now_ns() < *due_ns)
        return;
    int64_t each_ns = line_ns(cpus);
    if (each_ns > 0)
        times_add(lines, each_ns);
    *due_ns = clock_after(clock_now_ns(), BENCH_LINE_EVERY_MS * NS_PER_MS);
}

void bench_cases_run(
    struct bench_cases *cases, unsigned rounds, struct slices *slices, struct times *lines)
{
    int64_t due_ns = 0;

    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < cases->count; i++) {
            struct bench_case *one = &cases->list[round % 2 ? cases->count - 1 - i : i];
            if (slices_step(slices, one->crossing.mechanism->name)) {
                line_look(lines, one->crossing.cpus, &due_ns);
                bench_case_run(one);
            } else if (one->code == 0 && !one->trips.messages) {
                one->code = -ETIME;
            }
        }
    }
}

double bench_case_messages_per_s(const struct bench_case *one)
{
    return messages_per_s(&one->one_way);
}

double bench_case_bytes_per_s(const struct bench_case *one)
{
    return messages_per_s(&one->one_way) * (double)one->crossing.size;
}
