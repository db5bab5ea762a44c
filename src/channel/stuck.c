/* stuck.c - descriptors on their way through a flow whose receiver takes nothing.
 *
 * One of them may be the receiver itself. A peer that sends away its own end of the connection and
 * goes leaves a connection that nobody else holds any more, and that never ends by itself: what
 * keeps it open waits for it to be read. (D-Bus had immortal connections of this kind,
 * CVE-2014-3637.) The kernel collects such rings only where every socket of them is on its way, and
 * here one is open, in this process.
 */
#include "channel/stuck.h"
#include "base/cleanup.h"
#include "channel/channel.h"

#include <string.h>

/* Those that were sent and not received yet ("scm_fds", Linux 5.11). */
static unsigned socket_count_descriptors(int fd)
{
    char path[64], line[128];
    unsigned count = 0;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    AUTO_FILE FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "scm_fds: %u", &count) == 1)
            break;
    return count;
}

bool flow_is_stuck(const struct flow *flow)
{
    if (!flow->blocked || !(ferry_channel_capabilities(flow->from) & FERRY_HAS_DESCRIPTORS))
        return false;
    int fd = ferry_channel_fd(flow->from, FERRY_RECEIVE);
    return flow_count_descriptors(flow) > 0 || (fd >= 0 && socket_count_descriptors(fd) > 0);
}
