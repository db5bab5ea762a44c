/* missed.c - unix sockets that the kernel's dump has left out.
 *
 * A dump goes on at a place that it counts to within a bucket of the kernel's table: what is closed
 * meanwhile shifts the rest to the front, and the dump passes over one that is open all the time.
 * On a busy machine that is one in some ten thousand, and a row that comes and goes by chance.
 *
 * A process that holds a socket of which there is no row tells: most of those have none by right
 * (netlink, packet, TCP that is not bound), which the name of its protocol says, an attribute of
 * the file ("UNIX", "UNIX-STREAM"). Those that are left out are asked for one by one, in every
 * namespace: a socket need not be of its owner's.
 */
#include "base/cleanup.h"
#include "endpoints/limits.h"
#include "endpoints/table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* Returns 1 (that descriptor is a unix socket), 0, -ENOENT: it is not the one any more that the
 * walk has found. */
static int is_unix(const struct process *process, const struct descriptor *held)
{
    char path[64], protocol[32] = "";
    struct stat status;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)process->shown.pid, held->fd);
    ssize_t length = getxattr(path, "system.sockprotoname", protocol, sizeof(protocol) - 1);
    if (stat(path, &status) < 0 || status.st_ino != held->inode)
        return -ENOENT;
    return length > 0 && strncmp(protocol, "UNIX", 4) == 0;
}

/* Those of namespaces that were not asked have no rows, and will have none. */
static bool is_asked(const struct ferry_endpoints *table, const struct process *process)
{
    const struct ferry_namespace *network = namespaces_find(table, process->shown.namespace_inode);
    return network && !network->hidden;
}

static void missed_note(struct ferry_endpoints *table, const struct descriptor *held)
{
    for (unsigned i = 0; i < table->missed_count; i++)
        if (table->missed[i] == held->inode)
            return;
    if (table->missed_count < MISSED_MAX)
        table->missed[table->missed_count++] = (uint32_t)held->inode;
}

/* Notes those of one process; its list may be of before, as it is walked through in turns.
 *   asked  how many were asked about, in all */
static void missed_find_of(
    struct ferry_endpoints *table, const struct process *process, unsigned *asked)
{
    unsigned stale = 0;

    for (size_t i = 0; i < process->descriptor_count; i++) {
        const struct descriptor *held = &process->descriptors[i];
        if (held->kind != DESCRIPTOR_SOCKET || held->row)
            continue;
        if (*asked >= MISSED_ASKED_MAX || stale >= MISSED_STALE_MAX)
            return;
        int found = is_unix(process, held);
        if (found == 1)
            missed_note(table, held);
        *asked += found >= 0;
        stale += found < 0;
    }
}

bool missed_find(struct ferry_endpoints *table)
{
    unsigned asked = 0;

    table->missed_count = 0;
    if (!table_wants(table, FERRY_GATHER_NAMESPACES) ||
        (table->kinds & FERRY_ENDPOINTS_UNIX) != FERRY_ENDPOINTS_UNIX)
        return false;
    for (size_t i = 0; i < table->process_count; i++)
        if (is_asked(table, table->processes[i]))
            missed_find_of(table, table->processes[i], &asked);
    return table->missed_count > 0;
}

int missed_ask(
    struct ferry_endpoints *table, struct diag *diag, const struct ferry_namespace *network)
{
    int code = 0;

    for (unsigned i = 0; i < table->missed_count && code != -ENOMEM; i++) {
        if (!table->missed[i])
            continue;
        code = rows_unix_one(table, diag, network, table->missed[i]);
        if (code == 0)
            table->missed[i] = 0;
    }
    return code == -ENOMEM ? code : 0;
}
