/* up.c - `ferry up`: runs all routes of a configuration. */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "command/argument.h"
#include "command/ask.h"
#include "command/command.h"
#include "command/limits.h"
#include "command/problems.h"
#include "command/run.h"
#include "service/service.h"

#include <argp.h>
#include <errno.h>
#include <string.h>

struct up {
    const char *path; /* NULL: the default */
    enum log_format format;
    bool format_given; /* it overrides what the configuration says */
    bool keep;
    int64_t grace_ms;
    bool dry_run;
    char *control; /* where the added control route listens; NULL: not known yet */
};

enum { KEY_LOG = 0x400, KEY_GRACE, KEY_KEEP, KEY_DRY_RUN };

static const struct argp_option options[] = {
    { "config", 'c', "PATH", 0, "A file, or a directory of *.conf (" SETTINGS_FOLDER ")", 0 },
    { "log", KEY_LOG, "FORMAT", 0,
        "Events on standard error: text, json or none; or to the journal", 0 },
    { "grace", KEY_GRACE, "SPAN", 0, "How long connections may finish after SIGTERM (5s)", 0 },
    { "keep", KEY_KEEP, NULL, 0,
        "Let the service manager keep listeners and connections while ferry restarts", 0 },
    { "dry-run", KEY_DRY_RUN, NULL, 0,
        "Admit everybody, but for routes that lead to control; say who would have been refused",
        0 },
    { 0 },
};

static error_t up_parse(int key, char *argument, struct argp_state *state)
{
    struct up *up = state->input;
    switch (key) {
    case 'c':
        up->path = argument;
        return 0;
    case KEY_LOG:
        up->format_given = true;
        if (!log_format_parse(argument, &up->format))
            argp_error(state, "--log: text, json, none or journal is expected");
        return 0;
    case KEY_GRACE:
        up->grace_ms = argument_span_ms(state, argument, 0, INT64_MAX);
        return 0;
    case KEY_KEEP:
        up->keep = true;
        return 0;
    case KEY_DRY_RUN:
        up->dry_run = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* After the examples: what `to =` may name. */
static char *up_filter_help(int key, const char *text, void *input)
{
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)text;
    AUTO_BYTES struct bytes help = BYTES_EMPTY;
    bytes_append_text(&help, text);
    bytes_append_text(&help,
        "\nKEYS of a route, explained in ferry.conf(5)\n"
        "  listen, to             where it listens, and where it leads\n"
        "  allow, deny, dry-run   who may: uid:N user:NAME gid:N group:NAME exe:PATH\n"
        "                         unit:NAME peer:HOST[/BITS] any; first match wins\n"
        "  per-uid, idle, total   how much, and how long\n"
        "  user, group            as whom the target is dialled; peer: as the caller\n"
        "  profile                how its sockets are tuned\n"
        "\nSERVICES that `to =` may name, beside addresses\n");
    for (const struct service *const *service = services_all; *service; service++)
        bytes_print(&help, "  %-8s %s\n", (*service)->name, (*service)->help);
    char *whole = bytes_take(&help);
    return whole ? whole : (char *)text;
}

static const struct argp argp = {
    .options = options,
    .parser = up_parse,
    .doc = "Run all routes of a configuration until SIGTERM or SIGINT. SIGHUP and `ferry reload` "
           "read it again; routes that did not change keep their connections, and one with "
           "problems changes nothing. Unless a route leads to the service `control`, one is added, "
           "on control.sock in the runtime directory.\v"
           "EXAMPLES\n"
           "  ferry up\n"
           "  ferry up -c ferry.conf --log=json\n"
           "  printf '[route web]\\nlisten = tcp:8080\\nto = echo\\n' > web.conf\n"
           "  ferry up -c web.conf\n",
    .help_filter = up_filter_help,
};

static bool has_control(const struct settings *settings)
{
    for (size_t i = 0; i < settings->route_count; i++)
        if (settings->routes[i]->service == &service_control)
            return true;
    return false;
}

static bool has_name(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->route_count; i++)
        if (strcmp(settings->routes[i]->name, name) == 0)
            return true;
    return false;
}

/* Adds a route to control, unless there is one. */
static int add_control(struct up *up, struct settings *settings, struct ferry_error *error)
{
    if (has_control(settings))
        return 0;
    const char *name = has_name(settings, "control") ? "ferry-control" : "control";
    /* Asked for until it is known: a reload must not lose what is there. */
    int code = up->control ? 0 : ask_default_address(&up->control, error);
    return code < 0
               ? code
               : settings_add_route(settings,
                     &(struct route_words){ .name = name, .listen = up->control, .to = "control" },
                     services_all, error);
}

