/* calibration.h (wire) - what was measured of a machine, as text, and what follows from it.
 *
 *     version 1
 *     kernel 6.18.0
 *     processors 2
 *     processor Intel(R) Xeon(R) Processor
 *     time 1796029234
 *     apart rested 40000 25000
 *     apart ring 4096 572 339 18200 49100 2310 2030
 *
 * The last line stands for each place, mechanism and size that could be measured, with the whole
 * nanoseconds of struct choice_cost in their order; the one before for each place, with those of
 * struct choice_rest. A text that lacks one of the first, has a line
 * twice or has anything else is none.
 *
 * The text lies in $FERRY_CALIBRATION ("": there is none), or where base/state.h says.
 */
#ifndef FERRY_WIRE_CALIBRATION_H
#define FERRY_WIRE_CALIBRATION_H

#include "base/machine.h"
#include "wire/choice.h"

#define CALIBRATION_VARIABLE "FERRY_CALIBRATION"
#define CALIBRATION_FILE     "calibration"

struct calibration {
    struct choice_costs costs;
    struct machine machine; /* where it was measured; of built-in figures, where they are used */
    int64_t time_s;         /* when, since 1970; 0: the figures are the built-in ones */
    char reason[160];       /* why those are used although there was a text; else "" */
};

/* What is to be used here: what the text says, unless it is none or of another machine.
 *   code  of reading the text: 0; -ENOENT: there is none; another -errno */
void calibration_make(int code, const struct bytes *text, const struct machine *here,
    struct calibration *ret_calibration);
/* Appends the text. */
void calibration_print(const struct calibration *calibration, struct bytes *text);

#endif
