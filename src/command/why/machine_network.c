/* machine_network.c - TCP and UDP: connections that are never closed, ports that run out, what the
 * kernel had to drop.
 */
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/view/names.h"
#include "command/view/proc.h"
#include "command/why/machine_checks.h"

#include <inttypes.h>
#include <string.h>

/* --- not closed ------------------------------------------------------------------------------- */

struct holder {
    const struct ferry_process *process;
    uint64_t count;
};

static int compare_holders(const void *one, const void *other)
{
    const struct holder *a = one, *b = other;
    return (a->process->pid > b->process->pid) - (a->process->pid < b->process->pid);
}

static bool is_left_open(const struct machine *machine, const struct ferry_endpoint *endpoint)
{
    bool gone = endpoint->kind == FERRY_ENDPOINT_TCP ? endpoint->state == FERRY_STATE_CLOSE_WAIT
                                                     : endpoint->peer_gone;
    return gone && endpoint->owner_count && machine_is_suspect(machine, endpoint);
}

static void holder_say(struct machine *machine, const struct holder *holder)
{
    struct finding *finding;
    AUTO_BYTES struct bytes name = BYTES_EMPTY;

    if (holder->count < NOT_CLOSED_MIN)
        return;
    finding = findings_add(&machine->findings, FINDING_NOT_CLOSED, RISK, holder->count);
    if (!finding)
        return;
    view_print_process(holder->process, &name);
    bytes_print(&finding->headline,
        "%s leaks: it holds %" PRIu64 " connections that the other side has closed", name.data,
        holder->count);
    finding_evidence(finding, "CLOSE-WAIT, or a unix socket whose peer is gone: it must read the "
                              "end and close(2) them");
    bytes_print(&finding->remedy, "ferry ls %d", (int)holder->process->pid);
    finding_fact_number(finding, "pid", (uint64_t)holder->process->pid);
    finding_fact_text(finding, "command", holder->process->name);
    finding_fact_number(finding, "count", holder->count);
}

static int check_left_open(struct machine *machine)
{
    size_t total = ferry_endpoints_count(machine->table), count = 0;
    AUTO_FREE struct holder *holders = calloc(total + 1, sizeof(*holders));

    if (!holders)
        return -ENOMEM;
    for (size_t i = 0; i < total && machine->suspects.count; i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(machine->table, i);
        if (is_left_open(machine, endpoint))
            holders[count++] = (struct holder){ endpoint->owners[0].process, 1 };
    }
    qsort(holders, count, sizeof(*holders), compare_holders);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && holders[i].process == holders[i + 1].process)
            holders[i + 1].count += holders[i].count;
        else
            holder_say(machine, &holders[i]);
    }
    return 0;
}

/* --- ports ------------------------------------------------------------------------------------ */

/* The same addresses and remote port: each such connection needs a local port of its own. */
static int compare_flows(const void *one, const void *other)
{
    const struct ferry_endpoint *a = *(const struct ferry_endpoint *const *)one;
    const struct ferry_endpoint *b = *(const struct ferry_endpoint *const *)other;
    int order = memcmp(a->inet->remote, b->inet->remote, sizeof(a->inet->remote));

    if (order == 0)
        order = memcmp(a->inet->local, b->inet->local, sizeof(a->inet->local));
    if (order == 0)
        order = (a->inet->remote_port > b->inet->remote_port) -
                (a->inet->remote_port < b->inet->remote_port);
    return order;
}

static void ports_say(struct machine *machine, const struct ferry_endpoint *const *flows,
    uint64_t count, uint64_t room)
{
    uint64_t waiting = 0;
    AUTO_BYTES struct bytes remote = BYTES_EMPTY;

    if (!machine_reaches(count, room, LIMIT_HIGH_PERCENT))
        return;
    for (uint64_t i = 0; i < count; i++)
        waiting += flows[i]->state == FERRY_STATE_TIME_WAIT;
    struct finding *finding = findings_add(
        &machine->findings, FINDING_PORTS, count >= room ? BREAKS_NOW : WILL_BREAK, count);
    if (!finding)
        return;
    view_print_remote(flows[0], &remote);
    bytes_print(&finding->headline,
        "ports for connections to %s %s: %" PRIu64 " of %" PRIu64 " are used", remote.data,
        count >= room ? "have run out" : "run out", count, room);
    finding_evidence(
        finding, "%" PRIu64 " in TIME-WAIT, %" PRIu64 " in use", waiting, count - waiting);
    bytes_append_text(&finding->remedy,
        "sysctl net.ipv4.ip_local_port_range=\"1024 65535\"  # and let clients keep connections");
    finding_fact_text(finding, "remote", remote.data);
    finding_fact_number(finding, "count", count);
    finding_fact_number(finding, "time_wait", waiting);
    finding_fact_number(finding, "limit", room);
}

