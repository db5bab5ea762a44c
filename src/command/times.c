/* times.c - times of answers, counted. */
#include "command/times.h"
#include "base/cleanup.h"

#include <assert.h>
#include <stdio.h>

int64_t times_histogram_from(size_t index)
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
    while (index + 1 < TIMES_HISTOGRAM_COUNT && times_histogram_from(index + 1) <= time_ns)
        index++;
    return index;
}

/* Below 512 each value has its own counter; above, the leading nine bits choose one, and each
 * doubling continues where the last one ended. */
static size_t counter_index(uint64_t time_ns)
{
    unsigned bits = time_ns ? 64 - (unsigned)__builtin_clzll(time_ns) : 0;
    unsigned shift = bits > 9 ? bits - 9 : 0;
    if (shift > TIMES_DOUBLINGS)
        return (TIMES_DOUBLINGS + 2) * TIMES_COUNTERS - 1;
    return shift * TIMES_COUNTERS + (size_t)(time_ns >> shift);
}

/* The middle of what a counter counts. */
static int64_t counter_value(size_t index)
{
    if (index < 2 * TIMES_COUNTERS)
        return (int64_t)index;
    size_t shift = index / TIMES_COUNTERS - 1;
    int64_t from = (int64_t)(index - shift * TIMES_COUNTERS) << shift;
    return from + ((INT64_C(1) << shift) >> 1);
}

void times_add(struct times *times, int64_t time_ns)
{
    assert(time_ns >= 0);
    if (!times->count || time_ns < times->min_ns)
        times->min_ns = time_ns;
    if (time_ns > times->max_ns)
        times->max_ns = time_ns;
    if (times->count) {
        int64_t difference = time_ns - times->last_ns;
        times->difference_sum_ns += (uint64_t)(difference < 0 ? -difference : difference);
    }
    times->last_ns = time_ns;
    times->sum_ns += (uint64_t)time_ns;
    times->count++;
    times->histogram[histogram_index(time_ns)]++;
    times->counters[counter_index((uint64_t)time_ns)]++;
}

void times_merge(struct times *times, const struct times *others)
{
    if (!others->count)
        return;
    if (!times->count || others->min_ns < times->min_ns)
        times->min_ns = others->min_ns;
    if (others->max_ns > times->max_ns)
        times->max_ns = others->max_ns;
    times->last_ns = others->last_ns;
    times->sum_ns += others->sum_ns;
    times->difference_sum_ns += others->difference_sum_ns;
    times->count += others->count;
    for (size_t i = 0; i < COUNT_OF(times->histogram); i++)
        times->histogram[i] += others->histogram[i];
    for (size_t i = 0; i < COUNT_OF(times->counters); i++)
        times->counters[i] += others->counters[i];
}

int64_t times_quantile(const struct times *times, unsigned permille)
{
    uint64_t rank = (times->count * permille + 999) / 1000, passed = 0;
    size_t index = 0;

    assert(times->count > 0 && permille <= 1000);
    if (rank == times->count)
        return times->max_ns;
    while ((passed += times->counters[index]) < rank)
        index++;
    int64_t value = counter_value(index);
    if (value < times->min_ns)
        return times->min_ns;
    return value < times->max_ns ? value : times->max_ns;
}

int64_t times_mean(const struct times *times)
{
    return (int64_t)(times->sum_ns / times->count);
}

int64_t times_jitter(const struct times *times)
{
    return times->count > 1 ? (int64_t)(times->difference_sum_ns / (times->count - 1)) : 0;
}

void time_print(int64_t time_ns, char text[24])
{
    static const char *const units[] = { "ns", "us", "ms", "s" };
    double time = (double)time_ns;
    size_t unit = 0;
    while (time >= 999.5 && unit + 1 < COUNT_OF(units)) {
        time /= 1000;
        unit++;
    }
    snprintf(text, 24, "%.*f%s",
        unit == 0 || time >= 100 ? 0
        : time >= 10             ? 1
                                 : 2,
        time, units[unit]);
}
