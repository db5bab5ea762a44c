/* table.c - a look at the machine, step by step. */
#include "endpoints/table.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/proc.h"
#include "endpoints/limits.h"
#include "endpoints/options.h"
#include "endpoints/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>

static const uint32_t no_memory[FERRY_MEMORY_COUNT];

struct ferry_endpoint *table_add_row(struct ferry_endpoints *table)
{
    struct rows *rows = &table->rows;

    if (rows->count >= UINT32_MAX - 1 ||
        !array_reserve(&rows->data, rows->count, &rows->capacity, sizeof(*rows->data)))
        return NULL;
    if (table_wants(table, FERRY_GATHER_MEMORY) &&
        !array_grow(&rows->memory, rows->capacity, &rows->memory_capacity, sizeof(*rows->memory)))
        return NULL;
    struct ferry_endpoint *row = &rows->data[rows->count++];
    memset(row, 0, sizeof(*row));
    row->uid = (uid_t)-1;
    row->memory = no_memory;
    return row;
}

void memory_set(
    struct ferry_endpoints *table, struct ferry_endpoint *row, const void *told, size_t size)
{
    uint32_t *memory = table->rows.memory[row - table->rows.data];

    memset(memory, 0, sizeof(no_memory));
    memcpy(memory, told, size < sizeof(no_memory) ? size : sizeof(no_memory));
    row->has_memory = true;
}

static void rows_fini(struct rows *rows)
{
    free(rows->data);
    free(rows->index);
    free(rows->owners);
    free(rows->memory);
    free(rows->met);
    free(rows->sorted);
    *rows = (struct rows){ 0 };
}

/* Keeps the memory. */
static void rows_clear(struct rows *rows)
{
    rows->count = rows->met_count = rows->sorted_count = rows->index_size = 0;
}

/* Of sockets, as a look begins. */
static void rows_forget(struct ferry_endpoints *table)
{
    rows_clear(&table->rows);
    table->bound_count = table->wait_count = 0;
}

/* All of a look but the processes, which may serve the next. */
static void table_clear(struct ferry_endpoints *table)
{
    rows_forget(table);
    arena_clear(&table->arena);
    table->namespace_count = table->client_count = 0;
    table->shown_count = 0;
    table->walked = false;
    unsigned hidden = table->gaps.hidden_processes;
    table->gaps = (struct ferry_endpoints_gaps){ .hidden_processes = hidden };
}

static int visit(
    struct ferry_endpoints *table, struct diag *diag, const struct ferry_namespace *network)
{
    int code = table->kinds & FERRY_ENDPOINTS_UNIX ? rows_unix(table, diag, network) : 0;
    return code < 0 ? code : rows_inet(table, diag, network);
}

static int rows_join(struct ferry_endpoints *table)
{
    int code = join_index(table);
    return code < 0 ? code : join_owners(table);
}

/* Asks again for what a dump has left out. */
static int rows_complete(struct ferry_endpoints *table)
{
    int code = rows_join(table);

    if (code < 0 || !missed_find(table))
        return code;
    code = namespaces_visit(table, missed_ask);
    return code < 0 ? code : rows_join(table);
}

/* Room for as many as there are in our own network namespace ("sockets: used 812"), so that the
 * array need not grow, and large pages serve it from its beginning. */
static int rows_expect(struct ferry_endpoints *table)
{
    struct rows *rows = &table->rows;
    char text[256];
    size_t count = 0;

    if (proc_read(AT_FDCWD, "/proc/thread-self/net/sockstat", text, sizeof(text)) > 0 &&
        sscanf(text, "sockets: used %zu", &count) == 1 && count <= ROWS_EXPECTED_MAX &&
        !array_grow(&rows->data, count + count / 16, &rows->capacity, sizeof(*rows->data)))
        return -ENOMEM;
    return 0;
}

/* Sockets; after a light look, what has changed: all, or one by one. */
static int rows_gather_sockets(struct ferry_endpoints *table)
{
    int code = namespaces_visit(table, visit);

    if (code == 0 && table_wants(table, FERRY_GATHER_IN_TURNS))
        code = turns_carry(table);
    if (code < 0 || !table->light)
        return code;
    table->light = false;
    if (!table->news)
        return turns_ask(table);
    rows_forget(table);
    return namespaces_visit(table, visit);
}

static int rows_gather(struct ferry_endpoints *table)
{
    int code = rows_expect(table);
    if (code < 0)
        return code;
    code = table->kinds & FERRY_ENDPOINTS_SOCKETS ? rows_gather_sockets(table) : 0;
    if (code == 0 && table->kinds & FERRY_ENDPOINTS_FILES)
        code = rows_files(table);
    if (code == 0)
        code = rows_complete(table);
    return code < 0 ? code : waiting_find(table);
}

/* --- sockets without an owner ----------------------------------------------------------------- */

