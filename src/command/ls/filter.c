/* filter.c - which endpoints `ls` is asked for. */
#include "command/ls/filter.h"
#include "base/account.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "command/nearest.h"
#include "command/view/names.h"

#include <assert.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* --- options ---------------------------------------------------------------------------------- */

struct word_mask {
    const char *word;
    unsigned mask;
};

static const struct word_mask kinds_known[] = {
    { "u_str", 1u << FERRY_ENDPOINT_UNIX_STREAM },
    { "u_dgr", 1u << FERRY_ENDPOINT_UNIX_DATAGRAM },
    { "u_seq", 1u << FERRY_ENDPOINT_UNIX_SEQPACKET },
    { "tcp", 1u << FERRY_ENDPOINT_TCP },
    { "udp", 1u << FERRY_ENDPOINT_UDP },
    { "raw", 1u << FERRY_ENDPOINT_RAW },
    { "pipe", 1u << FERRY_ENDPOINT_PIPE },
    { "fifo", 1u << FERRY_ENDPOINT_FIFO },
    { "mq", 1u << FERRY_ENDPOINT_QUEUE },
    { "memfd", 1u << FERRY_ENDPOINT_MEMFD },
    { "unix", FERRY_ENDPOINTS_UNIX },
    { "inet", FERRY_ENDPOINTS_INET },
    { "sockets", FERRY_ENDPOINTS_SOCKETS },
    { "files", FERRY_ENDPOINTS_FILES },
    { "all", FERRY_ENDPOINTS_ALL },
};

#define STATE(one) (1u << FERRY_STATE_##one)
#define ALL_STATES ((1u << FERRY_STATE_COUNT) - 1)

/* The words of the STATE column, ss's for its filter, and the kernel's. */
static const struct word_mask states_known[] = {
    { "estab", STATE(ESTABLISHED) },
    { "established", STATE(ESTABLISHED) },
    { "syn-sent", STATE(SYN_SENT) },
    { "syn-recv", STATE(SYN_RECEIVED) | STATE(NEW_SYN_RECEIVED) },
    { "fin-wait-1", STATE(FIN_WAIT_1) },
    { "fin-wait-2", STATE(FIN_WAIT_2) },
    { "time-wait", STATE(TIME_WAIT) },
    { "unconn", STATE(CLOSED) },
    { "unconnected", STATE(CLOSED) },
    { "closed", STATE(CLOSED) },
    { "close-wait", STATE(CLOSE_WAIT) },
    { "last-ack", STATE(LAST_ACK) },
    { "listen", STATE(LISTENING) },
    { "listening", STATE(LISTENING) },
    { "closing", STATE(CLOSING) },
    { "waiting", STATE(WAITING) },
    { "all", ALL_STATES },
    { "connected", ALL_STATES & ~(STATE(CLOSED) | STATE(LISTENING) | STATE(NONE)) },
    { "synchronized",
        ALL_STATES & ~(STATE(CLOSED) | STATE(LISTENING) | STATE(NONE) | STATE(SYN_SENT)) },
};

static int fail_word(const char *word, const char *what, const struct word_mask *known,
    size_t count, struct ferry_error *error)
{
    AUTO_BYTES struct bytes remedy = BYTES_EMPTY;
    const char *names[COUNT_OF(states_known) + 1] = { NULL };

    for (size_t i = 0; i < count; i++) {
        names[i] = known[i].word;
        bytes_append_text(&remedy, i ? ", " : "there are: ");
        bytes_append_text(&remedy, known[i].word);
    }
    const char *near = nearest_word(word, names);
    if (near)
        return error_set(error, -EINVAL, word, NULL, "no %s; did you mean %s?", what, near);
    return error_set(
        error, -EINVAL, word, bytes_failed(&remedy) ? NULL : remedy.data, "no %s", what);
}

/* Adds the masks of "one,other". */
static int add_masks(const char *list, const char *what, const struct word_mask *known,
    size_t count, unsigned *mask, struct ferry_error *error)
{
    AUTO_FREE char *copy = strdup(list);
    char *rest = copy, *word;

    if (!copy)
        return error_set_errno(error, -ENOMEM, list, NULL);
    while ((word = strsep(&rest, ","))) {
        size_t i = 0;
        while (i < count && strcasecmp(known[i].word, word) != 0)
            i++;
        if (i == count)
            return fail_word(word, what, known, count, error);
        *mask |= known[i].mask;
    }
    return 0;
}

int ls_filter_add_kinds(struct ls_filter *filter, const char *list, struct ferry_error *error)
{
    static_assert(COUNT_OF(kinds_known) <= COUNT_OF(states_known), "fail_word() has room");
    return add_masks(list, "kind", kinds_known, COUNT_OF(kinds_known), &filter->kinds, error);
}

