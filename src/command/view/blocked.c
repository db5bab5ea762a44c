/* blocked.c - what a process is blocked in.
 *
 * One thread is four small files of /proc at most: status, syscall, wchan, and for epoll the
 * descriptor's fdinfo. Numbers of system calls are those of this program's own architecture; a
 * process of another (32 bits) keeps its numbers without names.
 */
#include "command/view/blocked.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/proc.h"
#include "command/limits.h"
#include "command/view/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/uio.h>

/* --- reading ---------------------------------------------------------------------------------- */

static ssize_t thread_read(
    const struct blocked_thread *thread, const char *file, char *text, size_t size)
{
    char path[96];

    snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)thread->pid, (int)thread->tid, file);
    return proc_read(AT_FDCWD, path, text, size);
}

/* Its memory, as far as it could be read. */
static ssize_t memory_read(pid_t pid, uint64_t address, void *data, size_t size)
{
    struct iovec here = { data, size }, there = { (void *)(uintptr_t)address, size };

    return process_vm_readv(pid, &here, 1, &there, 1, 0);
}

static int add_fd(struct blocked_thread *thread, int fd)
{
    if (*thread->fds_left)
        --*thread->fds_left;
    if (thread->fd_count == BLOCKED_FDS_MAX || !*thread->fds_left) {
        thread->fds_whole = false;
        return 0;
    }
    if (!array_reserve(&thread->fds, thread->fd_count, &thread->fd_capacity, sizeof(*thread->fds)))
        return -ENOMEM;
    thread->fds[thread->fd_count++] = fd;
    return 0;
}

/* "tfd:        5 events:       19 data: ..." */
static int look_epoll(struct blocked_thread *thread, int epoll)
{
    char path[64], line[256];
    int fd, code = 0;

    thread->epoll = epoll;
    thread->fds_whole = false;
    if (!*thread->fds_left)
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)thread->pid, epoll);
    AUTO_FILE FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    thread->fds_whole = true;
    /* What finds no room counts as well: reading is what costs. */
    while (code == 0 && *thread->fds_left && fgets(line, sizeof(line), file))
        if (sscanf(line, "tfd: %d", &fd) == 1)
            code = add_fd(thread, fd);
    return code;
}

static int look_poll(struct blocked_thread *thread, uint64_t address, uint64_t count)
{
    size_t most = *thread->fds_left < BLOCKED_FDS_MAX ? *thread->fds_left : BLOCKED_FDS_MAX;
    size_t size = (count < most ? count : most) * sizeof(struct pollfd);
    AUTO_FREE struct pollfd *polled = malloc(size + 1);

    if (!polled)
        return -ENOMEM;
    ssize_t length = size ? memory_read(thread->pid, address, polled, size) : 0;
    thread->fds_whole = length == (ssize_t)(count * sizeof(*polled));
    for (ssize_t i = 0; i < length / (ssize_t)sizeof(*polled); i++)
        if (polled[i].fd >= 0 && add_fd(thread, polled[i].fd) < 0)
            return -ENOMEM;
    return 0;
}

static int look_select(struct blocked_thread *thread, const uint64_t *arguments)
{
    size_t count = arguments[0] < FD_SETSIZE ? arguments[0] : FD_SETSIZE;
    unsigned char sets[3][FD_SETSIZE / 8] = { 0 };

    thread->fds_whole = arguments[0] <= FD_SETSIZE;
    for (size_t i = 0; i < 3; i++) {
        /* The kernel reads whole words. */
        size_t size = (count + 63) / 64 * 8;
        if (arguments[i + 1] && size &&
            memory_read(thread->pid, arguments[i + 1], sets[i], size) != (ssize_t)size)
            thread->fds_whole = false;
    }
    for (size_t fd = 0; fd < count; fd++) {
        unsigned char any = sets[0][fd / 8] | sets[1][fd / 8] | sets[2][fd / 8];
        if (any & 1u << fd % 8 && add_fd(thread, (int)fd) < 0)
            return -ENOMEM;
    }
    return 0;
}

static void look_open(struct blocked_thread *thread, uint64_t path, uint64_t flags)
{
    char text[BLOCKED_PATH_SIZE];
    /* The text may end where the next page is not mapped: then less than that is read. */
    size_t until_page = 4096 - path % 4096;
    ssize_t length = memory_read(thread->pid, path, text, sizeof(text));

    if (length < 0 && until_page < sizeof(text))
        length = memory_read(thread->pid, path, text, until_page);
    thread->open_flags = flags;
    if (length > 0 && memchr(text, '\0', (size_t)length))
        thread->path = strdup(text);
}

