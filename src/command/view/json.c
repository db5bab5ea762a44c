/* json.c - endpoints as JSON. What a process can choose may be no UTF-8: it is escaped as text is.
 */
#include "command/view/json.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/view/names.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

void view_json_set_number(json_t *object, const char *key, uint64_t number)
{
    json_object_set_new(object, key, json_integer((json_int_t)number));
}

static json_t *text_json(const char *text, size_t size)
{
    json_t *json = json_stringn(text, size);
    AUTO_BYTES struct bytes escaped = BYTES_EMPTY;

    if (json)
        return json;
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] >= 0x80)
            bytes_print(&escaped, "\\x%02x", (unsigned char)text[i]);
        else
            bytes_append_char(&escaped, text[i]);
    }
    return bytes_failed(&escaped) ? NULL : json_stringn(escaped.data, escaped.size);
}

json_t *view_json_text(const char *text)
{
    return text_json(text, strlen(text));
}

void view_json_set_text(json_t *object, const char *key, const char *text)
{
    if (text)
        json_object_set_new(object, key, view_json_text(text));
}

json_t *view_json_lines(const struct bytes *lines)
{
    json_t *array = json_array();

    for (const char *line = lines->data; line && *line;) {
        size_t size = strcspn(line, "\n");
        json_array_append_new(array, text_json(line, size));
        line += size + (line[size] == '\n');
    }
    return array;
}

static void set_address(json_t *object, const char *key, const struct ferry_endpoint *endpoint,
    void (*print)(const struct ferry_endpoint *, struct bytes *))
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    print(endpoint, &text);
    if (text.size && !bytes_failed(&text))
        view_json_set_text(object, key, text.data);
}

static const char *ends_name(unsigned ends)
{
    static const char *const names[] = { "", "r", "w", "rw" };
    return names[ends & 3];
}

static json_t *owners_json(const struct ferry_endpoint *endpoint, unsigned count)
{
    json_t *owners = json_array();

    for (unsigned i = 0; i < count; i++) {
        const struct ferry_owner *owner = &endpoint->owners[i];
        json_t *object = json_object();
        view_json_set_number(object, "pid", (uint64_t)owner->process->pid);
        view_json_set_text(object, "command", owner->process->name);
        view_json_set_number(object, "fd", (uint64_t)owner->fd);
        view_json_set_text(object, "ends", ends_name(owner->ends));
        json_array_append_new(owners, object);
    }
    return owners;
}

json_t *view_json_owners(const struct ferry_endpoint *endpoint)
{
    return owners_json(endpoint, endpoint->owner_count);
}

/* A datagram server is the peer of each of its clients: all its owners with each would be as many
 * as their product. They stand in its own row. */
static void set_peer_owners(json_t *peer, const struct ferry_endpoint *endpoint)
{
    unsigned count = endpoint->owner_count;

    if (count > VIEW_PEER_OWNERS_MAX) {
        view_json_set_number(peer, "owner_count", count);
        count = VIEW_PEER_OWNERS_MAX;
    }
    json_object_set_new(peer, "owners", owners_json(endpoint, count));
}

static void set_peer(json_t *object, const struct ferry_endpoint *endpoint)
{
    json_t *peer;

    if (!endpoint->peer && !endpoint->peer_inode)
        return;
    peer = json_object();
    view_json_set_number(
        peer, "inode", endpoint->peer ? endpoint->peer->inode : endpoint->peer_inode);
    if (endpoint->peer) {
        set_address(peer, "local", endpoint->peer, view_print_local);
        set_peer_owners(peer, endpoint->peer);
    }
    json_object_set_new(object, "peer", peer);
}

static void set_clients(json_t *object, const struct ferry_endpoint *endpoint)
{
    json_t *clients;

    if (endpoint->listener)
        view_json_set_number(object, "listener", endpoint->listener->inode);
    if (!endpoint->clients)
        return;
    clients = json_array();
    for (const struct ferry_endpoint *at = endpoint->clients; at; at = at->next)
        json_array_append_new(clients, json_integer((json_int_t)at->inode));
    json_object_set_new(object, "clients", clients);
}

