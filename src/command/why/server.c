/* server.c - what those who hold a socket are doing.
 *
 * A socket may be held by many: a master that only sleeps, workers that accept, a child that
 * inherited it and knows nothing of it. One that waits for it is enough; what is said otherwise is
 * about the one whose state explains most.
 */
#include "command/why/server.h"
#include "base/cleanup.h"
#include "command/view/blocked.h"
#include "command/view/names.h"
#include "command/view/proc.h"
#include "command/why/descriptors.h"

#include <string.h>

/* --- descriptors ------------------------------------------------------------------------------ */

static void look_descriptors(struct server *server, const struct ferry_process *process)
{
    AUTO_FD int folder = proc_open(process->pid);
    int64_t count = proc_descriptor_count(folder);
    uint64_t limit;

    if (server->exhausted || count <= 0 || !proc_limit(folder, "Max open files", &limit, NULL) ||
        (uint64_t)count < limit)
        return;
    server->exhausted = process;
    server->descriptors = (unsigned)count;
    server->descriptor_limit = (unsigned)limit;
}

/* --- threads ---------------------------------------------------------------------------------- */

static bool runs(const struct blocked *blocked)
{
    for (size_t i = 0; i < blocked->count; i++)
        if (blocked->threads[i].state == 'R' ||
            (blocked->threads[i].told && blocked->threads[i].number < 0 &&
                !strchr("TtDZX", blocked->threads[i].state)))
            return true;
    return false;
}

static const struct blocked_thread *find_waiting(
    const struct blocked *blocked, const struct ferry_endpoint *endpoint)
{
    const struct blocked_thread *found = NULL;

    for (unsigned i = 0; i < endpoint->owner_count && !found; i++)
        if (endpoint->owners[i].process->pid == blocked->pid)
            found = blocked_find_waiting(blocked, endpoint->owners[i].fd);
    return found;
}

static enum server_doing judge(const struct blocked *blocked, const struct ferry_endpoint *endpoint,
    const struct blocked_thread **ret_thread)
{
    const struct blocked_thread *first = blocked_main(blocked);

    *ret_thread = find_waiting(blocked, endpoint);
    if (*ret_thread)
        return SERVER_WAITING;
    *ret_thread = first;
    if (blocked_is_stopped(blocked))
        return blocked->tracer ? SERVER_TRACED : SERVER_STOPPED;
    if (runs(blocked))
        return SERVER_RUNNING;
    if (!blocked_is_told(blocked))
        return SERVER_HIDDEN;
    return first->state == 'D' ? SERVER_STUCK : SERVER_ELSEWHERE;
}

/* Of two in the same state the child: a master that waits for its workers explains nothing. */
static bool says_more(
    const struct server *server, enum server_doing doing, const struct ferry_process *process)
{
    bool child = server->process && process->parent == server->process->pid;

    return doing < server->doing || (doing == server->doing && child);
}

static void look_process(struct server *server, const struct ferry_endpoints *table,
    const struct ferry_endpoint *endpoint, const struct ferry_process *process)
{
    const struct blocked_thread *thread;
    struct blocked blocked;

    if (blocked_look(process->pid, &blocked) == 0 && !blocked.ended) {
        enum server_doing doing = judge(&blocked, endpoint, &thread);
        server->process_count++;
        if (doing == SERVER_STOPPED)
            bytes_print(&server->stopped, " %d", (int)process->pid);
        if (says_more(server, doing, process)) {
            bytes_fini(&server->what);
            server->what = BYTES_EMPTY;
            server->doing = doing;
            server->process = process;
            server->tracer = blocked.tracer;
            /* So that it stands behind "is". */
            if (strchr("SI", thread->state) && thread->told &&
                (thread->number >= 0 || thread->place[0]))
                bytes_append_text(&server->what, "in ");
            blocked_print_thread(thread, table, &server->what);
        }
    }
    blocked_fini(&blocked);
    look_descriptors(server, process);
}

void server_look(const struct ferry_endpoints *table, const struct ferry_endpoint *endpoint,
    struct server *ret_server)
{
    const struct ferry_process *before = NULL;

