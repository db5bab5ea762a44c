/* ferry.c - whether a running ferry itself refuses: its own rules, asked for at its control socket;
 * and why its auto: connections have no rings.
 *
 * Which socket that is, its command line says (--control), or the name that `up` gives it,
 * control.sock. Others of its listeners are left alone: they lead to somebody else's server.
 *
 * A command line is whatever somebody wrote, and we may be root: it only ever chooses among the
 * unix listeners that this very process holds. Nothing else is dialled.
 */
#include "base/cleanup.h"
#include "command/ask.h"
#include "command/limits.h"
#include "command/view/names.h"
#include "command/why/why.h"
#include "wire/address.h"

#include <ferry/auto.h>
#include <ferry/policy.h>
#include <string.h>

#define CONTROL_NAME "/control.sock"

struct asked {
    const struct ferry_process *process;
    json_t *route; /* borrowed from the reply */
    const char *configuration;
};

static bool is_ferry(const struct ferry_process *process)
{
    struct stat own, its;
    char path[40];

    snprintf(path, sizeof(path), "/proc/%d/exe", (int)process->pid);
    const char *slash = process->executable ? strrchr(process->executable, '/') : NULL;
    /* Upgraded while it runs, its file is gone. */
    if (slash && (strcmp(slash, "/ferry") == 0 || strcmp(slash, "/ferry (deleted)") == 0))
        return true;
    return stat("/proc/self/exe", &own) == 0 && stat(path, &its) == 0 && own.st_ino == its.st_ino &&
           own.st_dev == its.st_dev;
}

/* --- its control socket ----------------------------------------------------------------------- */

/* The address behind --control; NULL. */
static char *control_option(pid_t pid)
{
    static const char option[] = "--control";
    AUTO_FREE char *word = NULL;
    size_t size = 0;
    bool next = false;
    char path[40];

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    AUTO_FILE FILE *file = fopen(path, "re");
    while (file && getdelim(&word, &size, '\0', file) > 0) {
        if (next)
            return strdup(word);
        if (strncmp(word, option, strlen(option)) != 0)
            continue;
        if (word[strlen(option)] == '=')
            return strdup(word + strlen(option) + 1);
        next = !word[strlen(option)];
    }
    return NULL;
}

static bool holds(const struct ferry_endpoint *endpoint, const struct ferry_process *process)
{
    for (unsigned i = 0; i < endpoint->owner_count; i++)
        if (endpoint->owners[i].process == process)
            return true;
    return false;
}

/* "unix:" and where it is, with what an address gives a meaning to escaped: of a path its file,
 * opened, so that whatever the path leads to by now is not dialled instead.
 *   ret_file  to be kept open until then; -1: an abstract name */
static char *control_address(const struct ferry_endpoint *endpoint, int *ret_file)
{
    AUTO_BYTES struct bytes address = BYTES_EMPTY;
    const char *path =
        endpoint->path && endpoint->path->where ? endpoint->path->where : endpoint->name;

    if (path[0]) {
        int file = ask_open_file(path, endpoint);
        if (file < 0)
            return NULL;
        *ret_file = file;
        bytes_print(&address, "unix:/proc/self/fd/%d", file);
        return bytes_take(&address);
    }
    bytes_append_text(&address, "unix:@");
    address_print_escaped(&address, path + 1, strlen(path + 1));
    return bytes_take(&address);
}

/* Whether --control means this listener: by its name as it was written, or by its file. */
static bool is_said(const char *option, const struct ferry_endpoint *endpoint)
{
    const char *rest = strncmp(option, "unix:", 5) == 0 ? option + 5 : option;
    size_t size = strcspn(rest, ",");
    struct view_target target;
    struct ferry_error error;

    if (endpoint->name_size == size && memcmp(endpoint->name, rest, size) == 0)
        return true;
    if (view_target_parse(option, &target, &error) < 0)
        return false;
    bool matches = view_target_matches(&target, endpoint);
    view_target_fini(&target);
    return matches;
}

static bool has_control_name(const struct ferry_endpoint *endpoint)
{
    size_t ending = strlen(CONTROL_NAME);

    return endpoint->name_size > ending && endpoint->name[0] &&
           strcmp(endpoint->name + endpoint->name_size - ending, CONTROL_NAME) == 0;
}

static char *find_control(const struct why *why, const struct ferry_process *process, int *ret_file)
{
    AUTO_FREE char *option = control_option(process->pid);

    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        if (endpoint->kind == FERRY_ENDPOINT_UNIX_STREAM &&
            endpoint->state == FERRY_STATE_LISTENING && endpoint->name &&
            holds(endpoint, process) &&
            (option ? is_said(option, endpoint) : has_control_name(endpoint)))
            return control_address(endpoint, ret_file);
    }
    return NULL;
}

