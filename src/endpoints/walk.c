/* walk.c - which processes there are, and what each has open.
 *
 * The dear part of every look. All at once the kernel tells it (open_files.c), if it lets us, and
 * there is enough to be told to be worth the question. Else each process is walked through.
 *
 * One that has as many descriptors as at the last look, and is the same by the same name (execve(2)
 * changes it, and nothing else), is not walked through again. One that closed a socket and got
 * another is found all the same: the new socket has no owner then, and the table looks again at all
 * (table.c). Of files nothing else tells, so that with them everything is read each time. Besides,
 * each has its turn every WALK_ROUNDS looks: two that have swapped old sockets are found by nothing
 * else. With FERRY_GATHER_IN_TURNS it is asked in turns, too, how many descriptors a process has.
 */
#include "endpoints/walk.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/proc.h"
#include "endpoints/limits.h"
#include "endpoints/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* --- one process ------------------------------------------------------------------------------ */

static void process_drop(struct walking *walking, struct process *process)
{
    walking->table->walk_changed |= process != NULL;
    process_free(process);
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
        process_drop(walking, process); /* its number is passed: it has gone */
    }
    return NULL;
}

static void process_drop_rest(struct walking *walking)
{
    (void)process_take(walking, INT_MAX);
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
    code = descriptors_read(walking, process, folder);
    if (code < 0)
        return code;
    if (!table_wants(table, FERRY_GATHER_DETAILS))
        process->shown.state = 0;
    else if (process->descriptor_count)
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
    ssize_t length = proc_read(walking->proc, path, name, sizeof(name));
    if (length <= 0)
        return false;
    name[length - 1] = '\0'; /* the line's end */
    return strcmp(name, process->name) == 0;
}

