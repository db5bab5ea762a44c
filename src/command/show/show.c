/* show.c - `ferry show`: one socket, process, descriptor, queue, FIFO or memfd in full, both ends.
 *
 * A word that means several endpoints shows each, a listener first, and their peers behind: those
 * that the word itself means are not shown twice.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "command/argument.h"
#include "command/command.h"
#include "command/limits.h"
#include "command/show/descriptor.h"
#include "command/show/document.h"
#include "command/show/endpoint.h"
#include "command/show/follow.h"
#include "command/show/holder.h"
#include "command/show/selection.h"
#include "command/view/gaps.h"
#include "command/view/target.h"

#include <argp.h>
#include <string.h>
#include <sys/stat.h>

struct show {
    const char *word;
    struct view_target target;
    struct follow follow;
    bool json, follows;
};

enum { KEY_JSON = 0x400 };

static const struct argp_option options[] = {
    { "follow", 'f', NULL, 0, "Go on: rates and queues, and how they change", 0 },
    { "interval", 'i', "SPAN", 0, "With --follow: from one look to the next (1s)", 0 },
    { "count", 'c', "COUNT", 0, "With --follow: end after so many looks", 0 },
    { "json", KEY_JSON, NULL, 0,
        "One JSON object with everything that is known; with --follow one a line, which is also "
        "what a pipe gets",
        0 },
    { 0 },
};

static error_t show_parse(int key, char *argument, struct argp_state *state)
{
    struct show *show = state->input;

    switch (key) {
    case 'f':
        show->follows = true;
        return 0;
    case 'i':
        show->follow.interval_ms =
            argument_span_ms(state, argument, SHOW_INTERVAL_MS_MIN, SHOW_INTERVAL_MS_MAX);
        return 0;
    case 'c':
        show->follow.count = (uint64_t)argument_number(state, argument, 1, INT64_MAX);
        return 0;
    case KEY_JSON:
        show->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (show->word)
            argp_error(state, "one thing at a time");
        show->word = argument;
        return 0;
    case ARGP_KEY_END:
        if (!show->word)
            argp_error(state, "a path, an address, a pid, pid:fd or an inode is needed");
        if (!show->follows && (show->follow.count || show->follow.interval_ms))
            argp_error(state, "--interval and --count belong to --follow");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = show_parse,
    .args_doc = "PATH|ADDRESS|PID|PID:FD|inode",
    .doc = "Show one thing in full, and what is at its other end: a socket, pipe, FIFO, queue or "
           "memfd; a process and all that it has open between processes; one descriptor.\v"
           "EXAMPLES\n"
           "  ferry show /run/app.sock\n"
           "  ferry show 127.0.0.1:5432\n"
           "  ferry show mq:/jobs\n"
           "  ferry show $(pidof -s nginx)\n"
           "  ferry show 4711:3\n"
           "  ferry show --follow --interval 5s tcp:8080\n"
           "  ferry show --json ino:38214 | jq '.endpoints[].tcp.rtt'\n",
};

/* What is there, and is nothing that can be shown; NULL: nothing is there. */
static const char *show_what_else(const struct view_target *target, const char **ret_remedy)
{
    struct stat status;

    switch (target->kind) {
    case VIEW_PATH:
        if (stat(target->name, &status) < 0)
            return NULL;
        *ret_remedy = "lsof(8) tells who has a file open";
        if (!S_ISSOCK(status.st_mode) && !S_ISFIFO(status.st_mode))
            return "is no socket and no FIFO";
        *ret_remedy = "start its server, or run this as root to see those of other users";
        return "the file is there, and nobody that can be seen is bound to it or has it open";
    case VIEW_PROCESS:
        *ret_remedy = "run it as root, if the process is another user's";
        return "no endpoint of that process can be seen";
    case VIEW_DESCRIPTOR:
        *ret_remedy = "without --follow it is shown";
        return "no socket, pipe, FIFO, queue or memfd can be seen there";
    default:
        return NULL;
    }
}

static int show_fail_nothing(const struct show *show)
{
    AUTO_BYTES struct bytes meant = BYTES_EMPTY;
    const char *remedy = "`ferry ls` lists what there is";
    const char *reason = show_what_else(&show->target, &remedy);
    struct ferry_error error;

    if (!reason && view_target_print_meant(&show->target, &meant))
        remedy = meant.data;

    error_set(&error, -ENOENT, show->word, remedy, "%s",
        reason ? reason : "nothing on this machine that can be seen is that");
    return command_fail("show", &error);
}

static int show_write(struct bytes *text)
{
    if (bytes_failed(text))
        return command_fail_errno("show", "memory", -ENOMEM);
    if (text->size)
        fwrite(text->data, 1, text->size, stdout);
    return fflush(stdout) == 0 ? EXIT_DONE : command_fail_errno("show", "standard output", -errno);
}

