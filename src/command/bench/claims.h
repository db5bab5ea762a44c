/* claims.h - figures that are quoted of Linux's mechanisms, and what this machine says to them. */
#ifndef FERRY_COMMAND_BENCH_CLAIMS_H
#define FERRY_COMMAND_BENCH_CLAIMS_H

#include "command/bench/cases.h"
#include "command/bench/ready.h"

enum claim_verdict {
    CLAIM_REPRODUCED, /* within a quarter */
    CLAIM_BETTER,     /* better than that here */
    CLAIM_WORSE,
    CLAIM_NOT_MEASURED
};

enum claim_unit { CLAIM_NS, CLAIM_BYTES_PER_S, CLAIM_TIMES };

struct claim {
    const char *what, *method;
    enum claim_unit unit; /* of a time less is better, of the others more */
    double claimed;
    double here; /* if it was measured */
    enum claim_verdict verdict;
    const char *why; /* that it is not as claimed, or not measured; NULL: machines differ */
};

#define CLAIM_COUNT 19

/* How many cases the claims need, besides what `ready` measures; and those. */
#define CLAIM_CASE_COUNT 10
void claims_cases(
    int64_t span_ns, const int cpus[2], struct bench_case ret_cases[CLAIM_CASE_COUNT]);
/* Judges by what was measured; what is not among it is said to be not measured. */
void claims_judge(const struct bench_cases *cases, const struct ready_result *ready,
    struct claim ret_claims[CLAIM_COUNT]);

/* "reproduced", ... */
const char *claim_verdict_name(enum claim_verdict verdict);

#endif
