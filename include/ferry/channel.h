/* channel.h - an open way to a peer, whatever carries it.
 *
 * A channel comes from ferry_dial() or ferry_listener_accept(). What it can do is asked with
 * ferry_channel_capabilities(), never guessed from the scheme. All descriptors of a channel are
 * non-blocking (those shared with other processes, as standard input, are polled instead);
 * try_ calls never block; the calls with a deadline are one wrapper around them.
 *
 * A channel belongs to one thread at a time. Nothing here starts threads, logs, or changes signals.
 */
#ifndef FERRY_CHANNEL_H
#define FERRY_CHANNEL_H

#include <ferry/address.h>
#include <ferry/identity.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_channel;
struct ferry_inbox;
struct ferry_profile; /* ferry/profile.h */

enum ferry_capability {
    FERRY_CAN_SEND = 1 << 0,
    FERRY_CAN_RECEIVE = 1 << 1,
    FERRY_HAS_BOUNDARIES = 1 << 2,  /* whole messages; without it a stream of bytes */
    FERRY_HAS_DESCRIPTORS = 1 << 3, /* descriptors can pass, SCM_RIGHTS of unix(7) */
    FERRY_HAS_IDENTITY = 1 << 4,    /* the kernel vouches for who is at the other end */
    FERRY_HAS_HALF_CLOSE = 1 << 5,  /* sending can end while receiving goes on */
    FERRY_HAS_PRIORITY = 1 << 6,    /* messages carry a priority, mq_send(3) */
    FERRY_HAS_END = 1 << 7,         /* the peer's end is seen (not so on datagrams and queues) */
    FERRY_HAS_HOST = 1 << 8,        /* the peer is on a network, and its host is known */
};

enum ferry_direction { FERRY_RECEIVE, FERRY_SEND };

#define FERRY_NEVER           INT64_MAX /* a deadline that does not come */
#define FERRY_DESCRIPTORS_MAX 253       /* descriptors in one message, SCM_MAX_FD of the kernel */

/* The clock that deadlines are points on: CLOCK_MONOTONIC in nanoseconds.
 * ferry_deadline(0) is now; ferry_deadline(-1) is FERRY_NEVER. */
FERRY_PUBLIC int64_t ferry_deadline(int64_t timeout_ms);

/* As whom something is sent. The kernel lets a process say its own pid and any of its own uids and
 * gids (real, effective, saved); others only with CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID. */
struct ferry_credentials {
    pid_t pid; /* of a living process of our PID namespace */
    uid_t uid;
    gid_t gid;
};

/* What a caller wants sent. The caller owns all of it; buffers and descriptors are borrowed until
 * the outgoing is complete, or the channel is closed. Zero it, fill the first part, and leave the
 * progress alone: it survives -EAGAIN and partial sends, and sees to it that descriptors are never
 * attached twice. */
struct ferry_outgoing {
    const struct iovec *buffers; /* the bytes, in order; may be NULL when buffer_count is 0 */
    size_t buffer_count;         /* items */
    const int *descriptors;      /* to pass along, attached to the first byte; may be NULL */
    size_t descriptor_count;     /* items, at most FERRY_DESCRIPTORS_MAX */
    unsigned priority;           /* for FERRY_HAS_PRIORITY; else ignored */
    /* As whom, SCM_CREDENTIALS of unix(7); NULL: as the channel was dialled, or as ourselves. A
     * peer sees it if it asks for credentials with what it receives. */
    const struct ferry_credentials *credentials;
    /* progress, kept by the library */
    size_t sent_size; /* bytes of it that the kernel has taken */
    bool complete;
};

/* What was received. It owns its descriptors: ferry_message_fini() closes those that were not
 * taken. Its bytes are borrowed from the inbox until the next receive into that inbox. */
struct ferry_message {
    const void *data;
    size_t size;             /* bytes */
    int *descriptors;        /* in the inbox; a taken one is set to -1 by the taker */
    size_t descriptor_count; /* items */
    unsigned priority;
    /* Who sent it, as the kernel says with every message of a unix datagram or packet socket; NULL:
     * nobody vouches. In the inbox, until the next receive into it. */
    struct ferry_identity *sender;
};

