/* turns.c - what seldom changes, and need not be asked for at every look.
 *
 * Whom a unix socket is connected to, how large its buffers may be, and who made it, is half of
 * what a dump costs: for each the kernel waits for memory that nobody has touched. A light look
 * leaves these out, and takes them from the last one for every socket that is there still and in
 * the same state, as its peer is. The others are asked for one by one; if they are too many, all
 * are, and at the next look at once: where sockets come and go in numbers, no look is light.
 *
 * What does not show in any state, and is seen every LOOK_TURNS looks, is a datagram socket that is
 * connected elsewhere, SO_SNDBUF, and fchown(2). Processes have their turns in walk.c.
 */
#include "base/cleanup.h"
#include "endpoints/limits.h"
#include "endpoints/table.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* What is known of a row of the last look. */
enum { GONE, WAITS, THERE };

bool turns_light(const struct ferry_endpoints *table)
{
    return table_wants(table, FERRY_GATHER_IN_TURNS) && table->round % LOOK_TURNS && !table->news;
}

static bool is_unix(const struct ferry_endpoint *row)
{
    return (1u << row->kind) & FERRY_ENDPOINTS_UNIX;
}

/* To the kernel, who waits is connected. A datagram socket's state follows from its peer. */
static bool is_in_same_state(const struct ferry_endpoint *row, const struct ferry_endpoint *old)
{
    unsigned was = old->state == FERRY_STATE_WAITING ? FERRY_STATE_ESTABLISHED : old->state;
    bool datagram = row->kind == FERRY_ENDPOINT_UNIX_DATAGRAM;
    return is_unix(old) && row->shutdown == old->shutdown && (datagram || row->state == was);
}

static void memory_carry(
    struct rows *rows, const struct rows *before, size_t number, const struct ferry_endpoint *old)
{
    struct ferry_endpoint *row = &rows->data[number];
    uint32_t *memory = rows->memory[number];

    memcpy(memory, before->memory[old - before->data], sizeof(*rows->memory));
    if (row->state != FERRY_STATE_LISTENING) /* whose "queue" is its backlog */
        memory[FERRY_MEMORY_SEND_USED] = row->send_queue;
    row->has_memory = true;
}

static void row_carry(
    struct rows *rows, const struct rows *before, size_t number, const struct ferry_endpoint *old)
{
    struct ferry_endpoint *row = &rows->data[number];

    row->uid = old->uid;
    row->peer_inode = old->peer_inode;
    row->peer_gone = old->peer_gone || old->state == FERRY_STATE_WAITING;
    row_correct_state(row);
    if (old->has_memory)
        memory_carry(rows, before, number, old);
}

static void changed_note(struct ferry_endpoints *table, size_t number)
{
    if (table->changed_count < CHANGED_MAX)
        table->changed[table->changed_count] = (uint32_t)number;
    table->changed_count += table->changed_count <= CHANGED_MAX;
}

/* Marks those that wait in a backlog still; the kernel tells of that at each look. */
static void mark_waiting(const struct ferry_endpoints *table, unsigned char *marks)
{
    for (size_t i = 0; i < table->wait_count; i++) {
        const struct ferry_endpoint *old = join_find(&table->before, table->waits[i].client, true);
        if (old)
            marks[old - table->before.data] = WAITS;
    }
}

/* Whether all that was known of it holds. Who was accepted has a peer now. */
static bool is_as_before(
    const struct ferry_endpoint *row, const struct ferry_endpoint *old, unsigned char mark)
{
    return row->inode == old->inode && is_in_same_state(row, old) &&
           (old->state != FERRY_STATE_WAITING || mark == WAITS);
}

/* Finds each unix row's old one.
 *   was    of each row its number + 1; 0: none, or it has changed
 *   marks  of each old row; THERE where it was found so */
static void rows_compare(struct ferry_endpoints *table, uint32_t *was, unsigned char *marks)
{
    const struct rows *before = &table->before;
    size_t likely = 0;

    for (size_t i = 0; i < table->rows.count; i++) {
        const struct ferry_endpoint *row = &table->rows.data[i];
        if (!is_unix(row))
            continue;
        const struct ferry_endpoint *old = join_find_next(before, row, &likely);
        if (!old || !is_as_before(row, old, marks[old - before->data])) {
            changed_note(table, i);
            continue;
        }
        was[i] = (uint32_t)(old - before->data) + 1;
        marks[old - before->data] = THERE;
    }
}

static void rows_carry(
    struct ferry_endpoints *table, const uint32_t *was, const unsigned char *marks)
{
    const struct rows *before = &table->before;

    for (size_t i = 0; i < table->rows.count; i++) {
        const struct ferry_endpoint *old = was[i] ? &before->data[was[i] - 1] : NULL;
        if (!old)
            continue;
        if (old->peer && is_unix(old->peer) && marks[old->peer - before->data] != THERE)
            changed_note(table, i);
        else
            row_carry(&table->rows, before, i, old);
    }
}

int turns_carry(struct ferry_endpoints *table)
{
    AUTO_FREE uint32_t *was = calloc(table->rows.count + 1, sizeof(*was));
    AUTO_FREE unsigned char *marks = calloc(table->before.count + 1, 1);

    if (!was || !marks)
        return -ENOMEM;
    table->changed_count = 0;
    mark_waiting(table, marks);
    rows_compare(table, was, marks);
    if (table->light && table->changed_count <= CHANGED_MAX)
        rows_carry(table, was, marks);
    table->news = table->changed_count > CHANGED_MAX;
    return 0;
}

static int changed_ask(
    struct ferry_endpoints *table, struct diag *diag, const struct ferry_namespace *network)
{
    for (unsigned i = 0; i < table->changed_count; i++) {
        struct ferry_endpoint *row = &table->rows.data[table->changed[i]];
        if (!is_unix(row) || row->network != network)
            continue;
        int code = rows_unix_one(table, diag, network, (uint32_t)row->inode);
        if (code == -ENOMEM)
            return code;
        row = &table->rows.data[table->changed[i]];
        if (code == 0 || code == -ENOENT)
            *row = (struct ferry_endpoint){ .kind = ENDPOINT_GONE };
    }
    return 0;
}

int turns_ask(struct ferry_endpoints *table)
{
    int code = table->changed_count ? namespaces_visit(table, changed_ask) : 0;

    /* What could not be asked for now is to be at the next look, and not taken from this one. */
    for (unsigned i = 0; i < table->changed_count; i++)
        table->news |= is_unix(&table->rows.data[table->changed[i]]);
    return code;
}