/* Nobody has it, and nothing explains why: it was made, or its process ended, while we looked; it
 * is on its way to somebody (SCM_RIGHTS); or its owner can't be seen. */
static bool is_unexplained(const struct ferry_endpoint *row)
{
    return (1u << row->kind) & FERRY_ENDPOINTS_SOCKETS && row->inode && row->owner_count == 0 &&
           row->state != FERRY_STATE_WAITING;
}

/* Whether it was most likely made since the walk began: its number, which wraps at 32 bits, is not
 * clearly lower. A processor that makes few sockets lags behind by any number, so that this is a
 * guess, for what is dear only. */
static bool is_young(const struct ferry_endpoints *table, const struct ferry_endpoint *row)
{
    return (int32_t)((uint32_t)row->inode - table->walk_inode) > -INODE_BATCH * get_nprocs_conf();
}

/* Whether there are any that another walk could explain: those that had an owner, or were not
 * there, at the last look; without one, all, or the young ones. */
static bool has_unexplained(const struct ferry_endpoints *table, bool only_young)
{
    for (size_t i = 0; i < table->rows.count; i++) {
        const struct ferry_endpoint *row = &table->rows.data[i];
        if (!is_unexplained(row))
            continue;
        const struct ferry_endpoint *old = join_find_like(&table->before, row);
        if (old ? old->owner_count > 0
                : table->before.count > 0 || !only_young || is_young(table, row))
            return true;
    }
    return false;
}

static int row_ignore(const struct nlmsghdr *answer, void *data)
{
    (void)answer;
    (void)data;
    return 0;
}

/* Whether it is to be asked for: where processes are hidden, most that have no owner are theirs. */
static bool may_be_closed(const struct ferry_endpoints *table, const struct ferry_endpoint *row)
{
    if (!is_unexplained(row) || row->family != AF_UNIX || !row->network->own)
        return false;
    const struct ferry_endpoint *old = join_find_like(&table->before, row);
    return table->gaps.hidden_processes == 0 || (old && old->owner_count > 0);
}

/* Those that were closed while we looked are no rows. */
static int unexplained_verify(struct ferry_endpoints *table)
{
    struct diag diag;
    unsigned asked = 0;
    int code = diag_open(&diag);

    for (size_t i = 0; i < table->rows.count && asked < VERIFY_MAX && code == 0; i++) {
        struct ferry_endpoint *row = &table->rows.data[i];
        if (!may_be_closed(table, row))
            continue;
        struct unix_diag_req request = { .sdiag_family = AF_UNIX,
            .udiag_states = ~0u,
            .udiag_ino = (uint32_t)row->inode,
            .udiag_cookie = { (uint32_t)row->cookie, (uint32_t)(row->cookie >> 32) } };
        asked++;
        code = diag_ask(&diag, &request, sizeof(request), true, row_ignore, NULL);
        if (code == -ENOENT || code == -ESTALE)
            row->kind = ENDPOINT_GONE;
        code = code == -ENOMEM ? code : 0;
    }
    diag_close(&diag);
    return code;
}

static int walk_again(struct ferry_endpoints *table, bool all)
{
    int code = walk(table, all);
    return code < 0 || !table->walk_changed ? code : join_owners(table);
}

/* Looks once more at the processes that have changed since the walk, which explains what was made
 * meanwhile; then at the sockets, some of which are closed by now. If that does not explain all,
 * what was kept may be wrong, of one that closed something and made another, and every process is
 * walked through. */
static int table_explain(struct ferry_endpoints *table)
{
    int code = 0;

    if (!table_wants(table, FERRY_GATHER_OWNERS))
        return 0;
    if (has_unexplained(table, false))
        code = walk_again(table, false);
    if (code == 0)
        code = unexplained_verify(table);
    if (code == 0 && has_unexplained(table, true))
        code = walk_again(table, true);
    return code;
}

/* --- all -------------------------------------------------------------------------------------- */

static void rows_set_seen(struct ferry_endpoints *table)
{
    size_t likely = 0;

    for (size_t i = 0; i < table->rows.count; i++) {
        struct ferry_endpoint *row = &table->rows.data[i];
        const struct ferry_endpoint *old = join_find_next(&table->before, row, &likely);
        row->seen_ns = old ? old->seen_ns : table->time_ns;
    }
}

static int processes_show(struct ferry_endpoints *table)
{
    free(table->shown);
    table->shown = calloc(table->process_count + 1, sizeof(struct ferry_process *));
    if (!table->shown)
        return -ENOMEM;
    for (size_t i = 0; i < table->process_count; i++)
        if (table->processes[i]->shown.endpoint_count)
            table->shown[table->shown_count++] = &table->processes[i]->shown;
    return 0;
}