static void look_connect(struct blocked_thread *thread, uint64_t address, uint64_t size)
{
    if (size <= sizeof(thread->address) &&
        memory_read(thread->pid, address, thread->address, size) == (ssize_t)size)
        thread->address_size = size;
}

static int compare_fds(const void *one, const void *other)
{
    const int *a = one, *b = other;
    return (*a > *b) - (*a < *b);
}

static int look_arguments(
    struct blocked_thread *thread, enum call_shape shape, const uint64_t *arguments)
{
    int code = 0;

    thread->sets = shape == CALL_EPOLL || shape == CALL_POLL || shape == CALL_SELECT;
    thread->writes = shape == CALL_WRITE;
    thread->fds_whole = shape != CALL_OPAQUE;
    switch (shape) {
    case CALL_FD:
    case CALL_WRITE:
        code = add_fd(thread, (int)arguments[0]);
        break;
    case CALL_CONNECT:
        look_connect(thread, arguments[1], arguments[2]);
        code = add_fd(thread, (int)arguments[0]);
        break;
    case CALL_EPOLL:
        code = look_epoll(thread, (int)arguments[0]);
        break;
    case CALL_POLL:
        code = look_poll(thread, arguments[0], arguments[1]);
        break;
    case CALL_SELECT:
        code = look_select(thread, arguments);
        break;
    case CALL_OPEN:
        look_open(thread, arguments[0], arguments[1]);
        break;
    case CALL_OPENAT:
        look_open(thread, arguments[1], arguments[2]);
        break;
    case CALL_OPAQUE:
    case CALL_PLAIN:
        break;
    }
    if (thread->fd_count)
        qsort(thread->fds, thread->fd_count, sizeof(*thread->fds), compare_fds);
    return code;
}

/* "running", "-1 SP PC" (no call), "NUMBER 0xARGUMENT x6 SP PC". */
static int look_call(struct blocked_thread *thread, bool foreign)
{
    unsigned long long words[6] = { 0 };
    uint64_t arguments[6];
    char text[256];

    thread->number = -1;
    thread->epoll = -1;
    if (thread_read(thread, "syscall", text, sizeof(text)) <= 0)
        return 0;
    thread->told = true;
    int count = sscanf(text, "%ld %llx %llx %llx %llx %llx %llx", &thread->number, &words[0],
        &words[1], &words[2], &words[3], &words[4], &words[5]);
    if (count < 7 || thread->number < 0)
        return 0;
    for (size_t i = 0; i < 6; i++)
        arguments[i] = words[i];
    const struct call *call = foreign ? NULL : call_find(thread->number);
    thread->call = call ? call->name : NULL;
    return look_arguments(thread, call ? call->shape : CALL_OPAQUE, arguments);
}

/* What stands behind the name in a line of status; NULL: it is not there. The process's name stands
 * first and is escaped, so that it can't begin a line. */
static const char *status_find(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    return line ? line + strlen(name) : NULL;
}

static void look_status(struct blocked_thread *thread)
{
    static const char *const counts[] = { "\nvoluntary_ctxt_switches:\t",
        "\nnonvoluntary_ctxt_switches:\t" };
    char text[4096];

    if (thread_read(thread, "status", text, sizeof(text)) <= 0)
        return;
    const char *state = status_find(text, "\nState:\t");
    thread->state = state ? *state : '\0';
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        const char *count = status_find(text, counts[i]);
        thread->switches += count ? strtoull(count, NULL, 10) : 0;
    }
}

static int look_thread(struct blocked_thread *thread, bool foreign)
{
    look_status(thread);
    if (thread_read(thread, "wchan", thread->place, sizeof(thread->place)) <= 0 ||
        strcmp(thread->place, "0") == 0)
        thread->place[0] = '\0';
    return look_call(thread, foreign);
}

/* Whether it has other numbers of system calls than we: fewer bits, by its program's header. */
static bool is_foreign(pid_t pid)
{
    unsigned char header[5];
    char path[40];

    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || read(fd, header, sizeof(header)) != sizeof(header))
        return false;
    return header[4] != (sizeof(void *) == 8 ? 2 : 1);
}

