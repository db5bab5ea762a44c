/* namespaces.c - the network namespaces of this machine, and a way to ask in each.
 *
 * A socket belongs to a namespace for ever, and the diagnosis shows those of the namespace that its
 * own socket was opened in. A server's accepted socket lives in the namespace of the client that
 * called: who looks in one only misses half of the connections between containers.
 *
 * Found through the processes in them and the names of `ip netns`. A namespace is entered by
 * setns(2) for the time of one socket(2); that needs CAP_SYS_ADMIN, over the namespace too. Coming
 * back to where we were must not fail: nothing could be relied on afterwards, so it ends the
 * program.
 */
#include "base/array.h"
#include "base/cleanup.h"
#include "endpoints/limits.h"
#include "endpoints/table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NAMES_FOLDER  "/run/netns"
#define OWN_NAMESPACE "/proc/thread-self/ns/net"

struct ferry_namespace *namespaces_find(const struct ferry_endpoints *table, uint64_t inode)
{
    for (size_t i = 0; i < table->namespace_count; i++)
        if (table->namespaces[i]->inode == inode)
            return table->namespaces[i];
    return NULL;
}

int namespaces_add(struct ferry_endpoints *table, uint64_t inode, pid_t pid, const char *name)
{
    struct ferry_namespace *known = namespaces_find(table, inode);

    if (known) {
        if (pid && !known->pid)
            known->pid = pid;
        if (name && !known->name)
            known->name = arena_copy(&table->arena, name, strlen(name));
        return 0;
    }
    if (table->namespace_count == NAMESPACES_MAX) {
        table->gaps.hidden_namespaces++;
        return 0;
    }
    known = arena_new(&table->arena, sizeof(*known));
    if (!known || !array_reserve(&table->namespaces, table->namespace_count,
                      &table->namespace_capacity, sizeof(struct ferry_namespace *)))
        return -ENOMEM;
    known->inode = inode;
    known->pid = pid;
    known->own = table->namespace_count == 0;
    known->name = name ? arena_copy(&table->arena, name, strlen(name)) : NULL;
    table->namespaces[table->namespace_count++] = known;
    return name && !known->name ? -ENOMEM : 0;
}

/* A name that nothing is mounted on, as one that was made in another mount namespace leaves it
 * here, is a file. */
static int names_add(struct ferry_endpoints *table)
{
    AUTO_DIR DIR *folder = opendir(NAMES_FOLDER);
    struct stat own, status;
    int code = 0;

    if (folder && stat(OWN_NAMESPACE, &own) < 0)
        return -errno;
    for (struct dirent *entry; folder && code == 0 && (entry = readdir(folder));)
        if (fstatat(dirfd(folder), entry->d_name, &status, 0) == 0 && status.st_dev == own.st_dev)
            code = namespaces_add(table, status.st_ino, 0, entry->d_name);
    return code;
}

/* A descriptor of the namespace; the process may have gone, and its number be somebody else's. */
static int namespace_fd(const struct ferry_namespace *namespace)
{
    char path[sizeof(NAMES_FOLDER) + 258];
    struct stat status;
    AUTO_FD int fd = -1;

    if (namespace->pid) {
        snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)namespace->pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0 && namespace->name) {
        snprintf(path, sizeof(path), NAMES_FOLDER "/%s", namespace->name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0 || status.st_ino != namespace->inode)
        return -ESRCH;
    return fd_take(&fd);
}

static int diag_open_there(struct diag *diag, const struct ferry_namespace *namespace, int own)
{
    AUTO_FD int there = namespace_fd(namespace);

    if (there < 0)
        return there;
    if (setns(there, CLONE_NEWNET) < 0)
        return -errno;
    int code = diag_open(diag);
    if (setns(own, CLONE_NEWNET) < 0)
        abort();
    return code;
}

/* Another process that is in it, or was; false: there is none. */
static bool namespace_next(const struct ferry_endpoints *table, struct ferry_namespace *namespace)
{
    for (size_t i = 0; i < table->process_count; i++) {
        const struct ferry_process *process = &table->processes[i]->shown;
        if (process->namespace_inode != namespace->inode || process->pid <= namespace->pid)
            continue;
        namespace->pid = process->pid;
        return true;
    }
    return false;
}

static int visit_other(struct ferry_endpoints *table, size_t index, int own,
    int (*visit)(struct ferry_endpoints *, struct diag *, const struct ferry_namespace *))
{
    struct diag diag = { 0 };
    int code;

    do
        code = own < 0 ? -EPERM : diag_open_there(&diag, table->namespaces[index], own);
    while ((code == -ENOENT || code == -ESRCH) && namespace_next(table, table->namespaces[index]));
    if (code == -ENOENT || code == -ESRCH) /* its last process has gone meanwhile */
        return 0;
    if (code < 0) {
        table->namespaces[index]->hidden = true;
        table->gaps.hidden_namespaces++;
        return code == -ENOMEM ? code : 0;
    }
    code = visit(table, &diag, table->namespaces[index]);
    diag_close(&diag);
    return code;
}

int namespaces_add_own(struct ferry_endpoints *table)
{
    struct stat status;

    return stat(OWN_NAMESPACE, &status) < 0 ? -errno
                                            : namespaces_add(table, status.st_ino, 0, NULL);
}

int namespaces_visit(struct ferry_endpoints *table,
    int (*visit)(struct ferry_endpoints *, struct diag *, const struct ferry_namespace *))
{
    AUTO_FD int own = -1;
    struct diag diag = { 0 };
    int code = table_wants(table, FERRY_GATHER_NAMESPACES) ? names_add(table) : 0;

    if (code == 0)
        code = diag_open(&diag);
    if (code < 0)
        return code;
    code = visit(table, &diag, table->namespaces[0]);
    diag_close(&diag);
    if (table->namespace_count > 1)
        own = open(OWN_NAMESPACE, O_RDONLY | O_CLOEXEC);
    for (size_t i = 1; i < table->namespace_count && code == 0; i++)
        if (!table->namespaces[i]->hidden)
            code = visit_other(table, i, own, visit);
    return code;
}
