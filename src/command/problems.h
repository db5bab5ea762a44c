/* problems.h - what is wrong with a configuration, one line each:
 *     ferry.conf:3:10: listen: column 5: a port from 0 to 65535 is expected
 */
#ifndef FERRY_COMMAND_PROBLEMS_H
#define FERRY_COMMAND_PROBLEMS_H

#include "base/bytes.h"
#include "route/settings.h"

#include <stdio.h>

/* Appends them; returns how many there are. */
size_t problems_append(const struct settings *settings, struct bytes *text);
size_t problems_print(const struct settings *settings, FILE *stream);

#endif
