/* argument.c - numbers and spans as options. */
#include "command/argument.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/number.h"
#include "command/command.h"
#include "wire/address.h"

#include <stdlib.h>
#include <string.h>

int argument_parse(
    const char *verb, const struct argp *argp, int argc, char **argv, unsigned flags, void *input)
{
    int code = argp_parse(argp, argc, argv, flags, NULL, input);
    return code == 0 ? EXIT_DONE : command_fail_errno(verb, "the command line", -code);
}

/* Ends the program unless the number that was read of an argument lies within its bounds. */
static int64_t number_check(
    struct argp_state *state, const char *argument, int64_t number, int64_t least, int64_t most)
{
    if (number < least && most == INT64_MAX)
        argp_error(state, "'%s': a number from %lld is expected", argument, (long long)least);
    else if (number < least)
        argp_error(state, "'%s': a number from %lld to %lld is expected", argument,
            (long long)least, (long long)most);
    return number;
}

int64_t argument_number(struct argp_state *state, const char *argument, int64_t least, int64_t most)
{
    return number_check(state, argument, number_parse(argument, 10, most), least, most);
}

unsigned argument_percent(struct argp_state *state, const char *argument)
{
    char digits[] = "100";
    size_t size = strcspn(argument, "%");
    int64_t number = -1;

    if (size < sizeof(digits) && strcmp(argument + size, argument[size] ? "%" : "") == 0) {
        memcpy(digits, argument, size);
        digits[size] = '\0';
        number = number_parse(digits, 10, 100);
    }
    return (unsigned)number_check(state, argument, number, 1, 100);
}

/* "from 10ms to 20d "; "" if there are no bounds. */
static void print_bounds(struct bytes *text, int64_t least_ms, int64_t most_ms)
{
    if (least_ms > 0) {
        bytes_append_text(text, "from ");
        address_print_span(text, least_ms);
        bytes_append_char(text, ' ');
    }
    if (most_ms < INT64_MAX) {
        bytes_append_text(text, "to ");
        address_print_span(text, most_ms);
        bytes_append_char(text, ' ');
    }
}

int64_t argument_span_ms(
    struct argp_state *state, const char *argument, int64_t least_ms, int64_t most_ms)
{
    int64_t span_ms = clock_parse_ms(argument);
    AUTO_BYTES struct bytes bounds = BYTES_EMPTY;

    if (span_ms >= 0 && span_ms >= least_ms && span_ms <= most_ms)
        return span_ms;
    print_bounds(&bounds, least_ms, most_ms);
    argp_error(state, "'%s': a span %sis expected, as 500ms or 30s", argument,
        bounds.data ? bounds.data : "");
    return -1;
}
