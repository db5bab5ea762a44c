/* document.c - what `show` tells, as one JSON object. */
#include "command/show/document.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/show/file.h"
#include "command/show/folders.h"
#include "command/show/options.h"
#include "command/show/process.h"
#include "command/view/blocked.h"
#include "command/view/json.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

/* --- one endpoint ----------------------------------------------------------------------------- */

static void set_folders(json_t *object, const struct ferry_endpoint *endpoint)
{
    struct folders folders;
    char mode[8];

    if (folders_look(endpoint, &folders) < 0 || !folders.count)
        return;
    json_t *array = json_array();
    for (size_t i = 0; i < folders.count; i++) {
        const struct folder *folder = &folders.items[i];
        json_t *item = json_object();
        snprintf(mode, sizeof(mode), "%04o", (unsigned)(folder->mode & 07777));
        view_json_set_text(item, "path", folder->path);
        view_json_set_text(item, "mode", mode);
        view_json_set_number(item, "uid", folder->uid);
        view_json_set_number(item, "gid", folder->gid);
        json_object_set_new(item, "stops", json_boolean(folder->stops));
        json_object_set_new(item, "acl", json_boolean(folder->has_acl));
        json_array_append_new(array, item);
    }
    json_object_set_new(object, "folders", array);
    folders_fini(&folders);
}

static void set_file(json_t *object, const struct ferry_endpoint *endpoint)
{
    struct file_facts facts;
    char mode[8];

    if (file_look(endpoint, &facts) < 0)
        return;
    json_t *file = json_object();
    snprintf(mode, sizeof(mode), "%04o", (unsigned)(facts.mode & 07777));
    view_json_set_text(file, "mode", mode);
    view_json_set_number(file, "uid", facts.uid);
    view_json_set_number(file, "gid", facts.gid);
    if (facts.has_notify)
        view_json_set_number(file, "notify_pid", (uint64_t)facts.notify_pid);
    json_object_set_new(object, "file", file);
}

static json_t *option_value(const struct show_option *option)
{
    if (option->unit == SHOW_TEXT)
        return view_json_text(option->text);
    if (option->unit == SHOW_FLAG)
        return json_boolean(option->number != 0);
    return json_integer((json_int_t)option->number);
}

static void set_options(json_t *object, const struct ferry_endpoint *endpoint)
{
    static const char *const units[] = { [SHOW_BYTES] = "bytes",
        [SHOW_SECONDS] = "s",
        [SHOW_MILLISECONDS] = "ms",
        [SHOW_MICROSECONDS] = "us",
        [SHOW_TEXT] = NULL };
    struct show_options options;
    struct ferry_error error;

    int code = show_options_read(endpoint, &options, &error);
    if (code == -EOPNOTSUPP)
        return;
    json_t *told = json_object(), *units_told = json_object();
    if (code < 0) {
        char line[sizeof(error) + 8];
        ferry_error_format(&error, line, sizeof(line));
        json_decref(units_told);
        json_decref(told);
        view_json_set_text(object, "options_missing", line);
        return;
    }
    for (size_t i = 0; i < options.count; i++) {
        const struct show_option *option = &options.items[i];
        json_object_set_new(told, option->key, option_value(option));
        view_json_set_text(units_told, option->key, units[option->unit]);
    }
    json_object_set_new(object, "options", told);
    json_object_set_new(object, "option_units", units_told);
}

static void set_memory(json_t *object, const struct ferry_endpoint *endpoint)
{
    static const char *const names[] = { "receive_used", "receive_size", "send_used", "send_size",
        "forward", "queued", "options", "backlog", "drops" };
    static_assert(COUNT_OF(names) == FERRY_MEMORY_COUNT, "every place has its name");

    if (!endpoint->has_memory)
        return;
    json_t *memory = json_object();
    for (size_t i = 0; i < COUNT_OF(names); i++)
        view_json_set_number(memory, names[i], endpoint->memory[i]);
    json_object_set_new(object, "memory", memory);
}

static void set_network(json_t *object, const struct ferry_namespace *network)
{
    if (!network)
        return;
    json_t *json = json_object();
    view_json_set_number(json, "inode", network->inode);
    view_json_set_text(json, "name", network->name);
    json_object_set_new(json, "own", json_boolean(network->own));
    json_object_set_new(object, "network", json);
}

static json_t *endpoint_json(const struct ferry_endpoint *endpoint)
{
    json_t *object = view_json_endpoint(endpoint);

    set_network(object, endpoint->network);
    set_memory(object, endpoint);
    set_folders(object, endpoint);
    set_file(object, endpoint);
    set_options(object, endpoint);
    if (endpoint->client_count)
        view_json_set_number(object, "client_count", endpoint->client_count);
    return object;
}

/* --- processes -------------------------------------------------------------------------------- */

static json_t *ancestors_json(pid_t pid)
{
    struct ancestor ancestors[SHOW_ANCESTORS_MAX];
    unsigned count = process_ancestors(pid, ancestors);
    json_t *array = json_array();

    for (unsigned i = 0; i < count; i++) {
        json_t *item = json_object();
        view_json_set_number(item, "pid", (uint64_t)ancestors[i].pid);
        view_json_set_text(item, "command", ancestors[i].name);
        json_array_append_new(array, item);
    }
    return array;
}

