/* progress.h - how far something long is: a bar on the terminal, nothing elsewhere. */
#ifndef FERRY_COMMAND_PROGRESS_H
#define FERRY_COMMAND_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct progress {
    size_t done, all; /* slices */
};

/* Whether there is a terminal that shows it. */
bool progress_is_seen(void);
/* Draws the bar, `share` of 1 full, and a text behind it. */
void progress_draw(double share, const char *text);
/* Before each slice: of what it is. */
void progress_step(struct progress *progress, const char *what);
/* Takes the bar away. */
void progress_end(void);

#endif
