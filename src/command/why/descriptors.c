/* descriptors.c - how a process gets more descriptors than it may have open. */
#include "command/why/descriptors.h"
#include "base/cleanup.h"
#include "command/view/proc.h"

#include <inttypes.h>

void descriptors_print_raise(pid_t pid, struct bytes *text)
{
    AUTO_FD int folder = proc_open(pid);
    uint64_t soft = 0, hard = 0;

    (void)proc_limit(folder, "Max open files", &soft, &hard);
    uint64_t wanted = soft * 4;
    /* Without the colon prlimit(1) sets both: it would lower a hard limit that is above. */
    if (hard > soft)
        bytes_print(text, "prlimit --pid %d --nofile=%" PRIu64 ":", (int)pid,
            wanted < hard ? wanted : hard);
    else
        bytes_print(text, "prlimit --pid %d --nofile=%" PRIu64, (int)pid, wanted);
}
