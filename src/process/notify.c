/* notify.c - telling the service manager how we are. */
#include "process/notify.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "process/limits.h"

#include <inttypes.h>
#include <string.h>

int notify_init(struct notify *notify)
{
    const char *name = getenv("NOTIFY_SOCKET");
    size_t length = name ? strlen(name) : 0;
    *notify = (struct notify){ .address.sun_family = AF_UNIX };

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

/* The wait has a bound because a manager that is stuck must not take us along. */
static int notify_send(const struct notify *notify, const struct bytes *text)
{
    const struct timeval wait = { NOTIFY_WAIT_MS / 1000, NOTIFY_WAIT_MS % 1000 * 1000 };
    const struct sockaddr *address = (const struct sockaddr *)&notify->address;

    if (bytes_failed(text))
        return -ENOMEM;
    AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0)
        return -errno;
    ssize_t sent = sendto(fd, text->data, text->size, MSG_NOSIGNAL, address, notify->address_size);
    return sent < 0 ? -errno : 1;
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
    return notify_send(notify, &text);
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
