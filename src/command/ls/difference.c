/* difference.c - what is new, what has gone, what has another peer or owner.
 *
 * An owner is a process, not a descriptor: what dup(2) makes is no change. Of a peer it is its
 * inode that counts; a TCP connection's is 0 until accept(2), which is a change too.
 */
#include "command/ls/difference.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "command/table.h"
#include "command/view/json.h"
#include "command/view/names.h"

#include <string.h>

/* --- finding ---------------------------------------------------------------------------------- */

static bool is_other_peer(const struct ferry_endpoint *now, const struct ferry_endpoint *before)
{
    uint64_t peer_now = now->peer ? now->peer->inode : now->peer_inode;
    uint64_t peer_before = before->peer ? before->peer->inode : before->peer_inode;

    return peer_now != peer_before;
}

/* Both are by pid. */
static bool is_other_owner(const struct ferry_endpoint *now, const struct ferry_endpoint *before)
{
    unsigned i = 0, j = 0;

    while (i < now->owner_count && j < before->owner_count) {
        const struct ferry_process *one = now->owners[i].process;
        const struct ferry_process *other = before->owners[j].process;
        /* A pid may have been given to another process since. */
        bool known = one->start_ticks && other->start_ticks;
        if (one->pid != other->pid || (known && one->start_ticks != other->start_ticks))
            return true;
        while (i < now->owner_count && now->owners[i].process == one)
            i++;
        while (j < before->owner_count && before->owners[j].process == other)
            j++;
    }
    return i < now->owner_count || j < before->owner_count;
}

static bool difference_add(struct differences *differences, const struct difference *difference)
{
    if (!array_reserve(&differences->data, differences->count, &differences->capacity,
            sizeof(*differences->data)))
        return false;
    differences->data[differences->count++] = *difference;
    return true;
}

static struct difference difference_of(
    const struct ferry_endpoint *now, const struct ferry_endpoint *before)
{
    struct difference difference = { .now = now, .before = before, .mark = before ? ' ' : '+' };

    if (!before)
        return difference;
    difference.peer = is_other_peer(now, before);
    difference.owner = is_other_owner(now, before);
    if (difference.peer || difference.owner)
        difference.mark = '~';
    return difference;
}

static int compare_rows(const void *one, const void *other)
{
    return snapshot_compare(
        *(const struct ferry_endpoint *const *)one, *(const struct ferry_endpoint *const *)other);
}

struct comparison {
    const struct ferry_endpoints *table;
    const struct snapshot *snapshot;
    unsigned kinds;
    bool (*wanted)(const struct ferry_endpoint *endpoint, void *data);
    void *data;
};

static bool is_compared(const struct comparison *comparison, const struct ferry_endpoint *endpoint)
{
    return comparison->kinds & 1u << endpoint->kind &&
           (!comparison->wanted || comparison->wanted(endpoint, comparison->data));
}

static int gone_find(const struct comparison *comparison, struct differences *differences)
{
    size_t count = ferry_endpoints_count(comparison->table);
    AUTO_FREE const struct ferry_endpoint **rows = calloc(count + 1, sizeof(*rows));

    if (!rows)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        rows[i] = ferry_endpoints_get(comparison->table, i);
    qsort(rows, count, sizeof(*rows), compare_rows);
    for (size_t i = 0; i < snapshot_count(comparison->snapshot); i++) {
        const struct ferry_endpoint *before = snapshot_get(comparison->snapshot, i);
        if (!is_compared(comparison, before) ||
            bsearch(&before, rows, count, sizeof(*rows), compare_rows))
            continue;
        if (!difference_add(differences, &(struct difference){ .mark = '-', .before = before }))
            return -ENOMEM;
    }
    return 0;
}

int differences_find(const struct ferry_endpoints *table, const struct snapshot *snapshot,
    unsigned kinds, bool (*wanted)(const struct ferry_endpoint *endpoint, void *data), void *data,
    struct differences *ret_differences)
{
    struct comparison comparison = { table, snapshot, kinds, wanted, data };
    struct differences differences = { .snapshot = snapshot };
    int code = 0;