static pid_t tracer_of(pid_t pid)
{
    AUTO_FD int folder = proc_open(pid);
    char text[4096];

    if (proc_read(folder, "status", text, sizeof(text)) <= 0)
        return 0;
    const char *tracer = status_find(text, "\nTracerPid:");
    return tracer ? (pid_t)atoi(tracer) : 0;
}

static int add_thread(struct blocked *blocked, pid_t tid, bool foreign, size_t *fds_left)
{
    if (!array_reserve(
            &blocked->threads, blocked->count, &blocked->capacity, sizeof(*blocked->threads)))
        return -ENOMEM;
    struct blocked_thread *thread = &blocked->threads[blocked->count];
    *thread = (struct blocked_thread){ .pid = blocked->pid, .tid = tid, .fds_left = fds_left };
    int code = look_thread(thread, foreign);
    thread->fds_left = NULL;
    if (thread->state) {
        blocked->count++;
        return code;
    }
    free(thread->fds); /* it has gone meanwhile */
    free(thread->path);
    return code;
}

int blocked_look(pid_t pid, struct blocked *ret_blocked)
{
    struct blocked *blocked = ret_blocked;
    size_t fds_left = BLOCKED_FDS_OF_ALL_MAX;
    char path[40];
    int code = 0;

    *blocked = (struct blocked){ .pid = pid, .tracer = tracer_of(pid) };
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    AUTO_DIR DIR *folder = opendir(path);
    bool foreign = is_foreign(pid);
    for (struct dirent *entry; code == 0 && folder && (entry = readdir(folder));) {
        int tid = atoi(entry->d_name);
        blocked->cut = blocked->count == BLOCKED_THREADS_MAX;
        if (blocked->cut)
            break;
        if (tid > 0)
            code = add_thread(blocked, tid, foreign, &fds_left);
    }
    blocked->ended = code == 0 && blocked->count == 0;
    return code;
}

void blocked_fini(struct blocked *blocked)
{
    for (size_t i = 0; i < blocked->count; i++) {
        free(blocked->threads[i].fds);
        free(blocked->threads[i].path);
    }
    free(blocked->threads);
    *blocked = (struct blocked){ .ended = true };
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool is_stopped(const struct blocked_thread *thread)
{
    return thread->state == 'T' || thread->state == 't';
}

const struct blocked_thread *blocked_main(const struct blocked *blocked)
{
    for (size_t i = 0; i < blocked->count; i++)
        if (strchr("TtDZ", blocked->threads[i].state))
            return &blocked->threads[i];
    return blocked->count ? &blocked->threads[0] : NULL;
}

bool blocked_is_stopped(const struct blocked *blocked)
{
    for (size_t i = 0; i < blocked->count; i++)
        if (!is_stopped(&blocked->threads[i]))
            return false;
    return blocked->count > 0;
}

const struct blocked_thread *blocked_find_waiting(const struct blocked *blocked, int fd)
{
    for (size_t i = 0; i < blocked->count; i++) {
        const struct blocked_thread *thread = &blocked->threads[i];
        if (thread->fd_count && !is_stopped(thread) &&
            bsearch(&fd, thread->fds, thread->fd_count, sizeof(fd), compare_fds))
            return thread;
    }
    return NULL;
}

static bool is_asleep(const struct blocked_thread *thread)
{
    return thread->state == 'S' || thread->state == 'D';
}

const struct blocked_thread *blocked_find_writing(const struct blocked *blocked, int fd)
{
    for (size_t i = 0; i < blocked->count; i++) {
        const struct blocked_thread *thread = &blocked->threads[i];
        if (thread->writes && thread->fd_count && thread->fds[0] == fd && is_asleep(thread))
            return thread;
    }
    return NULL;
}

bool blocked_is_asleep(const struct blocked *blocked)
{
    for (size_t i = 0; i < blocked->count; i++)
        if (!is_asleep(&blocked->threads[i]))
            return false;
    return blocked->count > 0 && !blocked->cut;
}

uint64_t blocked_switches(const struct blocked *blocked)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < blocked->count; i++)
        sum += blocked->threads[i].switches;
    return sum;
}

bool blocked_is_told(const struct blocked *blocked)
{
    for (size_t i = 0; i < blocked->count; i++) {
        const struct blocked_thread *thread = &blocked->threads[i];
        if (!thread->told || (thread->number >= 0 && !thread->fds_whole))
            return false;
    }
    return !blocked->cut;
}
