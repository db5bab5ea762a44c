/* machine_paths.c - listeners whose path leads nowhere, and sockets that too many may reach or
 * replace.
 *
 * Many daemons let everybody connect and judge who it is (databases, the bus): what system users
 * serve to all is one note, and one that a person's program serves to all is a risk of its own.
 */
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/view/names.h"
#include "command/why/machine_checks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* --- orphaned --------------------------------------------------------------------------------- */

static void orphan_say(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    bool missing = endpoint->path->state == FERRY_PATH_MISSING;
    /* Who sees the path from another root can't be asked if he can't be seen. */
    bool sure = endpoint->owner_count > 0;
    struct finding *finding = findings_add(&machine->findings, FINDING_ORPHAN_LISTENER,
        sure ? BREAKS_NOW : RISK, endpoint->client_count);
    AUTO_BYTES struct bytes local = BYTES_EMPTY, owners = BYTES_EMPTY;

    if (!finding)
        return;
    view_print_local(endpoint, &local);
    view_print_owners(endpoint, &owners);
    bytes_print(&finding->headline, "%s: %s listens there%s, and %s", local.data,
        owners.size ? owners.data : "somebody", sure ? "" : ", perhaps in another root directory",
        missing ? "nobody can connect: the file is gone"
                : "nobody reaches it: another file is in its place");
    if (missing)
        finding_evidence(finding, "it was removed or renamed after bind(2)");
    else
        finding_evidence(finding, "who connects reaches whoever is bound to the new file, if any");
    machine_say_network(finding, endpoint);
    const char *unit = sure ? endpoint->owners[0].process->unit : NULL;
    if (unit) {
        bytes_append_text(&finding->remedy, "systemctl restart ");
        shell_quote(&finding->remedy, unit);
    } else if (sure) {
        bytes_print(&finding->remedy, "restart %s, so that it binds the path again", owners.data);
    }
    finding_fact_text(finding, "path", local.data);
    finding_fact_text(finding, "state", ferry_path_state_name(endpoint->path->state));
    finding_fact_number(finding, "inode", endpoint->inode);
    if (sure)
        finding_fact_number(finding, "pid", (uint64_t)endpoint->owners[0].process->pid);
}

/* --- who may --------------------------------------------------------------------------------- */

/* The path as we can open it; NULL: it is seen from another root, where we are not. */
static const char *path_of(const struct ferry_endpoint *endpoint)
{
    const char *path = endpoint->path->where ? endpoint->path->where : endpoint->name;
    return path && path[0] == '/' && strncmp(path, "/proc/", 6) != 0 ? path : NULL;
}

/* Whether somebody without any right of his own comes to the socket; ret_folder  the mode of the
 * folder it is in. */
static bool is_reachable(const char *path, mode_t *ret_folder)
{
    char folder[PATH_MAX];
    struct statx status;

    if (strlen(path) >= sizeof(folder))
        return false;
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t size = slash == path ? 1 : (size_t)(slash - path);
        memcpy(folder, path, size);
        folder[size] = '\0';
        if (statx(AT_FDCWD, folder, AT_STATX_DONT_SYNC, STATX_MODE, &status) < 0 ||
            !(status.stx_mode & S_IXOTH))
            return false;
        *ret_folder = status.stx_mode;
    }
    return true;
}

static uid_t server_uid(const struct ferry_endpoint *endpoint)
{
    uid_t uid = endpoint->owner_count ? endpoint->owners[0].process->uid : (uid_t)-1;
    return uid == (uid_t)-1 ? endpoint->path->uid : uid;
}

/* Folders whose sockets are for everybody: the display's and its session's. */
static bool is_for_all(const char *path)
{
    return strncmp(path, "/tmp/.X11-unix/", 15) == 0 || strncmp(path, "/tmp/.ICE-unix/", 15) == 0;
}

static void socket_facts(struct finding *finding, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes local = BYTES_EMPTY;

    view_print_local(endpoint, &local);
    finding_fact_text(finding, "path", local.data ? local.data : "");
    finding_fact_number(finding, "uid", server_uid(endpoint));
    finding_fact_number(finding, "inode", endpoint->inode);
    if (endpoint->owner_count)
        finding_fact_number(finding, "pid", (uint64_t)endpoint->owners[0].process->pid);
}

