/* endpoint.c - one endpoint in full, for people. What does not apply to its kind has no line. */
#include "command/show/endpoint.h"
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/show/file.h"
#include "command/show/folders.h"
#include "command/show/holder.h"
#include "command/show/options.h"
#include "command/show/print.h"
#include "command/show/tcp.h"
#include "command/view/backlog.h"
#include "command/view/names.h"

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

void endpoint_print_heading(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    static const char *const ends[] = { "", " reading end", " writing end", "" };
    AUTO_BYTES struct bytes remote = BYTES_EMPTY;
    size_t size;

    bytes_append_text(text, ferry_endpoint_kind_name(endpoint->kind));
    if (endpoint->state != FERRY_STATE_NONE)
        bytes_print(text, " %s", ferry_endpoint_state_name(endpoint->state));
    bytes_append_text(text, ends[endpoint->ends & 3]);
    bytes_append_char(text, ' ');
    size = text->size;
    view_print_local(endpoint, text);
    bytes_append_text(text, text->size == size ? "(no name)" : "");
    if (view_is_socket(endpoint))
        view_print_remote(endpoint, &remote);
    if (remote.size)
        bytes_print(text, " -> %s", remote.data);
    text->failed |= bytes_failed(&remote);
}

/* --- what it is ------------------------------------------------------------------------------- */

static void print_identity(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    print_label(text, "inode");
    if (endpoint->inode)
        bytes_print(text, "%" PRIu64, endpoint->inode);
    else
        bytes_append_text(text, "none: no process holds it");
    if (endpoint->device)
        bytes_print(text, ", device %u:%u", major(endpoint->device), minor(endpoint->device));
    if (endpoint->cookie)
        bytes_print(text, ", cookie %" PRIx64, endpoint->cookie);
    if (endpoint->uid != (uid_t)-1) {
        bytes_append_text(text, ", made by ");
        print_user(text, endpoint->uid);
    }
    bytes_append_char(text, '\n');
}

static void print_network(const struct ferry_namespace *network, struct bytes *text)
{
    if (!network)
        return;
    print_label(text, "network");
    bytes_print(text, "net:[%" PRIu64 "]", network->inode);
    if (network->name) {
        bytes_append_char(text, ' ');
        bytes_append_escaped(text, network->name, strlen(network->name));
    }
    if (network->own)
        bytes_append_text(text, ", ours");
    else if (network->pid)
        bytes_print(text, ", that of pid %d", (int)network->pid);
    bytes_append_char(text, '\n');
}

static void print_access(struct bytes *text, mode_t mode, uid_t uid, gid_t gid)
{
    bytes_print(text, "mode %04o, ", (unsigned)(mode & 07777));
    print_user(text, uid);
    bytes_append_text(text, " : ");
    print_group(text, gid);
}

static void print_folder(const struct folder *folder, bool last, struct bytes *text)
{
    print_label(text, last ? "may connect" : "on the way");
    bytes_append_escaped(text, folder->path, strlen(folder->path));
    bytes_append_text(text, " ");
    print_access(text, folder->mode, folder->uid, folder->gid);
    if (folder->stops)
        bytes_append_text(text, last ? "; not everybody may" : "; not everybody may pass");
    if (folder->has_acl)
        bytes_append_text(text, "; an access control list says more: getfacl(1)");
    bytes_append_char(text, '\n');
}

static void print_folders(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    struct folders folders;

    if (folders_look(endpoint, &folders) < 0) {
        text->failed = true;
        return;
    }
    for (size_t i = 0; i < folders.count; i++) {
        bool last = i + 1 == folders.count && !folders.cut;
        if (last || folders.items[i].stops || folders.items[i].has_acl)
            print_folder(&folders.items[i], last, text);
    }
    if (folders.cut)
        print_line(text, "on the way", "the rest may not be looked at");
    folders_fini(&folders);
}

static void print_path(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    static const char *const words[] = { "", "there: it leads to this socket",
        "missing: nothing is there any more, so nobody can connect to it",
        "replaced: something else is there, and whoever connects reaches that",
        "unknown: it may not be looked at from here" };
    const struct ferry_path *path = endpoint->path;

    if (!path || path->state == FERRY_PATH_NONE || path->state >= COUNT_OF(words))
        return;
    print_label(text, "path");
    bytes_append_text(text, words[path->state]);
    if (path->state == FERRY_PATH_REPLACED) {
        bytes_append_text(text, "; ");
        print_access(text, path->mode, path->uid, path->gid);
    }
    bytes_append_char(text, '\n');
    print_hostile(text, "from here", path->where);
    print_folders(endpoint, text);
}

/* --- what is in it ---------------------------------------------------------------------------- */

