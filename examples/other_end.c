/* other_end - who is at the other end of every socket of a process.
 *
 *     other_end PID
 */
#include <ferry/endpoints.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct ferry_endpoints *table;
    struct ferry_error error;
    char line[sizeof(error) + 8];
    int pid = argc == 2 ? atoi(argv[1]) : 0;

    if (pid <= 0)
        return fprintf(stderr, "usage: other_end PID\n"), 2;
    if (ferry_endpoints_new(NULL, &table, &error) < 0) {
        ferry_error_format(&error, line, sizeof(line));
        return fprintf(stderr, "%s\n", line), 1;
    }
    for (size_t i = 0; i < ferry_endpoints_count(table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(table, i);
        const struct ferry_endpoint *peer = endpoint->peer;
        for (unsigned j = 0; j < endpoint->owner_count; j++)
            if (endpoint->owners[j].process->pid == pid)
                printf("%d %s %s %d\n", endpoint->owners[j].fd,
                    ferry_endpoint_kind_name(endpoint->kind),
                    ferry_endpoint_state_name(endpoint->state),
                    peer && peer->owner_count ? (int)peer->owners[0].process->pid : 0);
    }
    ferry_endpoints_free(table);
    return 0;
}