/* Closes the descriptors that are still in the message. */
FERRY_PUBLIC void ferry_message_fini(struct ferry_message *message);
/* Takes the descriptor at `index` out of the message; the caller closes it. -EBADF if taken. */
FERRY_PUBLIC int ferry_message_take(struct ferry_message *message, size_t index);

/* Memory to receive into. One serves any number of channels of one thread, so that an idle channel
 * owns no buffer. Untouched memory costs nothing.
 *   message_size   bytes, the largest message that can be received; 0: large enough for what
 *                  this machine's unix sockets take (net.core.wmem_max)
 *   message_count  items, how many messages one receive may bring; 0: 16
 *   ret_inbox      free with ferry_inbox_free()
 * A stream receives up to message_size bytes at once. Returns 0, -EINVAL, -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_inbox_new(
    size_t message_size, size_t message_count, struct ferry_inbox **ret_inbox);
FERRY_PUBLIC void ferry_inbox_free(struct ferry_inbox *inbox);

struct ferry_dial_options {
    size_t struct_size;       /* sizeof(struct ferry_dial_options): lets the struct grow */
    const char *const *extra; /* exec: NULL-terminated NAME=VALUE list added to the environment */
    bool refuse_descriptors;  /* receive none (in the kernel by SO_PASSRIGHTS=0 from 6.16) */
    /* unix-dgram:, unix-seq: what every message brings of its sender beside pid, uid and gid, as
     * far as the kernel has it. Each costs time, and a pidfd a descriptor, until the inbox is used
     * again. */
    bool message_pidfd; /* SCM_PIDFD, from 6.5: and so executable, cgroup and unit */
    bool message_label; /* SCM_SECURITY */
    /* unix: as whom everything is sent that does not say so itself; NULL: as ourselves. Copied. */
    const struct ferry_credentials *credentials;
    const struct ferry_profile *profile; /* how the socket is tuned; NULL: as the address says */
    bool accepted; /* ferry_channel_resume(): a listener at the address brought it */
};

/* Opens a channel to an address.
 *   address      borrowed
 *   options      NULL for the defaults
 *   deadline_ns  a full backlog, a FIFO without reader, a connection in progress are waited
 *                for until then. Names are resolved by getaddrinfo(3), which may block longer;
 *                each address of a name is tried, with an equal share of the time that is left.
 *   ret_channel  close with ferry_channel_close()
 *   error        may be NULL; its thing is the address that was tried: of a name, one with the
 *                number of its host
 * Returns 0, or -errno: -ETIMEDOUT, -ECONNREFUSED, -ENOENT, -EACCES, -EINVAL (an option that
 * dialling cannot use), -EPERM, -ESRCH, -EOPNOTSUPP (credentials that can't be sent), ... */
FERRY_PUBLIC FERRY_CHECK int ferry_dial(const struct ferry_address *address,
    const struct ferry_dial_options *options, int64_t deadline_ns,
    struct ferry_channel **ret_channel, struct ferry_error *error);

/* The same without waiting. -EAGAIN: not now (backlog full, no reader yet, the directory of bind=
 * locked), try again later. A channel may come back still connecting: ferry_channel_connected()
 * tells. Of a name it takes the first address that does not fail at once, even if connecting to it
 * fails in the end: who wants the others too dials them one by one, as numbers. */
FERRY_PUBLIC FERRY_CHECK int ferry_try_dial(const struct ferry_address *address,
    const struct ferry_dial_options *options, struct ferry_channel **ret_channel,
    struct ferry_error *error);

/* 0: connected. -EAGAIN: still connecting, wait for FERRY_SEND. Else why connecting failed. */
FERRY_PUBLIC FERRY_CHECK int ferry_channel_connected(struct ferry_channel *channel);

/* Two connected channels, socketpair(2) of a unix stream, seqpacket or datagram scheme. Close each.
 * Returns 0, -EMFILE, -ENOMEM, or as socketpair(2). */
FERRY_PUBLIC FERRY_CHECK int ferry_channel_pair(
    enum ferry_scheme scheme, struct ferry_channel **ret_one, struct ferry_channel **ret_other);

