/* quote.h - what a remedy names is pasted into a shell: it must be one word there. */
#ifndef FERRY_COMMAND_QUOTE_H
#define FERRY_COMMAND_QUOTE_H

#include "base/bytes.h"

/* Text as a word of a shell's command, whatever bytes it has. */
void shell_quote(struct bytes *text, const char *word);

#endif
