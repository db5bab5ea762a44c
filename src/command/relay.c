/* relay.c - `ferry relay`: one route, now, from the words of the command line. */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/date.h"
#include "command/argument.h"
#include "command/command.h"
#include "command/dump.h"
#include "command/rules.h"
#include "command/run.h"
#include "service/service.h"

#include <argp.h>
#include <ferry/ferry.h>
#include <string.h>
#include <time.h>

struct relay {
    struct route_words route;
    const char *control;
    bool open; /* no sandbox */
    bool once, show, quiet;
    enum log_format format;
    struct rules rules;
};

enum {
    KEY_ONCE = 0x400,
    KEY_IDLE,
    KEY_TOTAL,
    KEY_LOG,
    KEY_CONTROL,
    KEY_PER_UID,
    KEY_USER,
    KEY_GROUP,
    KEY_SANDBOX,
    KEY_PROFILE,
    KEY_DRY_RUN
};

static const struct argp_option options[] = {
    { "once", KEY_ONCE, NULL, 0, "End after the first connection; exit status 1 if it failed", 0 },
    { "show", 'x', NULL, 0, "Show what passes on standard error, in hexadecimal and characters",
        0 },
    { "idle", KEY_IDLE, "SPAN", 0, "End a connection on which nothing passed for so long", 0 },
    { "total", KEY_TOTAL, "SPAN", 0, "End a connection after so long, whatever happens", 0 },
    { "log", KEY_LOG, "FORMAT", 0,
        "Events on standard error: text, json or none; or to the journal", 0 },
    { "quiet", 'q', NULL, 0, "Only say what is refused or fails", 0 },
    { "per-uid", KEY_PER_UID, "LIMIT...", 0,
        "What one user may have at a time: connections=N, rate=N/s (new ones), bytes=SIZE and "
        "descriptors=N (received and not sent yet)",
        0 },
    { "user", KEY_USER, "NAME", 0,
        "Dial TO as that user (name or number), or as every client itself (peer)", 0 },
    { "group", KEY_GROUP, "NAME", 0, "Dial TO with that group instead of the user's", 0 },
    { "sandbox", KEY_SANDBOX, "no", 0,
        "Give up nothing, for commands that need privileges of their own (sudo)", 0 },
    { "profile", KEY_PROFILE, "NAME", 0, "Tune the sockets: web, realtime or bulk", 0 },
    { "control", KEY_CONTROL, "ADDRESS", 0, "Listen there for `ferry status -s ADDRESS`", 0 },
    { "dry-run", KEY_DRY_RUN, NULL, 0, "Admit everybody; say who would have been refused", 0 },
    { 0 },
};

