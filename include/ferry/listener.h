/* listener.h - a place where peers arrive; each arrives as a channel.
 *
 * Path sockets: mode (0600 unless the address says otherwise), owner and group are set before
 * anyone can connect; a stale path is replaced under a lock on its directory, never a live or a
 * foreign socket; at the end only our own path is removed.
 * Datagram listeners: every sender arrives as a channel of its own (a session), with its first
 * message waiting. A sender without an address arrives as a channel that cannot send.
 * FIFOs and queues: the first writer's arrival brings the channel; on a FIFO it ends when the last
 * writer has gone, and the next arrival brings another.
 * `-`, fd: of an open channel, exec:, file: bring one channel, then -ENOTCONN: there are no more.
 */
#ifndef FERRY_LISTENER_H
#define FERRY_LISTENER_H

#include <ferry/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_listener;

struct ferry_listen_options {
    size_t struct_size;      /* sizeof(struct ferry_listen_options) */
    bool refuse_descriptors; /* accept channels that receive no descriptors (SO_PASSRIGHTS=0) */
    bool message_pidfd;      /* as in struct ferry_dial_options; a datagram session holds one */
    bool message_label;
    bool admit_all; /* leave the rules of allow= and deny= to the caller */
    /* How the socket, and those that are accepted from it, are tuned; NULL: as the address says. */
    const struct ferry_profile *profile;
};

/* Starts to listen. For a path it may wait up to 1 s for the lock of its directory, which every
 * process that may read that directory can hold; then -EBUSY.
 *   address       borrowed
 *   options       NULL for the defaults
 *   ret_listener  close with ferry_listener_close()
 *   error         may be NULL; for -EADDRINUSE its reason names the owner's pid where known
 * Returns 0, or -errno: -EADDRINUSE, -EACCES, -EPERM (the directory belongs to somebody who could
 * replace the socket), -ENOENT, -EINVAL (an option that listening cannot use), ... */
FERRY_PUBLIC FERRY_CHECK int ferry_listen(const struct ferry_address *address,
    const struct ferry_listen_options *options, struct ferry_listener **ret_listener,
    struct ferry_error *error);

/* Makes a listener of a socket that is listening already (systemd's LISTEN_FDS, sd_listen_fds(3)).
 *   fd       taken, and closed on failure too; its path, if any, is never removed
 *   address  says how to print it; borrowed */
FERRY_PUBLIC FERRY_CHECK int ferry_listener_adopt(int fd, const struct ferry_address *address,
    const struct ferry_listen_options *options, struct ferry_listener **ret_listener,
    struct ferry_error *error);

/* Makes a listener of a socket that ferry_listen() of the same address made before, perhaps in a
 * process that is gone, and that was kept open since (the descriptor store of a service manager).
 * Unlike an adopted one's, its path is this listener's to remove at the end.
 *   fd       taken, and closed on failure too
 *   address  as it was given then: unix, unix-dgram, unix-seq, auto, tcp or udp; borrowed
 * Returns 0, -ESTALE (it is not bound there, or another socket has its path now), -EPROTOTYPE (it
 * is of another kind), or as ferry_listen(). */
FERRY_PUBLIC FERRY_CHECK int ferry_listener_resume(int fd, const struct ferry_address *address,
    const struct ferry_listen_options *options, struct ferry_listener **ret_listener,
    struct ferry_error *error);

/* As ferry_listener_close(), but the path stays: whoever else holds the socket goes on with it. */
FERRY_PUBLIC void ferry_listener_leave(struct ferry_listener *listener);

/* Stops listening and removes the path if it is still ours. NULL is allowed. Channels that came
 * from it live on, except datagram sessions, which share its socket: they end. */
FERRY_PUBLIC void ferry_listener_close(struct ferry_listener *listener);

/* The next peer. One that the rules of allow= and deny= in the address refuse is closed before
 * anything is read from it, and counted; of many that are refused one after the other, only some in
 * one call, which then returns -EAGAIN while the descriptor is readable still.
 * Returns 0, -EAGAIN (none now), -ENOTCONN (there will be none any more),
 * -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM (wait, then try again: peers queue in the kernel).
 * A peer that went away while it waited is skipped. */
FERRY_PUBLIC FERRY_CHECK int ferry_listener_try_accept(
    struct ferry_listener *listener, struct ferry_channel **ret_channel);

/* The same, waiting until the deadline. -ETIMEDOUT. */
FERRY_PUBLIC FERRY_CHECK int ferry_listener_accept(
    struct ferry_listener *listener, int64_t deadline_ns, struct ferry_channel **ret_channel);

/* The descriptor to poll for POLLIN before accepting; -1: accept is always worth a try. */
FERRY_PUBLIC int ferry_listener_fd(const struct ferry_listener *listener);

/* The socket itself, to be passed to who keeps a copy for ferry_listener_resume(); -1: it is none.
 * Borrowed, and not for polling: a datagram listener reads ahead. */
FERRY_PUBLIC int ferry_listener_socket(const struct ferry_listener *listener);

/* The address that it really listens on (the port that the kernel chose for tcp:0). Borrowed. */
FERRY_PUBLIC const struct ferry_address *ferry_listener_address(
    const struct ferry_listener *listener);

/* Messages that found no channel and were dropped: there are too many senders, or no memory; by UDP
 * also those whose channel was full. Only datagram listeners drop anything. */
FERRY_PUBLIC uint64_t ferry_listener_dropped(const struct ferry_listener *listener);

/* Peers that the rules in the address refused; 0 with admit_all. */
FERRY_PUBLIC uint64_t ferry_listener_refused(const struct ferry_listener *listener);

/* What the channels from here can do. */
FERRY_PUBLIC unsigned ferry_listener_capabilities(const struct ferry_listener *listener);

#ifdef __cplusplus
}
#endif
#endif
