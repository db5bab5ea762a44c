/* gaps.h - what could not be seen, and what would let it be seen: one line on stderr. */
#ifndef FERRY_COMMAND_VIEW_GAPS_H
#define FERRY_COMMAND_VIEW_GAPS_H

#include "base/bytes.h"

#include <ferry/endpoints.h>

/* Appends it, without the verb: "12 processes' descriptors; root sees all (...)"; nothing if there
 * is nothing to say.
 *   kinds  FERRY_ENDPOINTS_*: what was asked about; what is missing of others is not said */
void view_print_gaps(const struct ferry_endpoints_gaps *gaps, unsigned kinds, struct bytes *text);
/* Says it of a table, if there is something to say:
 *     ferry ls: not seen: 12 processes' descriptors; root sees all (CAP_SYS_PTRACE, ...) */
void view_say_gaps(const char *verb, const struct ferry_endpoints *table, unsigned kinds);

#endif
