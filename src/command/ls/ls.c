/* ls.c - `ferry ls`: what is open between the processes of this machine, and who is at the other
 * end.
 */
#include "base/cleanup.h"
#include "command/command.h"
#include "command/table.h"
#include "command/view/gaps.h"
#include "command/view/json.h"
#include "command/view/names.h"
#include "command/view/target.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct ls {
    const char *word; /* NULL: all */
    struct view_target target;
    unsigned kinds;
    bool json;
};

enum { KEY_JSON = 0x400, KEY_KIND };

static const struct argp_option options[] = {
    { "unix", 'x', NULL, 0, "Unix sockets", 0 },
    { "tcp", 't', NULL, 0, "TCP sockets", 0 },
    { "udp", 'u', NULL, 0, "UDP sockets", 0 },
    { "raw", 'w', NULL, 0, "Raw sockets", 0 },
    { "kind", KEY_KIND, "LIST", 0,
        "Kinds: u_str, u_dgr, u_seq, unix, tcp, udp, raw, pipe, fifo, mq, memfd, all", 0 },
    { "json", KEY_JSON, NULL, 0, "One JSON object, with everything that is known", 0 },
    { 0 },
};

/* 0: it is none. */
static unsigned kind_of_word(const char *word)
{
    if (strcmp(word, "all") == 0)
        return FERRY_ENDPOINTS_ALL;
    if (strcmp(word, "unix") == 0)
        return FERRY_ENDPOINTS_UNIX;
    for (unsigned kind = 0; kind < FERRY_ENDPOINT_KIND_COUNT; kind++)
        if (strcmp(word, ferry_endpoint_kind_name(kind)) == 0)
            return 1u << kind;
    return 0;
}

static void add_kinds(struct ls *ls, char *list, struct argp_state *state)
{
    char *rest = list;

    for (char *word; (word = strsep(&rest, ","));) {
        unsigned kind = kind_of_word(word);
        if (!kind)
            argp_error(state, "%s is no kind", word);
        ls->kinds |= kind;
    }
}

static error_t ls_parse(int key, char *argument, struct argp_state *state)
{
    struct ls *ls = state->input;

    switch (key) {
    case 'x':
        ls->kinds |= FERRY_ENDPOINTS_UNIX;
        return 0;
    case 't':
        ls->kinds |= 1u << FERRY_ENDPOINT_TCP;
        return 0;
    case 'u':
        ls->kinds |= 1u << FERRY_ENDPOINT_UDP;
        return 0;
    case 'w':
        ls->kinds |= 1u << FERRY_ENDPOINT_RAW;
        return 0;
    case KEY_KIND:
        add_kinds(ls, argument, state);
        return 0;
    case KEY_JSON:
        ls->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (ls->word)
            argp_error(state, "too many arguments");
        ls->word = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = ls_parse,
    .args_doc = "[PATH|ADDRESS|PID|PID:FD|inode]",
    .doc = "List sockets, pipes, FIFOs, queues and memfds with the process at the other end.\v"
           "EXAMPLES\n"
           "  ferry ls -x\n"
           "  ferry ls /run/app.sock\n",
};

static bool is_wanted(const struct ferry_endpoint *endpoint, void *data)
{
    const struct ls *ls = data;
    bool kind = !ls->kinds || ls->kinds & 1u << endpoint->kind;

    return kind && (!ls->word || view_target_matches(&ls->target, endpoint));
}

static void add_text(struct table *table, const struct ferry_endpoint *endpoint,
    void (*print)(const struct ferry_endpoint *, struct bytes *))
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    if (endpoint)
        print(endpoint, &text);
    table_add(table, text.size && !bytes_failed(&text) ? text.data : "-");
}

static void add_number(struct table *table, uint64_t number)
{
    char text[24];

    size_print(false, number, text);
    table_add(table, text);
}

static void rows_print(const struct ferry_endpoints *endpoints, struct ls *ls, struct bytes *text)
{
    static const char *const headings[] = { "KIND", "STATE", ">RECV-Q", ">SEND-Q", "LOCAL",
        "REMOTE", "PROCESS", "PEER", NULL };
    struct table table;

    table_init(&table, headings);
    for (size_t i = 0; i < ferry_endpoints_count(endpoints); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(endpoints, i);
        if (!is_wanted(endpoint, ls))
            continue;
        table_add(&table, ferry_endpoint_kind_name(endpoint->kind));
        table_add(&table, ferry_endpoint_state_name(endpoint->state));
        add_number(&table, endpoint->receive_queue);
        add_number(&table, endpoint->send_queue);
        add_text(&table, endpoint, view_print_local);
        add_text(&table, endpoint, view_print_remote);
        add_text(&table, endpoint, view_print_owners);
        add_text(&table, endpoint->peer, view_print_owners);
    }
    table_print(&table, text);
    table_fini(&table);
}

static int ls_show(struct ls *ls, const struct ferry_endpoints *endpoints)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    if (ls->json) {
        json_t *document = view_json_table(endpoints, is_wanted, ls);
        json_dumpf(document, stdout, JSON_COMPACT);
        json_decref(document);
        putchar('\n');
        return EXIT_DONE;
    }
    rows_print(endpoints, ls, &text);
    if (bytes_failed(&text))
        return command_fail_errno("ls", "memory", -ENOMEM);
    fwrite(text.data, 1, text.size, stdout);
    return EXIT_DONE;
}

int command_ls(int argc, char **argv)
{
    struct ls ls = { 0 };
    struct ferry_endpoints_options asked = { .struct_size = sizeof(asked) };
    struct ferry_endpoints *endpoints;
    struct ferry_error error;

    if (argp_parse(&argp, argc, argv, 0, NULL, &ls) != 0)
        return EXIT_USAGE;
    if (ls.word && view_target_parse(ls.word, &ls.target, &error) < 0)
        return command_fail("ls", &error);
    asked.kinds = ls.kinds ? ls.kinds : ls.word ? ls.target.kinds : 0;
    asked.gather = FERRY_GATHER_USUAL | (ls.json ? FERRY_GATHER_IN_FLIGHT : 0);
    int code = ferry_endpoints_new(&asked, &endpoints, &error);
    int status = code < 0 ? command_fail("ls", &error) : ls_show(&ls, endpoints);
    if (code == 0)
        view_say_gaps("ls", endpoints);
    if (code == 0)
        ferry_endpoints_free(endpoints);
    if (ls.word)
        view_target_fini(&ls.target);
    return status;
}
