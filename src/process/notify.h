/* notify.h - telling the service manager how we are: $NOTIFY_SOCKET, sd_notify(3), and having it
 * keep descriptors for our next life: sd_pid_notify_with_fds(3).
 *
 * Each call sends one datagram. A service works without a manager, so callers may ignore what is
 * returned; it is there for those who want to say why `systemctl start` waits.
 */
#ifndef FERRY_PROCESS_NOTIFY_H
#define FERRY_PROCESS_NOTIFY_H

#include <ferry/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    struct sockaddr_un address;
    socklen_t address_size; /* 0: nobody wants to know */
    int64_t watchdog_ns;    /* the manager ends us when it hears nothing for so long; 0: never */
    bool stores;            /* it says that it keeps descriptors ($FDSTORE, systemd 254) */
};

/* Reads $NOTIFY_SOCKET, $WATCHDOG_USEC, $WATCHDOG_PID and $FDSTORE, and removes them from the
 * environment: children must not speak for us.
 * Returns 0 (also without it), -EINVAL or -ENAMETOOLONG (not an address of a unix socket), after
 * which all calls below do nothing. */
int notify_init(struct notify *notify);

/* Each returns 1 when told, 0 when nobody wants to know, or -errno. `status` is a line for
 * `systemctl status`, NULL: none. */
int notify_ready(const struct notify *notify, const char *status);
int notify_status(const struct notify *notify, const char *status);
/* Must be followed by notify_ready(). */
int notify_reloading(const struct notify *notify);
int notify_stopping(const struct notify *notify, const char *status);
/* That we are alive. */
int notify_watchdog(const struct notify *notify);

/* Has the manager keep a copy of `fd` under `name` until it is forgotten or the service stops, even
 * when it is in error or hung up: what was sent before may be unread in it.
 *   name   printable ASCII without a colon, at most 255 bytes
 *   waits  for room in the manager's queue, NOTIFY_WAIT_MS at most; else -EAGAIN at once */
int notify_store(const struct notify *notify, const char *name, int fd, bool waits);
/* Has it let go of all descriptors of that name. */
int notify_forget(const struct notify *notify, const char *name, bool waits);
/* Waits until all that was told before has been read, NOTIFY_WAIT_MS at most: -ETIMEDOUT. */
int notify_barrier(const struct notify *notify);

#endif
