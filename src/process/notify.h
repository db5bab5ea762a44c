/* notify.h - telling the service manager how we are: $NOTIFY_SOCKET, sd_notify(3).
 *
 * Each call sends one datagram. A service works without a manager, so callers may ignore what is
 * returned; it is there for those who want to say why `systemctl start` waits.
 */
#ifndef FERRY_PROCESS_NOTIFY_H
#define FERRY_PROCESS_NOTIFY_H

#include <ferry/error.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    struct sockaddr_un address;
    socklen_t address_size; /* 0: nobody wants to know */
};

/* Reads $NOTIFY_SOCKET and removes it from the environment: children must not speak for us.
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

#endif
