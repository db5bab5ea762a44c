/* run.c - a registry run until it shall end. */
#include "command/run.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "command/command.h"
#include "command/limits.h"
#include "process/user.h"
#include "route/confine.h"
#include "route/keep.h"

#include <assert.h>
#include <errno.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

/* --- reports ---------------------------------------------------------------------------------- */

static void run_log(const struct event *event, void *data)
{
    struct run *run = data;
    bool trouble = event->kind == EVENT_REFUSED || event->kind == EVENT_WOULD_REFUSE ||
                   event->kind == EVENT_FAILED || event->kind == EVENT_TROUBLE;
    if (!trouble && run->quiet)
        return;
    /* Without a journal standard error has to do. */
    if (run->log.format != LOG_JOURNAL || !journal_event(&run->journal, event))
        log_event(event, &run->log);
}

static void run_report(struct run *run, enum event_kind kind, const char *reason)
{
    event_emit(&run->events, &(struct event){ .kind = kind, .reason = reason });
}

static void run_notify_ready(struct run *run)
{
    size_t count = 0;
    char status[64];
    const struct list *node;
    list_each (node, &run->registry.routes)
        count++;
    snprintf(status, sizeof(status), "%zu route%s", count, count == 1 ? "" : "s");
    (void)notify_ready(&run->notify, status);
}

/* --- stopping --------------------------------------------------------------------------------- */

static void run_on_keep(struct ferry_source *source, void *data);

static void run_on_ended(struct registry *registry, int code, void *data)
{
    struct run *run = data;
    (void)registry;
    if (code < 0 && run->registry.once)
        run->status = EXIT_FAILED;
    if ((run->stopping || run->ends_alone) && registry_finished(&run->registry))
        ferry_loop_stop(run->loop);
}

/* What is on its way keeps a connection from being handed over: it is asked again. */
static void run_keep_connections(struct run *run)
{
    bool later = run->registry.store && keep_connections(&run->registry);
    if (later && !run->keep)
        later = ferry_loop_timer(run->loop, FERRY_NEVER, run_on_keep, run, &run->keep) == 0;
    if (later)
        ferry_source_set_deadline(run->keep, ferry_deadline(KEEP_RETRY_MS));
}

static void run_on_keep(struct ferry_source *source, void *data)
{
    struct run *run = data;
    (void)source;
    run_keep_connections(run);
    if (registry_finished(&run->registry))
        ferry_loop_stop(run->loop);
}

static void run_on_grace_over(struct ferry_source *source, void *data)
{
    struct run *run = data;
    char reason[96];
    (void)source;
    size_t count = run->registry.connection_count;
    snprintf(reason, sizeof(reason), "%zu connection%s did not end within the grace period", count,
        count == 1 ? "" : "s");
    run_report(run, EVENT_TROUBLE, reason);
    ferry_loop_stop(run->loop);
}

static void run_on_stop(
    struct ferry_source *source, const struct signalfd_siginfo *info, void *data)
{
    struct run *run = data;
    char status[64];
    (void)source;
    (void)info;
    if (run->stopping) {
        ferry_loop_stop(run->loop);
        return;
    }
    run->stopping = true;
    snprintf(status, sizeof(status), "waiting for %zu connections", run->registry.connection_count);
    (void)notify_stopping(&run->notify, status);
    registry_drain(&run->registry);
    run_keep_connections(run);
    if (registry_finished(&run->registry) || run->grace_ms == 0 ||
        ferry_loop_timer(
            run->loop, ferry_deadline(run->grace_ms), run_on_grace_over, run, &run->grace) < 0)
        ferry_loop_stop(run->loop);
}

/* --- reading again ---------------------------------------------------------------------------- */

/* What root could, the user that it has become cannot. */
static void run_explain_denied(const struct run *run, struct ferry_error *error)
{
    bool denied = error->code == -EACCES || (error->code == -EPERM && !error->remedy[0]);
    if (denied && run->registry.run_as.uid != (uid_t)-1)
        snprintf(error->remedy, sizeof(error->remedy),
            "ferry runs as uid %u now ([ferry] user): restart it", run->registry.run_as.uid);
}

