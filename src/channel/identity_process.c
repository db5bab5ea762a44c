/* identity_process.c - what /proc tells of a process, proved to be of the one that is meant.
 *
 * A pid alone proves nothing: its process may have ended and another got the number. A pidfd stands
 * for one process for ever: its fdinfo says which number that process has in *this* /proc (whose
 * PID namespace need not be ours) as long as it has one, and it is readable once the process has
 * ended. So what was read under that number in between is of this process.
 */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "channel/identity.h"
#include "channel/limits.h"
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

/* Reads what is there, at most `size` - 1 bytes, and ends it with a NUL. False: nothing. */
static bool file_read(const char *path, char *text, size_t size)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got = 1;

    while (fd >= 0 && got > 0 && length < size - 1) {
        got = read(fd, text + length, size - 1 - length);
        length += got > 0 ? (size_t)got : 0;
    }
    text[length] = '\0';
    return length > 0 && got >= 0;
}

/* Its number in our /proc; 0: it has none (any more). */
static int process_number(int pidfd)
{
    char path[64], text[512];
    int number;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    const char *line = file_read(path, text, sizeof(text)) ? strstr(text, "\nPid:") : NULL;
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
    AUTO_FREE char *text = malloc(CGROUP_FILE_SIZE_MAX);

    snprintf(path, sizeof(path), "/proc/%d/cgroup", number);
    if (!text || !file_read(path, text, CGROUP_FILE_SIZE_MAX))
        return NULL;
    return cgroup_find(text);
}

/* The cgroup's text, and the unit that it names. */
static void set_cgroup(struct ferry_identity *identity, char *text, enum ferry_known known)
{
    size_t length;
    const char *unit = text ? cgroup_unit(text, &length) : NULL;

    identity_set_text(identity, FERRY_FACT_UNIT, unit ? strndup(unit, length) : NULL, known);
    identity_set_text(identity, FERRY_FACT_CGROUP, text, known);
}

void identity_gather_process(struct ferry_identity *identity, enum ferry_fact fact)
{
    bool executable = fact == FERRY_FACT_EXECUTABLE;
    enum ferry_known known =
        identity->known[FERRY_FACT_PIDFD] == FERRY_FORGEABLE ? FERRY_FORGEABLE : FERRY_BY_PIDFD;
    struct stat status = { 0 };

    int number = identity->known[FERRY_FACT_PIDFD] ? process_number(identity->pidfd) : 0;
    if (number == 0)
        return;
    AUTO_FREE char *text = executable ? read_executable(number, &status) : read_cgroup(number);
    if (!text || !pidfd_lives(identity->pidfd))
        return;
    if (executable) {
        identity_set_text(identity, fact, TAKE(text), known);
        identity->device = status.st_dev;
        identity->inode = status.st_ino;
    } else {
        set_cgroup(identity, TAKE(text), known);
    }
}
