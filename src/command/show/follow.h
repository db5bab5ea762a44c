/* follow.h - `show --follow`: what a word means, again and again, with what has changed. */
#ifndef FERRY_COMMAND_SHOW_FOLLOW_H
#define FERRY_COMMAND_SHOW_FOLLOW_H

#include "command/view/target.h"

#include <ferry/endpoints.h>
#include <stdint.h>

struct follow {
    const struct view_target *target;
    bool json; /* a JSON object a line, else a line for people */
    int64_t interval_ms;
    uint64_t count; /* looks; 0: until a signal */
};

/* Follows, and writes to stdout: at first what is there, then each time what came of it since.
 *   table  of the word's kinds; it is refreshed
 * Ends by SIGINT, SIGTERM or SIGHUP, after `count` looks, or when nothing is left of what was
 * followed.
 * Returns 0, or -errno with *error. */
int follow_run(
    const struct follow *follow, struct ferry_endpoints *table, struct ferry_error *error);

#endif
