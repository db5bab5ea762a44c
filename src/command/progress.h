/* progress.h - how far something long is: a bar on the terminal, nothing elsewhere. */
#ifndef FERRY_COMMAND_PROGRESS_H
#define FERRY_COMMAND_PROGRESS_H

#include <stdbool.h>

/* Whether there is a terminal that shows it. */
bool progress_is_seen(void);
/* Draws the bar, `share` of 1 full, and a text behind it. */
void progress_draw(double share, const char *text);
/* Takes the bar away. */
void progress_end(void);

#endif
