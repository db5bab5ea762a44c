/* notify.c - telling the service manager how we are. */
#include "process/notify.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/number.h"
#include "process/limits.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdalign.h>
#include <string.h>

/* A whole decimal number of the environment, which is removed from it; 0: there is none. */
static int64_t number_take(const char *variable)
{
    const char *text = getenv(variable);
    int64_t number = text ? number_parse(text, 10, INT64_MAX) : 0;

    unsetenv(variable);
    return number > 0 ? number : 0;
}

/* Whether somebody watches us, not another process of the same service: sd_watchdog_enabled(3). */
static int64_t watchdog_take(void)
{
    bool given = getenv("WATCHDOG_PID") != NULL;
    int64_t pid = number_take("WATCHDOG_PID"), usec = number_take("WATCHDOG_USEC");
    bool ours = !given || pid == getpid();
    return ours && usec < INT64_MAX / 1000 ? usec * 1000 : 0;
}

int notify_init(struct notify *notify)
{
    const char *name = getenv("NOTIFY_SOCKET");
    size_t length = name ? strlen(name) : 0;
    *notify = (struct notify){ .address.sun_family = AF_UNIX,
        .watchdog_ns = watchdog_take(),
        .stores = number_take("FDSTORE") > 0 };

    if (length == 0)
        return 0;
    int r = name[0] != '/' && name[0] != '@'             ? -EINVAL
            : length >= sizeof(notify->address.sun_path) ? -ENAMETOOLONG
                                                         : 0;
    if (r == 0) {
        memcpy(notify->address.sun_path, name, length);
        /* An abstract name ends where it ends; a path with its NUL, unix(7). */
        bool abstract = name[0] == '@';
        if (abstract)
            notify->address.sun_path[0] = '\0';
        notify->address_size =
            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
    }
    unsetenv("NOTIFY_SOCKET");
    return r;
}

/* The wait has a bound because a manager that is stuck must not take us along.
 *   fd  goes along; -1: none */
static int notify_send(const struct notify *notify, const struct bytes *text, int fd, bool waits)
{
    const int flags = MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT);
    const struct timeval wait = { NOTIFY_WAIT_MS / 1000, NOTIFY_WAIT_MS % 1000 * 1000 };
    struct iovec line = { text->data, text->size };
    alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct msghdr message = { .msg_name = (void *)(uintptr_t)&notify->address,
        .msg_namelen = notify->address_size,
        .msg_iov = &line,
        .msg_iovlen = 1 };

    if (bytes_failed(text))
        return -ENOMEM;
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    }
    AUTO_FD int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sender < 0 || setsockopt(sender, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0)
        return -errno;
    return sendmsg(sender, &message, flags) < 0 ? -errno : 1;
}

/* The protocol is lines of NAME=VALUE: a control character in a status would start another. */
static void status_append(struct bytes *text, const char *status)
{
    char line[NOTIFY_SIZE_MAX - 256];
    if (!status)
        return;
    text_escape(status, strlen(status), line, sizeof(line));
    bytes_print(text, "STATUS=%s\n", line);
}

static int notify_state(const struct notify *notify, const char *state, const char *status)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    if (notify->address_size == 0)
        return 0;
    bytes_append_text(&text, state);
    status_append(&text, status);
    return notify_send(notify, &text, -1, true);
}

int notify_ready(const struct notify *notify, const char *status)
{
    return notify_state(notify, "READY=1\n", status);
}

int notify_status(const struct notify *notify, const char *status)
{
    return notify_state(notify, "", status ? status : "");
}

int notify_reloading(const struct notify *notify)
{
    char state[80];
    snprintf(
        state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\n", clock_now_ns() / 1000);
    return notify_state(notify, state, NULL);
}

int notify_stopping(const struct notify *notify, const char *status)
{
    return notify_state(notify, "STOPPING=1\n", status);
}

int notify_watchdog(const struct notify *notify)
{
    return notify_state(notify, "WATCHDOG=1\n", NULL);
}

/* --- the descriptor store --------------------------------------------------------------------- */

int notify_store(const struct notify *notify, const char *name, int fd, bool waits)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    if (notify->address_size == 0)
        return 0;
    bytes_print(&text, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0\n", name);
    return notify_send(notify, &text, fd, waits);
}

int notify_forget(const struct notify *notify, const char *name, bool waits)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    if (notify->address_size == 0)
        return 0;
    bytes_print(&text, "FDSTOREREMOVE=1\nFDNAME=%s\n", name);
    return notify_send(notify, &text, -1, waits);
}

/* The manager closes the pipe's end when it comes to this message: sd_notify_barrier(3). */
int notify_barrier(const struct notify *notify)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    int ends[2];
    if (notify->address_size == 0)
        return 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    bytes_append_text(&text, "BARRIER=1");
    int r = notify_send(notify, &text, ends[1], true);
    fd_close(&ends[1]);
    struct pollfd polled = { .fd = ends[0] };
    if (r > 0 && poll(&polled, 1, NOTIFY_WAIT_MS) <= 0)
        r = -ETIMEDOUT;
    fd_close(&ends[0]);
    return r;
}
