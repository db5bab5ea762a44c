/* walk.c - which processes there are, and what each has open.
 *
 * The dear part of every look: one readlink(2) a descriptor. So a process that has as many
 * descriptors as at the last look (st_size of its fd folder, Linux 6.2) and is the same one (its
 * start) is not walked through again. One that closed a socket and got another is found all the
 * same: the new socket has no owner then, and the table looks again at all (table.c). Besides, each
 * process has its turn every WALK_ROUNDS looks.
 *
 * Files are told by what stat(2) says of them, and that from the cache only: a descriptor of a dead
 * network file system must not hold us up.
 */
#include "base/cleanup.h"
#include "endpoints/limits.h"
#include "endpoints/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

struct walking {
    struct ferry_endpoints *table;
    bool all;
    int proc;     /* /proc */
    char *buffer; /* WALK_BUFFER_SIZE, for directory entries */
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

/* --- one descriptor ----------------------------------------------------------------------------
 */

/* The number in "socket:[4711]"; 0: it begins otherwise. */
static uint64_t link_inode(const char *link, const char *start)
{
    size_t size = strlen(start);
    uint64_t inode = 0;

    if (strncmp(link, start, size) != 0)
        return 0;
    for (link += size; *link >= '0' && *link <= '9'; link++)
        inode = inode * 10 + (uint64_t)(*link - '0');
    return inode;
}

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

    if (!S_ISREG(status->stx_mode) || strchr(link + 1, '/') || status->stx_size != 80 ||
        status->stx_dev_major != 0)
        return false;
    snprintf(path, sizeof(path), "../root%s", link);
    return fstatat(folder, path, &file, AT_SYMLINK_NOFOLLOW) < 0 ||
           file.st_ino != status->stx_ino ||
           file.st_dev != makedev(status->stx_dev_major, status->stx_dev_minor);
}

/* What a descriptor of a file is; false: none of ours. */
static bool file_read(int folder, const char *name, const char *link, struct descriptor *found)
{
    struct statx status;
    bool memfd = strncmp(link, "/memfd:", 7) == 0;

    if (statx(folder, name, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO | STATX_SIZE, &status) < 0)
        return false;
    if (S_ISFIFO(status.stx_mode))
        found->kind = FERRY_ENDPOINT_FIFO;
    else if (memfd && S_ISREG(status.stx_mode))
        found->kind = FERRY_ENDPOINT_MEMFD;
    else if (is_queue(folder, link, &status))
        found->kind = FERRY_ENDPOINT_QUEUE;
    else
        return false;
    found->inode = status.stx_ino;
    found->device = makedev(status.stx_dev_major, status.stx_dev_minor);
    found->size = status.stx_size;
    return true;
}

static bool link_read(const struct walking *walking, int folder, const char *name, char *link,
    struct descriptor *found)
{
    unsigned kinds = walking->table->kinds;

    *found = (struct descriptor){ .fd = atoi(name) };
    if ((found->inode = link_inode(link, "socket:["))) {
        found->kind = DESCRIPTOR_SOCKET;
        found->ends = FERRY_END_READ | FERRY_END_WRITE;
        return kinds & FERRY_ENDPOINTS_SOCKETS;
    }
    if ((kinds & FERRY_ENDPOINTS_FILES) == 0)
        return false;
    if ((found->inode = link_inode(link, "pipe:[")))
        found->kind = FERRY_ENDPOINT_PIPE;
    else if (link[0] != '/' || !file_read(folder, name, link, found))
        return false;
    if (!(kinds & 1u << found->kind))
        return false;
    found->ends = ends_of(folder, name);
    return true;
}

static int descriptor_add(
    struct walking *walking, struct process *process, int folder, const char *name)
{
    char link[PATH_MAX];
    struct descriptor found;
    ssize_t length = readlinkat(folder, name, link, sizeof(link) - 1);

