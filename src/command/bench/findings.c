/* findings.c - what figures come to. */
#include "command/bench/findings.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[BENCH_PART_COUNT] = { [BENCH_CROSSINGS] = "crossings",
    [BENCH_BUFFERS] = "buffers",
    [BENCH_PROFILES] = "profiles",
    [BENCH_READY] = "ready",
    [BENCH_STEPS] = "steps",
    [BENCH_CLAIMS] = "claims" };

const char *bench_part_name(enum bench_part part)
{
    return names[part];
}

void bench_findings_fini(struct bench_findings *findings)
{
    free(TAKE(findings->crossings.list));
    free(TAKE(findings->buffers.list));
    free(TAKE(findings->profiles.list));
}

double figure_per(double amount, double count)
{
    return count > 0 ? amount / count : 0;
}

bool lines_are_steady(const struct times *lines)
{
    return lines->count == 0 || lines->max_ns * 2 <= lines->min_ns * 3;
}

double figure_spread(double slowest, double fastest)
{
    double difference = slowest > fastest ? slowest - fastest : fastest - slowest;
    return figure_per(100 * difference, slowest + fastest);
}

static double cpu_ns(const struct crossing_result *result)
{
    return figure_per((double)result->cpu_ns, (double)result->messages);
}

double case_trip_cpu_ns(const struct bench_case *one)
{
    return cpu_ns(&one->trips);
}

double case_one_way_cpu_ns(const struct bench_case *one)
{
    return cpu_ns(&one->one_way);
}

double case_byte_cpu_ns(const struct bench_case *one)
{
    return figure_per(cpu_ns(&one->one_way), (double)one->crossing.size);
}

double crossing_by_ring(const struct crossing_result *result)
{
    double by_ring = (double)result->counts[FERRY_LANE_RING];
    double all = by_ring + (double)result->counts[FERRY_LANE_SOCKET];
    return all > 0 ? 100 * by_ring / all : -1;
}

const char *case_reason(const struct bench_case *one)
{
    switch (one->code) {
    case -EMSGSIZE:
        return "no message may be so large";
    case -EPERM:
        return one->crossing.buffer
                   ? "no buffer may be so large (fs.pipe-max-size, net.core.wmem_max, rmem_max)"
                   : strerror(EPERM);
    case -ENOPKG:
        return "not built in";
    case -ELIBACC:
        return "its library is not there";
    case -ETIME:
        return SLICES_NO_TIME;
    case -EHOSTDOWN:
        return "its daemon is not installed: iox-roudi";
    case -EHOSTUNREACH:
        return "its daemon does not start: iox-roudi, which wants 66 MB of /dev/shm and more";
    case -ENOBUFS:
        return "its daemon, which ran before, has too little memory";
    case -EBUSY:
        return "another ferry bench has its daemon";
    case -ECHILD:
        return "one of its processes was killed";
    case -ETIMEDOUT:
        return one->crossing.mechanism->may_lose ? "messages were lost" : "nothing came any more";
    default:
        return strerror(-one->code);
    }
}

double ready_wait_ns(const struct ready_result *result, double each_ns)
{
    const struct ready_figure *bare = &result->bare;
    double wait = each_ns - figure_per((double)bare->cpu_ns, (double)bare->events);
    return wait > 0 ? wait : 0;
}

double ready_ns(const struct ready_result *result, const struct ready_figure *figure)
{
    return ready_wait_ns(result, figure_per((double)figure->cpu_ns, (double)figure->events));
}

const char *ready_reason(const struct ready_figure *figure)
{
    return figure->code == -ENOPKG  ? "not built in"
           : figure->code == -ETIME ? SLICES_NO_TIME
                                    : strerror(-figure->code);
}

const char *step_reason(const struct step_figure *figure)
{
    return figure->code == -ETIME ? SLICES_NO_TIME : strerror(-figure->code);
}

double step_ns(const struct step_figure *figure)
{
    return figure_per((double)figure->cpu_ns, (double)figure->steps);
}
