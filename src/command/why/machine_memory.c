/* machine_memory.c - files in /dev/shm that nobody has: memory that is lost until somebody removes
 * them.
 *
 * A file is known by device and inode, as /proc/PID/maps has them: so a container's /dev/shm is
 * told from ours, and a file that was renamed is still the same. Processes are walked through only
 * if there are such files at all.
 */
#include "command/why/machine_memory.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/table.h"
#include "command/view/names.h"
#include "command/why/machine_search.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>

struct finding_files {
    struct shared_files *files;
    bool failed, cut;
};

static void on_file(void *data, int folder, const char *path, const char *name)
{
    struct finding_files *finding = data;
    struct shared_files *files = finding->files;
    struct stat status;

    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode))
        return;
    if (files->count == SHARED_FILES_MAX) {
        finding->cut = true;
        return;
    }
    if (!array_reserve(&files->data, files->count, &files->capacity, sizeof(*files->data))) {
        finding->failed = true;
        return;
    }
    struct shared_file file = { .device = status.st_dev,
        .inode = status.st_ino,
        .size = (uint64_t)status.st_blocks * 512,
        .uid = status.st_uid,
        .changed = status.st_mtime };
    if (asprintf(&file.path, "%s/%s", path, name) < 0)
        finding->failed = true;
    else
        files->data[files->count++] = file;
}

static int compare_files(const void *one, const void *other)
{
    const struct shared_file *a = one, *b = other;
    return (a->inode > b->inode) - (a->inode < b->inode);
}

int shared_files_find(struct machine *machine, struct shared_files *ret_files)
{
    struct finding_files finding = { .files = ret_files };
    struct machine_search search = { .type = DT_REG, .found = on_file, .data = &finding };
    struct statfs status;

    *ret_files = (struct shared_files){ 0 };
    if (statfs("/dev/shm", &status) < 0)
        return 0;
    if (status.f_type != TMPFS_MAGIC) {
        machine_unseen(machine, "/dev/shm (it is no tmpfs)");
        return 0;
    }
    int code = search_init(&search);
    if (code == 0)
        code = search_place(&search, "/dev/shm", 3);
    if (search.denied)
        machine_unseen(machine, "%u %s of /dev/shm that you may not read", search.denied,
            machine_plural(search.denied, "directory", "directories"));
    if (search.cut || finding.cut)
        machine_unseen(machine, "files of /dev/shm beyond the first %u", SHARED_FILES_MAX);
    search_fini(&search);
    if (ret_files->count)
        qsort(ret_files->data, ret_files->count, sizeof(*ret_files->data), compare_files);
    return code == -ENOMEM || finding.failed ? -ENOMEM : 0;
}

void shared_files_fini(struct shared_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->data[i].path);
    free(files->data);
}

/* --- who has them ----------------------------------------------------------------------------- */

static void mark(struct shared_files *files, dev_t device, ino_t inode)
{
    struct shared_file wanted = { .inode = inode };
    struct shared_file *found =
        bsearch(&wanted, files->data, files->count, sizeof(*files->data), compare_files);

    if (!found)
        return;
    while (found > files->data && found[-1].inode == inode)
        found--;
    for (; found < files->data + files->count && found->inode == inode; found++)
        found->held |= found->device == device;
}

/* "7f00-7f01 rw-s 00000000 00:1a 4711    /dev/shm/name": nothing but digits before the path, so
 * that no name can pretend anything. */
void shared_files_mark_line(struct shared_files *files, const char *line)
{
    unsigned device_major, device_minor;
    unsigned long long inode;

    if (sscanf(line, "%*s %*s %*s %x:%x %llu", &device_major, &device_minor, &inode) == 3 && inode)
        mark(files, makedev(device_major, device_minor), inode);
}

static void mark_mapped(struct shared_files *files, int process)
{
    int fd = openat(process, "maps", O_RDONLY | O_CLOEXEC);
    AUTO_FILE FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    AUTO_FREE char *line = NULL;
    size_t size = 0;

    if (!file) {
        fd_close(&fd);
        return;
    }
    while (getline(&line, &size, file) > 0)
        shared_files_mark_line(files, line);
}

/* A descriptor that leads to a path is looked at without asking a file system that may be dead. */
static void mark_open(struct shared_files *files, int process)
{
    int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_DIR DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct statx status;
    char link[2];

    if (!folder) {
        files->hidden += errno == EACCES || errno == EPERM;
        fd_close(&fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.' && readlinkat(fd, entry->d_name, link, sizeof(link)) > 0 &&
            link[0] == '/' && statx(fd, entry->d_name, AT_STATX_DONT_SYNC, STATX_INO, &status) == 0)
            mark(files, makedev(status.stx_dev_major, status.stx_dev_minor), status.stx_ino);
}

void shared_files_mark(struct shared_files *files, int process)
{
    if (!files->count)
        return;
    mark_mapped(files, process);
    mark_open(files, process);
}

/* --- saying ----------------------------------------------------------------------------------- */

static void shared_say(
    struct machine *machine, const struct shared_files *files, const struct shared_file *file)
{
    int64_t age_ms = (int64_t)(time(NULL) - file->changed) * 1000;
    struct finding *finding =
        findings_add(&machine->findings, FINDING_ORPHAN_MEMORY, RISK, file->size);
    AUTO_BYTES struct bytes path = BYTES_EMPTY, user = BYTES_EMPTY;
    char size[24], age[24];

    if (!finding)
        return;
    bytes_append_escaped(&path, file->path, strlen(file->path));
    view_print_user(file->uid, &user);
    size_print(true, file->size, size);
    span_print(age_ms > 0 ? age_ms : 0, age);
    bytes_print(&finding->headline,
        "%s: %sorphaned memory of %s bytes: nobody has it mapped or open", path.data,
        files->hidden ? "perhaps " : "", size);
    finding_evidence(finding, "of user %s, written to %s ago", user.data, age);
    bytes_append_text(&finding->remedy, "rm ");
    shell_quote(&finding->remedy, file->path);
    finding_fact_text(finding, "path", file->path);
    finding_fact_number(finding, "bytes", file->size);
    finding_fact_number(finding, "uid", file->uid);
    json_object_set_new(finding->facts, "sure", json_boolean(!files->hidden));
}

void shared_files_say(struct machine *machine, const struct shared_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        if (!files->data[i].held)
            shared_say(machine, files, &files->data[i]);
}