    for (size_t i = 0; i < ferry_endpoints_count(table) && code == 0; i++) {
        const struct ferry_endpoint *now = ferry_endpoints_get(table, i);
        const struct ferry_endpoint *before = snapshot_find(snapshot, now);
        /* One that was wanted then has not gone because it has changed. */
        if (!is_compared(&comparison, now) && !(before && is_compared(&comparison, before)))
            continue;
        struct difference difference = difference_of(now, before);
        if (difference.mark != ' ' && !difference_add(&differences, &difference))
            code = -ENOMEM;
    }
    if (code == 0)
        code = gone_find(&comparison, &differences);
    if (code < 0)
        differences_fini(&differences);
    else
        *ret_differences = differences;
    return code;
}

void differences_fini(struct differences *differences)
{
    free(differences->data);
}

/* --- for people ------------------------------------------------------------------------------- */

static void add_text(struct table *table, const struct ferry_endpoint *endpoint,
    void (*print)(const struct ferry_endpoint *, struct bytes *))
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    if (endpoint)
        print(endpoint, &text);
    table_add(table, text.size && !bytes_failed(&text) ? text.data : "-");
}

static void append_was(struct bytes *text, const char *word, const struct ferry_endpoint *endpoint)
{
    size_t before;

    bytes_print(text, "%s%s ", text->size ? ", " : "", word);
    before = text->size;
    if (endpoint)
        view_print_owners(endpoint, text);
    if (text->size == before)
        bytes_append_text(text, "-");
}

static void add_was(struct table *table, const struct difference *difference)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    if (difference->owner)
        append_was(&text, "process", difference->before);
    if (difference->peer)
        append_was(&text, "peer", difference->before->peer);
    table_add(table, text.size && !bytes_failed(&text) ? text.data : "-");
}

void differences_print(const struct differences *differences, struct bytes *text)
{
    static const char *const headings[] = { " ", "KIND", "STATE", "LOCAL", "REMOTE", "PROCESS",
        "PEER", "WAS", NULL };
    struct table table;

    table_init(&table, headings);
    for (size_t i = 0; i < differences->count; i++) {
        const struct difference *difference = &differences->data[i];
        const struct ferry_endpoint *shown = difference->now ? difference->now : difference->before;
        char mark[2] = { difference->mark, '\0' };
        table_add(&table, mark);
        table_add(&table, ferry_endpoint_kind_name(shown->kind));
        table_add(&table, ferry_endpoint_state_name(shown->state));
        add_text(&table, shown, view_print_local);
        add_text(&table, shown, view_print_remote);
        add_text(&table, shown, view_print_owners);
        add_text(&table, shown->peer, view_print_owners);
        add_was(&table, difference);
    }
    table_print(&table, text);
    table_fini(&table);
}

/* --- as JSON ---------------------------------------------------------------------------------- */

static json_t *before_json(
    const struct differences *differences, const struct difference *difference)
{
    return json_incref(snapshot_json(differences->snapshot, difference->before));
}

static json_t *changed_json(
    const struct differences *differences, const struct difference *difference)
{
    json_t *object = json_object(), *what = json_array();

    if (difference->owner)
        json_array_append_new(what, json_string("owner"));
    if (difference->peer)
        json_array_append_new(what, json_string("peer"));
    json_object_set_new(object, "what", what);
    json_object_set_new(object, "now", view_json_endpoint(difference->now));
    json_object_set_new(object, "before", before_json(differences, difference));
    return object;
}

json_t *differences_json(const struct differences *differences)
{
    json_t *document = json_object();
    json_t *new = json_array(), *gone = json_array(), *changed = json_array();
    char boot[VIEW_BOOT_SIZE];

    json_object_set_new(document, "schema", json_integer(VIEW_SCHEMA));
    if (view_boot_read(boot))
        json_object_set_new(document, "boot", json_string(boot));
    for (size_t i = 0; i < differences->count; i++) {
        const struct difference *difference = &differences->data[i];
        if (difference->mark == '+')
            json_array_append_new(new, view_json_endpoint(difference->now));
        else if (difference->mark == '-')
            json_array_append_new(gone, before_json(differences, difference));
        else
            json_array_append_new(changed, changed_json(differences, difference));
    }
    json_object_set_new(document, "new", new);
    json_object_set_new(document, "gone", gone);
    json_object_set_new(document, "changed", changed);
    return document;
}
