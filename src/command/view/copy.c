/* copy.c - a copy of another process's descriptor. */
#include "command/view/copy.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "command/view/names.h"
#include "command/view/proc.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The numbers are the same on every architecture, since Linux 5.x numbers them together; older
 * headers lack the names. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

static int copy_descriptor(pid_t pid, int fd)
{
    AUTO_FD int process = (int)syscall(SYS_pidfd_open, pid, 0);
    int copy = process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, fd, 0);

    return copy < 0 ? -errno : copy;
}

/* The number may lead elsewhere by now. */
static bool is_endpoint(int fd, const struct ferry_endpoint *endpoint)
{
    struct stat status;

    return fstat(fd, &status) == 0 && status.st_ino == endpoint->inode &&
           S_ISSOCK(status.st_mode) == view_is_socket(endpoint);
}

static int explain_refusal(const struct ferry_process *process, struct ferry_error *error)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY;
    uint64_t scope = 0; /* as if there were no Yama */

    proc_number("/proc/sys/kernel/yama/ptrace_scope", 0, &scope);
    view_print_process(process, &who);
    if (bytes_failed(&who))
        return -ENOMEM;
    if (process->uid != (uid_t)-1 && process->uid != getuid())
        return error_set(error, -EPERM, who.data, "run it as root, or with CAP_SYS_PTRACE",
            "belongs to uid %u, we are uid %u", (unsigned)process->uid, (unsigned)getuid());
    if (scope == 3)
        return error_set(error, -EPERM, who.data, "only a reboot without it allows it",
            "kernel.yama.ptrace_scope is 3, which lets nobody copy descriptors");
    if (scope > 0)
        return error_set(error, -EPERM, who.data,
            scope == 1 ? "run it with CAP_SYS_PTRACE, or set kernel.yama.ptrace_scope to 0"
                       : "run it as root, or with CAP_SYS_PTRACE",
            "kernel.yama.ptrace_scope is %d: %s", (int)scope,
            scope == 1 ? "only a process's ancestors may copy its descriptors"
                       : "only with CAP_SYS_PTRACE may descriptors be copied");
    return error_set(error, -EPERM, who.data,
        "run it as root outside of containers, or with CAP_SYS_PTRACE",
        "the kernel refuses it: the process has hidden itself (PR_SET_DUMPABLE), has more "
        "capabilities than we do, or a filter of system calls or a security module says no");
}

static int explain(int code, const struct ferry_process *process, struct ferry_error *error)
{
    char thing[32];

    snprintf(thing, sizeof(thing), "pid %d", (int)process->pid);
    switch (-code) {
    case EPERM:
    case EACCES:
        return explain_refusal(process, error);
    case ENOSYS:
        return error_set(error, code, "pidfd_getfd",
            "Linux 5.6 or newer has it, if no filter of system calls forbids it",
            "this kernel does not have it");
    case EBADF:
    case ESRCH:
        return error_set(error, code, thing, "try again", "has closed it meanwhile");
    default:
        return error_set_errno(error, code, thing, NULL);
    }
}

int view_copy_descriptor(const struct ferry_endpoint *endpoint, struct ferry_error *error)
{
    int first = 0;

    if (!endpoint->owner_count)
        return error_set(error, -ESRCH, "its descriptor",
            endpoint->inode ? "root would see it (CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH)" : NULL,
            endpoint->inode ? "no process is seen that holds it" : "no process holds it");
    for (unsigned i = 0; i < endpoint->owner_count; i++) {
        const struct ferry_owner *owner = &endpoint->owners[i];
        AUTO_FD int copy = copy_descriptor(owner->process->pid, owner->fd);
        int code = copy;
        if (copy >= 0 && is_endpoint(copy, endpoint))
            return fd_take(&copy);
        if (!first)
            first = explain(code < 0 ? code : -EBADF, owner->process, error);
    }
    return first;
}
