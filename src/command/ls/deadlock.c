/* deadlock.c - rings of processes that wait for each other to read.
 *
 * The graph has processes and queues as nodes: from a process to the queue that it waits to write
 * into, from a queue to every process that could read it. A queue that several hold so costs as
 * many arcs as there are holders, not their product. A ring is a component of two nodes or more.
 *
 * Three sieves, each more dear:
 *   1. queues that may be full, all holders of them as writers. Mostly no ring is there, and all is
 *      said and done, from the table alone.
 *   2. who waits: a thread that sleeps in a write to that descriptor; where system calls can't be
 *      read, or a loop waits until it may write, a full queue and all threads asleep.
 *   3. the same again, a moment later: the same queues as full as they were, and the same threads
 *      without having run meanwhile. Whoever takes a byte out of a queue changes its length; nobody
 *      can have put it back, since the writer has not run. So nothing was read in between. Busy
 *      pairs, whose queues are full for moments, fall through here.
 *
 * How full a pipe is the kernel does not tell, and of datagrams a queue is full by their number
 * too, which it does not tell either: of those only the sleeping writer counts.
 */
#include "command/ls/deadlock.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "command/limits.h"
#include "command/ls/components.h"
#include "command/view/blocked.h"

#include <string.h>
#include <sys/socket.h>

#define NONE UINT32_MAX

/* One queue, and one who waits. What is the same in two looks has not moved. */
struct wait {
    uint64_t inode, device, cookie;
    uint64_t switches; /* of the thread; of all, if none is known to sleep in a write */
    uint32_t used, queued;
    uint32_t kind;
    pid_t pid, tid;
    int fd;
};

struct sighting {
    struct wait wait;
    uint32_t row;
};

struct look {
    struct sighting *data;
    size_t count, capacity;
};

/* --- queues ----------------------------------------------------------------------------------- */

const struct ferry_endpoint *deadlock_reader(const struct ferry_endpoint *endpoint)
{
    return endpoint->peer ? endpoint->peer : endpoint->listener;
}

/* Not writable as poll(2) has it, and a writer that went to sleep over a full queue is not woken
 * yet: a TCP queue until a third is free, a unix one until three quarters are. */
static bool is_unwritable(const struct ferry_endpoint *endpoint)
{
    const uint32_t *memory = endpoint->memory;
    uint64_t size = endpoint->has_memory ? memory[FERRY_MEMORY_SEND_SIZE] : 0;

    if (!size)
        return false;
    /* TCP charges its queue in another place than what is on its way through the device. */
    return endpoint->kind == FERRY_ENDPOINT_TCP
               ? (uint64_t)memory[FERRY_MEMORY_QUEUED] * 3 > size * 2
               : (uint64_t)memory[FERRY_MEMORY_SEND_USED] * 4 > size;
}

/* Who sleeps elsewhere than in a write is only suspected of waiting if nothing goes in. Of TCP this
 * can't be told by the figure alone: what is on its way to the reader has left a full queue. */
static bool is_full(const struct ferry_endpoint *endpoint)
{
    return is_unwritable(endpoint) &&
           (endpoint->kind == FERRY_ENDPOINT_TCP || endpoint->memory[FERRY_MEMORY_SEND_USED] >=
                                                        endpoint->memory[FERRY_MEMORY_SEND_SIZE]);
}

static bool may_be_full(const struct ferry_endpoint *endpoint)
{
    const unsigned untold =
        1u << FERRY_ENDPOINT_UNIX_DATAGRAM | 1u << FERRY_ENDPOINT_PIPE | 1u << FERRY_ENDPOINT_FIFO;

    return deadlock_reader(endpoint) && endpoint->owner_count &&
           endpoint->state != FERRY_STATE_LISTENING && endpoint->ends & FERRY_END_WRITE &&
           (is_unwritable(endpoint) || untold & 1u << endpoint->kind);
}

/* --- the graph -------------------------------------------------------------------------------- */

/* Rows of the table are the first nodes, processes the next. */
struct rings {
    const struct ferry_endpoints *table;
    size_t row_count, node_count;
    struct arc *arcs;
    size_t arc_count, arc_capacity;
    uint32_t *components;
    uint32_t *sizes;         /* of components */
    struct blocked *blocked; /* of processes, as far as they were asked for */
};

