/* times.h - times of answers, counted in fixed memory however many there are.
 *
 * Least, most, mean, jitter and the histogram are exact. A quantile is that of counters whose width
 * is 1/256 of the value: at most 0.2 % beside the true one, and never outside of what was measured.
 */
#ifndef FERRY_COMMAND_TIMES_H
#define FERRY_COMMAND_TIMES_H

#include <stddef.h>
#include <stdint.h>

/* Counters for each doubling, and doublings above them: 2^42 ns are 73 minutes, all that is longer
 * counts as that. */
#define TIMES_COUNTERS  256u
#define TIMES_DOUBLINGS 33u
/* 1, 2, 5, 10, ... nanoseconds up to 1000 seconds. */
#define TIMES_HISTOGRAM_COUNT 37u

struct times {
    uint64_t count;
    int64_t min_ns, max_ns, last_ns;
    uint64_t sum_ns;
    uint64_t difference_sum_ns; /* of each time to the one before */
    uint64_t histogram[TIMES_HISTOGRAM_COUNT];
    uint64_t counters[(TIMES_DOUBLINGS + 2) * TIMES_COUNTERS];
};

void times_add(struct times *times, int64_t time_ns);
/* Adds those of another, as if they had come after these; only that the first of them differs from
 * the last of these is no jitter. */
void times_merge(struct times *times, const struct times *others);

/* The following need at least one time. */

/* The least time that so many of a thousand do not exceed (nearest rank); 500 is the median. */
int64_t times_quantile(const struct times *times, unsigned permille);
int64_t times_mean(const struct times *times);
/* The mean difference of a time to the one before; 0 for a single one. */
int64_t times_jitter(const struct times *times);

/* Where a bucket of the histogram begins; it ends before the next, the last one nowhere. */
int64_t times_histogram_from(size_t index);

/* 34213 as "34.2us": three or four digits and a unit. */
void time_print(int64_t time_ns, char text[24]);

#endif
