/* table.h - what stands behind struct ferry_endpoints, and the steps that fill it.
 *
 *     walk        which processes there are, and what each has open           walk.c, process.c,
 *                                                                             descriptors.c
 *       or all of that in one answer of the kernel's                          open_files.c,
 *                                                                             kernel_types.c
 *     namespaces  which networks there are                                    namespaces.c
 *     rows        what the kernel says of sockets; files from the walk        rows_unix.c,
 *                                                                             rows_inet.c,
 *                                                                             rows_raw.c,
 *                                                                             rows_files.c
 *     turns       what seldom changes, from the last look                     turns.c
 *     missed      what the kernel has left out                                missed.c
 *     join        owners, peers                                               join.c, join_inet.c
 *     waiting     who waits in which backlog                                  waiting.c
 *     paths       what has become of the paths                                paths.c
 *
 * The walk comes first: a socket that is made later has no owner yet, which the check of those
 * without an owner notices; one that is closed meanwhile does not show at all.
 *
 * Ownership: processes, with what they have open, live from one refresh to the next, so that only
 * those that have changed need be walked through. Everything else is made anew: rows in one array,
 * what they point to in the arena.
 */
#ifndef FERRY_ENDPOINTS_TABLE_H
#define FERRY_ENDPOINTS_TABLE_H

#include "base/arena.h"
#include "endpoints/diag.h"
#include "endpoints/limits.h"

#include <ferry/endpoints.h>

/* One open descriptor, as the walk found it. */
struct descriptor {
    uint64_t inode;
    uint64_t device; /* the rest of files (FIFO, queue, memfd) only */
    uint64_t size;
    char *name; /* owned by the process */
    int fd;
    uint32_t row;       /* the first of its rows + 1, once join_owners() has found it */
    unsigned char kind; /* enum ferry_endpoint_kind; DESCRIPTOR_SOCKET for a socket */
    unsigned char ends;
};

#define DESCRIPTOR_SOCKET FERRY_ENDPOINT_KIND_COUNT
/* Of what is none of the kinds. */
#define DESCRIPTOR_OTHER (FERRY_ENDPOINT_KIND_COUNT + 1)
/* The kind of a row that is none: closed while we looked, or told of twice. */
#define ENDPOINT_GONE FERRY_ENDPOINT_KIND_COUNT

struct process {
    struct ferry_process shown; /* its texts are owned, but those of an arena */
    uint64_t files_inode;       /* of /proc/PID/fd: the same as long as the process lives */
    uint64_t files_size;        /* its st_size: how many it has open; 0: not told */
    struct descriptor *descriptors;
    size_t descriptor_count, descriptor_capacity; /* capacity 0: they lie in the table's pool */
    bool is_kernels; /* a kernel thread: it has no descriptors, and none are hidden */
    char name[64];   /* what shown.name points to; a kernel thread's may exceed 15 bytes */
};

/* Where a bound unix socket's file was. */
struct bound {
    uint32_t row;
    uint64_t inode, device;
};

/* What the kernel tells of a unix listener's backlog, by inodes. */
struct wait {
    uint32_t listener;
    uint32_t client; /* 0: it has gone; or this only says that the listener's were told */
};

/* A row that waits for another, or sends to it. */
struct client {
    uint32_t server, client;
};

struct rows {
    struct ferry_endpoint *data;
    size_t count, capacity;
    uint32_t *index;            /* by inode: row + 1, open addressing, sockets first; 0: free */
    size_t index_size;          /* a power of two; 0: not made yet */
    size_t index_capacity;      /* room for so many */
    struct ferry_owner *owners; /* the first of each row */
    size_t owners_capacity;
    uint32_t (*memory)[FERRY_MEMORY_COUNT]; /* of each row that has_memory */
    size_t memory_capacity;
    uint32_t *met; /* their numbers, as join_owners() comes across them */
    size_t met_count, met_capacity;
    uint32_t *sorted; /* the public order; without those that have gone */
    size_t sorted_count, sorted_capacity;
};

struct ferry_endpoints {
    unsigned kinds, gather;
    int64_t time_ns;
    unsigned round;      /* how many looks there were */
    bool light;          /* this look takes from the last one what seldom changes (turns.c) */
    bool news;           /* many unix sockets were not as at the look before */
    bool walked;         /* in this look, once at least */
    bool walk_changed;   /* the last walk has found anything new */
    uint32_t walk_inode; /* of a socket that was made when the last walk began */
    struct ferry_endpoints_gaps gaps;
    struct arena arena;
    struct rows rows, before; /* this look's; the last one's, whose memory is for the next */

    struct process **processes; /* by pid */
    size_t process_count, process_capacity;
    struct descriptor *pool; /* what those have open of which the kernel told all at once */
    size_t pool_capacity;
    size_t shown_count; /* with endpoints: they stand first in `shown` */
    const struct ferry_process **shown;

    struct ferry_namespace **namespaces; /* in the arena; the caller's first */
    size_t namespace_count, namespace_capacity;

