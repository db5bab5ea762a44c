/* quiet.c - a path is walked as far as the kernel's memory goes, and by single steps where it ends,
 * which also puts into memory what was not there.
 */
#include "base/quiet.h"
#include "base/cleanup.h"
#include "base/mounts.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#ifndef RESOLVE_CACHED /* Linux 5.12; older headers lack it */
#define RESOLVE_CACHED 0x20
#endif

/* Opens what is at a path, without reading or waking anything (O_PATH, no automounter). */
static int path_open(int root, const char *path, uint64_t resolve)
{
    struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = resolve };
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

    /* Where a filter of system calls does not know it: absolute links then lead into our root. */
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
        path += resolve & RESOLVE_IN_ROOT ? strspn(path, "/") : 0;
        fd = openat(root, path, O_PATH | O_CLOEXEC);
    }
    return fd < 0 ? -errno : fd;
}

/* The same, from what the kernel has in memory only (RESOLVE_CACHED, Linux 5.12). A socket that is
 * bound keeps its file and all folders above it there; a file system that must ask somebody first
 * makes it -EAGAIN. */
static int path_open_cached(int root, const char *path, uint64_t resolve)
{
    int fd = path_open(root, path, resolve | RESOLVE_CACHED);
    return fd == -EINVAL ? path_open(root, path, resolve) : fd;
}

/* One name in a folder that could be reached: asked of its file system, but neither over a mount
 * nor through a link, behind which a dead one may be. */
static int step_open(int folder, const char *name)
{
    return path_open(folder, name, RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
}

/* From where a path is looked at. */
struct view {
    int root;         /* AT_FDCWD: ours */
    uint64_t resolve; /* RESOLVE_IN_ROOT: absolute links begin at the root too */
    pid_t pid;        /* who sees its mounts; 0: we */
};

/* A process's own mountinfo leaves out what its root folder is in, unless that is a mount's root:
 * ours has it then. */
static bool is_local(const struct view *view, int folder)
{
    char mountinfo[64];

    if (mounts_is_local(folder, "/proc/self/mountinfo"))
        return true;
    snprintf(mountinfo, sizeof(mountinfo), "/proc/%d/mountinfo", (int)view->pid);
    return view->pid && mounts_is_local(folder, mountinfo);
}

/* The next folder on a path, or what the path leads to; takes the one before.
 *   path  cut behind the name that begins at `at` */
static int path_step(const struct view *view, int folder, const char *path, size_t at)
{
    int stepped = is_local(view, folder) ? step_open(folder, path + at) : -EAGAIN;
    char target[1];

    /* To follow a link is to note the time, for which a walk in memory gives up; to read it does
     * that too. */
    if (stepped == -ELOOP && readlinkat(folder, path + at, target, sizeof(target)) < 0)
        stepped = -EAGAIN;
    int cached = path_open_cached(view->root, path, view->resolve);
    bool crosses = stepped == -EXDEV || stepped == -ELOOP || stepped == -EAGAIN;

    fd_close(&folder);
    if (cached < 0 && !crosses)
        return stepped;
    fd_close(&stepped);
    return cached;
}

int quiet_open(const struct quiet_view *from, const char *path)
{
    const struct view whole = { from ? from->folder : AT_FDCWD,
        from && from->is_root ? RESOLVE_IN_ROOT : 0, from ? from->pid : 0 };
    const struct view *view = &whole;
    char start[PATH_MAX * 2];
    size_t size = strlen(path), end = 0;
    int fd = path_open_cached(view->root, path, view->resolve);

    if (fd != -EAGAIN || size >= sizeof(start))
        return fd;
    fd = path_open_cached(view->root, path[0] == '/' ? "/" : ".", view->resolve);
    while (end < size && fd >= 0) {
        size_t at = end + strspn(path + end, "/");
        end = at + strcspn(path + at, "/");
        memcpy(start, path, end);
        start[end] = '\0';
        if (end > at)
            fd = path_step(view, fd, start, at);
    }
    return fd;
}
