/* walk.c - which processes there are, and what each has open.
 *
 * The dear part of every look: one statx(2) a descriptor, of the link in /proc that leads to what
 * is open (a readlink(2) costs half as much again, and a text to be read). Nothing is asked of the
 * file system behind it (a mask of 0): a descriptor of a dead network file system must not hold us
 * up.
 *
 * The kernel tells how many descriptors a process has (st_size of its fd folder, Linux 6.2), so
 * they are asked for by number, from 0, until all are found; reading the folder would cost as much
 * as asking. Where numbers are sparse, or the kernel does not tell, the folder is read.
 *
 * A process that has as many descriptors as at the last look, and is the same one by the same name
 * (execve(2) changes it, and nothing else), is not walked through again. One that closed a socket
 * and got another is found all the same: the new socket has no owner then, and the table looks
 * again at all (table.c). Of files nothing else tells, so that with them each process is walked
 * through each time. Besides, each has its turn every WALK_ROUNDS looks: two that have swapped old
 * sockets are found by nothing else.
 */
#include "base/array.h"
#include "base/cleanup.h"
#include "endpoints/limits.h"
#include "endpoints/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

struct walking {
    struct ferry_endpoints *table;
    bool all;
    int proc;                            /* /proc */
    char *buffer;                        /* WALK_BUFFER_SIZE, for directory entries */
    uint64_t socket_device, pipe_device; /* of all sockets' and pipes' inodes */
    struct process **before;
    size_t before_count, before_next;
};

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
    if (!array_reserve(&process->descriptors, process->descriptor_count,
            &process->descriptor_capacity, sizeof(found))) {
        free(found.name);
        return -ENOMEM;
    }
    process->descriptors[process->descriptor_count++] = found;
    return 1;
}

/* --- one process ------------------------------------------------------------------------------ */

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

/* Returns 0, -errno: it can't be seen, or has gone.
 *   size  how many it has; 0: not told */
static int descriptors_read(
    struct walking *walking, struct process *process, int process_folder, uint64_t size)
{
    AUTO_FD int folder = openat(process_folder, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return -errno;
    process_clear_descriptors(process);
    int next = size ? descriptors_probe(walking, process, folder, size) : 0;
    if (next < 0)
        return next;
    return size && next == 0 ? 0 : descriptors_list(walking, process, folder, next);
}

/* The process of that number from the last look, taken out of there; NULL: there was none. */
static struct process *process_take(struct walking *walking, pid_t pid)
{
    while (walking->before_next < walking->before_count) {
        struct process *process = walking->before[walking->before_next];
        if (process->shown.pid > pid)
            return NULL;
        walking->before[walking->before_next++] = NULL;
        if (process->shown.pid == pid)
            return process;
        process_free(process); /* its number is passed: it has gone */
    }
    return NULL;
}

static int process_keep(struct ferry_endpoints *table, struct process *process)
{
    if (!array_reserve(&table->processes, table->process_count, &table->process_capacity,
            sizeof(struct process *))) {
        process_free(process);
        return -ENOMEM;
    }
    table->processes[table->process_count++] = process;
    return 0;
}

/* Everything anew. */
static int process_look(struct walking *walking, struct process *process, int folder)
{
    struct ferry_endpoints *table = walking->table;
    struct stat files, network;

    int code = process_read_stat(folder, process);
    if (code < 0 || process->is_kernels)
        return code;
    if (fstatat(folder, "fd", &files, 0) < 0)
        return -errno;
    process->files_inode = files.st_ino;
    process->files_size = files.st_size > 0 ? (uint64_t)files.st_size : 0;
    code = descriptors_read(walking, process, folder, process->files_size);
    if (code < 0)
        return code;
    if (table_wants(table, FERRY_GATHER_DETAILS) && process->descriptor_count)
        code = process_read_details(folder, process);
    if (table_wants(table, FERRY_GATHER_NAMESPACES) && fstatat(folder, "ns/net", &network, 0) == 0)
        process->shown.namespace_inode = network.st_ino;
    return code;
}

/* Those that hold nothing are not shown, by whatever name. */
static bool has_its_name(const struct walking *walking, const struct process *process)
{
    char path[32], name[sizeof(process->name)];

    if (process->descriptor_count == 0)
        return true;
    snprintf(path, sizeof(path), "%d/comm", (int)process->shown.pid);
    int length = process_read(walking->proc, path, name, sizeof(name));
    if (length <= 0)
        return false;
    name[length - 1] = '\0'; /* the line's end */
    return strcmp(name, process->name) == 0;
}

/* Whether what is known of it still holds: the folder's inode stays the same while its process
 * lives, and is another one's no more. */
static bool is_unchanged(const struct walking *walking, const struct process *process)
{
    const struct ferry_endpoints *table = walking->table;
    bool turn = table->kinds & FERRY_ENDPOINTS_FILES ||
                (unsigned)process->shown.pid % WALK_ROUNDS == table->round % WALK_ROUNDS;
    char path[32];
    struct stat files;

    /* What a second walk of one look is after shows in the count. */
    if (walking->all || (turn && !table->walked) || process->files_size == 0)
        return false;
    snprintf(path, sizeof(path), "%d/fd", (int)process->shown.pid);
    return fstatat(walking->proc, path, &files, 0) == 0 && files.st_ino == process->files_inode &&
           (uint64_t)files.st_size == process->files_size &&
           (table->walked || has_its_name(walking, process));
}

/* Whether a failure is ours, not the process's. */
static bool is_fatal(int code)
{
    return code == -EMFILE || code == -ENFILE || code == -ENOMEM;
}

static struct process *process_new(pid_t pid)
{
    struct process *process = calloc(1, sizeof(*process));

