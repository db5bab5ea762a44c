/* snapshot.c - reading a table back from JSON.
 *
 * In two passes: rows first, then what points from one to another (peers, listeners), which may
 * stand anywhere. A peer that is not a row itself (it was left out, or belongs to no process) is
 * made from what its own end says of it.
 */
#include "command/ls/snapshot.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "command/limits.h"
#include "command/ls/snapshot_address.h"
#include "command/view/json.h"
#include "command/view/names.h"

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

struct snapshot {
    struct arena arena;
    unsigned kinds;
    json_t *document;
    struct ferry_endpoint *rows;
    const struct ferry_endpoint **list;      /* as in the file */
    const struct ferry_endpoint **by_inode;  /* sorted */
    const struct ferry_endpoint **by_itself; /* sorted by snapshot_compare() */
    size_t count;
    struct ferry_process *processes; /* by pid */
    size_t process_count;
};

/* What is being read, for words about what is wrong with it. */
struct reading {
    struct snapshot *snapshot;
    const char *path;
    struct ferry_error *error;
};

static int fail_memory(struct reading *reading)
{
    return error_set_errno(reading->error, -ENOMEM, reading->path, NULL);
}

static int fail_form(struct reading *reading, const char *what)
{
    return error_set(reading->error, -EINVAL, reading->path,
        "make one with `ferry ls --json > FILE`", "is no snapshot: %s", what);
}

/* --- values ----------------------------------------------------------------------------------- */

/* A member that need not be there; false: it is of another type. */
static bool number_get(const json_t *object, const char *key, uint64_t limit, uint64_t *ret_number)
{
    const json_t *member = json_object_get(object, key);

    if (!member)
        return true;
    if (!json_is_integer(member) || json_integer_value(member) < 0 ||
        (uint64_t)json_integer_value(member) > limit)
        return false;
    *ret_number = (uint64_t)json_integer_value(member);
    return true;
}

static bool text_get(const json_t *object, const char *key, const char **ret_text)
{
    const json_t *member = json_object_get(object, key);

    if (!member)
        return true;
    *ret_text = json_string_value(member);
    return *ret_text != NULL;
}

static bool list_get(const json_t *object, const char *key, const json_t **ret_list)
{
    const json_t *member = json_object_get(object, key);

    *ret_list = member;
    return !member || json_is_array(member);
}

static bool kind_of(const char *name, unsigned char *ret_kind)
{
    for (unsigned kind = 0; name && kind < FERRY_ENDPOINT_KIND_COUNT; kind++)
        if (strcmp(name, ferry_endpoint_kind_name(kind)) == 0) {
            *ret_kind = (unsigned char)kind;
            return true;
        }
    return false;
}

static bool state_of(const char *name, unsigned char *ret_state)
{
    for (unsigned state = 0; name && state < FERRY_STATE_COUNT; state++)
        if (strcmp(name, ferry_endpoint_state_name(state)) == 0) {
            *ret_state = (unsigned char)state;
            return true;
        }
    return !name;
}

static bool ends_of(const char *name, unsigned char *ret_ends)
{
    static const char *const names[] = { "", "r", "w", "rw" };

    for (unsigned i = 0; i < COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *ret_ends = (unsigned char)i;
            return true;
        }
    return false;
}

static bool cookie_of(const char *text, uint64_t *ret_cookie)
{
    size_t size = strlen(text);

    if (size == 0 || size > 16 || strspn(text, "0123456789abcdef") != size)
        return false;
    *ret_cookie = strtoull(text, NULL, 16);
    return true;
}

/* --- processes -------------------------------------------------------------------------------- */

static const char *text_keep(struct snapshot *snapshot, const char *text)
{
    return text ? arena_copy(&snapshot->arena, text, strlen(text)) : NULL;
}

static int process_read(
    struct reading *reading, const json_t *object, struct ferry_process *ret_process)
{
    struct snapshot *snapshot = reading->snapshot;
    uint64_t pid = 0, parent = 0, start = 0;
    const char *name = "", *unit = NULL, *container = NULL;