static void print_state(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    static const char *const shut[] = { "", "receives nothing more", "sends nothing more",
        "receives and sends nothing more" };

    if (endpoint->shutdown)
        print_line(text, "shut down", "%s", shut[endpoint->shutdown & 3]);
    if (endpoint->peer_gone)
        print_line(text, "peer", "gone: it has closed its end");
}

static void print_socket_queues(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    bool unix_socket = (1u << endpoint->kind) & FERRY_ENDPOINTS_UNIX;

    if (endpoint->state == FERRY_STATE_LISTENING)
        print_line(text, "backlog", "%" PRIu32 " of %" PRIu64 " wait to be accepted",
            endpoint->receive_queue, view_backlog_room(endpoint));
    else
        print_line(text, "queues", "%" PRIu32 " bytes to be read%s, %" PRIu32 " bytes sent and %s",
            endpoint->receive_queue,
            endpoint->kind == FERRY_ENDPOINT_UNIX_DATAGRAM ? " (of the first datagram)" : "",
            endpoint->send_queue,
            unix_socket ? "not read, the kernel's overhead included" : "not acknowledged");
}

static void print_memory(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    const uint32_t *memory = endpoint->memory;

    if (!endpoint->has_memory)
        return;
    print_line(text, "memory",
        "receive %" PRIu32 " of %" PRIu32 " bytes, send %" PRIu32 " of %" PRIu32
        " bytes, forward %" PRIu32 ", queued %" PRIu32 ", options %" PRIu32 ", backlog %" PRIu32,
        memory[FERRY_MEMORY_RECEIVE_USED], memory[FERRY_MEMORY_RECEIVE_SIZE],
        memory[FERRY_MEMORY_SEND_USED], memory[FERRY_MEMORY_SEND_SIZE],
        memory[FERRY_MEMORY_FORWARD], memory[FERRY_MEMORY_QUEUED], memory[FERRY_MEMORY_OPTIONS],
        memory[FERRY_MEMORY_BACKLOG]);
    print_line(text, "drops", "%" PRIu32 " packets", memory[FERRY_MEMORY_DROPS]);
}

static void print_file(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    struct file_facts facts;

    if (file_look(endpoint, &facts) < 0)
        return;
    print_label(text, "may open");
    print_access(text, facts.mode, facts.uid, facts.gid);
    bytes_append_char(text, '\n');
    if (facts.notify_pid)
        print_line(text, "notifies", "pid %d, of the next message", (int)facts.notify_pid);
    else if (facts.has_notify)
        print_line(text, "notifies", "nobody");
}

static void print_content(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (view_is_socket(endpoint)) {
        print_socket_queues(endpoint, text);
        print_memory(endpoint, text);
    }
    if (endpoint->kind == FERRY_ENDPOINT_MEMFD)
        print_line(text, "size", "%" PRIu64 " bytes", endpoint->size);
    if (endpoint->kind == FERRY_ENDPOINT_QUEUE) {
        if (endpoint->messages_max)
            print_line(text, "messages",
                "%" PRIu32 " of %" PRIu32 ", each of %" PRIu32 " bytes at most", endpoint->messages,
                endpoint->messages_max, endpoint->message_size_max);
        print_line(text, "content", "%" PRIu32 " bytes", endpoint->receive_queue);
    }
    if (endpoint->descriptors_in_flight)
        print_line(text, "in flight", "%" PRIu32 " descriptors, sent and not received yet",
            endpoint->descriptors_in_flight);
}

/* --- TCP -------------------------------------------------------------------------------------- */

/* A listener's TCP_INFO says other things by the same names. */
static const char *listener_word(const struct ferry_endpoint *endpoint, const char *name)
{
    if (endpoint->state != FERRY_STATE_LISTENING)
        return "";
    return strcmp(name, "unacked") == 0  ? " (wait in the backlog)"
           : strcmp(name, "sacked") == 0 ? " (the backlog's length)"
                                         : "";
}

static void print_tcp(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    const struct ferry_inet *inet = endpoint->inet;
    struct ferry_tcp_field field;
    struct print_list list;

    if (!inet)
        return;
    print_hostile(text, "congestion", inet->congestion);
    if (view_timer_name(inet->timer)) {
        print_label(text, "timer");
        bytes_print(text, "%s, ", view_timer_name(inet->timer));
        print_span_us(inet->timer_ms * UINT64_C(1000), text);
        bytes_print(text, " left, %u retransmissions\n", inet->retransmits);
    }
    print_list_begin(&list, text, "tcp");
    for (size_t i = 0; ferry_tcp_field(inet->tcp_info, inet->tcp_info_size, i, &field); i++) {
        AUTO_BYTES struct bytes item = BYTES_EMPTY;
        bytes_print(&item, "%s ", field.name);
        tcp_print_value(&field, &item);
        bytes_append_text(&item, listener_word(endpoint, field.name));
        print_list_add(&list, &item);
    }
    print_list_end(&list);
}

