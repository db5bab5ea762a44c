/* check.c - `ferry check`: reads a configuration, or addresses, and says what is wrong. */
#include "base/cleanup.h"
#include "command/command.h"
#include "command/problems.h"
#include "route/settings.h"
#include "service/service.h"

#include <argp.h>
#include <ferry/address.h>
#include <stdio.h>

struct check {
    const char *path; /* NULL: the default */
    char **addresses; /* of argv */
    size_t address_count;
};

static const struct argp_option options[] = {
    { "config", 'c', "PATH", 0, "A file, or a folder of *.conf (/etc/ferry)", 0 },
    { 0 },
};

static error_t check_parse(int key, char *argument, struct argp_state *state)
{
    struct check *check = state->input;
    switch (key) {
    case 'c':
        check->path = argument;
        return 0;
    case ARGP_KEY_ARGS:
        check->addresses = state->argv + state->next;
        check->address_count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_END:
        if (check->path && check->address_count)
            argp_error(state, "either a configuration or addresses");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = check_parse,
    .args_doc = "[ADDRESS...]",
    .doc = "Read the configuration as `ferry up` would and print every problem in it, each with "
           "its file, line and column. Nothing is started. With ADDRESS, print each the way ferry "
           "understands it.\v"
           "EXAMPLES\n"
           "  ferry check\n"
           "  ferry check -c ferry.conf\n"
           "  ferry check tcp://localhost:8080 'unix:@name' unix:///run/x.sock,mode=0660\n",
};

static int check_addresses(const struct check *check)
{
    int status = EXIT_DONE;
    for (size_t i = 0; i < check->address_count; i++) {
        struct ferry_address *address;
        struct ferry_error error;
        if (ferry_address_parse(check->addresses[i], NULL, &address, &error) < 0) {
            status = command_fail("check", &error);
            continue;
        }
        printf("%s\n", ferry_address_text(address));
        ferry_address_free(address);
    }
    return status;
}

static int check_settings(const char *path)
{
    struct settings *settings;
    struct ferry_error error;
    if (settings_load(path, services_all, &settings, &error) < 0)
        return command_fail("check", &error);
    size_t count = settings->route_count;
    bool sound = problems_print(settings, stderr) == 0;
    settings_free(settings);
    if (sound)
        printf("%zu route%s, no problem found\n", count, count == 1 ? "" : "s");
    return sound ? EXIT_DONE : EXIT_FAILED;
}

int command_check(int argc, char **argv)
{
    struct check check = { 0 };
    if (argp_parse(&argp, argc, argv, 0, NULL, &check) != 0)
        return EXIT_USAGE;
    return check.address_count ? check_addresses(&check) : check_settings(check.path);
}