/* The route that listens there; NULL. */
static json_t *find_route(json_t *reply, const struct ferry_endpoint *listener)
{
    json_t *routes = json_object_get(reply, "routes"), *route;
    size_t index;

    json_array_foreach(routes, index, route)
    {
        const char *listen = json_string_value(json_object_get(route, "listen"));
        struct view_target target;
        struct ferry_error error;
        if (!listen || view_target_parse(listen, &target, &error) < 0)
            continue;
        bool same = view_target_matches(&target, listener);
        view_target_fini(&target);
        if (same)
            return route;
    }
    return NULL;
}

/* --- its rules -------------------------------------------------------------------------------- */

static const char *rule_text(json_t *rule)
{
    const char *text = json_string_value(json_object_get(rule, "rule"));
    return text ? text : "";
}

static int make_policy(json_t *rules, struct ferry_policy **ret_policy)
{
    struct ferry_policy *policy;
    struct ferry_error error;
    json_t *rule;
    size_t index;
    int code = ferry_policy_new(&policy);

    if (code < 0)
        return code;
    json_array_foreach(rules, index, rule)
    {
        const char *text = rule_text(rule), *blank = strchr(text, ' ');
        bool allow = strncmp(text, "allow ", 6) == 0;
        if (code >= 0)
            code = blank ? ferry_policy_add(policy, allow, blank + 1, &error) : -1;
    }
    if (code < 0) {
        ferry_policy_free(policy);
        return code;
    }
    *ret_policy = policy;
    return 0;
}

static unsigned long long number_of(json_t *object, const char *key)
{
    return (unsigned long long)json_integer_value(json_object_get(object, key));
}

static void prove_rules(struct finding *finding, json_t *rules)
{
    json_t *rule;
    size_t index;

    json_array_foreach(rules, index, rule)
        finding_prove(finding, "rule %zu: %s (decided %llu times, refused %llu)", index + 1,
            rule_text(rule), number_of(rule, "hits"), number_of(rule, "refused"));
}

static void add_refused(
    struct why *why, const struct asked *asked, const struct ferry_verdict *verdict)
{
    const char *route = json_string_value(json_object_get(asked->route, "name"));
    struct finding *finding;

    if (verdict->rule)
        finding = finding_add(&why->diagnosis, VERDICT_REFUSED_BY_RULE,
            "%s[%d] refuses %s by rule %d of its route %s: %s", asked->process->name,
            (int)asked->process->pid, why->who.words, verdict->rule, route ? route : "",
            verdict->text);
    else
        finding = finding_add(&why->diagnosis, VERDICT_REFUSED_BY_RULE,
            "%s[%d] refuses %s: no rule of its route %s admits them", asked->process->name,
            (int)asked->process->pid, why->who.words, route ? route : "");
    finding_set_client(finding, "connect(2) succeeds, and the connection is closed before a byte "
                                "is answered");
    prove_rules(finding, json_object_get(asked->route, "rules"));
    finding_prove(finding, "it has refused %llu so far", number_of(asked->route, "refused"));
    finding_set_remedy(finding, "a rule before it that allows uid:%u%s%s, then `ferry reload`",
        why->who.uid, asked->configuration ? ", in " : " (--allow)",
        asked->configuration ? asked->configuration : "");
}

/* Those whom a limit has kept out: admitted by the rules, and one too many. */
static void note_limits(struct why *why, json_t *route)
{
    json_t *per_uid = json_object_get(route, "per_uid"), *holder;
    const char *limits = json_string_value(json_object_get(per_uid, "limits"));
    size_t index;

    json_array_foreach(json_object_get(per_uid, "holders"), index, holder)
    {
        const char *who = json_string_value(json_object_get(holder, "who"));
        if (number_of(holder, "refused"))
            diagnosis_note(&why->diagnosis, "%s has been refused %llu times by the limits %s",
                who ? who : "somebody", number_of(holder, "refused"), limits ? limits : "");
    }
}

/* Whether there will be no rings: their reply has the word, which is looked for among those that
 * there are. */
static bool is_without_rings(json_t *lanes, enum ferry_auto_reason *ret_reason)
{
    static const enum ferry_auto_reason reasons[] = { FERRY_AUTO_FORBIDDEN, FERRY_AUTO_PEER_FORBIDS,
        FERRY_AUTO_NOT_DIRECT, FERRY_AUTO_UNKNOWN_PEER, FERRY_AUTO_NO_MEMORY, FERRY_AUTO_UNUSABLE };
    const char *reason = json_string_value(json_object_get(lanes, "reason"));

    if (number_of(lanes, "moves") > 0)
        return false;
    for (size_t i = 0; reason && i < COUNT_OF(reasons); i++) {
        if (strcmp(reason, ferry_auto_reason_name(reasons[i])) == 0) {
            *ret_reason = reasons[i];
            return true;
        }
    }
    return false;
}

