/* machine_backlogs.c - what is full and stays full: backlogs, and connections whose other side does
 * not read.
 */
#include "base/array.h"
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/view/backlog.h"
#include "command/view/names.h"
#include "command/why/machine_checks.h"

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

/* --- suspects --------------------------------------------------------------------------------- */

static bool backlog_is_high(const struct ferry_endpoint *endpoint)
{
    return endpoint->state == FERRY_STATE_LISTENING && endpoint->receive_queue > 0 &&
           machine_reaches(
               endpoint->receive_queue, view_backlog_room(endpoint), BACKLOG_HIGH_PERCENT);
}

/* Somebody waits, and all who could accept are stopped, by a signal or a debugger. */
static bool server_is_stopped(const struct ferry_endpoint *endpoint)
{
    if (endpoint->state != FERRY_STATE_LISTENING || endpoint->receive_queue == 0)
        return false;
    for (unsigned i = 0; i < endpoint->owner_count; i++)
        if (!strchr("Tt", endpoint->owners[i].process->state))
            return false;
    return endpoint->owner_count > 0;
}

/* What was sent fills the room there is for it; or TCP asks again and again for a window. */
static bool is_stuck(const struct ferry_endpoint *endpoint)
{
    if (endpoint->state != FERRY_STATE_ESTABLISHED)
        return false;
    if (endpoint->inet)
        return endpoint->inet->timer == VIEW_TIMER_PROBE;
    return endpoint->family == AF_UNIX && endpoint->has_memory && endpoint->peer &&
           endpoint->memory[FERRY_MEMORY_SEND_SIZE] > 0 &&
           machine_reaches(endpoint->memory[FERRY_MEMORY_SEND_USED],
               endpoint->memory[FERRY_MEMORY_SEND_SIZE], SENT_HIGH_PERCENT);
}

static bool queue_is_high(const struct ferry_endpoint *endpoint)
{
    return endpoint->kind == FERRY_ENDPOINT_QUEUE && endpoint->messages_max > 0 &&
           machine_reaches(endpoint->messages, endpoint->messages_max, QUEUE_HIGH_PERCENT);
}

/* The other side has closed, and this one has not. */
static bool is_not_closed(const struct ferry_endpoint *endpoint)
{
    if (endpoint->kind == FERRY_ENDPOINT_TCP)
        return endpoint->state == FERRY_STATE_CLOSE_WAIT;
    return endpoint->family == AF_UNIX && endpoint->state == FERRY_STATE_ESTABLISHED &&
           endpoint->peer_gone;
}

static uint32_t what_was_sent(const struct ferry_endpoint *endpoint)
{
    return endpoint->inet ? endpoint->send_queue : endpoint->memory[FERRY_MEMORY_SEND_USED];
}

static struct suspect suspect_of(const struct ferry_endpoint *endpoint)
{
    struct suspect suspect = { endpoint->cookie ? endpoint->cookie : endpoint->inode, 0 };

    if (is_stuck(endpoint))
        suspect.value = (uint64_t)what_was_sent(endpoint) << 32 |
                        (endpoint->peer ? endpoint->peer->receive_queue : 0);
    else if (endpoint->state == FERRY_STATE_LISTENING && endpoint->clients)
        suspect.value = endpoint->clients->cookie; /* the longest waiting */
    else if (endpoint->kind == FERRY_ENDPOINT_UNIX_DATAGRAM)
        suspect.value = endpoint->receive_queue; /* of the first message */
    return suspect;
}

