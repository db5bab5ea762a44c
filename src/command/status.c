/* status.c - `ferry status`: what a running ferry carries, for people or as JSON. */
#include "command/status.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "command/argument.h"
#include "command/ask.h"
#include "command/command.h"
#include "command/end.h"
#include "command/options.h"
#include "command/table.h"

#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct status {
    const char *control; /* NULL: the default */
    bool json;
    bool options;
    bool people; /* standard output is a terminal */
};

enum { KEY_JSON = 0x400, KEY_OPTIONS };

static const struct argp_option options[] = {
    { "json", KEY_JSON, NULL, 0, "One JSON object, with everything that is known", 0 },
    { "options", KEY_OPTIONS, NULL, 0,
        "The socket options of every route and connection: what was asked, what is in effect, why",
        0 },
    { "socket", 's', "CONTROL", 0, "Control socket, an address or a path (that of `ferry up`)", 0 },
    { 0 },
};

static error_t status_parse(int key, char *argument, struct argp_state *state)
{
    struct status *status = state->input;
    switch (key) {
    case KEY_JSON:
        status->json = true;
        return 0;
    case KEY_OPTIONS:
        status->options = true;
        return 0;
    case 's':
        status->control = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = status_parse,
    .doc = "Show the routes of a running ferry with their counts, and every connection with who is "
           "at both ends, its age, and what passed.\v"
           "EXAMPLES\n"
           "  ferry status\n"
           "  ferry status --options\n"
           "  ferry status -s /run/ferry/control.sock\n"
           "  ferry status --json | jq '.routes[] | {name, admitted, refused}'\n",
};

static long long member_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *member_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void add_number(struct table *table, const json_t *object, const char *key)
{
    char text[24];
    size_print(false, (unsigned long long)member_number(object, key), text);
    table_add(table, text);
}

static void add_size(struct table *table, const json_t *object, const char *key, bool people)
{
    char text[24];
    size_print(people, (unsigned long long)member_number(object, key), text);
    table_add(table, text);
}

static void add_span(struct table *table, const json_t *object, const char *key)
{
    char text[24];
    span_print(member_number(object, key), text);
    table_add(table, text);
}

static void add_end(struct table *table, const json_t *end)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    end_print(end, &text);
    table_add(table, bytes_failed(&text) ? "?" : text.data);
}

/* A file, say, has no peer: the route says where it leads. */
static bool end_is_known(const json_t *end)
{
    return json_object_get(end, "pid") || json_object_get(end, "uid") ||
           member_text(end, "address");
}

/* "unix:/run/db.sock as peer" */
static void add_target(struct table *table, const json_t *route)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    const char *to = member_text(route, "to"), *as = member_text(route, "as");
    bytes_print(&text, "%s%s%s", to ? to : "", as ? " as " : "", as ? as : "");
    table_add(table, bytes_failed(&text) ? "?" : text.data);
}

static void routes_print(const json_t *routes, bool people, struct bytes *text)
{
    static const char *const headings[] = { "ROUTE", "LISTENS ON", "LEADS TO", ">NOW", ">ADMITTED",
        ">REFUSED", ">FAILED", ">IN", ">OUT", ">FDS", NULL };
    struct table table;
    size_t index;
    json_t *route;
    table_init(&table, headings);
    json_array_foreach(routes, index, route)
    {
        char now[24];
        size_print(false, json_array_size(json_object_get(route, "connections")), now);
        bool leaving = json_is_true(json_object_get(route, "leaving"));
        table_add(&table, member_text(route, "name"));
        table_add(&table, leaving ? "(no more)" : member_text(route, "listen"));
        add_target(&table, route);
        table_add(&table, now);
        add_number(&table, route, "admitted");
        add_number(&table, route, "refused");
        add_number(&table, route, "failed");
        add_size(&table, route, "bytes_in", people);
        add_size(&table, route, "bytes_out", people);
        add_number(&table, route, "descriptors");
    }
    table_print(&table, text);
    table_fini(&table);
}

/* One line of a rule; `number` 0: none matched. */
static void add_rule(struct table *table, const json_t *route, size_t number, const char *text,
    unsigned long long hits, unsigned long long refused)
{
    AUTO_BYTES struct bytes name = BYTES_EMPTY;
    char digits[24] = "-";
    const char *called = member_text(route, "name");
    bytes_print(&name, "%s%s", called ? called : "",
        json_is_true(json_object_get(route, "dry_run")) ? " (dry run)" : "");
    table_add(table, bytes_failed(&name) ? "?" : name.data);
    if (number)
        size_print(false, number, digits);
    table_add(table, digits);
    table_add(table, text);
    size_print(false, hits, digits);
    table_add(table, digits);
    size_print(false, refused, digits);
    table_add(table, digits);
}

/* Rules that decided nothing yet are left out: --json has them. */
static void rules_print(const json_t *routes, struct bytes *text)
{
    static const char *const headings[] = { "ROUTE", ">RULE", "", ">HITS", ">REFUSED", NULL };
    struct table table;
    size_t index, place, count = 0;
    json_t *route, *rule;
    table_init(&table, headings);
    json_array_foreach(routes, index, route)
    {
        json_array_foreach(json_object_get(route, "rules"), place, rule)
        {
            unsigned long long hits = (unsigned long long)member_number(rule, "hits");
            if (!hits)
                continue;
            count++;
            add_rule(&table, route, place + 1, member_text(rule, "rule"), hits,
                (unsigned long long)member_number(rule, "refused"));
        }
        unsigned long long unmatched = (unsigned long long)member_number(route, "unmatched");
        if (unmatched) {
            count++;
            add_rule(&table, route, 0, "none matched", unmatched, unmatched);
        }
    }
    if (count) {
        bytes_append_char(text, '\n');
        table_print(&table, text);
    }
    table_fini(&table);
}

