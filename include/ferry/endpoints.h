/* endpoints.h - what this machine has open between its processes, and who is at the other end.
 *
 * An endpoint is one end of something that crosses: a socket, one end of a pipe or FIFO, a POSIX
 * message queue, a memfd. A table of them is a snapshot, made from the kernel's socket diagnosis
 * (sock_diag(7)) and one walk through /proc; nothing is traced, opened or changed, so that asking
 * about a production daemon costs it nothing.
 *
 *     struct ferry_endpoints *table;
 *     struct ferry_error error;
 *     if (ferry_endpoints_new(NULL, &table, &error) < 0)
 *         ...
 *     for (size_t i = 0; i < ferry_endpoints_count(table); i++) {
 *         const struct ferry_endpoint *endpoint = ferry_endpoints_get(table, i);
 *         if (endpoint->peer && endpoint->peer->owner_count)
 *             puts(endpoint->peer->owners[0].process->name);
 *     }
 *     ferry_endpoints_free(table);
 *
 * Structures here are lent by the table, to read; they live until it is refreshed or freed. They
 * may grow at their end, but for those that stand in an array or that the caller makes room for:
 * struct ferry_owner, ferry_endpoints_gaps, ferry_tcp_field. Texts that a process can choose
 * (names, paths, commands) are as the kernel has them: escape control characters before they go to
 * a terminal.
 *
 * These functions are in libferry-endpoints, which needs libmnl; pkg-config libferry-endpoints. A
 * table belongs to one thread. Reading other network namespaces moves the calling thread into each
 * for the time of one socket(2), and back.
 *
 * Source of the rules: sock_diag(7), unix(7), tcp(7), proc(5), namespaces(7), mq_overview(7);
 * Linux 5.10 and newer.
 */
#ifndef FERRY_ENDPOINTS_H
#define FERRY_ENDPOINTS_H

#include <ferry/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_endpoints; /* a table */
struct ferry_endpoint;  /* a row */

enum ferry_endpoint_kind {
    FERRY_ENDPOINT_UNIX_STREAM,
    FERRY_ENDPOINT_UNIX_DATAGRAM,
    FERRY_ENDPOINT_UNIX_SEQPACKET,
    FERRY_ENDPOINT_TCP,
    FERRY_ENDPOINT_UDP,
    FERRY_ENDPOINT_RAW,
    FERRY_ENDPOINT_PIPE, /* one end of a pipe: `ends` says which */
    FERRY_ENDPOINT_FIFO, /* one end of an open FIFO */
    FERRY_ENDPOINT_QUEUE,
    FERRY_ENDPOINT_MEMFD,
    FERRY_ENDPOINT_KIND_COUNT
};

/* Sets of kinds, 1 << kind. */
#define FERRY_ENDPOINTS_UNIX    0x007u
#define FERRY_ENDPOINTS_INET    0x038u
#define FERRY_ENDPOINTS_SOCKETS 0x03fu
#define FERRY_ENDPOINTS_FILES   0x3c0u /* pipes, FIFOs, queues, memfds */
#define FERRY_ENDPOINTS_ALL     0x3ffu

/* What state a socket is in: the kernel's numbers (TCP's; unix and others use some of them). The
 * other kinds are FERRY_STATE_NONE. */
enum ferry_endpoint_state {
    FERRY_STATE_NONE,
    FERRY_STATE_ESTABLISHED,
    FERRY_STATE_SYN_SENT,
    FERRY_STATE_SYN_RECEIVED,
    FERRY_STATE_FIN_WAIT_1,
    FERRY_STATE_FIN_WAIT_2,
    FERRY_STATE_TIME_WAIT,
    FERRY_STATE_CLOSED, /* not connected; a datagram socket that others may send to */
    FERRY_STATE_CLOSE_WAIT,
    FERRY_STATE_LAST_ACK,
    FERRY_STATE_LISTENING,
    FERRY_STATE_CLOSING,
    FERRY_STATE_NEW_SYN_RECEIVED,
    FERRY_STATE_WAITING, /* ours: connected, and not accepted yet; `listener` says by whom */
    FERRY_STATE_COUNT
};

