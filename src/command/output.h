/* output.h - standard output, of which no verb need think: that it has not taken all is said at the
 * end, once, and makes the exit status EXIT_FAILED.
 */
#ifndef FERRY_COMMAND_OUTPUT_H
#define FERRY_COMMAND_OUTPUT_H

#include <stdio.h>

/* From here on it remembers why it took no more.
 *   verb  of whoever runs when the program ends; borrowed
 * Returns 0, -ENOMEM. */
int output_begin(const char *const *verb);
/* Why it took no more, -errno; 0: it has taken all so far. */
int output_failed(void);
/* It was said: no more need be. */
void output_told(void);
/* The same as a stream of the C library's own, for who draws on a terminal. */
FILE *output_terminal(void);

#endif
