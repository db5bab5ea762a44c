/* run.h - a registry run until a signal, a reload, or its own end says otherwise: what up, demo and
 * relay have in common.
 *
 *     SIGTERM, SIGINT    stop listening, let connections finish; again: end at once
 *     SIGHUP, control    read the configuration again, if there is one
 *
 * Under a service manager the loop's turning feeds its watchdog, and what the manager keeps
 * (route/keep.h) is handed to it at the end.
 *
 * The run owns its loop, registry, log and signals. It is the program's own choice here, not the
 * library's, to ignore SIGPIPE and to raise the limit of descriptors.
 */
#ifndef FERRY_COMMAND_RUN_H
#define FERRY_COMMAND_RUN_H

#include "process/activation.h"
#include "process/notify.h"
#include "route/journal.h"
#include "route/log.h"
#include "route/registry.h"

struct run {
    const char *verb;
    struct ferry_loop *loop;
    struct registry registry;
    struct events events;
    struct log log;
    struct journal journal;
    bool quiet; /* what goes as it should is not logged */
    struct notify notify;
    struct activation activation;
    struct ferry_source *signals[4];
    struct ferry_source *grace;           /* timer while stopping; NULL */
    struct ferry_source *watchdog, *keep; /* timers; NULL */
    struct store store;
    int64_t grace_ms;
    bool ends_alone; /* ends when nobody is served and nobody more can come */
    bool stopping;
    int status; /* the exit status so far */
    /* Reads the configuration again; the log takes its format once it is applied. NULL: there is
     * none.
     *   ret_why  why not: problems, one line each
     * Returns 0 or -errno. */
    int (*read)(struct run *run, struct settings **ret_settings, struct bytes *ret_why);
    void *data; /* for read */
};

/* Makes everything ready; nothing listens yet. */
int run_init(struct run *run, const char *verb, enum log_format format, struct ferry_error *error);
/* Has the service manager keep listeners and connections, if it does so at all or `wanted` says
 * that it does (before version 254 systemd does not tell). Before run_start(). */
void run_keep(struct run *run, bool wanted);
/* Starts the routes. Takes them out of the settings. */
int run_start(struct run *run, struct settings *settings, struct ferry_error *error);
/* Runs until the end; returns the exit status. */
int run_until_end(struct run *run);
/* Legal after a run_init() that failed. */
void run_fini(struct run *run);

#endif
