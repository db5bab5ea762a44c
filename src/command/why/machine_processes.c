/* machine_processes.c - one walk through /proc for what each process has: descriptors near its
 * limit, memory in /dev/shm. And the limits that all share.
 *
 * The table of endpoints knows processes with endpoints only, and their sockets only; a process
 * runs out of descriptors by its files as well.
 */
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/view/names.h"
#include "command/view/proc.h"
#include "command/why/descriptors.h"
#include "command/why/machine_checks.h"
#include "command/why/machine_memory.h"

#include <inttypes.h>
#include <string.h>

/* --- descriptors ------------------------------------------------------------------------------ */

static void descriptors_say(
    struct machine *machine, int process, pid_t pid, uint64_t count, uint64_t limit)
{
    struct finding *finding;
    AUTO_BYTES struct bytes shown = BYTES_EMPTY;
    struct proc_stat stat;

    if (!machine_reaches(count, limit, LIMIT_HIGH_PERCENT))
        return;
    finding = findings_add(&machine->findings, FINDING_DESCRIPTORS,
        count >= limit ? BREAKS_NOW : WILL_BREAK, count * 100 / (limit ? limit : 1));
    if (!finding)
        return;
    const char *name = proc_stat_read(process, &stat) == 0 ? stat.name : "";
    bytes_append_escaped(&shown, name, strlen(name));
    bytes_print(&finding->headline, "%s[%d] has %" PRIu64 " of %" PRIu64 " descriptors open",
        shown.data ? shown.data : "", (int)pid, count, limit);
    finding_evidence(finding, "%s accept(2), open(2) and receiving descriptors fail (EMFILE)",
        count >= limit ? "now" : "at the limit");
    descriptors_print_raise(pid, &finding->remedy);
    bytes_print(&finding->remedy, "  # and ls -l /proc/%d/fd for what it keeps", (int)pid);
    finding_fact_number(finding, "pid", (uint64_t)pid);
    finding_fact_text(finding, "command", name);
    finding_fact_number(finding, "count", count);
    finding_fact_number(finding, "limit", limit);
}

static void process_look(struct machine *machine, pid_t pid, struct shared_files *files)
{
    AUTO_FD int process = proc_open(pid);
    uint64_t limit;

    if (process < 0)
        return;
    int64_t count = proc_descriptor_count(process);
    if (count > 0 && proc_limit(process, "Max open files", &limit, NULL))
        descriptors_say(machine, process, pid, (uint64_t)count, limit);
    shared_files_mark(files, process);
}

/* --- what all share --------------------------------------------------------------------------- */

static void check_files(struct machine *machine)
{
    static const char path[] = "/proc/sys/fs/file-nr";
    uint64_t used, most;

    if (!proc_number(path, 0, &used) || !proc_number(path, 2, &most) || !most ||
        !machine_reaches(used, most, LIMIT_HIGH_PERCENT))
        return;
    struct finding *finding = findings_add(
        &machine->findings, FINDING_FILES, used >= most ? BREAKS_NOW : WILL_BREAK, used);
    if (!finding)
        return;
    bytes_print(&finding->headline,
        "the machine has %" PRIu64 " of %" PRIu64 " files open, all processes together", used,
        most);
    finding_evidence(finding, "at the limit everybody but root gets ENFILE");
    bytes_print(&finding->remedy, "sysctl fs.file-max=%" PRIu64, most * 2);
    finding_fact_number(finding, "count", used);
    finding_fact_number(finding, "limit", most);
}

/* Descriptors that a user has sent and nobody has received yet are limited to as many as one of his
 * processes may have open. */
struct sender {
    uid_t uid;
    uint64_t count, limit;
};

static void sender_say(struct machine *machine, const struct sender *sender)
{
    AUTO_BYTES struct bytes user = BYTES_EMPTY;
    struct finding *finding;

    if (sender->limit == UINT64_MAX ||
        !machine_reaches(sender->count, sender->limit, LIMIT_HIGH_PERCENT))
        return;
    finding = findings_add(&machine->findings, FINDING_IN_FLIGHT, WILL_BREAK, sender->count);
    if (!finding)
        return;
    view_print_user(sender->uid, &user);
    bytes_print(&finding->headline,
        "user %s has %" PRIu64 " descriptors on their way that nobody has received, of %" PRIu64,
        user.data, sender->count, sender->limit);
    finding_evidence(finding, "beyond it sendmsg(2) with SCM_RIGHTS fails with ETOOMANYREFS");
    bytes_append_text(&finding->remedy, "ferry ls -x --json | jq "
                                        "'.endpoints[]|select(.descriptors_in_flight)'");
    finding_fact_number(finding, "uid", sender->uid);
    finding_fact_number(finding, "count", sender->count);
    finding_fact_number(finding, "limit", sender->limit);
}

static void sender_add(struct sender *sender, const struct ferry_endpoint *receiver)
{
    const struct ferry_endpoint *from = receiver->peer;
    uint64_t limit;

    sender->count += receiver->descriptors_in_flight;
    for (unsigned i = 0; from && i < from->owner_count; i++) {
        AUTO_FD int process = proc_open(from->owners[i].process->pid);
        if (proc_limit(process, "Max open files", &limit, NULL) && limit < sender->limit)
            sender->limit = limit;
    }
}

static void check_in_flight(struct machine *machine)
{
    struct sender senders[SENDERS_MAX];
    size_t count = 0, at;

    for (size_t i = 0; i < ferry_endpoints_count(machine->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(machine->table, i);
        if (!endpoint->descriptors_in_flight)
            continue;
        uid_t uid = endpoint->peer ? endpoint->peer->uid : endpoint->uid;
        for (at = 0; at < count && senders[at].uid != uid; at++)
            ;
        if (at == SENDERS_MAX)
            continue;
        if (at == count)
            senders[count++] = (struct sender){ .uid = uid, .limit = UINT64_MAX };
        sender_add(&senders[at], endpoint);
    }
    for (at = 0; at < count; at++)
        sender_say(machine, &senders[at]);
}

/* --- all -------------------------------------------------------------------------------------- */

int check_processes(struct machine *machine)
{
    AUTO_DIR DIR *proc = opendir("/proc");
    struct shared_files files = { 0 };
    int code = shared_files_find(machine, &files);

    if (!proc)
        machine_unseen(machine, "processes (/proc: %s)", strerror(errno));
    for (pid_t pid; code == 0 && proc && (pid = proc_next(proc));)
        process_look(machine, pid, &files);
    if (code == 0 && proc)
        shared_files_say(machine, &files);
    shared_files_fini(&files);
    check_files(machine);
    check_in_flight(machine);
    return code;
}
