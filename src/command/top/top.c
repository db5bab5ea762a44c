/* top.c - `ferry top`: what is open between the processes of this machine, live. */
#include "command/top/top.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "command/argument.h"
#include "command/command.h"
#include "command/view/gaps.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KEY_JSON = 0x400, KEY_SORT, KEY_FILTER, KEY_ROWS };

static const struct argp_option options[] = {
    { "unix", 'x', NULL, 0, "Unix sockets", 0 },
    { "tcp", 't', NULL, 0, "TCP sockets", 0 },
    { "udp", 'u', NULL, 0, "UDP sockets", 0 },
    { "raw", 'w', NULL, 0, "Raw sockets", 0 },
    { "delay", 'd', "SPAN", 0, "From one look to the next (1s)", 0 },
    { "count", 'n', "COUNT", 0, "End after so many looks (else: until interrupted)", 0 },
    { "processes", 'p', NULL, 0, "Sums of processes rather than single sockets", 0 },
    { "sort", KEY_SORT, "COLUMN", 0,
        "fill (the default), in, out, churn, recv-q, send-q, waiting, age, kind, state, local, "
        "remote, process, peer; of processes sockets and listen too",
        0 },
    { "reverse", 'r', NULL, 0, "The other way round", 0 },
    { "filter", KEY_FILTER, "TEXT", 0, "Only lines that hold this text, in either case", 0 },
    { "batch", 'b', NULL, 0, "Text, look after look (as when standard output is no terminal)", 0 },
    { "rows", KEY_ROWS, "COUNT", 0, "Print the first so many rows only (--batch, --json)", 0 },
    { "json", KEY_JSON, NULL, 0, "One JSON object a line for each look", 0 },
    { 0 },
};

static void parse_filter(struct argp_state *state, struct top *top, const char *argument)
{
    if (strlen(argument) >= sizeof(top->filter))
        argp_error(state, "--filter: %zu bytes at most", sizeof(top->filter) - 1);
    snprintf(top->filter, sizeof(top->filter), "%s", argument);
}

static void parse_kind(struct top *top, int key)
{
    top->kinds |= key == 'x'   ? FERRY_ENDPOINTS_UNIX
                  : key == 't' ? 1u << FERRY_ENDPOINT_TCP
                  : key == 'u' ? 1u << FERRY_ENDPOINT_UDP
                               : 1u << FERRY_ENDPOINT_RAW;
}

static bool is_column_of(enum top_column sort, bool by_process)
{
    const enum top_column *column = top_columns_of(by_process);

    while (*column != TOP_COLUMN_COUNT && *column != sort)
        column++;
    return *column != TOP_COLUMN_COUNT || sort == TOP_CHURN || sort == TOP_WAITING;
}