    if (!json_is_object(object) || !number_get(object, "pid", INT32_MAX, &pid) ||
        !number_get(object, "parent", INT32_MAX, &parent) ||
        !number_get(object, "start_ticks", INT64_MAX, &start) ||
        !text_get(object, "command", &name) || !text_get(object, "unit", &unit) ||
        !text_get(object, "container", &container) || pid == 0)
        return fail_form(reading, "a process has no pid, or a member of another type");
    *ret_process = (struct ferry_process){ .pid = (pid_t)pid,
        .parent = (pid_t)parent,
        .start_ticks = start,
        .name = text_keep(snapshot, name),
        .unit = text_keep(snapshot, unit),
        .container = text_keep(snapshot, container),
        .uid = (uid_t)-1,
        .gid = (gid_t)-1 };
    bool kept =
        ret_process->name && (!unit || ret_process->unit) && (!container || ret_process->container);
    return kept ? 0 : fail_memory(reading);
}

static int compare_processes(const void *one, const void *other)
{
    pid_t a = ((const struct ferry_process *)one)->pid;
    pid_t b = ((const struct ferry_process *)other)->pid;
    return (a > b) - (a < b);
}

static int processes_read(struct reading *reading, const json_t *document)
{
    struct snapshot *snapshot = reading->snapshot;
    const json_t *list;
    int code = 0;

    if (!list_get(document, "processes", &list))
        return fail_form(reading, "processes is no list");
    size_t count = json_array_size(list);
    snapshot->processes = arena_new(&snapshot->arena, (count + 1) * sizeof(*snapshot->processes));
    if (!snapshot->processes)
        return fail_memory(reading);
    for (size_t i = 0; i < count && code == 0; i++)
        code = process_read(reading, json_array_get(list, i), &snapshot->processes[i]);
    if (code < 0)
        return code;
    snapshot->process_count = count;
    qsort(snapshot->processes, count, sizeof(*snapshot->processes), compare_processes);
    return 0;
}

/* The process of an owner; one that is not listed is made from what the owner says. */
static int owner_process(
    struct reading *reading, const json_t *object, const struct ferry_process **ret_process)
{
    struct snapshot *snapshot = reading->snapshot;
    struct ferry_process said;
    int code = process_read(reading, object, &said);

    if (code < 0)
        return code;
    *ret_process = bsearch(
        &said, snapshot->processes, snapshot->process_count, sizeof(said), compare_processes);
    if (*ret_process)
        return 0;
    struct ferry_process *made = arena_new(&snapshot->arena, sizeof(*made));
    if (!made)
        return fail_memory(reading);
    *made = said;
    *ret_process = made;
    return 0;
}

static int compare_owners(const void *one, const void *other)
{
    const struct ferry_owner *a = one, *b = other;

    if (a->process->pid != b->process->pid)
        return a->process->pid < b->process->pid ? -1 : 1;
    return (a->fd > b->fd) - (a->fd < b->fd);
}

static int owners_read(
    struct reading *reading, const json_t *object, struct ferry_endpoint *endpoint)
{
    const json_t *list;

    if (!list_get(object, "owners", &list))
        return fail_form(reading, "owners is no list");
    size_t count = json_array_size(list);
    if (!count)
        return 0;
    struct ferry_owner *owners = arena_new(&reading->snapshot->arena, count * sizeof(*owners));
    if (!owners)
        return fail_memory(reading);
    for (size_t i = 0; i < count; i++) {
        const json_t *owner = json_array_get(list, i);
        const char *ends = "";
        uint64_t fd = 0;
        int code = owner_process(reading, owner, &owners[i].process);
        if (code < 0)
            return code;
        if (!number_get(owner, "fd", INT32_MAX, &fd) || !text_get(owner, "ends", &ends) ||
            !ends_of(ends, &owners[i].ends))
            return fail_form(reading, "an owner has a member of another type");
        owners[i].fd = (int)fd;
    }
    qsort(owners, count, sizeof(*owners), compare_owners);
    endpoint->owners = owners;
    endpoint->owner_count = (unsigned)count;
    return 0;
}

/* --- rows ------------------------------------------------------------------------------------- */

static int address_read(
    struct reading *reading, const json_t *object, struct ferry_endpoint *endpoint)
{
    const char *local = "", *remote = "";

    if (!text_get(object, "local", &local) || !text_get(object, "remote", &remote))
        return fail_form(reading, "an address is no text");
    int code = snapshot_address_set(&reading->snapshot->arena, endpoint, local, remote);
    if (code == -EINVAL)
        return fail_form(reading, "an address is none");
    return code < 0 ? fail_memory(reading) : 0;
}