/* Which ends: bits of `ends` and of an owner's `ends`. */
enum { FERRY_END_READ = 1, FERRY_END_WRITE = 2 };

/* Bits of `shutdown`: as shutdown(2) has set them, on either side. */
enum { FERRY_SHUT_RECEIVE = 1, FERRY_SHUT_SEND = 2 };

/* The places of `memory`: the kernel's SK_MEMINFO_*, bytes, the last is packets. */
enum {
    FERRY_MEMORY_RECEIVE_USED, /* waiting to be read; 0 for unix sockets, whose sender pays */
    FERRY_MEMORY_RECEIVE_SIZE, /* SO_RCVBUF */
    FERRY_MEMORY_SEND_USED,    /* sent, not taken by the other side: truesize, not payload */
    FERRY_MEMORY_SEND_SIZE,    /* SO_SNDBUF */
    FERRY_MEMORY_FORWARD,
    FERRY_MEMORY_QUEUED,
    FERRY_MEMORY_OPTIONS,
    FERRY_MEMORY_BACKLOG,
    FERRY_MEMORY_DROPS,
    FERRY_MEMORY_COUNT
};

/* What has become of the path that a unix socket was bound to. */
enum ferry_path_state {
    FERRY_PATH_NONE,     /* it has none, or FERRY_GATHER_PATHS was not asked for */
    FERRY_PATH_THERE,    /* the path leads to this socket */
    FERRY_PATH_MISSING,  /* nothing is there any more: nobody can connect to it (orphaned) */
    FERRY_PATH_REPLACED, /* something else is there: whoever connects reaches that */
    FERRY_PATH_UNKNOWN,  /* it can't be looked at: no permission, or another mount namespace */
    FERRY_PATH_STATE_COUNT
};

/* A socket's file, as it is now. */
struct ferry_path {
    enum ferry_path_state state;
    uint64_t inode, device; /* of the file that it was bound to */
    const char *where; /* the path as it can be opened from here, when it differs from the name: a
                          relative one with its binder's directory, one of another root, one that
                          its server has renamed (web.sock.4711.tmp to web.sock); NULL */
    mode_t mode;       /* if state is FERRY_PATH_THERE or FERRY_PATH_REPLACED */
    uid_t uid;
    gid_t gid;
};

/* A network namespace. */
struct ferry_namespace {
    uint64_t inode;   /* as in "net:[4026531833]" */
    const char *name; /* of `ip netns`; NULL: it has none */
    pid_t pid;        /* a process in it; 0: none that can be seen */
    bool own;         /* the caller's */
    bool hidden;      /* it could not be asked (setns(2)): its sockets are not in the table */
};

struct ferry_process {
    pid_t pid;
    pid_t parent;
    char state;           /* proc_pid_stat(5): R S D T Z ...; with FERRY_GATHER_DETAILS, else 0 */
    const char *name;     /* its command name, which it can choose */
    uint64_t start_ticks; /* since boot: with the pid it names a process for ever */
    unsigned endpoint_count;  /* how many endpoints of the table it holds, each once */
    uint64_t namespace_inode; /* of its network; 0: unknown */
    /* The rest only with FERRY_GATHER_DETAILS. */
    uid_t uid;              /* effective; (uid_t)-1: unknown */
    gid_t gid;              /* effective; (gid_t)-1: unknown */
    const char *cgroup;     /* as systemd sorts processes; NULL: unknown */
    const char *unit;       /* its systemd unit; NULL: none */
    const char *container;  /* its container's id; NULL: none that the control group tells of */
    const char *executable; /* NULL: unknown */
};

/* One descriptor by which a process holds an endpoint. */
struct ferry_owner {
    const struct ferry_process *process;
    int fd;
    unsigned char ends; /* FERRY_END_READ, FERRY_END_WRITE: as it was opened */
};

