/* claims.c - the claims, and the measurement that each is held against.
 *
 * They come from texts of other people about other machines, and contradict each other here and
 * there. So a time that is shorter here says little; that an order or a ratio holds says more.
 */
#include "command/bench/claims.h"
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const verdicts[] = { [CLAIM_REPRODUCED] = "reproduced",
    [CLAIM_BETTER] = "better here",
    [CLAIM_WORSE] = "not here",
    [CLAIM_NOT_MEASURED] = "not measured" };

const char *claim_verdict_name(enum claim_verdict verdict)
{
    return verdicts[verdict];
}

/* What is measured, in an order of its own. */
enum measured {
    RING_1K,
    PIPE_1K,
    UNIX_1K,
    QUEUE_1K,
    TCP_1K,
    UNIX_1M,
    PIPE_1M,
    TCP_1M,
    UNIX_64,
    TCP_64,
    MEASURED_COUNT
};

static const struct {
    const char *mechanism;
    size_t size;
} measured[MEASURED_COUNT] = {
    [RING_1K] = { "ring", 1 << 10 },
    [PIPE_1K] = { "pipe", 1 << 10 },
    [UNIX_1K] = { "unix", 1 << 10 },
    [QUEUE_1K] = { "mq", 1 << 10 },
    [TCP_1K] = { "tcp", 1 << 10 },
    [UNIX_1M] = { "unix", 1 << 20 },
    [PIPE_1M] = { "pipe", 1 << 20 },
    [TCP_1M] = { "tcp", 1 << 20 },
    [UNIX_64] = { "unix", 64 },
    [TCP_64] = { "tcp", 64 },
};

static_assert(MEASURED_COUNT == CLAIM_CASE_COUNT, "claims.h says how many there are");

struct measurements {
    const struct bench_case *cases[MEASURED_COUNT]; /* NULL: it was not among what was measured */
    const struct ready_result *ready;
};

/* --- how each follows from what was measured; -errno: it was not ------------------------------ */

static int code_of(const struct bench_case *found)
{
    return found ? found->code : -ENODATA;
}

static double million_ns(const struct measurements *from, unsigned one, unsigned other)
{
    const struct bench_case *found = from->cases[one];
    (void)other;
    return code_of(found) < 0 ? code_of(found)
                              : 1e6 * (double)NS_PER_S / bench_case_messages_per_s(found);
}

static double message_ns(const struct measurements *from, unsigned one, unsigned other)
{
    double million = million_ns(from, one, other);
    return million < 0 ? million : million / 1e6;
}

static double times_as_fast(const struct measurements *from, unsigned one, unsigned other)
{
    double fast = million_ns(from, one, 0), slow = million_ns(from, other, 0);
    return fast < 0 ? fast : slow < 0 ? slow : slow / fast;
}

static double bytes_per_s(const struct measurements *from, unsigned one, unsigned other)
{
    const struct bench_case *found = from->cases[one];
    (void)other;
    return code_of(found) < 0 ? code_of(found) : bench_case_bytes_per_s(found);
}

static double way_ns(const struct measurements *from, unsigned one, unsigned other)
{
    const struct bench_case *found = from->cases[one];
    (void)other;
    return code_of(found) < 0 ? code_of(found) : (double)times_quantile(&found->times, 500) / 2;
}

/* By a way, with so many descriptors, as an index of ready_steps. */
static double wait_ns(const struct measurements *from, unsigned way, unsigned step)
{
    const struct ready_figure *figure = &from->ready->figures[step][way];
    const struct ready_figure *bare = &from->ready->bare;

    if (figure->code < 0)
        return figure->code;
    return (double)figure->cpu_ns / (double)figure->events -
           (double)bare->cpu_ns / (double)bare->events;
}

/* Nothing here could tell. */
static double nothing(const struct measurements *from, unsigned one, unsigned other)
{
    (void)from;
    (void)one;
    (void)other;
    return -EOPNOTSUPP;
}

/* --- the claims ------------------------------------------------------------------------------- */

#define MS 1e6
#define US 1e3

static const char one_way[] = "1 KiB one way, asleep: a million at the measured rate";
static const char large[] = "1 MiB one way, asleep";
static const char half[] =
    "half of the median round trip of 64 B, spinning where there are two processors";
static const char wake[] = "until one that is ready is told";

