/* columns.c - the columns of `ls -o`.
 *
 * Cells are appended straight to the text of the whole, without printf(3): tens of thousands of
 * rows are usual.
 */
#include "command/ls/columns.h"
#include "base/cleanup.h"
#include "command/nearest.h"
#include "command/view/names.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#define OWNERS   FERRY_GATHER_OWNERS
#define DETAILS  (FERRY_GATHER_OWNERS | FERRY_GATHER_DETAILS)
#define TCP_INFO FERRY_GATHER_TCP_INFO
#define MEMORY   FERRY_GATHER_MEMORY
#define USERS    FERRY_GATHER_USERS

static void add_escaped(struct bytes *text, const char *word)
{
    if (word)
        bytes_append_escaped(text, word, strlen(word));
}

/* --- the socket ------------------------------------------------------------------------------- */

static void print_kind(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    bytes_append_text(text, ferry_endpoint_kind_name(endpoint->kind));
}

static void print_state(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    bytes_append_text(text, ferry_endpoint_state_name(endpoint->state));
}

/* How much is in a pipe only its holders can ask. */
static void print_receive(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (view_is_socket(endpoint) || endpoint->kind == FERRY_ENDPOINT_QUEUE)
        bytes_append_number(text, endpoint->receive_queue);
}

static void print_send(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (view_is_socket(endpoint))
        bytes_append_number(text, endpoint->send_queue);
}

static void print_uid(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (endpoint->uid != (uid_t)-1)
        bytes_append_number(text, endpoint->uid);
}

static void print_user(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (endpoint->uid != (uid_t)-1)
        view_print_user(endpoint->uid, text);
}

static void print_inode(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (endpoint->inode)
        bytes_append_number(text, endpoint->inode);
}

static void print_cookie(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    static const char digits[] = "0123456789abcdef";
    int shift = 60;

    if (!endpoint->cookie)
        return;
    while (!(endpoint->cookie >> shift & 15))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        bytes_append_char(text, digits[endpoint->cookie >> shift & 15]);
}

static void print_ends(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    static const char *const names[] = { "", "r", "w", "rw" };
    bytes_append_text(text, names[endpoint->ends & 3]);
}

static void print_shutdown(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    static const char *const names[] = { "", "receive", "send", "both" };
    bytes_append_text(text, names[endpoint->shutdown & 3]);
}

static void print_path(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (endpoint->path)
        bytes_append_text(text, ferry_path_state_name(endpoint->path->state));
}

static void print_mode(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    const struct ferry_path *path = endpoint->path;

    if (path && (path->state == FERRY_PATH_THERE || path->state == FERRY_PATH_REPLACED))
        for (int shift = 9; shift >= 0; shift -= 3)
            bytes_append_char(text, (char)('0' + (path->mode >> shift & 7)));
}

static void print_netns(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    const struct ferry_namespace *network = endpoint->network;

    if (!network)
        return;
    if (network->own)
        bytes_append_text(text, "own");
    else if (network->name)
        add_escaped(text, network->name);
    else
        bytes_append_number(text, network->inode);
}

static void print_size(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (endpoint->kind == FERRY_ENDPOINT_MEMFD)
        bytes_append_number(text, endpoint->size);
}

static void print_messages(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (!endpoint->messages_max)
        return;
    bytes_append_number(text, endpoint->messages);
    bytes_append_char(text, '/');
    bytes_append_number(text, endpoint->messages_max);
}

/* Before Linux 5.11 nobody can tell, which is not none. */
static bool tells_in_flight(void)
{
    static int tells = -1;
    char path[40], line[128];

    if (tells >= 0)
        return tells;
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    AUTO_FILE FILE *file = fopen(path, "re");
    tells = 0;
    while (file && fgets(line, sizeof(line), file))
        tells |= strncmp(line, "scm_fds:", 8) == 0;
    return tells;
}

static void print_in_flight(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (endpoint->family == AF_UNIX && endpoint->owner_count && tells_in_flight())
        bytes_append_number(text, endpoint->descriptors_in_flight);
}

