/* descriptors.c - what one process has open.
 *
 * One statx(2) a descriptor, of the link in
 * /proc that leads to what is open (a readlink(2) costs half as much again, and a text to be read).
 * Nothing is asked of the file system behind it (a mask of 0): a descriptor of a dead network file
 * system must not hold us up.
 *
 * The kernel tells how many descriptors a process has (st_size of its fd folder, Linux 6.2), so
 * they are asked for by number, from 0, until all are found; reading the folder would cost as much
 * as asking. Where numbers are sparse, or the kernel does not tell, the folder is read.
 */
#include "base/array.h"
#include "base/cleanup.h"
#include "endpoints/device.h"
#include "endpoints/limits.h"
#include "endpoints/process.h"
#include "endpoints/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

struct linux_dirent64 {
    uint64_t d_ino;
    int64_t d_off;
    unsigned short d_reclen;
    unsigned char d_type;
    char d_name[];
};

/* --- one descriptor --------------------------------------------------------------------------- */

/* As it was opened: what the link in /proc permits. */
static unsigned char ends_of(int folder, const char *name)
{
    struct stat status;

    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return (unsigned char)((status.st_mode & S_IRUSR ? FERRY_END_READ : 0) |
                           (status.st_mode & S_IWUSR ? FERRY_END_WRITE : 0));
}

/* A queue looks like a file in the root folder, of 80 bytes (FILENT_SIZE of ipc/mqueue.c), on a
 * device without a driver; it is one unless there is such a file. */
static bool is_queue(int folder, const char *link, const struct statx *status)
{
    char path[PATH_MAX + 16];
    struct stat file;

    if (link[0] != '/' || strchr(link + 1, '/'))
        return false;
    snprintf(path, sizeof(path), "../root%s", link);
    return fstatat(folder, path, &file, AT_SYMLINK_NOFOLLOW) < 0 ||
           file.st_ino != status->stx_ino ||
           file.st_dev != makedev(status->stx_dev_major, status->stx_dev_minor);
}

/* What kind a file is that has a name; DESCRIPTOR_OTHER: none of ours. */
static unsigned file_kind(int folder, const char *link, const struct statx *status)
{
    if (S_ISFIFO(status->stx_mode))
        return FERRY_ENDPOINT_FIFO;
    if (strncmp(link, "/memfd:", 7) == 0)
        return FERRY_ENDPOINT_MEMFD;
    return status->stx_size == 80 && is_queue(folder, link, status) ? FERRY_ENDPOINT_QUEUE
                                                                    : DESCRIPTOR_OTHER;
}

/* Queues lie on a device without a driver, memfds have no folder besides: all other files are
 * passed over at once. */
static bool may_be_named(const struct statx *status)
{
    return S_ISFIFO(status->stx_mode) || (S_ISREG(status->stx_mode) && status->stx_dev_major == 0 &&
                                             (status->stx_nlink == 0 || status->stx_size == 80));
}

/* Reads the name of one of our kinds of file. Returns 1, 0 (none of ours), -ENOMEM. */
static int named_read(
    int folder, const char *name, const struct statx *status, struct descriptor *found)
{
    char link[PATH_MAX];
    ssize_t length = readlinkat(folder, name, link, sizeof(link) - 1);

    if (length <= 0) /* closed meanwhile */
        return 0;
    link[length] = '\0';
    found->kind = (unsigned char)file_kind(folder, link, status);
    if (found->kind == DESCRIPTOR_OTHER)
        return 0;
    found->name = strdup(link);
    return found->name ? 1 : -ENOMEM;
}

/* Returns 1: found, 0: none of what is wanted, -ENOMEM. */
static int status_read(const struct walking *walking, int folder, const char *name,
    const struct statx *status, struct descriptor *found)
{
    unsigned kinds = walking->table->kinds;
    uint64_t device = makedev(status->stx_dev_major, status->stx_dev_minor);

    *found = (struct descriptor){ .inode = status->stx_ino,
        .device = device,
        .size = status->stx_size,
        .kind = DESCRIPTOR_OTHER };
    if (S_ISSOCK(status->stx_mode)) {
        /* A socket's file that was opened with O_PATH is none. */
        found->kind = DESCRIPTOR_SOCKET;
        found->ends = FERRY_END_READ | FERRY_END_WRITE;
        return device == walking->socket_device && kinds & FERRY_ENDPOINTS_SOCKETS;
    }
    if (!(kinds & FERRY_ENDPOINTS_FILES) || !may_be_named(status))
        return 0;
    if (S_ISFIFO(status->stx_mode) && device == walking->pipe_device)
        found->kind = FERRY_ENDPOINT_PIPE;
    int code = found->kind == FERRY_ENDPOINT_PIPE ? 1 : named_read(folder, name, status, found);
    if (code <= 0)
        return code;
    found->ends = ends_of(folder, name);
    if (kinds & 1u << found->kind && found->ends)
        return 1;
    free(TAKE(found->name));
    return 0;
}

/* Takes over its name. Returns 0, -ENOMEM. */
static int descriptor_keep(struct process *process, const struct descriptor *found)
{
    if (!array_reserve(&process->descriptors, process->descriptor_count,
            &process->descriptor_capacity, sizeof(*found))) {
        free(found->name);
        return -ENOMEM;
    }
    process->descriptors[process->descriptor_count++] = *found;
    return 0;
}

