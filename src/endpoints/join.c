/* join.c - what belongs together: inodes to rows, owners to endpoints, one end to the other.
 *
 * Rows do not move any more once join_index() was called, so that all else may point to them.
 */
#include "base/array.h"
#include "base/cleanup.h"
#include "endpoints/limits.h"
#include "endpoints/table.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* --- by inode --------------------------------------------------------------------------------- */

static bool is_socket(const struct ferry_endpoint *row)
{
    return (1u << row->kind) & FERRY_ENDPOINTS_SOCKETS;
}

static size_t slot_of(const struct rows *rows, uint64_t key)
{
    return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (rows->index_size - 1);
}

/* Whether two rows are one socket. */
static bool is_same_socket(const struct ferry_endpoint *one, const struct ferry_endpoint *other)
{
    return is_socket(one) && is_socket(other) && one->inode == other->inode &&
           one->cookie == other->cookie && (one->inode || one->cookie);
}

/* A dump goes on at a place that it counts to: what is made meanwhile shifts the rest, so that the
 * kernel tells of some sockets twice. */
static void index_add(struct rows *rows, size_t number)
{
    struct ferry_endpoint *row = &rows->data[number];
    size_t slot = slot_of(rows, row->inode ? row->inode : row->cookie);

    for (; rows->index[slot]; slot = (slot + 1) & (rows->index_size - 1)) {
        if (is_same_socket(&rows->data[rows->index[slot] - 1], row)) {
            *row = (struct ferry_endpoint){ .kind = ENDPOINT_GONE };
            return;
        }
    }
    rows->index[slot] = (uint32_t)(number + 1);
}

int join_index(struct ferry_endpoints *table)
{
    struct rows *rows = &table->rows;

    rows->index_size = 64;
    while (rows->index_size < rows->count * 2)
        rows->index_size *= 2;
    if (!array_grow(&rows->index, rows->index_size, &rows->index_capacity, sizeof(*rows->index)))
        return -ENOMEM;
    memset(rows->index, 0, rows->index_size * sizeof(*rows->index));
    for (size_t i = 0; i < rows->count; i++) {
        struct ferry_endpoint *row = &rows->data[i];
        if (row->has_memory)
            row->memory = rows->memory[i];
        if (row->inode || row->cookie)
            index_add(rows, i);
    }
    return 0;
}

/* The next row of that inode behind *slot. */
static struct ferry_endpoint *index_next(const struct rows *rows, uint64_t inode, size_t *slot)
{
    while (rows->index[*slot]) {
        struct ferry_endpoint *row = &rows->data[rows->index[*slot] - 1];
        *slot = (*slot + 1) & (rows->index_size - 1);
        if (row->inode == inode)
            return row;
    }
    return NULL;
}

struct ferry_endpoint *join_find(const struct rows *rows, uint64_t inode, bool sockets)
{
    if (!rows->index_size || !inode)
        return NULL;
    size_t slot = slot_of(rows, inode);
    struct ferry_endpoint *row;
    while ((row = index_next(rows, inode, &slot)))
        if (is_socket(row) == sockets && (sockets || row->kind == FERRY_ENDPOINT_PIPE))
            return row;
    return NULL;
}

struct ferry_endpoint *join_find_like(const struct rows *rows, const struct ferry_endpoint *row)
{
    uint64_t key = row->inode ? row->inode : row->cookie;

    if (!rows->index_size || !key)
        return NULL;
    for (size_t slot = slot_of(rows, key); rows->index[slot];
         slot = (slot + 1) & (rows->index_size - 1)) {
        struct ferry_endpoint *other = &rows->data[rows->index[slot] - 1];
        if (other->kind == row->kind && other->inode == row->inode &&
            other->cookie == row->cookie && other->device == row->device &&
            other->ends == row->ends)
            return other;
    }
    return NULL;
}