static int namespace_read(
    struct reading *reading, const json_t *object, struct ferry_endpoint *endpoint)
{
    const json_t *member = json_object_get(object, "namespace");
    uint64_t inode = 0;
    const char *name = NULL;

    if (!view_is_socket(endpoint))
        return 0;
    if (member && (!json_is_object(member) || !number_get(member, "inode", INT64_MAX, &inode) ||
                      !text_get(member, "name", &name)))
        return fail_form(reading, "a namespace has a member of another type");
    struct ferry_namespace *network = arena_new(&reading->snapshot->arena, sizeof(*network));
    if (!network)
        return fail_memory(reading);
    *network = (struct ferry_namespace){
        .inode = inode, .name = text_keep(reading->snapshot, name), .own = !member
    };
    endpoint->network = network;
    return name && !network->name ? fail_memory(reading) : 0;
}

static int row_read(struct reading *reading, const json_t *object, struct ferry_endpoint *endpoint)
{
    const char *kind = NULL, *state = NULL, *ends = "", *cookie = NULL;
    const json_t *gone = json_object_get(object, "peer_gone");

    endpoint->uid = (uid_t)-1;
    if (!json_is_object(object) || !text_get(object, "kind", &kind) ||
        !kind_of(kind, &endpoint->kind))
        return fail_form(reading, "an endpoint is of no known kind");
    if (!text_get(object, "state", &state) || !state_of(state, &endpoint->state) ||
        !text_get(object, "ends", &ends) || !ends_of(ends, &endpoint->ends) ||
        !number_get(object, "inode", INT64_MAX, &endpoint->inode) ||
        !text_get(object, "cookie", &cookie) || (cookie && !cookie_of(cookie, &endpoint->cookie)) ||
        (gone && !json_is_boolean(gone)))
        return fail_form(reading, "an endpoint has a member of another type");
    endpoint->peer_gone = json_is_true(gone);
    int code = address_read(reading, object, endpoint);
    if (code == 0)
        code = owners_read(reading, object, endpoint);
    return code < 0 ? code : namespace_read(reading, object, endpoint);
}

/* --- from row to row -------------------------------------------------------------------------- */

static int compare_inodes(const void *one, const void *other)
{
    const struct ferry_endpoint *a = *(const struct ferry_endpoint *const *)one;
    const struct ferry_endpoint *b = *(const struct ferry_endpoint *const *)other;

    if (a->inode != b->inode)
        return a->inode < b->inode ? -1 : 1;
    return a->kind < b->kind ? -1 : a->kind > b->kind;
}