    *ret_server = (struct server){ .doing = SERVER_NOBODY };
    for (unsigned i = 0; i < endpoint->owner_count; i++) {
        const struct ferry_process *process = endpoint->owners[i].process;
        if (process != before) /* the same process stands together */
            look_process(ret_server, table, endpoint, process);
        before = process;
    }
}

void server_fini(struct server *server)
{
    bytes_fini(&server->what);
    bytes_fini(&server->stopped);
}

/* --- words ------------------------------------------------------------------------------------ */

bool server_is_away(const struct server *server)
{
    return server->doing == SERVER_TRACED || server->doing == SERVER_STOPPED ||
           server->doing == SERVER_STUCK || server->doing == SERVER_ELSEWHERE;
}

const char *server_cause(const struct server *server)
{
    static const char *const causes[] = {
        [SERVER_WAITING] = "not-woken",
        [SERVER_RUNNING] = "busy",
        [SERVER_HIDDEN] = "hidden",
        [SERVER_TRACED] = "traced",
        [SERVER_STOPPED] = "stopped",
        [SERVER_STUCK] = "uninterruptible",
        [SERVER_ELSEWHERE] = "blocked",
        [SERVER_NOBODY] = "nobody",
    };
    return server->exhausted ? "descriptors-exhausted" : causes[server->doing];
}

void server_print(const struct server *server, struct bytes *text)
{
    const struct ferry_process *process = server->exhausted ? server->exhausted : server->process;

    if (process)
        view_print_process(process, text);
    else
        bytes_append_text(text, "nobody that can be seen");
}

static void prove_exhausted(const struct server *server, struct finding *finding)
{
    AUTO_BYTES struct bytes more = BYTES_EMPTY;
    int pid = (int)server->exhausted->pid;

    finding_prove(finding,
        "%s[%d] has %u descriptors open, and its limit is %u: accept(2) says "
        "EMFILE",
        server->exhausted->name, pid, server->descriptors, server->descriptor_limit);
    descriptors_print_raise(server->exhausted->pid, &more);
    finding_set_remedy(finding,
        "%s   (for good: LimitNOFILE= of its unit; `ls -l /proc/%d/fd` shows what it holds)",
        more.data ? more.data : "", pid);
}

static void set_remedy(const struct server *server, struct finding *finding)
{
    int pid = (int)server->process->pid;

    switch (server->doing) {
    case SERVER_STOPPED:
        finding_set_remedy(finding, "kill -CONT%s", server->stopped.data);
        break;
    case SERVER_TRACED:
        finding_set_remedy(
            finding, "let its tracer go on: ps -o pid,args -p %d", (int)server->tracer);
        break;
    case SERVER_STUCK:
        finding_set_remedy(finding,
            "as root: cat /proc/%d/stack   (what it waits for is a disk, "
            "a network file system or a driver)",
            pid);
        break;
    case SERVER_HIDDEN:
        finding_set_remedy(finding, "ask again as root: what it waits for is hidden from you");
        break;
    case SERVER_RUNNING:
        finding_set_remedy(finding, "see what it computes: top -H -p %d", pid);
        break;
    default:
        finding_set_remedy(finding,
            "see where it stands: gdb -p %d -batch -ex 'thread apply all "
            "bt'; or restart it",
            pid);
        break;
    }
}

void server_prove(const struct server *server, struct finding *finding)
{
    finding->cause = server_cause(server);
    if (server->process)
        finding_prove(finding, "%s[%d] is %s", server->process->name, (int)server->process->pid,
            server->what.data ? server->what.data : "");
    if (server->process_count > 1 && server_is_away(server))
        finding_prove(finding, "%u processes have it open, and none of them waits for it",
            server->process_count);
    if (server->tracer)
        finding_prove(finding, "it is traced by process %d", (int)server->tracer);
    if (server->exhausted)
        prove_exhausted(server, finding);
    else if (server->process)
        set_remedy(server, finding);
    else
        finding_set_remedy(finding, "ask again as root: who holds it can't be seen from here");
}
