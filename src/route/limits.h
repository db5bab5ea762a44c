/* Limits of the route floor. */
#ifndef FERRY_ROUTE_LIMITS_H
#define FERRY_ROUTE_LIMITS_H

/* Routes in one configuration. */
#define ROUTES_MAX 4096u
/* Profiles in one configuration: a person keeps a handful apart. */
#define PROFILES_MAX 256u
/* How deep include= may nest: catches a file that includes itself. */
#define INCLUDE_DEPTH_MAX 8u
/* Connections accepted in one turn of the loop, so that a flood of them leaves room for the rest.
 */
#define ACCEPTS_PER_TURN 64u
/* Milliseconds that accepting pauses when the process is out of descriptors or memory; doubles up
 * to the maximum while it lasts. Clients wait in the kernel's backlog meanwhile. */
#define ACCEPT_PAUSE_MS     20
#define ACCEPT_PAUSE_MS_MAX 1000
/* Milliseconds until dialling a target is given up (timeout= of the address overrides). */
#define DIAL_TIMEOUT_MS 10000
/* Milliseconds between tries while a target's backlog is full; doubles up to the maximum. */
#define DIAL_RETRY_MS     1
#define DIAL_RETRY_MS_MAX 100
/* Milliseconds without traffic after which a datagram session ends (idle= of the route overrides).
 */
#define SESSION_IDLE_MS 60000
/* The largest limit per uid: a rate of one connection a microsecond. */
#define HOLDER_LIMIT_MAX 1000000u
/* Chains of a table of holders. */
#define HOLDER_BUCKETS 1024u
/* Holders in one table: what a flood from as many networks within a second may cost, some 8 MiB. */
#define HOLDERS_MAX 65536u
/* Holders that are forgotten when another connection comes: more than one, so that a table shrinks.
 */
#define HOLDER_SWEEP 4u
/* Bytes of a name in the service manager's store, with its NUL (it takes 255), and of an address
 * that stands in one for people. */
#define KEEP_NAME_SIZE 256u
#define KEEP_TEXT_MAX  160
/* Rules that are named one by one where nobody can tell what they ask for. */
#define GAP_RULES_MAX 3u
/* Where the journal listens, and bytes that may wait there of us: a burst as large as libsystemd
 * allows itself. */
#define JOURNAL_SOCKET      "/run/systemd/journal/socket"
#define JOURNAL_BUFFER_SIZE (8 << 20)
/* Bytes of one rendered log line, PIPE_BUF: written whole or not at all. */
#define LOG_LINE_MAX 4096u
/* Bytes of a text in a line that would be longer, with its NUL: nine of them, each letter of which
 * JSON may double, and the 500 bytes that stand between them. */
#define LOG_TEXT_MAX 192u

#endif
