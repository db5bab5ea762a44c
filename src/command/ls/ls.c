/* ls.c - `ferry ls`: what is open between the processes of this machine, and who is at the other
 * end. The options, and which of the forms they ask for: rows, a tree, JSON, or the life of
 * endpoints as it happens (follow.c).
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/large.h"
#include "command/argument.h"
#include "command/command.h"
#include "command/ls/columns.h"
#include "command/ls/filter.h"
#include "command/ls/follow.h"
#include "command/ls/request.h"
#include "command/ls/rows.h"
#include "command/ls/tree.h"
#include "command/view/gaps.h"
#include "command/view/json.h"
#include "command/view/screen.h"

#include <argp.h>
#include <errno.h>
#include <string.h>

struct ls {
    struct ls_filter filter;
    struct ls_columns columns;
    const char *column_lists[LS_COLUMNS_MAX]; /* of -o, in their order */
    size_t column_list_count;
    bool memory, extended, info, no_header, tree, json, follow;
    enum view_colour colour;
    int64_t interval_ms, stuck_ms;
    uint64_t count;
    unsigned percent;
    const char *follow_option; /* one that only makes sense with --follow */
    struct view_request request;
};

enum {
    KEY_JSON = 0x400,
    KEY_KIND,
    KEY_PID,
    KEY_USER,
    KEY_COMMAND,
    KEY_PATH,
    KEY_PEER,
    KEY_UNIT,
    KEY_STATE,
    KEY_ALL_NETNS,
    KEY_TREE,
    KEY_COLOUR,
    KEY_INTERVAL,
    KEY_COUNT,
    KEY_BACKLOG,
    KEY_STUCK,
    KEY_GRAPH,
    KEY_BY,
    KEY_SINCE,
};

static const struct argp_option options[] = {
    { NULL, 0, NULL, 0, "What is shown (all that is asked must be so):", 1 },
    { "unix", 'x', NULL, 0, "Unix sockets", 1 },
    { "tcp", 't', NULL, 0, "TCP sockets", 1 },
    { "udp", 'u', NULL, 0, "UDP sockets", 1 },
    { "raw", 'w', NULL, 0, "Raw sockets", 1 },
    { "ipv4", '4', NULL, 0, "IPv4 only", 1 },
    { "ipv6", '6', NULL, 0, "IPv6 only", 1 },
    { "kind", KEY_KIND, "LIST", 0,
        "Of u_str, u_dgr, u_seq, unix, tcp, udp, raw, inet, sockets (usual), pipe, fifo, mq, "
        "memfd, files, all",
        1 },
    { "listening", 'l', NULL, 0, "Those that listen, or are not connected, as ss has it", 1 },
    { "all", 'a', NULL, 0, "All states, TIME-WAIT too", 1 },
    { "state", KEY_STATE, "LIST", 0, "Of the STATE column, or established, listening, waiting ...",
        1 },
    { "pid", KEY_PID, "LIST", 0, "Held by these processes", 1 },
    { "user", KEY_USER, "USER", 0, "Made by a user, or held by one of the user's processes", 1 },
    { "command", KEY_COMMAND, "GLOB", 0, "Held by a command", 1 },
    { "unit", KEY_UNIT, "GLOB", 0, "Held by a systemd unit's process", 1 },
    { "path", KEY_PATH, "GLOB", 0, "With this path, or @name, at either end", 1 },
    { "peer", KEY_PEER, "GLOB", 0, "With this command, pid or address at the other end", 1 },
    { "all-netns", KEY_ALL_NETNS, NULL, 0, "Of every network namespace, not of this only", 1 },
    { NULL, 0, NULL, 0, "How it is shown:", 2 },
    { "columns", 'o', "LIST", 0, "These columns; +LIST: these too (see below)", 2 },
    { "extended", 'e', NULL, 0, "Columns uid, inode, path, cookie too", 2 },
    { "memory", 'm', NULL, 0, "Columns of the memory in use and of its bounds too", 2 },
    { "info", 'i', NULL, 0, "Columns of what TCP measures too", 2 },
    { "processes", 'p', NULL, 0, "Processes; they are shown anyway", 2 },
    { "numeric", 'n', NULL, 0, "Numbers, not names of services; they are shown anyway", 2 },
    { "no-header", 'H', NULL, 0, "No line of headings", 2 },
    { "tree", KEY_TREE, NULL, 0, "By process, as the processes descend from each other", 2 },
    { "graph", KEY_GRAPH, "FORM", OPTION_ARG_OPTIONAL,
        "Who talks to whom, and who waits for each other; FORM is text (default), dot or json", 2 },
    { "by", KEY_BY, "WHAT", 0, "Nodes of the graph: process (default), command, unit or container",
        2 },
    { "json", KEY_JSON, NULL, 0, "One JSON object, with everything that is known", 2 },
    { "color", KEY_COLOUR, "WHEN", 0, "Colour states: auto, always, never", 2 },
    { "colour", KEY_COLOUR, NULL, OPTION_ALIAS, NULL, 2 },
    { NULL, 0, NULL, 0, "What becomes of them:", 3 },
    { "since", KEY_SINCE, "FILE", 0,
        "What is new (+), gone (-) or has another peer or owner (~) since `ferry ls --json > FILE`",
        3 },
    { "follow", 'f', NULL, 0,
        "Say what happens to them, until interrupted; one JSON object a line unless to a terminal",
        3 },
    { "interval", KEY_INTERVAL, "SPAN", 0, "Look so often (1s)", 3 },
    { "count", KEY_COUNT, "COUNT", 0, "End after so many looks", 3 },
    { "backlog", KEY_BACKLOG, "PERCENT", 0, "Tell of backlogs that are so full (80%)", 3 },
    { "stuck", KEY_STUCK, "SPAN", 0, "Tell of bytes that do not move for so long (10s)", 3 },
    { 0 },
};

