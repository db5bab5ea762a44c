/* identity_process.c - what /proc tells of a process, proved to be of the one that is meant.
 *
 * A pid alone proves nothing: its process may have ended and another got the number. A pidfd stands
 * for one process for ever: its fdinfo says which number that process has in *this* /proc (whose
 * PID namespace need not be ours) as long as it has one, and it is readable once the process has
 * ended. So what was read under that number in between is of this process.
 */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/proc.h"
#include "channel/identity.h"
#include "wire/cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

bool pidfd_lives(int pidfd)
{
    struct pollfd polled = { .fd = pidfd, .events = POLLIN };
    return poll(&polled, 1, 0) == 0;
}

/* Its number in our /proc; 0: it has none (any more). */
static int process_number(int pidfd)
{
    char path[64], text[512];
    int number;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    const char *line =
        proc_read(AT_FDCWD, path, text, sizeof(text)) > 0 ? strstr(text, "\nPid:") : NULL;
    return line && sscanf(line, "\nPid: %d", &number) == 1 && number > 0 ? number : 0;
}

static char *read_executable(int number, struct stat *ret_status)
{
    char path[64], text[PATH_MAX];

    snprintf(path, sizeof(path), "/proc/%d/exe", number);
    ssize_t length = readlink(path, text, sizeof(text));
    if (length <= 0 || (size_t)length >= sizeof(text) || stat(path, ret_status) < 0)
        return NULL;
    return strndup(text, (size_t)length);
}

static char *read_cgroup(int number)
{
    char path[64];
    AUTO_FREE char *text = malloc(PROC_FILE_SIZE_MAX);

    snprintf(path, sizeof(path), "/proc/%d/cgroup", number);
    if (!text || proc_read(AT_FDCWD, path, text, PROC_FILE_SIZE_MAX) <= 0)
        return NULL;
    return cgroup_find(text);
}

static char *read_name(int number)
{
    char path[64], text[64];

    snprintf(path, sizeof(path), "/proc/%d/comm", number);
    return proc_read(AT_FDCWD, path, text, sizeof(text)) > 0 ? strndup(text, strcspn(text, "\n"))
                                                             : NULL;
}

static char *read_fact(int number, enum ferry_fact fact, struct stat *ret_executable)
{
    switch (fact) {
    case FERRY_FACT_NAME:
        return read_name(number);
    case FERRY_FACT_EXECUTABLE:
        return read_executable(number, ret_executable);
    default:
        return read_cgroup(number);
    }
}

static void set_unit(struct ferry_identity *identity, const char *cgroup, enum ferry_known known)
{
    size_t length;
    const char *unit = cgroup_unit(cgroup, &length);

    if (unit)
        identity_set_text(identity, FERRY_FACT_UNIT, strndup(unit, length), known);
}

void identity_gather_process(struct ferry_identity *identity, enum ferry_fact fact)
{
    bool forgeable = identity->known[FERRY_FACT_PIDFD] == FERRY_FORGEABLE;
    enum ferry_known known = forgeable ? FERRY_FORGEABLE : FERRY_BY_PIDFD;
    struct stat executable = { 0 };

    int number = identity->known[FERRY_FACT_PIDFD] ? process_number(identity->pidfd) : 0;
    AUTO_FREE char *text = number > 0 ? read_fact(number, fact, &executable) : NULL;
    if (!text || !pidfd_lives(identity->pidfd))
        return;
    if (fact == FERRY_FACT_CGROUP)
        set_unit(identity, text, known);
    if (fact == FERRY_FACT_EXECUTABLE) {
        identity->device = executable.st_dev;
        identity->inode = executable.st_ino;
    }
    identity_set_text(identity, fact, TAKE(text), known);
}