static int check_ports(struct machine *machine)
{
    static const char path[] = "/proc/sys/net/ipv4/ip_local_port_range";
    size_t total = ferry_endpoints_count(machine->table), count = 0, start = 0;
    AUTO_FREE const struct ferry_endpoint **flows = calloc(total + 1, sizeof(*flows));
    uint64_t first, last;

    if (!flows)
        return -ENOMEM;
    if (!proc_number(path, 0, &first) || !proc_number(path, 1, &last) || last < first)
        return 0;
    for (size_t i = 0; i < total; i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(machine->table, i);
        if (endpoint->kind == FERRY_ENDPOINT_TCP && endpoint->network->own &&
            endpoint->inet->remote_port && endpoint->inet->local_port >= first &&
            endpoint->inet->local_port <= last)
            flows[count++] = endpoint;
    }
    qsort(flows, count, sizeof(*flows), compare_flows);
    for (size_t i = 1; i <= count; i++)
        if (i == count || compare_flows(&flows[i - 1], &flows[i]) != 0) {
            ports_say(machine, flows + start, i - start, last - first + 1);
            start = i;
        }
    return 0;
}

/* --- dropped ---------------------------------------------------------------------------------- */

static void overflows_say(struct machine *machine, uint64_t overflows)
{
    uint64_t most = 0, shown = 0;
    struct finding *finding = findings_add(&machine->findings, FINDING_OVERFLOWS, NOTE, overflows);

    if (!finding)
        return;
    proc_number("/proc/sys/net/core/somaxconn", 0, &most);
    bytes_print(&finding->headline,
        "%" PRIu64 " TCP %s dropped since boot because a backlog was full", overflows,
        machine_plural(overflows, "connection was", "connections were"));
    for (size_t i = 0; i < ferry_endpoints_count(machine->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(machine->table, i);
        AUTO_BYTES struct bytes text = BYTES_EMPTY;
        if (endpoint->kind != FERRY_ENDPOINT_TCP || endpoint->state != FERRY_STATE_LISTENING ||
            !endpoint->network->own || endpoint->send_queue != most ||
            shown++ >= EVIDENCE_SHOWN_MAX)
            continue;
        view_print_local(endpoint, &text);
        finding_evidence(finding,
            "the backlog of %s is net.core.somaxconn, %u: it may have asked for more", text.data,
            endpoint->send_queue);
    }
    if (shown > EVIDENCE_SHOWN_MAX)
        finding_evidence(finding, "and %" PRIu64 " more", shown - EVIDENCE_SHOWN_MAX);
    bytes_append_text(
        &finding->remedy, "nstat -az TcpExtListenOverflows  # whether it still grows");
    finding_fact_number(finding, "count", overflows);
}

static void check_overflows(struct machine *machine)
{
    uint64_t overflows = proc_listen_overflows();

    if (overflows)
        overflows_say(machine, overflows);
}

static void drops_say(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    uint32_t drops = endpoint->memory[FERRY_MEMORY_DROPS];
    struct finding *finding = findings_add(&machine->findings, FINDING_DROPS, NOTE, drops);
    AUTO_BYTES struct bytes local = BYTES_EMPTY, owners = BYTES_EMPTY;

    if (!finding)
        return;
    view_print_local(endpoint, &local);
    view_print_owners(endpoint, &owners);
    bytes_print(&finding->headline,
        "%s %s has lost %u datagrams, as when its receive buffer is full",
        ferry_endpoint_kind_name(endpoint->kind), local.size ? local.data : "-", drops);
    finding_evidence(finding, "%s reads too slowly, or its buffer of %u bytes is too small",
        owners.size ? owners.data : "its owner", endpoint->memory[FERRY_MEMORY_RECEIVE_SIZE]);
    machine_say_network(finding, endpoint);
    bytes_print(&finding->remedy, "ferry why ino:%" PRIu64, endpoint->inode);
    finding_fact_number(finding, "inode", endpoint->inode);
    finding_fact_number(finding, "drops", drops);
}

static void check_drops(struct machine *machine)
{
    for (size_t i = 0; i < ferry_endpoints_count(machine->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(machine->table, i);
        if (endpoint->kind == FERRY_ENDPOINT_UDP && endpoint->has_memory &&
            endpoint->memory[FERRY_MEMORY_DROPS])
            drops_say(machine, endpoint);
    }
}

int check_network(struct machine *machine)
{
    int code = check_left_open(machine);
    if (code == 0)
        code = check_ports(machine);
    check_overflows(machine);
    check_drops(machine);
    return code;
}