static error_t top_parse(int key, char *argument, struct argp_state *state)
{
    struct top *top = state->input;

    switch (key) {
    case 'x':
    case 't':
    case 'u':
    case 'w':
        parse_kind(top, key);
        return 0;
    case 'd':
        top->delay_ms = argument_span_ms(state, argument, TOP_DELAY_MS_MIN, PING_SPAN_MS_MAX);
        return 0;
    case 'n':
        top->look_count = (uint64_t)argument_number(state, argument, 1, INT64_MAX);
        return 0;
    case 'p':
        top->model.by_process = true;
        return 0;
    case KEY_SORT:
        top->order.sort = top_column_find(argument);
        return 0;
    case 'r':
        top->order.reverse = true;
        return 0;
    case KEY_FILTER:
        parse_filter(state, top, argument);
        return 0;
    case 'b':
        top->batch = true;
        return 0;
    case KEY_ROWS:
        top->row_count = (uint64_t)argument_number(state, argument, 1, INT64_MAX);
        return 0;
    case KEY_JSON:
        top->json = top->batch = true;
        return 0;
    case ARGP_KEY_END:
        if (!is_column_of(top->order.sort, top->model.by_process))
            argp_error(state, "--sort: no such column here; `ferry help top` lists them");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = top_parse,
    .doc = "Show connections, listeners and other sockets, look after look: queues and how full "
           "they are, who waits in a backlog, rates where the kernel or a running ferry counts "
           "them, and who is at both ends. On a terminal: h tells the keys, q ends.\v"
           "EXAMPLES\n"
           "  ferry top\n"
           "  ferry top -x --sort=waiting\n"
           "  ferry top -p -d 5s\n"
           "  ferry top -b -n 2 -t --sort=in --rows=10\n"
           "  ferry top --json -n 2 | jq -c '.rows[] | select(.fill_percent > 50)'\n",
};

/* --- looking ---------------------------------------------------------------------------------- */

void top_fail(struct top *top)
{
    top->failed = true;
    ferry_loop_stop(top->loop);
}

static int top_open(struct top *top)
{
    struct ferry_endpoints_options asked = { .struct_size = sizeof(asked),
        .kinds = top->kinds,
        .gather = FERRY_GATHER_USUAL | FERRY_GATHER_TCP_INFO | FERRY_GATHER_IN_TURNS };

    return ferry_endpoints_new(&asked, &top->table, &top->error);
}

int top_look(struct top *top)
{
    int code = top->table ? ferry_endpoints_refresh(top->table, &top->error) : top_open(top);

    if (code < 0)
        return code;
    if (top_model_look(&top->model, top->table) < 0)
        return error_set_errno(&top->error, -ENOMEM, "memory", NULL);
    top_ferries_look(&top->ferries, top->table);
    return 0;
}

static int top_show(struct top *top)
{
    if (!top->batch) {
        top_screen_draw(top);
        return 0;
    }
    int code = top_report(top);
    return code < 0 ? error_set_errno(&top->error, code, "standard output", NULL) : 0;
}

static void on_timer(struct ferry_source *source, void *data)
{
    struct top *top = data;
    int64_t began_ns = clock_now_ns();

    if (!top_screen_frozen() && (top_look(top) < 0 || top_show(top) < 0)) {
        top_fail(top);
        return;
    }
    if (top->look_count && top->model.looks >= top->look_count) {
        ferry_loop_stop(top->loop);
        return;
    }
    /* A look that took longer than the delay is followed at once, and nothing is caught up. */
    ferry_source_set_deadline(source, clock_after(began_ns, top->delay_ms * NS_PER_MS));
}

static void on_signal(struct ferry_source *source, const struct signalfd_siginfo *info, void *data)
{
    struct top *top = data;

    (void)source;
    (void)info;
    ferry_loop_stop(top->loop);
}

static int top_init(struct top *top)
{
    struct ferry_source *source;
    int code = ferry_loop_new(FERRY_EPOLL, &top->loop);

    if (code == 0)
        code = ferry_loop_timer(top->loop, 0, on_timer, top, &top->timer);
    if (code == 0)
        code = ferry_loop_signal(top->loop, SIGINT, on_signal, top, &source);
    if (code == 0)
        code = ferry_loop_signal(top->loop, SIGTERM, on_signal, top, &source);
    return code < 0 ? error_set_errno(&top->error, code, "the loop", NULL) : 0;
}

/* Without a screen: the same as text, and why. */
static int screen_or_batch(struct top *top)
{
    if (top->batch || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
        top->batch = true;
        return 0;
    }
    int code = top_screen_start(top);
    if (code == 0)
        return 0;
    if (code != -ENOTTY)
        return error_set_errno(&top->error, code, "the terminal", NULL);
    fprintf(stderr, "ferry top: %s; as text (--batch)\n",
        top_screen_possible() ? "this terminal (TERM) can't show a screen"
                              : "built without ncurses: no screen");
    top->batch = true;
    return 0;
}

static void top_fini(struct top *top)
{
    top_screen_end();
    ferry_loop_free(top->loop);
    top_ferries_fini(&top->ferries);
    top_order_fini(&top->order);
    top_model_fini(&top->model);
    ferry_endpoints_free(top->table);
}

int command_top(int argc, char **argv)
{
    struct top top = { .delay_ms = TOP_DELAY_MS, .order = { .sort = TOP_FILL } };

    top.order.filter = top.filter;
    if (argument_parse("top", &argp, argc, argv, 0, &top) != EXIT_DONE)
        return EXIT_FAILED;
    int code = top_init(&top);
    if (code == 0)
        code = screen_or_batch(&top);
    if (code == 0) {
        code = ferry_loop_run(top.loop);
        if (code < 0)
            error_set_errno(&top.error, code, "the loop", NULL);
    }
    bool failed = code < 0 || top.failed;
    top_screen_end();
    if (failed)
        command_fail("top", &top.error);
    else if (top.json && top.table) /* the head of a text has it */
        view_say_gaps("top", top.table, FERRY_ENDPOINTS_ALL);
    top_fini(&top);
    return failed ? EXIT_FAILED : EXIT_DONE;
}
