/* auto.h - what an auto: channel does, why, and having it do otherwise.
 *
 * auto:NAME is a unix socket with boundaries that moves to shared memory and back while it is in
 * use, as the traffic makes it pay. Nothing in a program changes: the calls are those of channel.h,
 * the order is kept, descriptors pass, and the peer is who the kernel says. Each direction moves by
 * itself, decided by whoever sends.
 *
 * It goes from one process to the next: whatever stands between the two, a relay say, is the peer
 * of either, and both then stay on the socket if it is one that passes descriptors on blindly. Both
 * ends need auto:; what else connects is told so in a line of text, and the receive that meets it
 * is -EPROTO, the end of the channel.
 *
 * What it costs. An idle one makes no system call. Once either end wants rings there is one for
 * each direction until the channel is closed: 1 MiB each, which whoever dialled allocates, and a
 * descriptor and a mapping at both ends. If they can't be had it stays on the socket. All that
 * a process has made take a sixteenth of the machine's memory at most: connections beyond that stay
 * on the socket until others are closed.
 *
 * The objects are those of channel.h and belong to one thread at a time, and to one process: after
 * fork(2) only one of the two may use a channel. Once there are rings that is who made them, since
 * what it sends by shared memory the other does not know of: a child's sends and receives are
 * -EBADFD then, and it can but close its copy. In a loop with EPOLLET of epoll(7) one receives
 * until -EAGAIN, as always.
 */
#ifndef FERRY_AUTO_H
#define FERRY_AUTO_H

#include <ferry/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* By which a message travels. */
enum ferry_lane { FERRY_LANE_SOCKET, FERRY_LANE_RING };

/* Why a direction takes the lane that it takes. */
enum ferry_auto_reason {
    FERRY_AUTO_NEW,       /* nothing has been measured yet */
    FERRY_AUTO_SLOW,      /* on the socket: so few messages are no dearer there */
    FERRY_AUTO_FAST,      /* in the ring: so many are cheaper there */
    FERRY_AUTO_SLEEPY,    /* on the socket: the peer slept before each message, and waking costs
                             the same either way */
    FERRY_AUTO_FULL,      /* on the socket for a moment: the ring was full */
    FERRY_AUTO_PASSING,   /* on the socket for a moment: descriptors, or too large for the ring */
    FERRY_AUTO_WAITING,   /* on the socket: the peer was asked, and has not answered */
    FERRY_AUTO_FORCED,    /* ring=yes or ferry_auto_prefer() */
    FERRY_AUTO_FORBIDDEN, /* ring=no or ferry_auto_prefer(), here */
    FERRY_AUTO_PEER_FORBIDS, /* the same there */
    FERRY_AUTO_NOT_DIRECT,   /* on the socket: who connected is not who offers: somebody in between
                                passes it on, or the connection was handed to another process */
    FERRY_AUTO_UNKNOWN_PEER, /* on the socket: the peer's process can't be told from here, as in
                                another PID namespace */
    FERRY_AUTO_NO_MEMORY,    /* on the socket: no memory or descriptors for rings */
    FERRY_AUTO_UNUSABLE, /* on the socket: what was offered is of another version, larger than is
                            accepted, or not sealed */
    FERRY_AUTO_HOPEFUL,  /* in the ring, to try: each message is answered before the next, and
                            answers come sooner there */
    FERRY_AUTO_REASON_COUNT
};

/* Of one end, since it was opened. */
struct ferry_auto_stats {
    size_t struct_size;            /* sizeof(struct ferry_auto_stats), set by the caller */
    enum ferry_lane lanes[2];      /* by enum ferry_direction */
    enum ferry_auto_reason reason; /* for that of sending */
    uint64_t moves;                /* how often sending has changed lanes, moments included */
    uint64_t socket_messages;      /* sent so, as the ring's: items */
    uint64_t ring_messages;
    uint64_t large_messages; /* of those by the socket: in a memfd of their own */
    uint64_t wakes;          /* how often the peer slept while it was sent to by the ring */
    double rate_per_s;       /* messages sent, as last measured; 0: not yet */
    double mean_size;        /* bytes of them */
};

/* What it does now, and has done.
 *   ret_stats  with its struct_size set; the caller's
 * Returns 0, -EOPNOTSUPP (it is no auto: channel), -EINVAL (struct_size is not set). */
FERRY_PUBLIC FERRY_CHECK int ferry_auto_get_stats(
    const struct ferry_channel *channel, struct ferry_auto_stats *ret_stats);

/* "fast", ... and what it means, as a sentence. Both are static.
 *   reason  as of the stats; "unknown" of what is none of the enumeration */
FERRY_PUBLIC const char *ferry_auto_reason_name(enum ferry_auto_reason reason);
FERRY_PUBLIC const char *ferry_auto_reason_text(enum ferry_auto_reason reason);
/* "socket", "ring" */
FERRY_PUBLIC const char *ferry_lane_name(enum ferry_lane lane);

/* What the sender of a ring leaves in it for whoever looks from outside, as `ferry why` does: in
 * the memfd "ferry-ring" that /proc/PID/fd shows. */
struct ferry_auto_note {
    uint64_t socket_inode; /* of the sender's end of the connection */
    uint32_t lane;         /* enum ferry_lane: where it sends */
    uint32_t reason;       /* enum ferry_auto_reason */
    uint64_t moves, socket_messages, ring_messages, large_messages, wakes;
    double rate_per_s, receive_rate_per_s, mean_size; /* as last measured */
    int64_t measured_ns;                              /* when: CLOCK_MONOTONIC */
};

/* Reads it; whoever wrote it may have written anything, but lane and reason are legal, and figures
 * are numbers that could be.
 *   fd  of the memfd, open for reading; borrowed
 * Returns 0, -EPROTO (there is none), or another -errno. */
FERRY_PUBLIC FERRY_CHECK int ferry_auto_read_note(int fd, struct ferry_auto_note *ret_note);

enum ferry_auto_preference { FERRY_AUTO_MEASURE, FERRY_AUTO_PREFER_SOCKET, FERRY_AUTO_PREFER_RING };

/* Has what is sent from now on take a lane, where it can, or whichever is cheaper. That of the
 * address (ring=yes, ring=no) is forgotten. Whoever prefers the socket while the peer asks for
 * rings lets this connection have none, in either direction and for good: preferring them later
 * changes nothing then, and the reason stays FERRY_AUTO_FORBIDDEN here and FERRY_AUTO_PEER_FORBIDS
 * there. Returns 0, -EOPNOTSUPP (it is no auto: channel). */
FERRY_PUBLIC int ferry_auto_prefer(
    struct ferry_channel *channel, enum ferry_auto_preference preference);

/* Calls back whenever sending has moved to the other lane for more than a moment.
 *   moved  within a send or receive of this channel; it must not close it. Its stats are lent for
 *          the call. NULL: no more
 *   data   for it; borrowed until another is set or the channel is closed
 * Returns 0, -EOPNOTSUPP (it is no auto: channel). */
FERRY_PUBLIC int ferry_auto_on_move(struct ferry_channel *channel,
    void (*moved)(void *data, const struct ferry_auto_stats *stats), void *data);

#ifdef __cplusplus
}
#endif
#endif
