/* status.h - what a running ferry carries, for people. */
#ifndef FERRY_COMMAND_STATUS_H
#define FERRY_COMMAND_STATUS_H

#include "base/bytes.h"

#include <jansson.h>

/* Appends the tables of `ferry status`.
 *   report  what answered, which may be no ferry: any member may be missing or of another kind
 *   people  sizes as people read them */
void status_print(const json_t *report, bool people, struct bytes *text);

#endif