const struct ferry_endpoint *join_find_next(
    const struct rows *rows, const struct ferry_endpoint *row, size_t *likely)
{
    const struct ferry_endpoint *found = NULL;

    if (*likely < rows->count && rows->data[*likely].cookie == row->cookie && row->cookie)
        found = &rows->data[*likely];
    else if (rows->count)
        found = join_find_like(rows, row);
    if (found)
        *likely = (size_t)(found - rows->data) + 1;
    return found;
}

/* --- owners ----------------------------------------------------------------------------------- */

static bool is_held(const struct ferry_endpoint *row, const struct descriptor *held)
{
    bool same = held->kind == DESCRIPTOR_SOCKET
                    ? is_socket(row)
                    : row->kind == held->kind && row->device == held->device;
    return same && row->ends & held->ends;
}

/* The first row that a descriptor is of; NULL: it has none. Remembered, since it is dear to find:
 * where it was at the last look, it mostly is again, as the kernel lists sockets in the same order.
 */
static struct ferry_endpoint *descriptor_row(struct rows *rows, struct descriptor *held)
{
    size_t slot = slot_of(rows, held->inode);
    struct ferry_endpoint *row;

    if (held->kind == DESCRIPTOR_SOCKET && held->row && held->row <= rows->count &&
        rows->data[held->row - 1].inode == held->inode && is_held(&rows->data[held->row - 1], held))
        return &rows->data[held->row - 1];
    while ((row = index_next(rows, held->inode, &slot)) && !is_held(row, held))
        ;
    held->row = row ? (uint32_t)(row - rows->data) + 1 : 0;
    return row;
}

/* Of a pipe that is open for both ends the second, which stands next to the first. */
static struct ferry_endpoint *descriptor_second(
    const struct rows *rows, const struct descriptor *held, struct ferry_endpoint *first)
{
    bool last = first == &rows->data[rows->count - 1];
    bool two = held->kind != DESCRIPTOR_SOCKET && !last && first[1].inode == held->inode &&
               is_held(&first[1], held);
    return two ? first + 1 : NULL;
}

/* What it is most likely of. */
static void descriptor_prefetch(const struct rows *rows, const struct process *process, size_t next)
{
    if (next >= process->descriptor_count)
        return;
    const struct descriptor *held = &process->descriptors[next];
    if (!held->row)
        __builtin_prefetch(&rows->index[slot_of(rows, held->inode)]);
    else if (held->row <= rows->count)
        row_prefetch(&rows->data[held->row - 1]);
}

/* Most rows have one owner, which has its place beside them. The first gives the row its place in
 * the order. */
static struct ferry_owner *first_owner(const struct rows *rows, const struct ferry_endpoint *row)
{
    return &rows->owners[row - rows->data];
}

static void owner_meet(struct rows *rows, struct ferry_endpoint *row, struct process *process,
    const struct descriptor *held)
{
    if (row->owner_count++ > 0)
        return;
    struct ferry_owner *owner = first_owner(rows, row);
    *owner = (struct ferry_owner){ &process->shown, held->fd, held->ends };
    row->owners = owner;
    rows->met[rows->met_count++] = (uint32_t)(row - rows->data);
    process->shown.endpoint_count++;
}

/* Fills from the front those of a row that has several; owner_count counts again. Processes come by
 * pid, so that another descriptor of the same one follows at once. */
static void owner_add(struct rows *rows, struct ferry_endpoint *row, struct process *process,
    const struct descriptor *held)
{
    struct ferry_owner *owners = (struct ferry_owner *)row->owners;

    if (owners == first_owner(rows, row))
        return;
    if (row->owner_count > 0 && owners[row->owner_count - 1].process != &process->shown)
        process->shown.endpoint_count++;
    owners[row->owner_count++] = (struct ferry_owner){ &process->shown, held->fd, held->ends };
}

static void owners_each(
    struct ferry_endpoints *table, void (*take)(struct rows *, struct ferry_endpoint *,
                                       struct process *, const struct descriptor *))
{
    struct rows *rows = &table->rows;