static void set_memory(json_t *object, const struct ferry_endpoint *endpoint)
{
    static const struct {
        const char *key;
        unsigned place;
    } places[] = { { "receive_used", FERRY_MEMORY_RECEIVE_USED },
        { "receive_size", FERRY_MEMORY_RECEIVE_SIZE }, { "send_used", FERRY_MEMORY_SEND_USED },
        { "send_size", FERRY_MEMORY_SEND_SIZE }, { "drops", FERRY_MEMORY_DROPS } };
    bool listens = endpoint->state == FERRY_STATE_LISTENING;
    json_t *memory;

    if (view_is_socket(endpoint)) {
        view_json_set_number(
            object, listens ? "waiting" : "receive_queue", endpoint->receive_queue);
        view_json_set_number(object, listens ? "backlog" : "send_queue", endpoint->send_queue);
    }
    if (!endpoint->has_memory)
        return;
    memory = json_object();
    for (size_t i = 0; i < COUNT_OF(places); i++)
        view_json_set_number(memory, places[i].key, endpoint->memory[places[i].place]);
    json_object_set_new(object, "memory", memory);
}

static void set_path(json_t *object, const struct ferry_path *path)
{
    char mode[8];
    json_t *json;

    if (!path || path->state == FERRY_PATH_NONE)
        return;
    json = json_object();
    view_json_set_text(json, "state", ferry_path_state_name(path->state));
    view_json_set_text(json, "where", path->where);
    if (path->state == FERRY_PATH_THERE || path->state == FERRY_PATH_REPLACED) {
        snprintf(mode, sizeof(mode), "%04o", (unsigned)(path->mode & 07777));
        view_json_set_text(json, "mode", mode);
        view_json_set_number(json, "uid", path->uid);
        view_json_set_number(json, "gid", path->gid);
    }
    json_object_set_new(object, "path", json);
}

static void set_network(json_t *object, const struct ferry_namespace *network)
{
    json_t *json;

    if (!network || network->own)
        return;
    json = json_object();
    view_json_set_number(json, "inode", network->inode);
    view_json_set_text(json, "name", network->name);
    json_object_set_new(object, "namespace", json);
}

static void set_tcp(json_t *object, const struct ferry_inet *inet)
{
    struct ferry_tcp_field field;
    json_t *tcp;

    if (!inet)
        return;
    view_json_set_text(object, "congestion", inet->congestion);
    if (view_timer_name(inet->timer)) {
        view_json_set_text(object, "timer", view_timer_name(inet->timer));
        view_json_set_number(object, "timer_ms", inet->timer_ms);
    }
    if (!inet->tcp_info_size)
        return;
    tcp = json_object();
    /* No integer of JSON holds what stands for "unlimited" (pacing rates): it is left out. */
    for (size_t i = 0; ferry_tcp_field(inet->tcp_info, inet->tcp_info_size, i, &field); i++)
        if (field.value <= INT64_MAX)
            view_json_set_number(tcp, field.name, field.value);
    json_object_set_new(object, "tcp", tcp);
}

static void set_shutdown(json_t *object, const struct ferry_endpoint *endpoint)
{
    json_t *shutdown;

    if (endpoint->peer_gone)
        json_object_set_new(object, "peer_gone", json_true());
    if (!endpoint->shutdown)
        return;
    shutdown = json_array();
    if (endpoint->shutdown & FERRY_SHUT_RECEIVE)
        json_array_append_new(shutdown, json_string("receive"));
    if (endpoint->shutdown & FERRY_SHUT_SEND)
        json_array_append_new(shutdown, json_string("send"));
    json_object_set_new(object, "shutdown", shutdown);
}

