/* roudi.c - the daemon of iceoryx, and a child that watches over it.
 *
 * The daemon can't be left to itself: when it ends after somebody was killed who used it, it fails,
 * and what it has made stays. So its parent is a process that does nothing but wait for the end of
 * who measures, and cleans up.
 */
#include "command/bench/roudi.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/limits.h"
#include "memory/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "iox-roudi"
#define SOCKET  "/tmp/roudi"

/* What says that the child could not become the daemon: no status of its own. */
enum { STATUS_MISSING = 100, STATUS_FAILED };

/* --- turns ------------------------------------------------------------------------------------ */

/* An abstract name is free once who has it is gone, however that came. */
static int turn_take(void)
{
    static const char name[] = "\0ferry-bench-roudi";
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + sizeof(name) - 1;
    int64_t deadline_ns = clock_after(clock_now_ns(), BENCH_STUCK_MS * NS_PER_MS);
    AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    memcpy(address.sun_path, name, sizeof(name));
    while (bind(fd, (const struct sockaddr *)&address, size) < 0) {
        if (errno != EADDRINUSE)
            return -errno;
        if (clock_now_ns() >= deadline_ns)
            return -EBUSY;
        clock_pause_ms(ROUDI_LOOK_MS);
    }
    return fd_take(&fd);
}

/* --- what there is, and what it is to have ---------------------------------------------------- */

/* 0: one is there; -ENOENT, -ECONNREFUSED: none. */
static int is_missing(void)
{
    const struct sockaddr_un address = { AF_UNIX, SOCKET };
    AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    return fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno
                                                                                         : 0;
}

/* As a file without a name; it takes sizes that are aligned. */
static int configuration_make(size_t size, unsigned count)
{
    AUTO_FD int fd = memfd_open("ferry-bench-roudi");

    if (fd < 0)
        return fd;
    if (dprintf(fd,
            "[general]\nversion = 1\n[[segment]]\n[[segment.mempool]]\n"
            "size = %zu\ncount = %u\n",
            (size + ROUDI_ALIGN - 1) / ROUDI_ALIGN * ROUDI_ALIGN, count) < 0)
        return -errno;
    return fd_take(&fd);
}

/* --- the daemon ------------------------------------------------------------------------------- */

/* A child's whole life until it is the daemon. */
static void become(int configuration_fd, pid_t parent)
{
    AUTO_FD int nothing_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || nothing_fd < 0 || dup2(configuration_fd, STDIN_FILENO) < 0 ||
        dup2(nothing_fd, STDOUT_FILENO) < 0 || dup2(nothing_fd, STDERR_FILENO) < 0)
        _exit(STATUS_FAILED);
    execlp(PROGRAM, PROGRAM, "--config-file", "/dev/stdin", "--monitoring-mode", "off",
        "--kill-delay", "0", NULL);
    _exit(errno == ENOENT ? STATUS_MISSING : STATUS_FAILED);
}

/* Until it listens, or has ended. */
static int daemon_await(pid_t pid)
{
    int64_t deadline_ns = clock_after(clock_now_ns(), BENCH_STUCK_MS * NS_PER_MS);
    int status;

    while (is_missing() < 0) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) && WEXITSTATUS(status) == STATUS_MISSING ? -EHOSTDOWN
                                                                              : -EHOSTUNREACH;
        if (clock_now_ns() >= deadline_ns)
            return -EHOSTUNREACH;
        clock_pause_ms(ROUDI_LOOK_MS);
    }
    return 0;
}

/* What it leaves behind when it fails, as it does when it is told to end and somebody is gone who
 * has not told it so. Its memory for messages is named as our group. */
static void names_remove(void)
{
    const struct group *group = getgrgid(getegid());
    char path[128];

    unlink(SOCKET);
    unlink(SOCKET ".lock");
    unlink("/tmp/iox-unique-roudi.lock");
    unlink("/dev/shm/iceoryx_mgmt");
    if (!group)
        return;
    snprintf(path, sizeof(path), "/dev/shm/%s", group->gr_name);
    unlink(path);
}

static void daemon_end(pid_t pid)
{
    int64_t deadline_ns = clock_after(clock_now_ns(), BENCH_STUCK_MS * NS_PER_MS);
    int status = 0;

    kill(pid, SIGTERM);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (clock_now_ns() >= deadline_ns)
            kill(pid, SIGKILL);
        clock_pause_ms(ROUDI_LOOK_MS);
    }
    if (WIFSIGNALED(status))
        names_remove();
}

/* --- its users -------------------------------------------------------------------------------- */

void roudi_user_print(const char *link, unsigned side, char ret_name[ROUDI_NAME_SIZE])
{
    snprintf(ret_name, ROUDI_NAME_SIZE, "%s-%u", link, side);
}

void roudi_users_unname(const char *link)
{
    char name[ROUDI_NAME_SIZE], path[ROUDI_NAME_SIZE + 16];

    for (unsigned side = 0; side < 2; side++) {
        roudi_user_print(link, side, name);
        snprintf(path, sizeof(path), "/tmp/%s", name);
        unlink(path);
        snprintf(path, sizeof(path), "/tmp/%s.lock", name);
        unlink(path);
    }
}

/* --- who watches over it ---------------------------------------------------------------------- */

/* The watcher's whole life: the daemon is there for as long as the other end of that socket is. It
 * has a group of its own, so that what a terminal sends to ours, and who waits for our group, leave
 * both alone; and it holds the turn until everything is gone. */
static void watch(const char *link, int configuration_fd, int fd)
{
    pid_t self = getpid(), pid;
    char byte;

    (void)setpgid(0, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    pid = fork();
    if (pid == 0)
        become(configuration_fd, self);
    int code = pid < 0 ? -errno : daemon_await(pid);
    if (write(fd, &code, sizeof(code)) == sizeof(code) && code == 0)
        while (read(fd, &byte, 1) < 0 && errno == EINTR)
            ;
    if (pid > 0)
        daemon_end(pid);
    roudi_users_unname(link);
    _exit(0);
}

static int watcher_start(const char *link, int configuration_fd, struct roudi *roudi)
{
    int ends[2], code = -EHOSTUNREACH;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    roudi->watcher = fork();
    if (roudi->watcher == 0) {
        close(ends[0]);
        watch(link, configuration_fd, ends[1]);
    }
    int failed = roudi->watcher < 0 ? -errno : 0;
    close(ends[1]);
    roudi->watched_fd = ends[0];
    if (failed < 0)
        return failed;
    return read(ends[0], &code, sizeof(code)) == sizeof(code) ? code : -EHOSTUNREACH;
}

/* --- all -------------------------------------------------------------------------------------- */

int roudi_start(const char *link, size_t pool_size, unsigned pool_count, struct roudi *ret_roudi)
{
    struct roudi roudi = { .watched_fd = -1, .turn_fd = turn_take() };

    if (roudi.turn_fd < 0)
        return roudi.turn_fd;
    int code = is_missing();
    if (code == -ENOENT || code == -ECONNREFUSED) {
        AUTO_FD int configuration_fd = configuration_make(pool_size, pool_count);
        code =
            configuration_fd < 0 ? configuration_fd : watcher_start(link, configuration_fd, &roudi);
    }
    if (code < 0)
        roudi_stop(&roudi);
    else
        *ret_roudi = roudi;
    return code;
}

void roudi_stop(struct roudi *roudi)
{
    fd_close(&roudi->watched_fd);
    if (roudi->watcher > 0)
        while (waitpid(roudi->watcher, NULL, 0) < 0 && errno == EINTR)
            ;
    roudi->watcher = 0;
    fd_close(&roudi->turn_fd);
}
