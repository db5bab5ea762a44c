/* ping_statistics.h - times of answers, counted in fixed memory however many there are.
 *
 * Least, most, mean, jitter and the histogram are exact. A quantile is that of counters whose width
 * is 1/256 of the value: at most 0.2 % beside the true one, and never outside of what was measured.
 */
#ifndef FERRY_COMMAND_PING_STATISTICS_H
#define FERRY_COMMAND_PING_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

/* Counters for each doubling, and doublings above them: 2^42 ns are 73 minutes, all that is longer
 * counts as that. */
#define PING_COUNTERS  256u
#define PING_DOUBLINGS 33u
/* 1, 2, 5, 10, ... nanoseconds up to 1000 seconds. */
#define PING_HISTOGRAM_COUNT 37u

struct ping_statistics {
    uint64_t count;
    int64_t min_ns, max_ns, last_ns;
    uint64_t sum_ns;
    uint64_t difference_sum_ns; /* of each time to the one before */
    uint64_t histogram[PING_HISTOGRAM_COUNT];
    uint64_t counters[(PING_DOUBLINGS + 2) * PING_COUNTERS];
};

void ping_statistics_add(struct ping_statistics *statistics, int64_t time_ns);

/* The following need at least one time. */

/* The least time that `percent` of all do not exceed (nearest rank); 50 is the median. */
int64_t ping_statistics_quantile(const struct ping_statistics *statistics, unsigned percent);
int64_t ping_statistics_mean(const struct ping_statistics *statistics);
/* The mean difference of a time to the one before; 0 for a single one. */
int64_t ping_statistics_jitter(const struct ping_statistics *statistics);

/* Where a bucket of the histogram begins; it ends before the next, the last one nowhere. */
int64_t ping_histogram_from(size_t index);

#endif