/* Without a place for it ferry runs all the same, and `status` cannot ask. */
static void say_no_control(struct run *run, const struct ferry_error *error)
{
    char line[sizeof(*error) + 32];
    int length = snprintf(line, sizeof(line), "no control socket: ");

    ferry_error_format(error, line + length, sizeof(line) - (size_t)length);
    event_emit(&run->events, &(struct event){ .kind = EVENT_TROUBLE, .reason = line });
}

/* Who may stop or reload us is not tried out. */
static void set_dry_run(struct settings *settings)
{
    for (size_t i = 0; i < settings->route_count; i++)
        if (settings->routes[i]->service != &service_control)
            settings->routes[i]->dry_run = true;
}

/* All that a start and a reload read alike. */
static int up_read(struct run *run, struct settings **ret_settings, struct bytes *ret_why)
{
    struct up *up = run->data;
    struct settings *settings;
    struct ferry_error error = { 0 };
    char line[sizeof(error) + 8];
    int code = settings_load(up->path, services_all, &settings, &error);
    if (code < 0) {
        ferry_error_format(&error, line, sizeof(line));
        bytes_append_text(ret_why, line);
        return code;
    }
    if (problems_append(settings, ret_why) > 0) {
        settings_free(settings);
        return -EBADMSG;
    }
    if (up->format_given || !settings->log_given)
        settings->log = up->format;
    if (up->dry_run)
        set_dry_run(settings);
    *ret_settings = settings;
    return 0;
}

static int up_read_again(struct run *run, struct settings **ret_settings, struct bytes *ret_why)
{
    struct up *up = run->data;
    bool had_control = up->control;
    struct ferry_error error = { 0 };
    char line[sizeof(error) + 8];
    int code = up_read(run, ret_settings, ret_why);
    if (code < 0)
        return code;
    code = add_control(up, *ret_settings, &error);
    if (code < 0 && had_control) {
        ferry_error_format(&error, line, sizeof(line));
        bytes_append_text(ret_why, line);
        settings_free(TAKE(*ret_settings));
        return code;
    }
    if (code < 0)
        say_no_control(run, &error);
    return 0;
}

/* Nobody wrote the address of the added route: what "elsewhere" is must be told. */
static void explain_control(struct ferry_error *error)
{
    AUTO_FREE char *address = NULL;
    struct ferry_error other;
    if (ask_default_address(&address, &other) == 0 && strcmp(error->thing, address) == 0)
        snprintf(error->remedy, sizeof(error->remedy),
            "stop it, or add a route that leads to control and listens elsewhere");
}

static int up_start(struct run *run)
{
    AUTO_BYTES struct bytes why = BYTES_EMPTY;
    struct settings *settings;
    struct ferry_error error = { 0 };
    int code = up_read(run, &settings, &why);
    if (code < 0) {
        /* Problems begin with their file and line, for editors that jump there. */
        fprintf(stderr, "%s%s\n",
            code == -EBADMSG ? "" : "ferry up: ", bytes_failed(&why) ? "out of memory" : why.data);
        return EXIT_FAILED;
    }
    run->log.format = settings->log;
    if (settings->route_count == 0)
        event_emit(&run->events, &(struct event){ .kind = EVENT_TROUBLE,
                                     .reason = "the configuration has no [route NAME]" });
    if (add_control(run->data, settings, &error) < 0)
        say_no_control(run, &error);
    code = run_start(run, settings, &error);
    settings_free(settings);
    if (code == -EADDRINUSE)
        explain_control(&error);
    return code < 0 ? command_fail("up", &error) : EXIT_DONE;
}

int command_up(int argc, char **argv)
{
    struct up up = { .format = journal_default_format(), .grace_ms = GRACE_MS };
    struct run run;
    struct ferry_error error = { 0 };
    if (argument_parse("up", &argp, argc, argv, 0, &up) != EXIT_DONE)
        return EXIT_FAILED;
    if (run_init(&run, "up", up.format, &error) < 0) {
        run_fini(&run);
        return command_fail("up", &error);
    }
    run.read = up_read_again;
    run.data = &up;
    run.grace_ms = up.grace_ms;
    run_keep(&run, up.keep);
    run.registry.configuration = up.path ? up.path : SETTINGS_FOLDER;
    int status = up_start(&run);
    if (status == EXIT_DONE)
        status = run_until_end(&run);
    run_fini(&run);
    free(up.control);
    return status;
}
