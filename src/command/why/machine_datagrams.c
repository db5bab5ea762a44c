/* machine_datagrams.c - unix datagram queues that are full: whoever sends there hangs, or gets
 * EAGAIN.
 *
 * How many messages there are is not told, but whether one more finds room (datagram.h). Those are
 * asked whose first message stands in both looks, so that most are left alone.
 */
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/view/names.h"
#include "command/view/proc.h"
#include "command/why/datagram.h"
#include "command/why/machine_checks.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

bool machine_datagrams_wait(const struct ferry_endpoint *endpoint)
{
    if (endpoint->kind != FERRY_ENDPOINT_UNIX_DATAGRAM || !endpoint->receive_queue ||
        !endpoint->name)
        return false;
    int room = datagram_room(endpoint);
    return room != 1 && room != -EPERM;
}

static void remedy(struct finding *finding, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes local = BYTES_EMPTY;

    if (endpoint->path && endpoint->path->where)
        bytes_append_text(&local, endpoint->path->where);
    else if (endpoint->name[0])
        bytes_append_text(&local, endpoint->name);
    else
        view_print_local(endpoint, &local);
    bytes_append_text(&finding->remedy, "ferry why ");
    shell_quote(&finding->remedy, local.data ? local.data : "");
}

static void say_senders(struct finding *finding, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes names = BYTES_EMPTY;

    datagram_print_senders(endpoint, &names);
    if (names.size && !bytes_failed(&names))
        finding_evidence(finding, "its senders have unread messages there: %s", names.data);
    finding_fact_number(finding, "senders", datagram_sender_count(endpoint));
}

static void full_say(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    struct finding *finding = findings_add(
        &machine->findings, FINDING_DATAGRAMS_FULL, BREAKS_NOW, datagram_sender_count(endpoint));
    AUTO_BYTES struct bytes local = BYTES_EMPTY, holders = BYTES_EMPTY;
    uint64_t most;

    if (!finding)
        return;
    view_print_local(endpoint, &local);
    view_print_holders(endpoint, &holders);
    bytes_print(&finding->headline, "u_dgr %s: its queue is full: %s does not read",
        local.data ? local.data : "-", holders.data ? holders.data : "");
    finding_evidence(finding, "who sends there now hangs, or gets EAGAIN");
    finding_evidence(finding, "its first message, of %u bytes, did not move between two looks",
        endpoint->receive_queue);
    if (proc_number("/proc/sys/net/unix/max_dgram_qlen", 0, &most))
        finding_evidence(
            finding, "queues made now hold %" PRIu64 " messages (net.unix.max_dgram_qlen)", most);
    say_senders(finding, endpoint);
    machine_say_network(finding, endpoint);
    remedy(finding, endpoint);
    finding_fact_text(finding, "local", local.data ? local.data : "");
    finding_fact_number(finding, "inode", endpoint->inode);
    if (endpoint->owner_count)
        finding_fact_number(finding, "pid", (uint64_t)endpoint->owners[0].process->pid);
}

int check_datagrams(struct machine *machine)
{
    unsigned unasked = 0;

    for (size_t i = 0; machine->suspects.count && i < ferry_endpoints_count(machine->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(machine->table, i);
        if (endpoint->kind != FERRY_ENDPOINT_UNIX_DATAGRAM || !machine_datagrams_wait(endpoint) ||
            !machine_is_suspect(machine, endpoint))
            continue;
        if (datagram_room(endpoint) == 0)
            full_say(machine, endpoint);
        else
            unasked++;
    }
    if (unasked)
        machine_unseen(machine, "whether the %s of %u datagram %s full, which can't be sent to",
            machine_plural(unasked, "queue", "queues"), unasked,
            machine_plural(unasked, "socket is", "sockets are"));
    return 0;
}