/* Makes a channel of an open descriptor (socket, pipe, FIFO, file, terminal), which it takes,
 * and closes on failure too.
 * Returns 0, -EBADF, -EINVAL (it listens), -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_channel_adopt(int fd, struct ferry_channel **ret_channel);

/* Makes a channel again of the descriptor of one that was released (ferry_relay_release()), perhaps
 * in another process.
 *   fd       taken, and closed on failure too; a connected stream or packet socket
 *   address  that the channel came from, of its listener or its target: its frame= and
 *            descriptors= hold; borrowed
 *   options  NULL for the defaults; of them refuse_descriptors, profile and accepted have a
 *            meaning. The socket is left as it is tuned: the profile that it was tuned by is for
 *            ferry_channel_get_options()
 *   error    may be NULL
 * Returns 0, -ENOTSOCK, -ENOTCONN, -EPROTOTYPE (not of the address's kind; or auto:, whose channels
 * are more than their descriptor), -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_channel_resume(int fd, const struct ferry_address *address,
    const struct ferry_dial_options *options, struct ferry_channel **ret_channel,
    struct ferry_error *error);

/* Makes a channel of what another process dialled for this one, as ferry_try_dial() would have.
 *   address              what was dialled: its frame= and the like hold
 *   options              NULL for the defaults; `extra` has no meaning here
 *   receive_fd, send_fd  taken, and closed on failure too; they may be one, and one may be -1. A
 *                        connection may still be in progress
 *   error                may be NULL
 * Returns 0, -EBADF, -EINVAL (it listens), -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_channel_adopt_dialled(const struct ferry_address *address,
    const struct ferry_dial_options *options, int receive_fd, int send_fd,
    struct ferry_channel **ret_channel, struct ferry_error *error);

/* Closes; what the kernel has not sent yet it goes on sending. A command (exec:) sees the end of
 * its input and ends by itself. NULL is allowed. */
FERRY_PUBLIC void ferry_channel_close(struct ferry_channel *channel);

/* Reaps the commands (exec:) whose channels have been closed and that have ended since. Closing and
 * dialling do so too; a program that runs long calls it when it gets SIGCHLD. Other children of the
 * process are not touched. Any thread may call it. */
FERRY_PUBLIC void ferry_children_reap(void);

/* Sends what can be sent now.
 *   batch   outgoings in order; progress is kept in each
 *   count   items, at least 1
 * From an address with zerocopy=yes large ones are complete when the kernel has done with their
 * pages, of which the descriptor tells by POLLERR alone; closing before that breaks the connection
 * off. Returns how many are complete from the front (>= 1), or -EAGAIN when the first is not (part
 * of it may have gone; if the descriptor is writable all the same, try again after a pause),
 * -EMSGSIZE (larger than one message may be), -EBADMSG (a line feed inside a message for frame=lf;
 * one at its end is taken for the frame's own), -EPIPE (the peer is gone), -EOPNOTSUPP (this
 * channel cannot send, or cannot pass descriptors or credentials), -EINVAL (more than
 * FERRY_DESCRIPTORS_MAX, or descriptors with no byte on a stream), -EPERM (credentials that are not
 * ours to give), -ESRCH (their pid is no living process), or another -errno. Never raises SIGPIPE.
 */
FERRY_PUBLIC FERRY_CHECK int ferry_channel_try_send(
    struct ferry_channel *channel, struct ferry_outgoing *batch, size_t count);

/* Receives what is there now.
 *   inbox   receives bytes and descriptors; what it held before is gone
 *   batch   array of `count` messages, filled from the front; fini each one received
 *   count   items, at least 1; a stream fills one
 * Returns how many messages came (>= 1), 0 at the end of the peer's sending, or -EAGAIN,
 * -EMSGSIZE (a message did not fit and is lost; batch[0].size is its true size. A queue keeps it
 * and says -EMSGSIZE until the inbox has room for its msgsize, which batch[0].size is then),
 * -EBADMSG (descriptors were cut off by our own limit; the message is lost, its descriptors are
 * closed), -EPROTO (framing broken; of auto:, its peer is no such or breaks it), -ECONNRESET,
 * -EOPNOTSUPP, or another -errno. What the network says of an echo request (icmp:) instead of a
 * reply is such a failure: -EHOSTUNREACH, -ENETUNREACH, -ETIME (more routers than ttl=), ...;
 * batch[0] then holds what came back of the message, which may be nothing. */
