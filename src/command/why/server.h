/* server.h - what those who hold a socket are doing: what stands behind a queue that grows. */
#ifndef FERRY_COMMAND_WHY_SERVER_H
#define FERRY_COMMAND_WHY_SERVER_H

#include "command/why/diagnosis.h"

#include <ferry/endpoints.h>

/* In the order of what says most for the socket: of several holders the best counts. */
enum server_doing {
    SERVER_WAITING, /* a thread waits for this socket */
    SERVER_RUNNING, /* none does, and one runs */
    SERVER_HIDDEN,  /* what it waits for can't be told */
    SERVER_TRACED,  /* all its threads stand still */
    SERVER_STOPPED,
    SERVER_STUCK,     /* in the kernel, uninterruptible */
    SERVER_ELSEWHERE, /* in something that is not this socket */
    SERVER_NOBODY,    /* nobody that can be seen holds it */
};

struct server {
    enum server_doing doing;
    const struct ferry_process *process; /* whom `doing` is about; NULL: nobody */
    pid_t tracer;
    unsigned process_count; /* that hold it */
    struct bytes stopped;   /* pids of all that a signal has stopped, each behind a blank */
    struct bytes what;      /* what it is: "in accept on 3 = ..." */
    const struct ferry_process *exhausted;  /* one that has no descriptor left; NULL */
    unsigned descriptors, descriptor_limit; /* of it */
};

/* Looks at all holders of a socket; server_fini() it. */
void server_look(const struct ferry_endpoints *table, const struct ferry_endpoint *endpoint,
    struct server *ret_server);
void server_fini(struct server *server);
/* Stands still, or waits for something else: will not look at the socket by itself. */
bool server_is_away(const struct server *server);
/* "stopped", "traced", "blocked", "busy", ...: a finding's cause. */
const char *server_cause(const struct server *server);
/* Adds what it is in as evidence, and what would mend it. */
void server_prove(const struct server *server, struct finding *finding);
/* "app[4711]"; "nobody that can be seen". */
void server_print(const struct server *server, struct bytes *text);

#endif