static void rings_fini(struct rings *rings)
{
    free(rings->arcs);
    free(rings->components);
    free(rings->sizes);
    for (size_t i = rings->row_count; rings->blocked && i < rings->node_count; i++)
        blocked_fini(&rings->blocked[i - rings->row_count]);
    free(rings->blocked);
}

static int rings_init(struct rings *rings, const struct ferry_endpoints *table)
{
    size_t rows = ferry_endpoints_count(table);
    size_t nodes = rows + ferry_endpoints_process_count(table);

    *rings = (struct rings){ .table = table,
        .row_count = rows,
        .node_count = nodes,
        .components = calloc(nodes + 1, sizeof(*rings->components)),
        .sizes = calloc(nodes + 1, sizeof(*rings->sizes)),
        .blocked = calloc(nodes - rows + 1, sizeof(*rings->blocked)) };
    return rings->components && rings->sizes && rings->blocked && nodes < NONE ? 0 : -ENOMEM;
}

static int arc_add(struct rings *rings, uint32_t from, uint32_t to)
{
    if (!array_reserve(&rings->arcs, rings->arc_count, &rings->arc_capacity, sizeof(*rings->arcs)))
        return -ENOMEM;
    rings->arcs[rings->arc_count++] = (struct arc){ from, to };
    return 0;
}