static void set_file(json_t *object, const struct ferry_endpoint *endpoint)
{
    if (endpoint->kind == FERRY_ENDPOINT_MEMFD)
        view_json_set_number(object, "size", endpoint->size);
    if (endpoint->kind != FERRY_ENDPOINT_QUEUE)
        return;
    view_json_set_number(object, "receive_queue", endpoint->receive_queue);
    if (endpoint->messages_max) {
        view_json_set_number(object, "messages", endpoint->messages);
        view_json_set_number(object, "messages_max", endpoint->messages_max);
        view_json_set_number(object, "message_size_max", endpoint->message_size_max);
    }
}

json_t *view_json_endpoint(const struct ferry_endpoint *endpoint)
{
    json_t *object = json_object();
    char cookie[20];

    view_json_set_text(object, "kind", ferry_endpoint_kind_name(endpoint->kind));
    if (endpoint->state != FERRY_STATE_NONE)
        view_json_set_text(object, "state", ferry_endpoint_state_name(endpoint->state));
    view_json_set_number(object, "inode", endpoint->inode);
    if (endpoint->cookie) {
        snprintf(cookie, sizeof(cookie), "%" PRIx64, endpoint->cookie);
        view_json_set_text(object, "cookie", cookie);
    }
    if (endpoint->uid != (uid_t)-1)
        view_json_set_number(object, "uid", endpoint->uid);
    set_address(object, "local", endpoint, view_print_local);
    set_address(object, "remote", endpoint, view_print_remote);
    view_json_set_text(object, "ends", ends_name(endpoint->ends));
    json_object_set_new(object, "owners", view_json_owners(endpoint));
    set_peer(object, endpoint);
    set_clients(object, endpoint);
    set_memory(object, endpoint);
    set_path(object, endpoint->path);
    set_network(object, endpoint->network);
    set_shutdown(object, endpoint);
    set_tcp(object, endpoint->inet);
    set_file(object, endpoint);
    if (endpoint->descriptors_in_flight)
        view_json_set_number(object, "descriptors_in_flight", endpoint->descriptors_in_flight);
    return object;
}

json_t *view_json_process(const struct ferry_process *process)
{
    char state[2] = { process->state, '\0' };
    json_t *object = json_object();

    view_json_set_number(object, "pid", (uint64_t)process->pid);
    view_json_set_number(object, "parent", (uint64_t)process->parent);
    if (process->state)
        view_json_set_text(object, "state", state);
    view_json_set_text(object, "command", process->name);
    view_json_set_number(object, "start_ticks", process->start_ticks);
    if (process->uid != (uid_t)-1)
        view_json_set_number(object, "uid", process->uid);
    if (process->gid != (gid_t)-1)
        view_json_set_number(object, "gid", process->gid);
    view_json_set_text(object, "cgroup", process->cgroup);
    view_json_set_text(object, "unit", process->unit);
    view_json_set_text(object, "container", process->container);
    view_json_set_text(object, "executable", process->executable);
    return object;
}

json_t *view_json_kinds(unsigned kinds)
{
    json_t *names = json_array();

    for (unsigned kind = 0; kind < FERRY_ENDPOINT_KIND_COUNT; kind++)
        if (kinds & 1u << kind)
            json_array_append_new(names, json_string(ferry_endpoint_kind_name(kind)));
    return names;
}

json_t *view_json_gaps(const struct ferry_endpoints *table)
{
    struct ferry_endpoints_gaps gaps;
    json_t *object = json_object();

    ferry_endpoints_get_gaps(table, &gaps);
    view_json_set_number(object, "hidden_processes", gaps.hidden_processes);
    view_json_set_number(object, "hidden_namespaces", gaps.hidden_namespaces);
    view_json_set_number(object, "unlisted_queues", gaps.unlisted_queues);
    view_json_set_number(object, "ambiguous_backlogs", gaps.ambiguous_backlogs);
    json_object_set_new(object, "missing_kinds", view_json_kinds(gaps.missing_kinds));
    return object;
}