    uint32_t changed[CHANGED_MAX]; /* rows */
    unsigned changed_count;        /* CHANGED_MAX + 1: all may be */
    uint32_t missed[MISSED_MAX];   /* inodes; 0: it has its row now */
    unsigned missed_count;
    struct bound *bounds;
    size_t bound_count, bound_capacity;
    struct wait *waits;
    size_t wait_count, wait_capacity;
    struct client *clients;
    size_t client_count, client_capacity;
};

static inline bool table_wants(const struct ferry_endpoints *table, unsigned gather)
{
    return table->gather & gather;
}

static inline bool table_wants_kind(const struct ferry_endpoints *table, unsigned kind)
{
    return table->kinds & (1u << kind);
}

/* Has the processor fetch a row that will be looked at soon. */
static inline void row_prefetch(const struct ferry_endpoint *row)
{
    __builtin_prefetch(row);
    __builtin_prefetch((const char *)row + 64);
}

/* A new row, zeroed but for uid; NULL: out of memory. Rows move when the next is added. */
struct ferry_endpoint *table_add_row(struct ferry_endpoints *table);

/* What the kernel tells of a socket's memory: sock_diag(7), SKMEMINFO. */
void memory_set(
    struct ferry_endpoints *table, struct ferry_endpoint *row, const void *told, size_t size);

/* --- the steps; each returns 0 or -errno ------------------------------------------------------ */

/* Walks through /proc. Processes that have not changed since the last look are not walked through
 * again, unless `all`. */
int walk(struct ferry_endpoints *table, bool all);
void process_free(struct process *process);

/* Calls `visit` in each namespace that may be entered, with a diagnosis socket of it. */
int namespaces_visit(
    struct ferry_endpoints *table, int (*visit)(struct ferry_endpoints *table, struct diag *diag,
                                       const struct ferry_namespace *network));
/* The entry of that inode; NULL: there is none. */
struct ferry_namespace *namespaces_find(const struct ferry_endpoints *table, uint64_t inode);
/* The caller's, before all others; -errno. */
int namespaces_add_own(struct ferry_endpoints *table);
/* Adds the namespace a process is in, if it is not known; -ENOMEM. */
int namespaces_add(struct ferry_endpoints *table, uint64_t inode, pid_t pid, const char *name);

/* Rows of one namespace; rows_unix() notes what backlogs hold, too. */
int rows_unix(
    struct ferry_endpoints *table, struct diag *diag, const struct ferry_namespace *network);
int rows_inet(
    struct ferry_endpoints *table, struct diag *diag, const struct ferry_namespace *network);
/* Raw sockets of one namespace without its diagnosis. -ENOENT: they are not listed either. */
int rows_raw_listed(struct ferry_endpoints *table, const struct ferry_namespace *network);
/* One unix socket, as rows_unix(). Returns 0, -ENOENT (there is none in that namespace), -errno. */
int rows_unix_one(struct ferry_endpoints *table, struct diag *diag,
    const struct ferry_namespace *network, uint32_t inode);
/* Whether a look is to be light, before it. */
bool turns_light(const struct ferry_endpoints *table);
/* Compares the unix sockets with the last look's; those of a light one get from there what seldom
 * changes, unless there are too many others: table->news. Before join_index(). */
int turns_carry(struct ferry_endpoints *table);
/* Rows anew of those that have changed. */
int turns_ask(struct ferry_endpoints *table);
/* What the kernel tells of a unix socket, complete but for what its peer says of its state. */
void row_correct_state(struct ferry_endpoint *row);
/* Notes the unix sockets that have no row, after join_owners(); whether there are any. */
bool missed_find(struct ferry_endpoints *table);
/* Rows of those that are of that namespace. */
int missed_ask(
    struct ferry_endpoints *table, struct diag *diag, const struct ferry_namespace *network);
/* Rows of files, from what processes have open; queues that nobody has open too. */
int rows_files(struct ferry_endpoints *table);

/* Who waits in whose backlog, from the notes; after join_index(). */
int waiting_find(struct ferry_endpoints *table);
/* Notes that a row is among another's clients, in the order of the notes; join_clients() links
 * them. Returns 0, -ENOMEM. */
int client_add(struct ferry_endpoints *table, const struct ferry_endpoint *server,
    const struct ferry_endpoint *client);
void join_clients(struct ferry_endpoints *table);

int join_index(struct ferry_endpoints *table);
/* Of a socket if sockets is true, else of a pipe. */
struct ferry_endpoint *join_find(const struct rows *rows, uint64_t inode, bool sockets);
/* The same endpoint in another look's rows; NULL: it was not there. */
struct ferry_endpoint *join_find_like(const struct rows *rows, const struct ferry_endpoint *row);
/* The same, for one row after the other: the kernel lists sockets in the same order each time, but
 * for those that came and went, so that the one that followed at the last look is most likely this
 * one, and need not be searched.
 *   likely  where that is; from 0 on */
const struct ferry_endpoint *join_find_next(
    const struct rows *rows, const struct ferry_endpoint *row, size_t *likely);
int join_owners(struct ferry_endpoints *table);
int join_peers(struct ferry_endpoints *table);
int join_inet(struct ferry_endpoints *table);
int join_order(struct ferry_endpoints *table);

int paths_look(struct ferry_endpoints *table);
int in_flight_look(struct ferry_endpoints *table);

#endif