static void connections_print(const json_t *routes, bool people, struct bytes *text)
{
    static const char *const headings[] = { "ROUTE", ">AGE", ">IDLE", ">IN", ">OUT", ">FDS", "FROM",
        "", "TO", NULL };
    struct table table;
    size_t index, place, count = 0;
    json_t *route, *connection;
    table_init(&table, headings);
    json_array_foreach(routes, index, route)
    {
        json_array_foreach(json_object_get(route, "connections"), place, connection)
        {
            const json_t *target = json_object_get(connection, "target");
            count++;
            table_add(&table, member_text(route, "name"));
            add_span(&table, connection, "age_ms");
            add_span(&table, connection, "idle_ms");
            add_size(&table, connection, "bytes_in", people);
            add_size(&table, connection, "bytes_out", people);
            add_number(&table, connection, "descriptors");
            add_end(&table, json_object_get(connection, "peer"));
            table_add(&table, "->");
            if (end_is_known(target))
                add_end(&table, target);
            else
                table_add(&table, member_text(route, "to"));
        }
    }
    if (count) {
        bytes_append_char(text, '\n');
        table_print(&table, text);
    }
    table_fini(&table);
}

/* "runs as root (uid 0, gid 0), no new privileges, calls: base dial; dialler pid 4711" */
static void process_print(const json_t *process, struct bytes *text)
{
    const char *user = member_text(process, "user"), *allowed = member_text(process, "allowed");
    const char *lacks = member_text(process, "no_filter");
    const json_t *dialler = json_object_get(process, "dialler");
    bytes_append_text(text, "runs as ");
    if (user)
        bytes_append_escaped(text, user, strlen(user));
    bytes_print(text, "%suid %lld, gid %lld%s, %s, ", user ? " (" : "",
        member_number(process, "uid"), member_number(process, "gid"), user ? ")" : "",
        json_is_true(json_object_get(process, "no_new_privs")) ? "no new privileges"
                                                               : "may gain privileges");
    bool filtered = json_is_true(json_object_get(process, "filter")) && allowed;
    const char *calls = filtered ? allowed : lacks ? lacks : "no filter";
    bytes_append_text(text, filtered ? "system calls: " : "all system calls (");
    bytes_append_escaped(text, calls, strlen(calls));
    bytes_append_text(text, filtered ? "" : ")");
    if (dialler && json_integer_value(dialler) > 0)
        bytes_print(text, "; dialler pid %lld", (long long)json_integer_value(dialler));
    else if (dialler)
        bytes_append_text(text, "; the dialler has ended");
    bytes_append_char(text, '\n');
}

void status_print(const json_t *report, bool people, struct bytes *text)
{
    char uptime[24];
    const char *configuration = member_text(report, "configuration");
    const json_t *routes = json_object_get(report, "routes");
    span_print(member_number(report, "uptime_ms"), uptime);
    bytes_print(text, "ferry pid %lld, up %s", member_number(report, "pid"), uptime);
    if (configuration) {
        bytes_append_text(text, ", ");
        bytes_append_escaped(text, configuration, strlen(configuration));
    }
    bytes_append_char(text, '\n');
    process_print(json_object_get(report, "process"), text);
    bytes_append_char(text, '\n');
    routes_print(routes, people, text);
    connections_print(routes, people, text);
    rules_print(routes, text);
}

static bool end_lacks_name(const json_t *end)
{
    return json_object_get(end, "pid") && !json_object_get(end, "name");
}

/* What the tables cannot say: why nobody has a name. */
static void explain_names(const json_t *report)
{
    size_t index, place;
    json_t *route, *connection;
    bool lacking = false;
    if (!json_is_false(json_object_get(report, "names")))
        return;
    json_array_foreach(json_object_get(report, "routes"), index, route)
    {
        json_array_foreach(json_object_get(route, "connections"), place, connection)
        {
            lacking |= end_lacks_name(json_object_get(connection, "peer")) ||
                       end_lacks_name(json_object_get(connection, "target"));
        }
    }
    if (lacking)
        fprintf(stderr, "ferry status: command names need Linux 6.5 or newer (SO_PEERPIDFD)\n");
}

int command_status(int argc, char **argv)
{
    struct status status = { .people = isatty(STDOUT_FILENO) };
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct ferry_error error;
    json_t *reply;
    if (argument_parse("status", &argp, argc, argv, 0, &status) != EXIT_DONE)
        return EXIT_FAILED;
    const char *request = status.options ? "options" : "status";
    int outcome = ask(status.control, request, &reply, &error);
    if (outcome < 0)
        return command_fail("status", &error);
    if (outcome == ASK_REFUSED)
        return ask_fail("status", reply);
    if (status.json) {
        json_dumpf(reply, stdout, status.people ? JSON_INDENT(2) : JSON_COMPACT);
        putchar('\n');
    } else {
        if (status.options)
            options_report_print(reply, &text);
        else
            status_print(reply, status.people, &text);
        if (!bytes_failed(&text))
            fwrite(text.data, 1, text.size, stdout);
        if (!status.options)
            explain_names(reply);
    }
    json_decref(reply);
    return bytes_failed(&text) ? command_fail_errno("status", "memory", -ENOMEM) : EXIT_DONE;
}