/* What only IP sockets have. Addresses are in network order, IPv4 in the first four bytes. */
struct ferry_inet {
    unsigned char local[16], remote[16];
    uint16_t local_port, remote_port; /* of raw sockets: local_port is the protocol */
    uint32_t interface;               /* bound to; 0: any */
    uint8_t timer;                    /* inet_diag: 1 retransmission, 2 keepalive, 3 time-wait,
                                         4 window probe; 0 none */
    uint8_t retransmits;
    bool only_ipv6;    /* IPV6_V6ONLY, of one that is not connected: it does not take IPv4 */
    uint32_t timer_ms; /* until it expires */
    const char *congestion;
    const void *tcp_info; /* struct tcp_info, as long as this kernel's; see ferry_tcp_field() */
    size_t tcp_info_size; /* bytes; 0: none, or FERRY_GATHER_TCP_INFO was not asked for */
};

struct ferry_endpoint {
    unsigned char kind;     /* enum ferry_endpoint_kind */
    unsigned char state;    /* enum ferry_endpoint_state */
    unsigned char family;   /* AF_UNIX, AF_INET, AF_INET6; 0 for what is no socket */
    unsigned char shutdown; /* FERRY_SHUT_* */
    unsigned char ends;     /* FERRY_END_*: what it is for; both for sockets */
    bool peer_gone;         /* was connected; the other end is closed */
    bool has_memory;        /* `memory` is known: with FERRY_GATHER_MEMORY */
    unsigned owner_count;   /* 0: nobody that can be seen */
    uid_t uid;              /* who made it; (uid_t)-1: unknown, or of a unix socket, and
                               FERRY_GATHER_USERS was not asked for */
    uint64_t inode;         /* 0: it belongs to no process (time-wait, not accepted yet) */
    uint64_t peer_inode;    /* as the kernel names it, even if the row is not to be had; 0: none */
    uint64_t cookie;        /* the kernel's number for a socket, never used twice; 0: none */
    uint32_t receive_queue; /* bytes to be read (of a datagram socket: of the first datagram); of a
                               listener: connections that wait; of a queue: bytes in it */
    uint32_t send_queue;    /* not taken by the other side: bytes, of unix sockets the memory that
                               they take, as in FERRY_MEMORY_SEND_USED; of a listener: its backlog,
                               beyond which one more is let in */
    const struct ferry_owner *owners; /* by pid, then descriptor */

    /* The other end: of a connected socket, whose peer may point elsewhere (a datagram server's
     * does); the other end of a pipe or FIFO; of a TCP or UDP socket, its counterpart on this
     * machine. NULL: there is none, or it is not on this machine. */
    const struct ferry_endpoint *peer;
    const struct ferry_namespace *network; /* of sockets; NULL for what has none */
    /* Of one in FERRY_STATE_WAITING: in whose backlog. NULL otherwise, and where the kernel does
     * not tell. */
    const struct ferry_endpoint *listener;
    /* Of a listener: the first that waits in its backlog, the longest waiting first; of a datagram
     * server: the first that has it as its peer and is not its peer. The rest by `next`. */
    const struct ferry_endpoint *clients;
    const struct ferry_endpoint *next;
    uint32_t client_count;
    uint32_t name_size; /* bytes */

    /* Of unix sockets: the path, or an abstract name with its leading NUL; of FIFOs, queues and
     * memfds: the path, "/name", the name. NUL-terminated besides. NULL: it has none. */
    const char *name;
    const struct ferry_path *path;  /* of a bound unix socket; NULL: not gathered */
    const struct ferry_inet *inet;  /* of IP sockets; NULL */
    int64_t seen_ns;                /* when this table saw it first, CLOCK_MONOTONIC */
    uint64_t device;                /* of what is a file (FIFO, queue, memfd) */
    const uint32_t *memory;         /* FERRY_MEMORY_COUNT of them; zeroes where they are unknown */
    uint32_t descriptors_in_flight; /* in its receive queue; with FERRY_GATHER_IN_FLIGHT */
    /* Of a queue. */
    uint32_t messages, messages_max, message_size_max; /* max 0: unknown */
    uint64_t size;                                     /* of a memfd: bytes */
};

/* --- making a table --------------------------------------------------------------------------- */

