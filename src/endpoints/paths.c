/* paths.c - what has become of the paths that unix sockets were bound to.
 *
 * The kernel keeps the file that bind(2) made, whatever happens to the path: so the file at the
 * path now is compared with it. A name is looked at as its owner sees it: from its root folder (a
 * container has another), a relative one from its working folder; and as we see it where that can't
 * be seen.
 *
 * Files are compared by inode. The device may differ, since stacked file systems tell stat(2)
 * another one than the kernel uses itself; two sockets of one path and one inode on two devices are
 * not worth a wrong alarm.
 *
 * Whoever binds a socket chooses its path, and what is at the path later: a dead network file
 * system there must not hold us up. What can't be told without asking it is unknown.
 *
 * Some servers bind a name for the work, and when all is ready rename it to the one that clients
 * know, as files are replaced in one step: "web.sock.4711.tmp" to "web.sock" (haproxy). The kernel
 * goes on telling the name that was bound. So where nothing is left of a name, the file is looked
 * for under what that name begins with, and no folder is read for it; any other has been renamed
 * behind its server's back, and its clients will not find it.
 *
 * Accepted sockets have their listener's name and file: each file is looked at once.
 */
#include "base/cleanup.h"
#include "base/quiet.h"
#include "endpoints/limits.h"
#include "endpoints/table.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int compare_bounds(const void *one, const void *other)
{
    const struct bound *a = one, *b = other;

    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    if (a->inode != b->inode)
        return a->inode < b->inode ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

/* Looks at one path; what it says counts unless it can't say anything. */
static void look_at(const struct quiet_view *view, const char *path, struct ferry_path *found)
{
    AUTO_FD int fd = quiet_open(view, path);
    struct statx status;

    if (fd < 0 ||
        statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &status) < 0) {
        bool missing = fd == -ENOENT || fd == -ENOTDIR;
        found->state = missing ? FERRY_PATH_MISSING : FERRY_PATH_UNKNOWN;
        return;
    }
    bool same = status.stx_ino == found->inode && S_ISSOCK(status.stx_mode);
    found->state = same ? FERRY_PATH_THERE : FERRY_PATH_REPLACED;
    found->mode = status.stx_mode;
    found->uid = status.stx_uid;
    found->gid = status.stx_gid;
}

/* The folder that a relative name is most likely relative to, as we can open it: where the owner
 * works. False: it can't be told. */
static bool folder_of(const struct ferry_process *process, char folder[PATH_MAX])
{
    char link[64];

    snprintf(link, sizeof(link), "/proc/%d/cwd", (int)process->pid);
    ssize_t length = readlink(link, folder, PATH_MAX - 1);
    if (length <= 0)
        return false;
    folder[length] = '\0';
    return true;
}

static void set_where(struct ferry_endpoints *table, struct ferry_path *found, const char *where)
{
    if (found->state == FERRY_PATH_THERE)
        found->where = arena_copy(&table->arena, where, strlen(where));
}

/* A relative name: its binder may have worked elsewhere since, so that only a find says something.
 */
static void look_relative(struct ferry_endpoints *table, const struct ferry_process *process,
    const char *name, struct ferry_path *found)
{
    char folder[PATH_MAX], path[PATH_MAX * 2];

    found->state = FERRY_PATH_UNKNOWN;
    if (!process || !folder_of(process, folder))
        return;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    look_at(NULL, path, found);
    if (found->state != FERRY_PATH_THERE) {
        snprintf(path, sizeof(path), "/proc/%d/cwd", (int)process->pid);
        AUTO_FD int work = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        const struct quiet_view theirs = { .folder = work, .pid = process->pid };
        if (work >= 0)
            look_at(&theirs, name, found);
        snprintf(path, sizeof(path), "/proc/%d/cwd/%s", (int)process->pid, name);
    }
    if (found->state != FERRY_PATH_THERE)
        found->state = FERRY_PATH_UNKNOWN;
    set_where(table, found, path);
}

/* Under the name that it was given when it was ready: without the ends that it was bound with, and
 * without a dot before it.
 *   root  what leads to the view's root from here
 * Nothing changes unless it is found. */
