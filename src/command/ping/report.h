/* report.h - what `ferry ping` says: a line for each question, and all at the end. */
#ifndef FERRY_COMMAND_PING_REPORT_H
#define FERRY_COMMAND_PING_REPORT_H

#include "base/bytes.h"
#include "command/ping/probe.h"

/* Appends what the probe's last result says, and before the first one how it is asked. */
void ping_report_result(const struct ping_probe *probe, struct bytes *text);
/* Appends the table of all probes side by side, below it what else came of them. */
void ping_report_summary(struct ping_probe *const *probes, size_t count, struct bytes *text);
/* Appends the times of each probe in buckets that are the same for all.
 *   width  characters of the longest bar */
void ping_report_histograms(
    struct ping_probe *const *probes, size_t count, unsigned width, struct bytes *text);

/* The same as JSON, one object a line. */
void ping_report_result_json(const struct ping_probe *probe, struct bytes *text);
void ping_report_summary_json(struct ping_probe *const *probes, size_t count, struct bytes *text);

#endif
