/* sums.h - figures summed by their labels: the series of one family.
 *
 * Sorted by their labels, so that finding one takes the same few steps whatever names other
 * processes choose, and the text comes out in one order. Bounded: what finds no room is counted in
 * left_out. A gauge's sums are made anew for each look. A counter's stay; when there are as many as
 * may be, those that nothing was added to in the last looks make room.
 */
#ifndef FERRY_SERVICE_METRICS_SUMS_H
#define FERRY_SERVICE_METRICS_SUMS_H

#include "service/metrics/exposition.h"

struct sum {
    char *labels; /* owned */
    uint64_t value;
    unsigned look; /* the last that added to it */
};

struct sums {
    struct sum *data; /* by labels */
    size_t count, capacity;
    size_t max;     /* series; 0: SERIES_MAX */
    unsigned swept; /* the look that last made room */
    uint64_t left_out;
    bool failed; /* out of memory */
};

void sums_fini(struct sums *sums);
/* Forgets the series; left_out stays. */
void sums_clear(struct sums *sums);
/* Adds to the series of these labels, which is made if there is none.
 *   labels  a failed one marks the sums failed, as bytes are
 *   look    counts up, from 1 */
void sums_add(struct sums *sums, const struct bytes *labels, uint64_t value, unsigned look);
/* The family, whole. */
void sums_print(const struct sums *sums, const struct family *family, struct bytes *text);

#endif