int machine_suspect(struct machine *machine)
{
    struct suspects *suspects = &machine->suspects;

    for (size_t i = 0; i < ferry_endpoints_count(machine->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(machine->table, i);
        if (!backlog_is_high(endpoint) && !server_is_stopped(endpoint) && !is_stuck(endpoint) &&
            !queue_is_high(endpoint) && !is_not_closed(endpoint) &&
            !machine_datagrams_wait(endpoint))
            continue;
        if (!array_reserve(
                &suspects->data, suspects->count, &suspects->capacity, sizeof(*suspects->data)))
            return -ENOMEM;
        suspects->data[suspects->count++] = suspect_of(endpoint);
    }
    return 0;
}

static int compare_key(const void *one, const void *other)
{
    const struct suspect *a = one, *b = other;
    return (a->key > b->key) - (a->key < b->key);
}

bool machine_is_suspect(const struct machine *machine, const struct ferry_endpoint *endpoint)
{
    const struct suspects *suspects = &machine->suspects;
    struct suspect now = suspect_of(endpoint);
    const struct suspect *before =
        suspects->count ? bsearch(&now, suspects->data, suspects->count, sizeof(now), compare_key)
                        : NULL;
    bool high = backlog_is_high(endpoint) || queue_is_high(endpoint) || server_is_stopped(endpoint);

    if (!before)
        return false;
    return high || is_not_closed(endpoint) ||
           (before->value == now.value && (is_stuck(endpoint) || machine_datagrams_wait(endpoint)));
}

/* --- backlogs --------------------------------------------------------------------------------- */

/* Whether the one that waited longest waits still: nobody accepts. */
static bool nobody_accepts(const struct machine *machine, const struct ferry_endpoint *endpoint)
{
    struct suspect now = suspect_of(endpoint);
    const struct suspect *before =
        bsearch(&now, machine->suspects.data, machine->suspects.count, sizeof(now), compare_key);
    return before && before->value && before->value == now.value;
}

static void backlog_remedy(struct finding *finding, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes local = BYTES_EMPTY;

    view_print_local(endpoint, &local);
    bytes_append_text(&finding->remedy, "ferry why ");
    if (endpoint->inet)
        bytes_append_text(&finding->remedy, "tcp:");
    if (endpoint->name && endpoint->name[0])
        shell_quote(&finding->remedy, endpoint->name);
    else if (local.size)
        shell_quote(&finding->remedy, local.data);
    else
        bytes_print(&finding->remedy, "ino:%" PRIu64, endpoint->inode);
}

static void backlog_facts(struct finding *finding, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes local = BYTES_EMPTY;

    view_print_local(endpoint, &local);
    if (local.size)
        finding_fact_text(finding, "local", local.data);
    finding_fact_number(finding, "inode", endpoint->inode);
    finding_fact_number(finding, "waiting", endpoint->receive_queue);
    finding_fact_number(finding, "backlog", endpoint->send_queue);
    if (endpoint->owner_count)
        finding_fact_number(finding, "pid", (uint64_t)endpoint->owners[0].process->pid);
}

static void stopped_say(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    struct finding *finding =
        findings_add(&machine->findings, FINDING_STOPPED, BREAKS_NOW, endpoint->receive_queue);
    AUTO_BYTES struct bytes local = BYTES_EMPTY, owners = BYTES_EMPTY;

    if (!finding)
        return;
    view_print_local(endpoint, &local);
    view_print_owners(endpoint, &owners);
    bytes_print(&finding->headline, "%s is stopped, and %u wait for it to accept them at %s %s",
        owners.size ? owners.data : "-", endpoint->receive_queue,
        ferry_endpoint_kind_name(endpoint->kind), local.size ? local.data : "-");
    finding_evidence(finding, "it neither accepts nor answers until it goes on");
    machine_say_network(finding, endpoint);
    backlog_remedy(finding, endpoint);
    backlog_facts(finding, endpoint);
}

static void backlog_say(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    bool full = view_backlog_is_full(endpoint);
    struct finding *finding = findings_add(&machine->findings, FINDING_BACKLOG,
        full ? BREAKS_NOW : WILL_BREAK, endpoint->receive_queue);
    AUTO_BYTES struct bytes local = BYTES_EMPTY, owners = BYTES_EMPTY;

    if (!finding)
        return;
    view_print_local(endpoint, &local);
    view_print_owners(endpoint, &owners);
    bytes_print(&finding->headline, "%s %s: its backlog is %s: %u of %" PRIu64 " wait",
        ferry_endpoint_kind_name(endpoint->kind), local.size ? local.data : "-",
        full ? "full" : "nearly full", endpoint->receive_queue, view_backlog_room(endpoint));
    if (owners.size)
        finding_evidence(finding, "%s listens%s", owners.data,
            nobody_accepts(machine, endpoint) ? ", and has accepted nobody between two looks" : "");
    if (full)
        finding_evidence(finding, "%s",
            endpoint->inet ? "new connections are dropped, and tried again after a second"
                           : "who connects now hangs, or gets EAGAIN");
    machine_say_network(finding, endpoint);
    backlog_remedy(finding, endpoint);
    backlog_facts(finding, endpoint);
}

/* --- stuck ------------------------------------------------------------------------------------ */

static void stuck_line(struct finding *finding, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes line = BYTES_EMPTY;
    size_t start;

    view_print_owners(endpoint, &line);
    bytes_append_text(&line, line.size ? " waits for " : "somebody waits for ");
    start = line.size;
    if (endpoint->peer)
        view_print_owners(endpoint->peer, &line);
    if (line.size == start)
        view_print_remote(endpoint, &line);
    if (line.size == start)
        bytes_append_text(&line, "somebody");
    if (endpoint->inet)
        bytes_append_text(&line, ": the window is closed");
    else
        bytes_print(&line, ": %u of %u bytes not taken", endpoint->memory[FERRY_MEMORY_SEND_USED],
            endpoint->memory[FERRY_MEMORY_SEND_SIZE]);
    bytes_print(&line, "; ferry why ino:%" PRIu64, endpoint->inode);
    if (!bytes_failed(&line))
        finding_evidence(finding, "%s", line.data);
}

static void stuck_say(
    struct machine *machine, const struct ferry_endpoint *const *stuck, uint64_t count)
{
    struct finding *finding = findings_add(&machine->findings, FINDING_STUCK, RISK, count);

    if (!finding)
        return;
    bytes_print(&finding->headline,
        "%" PRIu64 " %s, and did not move between two looks: the other side does not read", count,
        machine_plural(count, "connection is full", "connections are full"));
    for (uint64_t i = 0; i < count && i < EVIDENCE_SHOWN_MAX; i++)
        stuck_line(finding, stuck[i]);
    bytes_print(&finding->remedy, "ferry why ino:%" PRIu64, stuck[0]->inode);
    finding_fact_number(finding, "count", count);
}

int check_backlogs(struct machine *machine)
{
    const struct ferry_endpoint *stuck[EVIDENCE_SHOWN_MAX];
    uint64_t count = 0;

    for (size_t i = 0; machine->suspects.count && i < ferry_endpoints_count(machine->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(machine->table, i);
        if (!machine_is_suspect(machine, endpoint))
            continue;
        if (backlog_is_high(endpoint))
            backlog_say(machine, endpoint);
        else if (server_is_stopped(endpoint))
            stopped_say(machine, endpoint);
        if (is_stuck(endpoint) && count++ < EVIDENCE_SHOWN_MAX)
            stuck[count - 1] = endpoint;
    }
    if (count)
        stuck_say(machine, stuck, count);
    return 0;
}