/* A row of that inode which `of` can be connected to; of a pipe that has two, the other one. */
static struct ferry_endpoint *row_find(
    const struct snapshot *snapshot, uint64_t inode, const struct ferry_endpoint *of)
{
    const struct ferry_endpoint wanted = { .inode = inode, .kind = of->kind };
    const struct ferry_endpoint *key = &wanted;
    size_t low = 0, high = snapshot->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_inodes(&snapshot->by_inode[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < snapshot->count && snapshot->by_inode[low] == of)
        low++;
    if (!inode || low >= snapshot->count || compare_inodes(&snapshot->by_inode[low], &key) != 0)
        return NULL;
    return (struct ferry_endpoint *)snapshot->by_inode[low];
}

static int peer_make(struct reading *reading, const json_t *object, struct ferry_endpoint *endpoint)
{
    struct ferry_endpoint *peer = arena_new(&reading->snapshot->arena, sizeof(*peer));

    if (!peer)
        return fail_memory(reading);
    *peer = (struct ferry_endpoint){ .kind = endpoint->kind,
        .state = FERRY_STATE_ESTABLISHED,
        .ends = endpoint->ends == 3 ? 3 : 3 - endpoint->ends,
        .uid = (uid_t)-1,
        .inode = endpoint->peer_inode,
        .network = endpoint->network };
    int code = address_read(reading, object, peer);
    endpoint->peer = peer;
    return code < 0 ? code : owners_read(reading, object, peer);
}

static int row_link(struct reading *reading, const json_t *object, struct ferry_endpoint *endpoint)
{
    const json_t *peer = json_object_get(object, "peer");
    uint64_t listener = 0;

    if (!number_get(object, "listener", INT64_MAX, &listener))
        return fail_form(reading, "a listener is no number");
    endpoint->listener = row_find(reading->snapshot, listener, endpoint);
    if (!peer)
        return 0;
    if (!json_is_object(peer) || !number_get(peer, "inode", INT64_MAX, &endpoint->peer_inode))
        return fail_form(reading, "a peer has a member of another type");
    endpoint->peer = row_find(reading->snapshot, endpoint->peer_inode, endpoint);
    /* With an inode alone the kernel has named a row that was not to be had. */
    bool known = json_object_get(peer, "owners") != NULL;
    return endpoint->peer || !known ? 0 : peer_make(reading, peer, endpoint);
}

/* --- all -------------------------------------------------------------------------------------- */

int snapshot_compare(const struct ferry_endpoint *one, const struct ferry_endpoint *other)
{
    /* What has a cookie needs no more; an inode comes late, with accept(2). */
    if (one->cookie != other->cookie)
        return one->cookie < other->cookie ? -1 : 1;
    if (one->kind != other->kind)
        return one->kind < other->kind ? -1 : 1;
    if (one->cookie)
        return 0;
    if (one->inode != other->inode)
        return one->inode < other->inode ? -1 : 1;
    return (one->ends > other->ends) - (one->ends < other->ends);
}

static int compare_themselves(const void *one, const void *other)
{
    return snapshot_compare(
        *(const struct ferry_endpoint *const *)one, *(const struct ferry_endpoint *const *)other);
}

/* A snapshot does not have all that is told of it. */
static const uint32_t no_memory[FERRY_MEMORY_COUNT];

static int rows_make(struct reading *reading, size_t count)
{
    struct snapshot *snapshot = reading->snapshot;
    size_t size = (count + 1) * sizeof(struct ferry_endpoint *);

    snapshot->rows = arena_new(&snapshot->arena, (count + 1) * sizeof(*snapshot->rows));
    snapshot->list = arena_new(&snapshot->arena, size);
    snapshot->by_inode = arena_new(&snapshot->arena, size);
    snapshot->by_itself = arena_new(&snapshot->arena, size);
    if (!snapshot->rows || !snapshot->list || !snapshot->by_inode || !snapshot->by_itself)
        return fail_memory(reading);
    for (size_t i = 0; i < count; i++) {
        snapshot->list[i] = snapshot->by_inode[i] = snapshot->by_itself[i] = &snapshot->rows[i];
        snapshot->rows[i].memory = no_memory;
    }
    snapshot->count = count;
    return 0;
}

static int rows_read(struct reading *reading, const json_t *list)
{
    struct snapshot *snapshot = reading->snapshot;
    int code = rows_make(reading, json_array_size(list));

    for (size_t i = 0; code == 0 && i < snapshot->count; i++)
        code = row_read(reading, json_array_get(list, i), &snapshot->rows[i]);
    if (code < 0)
        return code;
    qsort(snapshot->by_inode, snapshot->count, sizeof(*snapshot->by_inode), compare_inodes);
    qsort(snapshot->by_itself, snapshot->count, sizeof(*snapshot->by_itself), compare_themselves);
    for (size_t i = 0; code == 0 && i < snapshot->count; i++)
        code = row_link(reading, json_array_get(list, i), &snapshot->rows[i]);
    return code;
}

static int boot_check(struct reading *reading, const json_t *document)
{
    char now[VIEW_BOOT_SIZE];
    const char *boot = NULL;

    if (!text_get(document, "boot", &boot) || !boot)
        return fail_form(reading, "it does not say of which boot");
    if (!view_boot_read(now))
        return error_set(reading->error, -EINVAL, "/proc/sys/kernel/random/boot_id",
            "mount /proc as it is elsewhere", "can't be read, so that no snapshot can be compared");
    if (strcmp(boot, now) != 0)
        return error_set(reading->error, -EINVAL, reading->path,
            "inodes began anew since; make another", "is of another boot, %s; this one is %s", boot,
            now);
    return 0;
}

static int kinds_read(struct reading *reading, const json_t *document)
{
    const json_t *list;

    if (!list_get(document, "kinds", &list) || !list)
        return fail_form(reading, "it does not say of which kinds");
    for (size_t i = 0; i < json_array_size(list); i++) {
        unsigned char kind;
        if (!kind_of(json_string_value(json_array_get(list, i)), &kind))
            return fail_form(reading, "it is of unknown kinds");
        reading->snapshot->kinds |= 1u << kind;
    }
    return 0;
}

static int document_read(struct reading *reading, const json_t *document)
{
    uint64_t schema = 0;
    const json_t *list;

    if (!json_is_object(document) || !number_get(document, "schema", INT64_MAX, &schema) || !schema)
        return fail_form(reading, "it has no schema");
    if (schema != VIEW_SCHEMA)
        return error_set(reading->error, -EINVAL, reading->path, "make another with this ferry",
            "is of schema %" PRIu64 "; this ferry reads %d", schema, VIEW_SCHEMA);
    if (!list_get(document, "endpoints", &list) || !list)
        return fail_form(reading, "it has no endpoints");
    int code = boot_check(reading, document);
    if (code == 0)
        code = kinds_read(reading, document);
    if (code == 0)
        code = processes_read(reading, document);
    return code < 0 ? code : rows_read(reading, list);
}

struct input {
    FILE *file;
    size_t size; /* read so far */
    int code;
};

/* As jansson wants its input: (size_t)-1 ends it. */
static size_t input_read(void *buffer, size_t size, void *data)
{
    struct input *input = data;
    size_t got = fread(buffer, 1, size, input->file);

    input->size += got;
    if (ferror(input->file))
        input->code = errno ? -errno : -EIO;
    else if (input->size > SNAPSHOT_SIZE_MAX)
        input->code = -EFBIG;
    return input->code < 0 ? (size_t)-1 : got;
}

static int json_read(struct reading *reading, json_t **ret_document)
{
    AUTO_FILE FILE *file = fopen(reading->path, "re");
    struct input input = { .file = file };
    json_error_t wrong;

    if (!file)
        return error_set_errno(reading->error, -errno, reading->path, NULL);
    *ret_document = json_load_callback(input_read, &input, JSON_REJECT_DUPLICATES, &wrong);
    if (*ret_document)
        return 0;
    if (input.code == -EFBIG)
        return error_set(reading->error, -EFBIG, reading->path, "make one of fewer endpoints",
            "is longer than %u bytes", SNAPSHOT_SIZE_MAX);
    if (input.code < 0)
        return error_set_errno(reading->error, input.code, reading->path, NULL);
    return error_set(reading->error, -EINVAL, reading->path,
        "make one with `ferry ls --json > FILE`", "is no JSON: line %d: %s", wrong.line,
        wrong.text);
}

int snapshot_read(const char *path, struct snapshot **ret_snapshot, struct ferry_error *error)
{
    struct reading reading = { calloc(1, sizeof(struct snapshot)), path, error };
    int code =
        reading.snapshot ? json_read(&reading, &reading.snapshot->document) : fail_memory(&reading);

    if (code == 0)
        code = document_read(&reading, reading.snapshot->document);
    if (code < 0)
        snapshot_free(reading.snapshot);
    else
        *ret_snapshot = reading.snapshot;
    return code;
}

void snapshot_free(struct snapshot *snapshot)
{
    if (!snapshot)
        return;
    json_decref(snapshot->document);
    arena_fini(&snapshot->arena);
    free(snapshot);
}

unsigned snapshot_kinds(const struct snapshot *snapshot)
{
    return snapshot->kinds;
}

size_t snapshot_count(const struct snapshot *snapshot)
{
    return snapshot->count;
}

const struct ferry_endpoint *snapshot_get(const struct snapshot *snapshot, size_t index)
{
    return snapshot->list[index];
}

const struct ferry_endpoint *const *snapshot_list(const struct snapshot *snapshot)
{
    return snapshot->list;
}

json_t *snapshot_json(const struct snapshot *snapshot, const struct ferry_endpoint *endpoint)
{
    return json_array_get(
        json_object_get(snapshot->document, "endpoints"), (size_t)(endpoint - snapshot->rows));
}

const struct ferry_endpoint *snapshot_find(
    const struct snapshot *snapshot, const struct ferry_endpoint *endpoint)
{
    if (!snapshot->count)
        return NULL;
    const struct ferry_endpoint **found = bsearch(&endpoint, snapshot->by_itself, snapshot->count,
        sizeof(*snapshot->by_itself), compare_themselves);
    return found ? *found : NULL;
}