int ls_filter_add_states(struct ls_filter *filter, const char *list, struct ferry_error *error)
{
    return add_masks(list, "state", states_known, COUNT_OF(states_known), &filter->states, error);
}

int ls_filter_add_pids(struct ls_filter *filter, const char *list, struct ferry_error *error)
{
    for (;; list++) {
        char *end;
        errno = 0;
        unsigned long pid = strtoul(list, &end, 10);
        if (*list < '0' || *list > '9' || errno || pid == 0 || pid > INT_MAX ||
            (*end && *end != ','))
            return error_set(error, -EINVAL, list, "as 4711 or 4711,4712", "no process's number");
        if (filter->pid_count == LS_PIDS_MAX)
            return error_set(error, -E2BIG, list, NULL, "more than %u processes", LS_PIDS_MAX);
        filter->pids[filter->pid_count++] = (pid_t)pid;
        list = end;
        if (!*list)
            return 0;
    }
}

int ls_filter_set_user(struct ls_filter *filter, const char *word, struct ferry_error *error)
{
    unsigned uid;
    int code;

    filter->by_user = true;
    if (account_parse(word, &uid) == 0) {
        filter->user = uid;
        return 0;
    }
    code = user_find(word, &filter->user);
    if (code == -ENOENT)
        return error_set(error, code, word, "getent passwd lists them", "no user of this machine");
    return code < 0 ? error_set_errno(error, code, word, NULL) : 0;
}

int ls_filter_set_target(struct ls_filter *filter, const char *word, struct ferry_error *error)
{
    int code = view_target_parse(word, &filter->target, error);

    filter->has_target = code == 0;
    return code;
}

void ls_filter_fini(struct ls_filter *filter)
{
    if (filter->has_target)
        view_target_fini(&filter->target);
    ls_side_fini(&filter->source);
    ls_side_fini(&filter->destination);
}

/* --- what it needs ---------------------------------------------------------------------------- */

unsigned ls_filter_kinds(const struct ls_filter *filter)
{
    if (filter->kinds)
        return filter->kinds;
    if (filter->has_target)
        return filter->target.kinds;
    return filter->families ? FERRY_ENDPOINTS_INET : FERRY_ENDPOINTS_SOCKETS;
}

unsigned ls_filter_gather(const struct ls_filter *filter)
{
    /* The other end may be in any network, whichever are shown. */
    unsigned gather = FERRY_GATHER_NAMESPACES;

    if (!filter->all_networks || filter->has_target || filter->pid_count || filter->by_user ||
        filter->command || filter->peer || filter->unit)
        gather |= FERRY_GATHER_OWNERS;
    if (filter->has_target && filter->target.kind == VIEW_PATH)
        gather |= FERRY_GATHER_PATHS;
    if (filter->by_user || filter->unit)
        gather |= FERRY_GATHER_DETAILS;
    if (filter->by_user)
        gather |= FERRY_GATHER_USERS;
    return gather;
}

void ls_filter_begin(struct ls_filter *filter, const struct ferry_endpoints *table)
{
    for (size_t i = 0; i < ferry_endpoints_namespace_count(table); i++)
        if (ferry_endpoints_get_namespace(table, i)->own)
            filter->own_network = ferry_endpoints_get_namespace(table, i)->inode;
}

/* --- whether ---------------------------------------------------------------------------------- */

/* What is left of a connection that has ended is of interest to who asks for it, as ss(8) has it.
 */
static bool wants_state(const struct ls_filter *filter, unsigned state)
{
    if (filter->states)
        return filter->states & 1u << state;
    return state != FERRY_STATE_TIME_WAIT || filter->all_states || filter->has_target;
}

static bool wants_kind(const struct ls_filter *filter, const struct ferry_endpoint *endpoint)
{
    unsigned family = endpoint->family == AF_INET    ? LS_IPV4
                      : endpoint->family == AF_INET6 ? LS_IPV6
                                                     : 0;

    if (filter->kinds && !(filter->kinds & 1u << endpoint->kind))
        return false;
    if (filter->families && !(filter->families & family))
        return false;
    return wants_state(filter, endpoint->state);
}

/* A socket stays in the network that it was made in, wherever its owner goes: it is shown if
 * either is here. Who names a process or an inode wants it from wherever it is. */