/* --- options ---------------------------------------------------------------------------------- */

/* A mistake in an argument is one of usage. */
static void check(struct argp_state *state, int code, const struct ferry_error *error)
{
    if (code < 0)
        argp_error(state, "%s: %s%s%s", error->thing, error->reason, *error->remedy ? "; " : "",
            error->remedy);
}

/* As ss(8) has it: `state X`, `src ADDR`, `dst ADDR`. False: it is none of them. */
static bool parse_words(struct ls *ls, const char *word, struct argp_state *state)
{
    static const char *const words[] = { "state", "src", "dst" };
    struct ls_filter *filter = &ls->filter;
    struct ferry_error error;
    size_t which = 0;

    while (which < COUNT_OF(words) && strcmp(word, words[which]) != 0)
        which++;
    if (which == COUNT_OF(words))
        return false;
    if (state->next >= state->argc)
        argp_error(
            state, "%s: what follows it is missing (a file of that name is ./%s)", word, word);
    const char *argument = state->argv[state->next++];
    int code = which == 0   ? ls_filter_add_states(filter, argument, &error)
               : which == 1 ? ls_side_parse(argument, &filter->source, &error)
                            : ls_side_parse(argument, &filter->destination, &error);
    check(state, code, &error);
    return true;
}

static error_t parse_argument(struct ls *ls, const char *word, struct argp_state *state)
{
    struct ferry_error error;

    if (parse_words(ls, word, state))
        return 0;
    if (ls->filter.has_target)
        argp_error(state, "too many arguments: %s", word);
    check(state, ls_filter_set_target(&ls->filter, word, &error), &error);
    return 0;
}