static void look_renamed(struct ferry_endpoints *table, const struct quiet_view *view,
    const char *root, const char *name, struct ferry_path *found)
{
    char path[PATH_MAX], where[PATH_MAX + 64];
    size_t folder_size = (size_t)(strrchr(name, '/') + 1 - name);
    const char *last = name + folder_size + (name[folder_size] == '.');
    size_t size = strlen(last);

    for (unsigned looks = 0; looks < PATH_NAMES_MAX && size > 0; looks++) {
        struct ferry_path there = *found;
        snprintf(path, sizeof(path), "%.*s%.*s", (int)folder_size, name, (int)size, last);
        look_at(view, path, &there);
        if (there.state == FERRY_PATH_THERE) {
            *found = there;
            snprintf(where, sizeof(where), "%s%s", root, path);
            set_where(table, found, where);
            return;
        }
        do
            size--;
        while (size > 0 && !strchr(".-_~", last[size]));
    }
}

static void look_absolute(struct ferry_endpoints *table, const struct ferry_process *process,
    const char *name, struct ferry_path *found)
{
    char path[PATH_MAX + 64];
    struct ferry_path there = *found;

    look_at(NULL, name, found);
    if (found->state == FERRY_PATH_MISSING)
        look_renamed(table, NULL, "", name, found);
    if (found->state == FERRY_PATH_THERE || !process)
        return;
    snprintf(path, sizeof(path), "/proc/%d/root", (int)process->pid);
    AUTO_FD int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) /* not ours to see, or gone: our own view is all there is */
        return;
    /* A container's /var/run is a link to its own /run, not to ours. */
    const struct quiet_view theirs = { .folder = root, .is_root = true, .pid = process->pid };
    look_at(&theirs, name, &there);
    if (there.state == FERRY_PATH_MISSING)
        look_renamed(table, &theirs, path, name, &there);
    if (there.state == FERRY_PATH_UNKNOWN)
        return;
    *found = there;
    snprintf(path, sizeof(path), "/proc/%d/root%s", (int)process->pid, name);
    if (!found->where)
        set_where(table, found, path);
}

static void path_look_as(struct ferry_endpoints *table, const struct ferry_endpoint *row,
    const struct ferry_process *process, struct ferry_path *found)
{
    if (row->name && row->name[0] == '/')
        look_absolute(table, process, row->name, found);
    else if (row->name && row->name[0])
        look_relative(table, process, row->name, found);
}

/* As each of its owners sees it, until one finds it: who has made a socket for another may see
 * another root than who has bound it. */
static void path_look(
    struct ferry_endpoints *table, const struct ferry_endpoint *row, struct ferry_path *found)
{
    unsigned looks = 0;

    path_look_as(table, row, row->owner_count ? row->owners[0].process : NULL, found);
    for (unsigned i = 1; i < row->owner_count && found->state != FERRY_PATH_THERE; i++) {
        if (row->owners[i].process == row->owners[i - 1].process)
            continue;
        if (++looks == PATH_VIEWS_MAX)
            return;
        path_look_as(table, row, row->owners[i].process, found);
    }
}

/* Those of one file stand together; the first that is a listener or has an owner is asked, since
 * what waits in a backlog has none. */
int paths_look(struct ferry_endpoints *table)
{
    struct ferry_path *found = NULL;

    if (table->bound_count)
        qsort(table->bounds, table->bound_count, sizeof(*table->bounds), compare_bounds);
    for (size_t i = 0; i < table->bound_count; i++) {
        const struct bound *bound = &table->bounds[i];
        struct ferry_endpoint *row = &table->rows.data[bound->row];
        bool same = found && found->inode == bound->inode && found->device == bound->device;
        if (!same) {
            found = arena_new(&table->arena, sizeof(*found));
            if (!found)
                return -ENOMEM;
            found->inode = bound->inode;
            found->device = bound->device;
        }
        if (found->state == FERRY_PATH_NONE ||
            (found->state != FERRY_PATH_THERE && row->state == FERRY_STATE_LISTENING))
            path_look(table, row, found);
        row->path = found;
    }
    return 0;
}
