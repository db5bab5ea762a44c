/* relay.h - carries everything between two channels, by the best way that loses nothing.
 *
 * Each direction is a flow with backpressure of its own: while the receiving side is full the
 * sending side is not read. Half-close passes through. Descriptors keep their order and are never
 * late; boundaries are exact where both sides have them. Bytes to messages or back needs an
 * explicit frame= on the byte side's address.
 *
 * A relay is also what gives effect to the weather of an address (delay=, jitter=, rate=, loss=,
 * reset-after= of ferry-address(7)): a channel keeps its address's, and the relay does what both of
 * its channels say. Sending and receiving by hand knows no weather.
 *
 * Ignore SIGPIPE (signal(SIGPIPE, SIG_IGN)): pipes and splice(2) have no MSG_NOSIGNAL.
 */
#ifndef FERRY_RELAY_H
#define FERRY_RELAY_H

#include <ferry/channel.h>
#include <ferry/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_relay;
struct ferry_relay_pool;
struct ferry_relay_quota;

enum ferry_way {
    FERRY_WAY_NONE,     /* this direction does not exist */
    FERRY_WAY_COPY,     /* recvmsg and sendmsg: keeps descriptors and boundaries */
    FERRY_WAY_SPLICE,   /* splice(2) through a pipe: the bytes stay in the kernel */
    FERRY_WAY_SENDFILE, /* sendfile(2) from a file */
    FERRY_WAY_DISCARD,  /* the other side takes nothing: received, and counted as dropped */
};

struct ferry_flow_stats {
    enum ferry_way way;
    uint64_t bytes;
    uint64_t messages; /* on a stream: how often something was received */
    uint64_t descriptors;
    /* Messages (on a stream: receives) that nobody took, or the weather lost, and descriptors that
     * the other side cannot carry. */
    uint64_t dropped;
};

struct ferry_relay_stats {
    struct ferry_flow_stats forth; /* one -> other */
    struct ferry_flow_stats back;  /* other -> one */
    int64_t last_ns;               /* when something last passed, CLOCK_MONOTONIC */
};

/* Why a relay ended: `code` 0: everything that came was delivered and both ends finished;
 * -ETIMEDOUT: idle or total time-out; -ECONNRESET with reset-after: that; else the -errno of the
 * side that `text` names. */
typedef void (*ferry_relay_done)(struct ferry_relay *relay, int code, const char *text, void *data);
/* Shows what passes, before it is sent; all borrowed. It may not stop the relay. */
typedef void (*ferry_relay_tap)(
    struct ferry_relay *relay, bool forth, const struct ferry_message *message, void *data);

struct ferry_relay_options {
    size_t struct_size; /* sizeof(struct ferry_relay_options): lets the struct grow */
    /* End when nothing passed for so long; 0: never, unless descriptors have waited 150 s for a
     * receiver that takes nothing: it may be one of them, held by nobody else. */
    int64_t idle_timeout_ms;
    int64_t total_timeout_ms; /* end then, whatever happens; 0: never */
    /* When one direction has ended and the other end cannot be told so (a datagram socket), or what
     * still comes is taken by nobody: end after so long without traffic; 0: 500 ms. */
    int64_t linger_timeout_ms;
    ferry_relay_done done; /* called once; the relay is freed after it returns */
    ferry_relay_tap tap;   /* may be NULL; with it everything goes by FERRY_WAY_COPY */
    void *data;
    struct ferry_relay_quota *quota; /* borrowed until `done` is called; NULL: none */
};

/* Buffers and pipes that relays of one thread share, so that an idle relay holds none.
 *
 *   ret_pool  free with ferry_relay_pool_free()
 *
 * Returns 0, -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_relay_pool_new(struct ferry_relay_pool **ret_pool);
/* After the last of its relays. NULL is allowed. */
FERRY_PUBLIC void ferry_relay_pool_free(struct ferry_relay_pool *pool);

/* A bound on what relays have received and not sent yet, all together: those of one user, say.
 * While it is reached they receive nothing more, so peers wait in the kernel; only a relay that
 * holds something in one direction may still receive in the other, lest both ends wait for each
 * other, so at most twice as much is held. Belongs to the thread of its relays.
 *
 *   bytes_max        bytes; 0: no bound. What one direction of a relay holds counts as 64 KiB at
 *                    least, the buffer that is lent for it
 *   descriptors_max  items; 0: no bound
 *   above            charged as well, and outlives this one: a bound on several of them; or NULL
 *   ret_quota        free with ferry_relay_quota_free()
 *
 * Returns 0, -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_relay_quota_new(size_t bytes_max, size_t descriptors_max,
    struct ferry_relay_quota *above, struct ferry_relay_quota **ret_quota);
/* No relay may use it any more. NULL is allowed. */
FERRY_PUBLIC void ferry_relay_quota_free(struct ferry_relay_quota *quota);
/* What is held now. */
FERRY_PUBLIC void ferry_relay_quota_get(
    const struct ferry_relay_quota *quota, size_t *ret_bytes, size_t *ret_descriptors);

/* Which way a direction would take, and why.
 *   ret_why  a static text
 * Returns 0, or -EPROTOTYPE: bytes on one side, messages on the other, and no frame=. */
FERRY_PUBLIC FERRY_CHECK int ferry_relay_choose(unsigned from_capabilities, bool from_file,
    unsigned to_capabilities, enum ferry_way *ret_way, const char **ret_why);

/* Starts to carry. Takes both channels (and closes them, on failure too); `other` may still be
 * connecting. With one == other it echoes.
 *   loop, pool  borrowed until it has ended
 *   options     copied; NULL for the defaults
 *   ret_relay   lives until `done` has returned, or it was stopped or released
 * Returns 0, -EPROTOTYPE, -EOPNOTSUPP (nothing could pass either way), -ENOMEM, or as
 * ferry_loop_watch(). */
FERRY_PUBLIC FERRY_CHECK int ferry_relay_start(struct ferry_loop *loop,
    struct ferry_relay_pool *pool, struct ferry_channel *one, struct ferry_channel *other,
    const struct ferry_relay_options *options, struct ferry_relay **ret_relay);

/* Ends it now, without calling done; within done it does nothing. Both channels are closed. NULL is
 * allowed. */
FERRY_PUBLIC void ferry_relay_stop(struct ferry_relay *relay);

/* Ends it without calling done, and gives the descriptors of its channels away, so that a process
 * which gets them can go on where this one stops: ferry_channel_resume(), ferry_relay_start().
 * Nothing is lost by it: what the kernel holds stays with the sockets, and while something is in
 * this process (received and not yet sent, part of a frame) it fails with -EAGAIN. From then on the
 * relay takes in nothing more than it must, so that trying again succeeds as soon as the receivers
 * have room; it goes on to its end if one direction has ended already.
 *   ret_one, ret_other  the caller's to close; sockets, non-blocking
 * Returns 0, -EAGAIN, -EOPNOTSUPP (a channel is more, or less, than one socket of its own: a
 * command, a datagram session, a pipe, `-`; or it echoes). */
FERRY_PUBLIC FERRY_CHECK int ferry_relay_release(
    struct ferry_relay *relay, int *ret_one, int *ret_other);

/* Its channels, borrowed: false for the first, true for the other. For asking only. */
FERRY_PUBLIC struct ferry_channel *ferry_relay_get_channel(
    const struct ferry_relay *relay, bool other);

FERRY_PUBLIC void ferry_relay_get_stats(
    const struct ferry_relay *relay, struct ferry_relay_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