static int run_apply_again(struct run *run, struct bytes *ret_text)
{
    struct settings *settings;
    struct ferry_error error = { 0 };
    char line[sizeof(error) + 8];
    int code = run->read(run, &settings, ret_text);
    if (code < 0)
        return code;
    code = registry_apply(&run->registry, settings, ret_text, &error);
    if (code == 0)
        run->log.format = settings->log;
    settings_free(settings);
    if (code < 0) {
        run_explain_denied(run, &error);
        ferry_error_format(&error, line, sizeof(line));
        bytes_append_text(ret_text, line);
    }
    return code;
}

/* The event has room for one line: the first problem, and how many more there are. */
static void run_report_reload(struct run *run, int code, const struct bytes *text)
{
    AUTO_BYTES struct bytes reason = BYTES_EMPTY;
    size_t more = 0;
    if (bytes_failed(text) || !text->size)
        return;
    size_t size = strcspn(text->data, "\n");
    for (const char *feed = text->data; (feed = strchr(feed, '\n')); feed++)
        more++;
    bytes_print(&reason, "%s%.*s", code < 0 ? "nothing changed: " : "", (int)size, text->data);
    if (more)
        bytes_print(&reason, " (and %zu more; `ferry check` prints all)", more);
    if (!bytes_failed(&reason))
        run_report(run, EVENT_RELOADED, reason.data);
}

static int run_on_reload(struct registry *registry, struct bytes *ret_text, void *data)
{
    struct run *run = data;
    (void)registry;
    if (!run->read) {
        bytes_append_text(ret_text, "this ferry runs without a configuration file to read again");
        return -EOPNOTSUPP;
    }
    if (run->stopping) {
        bytes_append_text(ret_text, "this ferry is stopping");
        return -EBUSY;
    }
    (void)notify_reloading(&run->notify);
    int code = run_apply_again(run, ret_text);
    run_report_reload(run, code, ret_text);
    run_notify_ready(run);
    return code;
}

/* Without a configuration it means what it does to any program: the terminal has gone. */
static void run_on_hangup(
    struct ferry_source *source, const struct signalfd_siginfo *info, void *data)
{
    struct run *run = data;
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    if (!run->read)
        run_on_stop(source, info, data);
    else
        (void)run_on_reload(&run->registry, &text, run);
}

/* A command of an exec: target has ended, perhaps one whose connection is long gone. */
static void run_on_child(
    struct ferry_source *source, const struct signalfd_siginfo *info, void *data)
{
    (void)source, (void)info, (void)data;
    ferry_children_reap();
}

/* --- life ------------------------------------------------------------------------------------- */

/* As many descriptors as the system lets us have: a connection needs two and more. */
static void limit_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int run_take_signals(struct run *run)
{
    static const struct {
        int number;
        ferry_signal_handler handler;
    } taken[] = { { SIGTERM, run_on_stop }, { SIGINT, run_on_stop }, { SIGHUP, run_on_hangup },
        { SIGCHLD, run_on_child } };
    static_assert(COUNT_OF(taken) == COUNT_OF(((struct run *)0)->signals), "a source each");
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        int code =
            ferry_loop_signal(run->loop, taken[i].number, taken[i].handler, run, &run->signals[i]);
        if (code < 0)
            return code;
    }
    return 0;
}

static int run_inherit(const char *name, void *data)
{
    return activation_claim(data, name);
}

static void run_report_unclaimed(const char *name, int fd, void *data)
{
    char reason[128];
    snprintf(reason, sizeof(reason),
        "descriptor %d (%s) was passed to this process, and no route listens on fd:%s", fd, name,
        name);
    run_report(data, EVENT_TROUBLE, reason);
}