/* What a table gathers besides the sockets themselves. */
enum {
    FERRY_GATHER_OWNERS = 1 << 0,     /* who has each open */
    FERRY_GATHER_PATHS = 1 << 1,      /* what has become of each bound path */
    FERRY_GATHER_TCP_INFO = 1 << 2,   /* TCP_INFO of each TCP socket */
    FERRY_GATHER_DETAILS = 1 << 3,    /* user, unit, container, executable of each owner */
    FERRY_GATHER_NAMESPACES = 1 << 4, /* every network namespace, not the caller's only */
    FERRY_GATHER_IN_FLIGHT = 1 << 5,  /* descriptors in receive queues */
    FERRY_GATHER_MEMORY = 1 << 6,     /* what each socket's buffers hold, and may */
    FERRY_GATHER_IN_TURNS = 1 << 7,   /* for who refreshes each second: ferry_endpoints_refresh() */
    FERRY_GATHER_USERS = 1 << 8,      /* who made each unix socket; of others it is always known */
    FERRY_GATHER_USUAL = FERRY_GATHER_OWNERS | FERRY_GATHER_PATHS | FERRY_GATHER_NAMESPACES |
                         FERRY_GATHER_MEMORY | FERRY_GATHER_USERS,
};

struct ferry_endpoints_options {
    size_t struct_size; /* sizeof(struct ferry_endpoints_options) */
    unsigned kinds;     /* FERRY_ENDPOINTS_*; 0: FERRY_ENDPOINTS_SOCKETS. Pipes, FIFOs, queues and
                           memfds are found by who has them: FERRY_GATHER_OWNERS comes with them */
    unsigned gather;    /* FERRY_GATHER_*; 0: FERRY_GATHER_USUAL */
};

/* What a table lacks, and why: for one line to the user. */
struct ferry_endpoints_gaps {
    unsigned hidden_processes;   /* whose descriptors we may not see: CAP_SYS_PTRACE (and
                                    CAP_DAC_READ_SEARCH) would show them */
    unsigned hidden_namespaces;  /* network namespaces that we may not enter: CAP_SYS_ADMIN */
    unsigned missing_kinds;      /* 1 << kind: the kernel has no diagnosis for them */
    unsigned unlisted_queues;    /* 1: queues that nobody has open can't be listed: no mqueue file
                                    system is mounted and we may not mount one */
    unsigned ambiguous_backlogs; /* listeners whose waiting clients the kernel does not tell */
};

/* Makes a table of what is there now.
 *   options  NULL: sockets, FERRY_GATHER_USUAL
 *   ret_table  ferry_endpoints_free() it
 *   error      NULL: not asked for
 * Returns 0, -EINVAL (kinds or FERRY_GATHER_* that this library does not know, as of a newer
 * header; struct_size is not set), -E2BIG (members that it does not know are not 0),
 * -EPROTONOSUPPORT (no sock_diag in this kernel), -ENOENT (no /proc), -ENOMEM, -errno; *error says
 * more.
 * What can't be seen for want of privilege is no error: ferry_endpoints_get_gaps(). */
FERRY_PUBLIC FERRY_CHECK int ferry_endpoints_new(const struct ferry_endpoints_options *options,
    struct ferry_endpoints **ret_table, struct ferry_error *error);
/* Looks again. What was lent is gone, on failure too (the table is then empty, and may be refreshed
 * again). Only processes that have another number of descriptors than before are walked through
 * again; all of them, now and then: who closed one and opened another shows later.
 *
 * With FERRY_GATHER_IN_TURNS it is asked only every eighth time, of unix sockets that are there
 * still, in the same state, how large their buffers may be, who made them, and whom those of
 * datagrams are connected to; and of processes that are there still, what they are called and how
 * many descriptors they have, unless there is a socket whose owner is not known. A dump of many
 * sockets costs half of what it would.
 *
 * Returns as ferry_endpoints_new() does. */
FERRY_PUBLIC FERRY_CHECK int ferry_endpoints_refresh(
    struct ferry_endpoints *table, struct ferry_error *error);
/* NULL is allowed. */
FERRY_PUBLIC void ferry_endpoints_free(struct ferry_endpoints *table);
FERRY_PUBLIC void ferry_endpoints_get_gaps(
    const struct ferry_endpoints *table, struct ferry_endpoints_gaps *ret_gaps);