/* --- who holds it ----------------------------------------------------------------------------- */

static const struct ferry_process *holder(const struct ferry_endpoint *endpoint)
{
    return endpoint->owner_count ? endpoint->owners[0].process : NULL;
}

static void print_pid(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (holder(endpoint))
        bytes_append_number(text, (unsigned)holder(endpoint)->pid);
}

static void print_command(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (holder(endpoint))
        add_escaped(text, holder(endpoint)->name);
}

static void print_fd(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (endpoint->owner_count)
        bytes_append_number(text, (unsigned)endpoint->owners[0].fd);
}

static void print_unit(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (holder(endpoint))
        add_escaped(text, holder(endpoint)->unit);
}

static void print_container(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (holder(endpoint))
        add_escaped(text, holder(endpoint)->container);
}

static void print_executable(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (holder(endpoint))
        add_escaped(text, holder(endpoint)->executable);
}

/* --- the other end ---------------------------------------------------------------------------- */

static void print_peer_pid(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (endpoint->peer)
        print_pid(endpoint->peer, text);
}

static void print_peer_fd(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (endpoint->peer)
        print_fd(endpoint->peer, text);
}

static void print_peer_inode(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (endpoint->peer_inode)
        bytes_append_number(text, endpoint->peer_inode);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void add_memory(const struct ferry_endpoint *endpoint, unsigned place, struct bytes *text)
{
    if (endpoint->has_memory)
        bytes_append_number(text, endpoint->memory[place]);
}

#define MEMORY_COLUMN(name, place)                                                                 \
    static void print_##name(const struct ferry_endpoint *endpoint, struct bytes *text)            \
    {                                                                                              \
        add_memory(endpoint, FERRY_MEMORY_##place, text);                                          \
    }

MEMORY_COLUMN(rmem, RECEIVE_USED)
MEMORY_COLUMN(rcvbuf, RECEIVE_SIZE)
MEMORY_COLUMN(wmem, SEND_USED)
MEMORY_COLUMN(sndbuf, SEND_SIZE)
MEMORY_COLUMN(fwd, FORWARD)
MEMORY_COLUMN(queued, QUEUED)
MEMORY_COLUMN(optmem, OPTIONS)
MEMORY_COLUMN(blog, BACKLOG)
MEMORY_COLUMN(drops, DROPS)

/* --- TCP -------------------------------------------------------------------------------------- */

static void add_field(const struct ferry_endpoint *endpoint, const char *name, struct bytes *text)
{
    uint64_t value;

    if (view_tcp_find(endpoint->inet, name, &value))
        bytes_append_number(text, value);
}

#define TCP_COLUMN(name, field)                                                                    \
    static void print_##name(const struct ferry_endpoint *endpoint, struct bytes *text)            \
    {                                                                                              \
        add_field(endpoint, field, text);                                                          \
    }

TCP_COLUMN(rtt, "rtt")
TCP_COLUMN(cwnd, "snd_cwnd")
TCP_COLUMN(mss, "snd_mss")
TCP_COLUMN(retrans, "total_retrans")
TCP_COLUMN(sent, "bytes_sent")
TCP_COLUMN(received, "bytes_received")
TCP_COLUMN(rate, "delivery_rate")

static void print_congestion(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (endpoint->inet)
        add_escaped(text, endpoint->inet->congestion);
}

static void print_timer(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    const struct ferry_inet *inet = endpoint->inet;

    if (!inet || !view_timer_name(inet->timer))
        return;
    bytes_append_text(text, view_timer_name(inet->timer));
    bytes_append_char(text, ':');
    bytes_append_number(text, inet->timer_ms);
    bytes_append_text(text, "ms");
}

static void print_tcp(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    const struct ferry_inet *inet = endpoint->inet;
    struct ferry_tcp_field field;

    if (!inet || !inet->tcp_info_size)
        return;
    for (size_t i = 0; ferry_tcp_field(inet->tcp_info, inet->tcp_info_size, i, &field); i++) {
        if (!field.value)
            continue;
        bytes_append_text(text, i ? " " : "");
        bytes_append_text(text, field.name);
        bytes_append_char(text, ':');
        bytes_append_number(text, field.value);
    }
}

/* --- the table -------------------------------------------------------------------------------- */

const struct ls_column ls_columns_known[] = {
    { "kind", "KIND", "as ss names them: u_str, u_dgr, u_seq, tcp ...; pipe, fifo, mq, memfd", 0,
        false, false, print_kind },
    { "state", "STATE", "as ss names them; WAITING has not been accepted", 0, false, false,
        print_state },
    { "recv", "RECV-Q", "bytes to be read; of a listener, connections that wait", 0, true, false,
        print_receive },
    { "send", "SEND-Q", "bytes not taken by the other side; of a listener, its backlog", 0, true,
        false, print_send },
    { "local", "LOCAL", "its own address", 0, false, true, view_print_local },
    { "remote", "REMOTE", "the address at the other end", 0, false, true, view_print_remote },
    { "process", "PROCESS", "who holds it: the first, and how many more", OWNERS, false, true,
        view_print_owners },
    { "fd", "FD", "the first descriptor by which it is held", OWNERS, true, false, print_fd },
    { "peer", "PEER", "who is at the other end, or how many are", OWNERS, false, true,
        view_print_peer },
    { "peerpid", "PEERPID", "process at the other end", OWNERS, true, false, print_peer_pid },
    { "peerfd", "PEERFD", "descriptor at the other end", OWNERS, true, false, print_peer_fd },
    { "peerinode", "PEERINODE", "inode of the other end", 0, true, false, print_peer_inode },
    { "uid", "UID", "who made the socket", USERS, true, false, print_uid },
    { "user", "USER", "the same by name", USERS, false, true, print_user },
    { "inode", "INODE", "as in socket:[4711]", 0, true, false, print_inode },
    { "cookie", "COOKIE", "the kernel's number, never used twice, hexadecimal", 0, true, false,
        print_cookie },
    { "pid", "PID", "the first process that holds it", OWNERS, true, false, print_pid },
    { "command", "COMMAND", "its command name", OWNERS, false, true, print_command },
    { "exe", "EXE", "its executable", DETAILS, false, true, print_executable },
    { "unit", "UNIT", "its systemd unit", DETAILS, false, true, print_unit },
    { "container", "CONTAINER", "its container", DETAILS, false, true, print_container },
    { "path", "PATH", "what became of the path: there, missing, replaced, unknown",
        FERRY_GATHER_PATHS, false, false, print_path },
    { "mode", "MODE", "mode of what is at the path", FERRY_GATHER_PATHS, true, false, print_mode },
    { "netns", "NETNS", "network namespace: own, a name, or its inode", 0, false, true,
        print_netns },
    { "ends", "ENDS", "which ends of it are open: r, w, rw", OWNERS, false, false, print_ends },
    { "shutdown", "SHUTDOWN", "directions that are closed: receive, send, both", 0, false, false,
        print_shutdown },
    { "fds", "FDS", "descriptors that wait to be received (Linux 5.11)",
        OWNERS | FERRY_GATHER_IN_FLIGHT, true, false, print_in_flight },
    { "messages", "MESSAGES", "of a queue: there are / there may be", 0, true, false,
        print_messages },
    { "size", "SIZE", "bytes of a memfd", 0, true, false, print_size },
    { "rmem", "RMEM", "memory waiting to be read", MEMORY, true, false, print_rmem },
    { "rcvbuf", "RCVBUF", "SO_RCVBUF", MEMORY, true, false, print_rcvbuf },
    { "wmem", "WMEM", "memory sent and not taken", MEMORY, true, false, print_wmem },
    { "sndbuf", "SNDBUF", "SO_SNDBUF", MEMORY, true, false, print_sndbuf },
    { "fwd", "FWD", "memory set aside for what comes", MEMORY, true, false, print_fwd },
    { "queued", "QUEUED", "memory of what is to be sent", MEMORY, true, false, print_queued },
    { "optmem", "OPTMEM", "memory of options and filters", MEMORY, true, false, print_optmem },
    { "blog", "BLOG", "memory that came while the socket was busy", MEMORY, true, false,
        print_blog },
    { "drops", "DROPS", "packets that found no room", MEMORY, true, false, print_drops },
    { "cc", "CC", "TCP: congestion control", TCP_INFO, false, false, print_congestion },
    { "rtt", "RTT-US", "TCP: round trip, microseconds", TCP_INFO, true, false, print_rtt },
    { "cwnd", "CWND", "TCP: congestion window, segments", TCP_INFO, true, false, print_cwnd },
    { "mss", "MSS", "TCP: bytes of a segment", TCP_INFO, true, false, print_mss },
    { "retrans", "RETRANS", "TCP: segments sent again", TCP_INFO, true, false, print_retrans },
    { "sent", "SENT", "TCP: bytes sent", TCP_INFO, true, false, print_sent },
    { "received", "RECEIVED", "TCP: bytes received", TCP_INFO, true, false, print_received },
    { "rate", "RATE", "TCP: bytes a second that were delivered lately", TCP_INFO, true, false,
        print_rate },
    { "timer", "TIMER", "TCP: which timer runs, and for how long", 0, false, false, print_timer },
    { "tcp", "TCP", "TCP: every field of TCP_INFO that is not 0", TCP_INFO, false, true,
        print_tcp },
    { 0 },
};

static_assert(COUNT_OF(ls_columns_known) <= LS_COLUMNS_MAX, "each may be chosen");

const struct ls_column *ls_column_find(const char *name, size_t size)
{
    for (const struct ls_column *column = ls_columns_known; column->name; column++)
        if (strlen(column->name) == size && memcmp(column->name, name, size) == 0)
            return column;
    return NULL;
}

static const char *column_near(const char *word, size_t size)
{
    const char *names[COUNT_OF(ls_columns_known)];
    char copy[32];

    snprintf(copy, sizeof(copy), "%.*s", (int)(size < 31 ? size : 31), word);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        names[i] = ls_columns_known[i].name;
    return nearest_word(copy, names);
}

static void column_choose(struct ls_columns *columns, const struct ls_column *column)
{
    for (size_t i = 0; i < columns->count; i++)
        if (columns->chosen[i] == column)
            return;
    columns->chosen[columns->count++] = column;
}

int ls_columns_parse(struct ls_columns *columns, const char *list, const char **ret_word,
    size_t *ret_word_size, const char **ret_near)
{
    struct ls_columns chosen = { .count = 0 };

    if (*list == '+') {
        chosen = *columns;
        list++;
    }
    for (;; list++) {
        size_t size = strcspn(list, ",");
        const struct ls_column *column = ls_column_find(list, size);
        if (!column) {
            *ret_word = list;
            *ret_word_size = size;
            *ret_near = column_near(list, size);
            return -EINVAL;
        }
        column_choose(&chosen, column);
        list += size;
        if (!*list)
            break;
    }
    *columns = chosen;
    return 0;
}

void ls_columns_add(struct ls_columns *columns, const char *list)
{
    while (*list) {
        size_t size = strcspn(list, ",");
        const struct ls_column *column = ls_column_find(list, size);
        assert(column);
        column_choose(columns, column);
        list += size + (list[size] == ',');
    }
}

unsigned ls_columns_gather(const struct ls_columns *columns)
{
    unsigned gather = 0;

    for (size_t i = 0; i < columns->count; i++)
        gather |= columns->chosen[i]->gather;
    return gather;
}

void ls_columns_help(struct bytes *text)
{
    for (const struct ls_column *column = ls_columns_known; column->name; column++)
        bytes_print(text, "  %-10s %s\n", column->name, column->help);
}
