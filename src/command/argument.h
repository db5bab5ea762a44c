/* argument.h - what a verb is given, by argp(3); numbers and spans among it: what is none ends the
 * program, as one of usage. They are read of the argument of an option, as argp gave it.
 */
#ifndef FERRY_COMMAND_ARGUMENT_H
#define FERRY_COMMAND_ARGUMENT_H

#include <argp.h>
#include <stdint.h>

/* Parses what a verb is given: argp_parse(3). Wrong usage ends the program; EXIT_FAILED: it could
 * not be parsed for want of memory, which is said. */
int argument_parse(
    const char *verb, const struct argp *argp, int argc, char **argv, unsigned flags, void *input);

/* A whole number, from `least` to `most`; INT64_MAX: without a bound that would be told. */
int64_t argument_number(
    struct argp_state *state, const char *argument, int64_t least, int64_t most);
/* From 1 to 100, with a "%" behind it or without. */
unsigned argument_percent(struct argp_state *state, const char *argument);
/* Milliseconds of "500ms", "30s"; bounds as of numbers. */
int64_t argument_span_ms(
    struct argp_state *state, const char *argument, int64_t least_ms, int64_t most_ms);

#endif
