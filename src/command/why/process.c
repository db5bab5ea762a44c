/* process.c - a process, one of its descriptors, or a socket by its inode: what it is doing, and
 * what is wrong with what it has open.
 */
#include "base/cleanup.h"
#include "command/view/blocked.h"
#include "command/view/names.h"
#include "command/why/server.h"
#include "command/why/why.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Whether it is the side that was called: it has its listener's name, or its port. */
static bool is_called(const struct why *why, const struct ferry_endpoint *endpoint)
{
    if (!endpoint->inet)
        return endpoint->name_size > 0;
    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *other = ferry_endpoints_get(why->table, i);
        if (other->state == FERRY_STATE_LISTENING && other->inet &&
            other->network == endpoint->network &&
            other->inet->local_port == endpoint->inet->local_port)
            return true;
    }
    return false;
}

static bool is_connection(const struct ferry_endpoint *endpoint)
{
    if (endpoint->kind == FERRY_ENDPOINT_TCP)
        return endpoint->inet->remote_port && endpoint->state != FERRY_STATE_TIME_WAIT;
    return endpoint->family == AF_UNIX && endpoint->peer &&
           endpoint->state == FERRY_STATE_ESTABLISHED;
}

static unsigned judge_endpoints(struct why *why)
{
    unsigned count = 0;

    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        if (!view_target_matches(&why->target, endpoint))
            continue;
        count++;
        if (endpoint->state == FERRY_STATE_LISTENING)
            why_listener(why, endpoint);
        else if (is_connection(endpoint) && is_called(why, endpoint))
            why_connection(why, endpoint, endpoint->peer);
        else if (is_connection(endpoint))
            why_connection(why, endpoint->peer, endpoint);
    }
    return count;
}

/* Who is at the other end of what it waits for, and what that one is doing. */
static void note_other_end(struct why *why, const struct blocked_thread *thread)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY;
    struct server server;

    for (size_t i = 0; thread->fd_count == 1 && i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        bool waited = false;
        for (unsigned j = 0; j < endpoint->owner_count; j++)
            waited = waited || (endpoint->owners[j].process->pid == thread->pid &&
                                   endpoint->owners[j].fd == thread->fds[0]);
        if (!waited || !endpoint->peer || endpoint->peer == endpoint)
            continue;
        server_look(why->table, endpoint->peer, &server);
        if (server.process && server.process->pid != thread->pid) {
            server_print(&server, &who);
            diagnosis_note(&why->diagnosis, "at the other end of what it waits for, %s is %s",
                who.data ? who.data : "", server.what.data ? server.what.data : "");
        }
        server_fini(&server);
        return;
    }
}

static void add_stopped(struct why *why, const char *who, const struct blocked *blocked)
{
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_STOPPED, "%s is stopped by %s",
        who, blocked->tracer ? "its tracer" : "a signal");

    finding->cause = blocked->tracer ? "traced" : "stopped";
    finding_set_client(finding, "whoever waits for it hangs");
    finding_prove(finding, "its %zu thread%s in state %c", blocked->count,
        blocked->count == 1 ? " is" : "s are", blocked_main(blocked)->state);
    if (blocked->tracer)
        finding_set_remedy(
            finding, "let its tracer go on: ps -o pid,args -p %d", (int)blocked->tracer);
    else
        finding_set_remedy(finding, "kill -CONT %d", (int)blocked->pid);
}

/* Its threads: all stopped, or what the one that says most is in. */
static void judge_process(struct why *why)
{
    const struct ferry_process *process = ferry_endpoints_find_process(why->table, why->target.pid);
    AUTO_BYTES struct bytes who = BYTES_EMPTY, what = BYTES_EMPTY;
    struct blocked blocked;

    if (blocked_look(why->target.pid, &blocked) == 0 && !blocked.ended) {
        const struct blocked_thread *thread = blocked_main(&blocked);
        if (process)
            view_print_process(process, &who);
        else
            bytes_print(&who, "process %d", (int)why->target.pid);
        blocked_print_thread(thread, why->table, &what);
        if (blocked_is_stopped(&blocked))
            add_stopped(why, who.data ? who.data : "", &blocked);
        diagnosis_note(&why->diagnosis, "%s, of %zu thread%s: %s", who.data ? who.data : "",
            blocked.count, blocked.count == 1 ? "" : "s", what.data ? what.data : "");
        note_other_end(why, thread);
    }
    blocked_fini(&blocked);
}

/* Whether a process has open what we may not look at: in the table it seems to have nothing. Its
 * folder may be hidden, or only where its descriptors lead to. */
static bool is_hidden(pid_t pid)
{
    char path[40], target[8];

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    AUTO_DIR DIR *folder = opendir(path);
    if (!folder)
        return errno == EACCES;
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            return readlinkat(dirfd(folder), entry->d_name, target, sizeof(target)) < 0 &&
                   errno == EACCES;
    return false;
}

static void add_hidden(struct why *why)
{
    struct finding *finding =
        finding_add(&why->diagnosis, VERDICT_NOT_SEEN, "what it has open can't be seen from here");

    finding_prove(finding, "/proc/%d/fd: EACCES (Permission denied)", (int)why->target.pid);
    finding_set_remedy(finding, "ask again as root, or with CAP_SYS_PTRACE");
}

void why_process(struct why *why)
{
    bool process = why->target.kind == VIEW_PROCESS || why->target.kind == VIEW_DESCRIPTOR;

    unsigned count = judge_endpoints(why);
    if (process && !diagnosis_find(&why->diagnosis, VERDICT_STOPPED))
        judge_process(why);
    if (count) {
        diagnosis_check(&why->diagnosis, "%u of its sockets, pipes and queues", count);
    } else if (process && is_hidden(why->target.pid)) {
        add_hidden(why);
    } else if (why->target.kind != VIEW_PROCESS) {
        AUTO_BYTES struct bytes meant = BYTES_EMPTY;
        struct finding *finding = finding_add(&why->diagnosis, VERDICT_NOT_SEEN,
            "no socket, pipe or queue that can be seen is meant by that");
        finding_set_remedy(finding, "%s",
            view_target_print_meant(&why->target, &meant) && meant.data
                ? meant.data
                : "`ferry ls` lists what there is, as root all of it");
    }
}
