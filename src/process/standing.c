/* standing.c - /proc/self/status, taken apart. Not what we set, but what holds. */
#include "process/standing.h"
#include "base/cleanup.h"

#include <inttypes.h>
#include <string.h>

static void line_read(const char *line, struct standing *standing)
{
    unsigned number;
    if (sscanf(line, "Uid: %*u %u", &number) == 1)
        standing->uid = number;
    else if (sscanf(line, "Gid: %*u %u", &number) == 1)
        standing->gid = number;
    else if (sscanf(line, "NoNewPrivs: %u", &number) == 1)
        standing->no_new_privs = number;
    else if (sscanf(line, "Seccomp: %u", &number) == 1)
        standing->filter_mode = number;
    else if (sscanf(line, "Seccomp_filters: %u", &number) == 1)
        standing->filter_count = number;
    else if (sscanf(line, "CapEff: %" SCNx64, &standing->capabilities) == 1)
        return;
    else if (strncmp(line, "Groups:", 7) == 0) {
        line += 7 + strspn(line + 7, " \t");
        snprintf(
            standing->groups, sizeof(standing->groups), "%.*s", (int)strcspn(line, "\n"), line);
    }
}

void standing_read(struct standing *ret_standing)
{
    struct standing standing = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
    AUTO_FILE FILE *file = fopen("/proc/self/status", "re");
    AUTO_FREE char *line = NULL;
    size_t room = 0;
    while (file && getline(&line, &room, file) > 0)
        line_read(line, &standing);
    *ret_standing = standing;
}
