/* rows_files.c - pipes, FIFOs, queues and memfds: what the walk found open, and the queues that lie
 * there without anybody.
 *
 * A pipe or FIFO is two rows, its reading and its writing end; who has it open for both stands at
 * both. A queue or memfd is one.
 */
#include "base/array.h"
#include "base/cleanup.h"
#include "base/proc.h"
#include "endpoints/table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* --- open ones -------------------------------------------------------------------------------- */

static bool has_two_ends(unsigned kind)
{
    return kind == FERRY_ENDPOINT_PIPE || kind == FERRY_ENDPOINT_FIFO;
}

static int row_add(
    struct ferry_endpoints *table, const struct descriptor *found, unsigned char ends)
{
    struct ferry_endpoint *row = table_add_row(table);

    if (!row)
        return -ENOMEM;
    row->kind = found->kind;
    row->inode = found->inode;
    row->device = found->device;
    row->size = found->size;
    row->ends = ends;
    if (!found->name)
        return 0;
    /* "/memfd:NAME (deleted)" */
    bool memfd = found->kind == FERRY_ENDPOINT_MEMFD;
    const char *name = found->name + (memfd ? strlen("/memfd:") : 0);
    size_t size = strlen(name), ending = strlen(" (deleted)");
    if (memfd && size >= ending && strcmp(name + size - ending, " (deleted)") == 0)
        size -= ending;
    row->name = arena_copy(&table->arena, name, size);
    row->name_size = size;
    return row->name ? 0 : -ENOMEM;
}

static int compare_descriptors(const void *one, const void *other)
{
    const struct descriptor *a = *(const struct descriptor *const *)one;
    const struct descriptor *b = *(const struct descriptor *const *)other;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    return (a->inode > b->inode) - (a->inode < b->inode);
}

/* All descriptors of files, those of one file next to each other. */
static int files_collect(
    struct ferry_endpoints *table, const struct descriptor ***ret_files, size_t *ret_count)
{
    AUTO_FREE const struct descriptor **files = NULL;
    size_t count = 0, capacity = 0;

    for (size_t i = 0; i < table->process_count; i++) {
        const struct process *process = table->processes[i];
        for (size_t j = 0; j < process->descriptor_count; j++) {
            if (process->descriptors[j].kind == DESCRIPTOR_SOCKET)
                continue;
            if (!array_reserve(&files, count, &capacity, sizeof(*files)))
                return -ENOMEM;
            files[count++] = &process->descriptors[j];
        }
    }
    if (count)
        qsort(files, count, sizeof(*files), compare_descriptors);
    *ret_files = TAKE(files);
    *ret_count = count;
    return 0;
}

/* --- queues ----------------------------------------------------------------------------------- */

/* The root folder of this IPC namespace's mqueue file system, mounted for us alone if it is nowhere
 * mounted (fsopen(2): Linux 5.2, CAP_SYS_ADMIN) and no filter judges that. -errno. */
static int queues_open(void)
{
    int folder = open("/dev/mqueue", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat status, above;

    /* Not the folder that waits for the mount. */
    if (folder >= 0 && fstat(folder, &status) == 0 && stat("/dev", &above) == 0 &&
        status.st_dev != above.st_dev)
        return folder;
    fd_close(&folder);
    if (proc_is_filtered())
        return -EPERM;
    AUTO_FD int context = (int)syscall(SYS_fsopen, "mqueue", 1 /* FSOPEN_CLOEXEC */);
    if (context < 0)
        return -errno;
    if (syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) < 0)
        return -errno;
    AUTO_FD int mount = (int)syscall(SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, 0);
    folder = mount < 0 ? -1 : openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder < 0 ? -errno : folder;
}

/* What a queue holds; unknown to whom it does not let read, and of another IPC namespace's, whose
 * name may stand for another one here. */
