/* report.h - what `ferry bench` found, for people. */
#ifndef FERRY_COMMAND_BENCH_REPORT_H
#define FERRY_COMMAND_BENCH_REPORT_H

#include "base/bytes.h"
#include "command/bench/findings.h"

/* Appends the tables of all parts that were asked for, and below them what was not measured. */
void bench_report(const struct bench_findings *findings, struct bytes *text);

/* What is_cut means. */
#define BENCH_CUT_TEXT "Time was up: some have fewer slices, or none (--budget)."

/* --- also for the page ------------------------------------------------------------------------ */

/* Those of one size stand together; where the next size begins. */
size_t bench_size_end(const struct bench_cases *cases, size_t first);
/* First those with figures, the fastest first of all. Returns how many those are.
 *   ret_order  room for `count` */
size_t bench_order(
    const struct bench_case *cases, size_t count, const struct bench_case **ret_order);
/* Append lines for what a table has no column for: what was not measured, lost, and why. */
void bench_remark(const struct bench_case *one, struct bytes *text);
/* How far apart the processors were: a sentence without its end; nothing where that is not known.
 */
void bench_lines_remark(const struct times *lines, struct bytes *text);
void ready_remarks(const struct ready_result *result, struct bytes *text);
void claims_remarks(const struct claim claims[CLAIM_COUNT], struct bytes *text);

#endif
