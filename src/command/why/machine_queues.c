/* machine_queues.c - POSIX message queues that are full, left behind, or near the kernel's limits.
 *
 * The memory of all queues of a user is limited (RLIMIT_MSGQUEUE) by what they may hold, not by
 * what they hold: ten queues of the default size exceed the default limit. The kernel counts some
 * bytes more for each message's place, which differ from kernel to kernel: what is told is the
 * least.
 */
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/view/names.h"
#include "command/view/proc.h"
#include "command/why/machine_checks.h"

#include <inttypes.h>
#include <string.h>
#include <sys/statfs.h>

/* It was listed in our own IPC namespace; others are seen through their owners only. */
static bool is_listed(const struct ferry_endpoint *endpoint)
{
    return endpoint->kind == FERRY_ENDPOINT_QUEUE && endpoint->uid != (uid_t)-1;
}

static void queue_facts(struct finding *finding, const struct ferry_endpoint *endpoint)
{
    finding_fact_text(finding, "queue", endpoint->name);
    if (endpoint->messages_max) {
        finding_fact_number(finding, "messages", endpoint->messages);
        finding_fact_number(finding, "messages_max", endpoint->messages_max);
    }
    finding_fact_number(finding, "bytes", endpoint->receive_queue);
}

static void full_say(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    bool full = endpoint->messages >= endpoint->messages_max;
    struct finding *finding = findings_add(
        &machine->findings, FINDING_QUEUE_FULL, full ? BREAKS_NOW : WILL_BREAK, endpoint->messages);
    AUTO_BYTES struct bytes local = BYTES_EMPTY, owners = BYTES_EMPTY;

    if (!finding)
        return;
    view_print_local(endpoint, &local);
    view_print_owners(endpoint, &owners);
    bytes_print(&finding->headline, "mq %s is %s: %u of %u messages", local.data,
        full ? "full" : "nearly full", endpoint->messages, endpoint->messages_max);
    finding_evidence(finding, "%s %s it open", owners.size ? owners.data : "somebody",
        view_owner_processes(endpoint) > 1 ? "have" : "has");
    if (full)
        finding_evidence(finding, "who sends now hangs, or gets EAGAIN");
    bytes_append_text(&finding->remedy, "ferry why mq:");
    shell_quote(&finding->remedy, endpoint->name);
    queue_facts(finding, endpoint);
}

/* A queue is removed as the file that it is; where the file system is not mounted, that first. */
static void remedy_unlink(struct finding *finding, const char *name)
{
    enum { MQUEUE_MAGIC = 0x19800202 };
    struct statfs status;

    if (statfs("/dev/mqueue", &status) < 0 || status.f_type != MQUEUE_MAGIC)
        bytes_append_text(
            &finding->remedy, "mkdir -p /dev/mqueue && mount -t mqueue none /dev/mqueue && ");
    AUTO_FREE char *path = NULL;
    if (asprintf(&path, "/dev/mqueue%s", name) < 0) {
        path = NULL;
        return;
    }
    bytes_append_text(&finding->remedy, "rm ");
    shell_quote(&finding->remedy, path);
}

