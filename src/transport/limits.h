/* Limits of the transport floor. */
#ifndef FERRY_TRANSPORT_LIMITS_H
#define FERRY_TRANSPORT_LIMITS_H

/* Messages in an inbox unless the caller says otherwise: beyond this a batch saves little more. */
#define INBOX_COUNT_DEFAULT 16u
/* Messages in an inbox at most: UIO_MAXIOV of the kernel, what recvmmsg(2) takes. */
#define INBOX_COUNT_MAX 1024u
/* Bytes in a slot unless the caller says otherwise: at least this (a UDP datagram is smaller), at
 * most that (an administrator may have raised net.core.wmem_max beyond reason). */
#define INBOX_SIZE_FLOOR   (64u << 10)
#define INBOX_SIZE_CEILING (16u << 20)
/* Buffers given to one sendmsg(2). The kernel's limit is 1024; 16 KiB of stack would be paid for
 * what no caller does. */
#define STREAM_BUFFERS_MAX 256u
/* Bytes of an outgoing from which on its own pages are sent (zerocopy=yes): more than a relay sends
 * at once, whose buffers are lent for a moment only. The kernel's manual says that it pays from 10
 * KB. */
#define ZERO_COPY_SIZE_MIN ((size_t)128 << 10)
/* Such sends that the kernel has not done with: beyond them a sender waits. */
#define ZERO_COPY_SENDS_MAX 64u
/* Bytes of control data that tell of one: an extended error and an address. */
#define CONTROL_ERROR_SIZE 128u
/* Buffers given to one writev(2): more small outgoings than that seldom wait. */
#define PLAIN_BUFFERS_MAX 64u
/* Tries to open a FIFO or queue that is removed just then: each takes another process that stops.
 */
#define OPEN_TRIES_MAX 8u
/* Messages sent by one sendmmsg(2), and received by one recvmmsg(2). */
#define SEND_BATCH_MAX    64u
#define RECEIVE_BATCH_MAX 32u
/* Datagrams that the kernel cuts from one buffer, and its bytes: UDP_MAX_SEGMENTS of 5.10, and what
 * an IPv4 packet holds. */
#define SEGMENTS_MAX      64u
#define SEGMENTS_SIZE_MAX 65000u
/* Buffers of such datagrams in one call: a relay has one for each. */
#define SEGMENT_BUFFERS_MAX 128u
/* Peers that went away while they waited, skipped in one accept. */
#define ACCEPT_SKIPS_MAX 64u
/* Connections that may wait for accept; the kernel clamps it to net.core.somaxconn. */
#define BACKLOG_DEFAULT 4096
/* Milliseconds until listening gives up on a directory's lock, and between its tries. A start holds
 * it for a few system calls; whoever may read the directory may hold it for ever, and the loop
 * stands still meanwhile. */
#define PATH_LOCK_MS       1000
#define PATH_LOCK_PAUSE_MS 5
/* Descriptors looked at to find who owns a socket: it is for a message only. */
#define OWNER_SCAN_MAX 200000u
/* Bytes of a reply of NETLINK_SOCK_DIAG: what the kernel's dump fills at once. */
#define OWNER_REPLY_SIZE (32u << 10)
/* Milliseconds that a query for the owner may take: the kernel answers at once. */
#define OWNER_REPLY_MS 2000
/* Datagram sessions of one listener, and of one uid in it (unix; udp senders have none): a session
 * costs some 400 bytes and whatever its taker opens for it. */
#define SESSIONS_MAX         16384u
#define SESSIONS_PER_UID_MAX 4096u
/* Pidfds that the sessions of one uid may hold of our descriptors (message_pidfd), in one listener:
 * more of its sessions know no process. */
#define SESSION_PIDFDS_PER_UID_MAX 64u
/* Chains of a table of sessions at first; it grows with them. */
#define SESSION_BUCKETS_FIRST 16u
/* What waits in one session before the socket is no longer read (unix) or datagrams are dropped
 * (udp): items, bytes, and descriptors (as many as one message brings: they are taken from every
 * route of the process). One batch more may come on top. */
#define SESSION_QUEUE_COUNT_MAX       256u
#define SESSION_QUEUE_SIZE_MAX        (1u << 20)
#define SESSION_QUEUE_DESCRIPTORS_MAX 253u
/* Milliseconds that one full session, from which nothing is taken, may keep the other sessions of
 * its listener waiting before it is ended: longer than a slow taker pauses, since ending splits the
 * sender's messages over two sessions. */
#define SESSION_STALL_MS 10000
/* The same for a full session whose own sender takes no answers: it holds up its own messages. */
#define SESSION_DEAF_MS 250

/* auto: connections. Bytes that the ring of each direction holds, made once it is moved to. */
#define AUTO_RING_CAPACITY ((size_t)1 << 20)
/* Of the machine's memory, the part that all rings which a process makes may have; and connections
 * that have some on the smallest machine. Each takes two rings. */
#define AUTO_MADE_SHARE 16
#define AUTO_MADE_MIN   16u
/* Bytes from which it is asked whether a message on the socket had better go in a memfd of its own,
 * and of one at most. */
#define AUTO_LARGE_LOOK ((size_t)16 << 10)
#define AUTO_LARGE_MAX  ((size_t)1 << 30)
/* Bytes that such a message has on the socket: a dozen of them fill its queue. */
#define AUTO_BALLAST_SIZE ((size_t)12 << 10)
/* Bytes of the socket's queue (SO_SNDBUF, which the kernel doubles) while messages go by the ring:
 * some twenty small ones, so that those with descriptors do not come one by one either. */
#define AUTO_NARROW_SIZE (8 << 10)
/* Sends between two looks for an answer that is waited for. */
#define AUTO_ANSWER_SENDS 16u
/* Messages that are waited for, one after the other and nothing sent, until they are no answer. */
#define AUTO_LISTENED 16u
/* Messages of our own that one receive takes. */
#define AUTO_TURN_MAX 256u
/* Messages a second from which it is asked whether a ring would pay: nowhere does it below. */
#define AUTO_RATE_LOOK 500.0
/* Messages until the clock is first looked at in a window, then at most so many more at a time. */
#define PACE_LOOK_FIRST    16u
#define PACE_LOOK_STEP_MAX 256u
/* Nanoseconds of a window: many times what a processor takes from a process. */
#define PACE_WINDOW_NS INT64_C(4000000)
/* Nanoseconds of the first window in the ring: the other direction may need as long to follow. */
#define PACE_TRIAL_NS INT64_C(20000000)
/* Windows, one after the other, that are too slow for the ring until it is left. */
#define PACE_SLOW_WINDOWS 2u
/* Nanoseconds until the ring is tried again that has not paid; doubles up to the maximum, and
 * begins anew once it has been worth while for so long. */
#define PACE_BACKOFF_NS     INT64_C(1000000000)
#define PACE_BACKOFF_NS_MAX INT64_C(64000000000)
#define PACE_WORTH_NS       INT64_C(1000000000)
/* So many times as often might somebody ask who waits for the answer each time. */
#define PACE_ANSWERED_HOPE 4.0
/* Of the messages of a window, how many may find the receiver asleep: each of these costs as much
 * by the socket, and looking in vain, for a message of the ring and for the wake-up, comes on top.
 */
#define PACE_SLEEPY_SHARE 0.35

#endif