/* Connections of auto: that have no rings leave nothing where lanes.c could find it. */
static void note_lanes(struct why *why, const struct asked *asked)
{
    json_t *connection;
    size_t index;

    json_array_foreach(json_object_get(asked->route, "connections"), index, connection)
    {
        json_t *peer = json_object_get(connection, "peer"), *lanes = json_object_get(peer, "auto");
        const char *name = json_string_value(json_object_get(peer, "name"));
        enum ferry_auto_reason reason;
        if (!is_without_rings(lanes, &reason) || why->lanes_told == LANES_MAX)
            continue;
        why->lanes_told++;
        diagnosis_note(&why->diagnosis,
            "%s[%d] sends to %s[%llu] by the socket: %s (%llu messages until now)",
            asked->process->name, (int)asked->process->pid, name ? name : "somebody",
            number_of(peer, "pid"), ferry_auto_reason_text(reason),
            number_of(lanes, "socket_messages"));
    }
}

static void judge_route(struct why *why, const struct asked *asked)
{
    struct ferry_policy *policy;
    struct ferry_verdict verdict;

    if (json_is_true(json_object_get(asked->route, "dry_run")) ||
        make_policy(json_object_get(asked->route, "rules"), &policy) < 0)
        return;
    ferry_policy_decide(policy, why->who.identity, &verdict);
    enum ferry_fact fact =
        verdict.rule ? ferry_policy_fact(policy, (size_t)verdict.rule) : FERRY_FACT_COUNT;
    bool unknown =
        fact != FERRY_FACT_COUNT && ferry_identity_known(why->who.identity, fact) == FERRY_UNKNOWN;
    ferry_policy_free(policy);
    if (!verdict.allowed && unknown)
        diagnosis_note(&why->diagnosis,
            "ferry's rule %d (%s) asks for the client's %s: say it with --as", verdict.rule,
            verdict.text, ferry_fact_name(fact));
    else if (!verdict.allowed)
        add_refused(why, asked, &verdict);
    else
        diagnosis_check(&why->diagnosis, "ferry's rules: %s is admitted by rule %d, %s",
            why->who.words, verdict.rule, verdict.text);
    note_limits(why, asked->route);
}

/* Of what a stranger may have put there. */
static int status_ask(const char *control, json_t **ret_reply, struct ferry_error *error)
{
    struct asking asking;
    int64_t deadline_ns = ferry_deadline(CONTROL_TIMEOUT_MS);

    int code = asking_open(control, deadline_ns, &asking, error);
    if (code < 0)
        return code;
    asking_distrust(&asking);
    code = asking_ask(&asking, "status", deadline_ns, ret_reply, error);
    asking_close(&asking);
    return code;
}

static void ask_process(
    struct why *why, const struct ferry_endpoint *listener, const struct ferry_process *process)
{
    AUTO_FD int file = -1;
    AUTO_FREE char *control = find_control(why, process, &file);
    struct ferry_error error;
    json_t *reply;

    if (!control) {
        diagnosis_note(&why->diagnosis,
            "%s[%d] is a ferry, and its control socket is not known: its rules were not asked for",
            process->name, (int)process->pid);
        return;
    }
    int code = status_ask(control, &reply, &error);
    if (code < 0) {
        diagnosis_note(&why->diagnosis, "%s[%d] is a ferry, and does not tell its rules: %s: %s",
            process->name, (int)process->pid, error.thing, error.reason);
        return;
    }
    struct asked asked = { .process = process,
        .route = find_route(reply, listener),
        .configuration = json_string_value(json_object_get(reply, "configuration")) };
    bool same = number_of(reply, "pid") == (unsigned long long)process->pid;
    if (code == ASK_DONE && asked.route && same)
        judge_route(why, &asked);
    if (code == ASK_DONE && asked.route && same)
        note_lanes(why, &asked);
    json_decref(reply);
}

void why_ferry(struct why *why, const struct ferry_endpoint *listener)
{
    for (unsigned i = 0; i < listener->owner_count; i++) {
        const struct ferry_process *process = listener->owners[i].process;
        if (!is_ferry(process))
            continue;
        if (!strchr("Tt", process->state)) /* else it would not answer */
            ask_process(why, listener, process);
        return;
    }
}
