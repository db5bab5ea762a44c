/* hanging.c - clients that hang in connect(2), since a backlog is full.
 *
 * A unix socket that hangs there is in no table with where it wants to go: it is found by the
 * system call of its thread, whose address is read from memory. A TCP socket is there, in SYN-SENT.
 */
#include "base/cleanup.h"
#include "command/view/blocked.h"
#include "command/view/names.h"
#include "command/view/proc.h"
#include "command/why/why.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct hanging {
    struct bytes names;
    unsigned count;     /* threads or connections */
    unsigned processes; /* that have them */
    pid_t last;
};

static void add_name(struct hanging *hanging, const char *name, pid_t pid)
{
    hanging->count++;
    if (pid == hanging->last)
        return; /* its next thread or connection */
    hanging->last = pid;
    if (hanging->processes++ < WHY_NAMES_MAX) {
        bytes_append_text(&hanging->names, hanging->names.size ? ", " : "");
        bytes_print(&hanging->names, "%s[%d]", name, (int)pid);
    }
}

static bool connects_to(const struct blocked_thread *thread, const struct ferry_endpoint *listener)
{
    struct sockaddr_un address = { 0 };
    size_t before = offsetof(struct sockaddr_un, sun_path);

    if (thread->address_size <= before || thread->address_size > sizeof(address))
        return false;
    memcpy(&address, thread->address, thread->address_size);
    size_t size = thread->address_size - before;
    if (address.sun_family != AF_UNIX)
        return false;
    if (!address.sun_path[0])
        return listener->name_size == size && memcmp(listener->name, address.sun_path, size) == 0;
    AUTO_FREE char *path = strndup(address.sun_path, size);
    return path && listener->path && proc_path_is(thread->pid, path, 0, listener->path->inode);
}

static void look_at_process(
    struct hanging *hanging, const struct ferry_endpoint *listener, pid_t pid)
{
    struct blocked blocked;
    struct proc_stat stat;

    if (blocked_look(pid, &blocked) == 0)
        for (size_t i = 0; i < blocked.count; i++) {
            if (!connects_to(&blocked.threads[i], listener))
                continue;
            AUTO_FD int folder = proc_open(pid);
            add_name(hanging, proc_stat_read(folder, &stat) == 0 ? stat.name : "?", pid);
        }
    blocked_fini(&blocked);
}

static void look_unix(struct hanging *hanging, const struct ferry_endpoint *listener)
{
    AUTO_DIR DIR *folder = opendir("/proc");

    for (pid_t pid; folder && (pid = proc_next(folder));)
        look_at_process(hanging, listener, pid);
}

static void look_tcp(
    const struct why *why, struct hanging *hanging, const struct ferry_endpoint *listener)
{
    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        if (endpoint->state == FERRY_STATE_SYN_SENT && endpoint->owner_count &&
            endpoint->network == listener->network && view_target_matches(&why->target, endpoint))
            add_name(hanging, endpoint->owners[0].process->name, endpoint->owners[0].process->pid);
    }
}

void prove_hanging(
    const struct why *why, struct finding *finding, const struct ferry_endpoint *listener)
{
    struct hanging hanging = { .names = BYTES_EMPTY };

    if (listener->family == AF_UNIX)
        look_unix(&hanging, listener);
    else
        look_tcp(why, &hanging, listener);
    if (hanging.count && !bytes_failed(&hanging.names))
        finding_prove(finding, "%u hang%s in connect(2) for a place: %s%s", hanging.count,
            hanging.count == 1 ? "s" : "", hanging.names.data,
            hanging.processes > WHY_NAMES_MAX ? " and more" : "");
    bytes_fini(&hanging.names);
}
