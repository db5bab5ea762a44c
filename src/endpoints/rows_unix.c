/* rows_unix.c - unix sockets from the kernel's diagnosis.
 *
 * Two dumps: all sockets without the clients that wait (UDIAG_SHOW_ICONS), since one listener whose
 * clients do not fit into one answer silently ends the dump; then the listeners alone, with them.
 * Those that the second leaves out are asked for one by one, which works for about a thousand
 * clients; what is to be known of the rest, waiting.c finds out.
 */
#include "base/array.h"
#include "endpoints/device.h"
#include "endpoints/limits.h"
#include "endpoints/table.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>

#ifndef UDIAG_SHOW_UID /* Linux 5.3; older headers lack it */
#define UDIAG_SHOW_UID 0x00000040
#define UNIX_DIAG_UID  7
#endif

struct filling {
    struct ferry_endpoints *table;
    const struct ferry_namespace *network;
};

static unsigned kind_of(unsigned type)
{
    switch (type) {
    case SOCK_STREAM:
        return FERRY_ENDPOINT_UNIX_STREAM;
    case SOCK_SEQPACKET:
        return FERRY_ENDPOINT_UNIX_SEQPACKET;
    default:
        return FERRY_ENDPOINT_UNIX_DATAGRAM;
    }
}

static int bound_add(struct ferry_endpoints *table, const struct unix_diag_vfs *file)
{
    if (!array_reserve(
            &table->bounds, table->bound_count, &table->bound_capacity, sizeof(*table->bounds)))
        return -ENOMEM;
    table->bounds[table->bound_count++] = (struct bound){ (uint32_t)(table->rows.count - 1),
        file->udiag_vfs_ino, device_of(file->udiag_vfs_dev) };
    return 0;
}

static int name_set(
    struct ferry_endpoints *table, struct ferry_endpoint *row, const struct nlattr *attribute)
{
    row->name_size = mnl_attr_get_payload_len(attribute);
    row->name = arena_copy(&table->arena, mnl_attr_get_payload(attribute), row->name_size);
    /* Some kernels count the NUL that ends a path. */
    if (row->name && row->name_size > 1 && row->name[0] && !row->name[row->name_size - 1])
        row->name_size--;
    return row->name ? 0 : -ENOMEM;
}

static int attribute_read(
    struct ferry_endpoints *table, struct ferry_endpoint *row, const struct nlattr *attribute)
{
    const void *payload = mnl_attr_get_payload(attribute);
    size_t size = mnl_attr_get_payload_len(attribute);
    const uint32_t *numbers = payload;

    switch (mnl_attr_get_type(attribute)) {
    case UNIX_DIAG_NAME:
        return name_set(table, row, attribute);
    case UNIX_DIAG_VFS:
        return size >= sizeof(struct unix_diag_vfs) ? bound_add(table, payload) : 0;
    case UNIX_DIAG_PEER:
        row->peer_inode = size >= 4 ? numbers[0] : 0;
        row->peer_gone = row->peer_inode == 0;
        return 0;
    case UNIX_DIAG_RQLEN:
        row->receive_queue = size >= 8 ? numbers[0] : 0;
        row->send_queue = size >= 8 ? numbers[1] : 0;
        return 0;
    case UNIX_DIAG_MEMINFO:
        memory_set(table, row, payload, size);
        return 0;
    case UNIX_DIAG_SHUTDOWN:
        row->shutdown = size >= 1 ? *(const unsigned char *)payload : 0;
        return 0;
    case UNIX_DIAG_UID:
        row->uid = size >= 4 ? numbers[0] : (uid_t)-1;
        return 0;
    default:
        return 0;
    }
}

/* A datagram socket's state is what was last done to it, by others too: who connects to a server
 * makes both ESTABLISHED (Linux 5.15), and who disconnects makes both CLOSE, whatever else is
 * connected. Whether it has a peer, the kernel tells truly. */
void row_correct_state(struct ferry_endpoint *row)
{
    if (row->kind == FERRY_ENDPOINT_UNIX_DATAGRAM)
        row->state =
            row->peer_inode || row->peer_gone ? FERRY_STATE_ESTABLISHED : FERRY_STATE_CLOSED;
}

static int row_read(const struct nlmsghdr *answer, void *data)
{
    const struct filling *filling = data;
    struct ferry_endpoints *table = filling->table;
    const struct unix_diag_msg *said = mnl_nlmsg_get_payload(answer);
    const struct nlattr *attribute;

    if (answer->nlmsg_len < mnl_nlmsg_size(sizeof(*said)) ||
        !table_wants_kind(table, kind_of(said->udiag_type)))
        return 0;
    struct ferry_endpoint *row = table_add_row(table);
    if (!row)
        return -ENOMEM;
    row->kind = (unsigned char)kind_of(said->udiag_type);
    row->family = AF_UNIX;
    row->state = said->udiag_state;
    row->inode = said->udiag_ino;
    row->cookie = said->udiag_cookie[0] | (uint64_t)said->udiag_cookie[1] << 32;
    row->ends = FERRY_END_READ | FERRY_END_WRITE;
    row->network = filling->network;
    mnl_attr_for_each(attribute, answer, sizeof(*said))
    {
        int code = attribute_read(table, row, attribute);
        if (code < 0)
            return code;
    }
    row_correct_state(row);
    return 0;
}

/* --- backlogs --------------------------------------------------------------------------------- */