/* When the last look began, CLOCK_MONOTONIC in nanoseconds. */
FERRY_PUBLIC int64_t ferry_endpoints_time_ns(const struct ferry_endpoints *table);

/* Rows come by kind, listeners first, then by the lowest owning pid. An index is below its count,
 * here and for what follows. */
FERRY_PUBLIC size_t ferry_endpoints_count(const struct ferry_endpoints *table);
FERRY_PUBLIC const struct ferry_endpoint *ferry_endpoints_get(
    const struct ferry_endpoints *table, size_t index);
/* The socket of that inode, or else an end of the pipe; NULL: there is none. FIFOs, queues and
 * memfds are files, whose inodes are unique in their file system only. */
FERRY_PUBLIC const struct ferry_endpoint *ferry_endpoints_find(
    const struct ferry_endpoints *table, uint64_t inode);

/* Processes that hold something of the table, by pid. */
FERRY_PUBLIC size_t ferry_endpoints_process_count(const struct ferry_endpoints *table);
FERRY_PUBLIC const struct ferry_process *ferry_endpoints_get_process(
    const struct ferry_endpoints *table, size_t index);
FERRY_PUBLIC const struct ferry_process *ferry_endpoints_find_process(
    const struct ferry_endpoints *table, pid_t pid);
FERRY_PUBLIC size_t ferry_endpoints_namespace_count(const struct ferry_endpoints *table);
FERRY_PUBLIC const struct ferry_namespace *ferry_endpoints_get_namespace(
    const struct ferry_endpoints *table, size_t index);

/* --- words ------------------------------------------------------------------------------------ */

/* "u_str", "u_dgr", "u_seq", "tcp", "udp", "raw" as ss(8) has them; "pipe", "fifo", "mq", "memfd".
 */
FERRY_PUBLIC const char *ferry_endpoint_kind_name(enum ferry_endpoint_kind kind);
/* "ESTAB", "LISTEN", "UNCONN", "TIME-WAIT" ... as ss(8) has them; "WAITING"; "-" for none. */
FERRY_PUBLIC const char *ferry_endpoint_state_name(enum ferry_endpoint_state state);
/* "there", "missing", "replaced", "unknown"; "" for none. */
FERRY_PUBLIC const char *ferry_path_state_name(enum ferry_path_state state);

/* The local address as ferry-address(7) writes it, without the scheme: a path, "@name" (NULs inside
 * as \x00), "127.0.0.1:80", "[::1]:80", "*:53"; "" if there is none. Control characters are
 * escaped.
 *   text, size  cut to fit, NUL-terminated unless size is 0
 * Returns the length it would have. */
FERRY_PUBLIC size_t ferry_endpoint_print_local(
    const struct ferry_endpoint *endpoint, char *text, size_t size);
/* The same of where it is connected to: of IP sockets the remote address, of others the peer's
 * local one, or that of the listener in whose backlog it waits. */
FERRY_PUBLIC size_t ferry_endpoint_print_remote(
    const struct ferry_endpoint *endpoint, char *text, size_t size);

/* What a field of TCP_INFO counts in. */
enum ferry_tcp_unit {
    FERRY_TCP_COUNT, /* segments, times, packets */
    FERRY_TCP_BYTES,
    FERRY_TCP_US, /* microseconds */
    FERRY_TCP_MS,
    FERRY_TCP_BYTES_S, /* bytes a second */
    FERRY_TCP_FLAGS,
    FERRY_TCP_STATE, /* enum ferry_endpoint_state */
};

struct ferry_tcp_field {
    const char *name; /* as in struct tcp_info, without "tcpi_" */
    enum ferry_tcp_unit unit;
    uint64_t value;
};

/* The index-th field that this kernel filled, as far as Linux 6.12 has them.
 *   tcp_info, size  those of struct ferry_inet; size 0: there are no fields
 * Returns 1, 0 (there are no more). */
FERRY_PUBLIC int ferry_tcp_field(
    const void *tcp_info, size_t size, size_t index, struct ferry_tcp_field *ret_field);

#ifdef __cplusplus
}
#endif
#endif