static void orphan_say(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    struct finding *finding =
        findings_add(&machine->findings, FINDING_ORPHAN_QUEUE, RISK, endpoint->receive_queue);
    AUTO_BYTES struct bytes local = BYTES_EMPTY, user = BYTES_EMPTY;

    if (!finding)
        return;
    view_print_local(endpoint, &local);
    view_print_user(endpoint->uid, &user);
    bytes_print(&finding->headline,
        "mq %s is %sorphaned: it holds %u bytes, and nobody has it open", local.data,
        machine_perhaps(machine), endpoint->receive_queue);
    if (endpoint->messages_max)
        finding_evidence(finding, "%u of %u messages, of user %s", endpoint->messages,
            endpoint->messages_max, user.data);
    else
        finding_evidence(finding, "of user %s", user.data);
    remedy_unlink(finding, endpoint->name);
    queue_facts(finding, endpoint);
    finding_fact_number(finding, "uid", endpoint->uid);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void count_say(struct machine *machine, uint64_t count)
{
    uint64_t most;

    if (!proc_number("/proc/sys/fs/mqueue/queues_max", 0, &most) || !most ||
        !machine_reaches(count, most, LIMIT_HIGH_PERCENT))
        return;
    struct finding *finding = findings_add(
        &machine->findings, FINDING_QUEUE_LIMIT, count >= most ? BREAKS_NOW : WILL_BREAK, count);
    if (!finding)
        return;
    bytes_print(
        &finding->headline, "%" PRIu64 " of %" PRIu64 " message queues are there", count, most);
    finding_evidence(finding, "%s mq_open(3) of a new one fails with ENOSPC",
        count >= most ? "now" : "at the limit");
    bytes_print(&finding->remedy, "sysctl fs.mqueue.queues_max=%" PRIu64, most * 2);
    finding_fact_number(finding, "count", count);
    finding_fact_number(finding, "limit", most);
}

/* What the queues of one user may hold, and the least limit of those who have them open. */
struct user_queues {
    uid_t uid;
    uint64_t size, limit;
    unsigned count;
};

static void user_add(struct user_queues *user, const struct ferry_endpoint *endpoint)
{
    user->size += (uint64_t)endpoint->messages_max * endpoint->message_size_max;
    user->count++;
    for (unsigned i = 0; i < endpoint->owner_count; i++) {
        uint64_t limit;
        const struct ferry_process *process = endpoint->owners[i].process;
        AUTO_FD int folder = process->uid == user->uid ? proc_open(process->pid) : -1;
        if (proc_limit(folder, "Max msgqueue size", &limit, NULL) && limit < user->limit)
            user->limit = limit;
    }
}

static void user_say(struct machine *machine, const struct user_queues *user)
{
    AUTO_BYTES struct bytes name = BYTES_EMPTY;

    if (user->limit == UINT64_MAX || !machine_reaches(user->size, user->limit, LIMIT_HIGH_PERCENT))
        return;
    struct finding *finding =
        findings_add(&machine->findings, FINDING_QUEUE_LIMIT, WILL_BREAK, user->size);
    if (!finding)
        return;
    view_print_user(user->uid, &name);
    bytes_print(&finding->headline,
        "user %s has message queues for %" PRIu64 " bytes of the %" PRIu64 " he may have",
        name.data, user->size, user->limit);
    finding_evidence(finding, "%u %s; beyond it mq_open(3) fails with EMFILE", user->count,
        machine_plural(user->count, "queue", "queues"));
    bytes_append_text(&finding->remedy, "raise RLIMIT_MSGQUEUE (LimitMSGQUEUE= of the unit)");
    finding_fact_number(finding, "uid", user->uid);
    finding_fact_number(finding, "bytes", user->size);
    finding_fact_number(finding, "limit", user->limit);
}

static void users_check(struct machine *machine)
{
    struct user_queues users[QUEUE_USERS_MAX];
    size_t count = 0, at;

    for (size_t i = 0; i < ferry_endpoints_count(machine->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(machine->table, i);
        if (!is_listed(endpoint) || !endpoint->messages_max)
            continue;
        for (at = 0; at < count && users[at].uid != endpoint->uid; at++)
            ;
        if (at == QUEUE_USERS_MAX)
            continue;
        if (at == count)
            users[count++] = (struct user_queues){ .uid = endpoint->uid, .limit = UINT64_MAX };
        user_add(&users[at], endpoint);
    }
    for (at = 0; at < count; at++)
        user_say(machine, &users[at]);
}

int check_queues(struct machine *machine)
{
    uint64_t count = 0;

    for (size_t i = 0; i < ferry_endpoints_count(machine->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(machine->table, i);
        if (endpoint->kind != FERRY_ENDPOINT_QUEUE)
            continue;
        count += is_listed(endpoint);
        if (endpoint->owner_count && machine_is_suspect(machine, endpoint))
            full_say(machine, endpoint);
        if (!endpoint->owner_count && endpoint->receive_queue)
            orphan_say(machine, endpoint);
    }
    count_say(machine, count);
    users_check(machine);
    return 0;
}