static void set_start(json_t *object, pid_t pid, uint64_t start_ticks)
{
    view_json_set_number(object, "started", (uint64_t)process_start_s(start_ticks));
    view_json_set_number(object, "age_ms", (uint64_t)process_age_ms(start_ticks));
    json_object_set_new(object, "ancestors", ancestors_json(pid));
}

static void set_blocked(const struct ferry_endpoints *table, json_t *object, pid_t pid)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct blocked blocked;

    if (blocked_look(pid, &blocked) == 0 && blocked_main(&blocked)) {
        blocked_print_thread(blocked_main(&blocked), table, &text);
        view_json_set_text(object, "blocked", bytes_failed(&text) ? NULL : text.data);
    }
    blocked_fini(&blocked);
}

/* Once each: by their numbers, until all are known. */
static void processes_add(
    const struct ferry_endpoints *table, json_t *processes, const struct ferry_endpoint *endpoint)
{
    char key[16];

    for (unsigned i = 0; i < endpoint->owner_count; i++) {
        const struct ferry_process *process = endpoint->owners[i].process;
        snprintf(key, sizeof(key), "%d", (int)process->pid);
        if (json_object_get(processes, key))
            continue;
        json_t *object = view_json_process(process);
        set_start(object, process->pid, process->start_ticks);
        set_blocked(table, object, process->pid);
        json_object_set_new(processes, key, object);
    }
}

static json_t *values_of(json_t *object)
{
    json_t *array = json_array(), *value;
    const char *key;

    json_object_foreach(object, key, value) json_array_append(array, value);
    json_decref(object);
    return array;
}

static void set_limit(json_t *object, const char *key, int64_t limit)
{
    if (limit == INT64_MAX)
        view_json_set_text(object, key, "unlimited");
    else if (limit >= 0)
        view_json_set_number(object, key, (uint64_t)limit);
}

static json_t *process_json(const struct ferry_endpoints *table, pid_t pid)
{
    const struct ferry_process *known = ferry_endpoints_find_process(table, pid);
    struct process_facts facts;

    if (process_facts_read(pid, &facts) < 0)
        return NULL;
    json_t *object = view_json_process(&(struct ferry_process){ .pid = pid,
        .parent = facts.stat.parent,
        .state = facts.stat.state,
        .name = facts.stat.name,
        .start_ticks = facts.stat.start_ticks,
        .uid = facts.uid,
        .gid = facts.gid,
        .cgroup = facts.cgroup,
        .unit = facts.unit,
        .container = known ? known->container : NULL,
        .executable = facts.executable });
    view_json_set_text(object, "state_word", process_state_word(facts.stat.state));
    view_json_set_text(object, "command_line", facts.command);
    set_limit(object, "descriptors", facts.descriptor_count);
    set_limit(object, "descriptors_soft", facts.descriptors_soft);
    set_limit(object, "descriptors_hard", facts.descriptors_hard);
    set_start(object, pid, facts.stat.start_ticks);
    set_blocked(table, object, pid);
    process_facts_fini(&facts);
    return object;
}

/* --- all -------------------------------------------------------------------------------------- */

static void clients_add(const struct ferry_endpoints *table, json_t *waiting, json_t *processes,
    const struct ferry_endpoint *server)
{
    for (const struct ferry_endpoint *at = server->clients; at; at = at->next) {
        json_array_append_new(waiting, view_json_endpoint(at));
        processes_add(table, processes, at->owner_count || !at->peer ? at : at->peer);
    }
}

json_t *document_make(const struct ferry_endpoints *table, const struct view_target *target,
    const struct selection *selection, const struct descriptor_facts *descriptor)
{
    json_t *document = json_object(), *processes = json_object();
    json_t *told = json_array(), *peers = json_array(), *waiting = json_array();

    view_json_set_number(document, "schema", VIEW_SCHEMA);
    view_json_set_text(document, "asked", target->word);
    if (target->kind == VIEW_PROCESS)
        json_object_set_new(document, "process", process_json(table, target->pid));
    if (descriptor)
        json_object_set_new(document, "descriptor", descriptor_json(descriptor));
    for (size_t i = 0; i < selection->count; i++) {
        json_array_append_new(told, endpoint_json(selection->endpoints[i]));
        processes_add(table, processes, selection->endpoints[i]);
        clients_add(table, waiting, processes, selection->endpoints[i]);
    }
    for (size_t i = 0; i < selection->peer_count; i++) {
        json_array_append_new(peers, endpoint_json(selection->peers[i]));
        processes_add(table, processes, selection->peers[i]);
    }
    json_object_set_new(document, "endpoints", told);
    json_object_set_new(document, "peers", peers);
    json_object_set_new(document, "waiting", waiting);
    json_object_set_new(document, "processes", values_of(processes));
    json_object_set_new(document, "gaps", view_json_gaps(table));
    return document;
}
