/* calibration.h (wire) - what was measured of a machine, as text, and what a channel has of it.
 *
 * The text is lines of `key value`: `version 1`, `machine`, `kernel` and `time`, then a line for
 * each place, mechanism and size with the numbers of struct choice_cost in their order:
 *
 *   apart ring 4096 594 298 19300 54300 2340 2080
 *
 * A text that lacks one, has one twice or has anything else is none.
 */
#ifndef FERRY_WIRE_CALIBRATION_H
#define FERRY_WIRE_CALIBRATION_H

#include "wire/choice.h"

/* Where something was measured. */
struct machine {
    char kernel[65];   /* utsname.release */
    char hardware[97]; /* "2 x Intel(R) Xeon(R) Processor" */
};

struct calibration {
    struct choice_costs costs;
    struct choice_thresholds thresholds; /* that follow from them */
    bool built_in;
    int64_t time_s;   /* when it was measured: since 1970 */
    char reason[160]; /* why the built-in figures are used; "": nothing was measured yet */
};

/* Reads a text. 0, -EINVAL (it is none; *ret_calibration is unchanged).
 *   reason  receives which line is wrong, or what is of another machine */
int calibration_parse(
    const char *text, size_t size, const struct machine *here, struct calibration *ret_calibration);
/* Appends the text. */
void calibration_print(
    const struct calibration *calibration, const struct machine *here, struct bytes *text);

#endif