static int show_json(const struct show *show, const struct ferry_endpoints *table,
    const struct selection *selection, const struct descriptor_facts *descriptor)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    json_t *document = document_make(table, &show->target, selection, descriptor);
    AUTO_FREE char *line = document ? json_dumps(document, JSON_COMPACT) : NULL;

    json_decref(document);
    if (!line)
        return command_fail_errno("show", "memory", -ENOMEM);
    bytes_append_text(&text, line);
    bytes_append_char(&text, '\n');
    return show_write(&text);
}

/* Bounded: a listener may have thousands of connections. */
static void print_endpoints(const struct ferry_endpoints *table, const struct show *show,
    const struct selection *selection, struct bytes *text)
{
    size_t told = 0;

    for (size_t i = 0; i < selection->count && told < SHOW_ENDPOINTS_MAX; i++, told++) {
        bytes_append_text(text, text->size ? "\n" : "");
        endpoint_print(table, selection->endpoints[i], "", text);
    }
    for (size_t i = 0; i < selection->peer_count && told < SHOW_ENDPOINTS_MAX; i++, told++) {
        bytes_append_char(text, '\n');
        endpoint_print(table, selection->peers[i], "peer: ", text);
    }
    if (told < selection->count + selection->peer_count) {
        bytes_print(
            text, "\nand %zu more: `ferry ls ", selection->count + selection->peer_count - told);
        bytes_append_escaped(text, show->word, strlen(show->word));
        bytes_append_text(text, "` lists them, --json tells them in full\n");
    }
}

static int show_text(const struct show *show, const struct ferry_endpoints *table,
    const struct selection *selection, const struct descriptor_facts *descriptor)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    if (show->target.kind == VIEW_PROCESS) {
        if (process_print(table, show->target.pid, &text) == -ESRCH)
            return show_fail_nothing(show);
        return show_write(&text);
    }
    if (descriptor)
        descriptor_print(descriptor, &text);
    print_endpoints(table, show, selection, &text);
    return show_write(&text);
}

static int show_once(const struct show *show, const struct ferry_endpoints *table)
{
    struct descriptor_facts facts = { 0 }, *descriptor = NULL;
    struct selection selection;
    struct ferry_error error;

    if (show->target.kind == VIEW_DESCRIPTOR) {
        if (descriptor_look(show->target.pid, show->target.fd, &facts, &error) < 0)
            return command_fail("show", &error);
        descriptor = &facts;
    }
    int status = EXIT_FAILED;
    if (selection_make(table, &show->target, &selection) < 0)
        status = command_fail_errno("show", "memory", -ENOMEM);
    else if (!selection.count && !descriptor && show->target.kind != VIEW_PROCESS)
        status = show_fail_nothing(show);
    else if (show->json)
        status = show_json(show, table, &selection, descriptor);
    else
        status = show_text(show, table, &selection, descriptor);
    selection_fini(&selection);
    if (descriptor)
        descriptor_fini(descriptor);
    return status;
}

static int show_follow(struct show *show, struct ferry_endpoints *table)
{
    struct selection selection;
    struct ferry_error error;

    if (selection_make(table, &show->target, &selection) < 0)
        return command_fail_errno("show", "memory", -ENOMEM);
    bool any = selection.count > 0;
    selection_fini(&selection);
    if (!any)
        return show_fail_nothing(show);
    show->follow.target = &show->target;
    show->follow.json = show->json || !isatty(STDOUT_FILENO);
    if (!show->follow.interval_ms)
        show->follow.interval_ms = SHOW_INTERVAL_MS;
    return follow_run(&show->follow, table, &error) < 0 ? command_fail("show", &error) : EXIT_DONE;
}

static int show_run(struct show *show)
{
    /* Everything is gathered once: whatever a descriptor is blocked in is named too. */
    struct ferry_endpoints_options asked = { .struct_size = sizeof(asked),
        .kinds = show->follows ? show->target.kinds : FERRY_ENDPOINTS_ALL,
        .gather = FERRY_GATHER_USUAL | FERRY_GATHER_TCP_INFO | FERRY_GATHER_DETAILS |
                  FERRY_GATHER_IN_FLIGHT };
    struct ferry_endpoints *table;
    struct ferry_error error;

    if (show->follows)
        asked.gather = FERRY_GATHER_USUAL | FERRY_GATHER_TCP_INFO;
    if (ferry_endpoints_new(&asked, &table, &error) < 0)
        return command_fail("show", &error);
    view_say_gaps("show", table, show->target.kinds);
    int status = show->follows ? show_follow(show, table) : show_once(show, table);
    ferry_endpoints_free(table);
    return status;
}

int command_show(int argc, char **argv)
{
    struct show show = { 0 };
    struct ferry_error error;

    if (argument_parse("show", &argp, argc, argv, 0, &show) != EXIT_DONE)
        return EXIT_FAILED;
    if (view_target_parse(show.word, &show.target, &error) < 0) {
        command_fail("show", &error);
        return EXIT_USAGE;
    }
    int status = show_run(&show);
    view_target_fini(&show.target);
    return status;
}
