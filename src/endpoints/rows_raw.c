/* rows_raw.c - raw sockets where the kernel has no diagnosis of them (CONFIG_INET_RAW_DIAG, which
 * is often left out): the lists of /proc/net/raw and raw6, which say less, but who and where.
 *
 * A namespace's lists are read through a process in it; of one that has no process but a name there
 * is no way without entering it, and the gap is told.
 */
#include "base/cleanup.h"
#include "base/host.h"
#include "endpoints/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* "0100007F": each 32 bits as this machine has them. Returns what follows; NULL: it is none. */
static const char *address_read(const char *text, unsigned char address[16], size_t size)
{
    for (size_t i = 0; i < size; i += 4, text += 8) {
        uint32_t number;
        if (sscanf(text, "%8" SCNx32, &number) != 1 || strnlen(text, 8) < 8)
            return NULL;
        memcpy(address + i, &number, sizeof(number));
    }
    return text;
}

/* " 1: 00000000:0001 00000000:0000 07 tx:rx tr:tm retrnsmt uid timeout inode ..." */
static int line_read(struct ferry_endpoints *table, const struct ferry_namespace *network,
    unsigned char family, const char *line)
{
    struct ferry_inet found = { 0 };
    size_t size = host_size(family);
    uint32_t state, sent, received, uid;
    uint64_t inode;
    const char *at = strchr(line, ':');

    at = at ? address_read(at + 2, found.local, size) : NULL;
    if (!at || sscanf(at, ":%" SCNx16, &found.local_port) != 1)
        return 0;
    at = strchr(at, ' ');
    at = at ? address_read(at + 1, found.remote, size) : NULL;
    if (!at ||
        sscanf(at, ":%*x %" SCNx32 " %" SCNx32 ":%" SCNx32 " %*s %*s %" SCNu32 " %*s %" SCNu64,
            &state, &sent, &received, &uid, &inode) != 5)
        return 0;
    struct ferry_endpoint *row = table_add_row(table);
    struct ferry_inet *inet = arena_new(&table->arena, sizeof(*inet));
    if (!row || !inet)
        return -ENOMEM;
    *inet = found;
    row->kind = FERRY_ENDPOINT_RAW;
    row->family = family;
    row->state = state < FERRY_STATE_WAITING ? (unsigned char)state : FERRY_STATE_NONE;
    row->ends = FERRY_END_READ | FERRY_END_WRITE;
    row->inode = inode;
    row->uid = inode ? uid : (uid_t)-1;
    row->receive_queue = received;
    row->send_queue = sent;
    row->inet = inet;
    row->network = network;
    return 0;
}

/* NULL: there is none, or the process has gone and its number may be somebody else's. */
static FILE *list_open(const struct ferry_namespace *network, const char *name)
{
    char path[64], namespace[64];
    struct stat status;

    if (!network->own && !network->pid)
        return NULL;
    if (network->own) {
        snprintf(path, sizeof(path), "/proc/thread-self/net/%s", name);
        return fopen(path, "re");
    }
    snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)network->pid, name);
    snprintf(namespace, sizeof(namespace), "/proc/%d/ns/net", (int)network->pid);
    FILE *file = fopen(path, "re");
    if (file && (stat(namespace, &status) < 0 || status.st_ino != network->inode)) {
        fclose(file);
        file = NULL;
    }
    return file;
}

int rows_raw_listed(struct ferry_endpoints *table, const struct ferry_namespace *network)
{
    static const struct {
        const char *name;
        unsigned char family;
    } lists[] = { { "raw", AF_INET }, { "raw6", AF_INET6 } };
    int code = 0;

    for (size_t i = 0; i < COUNT_OF(lists) && code == 0; i++) {
        char line[512];
        FILE *file = list_open(network, lists[i].name);
        if (!file && lists[i].family == AF_INET)
            return -ENOENT;
        while (file && code == 0 && fgets(line, sizeof(line), file))
            code = line_read(table, network, lists[i].family, line);
        if (file)
            fclose(file);
    }
    return code;
}