FERRY_PUBLIC FERRY_CHECK int ferry_channel_try_receive(struct ferry_channel *channel,
    struct ferry_inbox *inbox, struct ferry_message *batch, size_t count);

/* Sends one outgoing whole, waiting until the deadline. Returns 0, -ETIMEDOUT (progress tells how
 * far it came), or as ferry_channel_try_send(). */
FERRY_PUBLIC FERRY_CHECK int ferry_channel_send(
    struct ferry_channel *channel, struct ferry_outgoing *outgoing, int64_t deadline_ns);

/* The same for plain bytes. */
FERRY_PUBLIC FERRY_CHECK int ferry_channel_send_bytes(
    struct ferry_channel *channel, const void *data, size_t size, int64_t deadline_ns);

/* Receives one message (on a stream: some bytes), waiting until the deadline.
 * Returns 1, 0 at the end, -ETIMEDOUT, or as ferry_channel_try_receive(). */
FERRY_PUBLIC FERRY_CHECK int ferry_channel_receive(struct ferry_channel *channel,
    struct ferry_inbox *inbox, struct ferry_message *message, int64_t deadline_ns);

/* Ends our sending (half-close): the peer's receive comes to its end. A sending descriptor of its
 * own (ferry_channel_fd() differs by direction) is closed by it: stop watching that one before.
 * On `-` only our share ends; the reader sees the end once standard output is closed as well.
 * Returns 0, -EOPNOTSUPP. */
FERRY_PUBLIC int ferry_channel_shutdown(struct ferry_channel *channel);

/* Ends our receiving: what is already taken from the kernel is still received, then the end (0).
 * For channels that have no end of their own (without FERRY_HAS_END): what comes later waits in the
 * queue, or arrives at the listener as a new channel. A watching relay goes on to its end. */
FERRY_PUBLIC void ferry_channel_stop_receiving(struct ferry_channel *channel);

FERRY_PUBLIC unsigned ferry_channel_capabilities(const struct ferry_channel *channel);

/* The descriptor to poll before receiving (POLLIN) or sending (POLLOUT) in a loop of one's own;
 * -1 when that direction does not exist. Borrowed: poll it, nothing else. */
FERRY_PUBLIC int ferry_channel_fd(
    const struct ferry_channel *channel, enum ferry_direction direction);

/* True when a receive would bring something although the descriptor is quiet. Ask before sleeping.
 */
FERRY_PUBLIC bool ferry_channel_pending(const struct ferry_channel *channel);

/* Where the peer is, as address text for people; "" when it has no address. Borrowed. */
FERRY_PUBLIC const char *ferry_channel_peer(const struct ferry_channel *channel);

/* Who is at the other end. Each fact is gathered when the identity is first asked for it, and kept;
 * of a peer for whom nobody vouches all are unknown. Borrowed from the channel, until it is closed
 * or told to forget. Returns 0, -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_channel_identity(
    struct ferry_channel *channel, struct ferry_identity **ret_identity);
/* Gives back what the identity holds: memory, and a descriptor if its pidfd was had. Who asks again
 * gathers anew. */
FERRY_PUBLIC void ferry_channel_forget_identity(struct ferry_channel *channel);

/* Buffer sizes in bytes as the kernel reports them (SO_RCVBUF, SO_SNDBUF: twice what was asked;
 * F_GETPIPE_SZ for pipes). Setting returns -EOPNOTSUPP where there is no such buffer. */
FERRY_PUBLIC FERRY_CHECK int ferry_channel_get_buffer(
    const struct ferry_channel *channel, enum ferry_direction direction, size_t *ret_size);
FERRY_PUBLIC FERRY_CHECK int ferry_channel_set_buffer(
    struct ferry_channel *channel, enum ferry_direction direction, size_t size);

#ifdef __cplusplus
}
#endif
#endif
