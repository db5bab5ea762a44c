/* why.c - `ferry why`: why an address refuses, or hangs.
 *
 * Everything is told from outside: from the kernel's tables, from /proc and from the files on the
 * way. Nothing is traced and, without --try, nothing connected, since a connection changes what the
 * server sees. Two exceptions that no server notices: a datagram socket is connected to a datagram
 * address, to ask poll(2) for room; and a running ferry is asked for its rules at its control
 * socket.
 */
#include "command/why/why.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "command/argument.h"
#include "command/command.h"
#include "command/view/gaps.h"
#include "command/why/machine.h"
#include "command/why/workload.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>

enum { KEY_JSON = 0x400, KEY_AS, KEY_TRY, KEY_WORKLOAD };

static const struct argp_option options[] = {
    { "as", KEY_AS, "WHO", 0,
        "As whom the way is judged (else: as the caller): uid:N, user:NAME, gid:N, group:NAME, "
        "exe:PATH, unit:NAME, parted by commas",
        0 },
    { "try", KEY_TRY, NULL, 0,
        "Connect too, and say what came of it; the server sees a connection that is closed at once",
        0 },
    { "workload", KEY_WORKLOAD, "LIST", 0,
        "Say instead by which mechanism such messages had best cross: size=BYTES,rate=NUMBER|max, "
        "and of reliable, descriptors, answered, remote, one-cpu what is so",
        0 },
    { "json", KEY_JSON, NULL, 0, "One JSON object", 0 },
    { 0 },
};

static error_t why_parse(int key, char *argument, struct argp_state *state)
{
    struct why *why = state->input;

    switch (key) {
    case KEY_AS:
        why->as = argument;
        return 0;
    case KEY_TRY:
        why->try = true;
        return 0;
    case KEY_WORKLOAD:
        why->workload = argument;
        return 0;
    case KEY_JSON:
        why->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (why->word)
            argp_error(state, "too many arguments");
        why->word = argument;
        return 0;
    case ARGP_KEY_END:
        if (why->workload && (why->word || why->try || why->as))
            argp_error(state, "--workload is about no address: give none, nor --try or --as");
        if (!why->word && (why->try || why->as))
            argp_error(state, "--try and --as are about an address: give one");
        if (why->try && why->as)
            argp_error(state, "either --try or --as: it is the caller who connects");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = why_parse,
    .args_doc = "[PATH|ADDRESS|PID|PID:FD|inode]",
    .doc =
        "Say why a socket, FIFO or queue refuses or hangs: the cause, what a client sees of it, "
        "how it is known, and what would mend it; of a process, whatever it has open that is "
        "stuck. "
        "Without an argument: what on this machine "
        "will bite, worst first: sockets nobody can reach or anybody can replace, full backlogs "
        "and queues, memory that nobody has, limits that are near. Nothing is traced or "
        "changed. With --workload: which mechanism of Linux is best for it, what the others would "
        "cost, and why. Exit status: 0 nothing is wrong, 1 something is (or can't be told), 2 "
        "usage.\v"
        "EXAMPLES\n"
        "  ferry why\n"
        "  ferry why /run/app.sock\n"
        "  ferry why --as user:www-data unix:/run/php/php-fpm.sock\n"
        "  ferry why 127.0.0.1:8080\n"
        "  ferry why 4711\n"
        "  ferry why --workload size=4k,rate=20k,reliable\n"
        "  ferry why --json mq:/jobs | jq -r .verdict\n",
};

static bool is_asked(const struct why *why, const struct ferry_endpoint *endpoint)
{
    return endpoint && view_target_matches(&why->target, endpoint);
}

/* Whether something that was asked about waits somewhere. */
static bool needs_second_look(const struct why *why)
{
    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        if (looks_find(&why->looks, endpoint) &&
            (is_asked(why, endpoint) || is_asked(why, endpoint->peer) ||
                is_asked(why, endpoint->listener)))
            return true;
    }
    return false;
}

static int look(struct why *why, struct ferry_error *error)
{
    struct ferry_endpoints_options asked = { .struct_size = sizeof(asked),
        .kinds = FERRY_ENDPOINTS_ALL,
        .gather = FERRY_GATHER_USUAL | FERRY_GATHER_TCP_INFO | FERRY_GATHER_DETAILS };
    int code = ferry_endpoints_new(&asked, &why->table, error);

    if (code < 0)
        return code;
    if (looks_note(&why->looks, why->table) < 0)
        return error_set_errno(error, -ENOMEM, "memory", NULL);
    if (!needs_second_look(why))
        return 0;
    clock_pause_ms(LOOKS_APART_MS);
    return ferry_endpoints_refresh(why->table, error);
}

static void judge(struct why *why)
{
    switch (why->target.kind) {
    case VIEW_PATH:
        why_path(why);
        break;
    case VIEW_ABSTRACT:
        why_abstract(why);
        break;
    case VIEW_INET:
        why_inet(why);
        break;
    case VIEW_QUEUE:
        why_queue(why);
        break;
    default:
        why_process(why);
        break;
    }
    why_lanes(why);
    why_count_connections(why);
}

static int say(const struct why *why)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    if (diagnosis_failed(&why->diagnosis))
        return command_fail_errno("why", "memory", -ENOMEM);
    if (why->json) {
        json_t *document = diagnosis_json(&why->diagnosis, why->word);
        json_dumpf(document, stdout, JSON_COMPACT);
        json_decref(document);
        putchar('\n');
    } else {
        diagnosis_print(&why->diagnosis, why->word, &text);
        if (bytes_failed(&text))
            return command_fail_errno("why", "memory", -ENOMEM);
        fwrite(text.data, 1, text.size, stdout);
    }
    return diagnosis_first(&why->diagnosis) ? EXIT_FAILED : EXIT_DONE;
}

static int prepare(struct why *why, struct ferry_error *error)
{
    int code = view_target_parse(why->word, &why->target, error);

    if (code < 0)
        return code;
    bool held = why->target.kind == VIEW_PROCESS || why->target.kind == VIEW_DESCRIPTOR ||
                why->target.kind == VIEW_INODE;
    if (held && (why->as || why->try))
        code = error_set(error, -EINVAL, why->word, "give a path or an address",
            "--as and --try are about who would connect, and to that nobody could");
    if (code == 0)
        code = who_init(&why->who, why->as, error);
    if (code < 0)
        view_target_fini(&why->target);
    return code;
}

static int ask_workload(const struct why *why)
{
    struct workload workload;
    struct ferry_error error;

    if (workload_parse(why->workload, &workload, &error) < 0) {
        command_fail("why", &error);
        return EXIT_USAGE;
    }
    return why_workload(&workload, why->json);
}

int command_why(int argc, char **argv)
{
    struct why why = { 0 };
    struct ferry_error error;
    int status = EXIT_FAILED;

    if (argument_parse("why", &argp, argc, argv, 0, &why) != EXIT_DONE)
        return EXIT_FAILED;
    if (why.workload)
        return ask_workload(&why);
    if (!why.word)
        return why_machine(why.json);
    if (prepare(&why, &error) < 0) {
        command_fail("why", &error);
        return EXIT_USAGE;
    }
    if (look(&why, &error) < 0) {
        command_fail("why", &error);
    } else {
        judge(&why);
        status = say(&why);
        view_say_gaps("why", why.table, why.target.kinds);
    }
    diagnosis_fini(&why.diagnosis);
    looks_fini(&why.looks);
    ferry_endpoints_free(why.table);
    who_fini(&why.who);
    view_target_fini(&why.target);
    return status;
}