static void queue_fill(struct ferry_endpoint *row)
{
    struct mq_attr attributes;
    struct stat status;
    mqd_t queue = mq_open(row->name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (queue == (mqd_t)-1)
        return;
    bool same =
        fstat(queue, &status) == 0 && status.st_ino == row->inode && status.st_dev == row->device;
    if (same && mq_getattr(queue, &attributes) == 0) {
        row->messages = (uint32_t)attributes.mq_curmsgs;
        row->messages_max = (uint32_t)attributes.mq_maxmsg;
        row->message_size_max = (uint32_t)attributes.mq_msgsize;
    }
    mq_close(queue);
}

/* "QSIZE:129 NOTIFY:2 SIGNO:0 NOTIFY_PID:8260" */
static void queue_size(int folder, const char *name, struct ferry_endpoint *row)
{
    char text[128];
    AUTO_FD int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (length <= 0)
        return;
    text[length] = '\0';
    if (sscanf(text, "QSIZE:%u", &row->receive_queue) != 1)
        row->receive_queue = 0;
}

static struct ferry_endpoint *queue_find(
    const struct ferry_endpoints *table, size_t first, uint64_t inode, uint64_t device)
{
    for (size_t i = first; i < table->rows.count; i++) {
        struct ferry_endpoint *row = &table->rows.data[i];
        if (row->kind == FERRY_ENDPOINT_QUEUE && row->inode == inode && row->device == device)
            return row;
    }
    return NULL;
}

static int queue_add(struct ferry_endpoints *table, size_t first, int folder, const char *name)
{
    struct stat status;
    char whole[NAME_MAX + 2];

    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode))
        return 0;
    snprintf(whole, sizeof(whole), "/%s", name);
    struct ferry_endpoint *row = queue_find(table, first, status.st_ino, status.st_dev);
    if (!row) {
        const struct descriptor lone = { .kind = FERRY_ENDPOINT_QUEUE,
            .inode = status.st_ino,
            .device = status.st_dev,
            .name = whole };
        int code = row_add(table, &lone, FERRY_END_READ | FERRY_END_WRITE);
        if (code < 0)
            return code;
        row = &table->rows.data[table->rows.count - 1];
    }
    row->uid = status.st_uid;
    row->size = 0;
    queue_size(folder, name, row);
    queue_fill(row);
    return 0;
}

/* Those that somebody has open are known without a list. */
static void queues_fill(struct ferry_endpoints *table, size_t first)
{
    for (size_t i = first; i < table->rows.count; i++)
        if (table->rows.data[i].kind == FERRY_ENDPOINT_QUEUE)
            queue_fill(&table->rows.data[i]);
}

static int queues_add(struct ferry_endpoints *table, size_t first)
{
    int fd = queues_open();
    AUTO_DIR DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    int code = 0;

    if (!folder) {
        /* Without queues in the kernel there are none to be missed. */
        table->gaps.unlisted_queues = fd != -ENODEV && fd != -ENOSYS;
        fd_close(&fd);
        queues_fill(table, first);
        return 0;
    }
    for (struct dirent *entry; code == 0 && (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            code = queue_add(table, first, dirfd(folder), entry->d_name);
    return code;
}

int rows_files(struct ferry_endpoints *table)
{
    AUTO_FREE const struct descriptor **files = NULL;
    size_t count = 0, first = table->rows.count;
    int code = files_collect(table, &files, &count);

    for (size_t i = 0; i < count && code == 0; i++) {
        if (i > 0 && compare_descriptors(&files[i - 1], &files[i]) == 0)
            continue;
        code = row_add(table, files[i],
            has_two_ends(files[i]->kind) ? FERRY_END_READ : FERRY_END_READ | FERRY_END_WRITE);
        if (code == 0 && has_two_ends(files[i]->kind))
            code = row_add(table, files[i], FERRY_END_WRITE);
    }
    if (code == 0 && table_wants_kind(table, FERRY_ENDPOINT_QUEUE))
        code = queues_add(table, first);
    return code;
}
