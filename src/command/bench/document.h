/* document.h - what `ferry bench` found, as JSON. */
#ifndef FERRY_COMMAND_BENCH_DOCUMENT_H
#define FERRY_COMMAND_BENCH_DOCUMENT_H

#include "base/bytes.h"
#include "command/bench/findings.h"

/* Appends one object, of all parts that were asked for. */
void bench_document(const struct bench_findings *findings, struct bytes *text);

#endif
