/* follow.h - `ls --follow`: what becomes of endpoints, as it happens. */
#ifndef FERRY_COMMAND_LS_FOLLOW_H
#define FERRY_COMMAND_LS_FOLLOW_H

#include "command/ls/filter.h"

struct ls_follow {
    struct ls_filter *filter;
    struct ferry_endpoints_options asked;
    int64_t interval_ms;
    uint64_t count;   /* looks; 0: until a signal */
    unsigned percent; /* of a backlog */
    int64_t stuck_ms;
    bool json;
    bool colour;
};

/* Runs until SIGINT, SIGTERM, or `count` looks were made. Returns the exit status. */
int ls_follow(const struct ls_follow *follow);

#endif
