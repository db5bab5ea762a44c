/* gaps.h - what could not be seen, and what would let it be seen: one line on stderr. */
#ifndef FERRY_COMMAND_VIEW_GAPS_H
#define FERRY_COMMAND_VIEW_GAPS_H

#include "base/bytes.h"

#include <ferry/endpoints.h>

/* Appends it, without the verb: "12 processes' descriptors; root sees all (...)"; nothing if there
 * is nothing to say. */
void view_print_gaps(const struct ferry_endpoints *table, struct bytes *text);
/* Says it, if there is something to say:
 *     ferry ls: 12 processes of other users are not shown; run it as root (CAP_SYS_PTRACE, ...) */
void view_say_gaps(const char *verb, const struct ferry_endpoints *table);

#endif