    for (size_t i = 0; i < table->process_count; i++) {
        struct process *process = table->processes[i];
        for (size_t j = 0; j < process->descriptor_count; j++) {
            struct descriptor *held = &process->descriptors[j];
            descriptor_prefetch(rows, process, j + ROWS_AHEAD);
            struct ferry_endpoint *row = descriptor_row(rows, held);
            struct ferry_endpoint *second = row ? descriptor_second(rows, held, row) : NULL;
            if (row)
                take(rows, row, process, held);
            if (second)
                take(rows, second, process, held);
        }
    }
}

/* Room for all owners of those rows that have several. Returns how many rows these are, -ENOMEM. */
static ssize_t owners_make_room(struct ferry_endpoints *table)
{
    struct rows *rows = &table->rows;
    size_t total = 0;
    ssize_t shared = 0;

    for (size_t i = 0; i < rows->count; i++)
        total += rows->data[i].owner_count > 1 ? rows->data[i].owner_count : 0;
    if (total == 0)
        return 0;
    struct ferry_owner *owners = arena_new(&table->arena, total * sizeof(*owners));
    if (!owners)
        return -ENOMEM;
    for (size_t i = 0; i < rows->count; i++) {
        struct ferry_endpoint *row = &rows->data[i];
        if (row->owner_count < 2)
            continue;
        row->owners = owners;
        owners += row->owner_count;
        row->owner_count = 0;
        shared++;
    }
    return shared;
}

static void owners_forget(struct ferry_endpoints *table)
{
    for (size_t i = 0; i < table->rows.count; i++) {
        table->rows.data[i].owner_count = 0;
        table->rows.data[i].owners = NULL;
    }
    table->rows.met_count = 0;
}

int join_owners(struct ferry_endpoints *table)
{
    struct rows *rows = &table->rows;

    if (!array_grow(&rows->met, rows->count + 1, &rows->met_capacity, sizeof(*rows->met)) ||
        !array_grow(&rows->owners, rows->count + 1, &rows->owners_capacity, sizeof(*rows->owners)))
        return -ENOMEM;
    if (rows->met_count)
        owners_forget(table);
    for (size_t i = 0; i < table->process_count; i++)
        table->processes[i]->shown.endpoint_count = 0;
    owners_each(table, owner_meet);
    ssize_t shared = owners_make_room(table);
    if (shared > 0)
        owners_each(table, owner_add);
    return shared < 0 ? (int)shared : 0;
}

/* --- the other end ---------------------------------------------------------------------------- */

static void peer_unix(struct rows *rows, struct ferry_endpoint *row)
{
    if (row->peer_inode)
        row->peer = join_find(rows, row->peer_inode, true);
    else if (row->state == FERRY_STATE_WAITING)
        row->peer_gone = false;
}

/* The two ends of a pipe or FIFO were made one behind the other. */
static void peer_pipe(struct rows *rows, size_t index)
{
    struct ferry_endpoint *row = &rows->data[index];
    size_t other = row->ends == FERRY_END_READ ? index + 1 : index - 1;

    if (rows->data[other].owner_count == 0) {
        row->peer_gone = true;
        return;
    }
    row->peer = &rows->data[other];
    row->peer_inode = row->inode;
}

/* It has a peer that has another or none: a datagram server. */
static bool is_one_sided(const struct ferry_endpoint *row)
{
    if (!row->peer)
        return false;
    return row->family == AF_UNIX ? row->peer->peer_inode != row->inode
                                  : row->kind == FERRY_ENDPOINT_UDP && row->peer->peer != row;
}