/* What is shown. */
static error_t parse_filter(struct ls *ls, int key, const char *argument, struct argp_state *state)
{
    struct ls_filter *filter = &ls->filter;
    struct ferry_error error;

    switch (key) {
    case 'x':
        filter->kinds |= FERRY_ENDPOINTS_UNIX;
        return 0;
    case 't':
        filter->kinds |= 1u << FERRY_ENDPOINT_TCP;
        return 0;
    case 'u':
        filter->kinds |= 1u << FERRY_ENDPOINT_UDP;
        return 0;
    case 'w':
        filter->kinds |= 1u << FERRY_ENDPOINT_RAW;
        return 0;
    case '4':
        filter->families |= LS_IPV4;
        return 0;
    case '6':
        filter->families |= LS_IPV6;
        return 0;
    case 'a':
        filter->all_states = true;
        return 0;
    case 'l':
        filter->states |= 1u << FERRY_STATE_LISTENING | 1u << FERRY_STATE_CLOSED;
        return 0;
    case KEY_KIND:
        check(state, ls_filter_add_kinds(filter, argument, &error), &error);
        return 0;
    case KEY_STATE:
        check(state, ls_filter_add_states(filter, argument, &error), &error);
        return 0;
    case KEY_PID:
        check(state, ls_filter_add_pids(filter, argument, &error), &error);
        return 0;
    case KEY_USER:
        check(state, ls_filter_set_user(filter, argument, &error), &error);
        return 0;
    case KEY_COMMAND:
        filter->command = argument;
        return 0;
    case KEY_PATH:
        filter->path = argument;
        return 0;
    case KEY_PEER:
        filter->peer = argument;
        return 0;
    case KEY_UNIT:
        filter->unit = argument;
        return 0;
    case KEY_ALL_NETNS:
        filter->all_networks = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* How it is shown. */
static error_t parse_form(struct ls *ls, int key, const char *argument, struct argp_state *state)
{
    switch (key) {
    case 'o':
        if (ls->column_list_count == COUNT_OF(ls->column_lists))
            argp_error(state, "too many -o");
        ls->column_lists[ls->column_list_count++] = argument;
        return 0;
    case 'e':
        ls->extended = true;
        return 0;
    case 'm':
        ls->memory = true;
        return 0;
    case 'i':
        ls->info = true;
        return 0;
    case 'H':
        ls->no_header = true;
        return 0;
    case 'n':
    case 'p':
        return 0; /* what ss(8) is told so is so anyway */
    case KEY_TREE:
        ls->tree = true;
        return 0;
    case KEY_GRAPH:
        if (!graph_form_parse(argument ? argument : "text", &ls->request.graph))
            argp_error(state, "--graph is text, dot or json, not '%s'", argument);
        return 0;
    case KEY_BY:
        if (!graph_by_parse(argument, &ls->request.by))
            argp_error(state, "--by is process, command, unit or container, not '%s'", argument);
        return 0;
    case KEY_SINCE:
        ls->request.since = argument;
        return 0;
    case KEY_JSON:
        ls->json = true;
        return 0;
    case KEY_COLOUR:
        if (!view_colour_parse(argument, &ls->colour))
            argp_error(state, "--color: auto, always or never is expected");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_follow(struct ls *ls, int key, const char *argument, struct argp_state *state)
{
    switch (key) {
    case 'f':
        ls->follow = true;
        return 0;
    case KEY_INTERVAL:
        ls->follow_option = "--interval";
        ls->interval_ms = argument_span_ms(state, argument, LS_INTERVAL_MS_MIN, PING_SPAN_MS_MAX);
        return 0;
    case KEY_COUNT:
        ls->follow_option = "--count";
        ls->count = (uint64_t)argument_number(state, argument, 1, UINT32_MAX);
        return 0;
    case KEY_BACKLOG:
        ls->follow_option = "--backlog";
        ls->percent = argument_percent(state, argument);
        return 0;
    case KEY_STUCK:
        ls->follow_option = "--stuck";
        ls->stuck_ms = argument_span_ms(state, argument, 0, PING_SPAN_MS_MAX);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Columns come after all else, so that it does not matter where -o stands. */
static void choose_columns(struct ls *ls, struct argp_state *state)
{
    const char *word, *near;
    size_t size;

    ls_columns_add(&ls->columns, "kind,state,recv,send,local,remote,process,peer");
    if (ls->filter.all_networks)
        ls_columns_add(&ls->columns, "netns");
    if (ls->extended)
        ls_columns_add(&ls->columns, "uid,inode,path,cookie");
    if (ls->memory)
        ls_columns_add(&ls->columns, "rmem,rcvbuf,wmem,sndbuf,fwd,queued,optmem,blog,drops");
    if (ls->info)
        ls_columns_add(&ls->columns, "cc,rtt,cwnd,mss,retrans,sent,received,rate,timer");
    for (size_t i = 0; i < ls->column_list_count; i++)
        if (ls_columns_parse(&ls->columns, ls->column_lists[i], &word, &size, &near) < 0)
            argp_error(state, "-o: '%.*s' is no column; %s%s%s", (int)size, word,
                near ? "did you mean '" : "--help lists them", near ? near : "", near ? "'?" : "");
}

/* What says how the list looks says nothing of the others; JSON has all of it anyway. */
static const char *list_option(const struct ls *ls)
{
    return ls->column_list_count ? "-o"
           : ls->extended        ? "-e"
           : ls->memory          ? "-m"
           : ls->info            ? "-i"
           : ls->no_header       ? "-H"
                                 : NULL;
}

static void check_list_options(const struct ls *ls, struct argp_state *state)
{
    bool other = ls->tree || ls->follow || ls->request.graph || ls->request.since;
    const char *option = list_option(ls);

    if (option && (other || (ls->json && ls->column_list_count)))
        argp_error(state,
            "%s is about the columns of the list; --tree, --graph, --json, --follow and --since "
            "have none to choose",
            option);
}

static void check_together(const struct ls *ls, struct argp_state *state)
{
    if (ls->tree && (ls->json || ls->follow))
        argp_error(state, "--tree goes neither with --json nor with --follow");
    if ((ls->tree || ls->follow) && (ls->request.graph || ls->request.since))
        argp_error(state, "--tree and --follow go neither with --graph nor with --since");
    check_list_options(ls, state);
    if (ls->request.by && !ls->request.graph)
        argp_error(state, "--by is about a graph; ask for one with --graph");
    if (ls->follow_option && !ls->follow)
        argp_error(state, "%s goes with --follow only", ls->follow_option);
}

static error_t ls_parse(int key, char *argument, struct argp_state *state)
{
    struct ls *ls = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        return parse_argument(ls, argument, state);
    case ARGP_KEY_END:
        choose_columns(ls, state);
        check_together(ls, state);
        return 0;
    default: {
        error_t code = parse_filter(ls, key, argument, state);
        if (code == ARGP_ERR_UNKNOWN)
            code = parse_form(ls, key, argument, state);
        return code == ARGP_ERR_UNKNOWN ? parse_follow(ls, key, argument, state) : code;
    }
    }
}

/* The columns stand in the help as they do in their table. */
static char *help_filter(int key, const char *text, void *input)
{
    struct bytes help = BYTES_EMPTY;

    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)text;
    bytes_append_text(&help, "COLUMNS\n");
    ls_columns_help(&help);
    bytes_append_char(&help, '\n');
    bytes_append_text(&help, text);
    return bytes_take(&help);
}

static const struct argp argp = {
    .options = options,
    .parser = ls_parse,
    .args_doc = "[PATH|ADDRESS|PID|PID:FD|inode] [state STATE] [src ADDR] [dst ADDR]",
    .doc = "List sockets, pipes, FIFOs, queues and memfds with the process at the other end.\v"
           "EXAMPLES\n"
           "  ferry ls -x\n"
           "  ferry ls -tl\n"
           "  ferry ls /run/app.sock\n"
           "  ferry ls --kind=all --command='nginx*' -o +fd,peerfd\n"
           "  ferry ls -t state close-wait dst 10.0.0.0/8\n"
           "  ferry ls --tree --unit=postgresql\n"
           "  ferry ls --graph=dot --by=unit | dot -Tsvg > map.svg\n"
           "  ferry ls --json > before; ferry ls --since=before\n"
           "  ferry ls -f src '/run/app*' | jq -c '[.event, .peer.owners[].command]'\n",
    .help_filter = help_filter,
};

/* --- showing ---------------------------------------------------------------------------------- */

static int show_json(struct ls *ls, const struct ferry_endpoints *table)
{
    unsigned kinds = ls_filter_kinds(&ls->filter);

    /* What is not of these is missing from a snapshot, not from the machine. */
    return view_json_print(
        table, kinds ? kinds : FERRY_ENDPOINTS_SOCKETS, ls_filter_wants, &ls->filter, stdout);
}

static int show_rows(struct ls *ls, const struct ferry_endpoints *table,
    const struct ferry_endpoint *const *endpoints, size_t count)
{
    struct ls_rows rows = { .columns = &ls->columns,
        .width = view_screen_width(),
        .header = !ls->no_header,
        .colour = view_colour_wanted(ls->colour) };

    if (count == 0 && rows.width == 0)
        return 0;
    return ls->tree ? ls_tree_print(table, endpoints, count, rows.width, rows.colour)
                    : ls_rows_print(&rows, endpoints, count);
}

static size_t count_wanted(struct ls_filter *filter, const struct ferry_endpoints *table)
{
    size_t count = 0;

    for (size_t i = 0; i < ferry_endpoints_count(table); i++)
        count += ls_filter_wants(ferry_endpoints_get(table, i), filter);
    return count;
}

/* Nothing is as asked: where might it be? */
static int fail_none(struct ls *ls, const struct ferry_endpoints *table)
{
    struct ls_filter everywhere = ls->filter;
    AUTO_BYTES struct bytes meant = BYTES_EMPTY;
    const char *remedy = NULL;
    struct ferry_error error;

    everywhere.all_networks = true;
    if (count_wanted(&everywhere, table) > 0)
        remedy = "--all-netns shows what is so in other network namespaces";
    else if (ls->filter.has_target && view_target_print_meant(&ls->filter.target, &meant))
        remedy = meant.data;
    else if (!ls->filter.kinds && !ls->filter.has_target)
        remedy = "--kind=all looks at pipes, FIFOs, queues and memfds too";
    error_set(&error, -ENOENT, ls->filter.has_target ? ls->filter.target.word : "nothing found",
        remedy, "%s",
        ls->filter.has_target ? "nothing open here is that" : "no endpoint is as asked");
    return command_fail("ls", &error);
}

static int ls_show(struct ls *ls, const struct ferry_endpoints *table)
{
    size_t total = ferry_endpoints_count(table), count = 0;
    AUTO_FREE const struct ferry_endpoint **endpoints = large_new((total + 1) * sizeof(*endpoints));
    int code;

    if (!endpoints)
        return command_fail_errno("ls", "memory", -ENOMEM);
    for (size_t i = 0; i < total; i++)
        if (ls_filter_wants(ferry_endpoints_get(table, i), &ls->filter))
            endpoints[count++] = ferry_endpoints_get(table, i);
    code = ls->json ? show_json(ls, table) : show_rows(ls, table, endpoints, count);
    if (code == 0 && fflush(stdout) != 0)
        code = -errno;
    if (code < 0)
        return command_fail_errno("ls", "standard output", code);
    return count ? EXIT_DONE : fail_none(ls, table);
}

/* --graph and --since. */
static int show_request(
    struct ls *ls, const struct ferry_endpoints_options *asked, struct ferry_endpoints *table)
{
    ls->request.json = ls->json;
    ls->request.kinds = asked->kinds ? asked->kinds : FERRY_ENDPOINTS_SOCKETS;
    ls->request.wanted = ls_filter_wants;
    ls->request.data = &ls->filter;
    return view_request_show(&ls->request, table);
}

static int ls_look(struct ls *ls, const struct ferry_endpoints_options *asked)
{
    struct ferry_endpoints *table;
    struct ferry_error error;

    if (ferry_endpoints_new(asked, &table, &error) < 0)
        return command_fail("ls", &error);
    ls_filter_begin(&ls->filter, table);
    int status = ls->request.graph || ls->request.since ? show_request(ls, asked, table)
                                                        : ls_show(ls, table);
    view_say_gaps("ls", table, FERRY_ENDPOINTS_ALL);
    ferry_endpoints_free(table);
    return status;
}

static int ls_start_follow(struct ls *ls, const struct ferry_endpoints_options *asked)
{
    struct ls_follow follow = { .filter = &ls->filter,
        .asked = *asked,
        .interval_ms = ls->interval_ms,
        .count = ls->count,
        .percent = ls->percent,
        .stuck_ms = ls->stuck_ms,
        .json = ls->json || view_screen_width() == 0,
        .colour = view_colour_wanted(ls->colour) };

    return ls_follow(&follow);
}

/* What nobody asked for is not gathered. */
static unsigned ls_gather(const struct ls *ls)
{
    unsigned gather = ls_filter_gather(&ls->filter);

    if (ls->follow)
        return gather | FERRY_GATHER_USUAL | FERRY_GATHER_TCP_INFO;
    if (ls->request.graph || ls->request.since)
        return gather | FERRY_GATHER_USUAL |
               (ls->json || ls->request.by ? FERRY_GATHER_DETAILS : 0);
    if (ls->json)
        return gather | FERRY_GATHER_USUAL | FERRY_GATHER_TCP_INFO | FERRY_GATHER_DETAILS |
               FERRY_GATHER_IN_FLIGHT;
    if (view_colour_wanted(ls->colour))
        gather |= FERRY_GATHER_PATHS; /* one that is lost is red */
    if (ls->tree)
        return gather | FERRY_GATHER_OWNERS;
    return gather | ls_columns_gather(&ls->columns);
}

int command_ls(int argc, char **argv)
{
    struct ls ls = {
        .interval_ms = LS_INTERVAL_MS, .percent = LS_BACKLOG_PERCENT, .stuck_ms = LS_STUCK_MS
    };
    struct ferry_endpoints_options asked = { .struct_size = sizeof(asked) };

    if (argument_parse("ls", &argp, argc, argv, 0, &ls) != EXIT_DONE)
        return EXIT_FAILED;
    asked.kinds = ls_filter_kinds(&ls.filter);
    asked.gather = ls_gather(&ls);
    int status = ls.follow ? ls_start_follow(&ls, &asked) : ls_look(&ls, &asked);
    ls_filter_fini(&ls.filter);
    return status;
}
