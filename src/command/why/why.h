/* why.h - the parts of `ferry why`.
 *
 *     why.c         options, the two looks, what is said
 *     diagnosis.c   what was found, and how it is said
 *     looks.c       what waited at the first look
 *     path.c        what a path leads to; walk.c: part by part, from /
 *     permission.c  who may, by mode and access list
 *     unix.c        what stands at a path or abstract name
 *     inet.c        what stands at a port
 *     listener.c    its backlog, and those who wait
 *     hanging.c     those who have not even got into it
 *     server.c      what those who serve it are doing
 *     stuck.c       connections that do not move
 *     process.c     a process and all it has open
 *     lanes.c       auto: connections: on the socket or in a ring, and why
 *     fifo.c        FIFOs; queue.c: message queues; ferry.c: rules of a running ferry,
 *                   and why its auto: connections have no rings
 *     try.c         --try
 *     workload.c    --workload
 *     machine.c     without an argument; it and machine_*.c stand for themselves
 *
 * What is measured twice is measured LOOKS_APART_MS apart: `looks` has the first, the table the
 * second. There is a second look only if something waits somewhere.
 */
#ifndef FERRY_COMMAND_WHY_WHY_H
#define FERRY_COMMAND_WHY_WHY_H

#include "command/view/target.h"
#include "command/why/diagnosis.h"
#include "command/why/looks.h"
#include "command/why/permission.h"

#include <ferry/endpoints.h>
#include <sys/stat.h>

struct why {
    const char *word;
    struct view_target target;
    const char *as; /* --as; NULL: the caller */
    const char *workload;
    struct who who;
    struct ferry_endpoints *table;
    struct looks looks;
    struct diagnosis diagnosis;
    unsigned lanes_told; /* connections of which a ferry has said why they have no rings */
    bool json, try;
};

/* Each judges its own and adds what it finds. */
void why_path(struct why *why);
/*   where   the path with its links resolved
 *   status  of the socket there */
void why_socket(struct why *why, const char *where, const struct stat *status);
/* Sockets that are bound to a path where nothing is. True: that was the cause. */
bool why_orphans(struct why *why);
void why_fifo(struct why *why, const char *where, const struct stat *status);
void why_abstract(struct why *why);
void why_inet(struct why *why);
void why_queue(struct why *why);
/* By what the connections of an auto: socket, or of a process, send. */
void why_lanes(struct why *why);
/* A pid, pid:fd or inode. */
void why_process(struct why *why);
void why_listener(struct why *why, const struct ferry_endpoint *listener);
/* Adds to a full backlog's finding who hangs in connect(2), for a place in it. */
void prove_hanging(
    const struct why *why, struct finding *finding, const struct ferry_endpoint *listener);
/* A connection, from both sides.
 *   server  the server's side; NULL: it is not on this machine
 *   client  the client's side; NULL */
void why_connection(
    struct why *why, const struct ferry_endpoint *server, const struct ferry_endpoint *client);
/* After all connections: of how many a finding is that tells of the first few. */
void why_count_connections(struct why *why);
/* What a running ferry's rules say, if a ferry has this listener. */
void why_ferry(struct why *why, const struct ferry_endpoint *listener);
/* Connects, and adds what came of it.
 *   kind    of socket; what the path is bound to */
void why_try(struct why *why, enum ferry_endpoint_kind kind);

#endif