    if (length <= 0) /* closed meanwhile */
        return 0;
    link[length] = '\0';
    if (!link_read(walking, folder, name, link, &found))
        return 0;
    if (!array_reserve(&process->descriptors, process->descriptor_count,
            &process->descriptor_capacity, sizeof(found)))
        return -ENOMEM;
    if (found.kind != DESCRIPTOR_SOCKET && found.kind != FERRY_ENDPOINT_PIPE) {
        found.name = strdup(link);
        if (!found.name)
            return -ENOMEM;
    }
    process->descriptors[process->descriptor_count++] = found;
    return 0;
}

/* --- one process -------------------------------------------------------------------------------
 */

/* Returns 0, -errno: it can't be seen, or has gone. */
static int descriptors_read(struct walking *walking, struct process *process, int process_folder)
{
    AUTO_FD int folder = openat(process_folder, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return -errno;
    process_clear_descriptors(process);
    for (;;) {
        long size = syscall(SYS_getdents64, folder, walking->buffer, WALK_BUFFER_SIZE);
        if (size <= 0)
            return size < 0 ? -errno : 0;
        for (long at = 0; at < size;) {
            const struct linux_dirent64 *entry = (const void *)(walking->buffer + at);
            at += entry->d_reclen;
            if (entry->d_name[0] == '.')
                continue;
            int code = descriptor_add(walking, process, folder, entry->d_name);
            if (code < 0)
                return code;
        }
    }
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

/* Whether what is known of it still holds. */
static bool is_unchanged(
    const struct walking *walking, const struct process *process, uint64_t start, uint64_t size)
{
    bool turn = (unsigned)process->shown.pid % WALK_ROUNDS == walking->table->round % WALK_ROUNDS;
    return !walking->all && !turn && process->shown.start_ticks == start && size > 0 &&
           process->files_size == size;
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

static int process_look(struct walking *walking, struct process *process, int folder)
{
    struct ferry_endpoints *table = walking->table;
    uint64_t start = process->shown.start_ticks;
    struct stat files, network;

    int code = process_read_stat(folder, process);
    if (code < 0)
        return code;
    if (fstatat(folder, "fd", &files, 0) < 0)
        return -errno;
    uint64_t size = files.st_size > 0 ? (uint64_t)files.st_size : 0;
    process->fresh = !is_unchanged(walking, process, start, size);
    if (process->fresh)
        code = descriptors_read(walking, process, folder);
    process->files_size = size;
    if (code < 0)
        return code;
    if (table_wants(table, FERRY_GATHER_DETAILS) && process->fresh && process->descriptor_count)
        code = process_read_details(folder, process);
    if (code == 0 && table_wants(table, FERRY_GATHER_NAMESPACES) &&
        fstatat(folder, "ns/net", &network, 0) == 0) {
        process->shown.namespace_inode = network.st_ino;
        code = namespaces_add(table, network.st_ino, process->shown.pid, NULL);
    }
    return code;
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

static int walk_process(struct walking *walking, const char *name)
{
    AUTO_FD int folder = openat(walking->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    pid_t pid = atoi(name);
    struct process *process = process_take(walking, pid);

    if (folder < 0 && errno != ENOENT) {
        process_free(process);
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : 0;
    }
    if (!process)
        process = process_new(pid);
    if (!process)
        return -ENOMEM;
    int code = folder < 0 ? -ENOENT : process_look(walking, process, folder);
    if (code == 0)
        return process_keep(walking->table, process);
    process_free(process);
    if (code == -EACCES || code == -EPERM)
        walking->table->gaps.hidden_processes++;
    return code == -ENOMEM || code == -EMFILE || code == -ENFILE ? code : 0;
}

/* --- all ----------------------------------------------------------------------------------------
 */

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
    int code = !buffer ? -ENOMEM : proc < 0 ? -errno : numbers_read(proc, &numbers, &count);
    for (size_t i = 0; i < count && code == 0; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%d", numbers[i]);
        code = walk_process(&walking, name);
    }
    (void)process_take(&walking, INT_MAX);
    return code;
}
