/* progress.h - how far a measurement is: a bar on the terminal, nothing elsewhere. */
#ifndef FERRY_COMMAND_BENCH_PROGRESS_H
#define FERRY_COMMAND_BENCH_PROGRESS_H

#include <stddef.h>

struct progress {
    size_t done, all; /* slices */
};

/* Before each slice: of what it is. */
void progress_step(struct progress *progress, const char *what);
/* Takes the bar away. */
void progress_end(void);

#endif
