/* unix.c - what stands at a path or abstract name.
 *
 * A socket is at a path if the file there is the one that its bind(2) made: same inode. A name
 * alone proves nothing, since the file may have been removed or replaced. Accepted sockets have
 * their listener's name and file; they are the server's side of the connections.
 */
#include "base/cleanup.h"
#include "command/quote.h"
#include "command/view/names.h"
#include "command/view/proc.h"
#include "command/why/datagram.h"
#include "command/why/server.h"
#include "command/why/why.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

/* What is there of a name. */
struct standing {
    const struct ferry_endpoint *listener; /* of streams or packets */
    const struct ferry_endpoint *datagram;
    const struct ferry_endpoint *bound; /* bound, and not listening */
    unsigned connections;
};

static bool is_unix(const struct ferry_endpoint *endpoint)
{
    return (1u << endpoint->kind) & FERRY_ENDPOINTS_UNIX;
}

static bool has_name(const struct why *why, const struct ferry_endpoint *endpoint)
{
    const struct view_target *target = &why->target;

    return is_unix(endpoint) && target->name_size && endpoint->name_size == target->name_size &&
           memcmp(endpoint->name, target->name, target->name_size) == 0;
}

/* The device may be another than stat(2) tells (paths.c): the name or a place of its own tells
 * that it is no accident then. */
static bool is_at(
    const struct why *why, const struct ferry_endpoint *endpoint, const struct stat *status)
{
    const struct ferry_path *path = endpoint->path;

    return is_unix(endpoint) && path && path->inode == status->st_ino &&
           (path->device == status->st_dev || path->where || has_name(why, endpoint));
}

static void standing_add(struct standing *standing, const struct ferry_endpoint *endpoint)
{
    if (endpoint->kind == FERRY_ENDPOINT_UNIX_DATAGRAM)
        standing->datagram = endpoint;
    else if (endpoint->state == FERRY_STATE_LISTENING)
        standing->listener = endpoint;
    else if (endpoint->state == FERRY_STATE_CLOSED && !endpoint->peer_inode)
        standing->bound = endpoint;
    else
        standing->connections++;
}

/* --- what was found --------------------------------------------------------------------------- */

static const char *kind_words(unsigned kind)
{
    return kind == FERRY_ENDPOINT_UNIX_DATAGRAM    ? "a datagram socket"
           : kind == FERRY_ENDPOINT_UNIX_SEQPACKET ? "a packet socket (SOCK_SEQPACKET)"
                                                   : "a stream socket";
}

static const char *scheme_of(unsigned kind)
{
    return kind == FERRY_ENDPOINT_UNIX_DATAGRAM    ? "unix-dgram"
           : kind == FERRY_ENDPOINT_UNIX_SEQPACKET ? "unix-seq"
                                                   : "unix";
}

static void print_address(const struct why *why, unsigned kind, struct bytes *text)
{
    AUTO_BYTES struct bytes address = BYTES_EMPTY;

    bytes_print(&address, "%s:%s%s", scheme_of(kind), why->target.kind == VIEW_ABSTRACT ? "@" : "",
        why->target.name);
    shell_quote(text, address.data ? address.data : "");
}

/* The scheme said one type, and the socket is of another. */
static bool add_wrong_type(struct why *why, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY, address = BYTES_EMPTY;

    if (why->target.kinds & 1u << endpoint->kind)
        return false;
    view_print_holders(endpoint, &who);
    print_address(why, endpoint->kind, &address);
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_WRONG_TYPE, "it is %s, of %s",
        kind_words(endpoint->kind), who.data ? who.data : "");
    finding_set_client(finding, "EPROTOTYPE (Protocol wrong type for socket)");
    finding_prove(finding, "socket %llu is %s", (unsigned long long)endpoint->inode,
        ferry_endpoint_kind_name(endpoint->kind));
    finding_set_remedy(finding, "use its type: %s", address.data ? address.data : "");
    return true;
}

static void add_not_listening(struct why *why, const struct ferry_endpoint *bound)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY;
    struct server server;

    view_print_holders(bound, &who);
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_NOT_LISTENING,
        "%s has bound it, and does not listen", who.data ? who.data : "");
    finding_set_client(finding, "ECONNREFUSED (Connection refused)");
    finding_prove(finding, "socket %llu is %s", (unsigned long long)bound->inode,
        ferry_endpoint_state_name(bound->state));
    server_look(why->table, bound, &server);
    server_prove(&server, finding);
    finding->cause = NULL;
    finding_set_remedy(finding, "wait until it has started up, or see why it does not: it has yet "
                                "to call listen(2)");
    server_fini(&server);
}

