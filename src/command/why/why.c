/* why.c - `ferry why`: what is wrong, with the evidence and the command that mends it. */
#include "command/command.h"
#include "command/why/machine.h"

#include <argp.h>

enum { KEY_JSON = 0x400 };

static const struct argp_option options[] = {
    { "json", KEY_JSON, NULL, 0, "One JSON object, with every fact", 0 },
    { 0 },
};

static error_t why_parse(int key, char *argument, struct argp_state *state)
{
    bool *json = state->input;

    (void)argument;
    if (key != KEY_JSON)
        return ARGP_ERR_UNKNOWN;
    *json = true;
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = why_parse,
    .doc = "Say what on this machine will bite, worst first: sockets nobody can reach or anybody "
           "can replace, full backlogs and queues, memory that nobody has, limits that are "
           "near.\v"
           "EXAMPLES\n"
           "  ferry why\n"
           "  ferry why --json | jq -r '.findings[].remedy'\n",
};

int command_why(int argc, char **argv)
{
    bool json = false;

    if (argp_parse(&argp, argc, argv, 0, NULL, &json) != 0)
        return EXIT_USAGE;
    return why_machine(json);
}
