/* descriptors.c - how many descriptors a process may have open, and how it gets more. */
#include "command/why/descriptors.h"
#include "base/cleanup.h"

#include <stdio.h>

static void read_limits(pid_t pid, unsigned *ret_soft, unsigned *ret_hard)
{
    char path[40], line[160];
    unsigned soft = 0, hard = 0;

    snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
    AUTO_FILE FILE *file = fopen(path, "re");
    while (file && !soft && fgets(line, sizeof(line), file))
        if (sscanf(line, "Max open files %u %u", &soft, &hard) != 2)
            soft = hard = 0;
    *ret_soft = soft;
    *ret_hard = hard;
}

unsigned descriptors_limit(pid_t pid)
{
    unsigned soft, hard;

    read_limits(pid, &soft, &hard);
    return soft;
}

void descriptors_print_raise(pid_t pid, struct bytes *text)
{
    unsigned soft, hard;

    read_limits(pid, &soft, &hard);
    unsigned wanted = soft * 4;
    /* Without the colon prlimit(1) sets both: it would lower a hard limit that is above. */
    if (hard > soft)
        bytes_print(text, "prlimit --pid %d --nofile=%u:", (int)pid, wanted < hard ? wanted : hard);
    else
        bytes_print(text, "prlimit --pid %d --nofile=%u", (int)pid, wanted);
}