/* --- datagrams -------------------------------------------------------------------------------- */

static bool is_unmoved(const struct why *why, const struct ferry_endpoint *endpoint)
{
    const struct look *look = looks_find(&why->looks, endpoint);

    return look && endpoint->receive_queue > 0 && look->receive_queue > 0 &&
           endpoint->receive_queue == look->receive_queue;
}

static void prove_senders(struct finding *finding, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes names = BYTES_EMPTY;

    datagram_print_senders(endpoint, &names);
    if (names.size && !bytes_failed(&names))
        finding_prove(finding, "its senders have unread messages there: %s", names.data);
}

static void judge_datagram(struct why *why, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY;
    struct server server;
    int room = why->target.kind == VIEW_ABSTRACT ? datagram_room(endpoint)
                                                 : datagram_room_of_path(why->target.name);
    uint64_t most = 0;

    why->diagnosis.endpoint = endpoint;
    proc_number("/proc/sys/net/unix/max_dgram_qlen", 0, &most);
    view_print_holders(endpoint, &who);
    server_look(why->table, endpoint, &server);
    bool stands = server.doing == SERVER_STOPPED || server.doing == SERVER_TRACED;
    if ((room == 0 && is_unmoved(why, endpoint)) || stands) {
        struct finding *finding =
            finding_add(&why->diagnosis, room == 0 ? VERDICT_QUEUE_FULL : VERDICT_STOPPED,
                room == 0 ? "its queue is full: %s does not read" : "%s is stopped",
                who.data ? who.data : "");
        finding_set_client(finding,
            room == 0 ? "sending hangs until there is room; without blocking it says EAGAIN "
                        "(Resource temporarily unavailable)"
                      : "messages are taken until the queue is full, and not read");
        if (endpoint->receive_queue)
            finding_prove(finding, "the first message, of %u bytes, has not moved within %d ms",
                endpoint->receive_queue, LOOKS_APART_MS);
        if (room == 0)
            finding_prove(finding,
                "poll(2) calls a socket connected to it not writable; queues "
                "made now hold %" PRIu64 " messages (net.unix.max_dgram_qlen)",
                most);
        server_prove(&server, finding);
        prove_senders(finding, endpoint);
    } else {
        diagnosis_check(&why->diagnosis, "socket: %s of %s is bound there",
            kind_words(endpoint->kind), who.data ? who.data : "");
        diagnosis_check(&why->diagnosis, "server: %s is %s", who.data ? who.data : "",
            server.what.data ? server.what.data : "not to be seen");
        if (room == 1)
            diagnosis_check(&why->diagnosis, "queue: there is room for a message");
    }
    server_fini(&server);
}

/* --- all of a name ---------------------------------------------------------------------------- */

static void judge_connections(struct why *why, const struct stat *status)
{
    unsigned count = 0;

    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        bool here = status ? is_at(why, endpoint, status)
                           : is_unix(endpoint) && view_target_matches(&why->target, endpoint);
        if (!here || endpoint->state != FERRY_STATE_ESTABLISHED || !endpoint->peer ||
            endpoint->kind == FERRY_ENDPOINT_UNIX_DATAGRAM)
            continue;
        count++;
        why_connection(why, endpoint, endpoint->peer);
    }
    if (count && !diagnosis_find(&why->diagnosis, VERDICT_SERVER_NOT_READING) &&
        !diagnosis_find(&why->diagnosis, VERDICT_CLIENT_NOT_READING))
        diagnosis_check(&why->diagnosis, "connections: %u, none of them stuck", count);
}

/* True: something stands there. */
static bool judge_standing(struct why *why, const struct standing *standing)
{
    const struct ferry_endpoint *endpoint = standing->listener   ? standing->listener
                                            : standing->datagram ? standing->datagram
                                                                 : standing->bound;

    if (!endpoint)
        return false;
    bool wrong = add_wrong_type(why, endpoint);
    if (standing->listener) {
        why_listener(why, standing->listener);
        why_ferry(why, standing->listener);
    } else if (standing->datagram) {
        judge_datagram(why, standing->datagram);
        why_ferry(why, standing->datagram);
    } else {
        add_not_listening(why, standing->bound);
    }
    if (why->try && !wrong)
        why_try(why, endpoint->kind);
    return true;
}

/* --- paths ------------------------------------------------------------------------------------ */

