/* page.h - what `ferry bench` found, as one page that needs nothing else. */
#ifndef FERRY_COMMAND_BENCH_PAGE_H
#define FERRY_COMMAND_BENCH_PAGE_H

#include "base/bytes.h"
#include "command/bench/findings.h"

/* Appends an HTML page that is XML, too: charts, tables, the machine, the method.
 *   command  what makes it again, as typed into a shell */
void bench_page(const struct bench_findings *findings, const char *command, struct bytes *page);

#endif
