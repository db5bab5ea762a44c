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

/* Ends the program: as one of usage, that names the option as it was written. What is read last
 * holds its argument, or is it, and then the option stands before. */
static void argument_refuse(struct argp_state *state, const char *argument, const char *expected)
{
    const char *word = state->argv[state->next - 1];
    int size = (int)(argument - word);

    if (argument == word) {
        word = state->argv[state->next - 2];
        size = (int)strlen(word);
    } else if (argument[-1] == '=') {
        size--;
    }
    argp_error(state, "%.*s: '%s': %s", size, word, argument, expected);
}

/* Ends the program unless the number that was read of an argument lies within its bounds. */
static int64_t number_check(
    struct argp_state *state, const char *argument, int64_t number, int64_t least, int64_t most)
{
    AUTO_BYTES struct bytes expected = BYTES_EMPTY;

    if (number >= least)
        return number;
    bytes_print(&expected, "a number from %lld ", (long long)least);
    if (most < INT64_MAX)
        bytes_print(&expected, "to %lld ", (long long)most);
    bytes_append_text(&expected, "is expected");
    argument_refuse(state, argument, bytes_failed(&expected) ? "no such number" : expected.data);
    return -1;
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
    AUTO_BYTES struct bytes expected = BYTES_EMPTY;

    if (span_ms >= 0 && span_ms >= least_ms && span_ms <= most_ms)
        return span_ms;
    bytes_append_text(&expected, "a span ");
    print_bounds(&expected, least_ms, most_ms);
    bytes_append_text(&expected, "is expected, as 500ms or 30s");
    argument_refuse(state, argument, bytes_failed(&expected) ? "no such span" : expected.data);
    return -1;
}
