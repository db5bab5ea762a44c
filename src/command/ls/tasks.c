/* tasks.c - what the threads of a process do, from /proc/PID/task (proc(5)).
 *
 * How often a thread was given the processor is counted by the kernel for everybody to read; in
 * which system call it sleeps, with its arguments, stands in `syscall` for those who might trace
 * it. Another architecture's program (a 32-bit one) has other numbers: its writes are not known as
 * such, which is an unknown, never a wrong answer that matters, since no call that can sleep shares
 * a number with one of these.
 */
#include "command/ls/tasks.h"
#include "base/array.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

static bool is_write(long number)
{
    static const long writes[] = { SYS_write, SYS_writev, SYS_sendto, SYS_sendmsg, SYS_sendmmsg,
        SYS_sendfile, SYS_vmsplice };

    for (size_t i = 0; i < COUNT_OF(writes); i++)
        if (number == writes[i])
            return true;
    return false;
}

/* A small file below a task's folder; its length, 0 if it can't be read. */
static size_t file_read(int folder, const char *tid, const char *name, char *text, size_t size)
{
    char path[64];

    snprintf(path, sizeof(path), "%s/%s", tid, name);
    AUTO_FD int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);
    text[length > 0 ? length : 0] = '\0';
    return length > 0 ? (size_t)length : 0;
}

static uint64_t number_behind(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    return at ? strtoull(at + strlen(words), NULL, 10) : 0;
}

/* "S" and the counts from status; its name there stands first and is escaped, so that it can't
 * begin a line. */
static bool status_read(int folder, const char *tid, struct task *task)
{
    char text[4096];

    if (!file_read(folder, tid, "status", text, sizeof(text)))
        return false;
    const char *state = strstr(text, "\nState:\t");
    task->state = state ? state[strlen("\nState:\t")] : '?';
    task->switches = number_behind(text, "\nvoluntary_ctxt_switches:\t") +
                     number_behind(text, "\nnonvoluntary_ctxt_switches:\t");
    return true;
}

/* "44 0x3 0x7f.. ..."; "running"; "-1 SP PC" of one that sleeps outside any call. */
static void call_read(int folder, const char *tid, struct task *task)
{
    char text[512];
    long number;
    unsigned long long first;

    task->write_fd = -1;
    if (!file_read(folder, tid, "syscall", text, sizeof(text)))
        return;
    if (sscanf(text, "%ld %llx", &number, &first) == 2 && is_write(number))
        task->write_fd = (int)first;
}

static bool task_add(struct tasks *tasks, size_t *capacity, const struct task *task)
{
    if (!array_reserve(&tasks->data, tasks->count, &*capacity, sizeof(*tasks->data)))
        return false;
    tasks->data[tasks->count++] = *task;
    return true;
}

struct tasks *tasks_new(pid_t pid)
{
    char path[64];
    struct tasks *tasks = calloc(1, sizeof(*tasks));
    size_t capacity = 0;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    AUTO_DIR DIR *folder = opendir(path);
    for (struct dirent *entry; tasks && folder && (entry = readdir(folder));) {
        struct task task = { .tid = (pid_t)atoi(entry->d_name) };
        if (task.tid <= 0 || !status_read(dirfd(folder), entry->d_name, &task))
            continue;
        call_read(dirfd(folder), entry->d_name, &task);
        if (!task_add(tasks, &capacity, &task)) {
            tasks_free(tasks);
            tasks = NULL;
        }
    }
    return tasks;
}

void tasks_free(struct tasks *tasks)
{
    if (tasks)
        free(tasks->data);
    free(tasks);
}
