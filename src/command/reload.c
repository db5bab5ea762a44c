/* reload.c - `ferry reload`: asks a running ferry to read its configuration again. */
#include "command/argument.h"
#include "command/ask.h"
#include "command/command.h"

#include <argp.h>
#include <stdio.h>

static const struct argp_option options[] = {
    { "socket", 's', "CONTROL", 0, "Control socket, an address or a path (that of `ferry up`)", 0 },
    { 0 },
};

static error_t reload_parse(int key, char *argument, struct argp_state *state)
{
    const char **control = state->input;
    if (key != 's')
        return ARGP_ERR_UNKNOWN;
    *control = argument;
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = reload_parse,
    .doc = "Make a running `ferry up` read its configuration again. Routes that did not change "
           "keep their connections. A configuration with problems changes nothing, and they are "
           "printed here.\v"
           "EXAMPLES\n"
           "  ferry reload\n"
           "  ferry check -c /etc/ferry && ferry reload -s /run/ferry/control.sock\n",
};

int command_reload(int argc, char **argv)
{
    const char *control = NULL;
    struct ferry_error error;
    json_t *reply;
    if (argument_parse("reload", &argp, argc, argv, 0, &control) != EXIT_DONE)
        return EXIT_FAILED;
    int outcome = ask(control, "reload", &reply, &error);
    if (outcome < 0)
        return command_fail("reload", &error);
    if (outcome == ASK_REFUSED)
        return ask_fail("reload", reply);
    const char *text = json_string_value(json_object_get(reply, "text"));
    printf("%s\n", text ? text : "done");
    json_decref(reply);
    return EXIT_DONE;
}