/* --- options ---------------------------------------------------------------------------------- */

static void print_option(const struct show_option *option, struct bytes *item)
{
    bytes_print(item, "%s ", option->key);
    switch (option->unit) {
    case SHOW_FLAG:
        bytes_append_text(item, option->number ? "yes" : "no");
        break;
    case SHOW_NUMBER:
        bytes_print(item, "%" PRId64, option->number);
        break;
    case SHOW_BYTES:
        bytes_print(item, "%" PRId64 " bytes", option->number);
        break;
    case SHOW_SECONDS:
        bytes_print(item, "%" PRId64 " s", option->number);
        break;
    case SHOW_MILLISECONDS:
        if (option->number)
            bytes_print(item, "%" PRId64 " ms", option->number);
        else
            bytes_append_text(item, "none");
        break;
    case SHOW_MICROSECONDS:
        bytes_print(item, "%" PRId64 " us", option->number);
        break;
    case SHOW_TEXT:
        bytes_append_escaped(item, option->text, strlen(option->text));
        break;
    }
}

static void print_options(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    struct show_options options;
    struct ferry_error error;
    struct print_list list;
    char line[sizeof(error) + 8];

    int code = show_options_read(endpoint, &options, &error);
    if (code == -EOPNOTSUPP)
        return;
    if (code < 0) {
        ferry_error_format(&error, line, sizeof(line));
        print_line(text, "options", "not told: %s", line);
        return;
    }
    print_list_begin(&list, text, "options");
    for (size_t i = 0; i < options.count; i++) {
        AUTO_BYTES struct bytes item = BYTES_EMPTY;
        print_option(&options.items[i], &item);
        print_list_add(&list, &item);
    }
    print_list_end(&list);
    if (view_is_socket(endpoint))
        print_line(text, "error", "not asked: reading a pending error clears it");
}

/* --- the others ------------------------------------------------------------------------------- */

static void print_client(const struct ferry_endpoint *client, struct bytes *text)
{
    AUTO_BYTES struct bytes holders = BYTES_EMPTY;
    const struct ferry_endpoint *other =
        client->state == FERRY_STATE_WAITING && client->peer ? client->peer : client;

    view_print_owners(other, &holders);
    bytes_append_text(
        text, holders.size && !bytes_failed(&holders) ? holders.data : "nobody that can be seen");
    if (other->owner_count)
        bytes_print(text, " fd %d", other->owners[0].fd);
    bytes_append_text(text, ", ");
    endpoint_print_heading(other, text);
    if (other->inode)
        bytes_print(text, ", inode %" PRIu64, other->inode);
    bytes_append_char(text, '\n');
}

static void print_clients(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    const char *label = endpoint->state == FERRY_STATE_LISTENING ? "waiting" : "senders";
    const struct ferry_endpoint *at = endpoint->clients;
    unsigned told = 0;

    for (; at && told < SHOW_CLIENTS_MAX; at = at->next, told++) {
        print_label(text, told ? "" : label);
        print_client(at, text);
    }
    if (endpoint->client_count > told)
        print_line(text, "", "and %u more", endpoint->client_count - told);
}

static void print_other(const char *label, const struct ferry_endpoint *other, struct bytes *text)
{
    print_label(text, label);
    endpoint_print_heading(other, text);
    if (other->inode)
        bytes_print(text, ", inode %" PRIu64, other->inode);
    bytes_append_char(text, '\n');
}

static void print_peer(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    if (endpoint->listener)
        print_other("waits for", endpoint->listener, text);
    if (endpoint->peer)
        print_other("peer", endpoint->peer, text);
    else if (endpoint->peer_inode)
        print_line(text, "peer", "inode %" PRIu64 ", which can't be seen", endpoint->peer_inode);
    else if (endpoint->inet && endpoint->inet->remote_port)
        print_line(text, "peer", "not on this machine, or not to be seen");
}

void endpoint_print(const struct ferry_endpoints *table, const struct ferry_endpoint *endpoint,
    const char *role, struct bytes *text)
{
    bytes_append_text(text, role);
    endpoint_print_heading(endpoint, text);
    bytes_append_char(text, '\n');
    print_identity(endpoint, text);
    print_network(endpoint->network, text);
    print_path(endpoint, text);
    print_file(endpoint, text);
    print_state(endpoint, text);
    holders_print(table, endpoint, text);
    print_peer(endpoint, text);
    print_clients(endpoint, text);
    print_content(endpoint, text);
    print_tcp(endpoint, text);
    print_options(endpoint, text);
}
