/* report.h - changes in words: lines for people, JSON for machines. */
#ifndef FERRY_COMMAND_LS_REPORT_H
#define FERRY_COMMAND_LS_REPORT_H

#include "base/bytes.h"
#include "command/ls/changes.h"

/* Append one line each. `count` is of endpoints that are followed. */
void ls_report_start(size_t count, bool json, struct bytes *text);
void ls_report_text(const struct ls_change *change, bool colour, struct bytes *text);
void ls_report_json(const struct ls_change *change, struct bytes *text);

#endif