static void judge_mode(struct why *why, const char *where, const struct stat *status)
{
    AUTO_BYTES struct bytes reason = BYTES_EMPTY, quoted = BYTES_EMPTY;

    who_print_why(&why->who, where, status, &reason);
    shell_quote(&quoted, where);
    if (who_may(&why->who, where, status, W_OK)) {
        diagnosis_check(
            &why->diagnosis, "mode: %s may write to it, as connect(2) needs", why->who.words);
        return;
    }
    struct finding *finding = finding_add(
        &why->diagnosis, VERDICT_NO_PERMISSION, "%s may not write to it", why->who.words);
    finding_set_client(finding, "EACCES (Permission denied)");
    finding_prove(finding, "%s: %s", where, reason.data ? reason.data : "");
    finding_set_remedy(finding,
        "put them in its group, or: chmod o+w %s   (its server's configuration says the mode it "
        "makes it with)",
        quoted.data ? quoted.data : "");
}

/* One that is bound to this name, and whose file is no longer there: bound listeners only, as
 * accepted sockets outlive them by right. */
static const struct ferry_endpoint *find_displaced(const struct why *why, const struct stat *status)
{
    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        bool serves = endpoint->state == FERRY_STATE_LISTENING ||
                      endpoint->kind == FERRY_ENDPOINT_UNIX_DATAGRAM;
        if (!serves || !has_name(why, endpoint) || !endpoint->path)
            continue;
        /* One that is there, though not here, is in a container: its own matter. */
        if (!status || (!is_at(why, endpoint, status) && endpoint->path->state != FERRY_PATH_THERE))
            return endpoint;
    }
    return NULL;
}

static void add_displaced(struct why *why, const struct ferry_endpoint *endpoint,
    enum verdict verdict, const char *what, const char *client)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY, quoted = BYTES_EMPTY;

    view_print_holders(endpoint, &who);
    struct finding *finding =
        finding_add(&why->diagnosis, verdict, "%s listens, but %s", who.data ? who.data : "", what);
    finding_set_client(finding, "%s", client);
    finding_prove(finding, "%s holds socket %llu, bound to a file of inode %llu of this name",
        who.data ? who.data : "", (unsigned long long)endpoint->inode,
        (unsigned long long)endpoint->path->inode);
    const char *unit = endpoint->owner_count ? endpoint->owners[0].process->unit : NULL;
    if (unit) /* whoever has the control group may have chosen its name */
        shell_quote(&quoted, unit);
    finding_set_remedy(finding, "restart it, so that it binds its path again%s%s",
        unit ? ": systemctl restart " : "", unit && quoted.data ? quoted.data : "");
}

/* Its process has another root, and there the path is good: a container. */
static void add_other_root(struct why *why, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY, quoted = BYTES_EMPTY;
    const struct ferry_process *process = endpoint->owners[0].process;

    view_print_holders(endpoint, &who);
    shell_quote(&quoted, endpoint->path->where);
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_OTHER_ROOT,
        "the path is not here but in the root directory of %s%s%s", who.data ? who.data : "",
        process->container ? ", of container " : "", process->container ? process->container : "");
    finding_set_client(finding, "ENOENT (No such file or directory)");
    finding_prove(finding, "from here it is %s", endpoint->path->where);
    finding_set_remedy(finding, "ferry connect unix:%s   (for good: mount that directory here too)",
        quoted.data ? quoted.data : "");
}

/* Bound under this name, and renamed when it was ready. */
static void add_renamed(struct why *why, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY, quoted = BYTES_EMPTY;

    view_print_holders(endpoint, &who);
    shell_quote(&quoted, endpoint->path->where);
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_ORPHANED,
        "%s listens, but its path has another name now", who.data ? who.data : "");
    finding_set_client(finding, "ENOENT (No such file or directory)");
    finding_prove(finding, "the file that was bound is %s", endpoint->path->where);
    finding_set_remedy(finding, "ferry connect unix:%s", quoted.data ? quoted.data : "");
}

bool why_orphans(struct why *why)
{
    const struct ferry_endpoint *endpoint = find_displaced(why, NULL);

    if (!endpoint)
        return false;
    const char *where = endpoint->path->state == FERRY_PATH_THERE ? endpoint->path->where : NULL;
    if (where && strncmp(where, "/proc/", strlen("/proc/")) != 0)
        add_renamed(why, endpoint);
    else if (where && endpoint->owner_count)
        add_other_root(why, endpoint);
    else if (endpoint->path->state == FERRY_PATH_UNKNOWN)
        return false;
    else
        add_displaced(why, endpoint, VERDICT_ORPHANED,
            "its path is gone: removed or renamed behind its back",
            "ENOENT (No such file or directory)");
    return true;
}

/* Nothing that can be seen has this file. The kernel knows better: it refuses a datagram socket if
 * nobody is bound to the file, and says that the type is wrong if somebody is, in whatever network
 * namespace; neither does he notice. */
