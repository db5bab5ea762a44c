/* ping_statistics.c - times of answers, counted. */
#include "command/ping_statistics.h"

#include <assert.h>

int64_t ping_histogram_from(size_t index)
{
    static const int64_t steps[] = { 1, 2, 5 };
    int64_t from = steps[index % 3];
    for (size_t decade = 0; decade < index / 3; decade++)
        from *= 10;
    return from;
}

static size_t histogram_index(int64_t time_ns)
{
    size_t index = 0;
    while (index + 1 < PING_HISTOGRAM_COUNT && ping_histogram_from(index + 1) <= time_ns)
        index++;
    return index;
}

/* Below 512 each value has its own counter; above, the leading nine bits choose one, and each
 * doubling continues where the last one ended. */
static size_t counter_index(uint64_t time_ns)
{
    unsigned bits = time_ns ? 64 - (unsigned)__builtin_clzll(time_ns) : 0;
    unsigned shift = bits > 9 ? bits - 9 : 0;
    if (shift > PING_DOUBLINGS)
        return (PING_DOUBLINGS + 2) * PING_COUNTERS - 1;
    return shift * PING_COUNTERS + (size_t)(time_ns >> shift);
}

/* The middle of what a counter counts. */
static int64_t counter_value(size_t index)
{
    if (index < 2 * PING_COUNTERS)
        return (int64_t)index;
    size_t shift = index / PING_COUNTERS - 1;
    int64_t from = (int64_t)(index - shift * PING_COUNTERS) << shift;
    return from + ((INT64_C(1) << shift) >> 1);
}

void ping_statistics_add(struct ping_statistics *statistics, int64_t time_ns)
{
    assert(time_ns >= 0);
    if (!statistics->count || time_ns < statistics->min_ns)
        statistics->min_ns = time_ns;
    if (time_ns > statistics->max_ns)
        statistics->max_ns = time_ns;
    if (statistics->count) {
        int64_t difference = time_ns - statistics->last_ns;
        statistics->difference_sum_ns += (uint64_t)(difference < 0 ? -difference : difference);
    }
    statistics->last_ns = time_ns;
    statistics->sum_ns += (uint64_t)time_ns;
    statistics->count++;
    statistics->histogram[histogram_index(time_ns)]++;
    statistics->counters[counter_index((uint64_t)time_ns)]++;
}

int64_t ping_statistics_quantile(const struct ping_statistics *statistics, unsigned percent)
{
    uint64_t rank = (statistics->count * percent + 99) / 100, passed = 0;
    size_t index = 0;

    assert(statistics->count > 0 && percent <= 100);
    if (rank == statistics->count)
        return statistics->max_ns;
    while ((passed += statistics->counters[index]) < rank)
        index++;
    int64_t value = counter_value(index);
    if (value < statistics->min_ns)
        return statistics->min_ns;
    return value < statistics->max_ns ? value : statistics->max_ns;
}

int64_t ping_statistics_mean(const struct ping_statistics *statistics)
{
    return (int64_t)(statistics->sum_ns / statistics->count);
}

int64_t ping_statistics_jitter(const struct ping_statistics *statistics)
{
    return statistics->count > 1
               ? (int64_t)(statistics->difference_sum_ns / (statistics->count - 1))
               : 0;
}