static int table_fill(struct ferry_endpoints *table)
{
    int code = namespaces_add_own(table);
    if (code == 0 && table_wants(table, FERRY_GATHER_OWNERS))
        code = walk(table, table->round == 0);
    if (code == 0)
        code = rows_gather(table);
    if (code == 0)
        code = table_explain(table);
    if (code == 0)
        code = join_peers(table);
    if (code == 0)
        join_clients(table);
    if (code == 0 && table_wants(table, FERRY_GATHER_PATHS))
        code = paths_look(table);
    if (code == 0 && table_wants(table, FERRY_GATHER_IN_FLIGHT))
        code = in_flight_look(table);
    if (code == 0)
        code = join_order(table);
    if (code == 0)
        code = processes_show(table);
    if (code == 0)
        rows_set_seen(table);
    return code;
}

static int fail(int code, struct ferry_error *error)
{
    if (code == -EPROTONOSUPPORT)
        return error_set(error, code, "sock_diag",
            "load the module unix_diag, or use a kernel with CONFIG_UNIX_DIAG",
            "this kernel has no socket diagnosis");
    if (code == -ENOENT)
        return error_set(error, code, "/proc", "mount it", "it is not there");
    return error_set_errno(error, code, "the endpoints of this machine", NULL);
}

int ferry_endpoints_refresh(struct ferry_endpoints *table, struct ferry_error *error)
{
    struct rows before = table->rows;

    /* What is compared with the last look has no pointers into its arena. */
    table->rows = table->before;
    table_clear(table);
    table->before = before;
    table->time_ns = clock_now_ns();
    table->light = turns_light(table);
    int code = table_fill(table);
    table->round++;
    rows_clear(&table->before);
    if (code == 0)
        return 0;
    table_clear(table);
    return fail(code, error);
}

int ferry_endpoints_new(const struct ferry_endpoints_options *options,
    struct ferry_endpoints **ret_table, struct ferry_error *error)
{
    struct ferry_endpoints_options asked;
    int code = endpoints_options_read(options, &asked, error);

    if (code < 0)
        return code;
    struct ferry_endpoints *table = calloc(1, sizeof(*table));
    if (!table)
        return fail(-ENOMEM, error);
    table->kinds = asked.kinds;
    table->gather = asked.gather;
    if (table->kinds & FERRY_ENDPOINTS_FILES)
        table->gather |= FERRY_GATHER_OWNERS; /* they are found by nothing else */
    code = ferry_endpoints_refresh(table, error);
    if (code < 0) {
        ferry_endpoints_free(table);
        return code;
    }
    *ret_table = table;
    return 0;
}

void ferry_endpoints_free(struct ferry_endpoints *table)
{
    if (!table)
        return;
    rows_fini(&table->rows);
    rows_fini(&table->before);
    arena_fini(&table->arena);
    for (size_t i = 0; i < table->process_count; i++)
        process_free(table->processes[i]);
    free(table->processes);
    free(table->pool);
    free(table->shown);
    free(table->namespaces);
    free(table->bounds);
    free(table->waits);
    free(table->clients);
    free(table);
}

/* --- asking ----------------------------------------------------------------------------------- */

void ferry_endpoints_get_gaps(
    const struct ferry_endpoints *table, struct ferry_endpoints_gaps *ret_gaps)
{
    *ret_gaps = table->gaps;
}

int64_t ferry_endpoints_time_ns(const struct ferry_endpoints *table)
{
    return table->time_ns;
}

size_t ferry_endpoints_count(const struct ferry_endpoints *table)
{
    return table->rows.sorted_count;
}

/* Rows lie in the kernel's order, which is none: who goes through them all would wait for each. */
const struct ferry_endpoint *ferry_endpoints_get(const struct ferry_endpoints *table, size_t index)
{
    const struct rows *rows = &table->rows;

    if (index + ROWS_AHEAD < rows->sorted_count)
        row_prefetch(&rows->data[rows->sorted[index + ROWS_AHEAD]]);
    return &rows->data[rows->sorted[index]];
}

const struct ferry_endpoint *ferry_endpoints_find(
    const struct ferry_endpoints *table, uint64_t inode)
{
    const struct ferry_endpoint *row = join_find(&table->rows, inode, true);
    return row ? row : join_find(&table->rows, inode, false);
}

size_t ferry_endpoints_process_count(const struct ferry_endpoints *table)
{
    return table->shown_count;
}

const struct ferry_process *ferry_endpoints_get_process(
    const struct ferry_endpoints *table, size_t index)
{
    return table->shown[index];
}

const struct ferry_process *ferry_endpoints_find_process(
    const struct ferry_endpoints *table, pid_t pid)
{
    size_t first = 0, end = table->shown_count;

    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (table->shown[middle]->pid == pid)
            return table->shown[middle];
        if (table->shown[middle]->pid < pid)
            first = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

size_t ferry_endpoints_namespace_count(const struct ferry_endpoints *table)
{
    return table->namespace_count;
}

const struct ferry_namespace *ferry_endpoints_get_namespace(
    const struct ferry_endpoints *table, size_t index)
{
    return table->namespaces[index];
}
