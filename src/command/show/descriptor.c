/* descriptor.c - one descriptor of a process, whatever it leads to: what /proc says of it. */
#include "command/show/descriptor.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/proc.h"
#include "command/show/print.h"
#include "command/show/process.h"
#include "command/view/json.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

static int explain(pid_t pid, int fd, int code, struct ferry_error *error)
{
    char process[32], thing[32];

    snprintf(process, sizeof(process), "/proc/%d", (int)pid);
    snprintf(thing, sizeof(thing), "%d:%d", (int)pid, fd);
    if (code == -ENOENT && access(process, F_OK) < 0)
        return error_set(error, -ESRCH, thing, NULL, "there is no process %d", (int)pid);
    if (code == -ENOENT)
        return error_set(error, -EBADF, thing, "`ferry show PID` lists what it has",
            "the process has no such descriptor open");
    if (code == -EACCES || code == -EPERM)
        return error_set(error, -EACCES, thing, "run it as root, or with CAP_SYS_PTRACE",
            "the descriptors of that process may not be seen");
    return error_set_errno(error, code, thing, NULL);
}

/* fdinfo of an epoll or inotify instance may be long: it is cut at the size, behind a line. */
static char *read_fdinfo(pid_t pid, int fd)
{
    char path[48], text[PROC_FILE_SIZE_MAX];

    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, fd);
    ssize_t length = proc_read(AT_FDCWD, path, text, sizeof(text));
    if (length <= 0)
        return NULL;
    if (length == sizeof(text) - 1)
        while (length && text[length - 1] != '\n')
            length--;
    text[length] = '\0';
    return length ? strdup(text) : NULL;
}

int descriptor_look(
    pid_t pid, int fd, struct descriptor_facts *ret_facts, struct ferry_error *error)
{
    char path[48], link[PATH_MAX];
    struct descriptor_facts facts = { .pid = pid, .fd = fd };

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
    ssize_t length = readlink(path, link, sizeof(link));
    if (length < 0)
        return explain(pid, fd, -errno, error);
    facts.link = strndup(link, (size_t)length);
    if (!facts.link)
        return error_set_errno(error, -ENOMEM, path, NULL);
    facts.fdinfo = read_fdinfo(pid, fd);
    facts.has_status = stat(path, &facts.status) == 0;
    *ret_facts = facts;
    return 0;
}

void descriptor_fini(struct descriptor_facts *facts)
{
    free(facts->link);
    free(facts->fdinfo);
}

static const char *type_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "regular file";
    case S_IFDIR:
        return "directory";
    case S_IFCHR:
        return "character device";
    case S_IFBLK:
        return "block device";
    case S_IFIFO:
        return "pipe or FIFO";
    case S_IFSOCK:
        return "socket";
    default:
        return "without a type (eventfd, epoll, timer, ...)";
    }
}

/* Calls for each "key:\tvalue" line of fdinfo; what has no colon has an empty value. */
static void each_line(
    const char *fdinfo, void (*visit)(void *data, const char *key, const char *value), void *data)
{
    AUTO_FREE char *copy = fdinfo ? strdup(fdinfo) : NULL;
    char *rest = copy;

    for (char *line; rest && (line = strsep(&rest, "\n"));) {
        char *value = strchr(line, ':');
        if (value)
            *value++ = '\0';
        if (*line)
            visit(data, line, value ? value + strspn(value, " \t") : "");
    }
}

static void print_flags(const char *octal, struct bytes *text)
{
    static const char *const ways[] = { "reads", "writes", "reads and writes", "path only" };
    static const struct {
        unsigned long flag;
        const char *name;
    } names[] = { { O_APPEND, "appends" }, { O_NONBLOCK, "non-blocking" }, { O_ASYNC, "async" },
        { O_DIRECT, "direct" }, { O_CLOEXEC, "close-on-exec" } };
    unsigned long flags = strtoul(octal, NULL, 8);

    bytes_print(text, " (%s", flags & O_PATH ? ways[3] : ways[(flags & O_ACCMODE) % 3]);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (flags & names[i].flag)
            bytes_print(text, ", %s", names[i].name);
    bytes_append_char(text, ')');
}

static void print_fdinfo(void *data, const char *key, const char *value)
{
    struct bytes *text = data;

    print_label(text, "fdinfo");
    bytes_append_escaped(text, key, strlen(key));
    bytes_append_char(text, ' ');
    bytes_append_escaped(text, value, strlen(value));
    if (strcmp(key, "flags") == 0)
        print_flags(value, text);
    bytes_append_char(text, '\n');
}

void descriptor_print(const struct descriptor_facts *facts, struct bytes *text)
{
    const struct stat *status = &facts->status;
    struct process_facts process;

    bytes_print(text, "descriptor %d of ", facts->fd);
    if (process_facts_read(facts->pid, &process) == 0) {
        bytes_append_escaped(text, process.stat.name, strlen(process.stat.name));
        bytes_print(text, "[%d]\n", (int)facts->pid);
        process_facts_fini(&process);
    } else {
        bytes_print(text, "pid %d\n", (int)facts->pid);
    }
    print_hostile(text, "leads to", facts->link);
    if (facts->has_status) {
        print_line(text, "type", "%s", type_name(status->st_mode));
        print_label(text, "file");
        bytes_print(text, "inode %" PRIu64 ", device %u:%u, mode %04o, ", (uint64_t)status->st_ino,
            major(status->st_dev), minor(status->st_dev), (unsigned)(status->st_mode & 07777));
        print_user(text, status->st_uid);
        bytes_append_text(text, " : ");
        print_group(text, status->st_gid);
        if (S_ISREG(status->st_mode))
            bytes_print(text, ", %" PRIu64 " bytes", (uint64_t)status->st_size);
        bytes_append_char(text, '\n');
    }
    each_line(facts->fdinfo, print_fdinfo, text);
}

static void set_fdinfo(void *data, const char *key, const char *value)
{
    json_t *object = data;
    json_t *before = json_object_get(object, key);

    /* An epoll instance has a line of one key for each descriptor of its set. */
    if (!before) {
        json_object_set_new(object, key, view_json_text(value));
    } else if (json_is_array(before)) {
        json_array_append_new(before, view_json_text(value));
    } else {
        json_t *all = json_array();
        json_array_append(all, before);
        json_array_append_new(all, view_json_text(value));
        json_object_set_new(object, key, all);
    }
}

json_t *descriptor_json(const struct descriptor_facts *facts)
{
    json_t *object = json_object();
    json_t *fdinfo = json_object();
    char mode[8];

    view_json_set_number(object, "pid", (uint64_t)facts->pid);
    view_json_set_number(object, "fd", (uint64_t)facts->fd);
    json_object_set_new(object, "link", view_json_text(facts->link));
    if (facts->has_status) {
        snprintf(mode, sizeof(mode), "%04o", (unsigned)(facts->status.st_mode & 07777));
        json_object_set_new(object, "type", json_string(type_name(facts->status.st_mode)));
        json_object_set_new(object, "mode", json_string(mode));
        view_json_set_number(object, "uid", facts->status.st_uid);
        view_json_set_number(object, "gid", facts->status.st_gid);
        view_json_set_number(object, "size", (uint64_t)facts->status.st_size);
        view_json_set_number(object, "inode", facts->status.st_ino);
        view_json_set_number(object, "device", facts->status.st_dev);
    }
    each_line(facts->fdinfo, set_fdinfo, fdinfo);
    json_object_set_new(object, "fdinfo", fdinfo);
    return object;
}
