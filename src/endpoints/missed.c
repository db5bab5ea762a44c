/* missed.c - unix sockets that the kernel's dump has left out.
 *
 * A dump goes on at a place that it counts to within a bucket of the kernel's table: what is closed
 * meanwhile shifts the rest to the front, and the dump passes over one that is open all the time.
 * On a busy machine that is one in some ten thousand, and a row that comes and goes by chance.
 *
 * A process that holds a socket of which there is no row tells: most of those have none by right
 * (netlink, packet, TCP that is not bound), which the name of its protocol says, an attribute of
 * the file ("UNIX", "UNIX-STREAM"). If one is left out, all is asked once more; what is told of
 * twice is one row all the same (join_index()).
 */
#include "base/cleanup.h"
#include "endpoints/limits.h"
#include "endpoints/table.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* Whether that descriptor is a unix socket, and still the one that the walk has found. */
static bool is_unix(const struct process *process, const struct descriptor *held)
{
    char path[64], protocol[32] = "";
    struct stat status;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)process->shown.pid, held->fd);
    ssize_t length = getxattr(path, "system.sockprotoname", protocol, sizeof(protocol) - 1);
    return length > 0 && strncmp(protocol, "UNIX", 4) == 0 && stat(path, &status) == 0 &&
           status.st_ino == held->inode;
}

bool missed_any(const struct ferry_endpoints *table)
{
    unsigned asked = 0;
    bool whole = table_wants(table, FERRY_GATHER_NAMESPACES) && table->gaps.hidden_namespaces == 0;

    /* Those of namespaces that were not asked have no rows, and will have none. */
    if (!whole || (table->kinds & FERRY_ENDPOINTS_UNIX) != FERRY_ENDPOINTS_UNIX)
        return false;
    for (size_t i = 0; i < table->process_count; i++) {
        const struct process *process = table->processes[i];
        for (size_t j = 0; j < process->descriptor_count && asked < MISSED_ASKED_MAX; j++) {
            const struct descriptor *held = &process->descriptors[j];
            if (held->kind != DESCRIPTOR_SOCKET || held->row)
                continue;
            asked++;
            if (is_unix(process, held))
                return true;
        }
    }
    return false;
}
