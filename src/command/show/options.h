/* options.h - what is in effect on a descriptor that another process holds: socket options, the
 * size and content of a pipe, the seals of a memfd.
 *
 * Only questions that change nothing are asked: SO_ERROR is not among them, since reading clears
 * it, and neither is what gives a new descriptor.
 */
#ifndef FERRY_COMMAND_SHOW_OPTIONS_H
#define FERRY_COMMAND_SHOW_OPTIONS_H

#include "command/limits.h"

#include <ferry/endpoints.h>
#include <ferry/error.h>
#include <stdint.h>

enum show_option_unit {
    SHOW_FLAG,
    SHOW_NUMBER,
    SHOW_BYTES,
    SHOW_SECONDS,
    SHOW_MILLISECONDS,
    SHOW_MICROSECONDS,
    SHOW_TEXT,
};

struct show_option {
    const char *key; /* as ferry-address(7) has it, where it has it */
    enum show_option_unit unit;
    int64_t number;
    char text[64]; /* of SHOW_TEXT */
};

struct show_options {
    size_t count;
    struct show_option items[SHOW_OPTIONS_MAX];
};

/* Asks. Returns 0, or -errno with *error: why it may not be asked; -EOPNOTSUPP: nothing is to be
 * asked of that kind (a queue). */
int show_options_read(const struct ferry_endpoint *endpoint, struct show_options *ret_options,
    struct ferry_error *error);

#endif