static error_t relay_parse(int key, char *argument, struct argp_state *state)
{
    struct relay *relay = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &relay->rules;
        return 0;
    case KEY_ONCE:
        relay->once = true;
        return 0;
    case 'x':
        relay->show = true;
        return 0;
    case 'q':
        relay->quiet = true;
        return 0;
    case KEY_IDLE:
        relay->route.idle_ms = argument_span_ms(state, argument, 0, INT64_MAX);
        return 0;
    case KEY_TOTAL:
        relay->route.total_ms = argument_span_ms(state, argument, 0, INT64_MAX);
        return 0;
    case KEY_PER_UID:
        relay->route.per_uid = argument;
        return 0;
    case KEY_DRY_RUN:
        relay->route.dry_run = true;
        return 0;
    case KEY_PROFILE:
        relay->route.profile = argument;
        return 0;
    case KEY_USER:
        relay->route.user = argument;
        return 0;
    case KEY_GROUP:
        relay->route.group = argument;
        return 0;
    case KEY_SANDBOX:
        relay->open = strcmp(argument, "no") == 0;
        if (!relay->open && strcmp(argument, "yes") != 0)
            argp_error(state, "--sandbox: yes or no is expected");
        return 0;
    case KEY_CONTROL:
        relay->control = argument;
        return 0;
    case KEY_LOG:
        if (!log_format_parse(argument, &relay->format))
            argp_error(state, "--log: text, json, none or journal is expected");
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1)
            return ARGP_ERR_UNKNOWN;
        *(state->arg_num ? &relay->route.to : &relay->route.listen) = argument;
        return 0;
    case ARGP_KEY_END:
        relay->route.rules = relay->rules.items;
        relay->route.rule_count = relay->rules.count;
        if (!relay->route.to)
            argp_error(state, "two are needed: where to listen, and where it leads");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = { { &rules_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
    .options = options,
    .parser = relay_parse,
    .children = children,
    .args_doc = "LISTEN TO",
    .doc = "Run one route: listen on LISTEN, and carry every connection to TO, an address or a "
           "service (echo, clock). Bytes, messages, descriptors, half-close and backpressure pass "
           "as they are; the first line says which way was taken and why.\v"
           "EXAMPLES\n"
           "  ferry relay unix:/tmp/front.sock unix:/run/app.sock\n"
           "  ferry relay -x tcp:8080 unix:/run/app.sock --allow any\n"
           "  ferry relay unix:/tmp/db.sock,mode=0666 unix:/run/db.sock --allow user:web\n"
           "  ferry relay --once unix:/tmp/x.sock exec:'sort -u'\n"
           "  ferry relay unix:/tmp/db.sock,mode=0666 unix:/run/db.sock --user peer\n"
           "  ferry relay tcp:7 echo\n",
};

/* As long as standard error takes it: who wants to see everything waits for it. */
static void relay_show(
    struct ferry_relay *relay, bool forth, const struct ferry_message *message, void *data)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct ferry_relay_stats stats;
    (void)data;
    ferry_relay_get_stats(relay, &stats);
    /* An echo has one flow only: what went back is what came. */
    uint64_t before =
        forth || stats.back.way == FERRY_WAY_NONE ? stats.forth.bytes : stats.back.bytes;
    dump_print(&text, forth, date_now_ns(), before, message->data, message->size,
        message->descriptor_count);
    if (!bytes_failed(&text))
        fwrite(text.data, 1, text.size, stderr);
}

/* These bring one channel and no more. */
static bool is_lone(const struct settings *settings)
{
    enum ferry_scheme scheme = ferry_address_scheme(settings->routes[0]->listen);
    return scheme == FERRY_STDIO || scheme == FERRY_EXEC || scheme == FERRY_FILE;
}

static int relay_settings(
    const struct relay *relay, struct settings **ret_settings, struct ferry_error *error)
{
    const struct route_words control = {
        .name = "control", .listen = relay->control, .to = "control"
    };
    struct settings *settings;
    int code = settings_new(&settings);
    if (code < 0)
        return code;
    code = settings_add_route(settings, &relay->route, services_all, error);
    settings->sandbox = !relay->open;
    if (code == 0 && relay->control)
        code = settings_add_route(settings, &control, services_all, error);
    if (code < 0)
        settings_free(settings);
    else
        *ret_settings = settings;
    return code;
}

static int relay_start(const struct relay *relay, struct run *run, struct ferry_error *error)
{
    struct settings *settings;
    int code = relay_settings(relay, &settings, error);
    if (code < 0)
        return code;
    run->quiet = relay->quiet;
    run->ends_alone = true;
    run->registry.once = relay->once || is_lone(settings);
    run->registry.tap = relay->show ? relay_show : NULL;
    code = run_start(run, settings, error);
    settings_free(settings);
    return code;
}

int command_relay(int argc, char **argv)
{
    struct relay relay = { .route.name = "relay", .format = journal_default_format() };
    struct run run;
    struct ferry_error error = { 0 };
    if (argument_parse("relay", &argp, argc, argv, 0, &relay) != EXIT_DONE)
        return EXIT_FAILED;
    int code = run_init(&run, "relay", relay.format, &error);
    if (code == 0)
        code = relay_start(&relay, &run, &error);
    int status = code < 0 ? command_fail("relay", &error) : run_until_end(&run);
    run_fini(&run);
    return status;
}