    if (process) {
        process->shown.pid = pid;
        process->shown.uid = process->shown.gid = (unsigned)-1;
    }
    return process;
}

/* Returns 0: it is known now, -errno. */
static int process_open(struct walking *walking, struct process *process)
{
    char name[16];

    snprintf(name, sizeof(name), "%d", (int)process->shown.pid);
    AUTO_FD int folder = openat(walking->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return folder < 0 ? -errno : process_look(walking, process, folder);
}

static int walk_process(struct walking *walking, pid_t pid)
{
    struct ferry_endpoints *table = walking->table;
    struct process *process = process_take(walking, pid);
    int code = 0;

    if (!process || !is_unchanged(walking, process)) {
        if (!process)
            process = process_new(pid);
        code = process ? process_open(walking, process) : -ENOMEM;
    }
    if (code == 0 && process->shown.namespace_inode)
        code = namespaces_add(table, process->shown.namespace_inode, pid, NULL);
    if (code == 0)
        return process_keep(table, process);
    process_free(process);
    table->gaps.hidden_processes += code == -EACCES || code == -EPERM;
    return is_fatal(code) ? code : 0;
}

/* --- all -------------------------------------------------------------------------------------- */

static int compare_numbers(const void *one, const void *other)
{
    int a = *(const int *)one, b = *(const int *)other;
    return (a > b) - (a < b);
}

/* Their numbers, ascending; -errno. */
static int numbers_read(int proc, int **ret_numbers, size_t *ret_count)
{
    int copy = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_DIR DIR *folder = copy < 0 ? NULL : fdopendir(copy);
    AUTO_FREE int *numbers = NULL;
    size_t count = 0, capacity = 0;

    if (!folder) {
        int code = -errno;
        fd_close(&copy);
        return code;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        if (!array_reserve(&numbers, count, &capacity, sizeof(*numbers)))
            return -ENOMEM;
        numbers[count++] = atoi(entry->d_name);
    }
    qsort(numbers, count, sizeof(*numbers), compare_numbers);
    *ret_numbers = TAKE(numbers);
    *ret_count = count;
    return 0;
}

/* What a socket of our own has, all have. */
static int devices_find(struct walking *walking)
{
    struct stat status;
    int ends[2];
    AUTO_FD int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (socket_fd < 0 || fstat(socket_fd, &status) < 0)
        return -errno;
    walking->socket_device = status.st_dev;
    walking->table->walk_inode = (uint32_t)status.st_ino;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    int code = fstat(ends[0], &status) < 0 ? -errno : 0;
    walking->pipe_device = status.st_dev;
    fd_close(&ends[0]);
    fd_close(&ends[1]);
    return code;
}

int walk(struct ferry_endpoints *table, bool all)
{
    AUTO_FD int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_FREE char *buffer = malloc(WALK_BUFFER_SIZE);
    AUTO_FREE int *numbers = NULL;
    AUTO_FREE struct process **before = table->processes;
    struct walking walking = { .table = table,
        .all = all,
        .proc = proc,
        .buffer = buffer,
        .before = before,
        .before_count = table->process_count };
    size_t count = 0;

    table->processes = NULL;
    table->process_count = table->process_capacity = 0;
    table->gaps.hidden_processes = 0;
    int code = !buffer ? -ENOMEM : proc < 0 ? -errno : devices_find(&walking);
    if (code == 0)
        code = numbers_read(proc, &numbers, &count);
    for (size_t i = 0; i < count && code == 0; i++) {
        code = walk_process(&walking, numbers[i]);
    }
    (void)process_take(&walking, INT_MAX);
    table->walked = true;
    return code;
}
