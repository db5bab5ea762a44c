/* machine_sysv.c - System V memory, queues and semaphores that their programs have left behind.
 *
 * They live until somebody removes them, whoever dies. /proc/sysvipc shows those of our IPC
 * namespace to everybody. A process number there is 0 if the process is of another process
 * namespace: then nothing is said of it.
 */
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/table.h"
#include "command/view/names.h"
#include "command/view/proc.h"
#include "command/why/machine_checks.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/sem.h>

static bool is_dead(int pid)
{
    return pid > 0 && kill(pid, 0) < 0 && errno == ESRCH;
}

/* --- memory ----------------------------------------------------------------------------------- */

struct segment {
    int id, creator;
    uint64_t size, attached, resident;
    unsigned perms, uid;
};

static void segment_say(struct machine *machine, const struct segment *segment)
{
    struct finding *finding =
        findings_add(&machine->findings, FINDING_SYSV_MEMORY, RISK, segment->size);
    AUTO_BYTES struct bytes user = BYTES_EMPTY;
    char size[24];

    if (!finding)
        return;
    size_print(true, segment->size, size);
    view_print_user(segment->uid, &user);
    bytes_print(&finding->headline,
        "System V memory %d of %s bytes is orphaned: nobody has it attached, and its maker has "
        "ended",
        segment->id, size);
    finding_evidence(finding, "of user %s, made by process %d", user.data, segment->creator);
    bytes_print(&finding->remedy, "ipcrm -m %d", segment->id);
    finding_fact_number(finding, "shmid", (uint64_t)segment->id);
    finding_fact_number(finding, "bytes", segment->size);
    finding_fact_number(finding, "resident", segment->resident);
    finding_fact_number(finding, "uid", segment->uid);
}

/* key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap */
static void memory_read(struct machine *machine, const char *line)
{
    struct segment segment;

    if (sscanf(line, "%*d %d %o %" SCNu64 " %d %*d %" SCNu64 " %u %*u %*u %*u %*u %*u %*u %" SCNu64,
            &segment.id, &segment.perms, &segment.size, &segment.creator, &segment.attached,
            &segment.uid, &segment.resident) == 7 &&
        segment.attached == 0 && is_dead(segment.creator))
        segment_say(machine, &segment);
}

/* --- queues ----------------------------------------------------------------------------------- */

/* key msqid perms cbytes qnum lspid lrpid uid gid cuid cgid stime rtime ctime */
static void queue_read(struct machine *machine, const char *line)
{
    int id, sender, receiver;
    uint64_t size, count;
    unsigned uid;
    AUTO_BYTES struct bytes user = BYTES_EMPTY;

    if (sscanf(line, "%*d %d %*o %" SCNu64 " %" SCNu64 " %d %d %u", &id, &size, &count, &sender,
            &receiver, &uid) != 6 ||
        count == 0 || !is_dead(sender) || (receiver && !is_dead(receiver)))
        return;
    struct finding *finding = findings_add(&machine->findings, FINDING_SYSV_QUEUE, RISK, size);
    if (!finding)
        return;
    view_print_user(uid, &user);
    bytes_print(&finding->headline,
        "System V queue %d is %sorphaned: it holds %" PRIu64 " %s, and who used it has ended", id,
        receiver ? "" : "perhaps ", count, machine_plural(count, "message", "messages"));
    finding_evidence(finding, "%" PRIu64 " bytes, of user %s; process %d sent the last", size,
        user.data, sender);
    if (!receiver)
        finding_evidence(finding, "nobody has ever received from it");
    bytes_print(&finding->remedy, "ipcrm -q %d", id);
    finding_fact_number(finding, "msqid", (uint64_t)id);
    finding_fact_number(finding, "messages", count);
    finding_fact_number(finding, "bytes", size);
    finding_fact_number(finding, "uid", uid);
}

/* --- semaphores ------------------------------------------------------------------------------- */

struct left_sets {
    uint64_t count;
    int first[EVIDENCE_SHOWN_MAX];
};

/* Each semaphore knows who used it last; all of them have ended. One that nobody has used says
 * nothing. */
