/* problems.c - what is wrong with a configuration. */
#include "command/problems.h"

size_t problems_append(const struct settings *settings, struct bytes *text)
{
    size_t count = config_problem_count(settings->config);
    for (size_t i = 0; i < count; i++) {
        const struct config_problem *problem = config_get_problem(settings->config, i);
        bytes_print(text, "%s%s:%u:%u: %s%s%s", i ? "\n" : "", problem->place.file,
            problem->place.line, problem->place.column, problem->key, problem->key[0] ? ": " : "",
            problem->text);
    }
    return count;
}

size_t problems_print(const struct settings *settings, FILE *stream)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    size_t count = problems_append(settings, &text);
    if (count)
        fprintf(stream, "%s\n", bytes_failed(&text) ? "too many problems" : text.data);
    return count;
}