static const struct {
    const char *what, *method;
    enum claim_unit unit;
    double claimed;
    double (*get)(const struct measurements *from, unsigned one, unsigned other);
    unsigned one, other;
    enum claim_verdict reasoned; /* the verdict that the reason is for */
    const char *why;
} table[CLAIM_COUNT] = {
    { "1,000,000 x 1 KiB, memory", one_way, CLAIM_NS, 45 * MS, million_ns, RING_1K, 0, CLAIM_WORSE,
        "45 ms are 23 GB/s: who copies in and out again does not reach it" },
    { "1,000,000 x 1 KiB, pipe", one_way, CLAIM_NS, 523 * MS, million_ns, PIPE_1K, 0,
        CLAIM_REPRODUCED, NULL },
    { "1,000,000 x 1 KiB, unix", one_way, CLAIM_NS, 612 * MS, million_ns, UNIX_1K, 0,
        CLAIM_REPRODUCED, NULL },
    { "1,000,000 x 1 KiB, queue", one_way, CLAIM_NS, 892 * MS, million_ns, QUEUE_1K, 0,
        CLAIM_REPRODUCED, NULL },
    { "1,000,000 x 1 KiB, tcp", one_way, CLAIM_NS, 1250 * MS, million_ns, TCP_1K, 0,
        CLAIM_REPRODUCED, NULL },
    { "memory beside tcp", one_way, CLAIM_TIMES, 27, times_as_fast, RING_1K, TCP_1K, CLAIM_WORSE,
        "it rests on the 45 ms above" },
    { "unix beside tcp", one_way, CLAIM_TIMES, 2, times_as_fast, UNIX_1K, TCP_1K, CLAIM_WORSE,
        "a call a message costs both; how much more TCP does, differs with the kernel" },
    { "1 MB, unix", large, CLAIM_NS, 12 * MS, message_ns, UNIX_1M, 0, CLAIM_BETTER,
        "12 ms would be 83 MB/s, a hundredth of the throughput that is claimed beside it" },
    { "1 MB, pipe", large, CLAIM_NS, 18 * MS, message_ns, PIPE_1M, 0, CLAIM_BETTER,
        "as with unix: it would be 56 MB/s" },
    { "1 MB, tcp", large, CLAIM_NS, 35 * MS, message_ns, TCP_1M, 0, CLAIM_BETTER,
        "as with unix: it would be 29 MB/s" },
    { "throughput, unix", large, CLAIM_BYTES_PER_S, 9.8e9, bytes_per_s, UNIX_1M, 0,
        CLAIM_REPRODUCED, NULL },
    { "throughput, tcp", large, CLAIM_BYTES_PER_S, 2.5e9, bytes_per_s, TCP_1M, 0, CLAIM_REPRODUCED,
        NULL },
    { "latency, unix", half, CLAIM_NS, 2 * US, way_ns, UNIX_64, 0, CLAIM_REPRODUCED, NULL },
    { "latency, tcp", half, CLAIM_NS, 25 * US, way_ns, TCP_64, 0, CLAIM_REPRODUCED, NULL },
    { "select, 1,000 connections", wake, CLAIM_NS, 10 * MS, wait_ns, READY_SELECT, 2, CLAIM_BETTER,
        "of one call; 10 ms would be some 10 us a descriptor" },
    { "poll, 10,000 connections", wake, CLAIM_NS, 100 * MS, wait_ns, READY_POLL, 3, CLAIM_BETTER,
        "of one call; 100 ms would be some 10 us a descriptor" },
    { "epoll, 1,000,000 connections", "the same with 100,000", CLAIM_NS, 10 * MS, wait_ns,
        READY_EPOLL, 4, CLAIM_BETTER, "of one call: it does not grow with what is quiet" },
    { "256 KiB of buffers, a long path", "none", CLAIM_BYTES_PER_S, 250e3, nothing, 0, 0,
        CLAIM_NOT_MEASURED,
        "it takes a round trip of a second: doc/options.md has one that delay= makes, and its "
        "figures" },
    { "ICMP, UDP, TCP over 1000 km", "none", CLAIM_NS, 25 * MS, nothing, 0, 0, CLAIM_NOT_MEASURED,
        "there is no such path here: `ferry ping icmp:HOST udp:HOST:7 tcp:HOST:22` tells of "
        "yours" },
};

static enum claim_verdict verdict_of(enum claim_unit unit, double claimed, double here)
{
    if (here < 0)
        return CLAIM_NOT_MEASURED;
    double better = unit == CLAIM_NS ? claimed / here : here / claimed;
    return better > 1.25 ? CLAIM_BETTER : better < 0.8 ? CLAIM_WORSE : CLAIM_REPRODUCED;
}

/* How the processes of that one wait. */
static enum bench_wait wait_of(size_t number, bool may_spin)
{
    return measured[number].size == 64 && may_spin ? BENCH_SPIN : BENCH_SLEEP;
}

/* Of two that fit the one that spins, if it is one of those. */
static const struct bench_case *case_find(const struct bench_cases *cases, size_t number)
{
    const struct bench_case *found = NULL;

    for (size_t i = 0; i < cases->count; i++) {
        const struct crossing *crossing = &cases->list[i].crossing;
        bool fits = crossing->size == measured[number].size &&
                    strcmp(crossing->mechanism->name, measured[number].mechanism) == 0;
        if (fits &&
            (crossing->wait == wait_of(number, true) || (!found && crossing->wait == BENCH_SLEEP)))
            found = &cases->list[i];
    }
    return found;
}

static const char *why(size_t number, double here, enum claim_verdict verdict)
{
    if (verdict == table[number].reasoned)
        return table[number].why;
    if (here >= 0)
        return NULL;
    if (here == -ETIME)
        return SLICES_NO_TIME;
    return here > -ENODATA || here < -ENODATA ? strerror(-(int)here)
                                              : "it was not among what was asked for";
}

void claims_judge(const struct bench_cases *cases, const struct ready_result *ready,
    struct claim ret_claims[CLAIM_COUNT])
{
    struct measurements from = { .ready = ready };

    for (size_t i = 0; i < MEASURED_COUNT; i++)
        from.cases[i] = case_find(cases, i);
    for (size_t i = 0; i < CLAIM_COUNT; i++) {
        double here = table[i].get(&from, table[i].one, table[i].other);
        enum claim_verdict verdict = verdict_of(table[i].unit, table[i].claimed, here);
        ret_claims[i] = (struct claim){ .what = table[i].what,
            .method = table[i].method,
            .unit = table[i].unit,
            .claimed = table[i].claimed,
            .here = here,
            .verdict = verdict,
            .why = why(i, here, verdict) };
    }
}

void claims_cases(int64_t span_ns, const int cpus[2], struct bench_case ret_cases[CLAIM_CASE_COUNT])
{
    for (size_t i = 0; i < MEASURED_COUNT; i++)
        ret_cases[i].crossing =
            (struct crossing){ .mechanism = mechanism_find(measured[i].mechanism),
                .wait = wait_of(i, cpus[0] != cpus[1]),
                .size = measured[i].size,
                .span_ns = span_ns,
                .cpus = { cpus[0], cpus[1] } };
}
