/* tables.h - what was found, in rows: for the terminal and the page alike. */
#ifndef FERRY_COMMAND_BENCH_TABLES_H
#define FERRY_COMMAND_BENCH_TABLES_H

#include "command/bench/findings.h"
#include "command/table.h"

/* Each makes a table, which the caller finishes. */

/* Of those that have figures, in the order given. */
void cases_table(const struct bench_method *method, const struct bench_case *const *cases,
    size_t count, struct table *ret_table);
void buffers_table(
    const struct bench_method *method, const struct bench_cases *cases, struct table *ret_table);
void profiles_table(
    const struct bench_method *method, const struct bench_cases *cases, struct table *ret_table);
void ready_table(
    const struct bench_method *method, const struct ready_result *result, struct table *ret_table);
void steps_table(const struct bench_method *method, const struct step_figure figures[STEP_COUNT],
    struct table *ret_table);
void claims_table(const struct claim claims[CLAIM_COUNT], struct table *ret_table);

#endif