/* Returns 1, 0 (there is none of that number), -EACCES or -EPERM (this process may not be looked
 * at), -ENOMEM. */
static int descriptor_add(
    struct walking *walking, struct process *process, int folder, const char *name, int number)
{
    struct descriptor found;
    struct statx status;

    if (statx(folder, name, AT_STATX_DONT_SYNC, 0, &status) < 0) {
        /* Who may list a folder (CAP_DAC_READ_SEARCH) may not yet read it (CAP_SYS_PTRACE). */
        if (errno == EACCES || errno == EPERM)
            return -errno;
        return errno != ENOENT;
    }
    int code = status_read(walking, folder, name, &status, &found);
    if (code <= 0)
        return code < 0 ? code : 1;
    found.fd = number;
    code = descriptor_keep(process, &found);
    return code < 0 ? code : 1;
}

/* --- all of one process
 * ------------------------------------------------------------------------------ */

/* As decimal digits, at the end of text; printf(3) would be a tenth of the whole walk. */
static const char *number_print(int number, char text[12])
{
    char *at = text + 11;

    *at = '\0';
    do
        *--at = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    return at;
}

/* By number, as long as most numbers are in use. Returns the first that was not asked for, 0: all
 * were found, -ENOMEM. */
static int descriptors_probe(
    struct walking *walking, struct process *process, int folder, uint64_t left)
{
    unsigned misses = 0;

    for (int number = 0; left > 0; number++) {
        char name[12];
        int code = descriptor_add(walking, process, folder, number_print(number, name), number);
        if (code < 0)
            return code;
        left -= (unsigned)code;
        misses += code == 0;
        if (misses > WALK_MISSES_MAX + (unsigned)number / 8)
            return number + 1;
    }
    return 0;
}

/* By the folder's entries, those from the number `first`. */
static int descriptors_list(struct walking *walking, struct process *process, int folder, int first)
{
    for (;;) {
        long size = syscall(SYS_getdents64, folder, walking->buffer, WALK_BUFFER_SIZE);
        if (size <= 0)
            return size < 0 ? -errno : 0;
        for (long at = 0; at < size;) {
            const struct linux_dirent64 *entry = (const void *)(walking->buffer + at);
            at += entry->d_reclen;
            int number = entry->d_name[0] == '.' ? -1 : atoi(entry->d_name);
            if (number < first)
                continue;
            int code = descriptor_add(walking, process, folder, entry->d_name, number);
            if (code < 0)
                return code;
        }
    }
}

int descriptors_read(struct walking *walking, struct process *process, int process_folder)
{
    AUTO_FD int folder = openat(process_folder, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t size = process->files_size;

    if (folder < 0)
        return -errno;
    process_clear_descriptors(process);
    int next = size ? descriptors_probe(walking, process, folder, size) : 0;
    if (next < 0)
        return next;
    return size && next == 0 ? 0 : descriptors_list(walking, process, folder, next);
}

/* --- as the kernel tells of all --------------------------------------------------------------- */

/* Whether it needs a name to be known for what it is: FIFOs, queues, memfds. */
static bool needs_name(const struct open_file *file)
{
    return S_ISFIFO(file->mode) || (S_ISREG(file->mode) && major(device_of(file->device)) == 0);
}

/* Through the folder of whoever has that pid now, as long as that descriptor is that file. What has
 * been closed, or can't be looked at, is passed over. */
static int named_take(struct walking *walking, const struct open_file *file)
{
    struct process *process = walking->current;
    size_t count = process->descriptor_count;
    char path[32], name[12];

    if (walking->current_folder < 0) {
        snprintf(path, sizeof(path), "%u/fd", file->pid);
        walking->current_folder = openat(walking->proc, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (walking->current_folder < 0)
        return 0;
    int code = descriptor_add(walking, process, walking->current_folder,
        number_print((int)file->fd, name), (int)file->fd);
    if (process->descriptor_count > count) {
        struct descriptor *found = &process->descriptors[count];
        if (found->inode != file->inode || found->device != device_of(file->device)) {
            free(found->name);
            process->descriptor_count = count;
        }
    }
    return code == -ENOMEM ? code : 0;
}

int descriptors_take(struct walking *walking, const struct open_file *file)
{
    uint64_t device = device_of(file->device);
    unsigned kinds = walking->table->kinds;
    struct descriptor found = { .inode = file->inode,
        .device = device,
        .fd = (int)file->fd,
        .ends = file->access & (FERRY_END_READ | FERRY_END_WRITE) };

    if (S_ISSOCK(file->mode)) {
        found.kind = DESCRIPTOR_SOCKET;
        bool wanted = device == walking->socket_device && kinds & FERRY_ENDPOINTS_SOCKETS;
        return wanted ? descriptor_keep(walking->current, &found) : 0;
    }
    if (!(kinds & FERRY_ENDPOINTS_FILES))
        return 0;
    if (S_ISFIFO(file->mode) && device == walking->pipe_device) {
        found.kind = FERRY_ENDPOINT_PIPE;
        bool wanted = table_wants_kind(walking->table, FERRY_ENDPOINT_PIPE);
        return wanted ? descriptor_keep(walking->current, &found) : 0;
    }
    return needs_name(file) ? named_take(walking, file) : 0;
}