static bool wants_network(const struct ls_filter *filter, const struct ferry_endpoint *endpoint)
{
    bool named =
        filter->pid_count || (filter->has_target && (filter->target.kind == VIEW_PROCESS ||
                                                        filter->target.kind == VIEW_DESCRIPTOR ||
                                                        filter->target.kind == VIEW_INODE));

    if (filter->all_networks || named || !endpoint->network || endpoint->network->own)
        return true;
    for (unsigned i = 0; i < endpoint->owner_count; i++)
        if (endpoint->owners[i].process->namespace_inode == filter->own_network)
            return true;
    return false;
}

static bool has_pid(const struct ls_filter *filter, const struct ferry_process *process)
{
    for (size_t i = 0; i < filter->pid_count; i++)
        if (filter->pids[i] == process->pid)
            return true;
    return false;
}

/* "nginx" is nginx.service, as systemctl(1) has it. */
static bool unit_matches(const char *pattern, const char *unit)
{
    char service[NAME_MAX + 1];

    if (!unit)
        return false;
    if (fnmatch(pattern, unit, 0) == 0)
        return true;
    snprintf(service, sizeof(service), "%.200s.service", pattern);
    return fnmatch(service, unit, 0) == 0;
}

static bool wants_owner(const struct ls_filter *filter, const struct ferry_endpoint *endpoint,
    const struct ferry_process *process)
{
    if (filter->pid_count && !has_pid(filter, process))
        return false;
    if (filter->by_user && endpoint->uid != filter->user && process->uid != filter->user)
        return false;
    if (filter->command && fnmatch(filter->command, process->name, 0) != 0)
        return false;
    return !filter->unit || unit_matches(filter->unit, process->unit);
}

/* One process must be all that is asked of owners. */
static bool wants_owners(const struct ls_filter *filter, const struct ferry_endpoint *endpoint)
{
    if (!filter->pid_count && !filter->command && !filter->unit) {
        if (!filter->by_user || endpoint->uid == filter->user)
            return true;
    }
    for (unsigned i = 0; i < endpoint->owner_count; i++)
        if (wants_owner(filter, endpoint, endpoint->owners[i].process))
            return true;
    return false;
}

static bool text_matches(const char *pattern, const struct ferry_endpoint *endpoint,
    void (*print)(const struct ferry_endpoint *, struct bytes *))
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    print(endpoint, &text);
    return text.size && fnmatch(pattern, text.data, 0) == 0;
}

static bool is_held_by(const char *pattern, const struct ferry_endpoint *endpoint)
{
    bool number = pattern[0] && strspn(pattern, "0123456789") == strlen(pattern);

    for (unsigned i = 0; endpoint && i < endpoint->owner_count; i++) {
        const struct ferry_process *process = endpoint->owners[i].process;
        if (number ? atol(pattern) == process->pid : fnmatch(pattern, process->name, 0) == 0)
            return true;
    }
    return false;
}

/* Who is there, who will accept it, or who sends to it. */
static bool wants_peer(const struct ls_filter *filter, const struct ferry_endpoint *endpoint)
{
    const char *pattern = filter->peer;

    if (!pattern || is_held_by(pattern, endpoint->peer) || is_held_by(pattern, endpoint->listener))
        return true;
    for (const struct ferry_endpoint *at = endpoint->clients; at; at = at->next)
        if (is_held_by(pattern, at))
            return true;
    return text_matches(pattern, endpoint, view_print_remote);
}

/* As with an address of IP, both ends: of a path and a name only the server's side has it, and its
 * clients are those that are connected there or wait to be accepted. `src` and `dst` ask for one
 * side. */
static bool wants_path(const struct ls_filter *filter, const struct ferry_endpoint *endpoint)
{
    return !filter->path ||
           (!endpoint->inet && (text_matches(filter->path, endpoint, view_print_local) ||
                                   text_matches(filter->path, endpoint, view_print_remote)));
}

static bool wants_target(const struct ls_filter *filter, const struct ferry_endpoint *endpoint)
{
    const struct view_target *target = &filter->target;

    if (!filter->has_target || view_target_matches(target, endpoint))
        return true;
    if (target->kind != VIEW_PATH && target->kind != VIEW_ABSTRACT)
        return false;
    return (endpoint->peer && view_target_matches(target, endpoint->peer)) ||
           (endpoint->listener && view_target_matches(target, endpoint->listener));
}

bool ls_filter_wants(const struct ferry_endpoint *endpoint, void *data)
{
    const struct ls_filter *filter = data;

    if (!wants_kind(filter, endpoint) || !wants_network(filter, endpoint) ||
        !wants_owners(filter, endpoint))
        return false;
    return wants_path(filter, endpoint) && wants_target(filter, endpoint) &&
           ls_side_matches(&filter->source, endpoint, false) &&
           ls_side_matches(&filter->destination, endpoint, true) && wants_peer(filter, endpoint);
}