/* Marks the places of an endpoint's owners among the table's processes, which are by pid. */
static void mark_owners(const struct ferry_endpoints *table, const struct ferry_endpoint *endpoint,
    unsigned char *marks)
{
    for (unsigned i = 0; i < endpoint->owner_count; i++) {
        size_t first = 0, end = ferry_endpoints_process_count(table);
        while (first < end) {
            size_t middle = first + (end - first) / 2;
            if (ferry_endpoints_get_process(table, middle)->pid < endpoint->owners[i].process->pid)
                first = middle + 1;
            else
                end = middle;
        }
        if (first < ferry_endpoints_process_count(table))
            marks[first] = 1;
    }
}

bool view_boot_read(char boot[VIEW_BOOT_SIZE])
{
    AUTO_FILE FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (!file || !fgets(boot, VIEW_BOOT_SIZE, file))
        return false;
    boot[strcspn(boot, "\n")] = '\0';
    return boot[0];
}

/* A document that is printed while it is made. */
struct printing {
    struct bytes text; /* not printed yet */
    FILE *stream;
    bool failed; /* no memory for a value */
};

static int text_take(const char *text, size_t size, void *data)
{
    bytes_append(data, text, size);
    return 0;
}

static void printing_flush(struct printing *printing)
{
    printing->failed |= bytes_failed(&printing->text);
    if (printing->text.size)
        fwrite(printing->text.data, 1, printing->text.size, printing->stream);
    printing->text.size = 0;
}

/* The next value, taken over. */
static void print_value(struct printing *printing, json_t *value)
{
    if (!value ||
        json_dump_callback(value, text_take, &printing->text, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
        printing->failed = true;
    json_decref(value);
    if (printing->text.size >= VIEW_PRINT_SIZE)
        printing_flush(printing);
}

static void print_member(struct printing *printing, const char *name, json_t *value)
{
    bytes_print(&printing->text, ",\"%s\":", name);
    print_value(printing, value);
}

/* One of an array; `before` is what stands before it. */
static void print_item(struct printing *printing, char *before, json_t *value)
{
    if (*before)
        bytes_append_char(&printing->text, *before);
    *before = ',';
    print_value(printing, value);
}

int view_json_print(const struct ferry_endpoints *table, unsigned kinds,
    bool (*wanted)(const struct ferry_endpoint *endpoint, void *data), void *data, FILE *stream)
{
    AUTO_FREE unsigned char *marks = calloc(ferry_endpoints_process_count(table) + 1, 1);
    struct printing printing = { .text = BYTES_EMPTY, .stream = stream };
    char boot[VIEW_BOOT_SIZE], before = '\0';

    if (!marks)
        return -ENOMEM;
    bytes_print(&printing.text, "{\"schema\":%d", VIEW_SCHEMA);
    if (view_boot_read(boot))
        print_member(&printing, "boot", view_json_text(boot));
    bytes_append_text(&printing.text, ",\"endpoints\":[");
    for (size_t i = 0; i < ferry_endpoints_count(table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(table, i);
        if (wanted && !wanted(endpoint, data))
            continue;
        print_item(&printing, &before, view_json_endpoint(endpoint));
        mark_owners(table, endpoint, marks);
    }
    before = '\0';
    bytes_append_text(&printing.text, "],\"processes\":[");
    for (size_t i = 0; i < ferry_endpoints_process_count(table); i++)
        if (marks[i])
            print_item(
                &printing, &before, view_json_process(ferry_endpoints_get_process(table, i)));
    bytes_append_char(&printing.text, ']');
    print_member(&printing, "gaps", view_json_gaps(table));
    print_member(&printing, "kinds", view_json_kinds(kinds));
    bytes_append_text(&printing.text, "}\n");
    printing_flush(&printing);
    bytes_fini(&printing.text);
    return printing.failed ? -ENOMEM : 0;
}