static bool set_is_left(int id, unsigned size)
{
    bool used = false;

    for (unsigned i = 0; i < size && i < SEMAPHORES_ASKED_MAX; i++) {
        int pid = semctl(id, (int)i, GETPID);
        if (pid < 0 || (pid > 0 && !is_dead(pid)))
            return false;
        used |= pid > 0;
    }
    return used && size <= SEMAPHORES_ASKED_MAX;
}

/* key semid perms nsems uid gid cuid cgid otime ctime */
static void set_read(struct left_sets *left, const char *line)
{
    int id;
    unsigned size;

    if (sscanf(line, "%*d %d %*o %u", &id, &size) == 2 && set_is_left(id, size) &&
        left->count++ < EVIDENCE_SHOWN_MAX)
        left->first[left->count - 1] = id;
}

static void sets_say(struct machine *machine, const struct left_sets *left)
{
    struct finding *finding =
        findings_add(&machine->findings, FINDING_SYSV_SEMAPHORES, NOTE, left->count);

    if (!finding)
        return;
    bytes_print(&finding->headline, "%" PRIu64 " %s last used by processes that have ended",
        left->count,
        machine_plural(
            left->count, "set of System V semaphores was", "sets of System V semaphores were"));
    for (uint64_t i = 0; i < left->count && i < EVIDENCE_SHOWN_MAX; i++)
        bytes_print(&finding->remedy, "%s%d", i ? " -s " : "ipcrm -s ", left->first[i]);
    bytes_append_text(&finding->remedy, "  # if their program is not to come back");
    finding_fact_number(finding, "count", left->count);
}

/* --- all -------------------------------------------------------------------------------------- */

static void limit_say(
    struct machine *machine, const char *what, uint64_t count, uint64_t most, const char *setting)
{
    if (!most || !machine_reaches(count, most, LIMIT_HIGH_PERCENT))
        return;
    struct finding *finding = findings_add(
        &machine->findings, FINDING_SYSV_LIMIT, count >= most ? BREAKS_NOW : WILL_BREAK, count);
    if (!finding)
        return;
    bytes_print(
        &finding->headline, "%" PRIu64 " of %" PRIu64 " System V %s are there", count, most, what);
    finding_evidence(finding, "beyond it a new one fails with ENOSPC");
    bytes_append_text(&finding->remedy, setting);
    finding_fact_number(finding, "count", count);
    finding_fact_number(finding, "limit", most);
}

enum sysv { TABLE_MEMORY, TABLE_QUEUES, TABLE_SEMAPHORES };

static uint64_t table_read(struct machine *machine, enum sysv table, struct left_sets *left)
{
    static const char *const paths[] = { "/proc/sysvipc/shm", "/proc/sysvipc/msg",
        "/proc/sysvipc/sem" };
    AUTO_FILE FILE *file = fopen(paths[table], "re");
    char line[512];
    uint64_t count = 0;

    /* The first line has headings. */
    if (!file || !fgets(line, sizeof(line), file))
        return 0;
    for (; fgets(line, sizeof(line), file); count++) {
        if (table == TABLE_MEMORY)
            memory_read(machine, line);
        else if (table == TABLE_QUEUES)
            queue_read(machine, line);
        else
            set_read(left, line);
    }
    return count;
}

int check_sysv(struct machine *machine)
{
    struct left_sets left = { 0 };
    uint64_t segments = table_read(machine, TABLE_MEMORY, NULL);
    uint64_t queues = table_read(machine, TABLE_QUEUES, NULL);
    uint64_t sets = table_read(machine, TABLE_SEMAPHORES, &left), most;

    if (left.count)
        sets_say(machine, &left);
    if (proc_number("/proc/sys/kernel/shmmni", 0, &most))
        limit_say(machine, "segments of memory", segments, most, "sysctl kernel.shmmni=32768");
    if (proc_number("/proc/sys/kernel/msgmni", 0, &most))
        limit_say(machine, "queues", queues, most, "ipcs -q  # and ipcrm -q those of nobody");
    if (proc_number("/proc/sys/kernel/sem", 3, &most))
        limit_say(machine, "sets of semaphores", sets, most,
            "ipcs -s  # and ipcrm -s those of nobody, or raise the last of kernel.sem");
    return 0;
}
