/* machine_search.c - looks for files of one type in the usual places, without ever being held up.
 *
 * A folder that waits for its turn is a path relative to the root of its search, which is open: so
 * that the kernel itself refuses, in one step with opening, whatever somebody has put in its way
 * meanwhile.
 */
#include "command/why/machine_search.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/mounts.h"
#include "command/limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* --- what is mounted -------------------------------------------------------------------------- */

/* "\040" for a blank, as the kernel writes it. */
static void unescape_octal(char *text)
{
    char *to = text;

    for (const char *at = text; *at; at++) {
        if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' &&
            at[3] >= '0' && at[3] <= '7') {
            *to++ = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            at += 3;
        } else {
            *to++ = *at;
        }
    }
    *to = '\0';
}

/* "36 35 98:0 /root /point options optional... - type source options" */
static int mount_add(struct machine_search *search, char *line)
{
    char *rest = strstr(line, " - "), *word, *kept;
    char *type = rest ? rest + 3 : NULL;

    if (!type)
        return 0;
    *rest = '\0';
    type[strcspn(type, " ")] = '\0';
    word = strtok_r(line, " ", &kept);
    for (unsigned i = 0; i < 4 && word; i++)
        word = strtok_r(NULL, " ", &kept);
    if (!word)
        return 0;
    unescape_octal(word);
    if (!array_reserve(
            &search->mounts, search->mount_count, &search->mount_capacity, sizeof(*search->mounts)))
        return -ENOMEM;
    /* Were the root a network's, nothing here would run without it. */
    struct mount mount = { strdup(word), mounts_type_is_local(type) || strcmp(word, "/") == 0 };
    if (!mount.point)
        return -ENOMEM;
    search->mounts[search->mount_count++] = mount;
    return 0;
}

int search_init(struct machine_search *search)
{
    AUTO_FILE FILE *file = fopen("/proc/self/mountinfo", "re");
    AUTO_FREE char *line = NULL;
    size_t size = 0;
    int code = file ? 0 : -errno;

    while (code == 0 && getline(&line, &size, file) > 0)
        code = mount_add(search, line);
    return code;
}

void search_fini(struct machine_search *search)
{
    for (size_t i = 0; i < search->mount_count; i++)
        free(search->mounts[i].point);
    free(search->mounts);
    free(search->seen);
}

/* Whether `path` is `folder` or below it; what is left then, without a leading slash. */
static const char *path_below(const char *path, const char *folder)
{
    size_t size = strcmp(folder, "/") == 0 ? 0 : strlen(folder);

    if (strncmp(path, folder, size) != 0 || (path[size] != '/' && path[size] != '\0'))
        return NULL;
    return path + size + strspn(path + size, "/");
}

/* Nothing on the way there belongs to another machine. */
static bool is_local(const struct machine_search *search, const char *path)
{
    for (size_t i = 0; i < search->mount_count; i++)
        if (!search->mounts[i].local && path_below(path, search->mounts[i].point))
            return false;
    return true;
}

/* --- folders ---------------------------------------------------------------------------------- */

/* Folders that wait for their turn, each relative to the root of the search; "." is the root. */
struct waiting {
    struct {
        char *path;
        unsigned depth;
    } * data;
    size_t count, capacity;
};

static int waiting_push(struct waiting *waiting, const char *path, const char *name, unsigned depth)
{
    if (!array_reserve(&waiting->data, waiting->count, &waiting->capacity, sizeof(*waiting->data)))
        return -ENOMEM;
    char *whole;
    int length = strcmp(path, ".") == 0 ? asprintf(&whole, "%s", name)
                                        : asprintf(&whole, "%s/%s", path, name);
    if (length < 0)
        return -ENOMEM;
    waiting->data[waiting->count].path = whole;
    waiting->data[waiting->count++].depth = depth;
    return 0;
}

static int folder_open(int root, const char *path, uint64_t resolve)
{
    struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
        .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | resolve };
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
    return fd < 0 ? -errno : fd;
}