/* Whether it is the one that started when the kernel told so; only then is its folder known. */
static bool is_recognised(const struct walking *walking, struct process *process)
{
    struct proc_stat now;
    char name[16];

    snprintf(name, sizeof(name), "%d", (int)process->shown.pid);
    AUTO_FD int folder = openat(walking->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return proc_stat_read(folder, &now) == 0 && now.start_ticks == process->shown.start_ticks;
}

/* Whether it is the same by the same name, and not another one with its pid. The folder's inode
 * stays the same while its process lives, and is another one's no more. */
static bool is_same(const struct walking *walking, struct process *process, uint64_t files_inode)
{
    if (process->files_inode == 0 && is_recognised(walking, process))
        process->files_inode = files_inode;
    return process->files_inode == files_inode && has_its_name(walking, process);
}

/* Whether what is known of it still holds.
 *   files  of its fd folder */
static bool is_unchanged(
    const struct walking *walking, struct process *process, const struct stat *files)
{
    const struct ferry_endpoints *table = walking->table;
    bool turn = (unsigned)process->shown.pid % WALK_ROUNDS == table->round % WALK_ROUNDS;

    if (walking->all || (turn && !table->walked) || (uint64_t)files->st_size != process->files_size)
        return false;
    /* What a second walk of one look is after shows in the count, but of those that the first has
     * spared nothing else is known either. */
    return (table->walked && !table_wants(table, FERRY_GATHER_IN_TURNS)) ||
           is_same(walking, process, files->st_ino);
}

/* Whether it is one of those that are not asked in this look. The second walk of one asks all. */
static bool is_spared(const struct walking *walking, const struct process *process)
{
    const struct ferry_endpoints *table = walking->table;
    bool turn = (unsigned)process->shown.pid % LOOK_TURNS == table->round % LOOK_TURNS;
    return table_wants(table, FERRY_GATHER_IN_TURNS) && !turn && !walking->all && !table->walked;
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

/* One that has nothing open, as the kernel's threads: nothing else is to be known of it. */
static int process_empty(struct walking *walking, struct process *process)
{
    walking->table->walk_changed |= process->files_size > 0;
    process_clear_descriptors(process);
    process->files_size = 0;
    process->shown.namespace_inode = 0;
    return 0;
}

/* Looks at it anew, unless that is known. */
static int process_refresh(
    struct walking *walking, struct process *process, const struct stat *files)
{
    if (walking->tells_sizes && files->st_size == 0)
        return process_empty(walking, process);
    if (process->files_size && is_unchanged(walking, process, files))
        return 0;
    /* Our own change by looking. */
    walking->table->walk_changed |= process->shown.pid != getpid();
    return process_open(walking, process);
}

static int walk_process(struct walking *walking, pid_t pid)
{
    struct process *process = process_take(walking, pid);
    char path[32];
    struct stat files;

    if (process && is_spared(walking, process))
        return process_keep(walking->table, process);
    snprintf(path, sizeof(path), "%d/fd", (int)pid);
    int code = fstatat(walking->proc, path, &files, 0) < 0 ? -errno : 0;
    if (code == 0 && !process)
        process = process_new(pid);
    if (code == 0)
        code = process ? process_refresh(walking, process, &files) : -ENOMEM;
    if (code == 0)
        return process_keep(walking->table, process);
    process_drop(walking, process);
    walking->table->gaps.hidden_processes += code == -EACCES || code == -EPERM;
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

static int walk_each(struct walking *walking)
{
    AUTO_FREE int *numbers = NULL;
    size_t count = 0;
    int code = numbers_read(walking->proc, &numbers, &count);

    for (size_t i = 0; i < count && code == 0; i++)
        code = walk_process(walking, numbers[i]);
    return code;
}

/* --- all at once ------------------------------------------------------------------------------ */

/* What the kernel told of all does not include it. */
static int details_read(const struct walking *walking, struct process *process)
{
    uint64_t started = process->shown.start_ticks;
    char name[16];

    snprintf(name, sizeof(name), "%d", (int)process->shown.pid);
    AUTO_FD int folder = openat(walking->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || process_read_stat(folder, process) < 0)
        return 0; /* it has ended */
    bool same = process->shown.start_ticks == started;
    process->shown.start_ticks = started;
    return same ? process_read_details(folder, process) : 0;
}

/* Gives the pool back. */
static int current_finish(struct walking *walking)
{
    struct process *process = TAKE(walking->current);
    struct ferry_endpoints *table = walking->table;

    fd_close(&walking->current_folder);
    if (!process)
        return 0;
    table->pool = process->descriptors;
    table->pool_capacity = process->descriptor_capacity;
    walking->pool_count = process->descriptor_count;
    process->descriptors += walking->current_first;
    process->descriptor_count -= walking->current_first;
    process->descriptor_capacity = 0;
    int code = 0;
    if (table_wants(table, FERRY_GATHER_DETAILS) && process->descriptor_count)
        code = details_read(walking, process);
    int kept = process_keep(table, process);
    return code < 0 ? code : kept;
}

static int current_start(struct walking *walking, const struct open_file *file)
{
    struct process *process = process_new((pid_t)file->pid);

    if (!process)
        return -ENOMEM;
    memcpy(process->name, file->name, sizeof(file->name));
    process->name[sizeof(file->name)] = '\0';
    process->shown.name = process->name;
    process->shown.parent = (pid_t)file->parent;
    process->shown.start_ticks = open_file_start_ticks(file);
    if (table_wants(walking->table, FERRY_GATHER_NAMESPACES))
        process->shown.namespace_inode = file->network;
    process->descriptors = walking->table->pool;
    process->descriptor_capacity = walking->table->pool_capacity;
    process->descriptor_count = walking->current_first = walking->pool_count;
    walking->current = process;
    return 0;
}

static int file_take(const struct open_file *file, void *data)
{
    struct walking *walking = data;
    int code = 0;

    if (!walking->current || walking->current->shown.pid != (pid_t)file->pid) {
        code = current_finish(walking);
        if (code == 0)
            code = current_start(walking, file);
    }
    if (code < 0)
        return code;
    walking->current->files_size++;
    return descriptors_take(walking, file);
}

/* Each gets its part of the pool, which does not move any more. */
static void pool_share(struct ferry_endpoints *table)
{
    struct descriptor *next = table->pool;

    for (size_t i = 0; i < table->process_count; i++) {
        table->processes[i]->descriptors = next;
        next += table->processes[i]->descriptor_count;
    }
}

static void processes_forget(struct ferry_endpoints *table)
{
    for (size_t i = 0; i < table->process_count; i++)
        process_free(table->processes[i]);
    table->process_count = 0;
}

/* Returns 1; 0: the kernel does not tell, so that each has to be walked through; -ENOMEM. */
static int walk_at_once(struct walking *walking, uint64_t expected)
{
    struct ferry_endpoints *table = walking->table;

    process_drop_rest(walking); /* the pool may be theirs */
    if (!array_grow(&table->pool, expected, &table->pool_capacity, sizeof(*table->pool)))
        return -ENOMEM;
    int code = open_files_each(file_take, walking);
    int finished = current_finish(walking);
    pool_share(table);
    table->walk_changed = true;
    if (code == 0 && finished == 0)
        return 1;
    processes_forget(table);
    return finished == -ENOMEM || code == -ENOMEM ? -ENOMEM : 0;
}

/* --- either way ------------------------------------------------------------------------------- */

/* Whether the kernel tells in st_size how many descriptors a process has, which shows what has
 * changed (Linux 6.2). */
static bool tells_sizes(int proc)
{
    struct stat own;
    return fstatat(proc, "self/fd", &own, 0) == 0 && own.st_size > 0;
}

/* Open files in all (proc_sys_fs(5)); 0: not told. */
static uint64_t files_count(int proc)
{
    char text[64];
    return proc_read(proc, "sys/fs/file-nr", text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) : 0;
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

static int namespaces_note(struct ferry_endpoints *table)
{
    int code = 0;

    for (size_t i = 0; i < table->process_count && code == 0; i++) {
        const struct ferry_process *process = &table->processes[i]->shown;
        if (process->namespace_inode)
            code = namespaces_add(table, process->namespace_inode, process->pid, NULL);
    }
    return code;
}

static int walk_all(struct walking *walking)
{
    walking->tells_sizes = tells_sizes(walking->proc);
    if (walking->table->kinds & FERRY_ENDPOINTS_FILES || !walking->tells_sizes)
        walking->all = true;
    uint64_t files = walking->all ? files_count(walking->proc) : 0;
    int code = files >= OPEN_FILES_MIN ? walk_at_once(walking, files) : 0;
    return code < 0 ? code : code > 0 ? 0 : walk_each(walking);
}

int walk(struct ferry_endpoints *table, bool all)
{
    AUTO_FD int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_FREE char *buffer = malloc(WALK_BUFFER_SIZE);
    AUTO_FREE struct process **before = table->processes;
    struct walking walking = { .table = table,
        .all = all,
        .proc = proc,
        .buffer = buffer,
        .before = before,
        .before_count = table->process_count,
        .current_folder = -1 };

    table->processes = NULL;
    table->process_count = table->process_capacity = 0;
    table->gaps.hidden_processes = 0;
    table->walk_changed = false;
    int code = !buffer ? -ENOMEM : proc < 0 ? -errno : devices_find(&walking);
    if (code == 0)
        code = walk_all(&walking);
    if (code == 0)
        code = namespaces_note(table);
    process_drop_rest(&walking);
    table->walked = true;
    return code;
}
