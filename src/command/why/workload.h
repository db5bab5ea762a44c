/* workload.h - `ferry why --workload`: by which mechanism such messages had best cross, and why. */
#ifndef FERRY_COMMAND_WHY_WORKLOAD_H
#define FERRY_COMMAND_WHY_WORKLOAD_H

#include "wire/choice.h"

#include <ferry/error.h>

/* "size=4k,rate=20k,reliable,descriptors,answered,remote,one-cpu", in any order; a size and a rate
 * there must be, which may be "max". Returns 0, -EINVAL. */
int workload_parse(const char *text, struct workload *ret_workload, struct ferry_error *error);

/* Says on stdout what is best, and what the others would cost. Returns the exit status: 1, if
 * nothing can carry it. */
int why_workload(const struct workload *workload, bool json);

#endif
