/* slices.h - how far a measurement is, slice by slice, and when it ends in any case.
 *
 * On a terminal: how long it will take before it begins, then the bar.
 */
#ifndef FERRY_COMMAND_BENCH_SLICES_H
#define FERRY_COMMAND_BENCH_SLICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why there is no figure where there was no slice. */
#define SLICES_NO_TIME "there was no time for it"

struct slices {
    size_t done, all;
    size_t part_start, part_end; /* how many are done before this part, and once it is */
    int64_t left_ms;             /* that those of further parts take */
    int64_t started_ns, end_ns, part_end_ns;
    bool is_cut; /* there was no time for some */
};

/* So many, which take `estimate_ms`, and for which there are `limit_ms`. */
void slices_begin(struct slices *slices, size_t all, int64_t estimate_ms, int64_t limit_ms);
/* The next so many are of one kind, and take so long: they have their share of the time that is
 * left. */
void slices_part(struct slices *slices, size_t count, int64_t estimate_ms);
/* Before each: of what it is. False: there is no time for it, nor for others of its part; for the
 * first of a part there always is, or some that went on for too long would leave nothing to it. */
bool slices_step(struct slices *slices, const char *what);
/* Takes the bar away. */
void slices_end(void);

#endif