/* The table has its processes by pid. */
static uint32_t node_of(const struct rings *rings, pid_t pid)
{
    size_t low = 0, high = ferry_endpoints_process_count(rings->table);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        pid_t there = ferry_endpoints_get_process(rings->table, middle)->pid;
        if (there == pid)
            return (uint32_t)(rings->row_count + middle);
        if (there < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return NONE;
}

/* From a queue to all who could read it. */
static int readers_add(struct rings *rings, uint32_t row)
{
    const struct ferry_endpoint *reader = deadlock_reader(ferry_endpoints_get(rings->table, row));
    int code = 0;

    for (unsigned i = 0; i < reader->owner_count && code == 0; i++) {
        uint32_t node = node_of(rings, reader->owners[i].process->pid);
        if (node != NONE && (i == 0 || reader->owners[i].process != reader->owners[i - 1].process))
            code = arc_add(rings, row, node);
    }
    return code;
}

static int writers_add(struct rings *rings, uint32_t row)
{
    const struct ferry_endpoint *endpoint = ferry_endpoints_get(rings->table, row);
    int code = 0;

    for (unsigned i = 0; i < endpoint->owner_count && code == 0; i++) {
        uint32_t node = node_of(rings, endpoint->owners[i].process->pid);
        if (node != NONE)
            code = arc_add(rings, node, row);
    }
    return code;
}

static int rings_solve(struct rings *rings)
{
    int code = components_find(rings->node_count, rings->arcs, rings->arc_count, rings->components);

    for (size_t i = 0; i < rings->node_count && code == 0; i++)
        rings->sizes[rings->components[i]]++;
    return code;
}

static bool in_ring(const struct rings *rings, uint32_t node)
{
    return rings->sizes[rings->components[node]] > 1;
}

/* --- looking ---------------------------------------------------------------------------------- */

static int sighting_add(struct look *look, const struct wait *wait, uint32_t row)
{
    if (!array_reserve(&look->data, look->count, &look->capacity, sizeof(*look->data)))
        return -ENOMEM;
    look->data[look->count++] = (struct sighting){ *wait, row };
    return 0;
}

/* Once for each process, however many queues it has; NULL: out of memory. */
static const struct blocked *blocked_of(struct rings *rings, uint32_t node, pid_t pid)
{
    struct blocked *blocked = &rings->blocked[node - rings->row_count];

    if (blocked->pid)
        return blocked;
    return blocked_look(pid, blocked) == 0 ? blocked : NULL;
}

/* Owners stand by pid, and there may be a hundred thousand of either end. */
static bool is_held_by(const struct ferry_endpoint *endpoint, const struct ferry_process *process)
{
    unsigned low = 0, high = endpoint->owner_count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (endpoint->owners[middle].process->pid < process->pid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < endpoint->owner_count && endpoint->owners[low].process == process;
}

enum how { AWAKE, PERHAPS, CERTAIN };

/* How one owner waits; *wait gets by whom. */
static enum how owner_look(const struct ferry_endpoint *endpoint, const struct ferry_owner *owner,
    const struct blocked *blocked, struct wait *wait)
{
    const struct blocked_thread *writer = blocked_find_writing(blocked, owner->fd);

    wait->pid = owner->process->pid;
    wait->fd = owner->fd;
    wait->tid = writer ? writer->tid : 0;
    wait->switches = writer ? writer->switches : blocked_switches(blocked);
    if (writer)
        return CERTAIN;
    /* Whoever has both ends, and does not sleep in the write, waits for nothing but itself. */
    bool own = is_held_by(deadlock_reader(endpoint), owner->process);
    /* One that is stopped waits for whoever stopped it. */
    return is_full(endpoint) && !own && blocked_is_asleep(blocked) ? PERHAPS : AWAKE;
}

static struct wait wait_of(const struct ferry_endpoint *endpoint)
{
    const struct ferry_endpoint *reader = deadlock_reader(endpoint);

    return (struct wait){ .inode = endpoint->inode,
        .device = endpoint->device,
        .cookie = endpoint->cookie,
        .used = endpoint->memory[endpoint->kind == FERRY_ENDPOINT_TCP ? FERRY_MEMORY_QUEUED
                                                                      : FERRY_MEMORY_SEND_USED],
        .queued = reader->state == FERRY_STATE_LISTENING ? 0 : reader->receive_queue,
        .kind = endpoint->kind };
}

/* Who waits to write into it. Those that perhaps do count only if nobody surely does: a process
 * that merely inherited the descriptor sleeps over something else. */
static int row_look(struct rings *rings, struct look *look, uint32_t row)
{
    const struct ferry_endpoint *endpoint = ferry_endpoints_get(rings->table, row);
    size_t first = look->count;
    enum how best = PERHAPS;

    for (unsigned i = 0; i < endpoint->owner_count; i++) {
        const struct ferry_owner *owner = &endpoint->owners[i];
        struct wait wait = wait_of(endpoint);
        uint32_t node = node_of(rings, owner->process->pid);
        if (node == NONE || !in_ring(rings, node))
            continue;
        const struct blocked *blocked = blocked_of(rings, node, owner->process->pid);
        if (!blocked)
            return -ENOMEM;
        enum how how = owner_look(endpoint, owner, blocked, &wait);
        if (how < best)
            continue;
        if (how > best)
            look->count = first;
        best = how;
        int code = sighting_add(look, &wait, row);
        if (code < 0)
            return code;
    }
    return 0;
}

static int look_take(const struct ferry_endpoints *table, struct look *look)
{
    struct rings rings;
    int code = rings_init(&rings, table);

    for (uint32_t i = 0; i < rings.row_count && code == 0; i++) {
        if (!may_be_full(ferry_endpoints_get(table, i)))
            continue;
        code = readers_add(&rings, i);
        if (code == 0)
            code = writers_add(&rings, i);
    }
    if (code == 0)
        code = rings_solve(&rings);
    for (uint32_t i = 0; i < rings.row_count && code == 0; i++)
        if (in_ring(&rings, i))
            code = row_look(&rings, look, i);
    rings_fini(&rings);
    return code;
}

/* --- twice ------------------------------------------------------------------------------------ */

static bool is_same(const struct wait *one, const struct wait *other)
{
    return one->inode == other->inode && one->device == other->device &&
           one->cookie == other->cookie && one->switches == other->switches &&
           one->used == other->used && one->queued == other->queued && one->kind == other->kind &&
           one->pid == other->pid && one->tid == other->tid && one->fd == other->fd;
}

static int compare_sightings(const void *one, const void *other)
{
    const struct wait *a = &((const struct sighting *)one)->wait;
    const struct wait *b = &((const struct sighting *)other)->wait;

    if (a->inode != b->inode)
        return a->inode < b->inode ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    if (a->pid != b->pid)
        return a->pid < b->pid ? -1 : 1;
    return (a->fd > b->fd) - (a->fd < b->fd);
}

static void look_sort(struct look *look)
{
    if (look->count)
        qsort(look->data, look->count, sizeof(*look->data), compare_sightings);
}

/* Leaves of `now` what was so before. */
static void look_intersect(struct look *now, struct look *before)
{
    size_t kept = 0, at = 0;

    look_sort(now);
    look_sort(before);
    for (size_t i = 0; i < now->count; i++) {
        while (at < before->count && compare_sightings(&before->data[at], &now->data[i]) < 0)
            at++;
        if (at < before->count && is_same(&before->data[at].wait, &now->data[i].wait))
            now->data[kept++] = now->data[i];
    }
    now->count = kept;
}

/* --- rings ------------------------------------------------------------------------------------ */

static int compare_waits(const void *one, const void *other)
{
    const struct deadlock_wait *a = one, *b = other;

    if (a->endpoint != b->endpoint)
        return a->endpoint < b->endpoint ? -1 : 1;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

/* Components as deadlocks, numbered as they are met. */
static int rings_take(const struct rings *rings, const struct look *look, struct deadlocks *found)
{
    AUTO_FREE unsigned *numbers = calloc(rings->node_count + 1, sizeof(*numbers));

    found->waits = calloc(look->count + 1, sizeof(*found->waits));
    found->drawn = calloc(look->count + 1, sizeof(*found->drawn));
    if (!numbers || !found->waits || !found->drawn)
        return -ENOMEM;
    for (size_t i = 0; i < look->count; i++) {
        const struct sighting *seen = &look->data[i];
        uint32_t node = node_of(rings, seen->wait.pid);
        uint32_t component = rings->components[seen->row];
        /* One that waits for the ring is not in it. */
        if (node == NONE || rings->components[node] != component)
            continue;
        if (!numbers[component])
            numbers[component] = ++found->count;
        found->waits[found->wait_count++] = (struct deadlock_wait){
            .endpoint = ferry_endpoints_get(rings->table, seen->row),
            .pid = seen->wait.pid,
            .fd = seen->wait.fd,
            .tid = seen->wait.tid,
            .deadlock = numbers[component],
        };
    }
    if (found->wait_count)
        qsort(found->waits, found->wait_count, sizeof(*found->waits), compare_waits);
    return 0;
}

static int rings_find(
    const struct ferry_endpoints *table, const struct look *look, struct deadlocks *found)
{
    struct rings rings;
    int code = rings_init(&rings, table);

    for (size_t i = 0; i < look->count && code == 0; i++) {
        uint32_t row = look->data[i].row;
        uint32_t node = node_of(&rings, look->data[i].wait.pid);
        if (node != NONE)
            code = arc_add(&rings, node, row);
        if (code == 0 && (i == 0 || look->data[i - 1].row != row))
            code = readers_add(&rings, row);
    }
    if (code == 0)
        code = rings_solve(&rings);
    if (code == 0)
        code = rings_take(&rings, look, found);
    rings_fini(&rings);
    return code;
}

static int look_again(
    struct ferry_endpoints *table, struct look *before, struct look *now, struct ferry_error *error)
{
    clock_pause_ms(DEADLOCK_PAUSE_MS);
    int code = ferry_endpoints_refresh(table, error);
    if (code < 0)
        return code;
    code = look_take(table, now);
    if (code == 0)
        look_intersect(now, before);
    return code < 0 ? error_set_errno(error, code, "deadlocks", NULL) : 0;
}

int deadlocks_find(
    struct ferry_endpoints *table, struct deadlocks *ret_deadlocks, struct ferry_error *error)
{
    struct deadlocks found = { 0 }, suspected = { 0 };
    struct look before = { 0 }, now = { 0 };

    int code = look_take(table, &before);
    if (code == 0 && before.count)
        code = rings_find(table, &before, &suspected);
    if (code < 0)
        error_set_errno(error, code, "deadlocks", NULL);
    if (code == 0 && suspected.count)
        code = look_again(table, &before, &now, error);
    if (code == 0 && now.count) {
        code = rings_find(table, &now, &found);
        if (code < 0)
            error_set_errno(error, code, "deadlocks", NULL);
    }
    free(before.data);
    free(now.data);
    deadlocks_fini(&suspected);
    if (code < 0)
        deadlocks_fini(&found);
    else
        *ret_deadlocks = found;
    return code;
}

void deadlocks_fini(struct deadlocks *deadlocks)
{
    free(deadlocks->waits);
    free(deadlocks->drawn);
}

unsigned deadlocks_of(const struct deadlocks *deadlocks, const struct ferry_endpoint *endpoint)
{
    size_t low = 0, high = deadlocks->wait_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct deadlock_wait *wait = &deadlocks->waits[middle];
        if (wait->endpoint == endpoint)
            return wait->deadlock;
        if (wait->endpoint < endpoint)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}