/* 1: for the first time; 0: it was looked at; -ENOMEM. */
static int folder_is_new(struct machine_search *search, int folder)
{
    struct stat status;

    if (fstat(folder, &status) < 0)
        return 0;
    for (size_t i = 0; i < search->seen_count; i++)
        if (search->seen[i].inode == status.st_ino && search->seen[i].device == status.st_dev)
            return 0;
    if (!array_reserve(
            &search->seen, search->seen_count, &search->seen_capacity, sizeof(*search->seen)))
        return -ENOMEM;
    search->seen[search->seen_count++] = (struct seen_folder){ status.st_dev, status.st_ino };
    return 1;
}

static unsigned char type_of(int folder, const struct dirent *entry)
{
    struct stat status;

    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type;
    if (fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return DT_UNKNOWN;
    return IFTODT(status.st_mode);
}

/* Reads one folder: says what it has, and puts its folders in the queue. Takes `fd`. */
static int folder_read(struct machine_search *search, int fd, const char *whole, const char *path,
    unsigned depth, struct waiting *waiting)
{
    AUTO_DIR DIR *folder = fdopendir(fd);
    int code = 0;

    if (!folder) {
        fd_close(&fd);
        return -ENOMEM;
    }
    for (struct dirent *entry; code == 0 && (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (search->entries++ >= SEARCH_ENTRIES_MAX) {
            search->cut = true;
            break;
        }
        unsigned char type = type_of(dirfd(folder), entry);
        if (type == search->type)
            search->found(search->data, dirfd(folder), whole, entry->d_name);
        else if (type == DT_DIR && depth > 0)
            code = waiting_push(waiting, path, entry->d_name, depth - 1);
    }
    return code;
}

static int folder_look(struct machine_search *search, int root, const char *place, const char *path,
    unsigned depth, struct waiting *waiting)
{
    AUTO_FREE char *whole = NULL;
    AUTO_FD int fd = folder_open(root, path, RESOLVE_BENEATH | RESOLVE_NO_XDEV);

    if (fd < 0) {
        search->denied += fd == -EACCES || fd == -EPERM;
        return 0;
    }
    if (search->seen_count >= SEARCH_FOLDERS_MAX) {
        search->cut = true;
        return 0;
    }
    int code = folder_is_new(search, fd);
    if (code <= 0)
        return code;
    int length = strcmp(path, ".") == 0 ? asprintf(&whole, "%s", place)
                                        : asprintf(&whole, "%s/%s", place, path);
    if (length < 0) {
        whole = NULL;
        return -ENOMEM;
    }
    return folder_read(search, fd_take(&fd), whole, path, depth, waiting);
}

/* One file system, from one folder downwards. */
static int search_root(struct machine_search *search, const char *place, unsigned depth)
{
    AUTO_FD int root = folder_open(AT_FDCWD, place, 0);
    struct waiting waiting = { 0 };

    if (root < 0) {
        search->denied += root == -EACCES || root == -EPERM;
        return 0;
    }
    int code = waiting_push(&waiting, ".", ".", depth);
    while (code == 0 && waiting.count) {
        waiting.count--;
        AUTO_FREE char *path = waiting.data[waiting.count].path;
        code = folder_look(search, root, place, path, waiting.data[waiting.count].depth, &waiting);
    }
    while (waiting.count)
        free(waiting.data[--waiting.count].path);
    free(waiting.data);
    return code;
}

/* How many names a path has. */
static unsigned path_length(const char *path)
{
    unsigned length = *path != '\0';

    for (; *path; path++)
        length += *path == '/';
    return length;
}

int search_place(struct machine_search *search, const char *place, unsigned depth)
{
    char path[PATH_MAX];

    if (!is_local(search, place) || !realpath(place, path) || !is_local(search, path))
        return 0;
    int code = search_root(search, path, depth);
    for (size_t i = 0; i < search->mount_count && code == 0; i++) {
        const char *below = path_below(search->mounts[i].point, path);
        if (below && *below && path_length(below) <= depth &&
            is_local(search, search->mounts[i].point))
            code = search_root(search, search->mounts[i].point, depth - path_length(below));
    }
    return code;
}