int join_peers(struct ferry_endpoints *table)
{
    struct rows *rows = &table->rows;
    int code = table->kinds & FERRY_ENDPOINTS_INET ? join_inet(table) : 0;

    for (size_t i = 0; i < rows->count && code == 0; i++) {
        struct ferry_endpoint *row = &rows->data[i];
        if (row->family == AF_UNIX)
            peer_unix(rows, row);
        else if (row->kind == FERRY_ENDPOINT_PIPE || row->kind == FERRY_ENDPOINT_FIFO)
            peer_pipe(rows, i);
        if (is_one_sided(row))
            code = client_add(table, row->peer, row);
    }
    return code;
}

/* --- clients ---------------------------------------------------------------------------------- */

int client_add(struct ferry_endpoints *table, const struct ferry_endpoint *server,
    const struct ferry_endpoint *client)
{
    if (!array_reserve(
            &table->clients, table->client_count, &table->client_capacity, sizeof(*table->clients)))
        return -ENOMEM;
    table->clients[table->client_count++] = (struct client){ (uint32_t)(server - table->rows.data),
        (uint32_t)(client - table->rows.data) };
    return 0;
}

/* From the last to the first, each before those that follow it. */
void join_clients(struct ferry_endpoints *table)
{
    for (size_t i = table->client_count; i > 0; i--) {
        const struct client *pair = &table->clients[i - 1];
        struct ferry_endpoint *server = &table->rows.data[pair->server];
        struct ferry_endpoint *client = &table->rows.data[pair->client];
        client->next = server->clients;
        server->clients = client;
        server->client_count++;
    }
}

/* --- order ------------------------------------------------------------------------------------ */

/* Not what was closed meanwhile, nor the end of a pipe that nobody has. */
static bool is_shown(const struct ferry_endpoint *row)
{
    bool end = row->kind == FERRY_ENDPOINT_PIPE || row->kind == FERRY_ENDPOINT_FIFO;
    return row->kind != ENDPOINT_GONE && (!end || row->owner_count > 0);
}

struct lone {
    uint64_t inode;
    uint32_t number;
};

static int compare_lone(const void *one, const void *other)
{
    const struct lone *a = one, *b = other;

    return (a->inode > b->inode) - (a->inode < b->inode);
}

/* Those that nobody holds stand behind the others. */
static int order_add_rest(struct rows *rows)
{
    AUTO_FREE struct lone *rest = NULL;
    size_t count = 0, capacity = 0;

    for (size_t i = 0; i < rows->count; i++) {
        if (rows->data[i].owner_count > 0 || !is_shown(&rows->data[i]))
            continue;
        if (!array_reserve(&rest, count, &capacity, sizeof(*rest)))
            return -ENOMEM;
        rest[count++] = (struct lone){ rows->data[i].inode, (uint32_t)i };
    }
    if (count)
        qsort(rest, count, sizeof(*rest), compare_lone);
    for (size_t i = 0; i < count; i++)
        rows->met[rows->met_count++] = rest[i].number;
    return 0;
}

static unsigned class_of(const struct ferry_endpoint *row)
{
    return row->kind * 2u + (row->state != FERRY_STATE_LISTENING);
}

/* By kind, listeners first; within that as join_owners() met them, by pid and descriptor: so each
 * is put at its place at once, which no comparing sort can match. */
int join_order(struct ferry_endpoints *table)
{
    struct rows *rows = &table->rows;
    size_t places[FERRY_ENDPOINT_KIND_COUNT * 2 + 1] = { 0 };

    if (!array_grow(&rows->sorted, rows->count + 1, &rows->sorted_capacity, sizeof(*rows->sorted)))
        return -ENOMEM;
    int code = order_add_rest(rows);
    if (code < 0)
        return code;
    for (size_t i = 0; i < rows->met_count; i++)
        places[class_of(&rows->data[rows->met[i]]) + 1]++;
    for (size_t i = 1; i < COUNT_OF(places); i++)
        places[i] += places[i - 1];
    for (size_t i = 0; i < rows->met_count; i++)
        rows->sorted[places[class_of(&rows->data[rows->met[i]])]++] = rows->met[i];
    rows->sorted_count = rows->met_count;
    return 0;
}
