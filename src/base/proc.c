/* proc.c - what files of /proc say. */
#include "base/proc.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

/* PF_KTHREAD of the kernel's sched.h, which proc_pid_stat(5) shows. */
#define KERNEL_THREAD 0x00200000u

int proc_open(pid_t pid)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* By one read(2), so that all of it is of one moment. */
ssize_t proc_read(int folder, const char *file, char *text, size_t size)
{
    AUTO_FD int fd = openat(folder, file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    ssize_t length = read(fd, text, size - 1);
    if (length < 0)
        return -errno;
    text[length] = '\0';
    return length;
}

/* "4711 (name) S 1 ...": the name may hold anything, a parenthesis too, so its end is the last one.
 */
int proc_stat_read(int folder, struct proc_stat *ret_stat)
{
    char text[1024];
    ssize_t length = proc_read(folder, "stat", text, sizeof(text));
    char *name = length > 0 ? strchr(text, '(') : NULL;
    char *end = name ? strrchr(name, ')') : NULL;
    struct proc_stat stat;
    unsigned flags;
    int parent;

    if (length < 0)
        return (int)length;
    if (!end || sscanf(end,
                    ") %c %d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                    "%*d %" SCNu64,
                    &stat.state, &parent, &flags, &stat.start_ticks) != 4)
        return -EPROTO;
    *end = '\0';
    snprintf(stat.name, sizeof(stat.name), "%s", name + 1);
    stat.parent = parent;
    stat.is_kernels = flags & KERNEL_THREAD;
    *ret_stat = stat;
    return 0;
}

/* "Uid:\treal\teffective\t..." */
unsigned proc_status_id(const char *status, const char *key)
{
    const char *line = strstr(status, key);
    unsigned id;

    return line && sscanf(line + strlen(key), "%*u %u", &id) == 1 ? id : (unsigned)-1;
}

bool proc_is_filtered(void)
{
    static const char key[] = "\nSeccomp:\t";
    char text[8192]; /* the groups that come before it may be many */
    ssize_t length = proc_read(AT_FDCWD, "/proc/thread-self/status", text, sizeof(text));
    const char *line = length > 0 ? strstr(text, key) : NULL;

    return line && line[sizeof(key) - 1] != '0';
}

char *proc_executable(int folder)
{
    char text[PATH_MAX];
    ssize_t length = readlinkat(folder, "exe", text, sizeof(text));

    return length > 0 && (size_t)length < sizeof(text) ? strndup(text, (size_t)length) : NULL;
}
