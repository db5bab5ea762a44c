/* Limits of the channel floor. */
#ifndef FERRY_CHANNEL_LIMITS_H
#define FERRY_CHANNEL_LIMITS_H

/* Rules in one policy. */
#define POLICY_RULES_MAX 1024u
/* Bits in which a peer's supplementary groups leave a mark, each at its number's lowest bits: with
 * some tens of groups a look at them settles nearly every rule that does not match. */
#define POLICY_GROUP_BITS 1024u
/* Peers that a listener refuses in one call, so that a flood of them leaves room for the rest. */
#define LISTENER_REFUSALS_MAX 64u
/* Milliseconds between tries of a blocking dial while a backlog is full or a FIFO has no reader;
 * doubles up to the maximum. */
#define DIAL_PAUSE_MS     1
#define DIAL_PAUSE_MS_MAX 50
/* Receives that wait before they try, once one had to wait. */
#define RECEIVES_QUIET 16u
/* Milliseconds between tries to send to a datagram peer whose queue is full: the kernel tells
 * nobody when an unconnected one has room again. Doubles up to the maximum. */
#define SESSION_RETRY_MS     1
#define SESSION_RETRY_MS_MAX 32
/* Buffers of one framed message given by the caller. */
#define FRAMED_BUFFERS_MAX 16u
/* Bytes of framed messages received at once: what comes after waits with its sender, not with us.
 */
#define FRAMED_RECEIVE_SIZE (64u << 10)
/* Framed messages written by one system call. */
#define FRAMED_BATCH_MAX 16u

/* Bytes that a flow of bytes receives at once: the measured knee, larger falls out of the cache. */
#define FLOW_STREAM_SIZE (64u << 10)
/* Messages that a flow receives at once. */
#define FLOW_MESSAGES 16u
/* Bytes of a pipe for splicing; the kernel's default (64 KiB) if it refuses. */
#define FLOW_PIPE_SIZE (256 << 10)
/* Bytes asked of one splice(2) or sendfile(2). A flow receives once in a turn of the loop, so
 * others wait for so much: less makes splicing from TCP dearer by a third. */
#define FLOW_SPLICE_SIZE (256u << 10)
/* Splicing less than this at once is dearer than copying: back to copying. */
#define FLOW_SPLICE_WORTH (16u << 10)
/* Spare buffers and pipes that a pool keeps; more are given back to the system. */
#define POOL_SPARE_MAX 32u
/* Milliseconds without traffic after which a relay ends whose one direction has ended while the
 * other side cannot be told so (datagrams), or has only bytes that nobody takes. */
#define RELAY_LINGER_MS 500
/* Milliseconds that a relay goes on receiving what nobody takes, however much of it comes: time for
 * a peer in the midst of sending to read the answer, no licence to keep us busy for ever. */
#define RELAY_DISCARD_MS_MAX 5000
/* Milliseconds without traffic between looks for descriptors that wait for a receiver which takes
 * nothing; a relay that finds some ends, unless idle= says otherwise. What D-Bus gives them. */
#define RELAY_STUCK_MS INT64_C(150000)

/* Bytes of a stream that are lost together: what TCP puts into one packet of an Ethernet. */
#define WEATHER_SEGMENT_SIZE 1448u
/* Bytes of a stream that leave together at most; with rate= what leaves in so many milliseconds, so
 * that it flows rather than drips. */
#define WEATHER_PIECE_SIZE_MAX (64u << 10)
#define WEATHER_PIECE_MS       2
/* Milliseconds, besides a round trip, until what was lost on a stream is sent again: Linux's least
 * retransmission time-out, TCP_RTO_MIN. */
#define WEATHER_RETRANSMIT_MS 200
/* What one flow holds back: with rate= as much as is on the way and in a queue of so many
 * milliseconds, which is usual for a router; at least (one receive more may come on top) and at
 * most so many bytes, the heads of messages counted; and so many descriptors, as many as one
 * message brings. */
#define WEATHER_QUEUE_MS        100
#define WEATHER_HELD_SIZE_MIN   (32u << 10)
#define WEATHER_HELD_SIZE_MAX   (4u << 20)
#define WEATHER_DESCRIPTORS_MAX 253u
/* Bytes that all flows of a pool hold back before each has only one receive. */
#define WEATHER_POOL_SIZE_MAX ((size_t)256 << 20)

#endif
