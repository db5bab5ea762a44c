/* machine_stale.c - socket files that nobody is bound to any more.
 *
 * A file that no row of the table names is asked, too: a datagram socket connects to it and is
 * closed. The kernel refuses (ECONNREFUSED) if nobody is bound; if somebody is, whose socket is of
 * another type, it says so (EPROTOTYPE) without telling him; and a datagram server does not notice
 * either, since nothing is sent. So a socket of a network namespace that can't be seen, or one that
 * was bound after the look, is no false alarm.
 */
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/table.h"
#include "command/view/names.h"
#include "command/why/datagram.h"
#include "command/why/machine_checks.h"
#include "command/why/machine_search.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

/* A file that a socket is bound to. */
struct bound_file {
    uint64_t inode, device;
    bool any_device; /* it could not be looked at: its inode is all that is sure */
};

struct stale {
    struct machine *machine;
    struct bound_file *bound; /* by inode */
    size_t bound_count;
};

static int compare_bound(const void *one, const void *other)
{
    const struct bound_file *a = one, *b = other;
    return (a->inode > b->inode) - (a->inode < b->inode);
}

static bool is_bound(const struct stale *stale, const struct stat *status)
{
    size_t low = 0, high = stale->bound_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (stale->bound[middle].inode < status->st_ino)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < stale->bound_count && stale->bound[low].inode == status->st_ino; low++)
        if (stale->bound[low].any_device || stale->bound[low].device == status->st_dev)
            return true;
    return false;
}

/* Stacked file systems tell stat(2) another device than the kernel's diagnosis: where the path
 * leads to the socket, stat(2) is asked. */
static struct bound_file bound_of(const struct ferry_endpoint *endpoint)
{
    const struct ferry_path *path = endpoint->path;
    const char *where = path->where ? path->where : endpoint->name;
    struct bound_file bound = { path->inode, path->device, path->state == FERRY_PATH_UNKNOWN };
    struct statx status;

    if (path->state == FERRY_PATH_THERE && where &&
        statx(AT_FDCWD, where, AT_STATX_DONT_SYNC, STATX_INO, &status) == 0 &&
        status.stx_ino == path->inode)
        bound.device = makedev(status.stx_dev_major, status.stx_dev_minor);
    else if (path->state == FERRY_PATH_THERE)
        bound.any_device = true;
    return bound;
}

static int bound_collect(struct stale *stale)
{
    const struct ferry_endpoints *table = stale->machine->table;
    const struct ferry_path *last = NULL;

    stale->bound = calloc(ferry_endpoints_count(table) + 1, sizeof(*stale->bound));
    if (!stale->bound)
        return -ENOMEM;
    for (size_t i = 0; i < ferry_endpoints_count(table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(table, i);
        /* What one listener has accepted has its path, and stands together. */
        if (!endpoint->path || endpoint->path == last)
            continue;
        last = endpoint->path;
        stale->bound[stale->bound_count++] = bound_of(endpoint);
    }
    qsort(stale->bound, stale->bound_count, sizeof(*stale->bound), compare_bound);
    return 0;
}

static void stale_say(
    struct machine *machine, const char *path, const struct stat *status, bool sure)
{
    int64_t age_ms = (int64_t)(time(NULL) - status->st_mtime) * 1000;
    struct finding *finding = findings_add(
        &machine->findings, FINDING_STALE_SOCKET, RISK, age_ms > 0 ? (uint64_t)age_ms : 0);
    AUTO_BYTES struct bytes shown = BYTES_EMPTY, user = BYTES_EMPTY;
    char age[24];

    if (!finding)
        return;
    bytes_append_escaped(&shown, path, strlen(path));
    view_print_user(status->st_uid, &user);
    span_print(age_ms > 0 ? age_ms : 0, age);
    bytes_print(&finding->headline, "%s: %sstale: nobody is bound to this socket file", shown.data,
        sure ? "" : "perhaps ");
    finding_evidence(finding,
        "made %s ago, of user %s; who connects is refused, and bind(2) there "
        "fails with EADDRINUSE",
        age, user.data);
    bytes_append_text(&finding->remedy, "rm ");
    shell_quote(&finding->remedy, path);
    finding_fact_text(finding, "path", path);
    finding_fact_number(finding, "uid", status->st_uid);
    finding_fact_number(finding, "age_ms", age_ms > 0 ? (uint64_t)age_ms : 0);
    json_object_set_new(finding->facts, "sure", json_boolean(sure));
}

static void on_socket(void *data, int folder, const char *path, const char *name)
{
    struct stale *stale = data;
    AUTO_FREE char *whole = NULL;
    AUTO_FD int file = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;

    if (file < 0 || fstat(file, &status) < 0 || !S_ISSOCK(status.st_mode) ||
        is_bound(stale, &status))
        return;
    int code = datagram_room_of_file(file);
    if (code != -ECONNREFUSED && code != -EACCES)
        return;
    if (asprintf(&whole, "%s/%s", path, name) < 0) {
        whole = NULL;
        return;
    }
    /* The table is whole, or the kernel itself has said so. */
    stale_say(stale->machine, whole, &status, code == -ECONNREFUSED || !stale->machine->hidden);
}

/* --- where ------------------------------------------------------------------------------------ */

/* Folders in which a socket is bound may have others, left from before. */
static int search_bound(struct machine_search *search, const struct ferry_endpoints *table)
{
    AUTO_FREE char *last = NULL;
    int code = 0;

    for (size_t i = 0; i < ferry_endpoints_count(table) && code == 0; i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(table, i);
        if (!endpoint->path || endpoint->path->state != FERRY_PATH_THERE)
            continue;
        const char *path = endpoint->path->where ? endpoint->path->where : endpoint->name;
        const char *slash = path && path[0] == '/' ? strrchr(path, '/') : NULL;
        if (!slash || strncmp(path, "/proc/", 6) == 0)
            continue;
        char *folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
        if (!folder)
            return -ENOMEM;
        if (!last || strcmp(last, folder) != 0)
            code = search_place(search, folder, 0);
        free(last);
        last = folder;
    }
    return code;
}

static int search_all(struct machine_search *search, const struct ferry_endpoints *table)
{
    static const struct {
        const char *path;
        unsigned depth;
    } places[] = { { "/run", 4 }, { "/var/run", 4 }, { "/tmp", 3 }, { "/var/tmp", 2 },
        { "/var/lib", 2 } };
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int code = search_init(search);

    for (size_t i = 0; i < COUNT_OF(places) && code == 0; i++)
        code = search_place(search, places[i].path, places[i].depth);
    if (code == 0 && runtime && runtime[0] == '/')
        code = search_place(search, runtime, 3);
    return code == 0 ? search_bound(search, table) : code;
}

int check_stale(struct machine *machine)
{
    struct stale stale = { .machine = machine };
    struct machine_search search = { .type = DT_SOCK, .found = on_socket, .data = &stale };

    int code = bound_collect(&stale);
    if (code == 0)
        code = search_all(&search, machine->table);
    if (search.denied)
        machine_unseen(machine, "%u %s that you may not read", search.denied,
            machine_plural(search.denied, "directory", "directories"));
    if (search.cut)
        machine_unseen(machine, "directories beyond the first %u, or entries beyond the first %u",
            SEARCH_FOLDERS_MAX, SEARCH_ENTRIES_MAX);
    search_fini(&search);
    free(stale.bound);
    if (code < 0 && code != -ENOMEM) {
        machine_unseen(machine, "socket files (/proc/self/mountinfo: %s)", strerror(-code));
        code = 0;
    }
    return code;
}
