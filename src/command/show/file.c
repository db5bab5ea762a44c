/* file.c - the file behind a FIFO, queue or memfd.
 *
 * It is found by an owner's descriptor, which leads to it whatever has become of its name; only a
 * queue that nobody has open is looked at by its name.
 */
#include "command/show/file.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define MQUEUE_FOLDER "/dev/mqueue"
#define MQUEUE_MAGIC  0x19800202 /* of ipc/mqueue.c */

static bool stat_by_owner(const struct ferry_endpoint *endpoint, struct stat *ret_status)
{
    char path[48];

    for (unsigned i = 0; i < endpoint->owner_count; i++) {
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)endpoint->owners[i].process->pid,
            endpoint->owners[i].fd);
        if (stat(path, ret_status) == 0 && ret_status->st_ino == endpoint->inode)
            return true;
    }
    return false;
}

/* Opening a file of this file system makes no message move: reading it tells the queue's status,
 * "QSIZE:129 NOTIFY:2 SIGNO:0 NOTIFY_PID:8260". */
static void read_notify(int fd, struct file_facts *facts)
{
    char text[256];
    ssize_t length = read(fd, text, sizeof(text) - 1);
    int pid;

    text[length > 0 ? length : 0] = '\0';
    const char *found = strstr(text, "NOTIFY_PID:");
    if (!found || sscanf(found, "NOTIFY_PID:%d", &pid) != 1)
        return;
    facts->has_notify = true;
    facts->notify_pid = pid;
}

/* True: it is that queue. */
static bool look_at_queue(
    const struct ferry_endpoint *endpoint, struct stat *ret_status, struct file_facts *facts)
{
    char path[NAME_MAX + sizeof(MQUEUE_FOLDER) + 2];
    struct statfs file_system;

    snprintf(path, sizeof(path), MQUEUE_FOLDER "%s", endpoint->name ? endpoint->name : "");
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0 || fstatfs(fd, &file_system) < 0 || file_system.f_type != MQUEUE_MAGIC ||
        fstat(fd, ret_status) < 0 || ret_status->st_ino != endpoint->inode)
        return false;
    read_notify(fd, facts);
    return true;
}

int file_look(const struct ferry_endpoint *endpoint, struct file_facts *ret_facts)
{
    struct file_facts facts = { 0 };
    struct stat status;
    bool found = false;

    if (endpoint->kind == FERRY_ENDPOINT_QUEUE)
        found = look_at_queue(endpoint, &status, &facts);
    else if (endpoint->kind != FERRY_ENDPOINT_FIFO && endpoint->kind != FERRY_ENDPOINT_MEMFD)
        return -ENOENT;
    if (!found && !stat_by_owner(endpoint, &status))
        return -ENOENT;
    facts.mode = status.st_mode;
    facts.uid = status.st_uid;
    facts.gid = status.st_gid;
    *ret_facts = facts;
    return 0;
}