static void replaceable_say(
    struct machine *machine, const struct ferry_endpoint *endpoint, const char *path)
{
    struct finding *finding = findings_add(
        &machine->findings, FINDING_REPLACEABLE, RISK, server_uid(endpoint) < PERSONS_UID_MIN);
    AUTO_BYTES struct bytes local = BYTES_EMPTY, owners = BYTES_EMPTY;
    AUTO_FREE char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));

    if (!finding || !folder)
        return;
    view_print_local(endpoint, &local);
    view_print_owners(endpoint, &owners);
    bytes_print(&finding->headline,
        "%s: every user may put his own socket in its place, and take its clients", local.data);
    finding_evidence(finding, "its directory is writable for all, without the sticky bit");
    if (owners.size)
        finding_evidence(finding, "%s serves it", owners.data);
    bytes_append_text(&finding->remedy, "chmod +t ");
    shell_quote(&finding->remedy, *folder ? folder : "/");
    socket_facts(finding, endpoint);
}

static void writable_say(
    struct machine *machine, const struct ferry_endpoint *endpoint, const char *path)
{
    struct finding *finding =
        findings_add(&machine->findings, FINDING_WORLD_WRITABLE, RISK, server_uid(endpoint));
    AUTO_BYTES struct bytes local = BYTES_EMPTY, owners = BYTES_EMPTY, user = BYTES_EMPTY;

    if (!finding)
        return;
    view_print_local(endpoint, &local);
    view_print_owners(endpoint, &owners);
    view_print_user(server_uid(endpoint), &user);
    bytes_print(&finding->headline, "%s: every user may connect to what %s runs there", local.data,
        user.data ? user.data : "somebody");
    finding_evidence(finding, "mode %04o, and every directory above lets all pass",
        (unsigned)(endpoint->path->mode & 07777));
    if (owners.size)
        finding_evidence(finding, "%s serves it", owners.data);
    bytes_append_text(&finding->remedy, "chmod o-w ");
    shell_quote(&finding->remedy, path);
    socket_facts(finding, endpoint);
}

/* What system users serve to everybody. */
struct daemons {
    uint64_t count;
    const struct ferry_endpoint *first[EVIDENCE_SHOWN_MAX];
};

static void daemons_say(struct machine *machine, const struct daemons *daemons)
{
    struct finding *finding =
        findings_add(&machine->findings, FINDING_WORLD_WRITABLE, NOTE, daemons->count);

    if (!finding)
        return;
    bytes_print(&finding->headline,
        "every user may connect to %" PRIu64 " %s: they must know whom they serve", daemons->count,
        machine_plural(daemons->count, "socket of a system's daemon", "sockets of system daemons"));
    for (uint64_t i = 0; i < daemons->count && i < EVIDENCE_SHOWN_MAX; i++) {
        AUTO_BYTES struct bytes local = BYTES_EMPTY, owners = BYTES_EMPTY;
        view_print_local(daemons->first[i], &local);
        view_print_owners(daemons->first[i], &owners);
        finding_evidence(finding, "%s  %s", local.data, owners.size ? owners.data : "");
    }
    if (daemons->count > EVIDENCE_SHOWN_MAX)
        finding_evidence(finding, "and %" PRIu64 " more", daemons->count - EVIDENCE_SHOWN_MAX);
    finding_fact_number(finding, "count", daemons->count);
}

static void access_check(
    struct machine *machine, const struct ferry_endpoint *endpoint, struct daemons *daemons)
{
    const char *path = path_of(endpoint);
    mode_t folder = 0;

    if (!path || !is_reachable(path, &folder))
        return;
    if (folder & S_IWOTH && !(folder & S_ISVTX))
        replaceable_say(machine, endpoint, path);
    if (!(endpoint->path->mode & S_IWOTH))
        return;
    if (server_uid(endpoint) >= PERSONS_UID_MIN && !is_for_all(path))
        writable_say(machine, endpoint, path);
    else if (daemons->count++ < EVIDENCE_SHOWN_MAX)
        daemons->first[daemons->count - 1] = endpoint;
}

/* A listener, or a datagram server. */
static bool serves(const struct ferry_endpoint *endpoint)
{
    return endpoint->state == FERRY_STATE_LISTENING ||
           (endpoint->kind == FERRY_ENDPOINT_UNIX_DATAGRAM && !endpoint->peer_inode);
}

int check_paths(struct machine *machine)
{
    struct daemons daemons = { 0 };

    for (size_t i = 0; i < ferry_endpoints_count(machine->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(machine->table, i);
        if (!endpoint->path || !serves(endpoint))
            continue;
        bool gone = endpoint->path->state == FERRY_PATH_MISSING ||
                    endpoint->path->state == FERRY_PATH_REPLACED;
        /* A datagram socket may well live without its path: clients are bound for the answer. */
        if (gone && endpoint->state == FERRY_STATE_LISTENING)
            orphan_say(machine, endpoint);
        else if (endpoint->path->state == FERRY_PATH_THERE)
            access_check(machine, endpoint, &daemons);
    }
    if (daemons.count)
        daemons_say(machine, &daemons);
    return 0;
}
