/* in_flight.c - descriptors on their way: sent with SCM_RIGHTS, and not received yet.
 *
 * The kernel counts them where they wait, in the receiver's fdinfo ("scm_fds", Linux 5.11); of a
 * listener, those of all clients that wait. Only sockets that may have something in their queue are
 * asked.
 */
#include "base/proc.h"
#include "endpoints/table.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static bool may_hold_some(const struct ferry_endpoint *row)
{
    if (row->family != AF_UNIX || row->owner_count == 0)
        return false;
    /* The kernel tells the size of the first datagram, which may be empty but for them. */
    if (row->kind == FERRY_ENDPOINT_UNIX_DATAGRAM && row->name)
        return true;
    return row->receive_queue > 0 || (row->peer && row->peer->send_queue > 0) ||
           (row->peer && row->peer->memory[FERRY_MEMORY_SEND_USED] > 0) || row->client_count > 0;
}

int in_flight_look(struct ferry_endpoints *table)
{
    for (size_t i = 0; i < table->rows.count; i++) {
        struct ferry_endpoint *row = &table->rows.data[i];
        char path[64], text[512];
        if (!may_hold_some(row))
            continue;
        snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)row->owners[0].process->pid,
            row->owners[0].fd);
        if (proc_read(AT_FDCWD, path, text, sizeof(text)) < 0)
            continue;
        const char *line = strstr(text, "scm_fds:");
        if (line)
            (void)sscanf(line, "scm_fds: %u", &row->descriptors_in_flight);
    }
    return 0;
}