int run_init(struct run *run, const char *verb, enum log_format format, struct ferry_error *error)
{
    *run = (struct run){ .verb = verb, .grace_ms = GRACE_MS };
    log_init(&run->log, STDERR_FILENO, format);
    journal_init(&run->journal, NULL);
    events_add(&run->events, run_log, run);
    /* At its first look-up the C library reads nsswitch.conf(5), and glibc 2.36 crashes if it gets
     * no memory then: now, when nobody is served yet. */
    (void)user_name(geteuid());
    limit_raise();
    int code = activation_take(&run->activation, error);
    if (code < 0)
        return code;
    if (notify_init(&run->notify) < 0)
        run_report(run, EVENT_TROUBLE, "NOTIFY_SOCKET is no address of a unix socket; not used");
    code = ferry_loop_new(FERRY_EPOLL, &run->loop);
    if (code == 0)
        code = registry_init(&run->registry, run->loop, &run->events);
    if (code < 0) {
        ferry_loop_free(TAKE(run->loop));
        return error_set_errno(error, code, "start", NULL);
    }
    run->registry.inherit = run_inherit;
    run->registry.inherit_data = &run->activation;
    run->registry.reload = run_on_reload;
    run->registry.on_ended = run_on_ended;
    run->registry.data = run;
    code = run_take_signals(run);
    return code < 0 ? error_set_errno(error, code, "signals", NULL) : 0;
}

void run_keep(struct run *run, bool wanted)
{
    run->store = (struct store){ .notify = &run->notify,
        .activation = &run->activation,
        .count = keep_count(&run->activation) };
    if (run->notify.address_size == 0) {
        if (wanted)
            run_report(run, EVENT_TROUBLE,
                "nothing is kept: no service manager started this process (NOTIFY_SOCKET)");
        return;
    }
    if (wanted || run->notify.stores || run->store.count)
        run->registry.store = &run->store;
}

/* A start that fails leaves what is kept where it is: the next may do better. */
static int run_open(struct run *run, struct settings *settings, struct ferry_error *error)
{
    struct registry *registry = &run->registry;
    if (registry->store)
        keep_sweep(registry, settings);
    registry->leaves_listeners = registry->store != NULL;
    int code = registry_apply(registry, settings, NULL, error);
    registry->leaves_listeners = code < 0 && registry->store;
    if (code == 0 && registry->store)
        keep_resume(registry);
    return code;
}

int run_start(struct run *run, struct settings *settings, struct ferry_error *error)
{
    int code = run_open(run, settings, error);
    if (code == 0)
        code = confine_enter(&run->registry, settings, run->read != NULL, error);
    activation_close(&run->activation, code < 0 ? NULL : run_report_unclaimed, run);
    return code;
}

/* Twice as often as the manager wants to hear of us, and only while the loop turns. */
static void run_on_watchdog(struct ferry_source *source, void *data)
{
    struct run *run = data;
    (void)notify_watchdog(&run->notify);
    ferry_source_set_deadline(
        source, clock_after(ferry_loop_now(run->loop), run->notify.watchdog_ns / 2));
}

static int run_feed_watchdog(struct run *run)
{
    if (!run->notify.watchdog_ns)
        return 0;
    return ferry_loop_timer(run->loop, ferry_deadline(0), run_on_watchdog, run, &run->watchdog);
}

int run_until_end(struct run *run)
{
    int code = run_feed_watchdog(run);
    if (code < 0)
        return command_fail_errno(run->verb, "watchdog", code);
    run_notify_ready(run);
    code = ferry_loop_run(run->loop);
    /* A manager that has not read yet might see us gone first, and drop what it was given. */
    if (run->registry.store)
        store_settle(run->registry.store);
    if (code < 0)
        return command_fail_errno(run->verb, "loop", code);
    return run->status;
}

void run_fini(struct run *run)
{
    if (run->loop) {
        registry_fini(&run->registry);
        for (size_t i = 0; i < COUNT_OF(run->signals); i++)
            ferry_source_remove(run->signals[i]);
        ferry_source_remove(run->grace);
        ferry_source_remove(run->watchdog);
        ferry_source_remove(run->keep);
        ferry_loop_free(TAKE(run->loop));
    }
    activation_close(&run->activation, NULL, NULL);
    log_fini(&run->log);
    journal_fini(&run->journal);
}
