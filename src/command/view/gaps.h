/* gaps.h - what could not be seen, and what would let it be seen: one line on stderr. */
#ifndef FERRY_COMMAND_VIEW_GAPS_H
#define FERRY_COMMAND_VIEW_GAPS_H

#include <ferry/endpoints.h>

/* Says it, if there is something to say:
 *     ferry ls: 12 processes of other users are not shown; run it as root (CAP_SYS_PTRACE, ...) */
void view_say_gaps(const char *verb, const struct ferry_endpoints *table);

#endif