static int wait_add(struct ferry_endpoints *table, uint32_t listener, uint32_t client)
{
    if (!array_reserve(
            &table->waits, table->wait_count, &table->wait_capacity, sizeof(*table->waits)))
        return -ENOMEM;
    table->waits[table->wait_count++] = (struct wait){ listener, client };
    return 0;
}

static int backlog_read(const struct nlmsghdr *answer, void *data)
{
    const struct filling *filling = data;
    const struct unix_diag_msg *said = mnl_nlmsg_get_payload(answer);
    const struct nlattr *attribute;

    if (answer->nlmsg_len < mnl_nlmsg_size(sizeof(*said)))
        return 0;
    int code = wait_add(filling->table, said->udiag_ino, 0);
    mnl_attr_for_each(attribute, answer, sizeof(*said))
    {
        if (mnl_attr_get_type(attribute) != UNIX_DIAG_ICONS)
            continue;
        const uint32_t *inodes = mnl_attr_get_payload(attribute);
        size_t count = mnl_attr_get_payload_len(attribute) / sizeof(*inodes);
        for (size_t i = 0; i < count && code == 0; i++)
            if (inodes[i])
                code = wait_add(filling->table, said->udiag_ino, inodes[i]);
    }
    return code;
}

/* Those of one listener. It may have been closed meanwhile, or have too many for an answer. */
static int backlog_ask(
    struct filling *filling, struct diag *diag, const struct ferry_endpoint *listener)
{
    struct unix_diag_req request = { .sdiag_family = AF_UNIX,
        .udiag_states = ~0u,
        .udiag_show = UDIAG_SHOW_ICONS,
        .udiag_ino = (uint32_t)listener->inode,
        .udiag_cookie = { (uint32_t)listener->cookie, (uint32_t)(listener->cookie >> 32) } };
    int code = diag_ask(diag, &request, sizeof(request), true, backlog_read, filling);

    return code == -ENOMEM ? code : 0;
}

static bool somebody_waits(const struct ferry_endpoint *row)
{
    return row->state == FERRY_STATE_LISTENING && row->receive_queue > 0;
}

static bool told(const struct ferry_endpoints *table, size_t first, uint64_t inode)
{
    for (size_t i = first; i < table->wait_count; i++)
        if (table->waits[i].listener == inode)
            return true;
    return false;
}

/* Most machines have nobody waiting, and a dump for nothing costs as much as any. */
static bool anybody_waits(const struct ferry_endpoints *table, size_t first_row)
{
    for (size_t i = first_row; i < table->rows.count; i++)
        if (somebody_waits(&table->rows.data[i]))
            return true;
    return false;
}

/* All in one dump, and one by one those behind the listener that ended it. */
static int backlogs_ask(struct filling *filling, struct diag *diag, size_t first_row)
{
    struct ferry_endpoints *table = filling->table;
    size_t first_wait = table->wait_count;
    struct unix_diag_req request = { .sdiag_family = AF_UNIX,
        .udiag_states = 1u << FERRY_STATE_LISTENING,
        .udiag_show = UDIAG_SHOW_ICONS };

    if (!anybody_waits(table, first_row))
        return 0;
    int code = diag_ask(diag, &request, sizeof(request), false, backlog_read, filling);
    for (size_t i = first_row; i < table->rows.count && code == 0; i++) {
        const struct ferry_endpoint *row = &table->rows.data[i];
        if (somebody_waits(row) && !told(table, first_wait, row->inode))
            code = backlog_ask(filling, diag, row);
    }
    return code;
}

/* --- both ------------------------------------------------------------------------------------- */

static struct unix_diag_req request_of(const struct ferry_endpoints *table)
{
    struct unix_diag_req request = { .sdiag_family = AF_UNIX,
        .udiag_states = ~0u,
        .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_RQLEN };

    if (!table->light)
        request.udiag_show |= UDIAG_SHOW_PEER;
    if (!table->light && table_wants(table, FERRY_GATHER_MEMORY))
        request.udiag_show |= UDIAG_SHOW_MEMINFO;
    if (!table->light && table_wants(table, FERRY_GATHER_USERS))
        request.udiag_show |= UDIAG_SHOW_UID;
    return request;
}

int rows_unix(
    struct ferry_endpoints *table, struct diag *diag, const struct ferry_namespace *network)
{
    struct filling filling = { table, network };
    size_t first = table->rows.count;
    struct unix_diag_req request = request_of(table);
    int code = diag_ask(diag, &request, sizeof(request), false, row_read, &filling);

    if (code == -ENOENT) {
        table->gaps.missing_kinds |= table->kinds & FERRY_ENDPOINTS_UNIX;
        return 0;
    }
    return code < 0 ? code : backlogs_ask(&filling, diag, first);
}

int rows_unix_one(struct ferry_endpoints *table, struct diag *diag,
    const struct ferry_namespace *network, uint32_t inode)
{
    struct filling filling = { table, network };
    size_t count = table->rows.count;
    struct unix_diag_req request = request_of(table);

    request.udiag_ino = inode;
    request.udiag_cookie[0] = request.udiag_cookie[1] = ~0u; /* whichever it has */
    int code = diag_ask(diag, &request, sizeof(request), true, row_read, &filling);
    if (code < 0 || table->rows.count == count || !somebody_waits(&table->rows.data[count]))
        return code;
    return backlog_ask(&filling, diag, &table->rows.data[count]);
}