static void add_stale(struct why *why, const char *where, const struct stat *status)
{
    AUTO_BYTES struct bytes quoted = BYTES_EMPTY;
    struct ferry_endpoints_gaps gaps;
    struct finding *finding;
    int probe = datagram_room_of_path(where);

    ferry_endpoints_get_gaps(why->table, &gaps);
    shell_quote(&quoted, where);
    if (probe == -ECONNREFUSED || (probe == -EACCES && !gaps.hidden_namespaces)) {
        finding = finding_add(&why->diagnosis, VERDICT_STALE,
            "nobody listens there: the file %s is left over from a socket that is closed", where);
        finding_set_client(finding, "ECONNREFUSED (Connection refused)");
        finding_set_remedy(finding, "start its server; if that finds the address in use: rm %s",
            quoted.data ? quoted.data : "");
    } else {
        finding = finding_add(
            &why->diagnosis, VERDICT_NOT_SEEN, "who listens there can't be seen from here");
        finding_prove(
            finding, "%u network namespaces can't be looked into", gaps.hidden_namespaces);
        if (probe >= 0 || probe == -EPROTOTYPE)
            finding_prove(finding, "the kernel says that somebody is bound to it");
        finding_set_remedy(finding, "ask again as root, or with --try");
    }
    finding_prove(finding,
        "the file has inode %llu, and no socket that can be seen was bound to "
        "that",
        (unsigned long long)status->st_ino);
}

void why_socket(struct why *why, const char *where, const struct stat *status)
{
    struct standing standing = { 0 };

    judge_mode(why, where, status);
    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        if (is_at(why, endpoint, status))
            standing_add(&standing, endpoint);
    }
    const struct ferry_endpoint *displaced = find_displaced(why, status);
    if (judge_standing(why, &standing)) {
        judge_connections(why, status);
        if (displaced)
            diagnosis_note(&why->diagnosis,
                "socket %llu was bound to this name too, and has lost it: nobody reaches it",
                (unsigned long long)displaced->inode);
        return;
    }
    if (displaced && displaced->path->state == FERRY_PATH_REPLACED)
        add_displaced(why, displaced, VERDICT_REPLACED,
            "not on the file that is there now: it was replaced",
            "ECONNREFUSED (Connection refused)");
    else
        add_stale(why, where, status);
    if (why->try)
        why_try(why, FERRY_ENDPOINT_UNIX_STREAM);
}

/* --- abstract names --------------------------------------------------------------------------- */

static void add_abstract_elsewhere(struct why *why, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY;
    const struct ferry_namespace *network = endpoint->network;

    view_print_holders(endpoint, &who);
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_OTHER_NAMESPACE,
        "%s has that name, in another network namespace%s%s", who.data ? who.data : "",
        network->name ? ": " : "", network->name ? network->name : "");
    finding_set_client(finding, "ECONNREFUSED (Connection refused)");
    finding_prove(finding, "socket %llu is in net:[%llu]; abstract names are of one namespace",
        (unsigned long long)endpoint->inode, (unsigned long long)network->inode);
    if (network->name)
        finding_set_remedy(finding, "ip netns exec %s ...", network->name);
    else
        finding_set_remedy(
            finding, "nsenter -t %d -n ...   (for good: use a path instead)", (int)network->pid);
}

static void add_abstract_nothing(struct why *why)
{
    struct ferry_endpoints_gaps gaps;
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_NOTHING_LISTENS,
        "nobody has the abstract name @%s", why->target.name);

    ferry_endpoints_get_gaps(why->table, &gaps);
    finding_set_client(finding, "ECONNREFUSED (Connection refused)");
    finding_prove(finding, "no socket of this network namespace has that name%s",
        gaps.hidden_namespaces ? "" : ", nor of any other");
    finding_set_remedy(finding, "start its server; `ferry ls -x` lists the names that there are");
}

void why_abstract(struct why *why)
{
    const struct ferry_endpoint *elsewhere = NULL;
    struct standing standing = { 0 };
    struct view_target any_type = why->target;

    any_type.kinds = FERRY_ENDPOINTS_UNIX;
    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        if (!is_unix(endpoint) || !view_target_matches(&any_type, endpoint))
            continue;
        if (!endpoint->network || endpoint->network->own)
            standing_add(&standing, endpoint);
        else if (endpoint->state == FERRY_STATE_LISTENING ||
                 endpoint->kind == FERRY_ENDPOINT_UNIX_DATAGRAM)
            elsewhere = endpoint;
    }
    if (judge_standing(why, &standing))
        judge_connections(why, NULL);
    else if (elsewhere)
        add_abstract_elsewhere(why, elsewhere);
    else
        add_abstract_nothing(why);
}
