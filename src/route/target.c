/* target.c - the service that an address is: dial it, then relay until both ends have finished.
 *
 * Dialling never blocks the loop: a name is looked up first, its addresses are tried in turn, each
 * with an equal share of the time that is left; a full backlog, or our own lack of descriptors, is
 * tried again until the deadline. Nothing is read from the peer meanwhile: what it sends waits in
 * the kernel. What only dialling needs stands in a struct of its own and goes when the relay
 * starts, so that thousands of idle connections stay small.
 *
 * A route with user= is dialled by the dialler, which is asked and waited for like everything else;
 * what it hands back is then as if it had been dialled here.
 *
 * A failure is never reported from where it is found but by the timer in the loop's next turn:
 * done() must not run inside serve(), and the serving must not vanish under its own feet.
 */
#include "route/target.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "process/dialler.h"
#include "process/resolve.h"
#include "process/sandbox.h"
#include "process/user.h"
#include "route/limits.h"
#include "route/registry.h"
#include "wire/address.h"

#include <errno.h>
#include <string.h>

struct dialling {
    struct service_call call;       /* its channel is ours until the relay takes it */
    struct ferry_channel *upstream; /* being connected */
    struct dialler_call *asked;     /* the dialler dials */
    struct ferry_source *ready;     /* its writability */
    struct ferry_source *timer;
    struct resolve *resolve;
    struct ferry_address **addresses; /* of a name that was looked up */
    unsigned count, next;
    int64_t deadline_ns; /* of all tries */
    int64_t try_ns;      /* of this address */
    int64_t retry_ms;
    int code; /* not 0: failed, to be reported */
    struct ferry_error error;
    char **environment; /* that an exec: target is told; NULL for all others */
};

struct serving {
    struct dialling *dialling; /* NULL once it relays */
    struct ferry_relay *relay; /* NULL until then */
    void (*done)(int code, const char *reason, void *data);
    void *data;
};

/* --- what an exec: target is told ------------------------------------------------------------- */

static const char *const variables[] = { "FERRY_ROUTE", "FERRY_PEER", "FERRY_PEER_PID",
    "FERRY_PEER_UID", "FERRY_PEER_GID", "FERRY_PEER_USER" };

void target_forget_caller(void)
{
    for (size_t i = 0; i < COUNT_OF(variables); i++)
        unsetenv(variables[i]);
}

static int environment_make(struct dialling *dialling)
{
    const struct event_who *who = dialling->call.who;
    const char *peer = ferry_channel_peer(dialling->call.channel), *user = NULL;
    char pid[16] = "", uid[16] = "", gid[16] = "";
    size_t count = 0;

    dialling->environment = calloc(COUNT_OF(variables) + 1, sizeof(*dialling->environment));
    if (!dialling->environment)
        return -ENOMEM;
    if (who && who->pid > 0)
        snprintf(pid, sizeof(pid), "%d", who->pid);
    if (who && who->gid != (gid_t)-1)
        snprintf(gid, sizeof(gid), "%u", who->gid);
    if (who && who->uid != (uid_t)-1) {
        snprintf(uid, sizeof(uid), "%u", who->uid);
        user = user_name(who->uid);
    }
    const char *values[COUNT_OF(variables)] = { dialling->call.route, peer, pid, uid, gid, user };
    for (size_t i = 0; i < COUNT_OF(variables); i++) {
        if (!values[i] || !values[i][0])
            continue;
        if (asprintf(&dialling->environment[count], "%s=%s", variables[i], values[i]) < 0) {
            dialling->environment[count] = NULL;
            return -ENOMEM;
        }
        count++;
    }
    return 0;
}

/* --- ending ----------------------------------------------------------------------------------- */

static void dialling_free(struct dialling *dialling)
{
    if (!dialling)
        return;
    resolve_stop(dialling->resolve);
    dialler_cancel(dialling->asked);
    ferry_source_remove(dialling->ready);
    ferry_source_remove(dialling->timer);
    ferry_channel_close(dialling->upstream);
    ferry_channel_close(dialling->call.channel);
    for (size_t i = 0; i < dialling->count; i++)
        ferry_address_free(dialling->addresses[i]);
    free(dialling->addresses);
    for (size_t i = 0; dialling->environment && dialling->environment[i]; i++)
        free(dialling->environment[i]);
    free(dialling->environment);
    free(dialling);
}

static void on_relay_done(struct ferry_relay *relay, int code, const char *text, void *data)
{
    struct serving *serving = data;
    (void)relay;
    serving->done(code, text, serving->data);
    free(serving);
}

static void target_report(struct serving *serving)
{
    struct dialling *dialling = serving->dialling;
    char reason[sizeof(struct ferry_error)];
    ferry_error_format(&dialling->error, reason, sizeof(reason));
    serving->done(dialling->code, reason, serving->data);
    dialling_free(dialling);
    free(serving);
}

/* --- dialling --------------------------------------------------------------------------------- */

static const struct ferry_address *dialling_address(const struct dialling *dialling)
{
    return dialling->count ? dialling->addresses[dialling->next] : dialling->call.target;
}

/* Has the failure reported in the next turn; dialling->error is filled. */
static void dialling_fail(struct dialling *dialling, int code)
{
    dialling->code = code;
    ferry_source_set_deadline(dialling->timer, 0);
}

/* Gives the address that is next its share of the time. */
static void dialling_share(struct dialling *dialling)
{
    int64_t now_ns = clock_now_ns();
    int64_t left = dialling->count > 1 ? (int64_t)(dialling->count - dialling->next) : 1;
    dialling->retry_ms = DIAL_RETRY_MS;
    dialling->try_ns = dialling->deadline_ns == CLOCK_NEVER
                           ? CLOCK_NEVER
                           : now_ns + (dialling->deadline_ns - now_ns) / left;
}

/* The address has failed with dialling->error; false: it was the last. */
static bool dialling_next(struct dialling *dialling, int code)
{
    ferry_source_remove(TAKE(dialling->ready));
    dialler_cancel(TAKE(dialling->asked));
    ferry_channel_close(TAKE(dialling->upstream));
    if (dialling->next + 1 >= dialling->count) {
        dialling_fail(dialling, code);
        return false;
    }
    dialling->next++;
    dialling_share(dialling);
    return true;
}

static int dialling_timed_out(struct dialling *dialling)
{
    return error_set(&dialling->error, -ETIMEDOUT, ferry_address_text(dialling_address(dialling)),
        "set timeout= on the address to wait longer",
        "did not answer in time: nobody accepts, or its queue stays full");
}

static void target_relay(struct serving *serving)
{
    struct dialling *dialling = serving->dialling;
    struct service_call *call = &dialling->call;
    struct ferry_relay_options options = {
        .struct_size = sizeof(options),
        .idle_timeout_ms = call->idle_ms,
        .total_timeout_ms = call->total_ms,
        .done = on_relay_done,
        .tap = call->tap,
        .quota = call->quota,
        .data = serving,
    };
    ferry_source_remove(TAKE(dialling->ready));
    ferry_auto_on_move(dialling->upstream, call->target_moved, call->data);
    int r = ferry_relay_start(call->loop, call->pool, TAKE(call->channel), TAKE(dialling->upstream),
        &options, &serving->relay);
    if (r == 0) {
        dialling_free(TAKE(serving->dialling));
        return;
    }
    const char *text = ferry_address_text(call->target);
    if (r == -EPROTOTYPE)
        error_set(&dialling->error, r, text, "set frame=lf or frame=length on the byte side",
            "bytes meet messages, and nothing says where a message ends");
    else
        error_set_errno(&dialling->error, r, text, NULL);
    dialling_fail(dialling, r);
}

static void on_dialled(
    int code, const struct ferry_error *error, struct ferry_channel *channel, void *data);

/* Asks the dialler. -EINPROGRESS: on_dialled() will be called. */
static int dialling_ask(struct serving *serving)
{
    struct dialling *dialling = serving->dialling;
    const struct route_settings *settings = dialling->call.settings;
    int64_t left_ns = dialling->try_ns - clock_now_ns();
    const struct dialler_request request = {
        .address = dialling_address(dialling),
        .run_as = settings->as_peer ? NULL : &settings->run_as,
        .peer_fd = settings->as_peer ? ferry_channel_fd(dialling->call.channel, FERRY_RECEIVE) : -1,
        .refuse_descriptors =
            !(ferry_channel_capabilities(dialling->call.channel) & FERRY_HAS_DESCRIPTORS),
        .profile = dialling->call.profile,
        .variables = (const char *const *)dialling->environment,
        .timeout_ms = left_ns / NS_PER_MS,
    };
    int r = dialler_dial(dialling->call.registry->dialler, &request, on_dialled, serving,
        &dialling->asked, &dialling->error);
    return r < 0 ? r : -EINPROGRESS;
}

static int dialling_dial(struct serving *serving)
{
    struct dialling *dialling = serving->dialling;
    if (dialling->call.settings->by_dialler)
        return dialling_ask(serving);
    struct ferry_dial_options options = {
        .struct_size = sizeof(options),
        .extra = (const char *const *)dialling->environment,
        .refuse_descriptors =
            !(ferry_channel_capabilities(dialling->call.channel) & FERRY_HAS_DESCRIPTORS),
        .profile = dialling->call.profile,
    };
    return ferry_try_dial(
        dialling_address(dialling), &options, &dialling->upstream, &dialling->error);
}

static void dialling_retry_later(struct dialling *dialling)
{
    int64_t later_ns = clock_after(clock_now_ns(), dialling->retry_ms * NS_PER_MS);
    dialling->retry_ms =
        dialling->retry_ms * 2 < DIAL_RETRY_MS_MAX ? dialling->retry_ms * 2 : DIAL_RETRY_MS_MAX;
    ferry_source_set_deadline(
        dialling->timer, later_ns < dialling->try_ns ? later_ns : dialling->try_ns);
}

static void on_writable(struct ferry_source *source, unsigned events, void *data);

/* Waits for the connection in progress. */
static int dialling_wait(struct serving *serving)
{
    struct dialling *dialling = serving->dialling;
    ferry_source_set_deadline(dialling->timer, dialling->try_ns);
    if (dialling->ready)
        return 0;
    int r = ferry_loop_watch(dialling->call.loop, ferry_channel_fd(dialling->upstream, FERRY_SEND),
        FERRY_WRITABLE, on_writable, serving, &dialling->ready);
    if (r < 0)
        error_set_errno(&dialling->error, r, ferry_address_text(dialling->call.target), NULL);
    return r;
}

/* Goes on as far as it can now: until it relays, waits, or has failed.
 *   r  how dialling the address went that is next */
static void target_resume(struct serving *serving, int r)
{
    struct dialling *dialling = serving->dialling;
    for (;;) {
        if (r == -EINPROGRESS) {
            ferry_source_set_deadline(dialling->timer, dialling->try_ns);
            return;
        }
        if (!dialling->upstream && (error_is_retry(r) || error_is_out_of_resources(r))) {
            if (clock_now_ns() < dialling->try_ns) {
                dialling_retry_later(dialling);
                return;
            }
            r = dialling_timed_out(dialling);
        }
        if (r == 0) {
            r = ferry_channel_connected(dialling->upstream);
            if (r == 0) {
                target_relay(serving);
                return;
            }
            if (r == -EAGAIN) {
                r = dialling_wait(serving);
                if (r == 0)
                    return;
            } else {
                error_set_errno(
                    &dialling->error, r, ferry_address_text(dialling_address(dialling)), NULL);
            }
        }
        if (!dialling_next(dialling, r))
            return;
        r = dialling_dial(serving);
    }
}

static void target_step(struct serving *serving)
{
    target_resume(serving, serving->dialling->upstream ? 0 : dialling_dial(serving));
}

/* "unix:/run/db.sock as uid 1000 (alice)": to whom the target said so. */
static void error_name_user(struct ferry_error *error, const struct dialling *dialling)
{
    const struct route_settings *settings = dialling->call.settings;
    const struct event_who *who = dialling->call.who;
    uid_t uid = !settings->as_peer ? settings->run_as.uid : who ? who->uid : (uid_t)-1;
    const char *name = uid != (uid_t)-1 ? user_name(uid) : NULL;
    size_t used = strlen(error->thing);
    if (uid != (uid_t)-1)
        snprintf(error->thing + used, sizeof(error->thing) - used, " as uid %u%s%s%s", uid,
            name ? " (" : "", name ? name : "", name ? ")" : "");
}

static void on_dialled(
    int code, const struct ferry_error *error, struct ferry_channel *channel, void *data)
{
    struct serving *serving = data;
    struct dialling *dialling = serving->dialling;
    dialling->asked = NULL;
    dialling->upstream = channel;
    if (code < 0) {
        dialling->error = *error;
        error_name_user(&dialling->error, dialling);
    }
    target_resume(serving, code);
}

static void on_writable(struct ferry_source *source, unsigned events, void *data)
{
    (void)source;
    (void)events;
    target_step(data);
}

/* A failure to report, a time that is over, or another try. */
static void on_timer(struct ferry_source *source, void *data)
{
    struct serving *serving = data;
    struct dialling *dialling = serving->dialling;
    (void)source;

    if (dialling->code) {
        target_report(serving);
        return;
    }
    if (dialling->resolve) {
        resolve_stop(TAKE(dialling->resolve));
        error_set(&dialling->error, -ETIMEDOUT, ferry_address_text(dialling->call.target),
            "give the address as a number, or mend /etc/resolv.conf",
            "no name server answered in time");
        dialling_fail(dialling, -ETIMEDOUT);
        return;
    }
    if ((dialling->upstream || dialling->asked) &&
        !dialling_next(dialling, dialling_timed_out(dialling)))
        return;
    target_step(serving);
}

/* --- names ------------------------------------------------------------------------------------ */

static int addresses_make(struct dialling *dialling, const char *const *hosts, size_t count)
{
    dialling->addresses = calloc(count, sizeof(*dialling->addresses));
    if (!dialling->addresses)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct ferry_address *address = address_with_host(dialling->call.target, hosts[i]);
        if (!address)
            return -ENOMEM;
        dialling->addresses[dialling->count++] = address;
    }
    return 0;
}

static void on_resolved(
    int code, const char *const *hosts, size_t count, const char *reason, void *data)
{
    struct serving *serving = data;
    struct dialling *dialling = serving->dialling;
    dialling->resolve = NULL;
    if (code == 0) {
        code = addresses_make(dialling, hosts, count);
        reason = "out of memory";
    }
    if (code < 0) {
        code = code == -EAGAIN ? -EHOSTUNREACH : code;
        error_set(&dialling->error, code, ferry_address_text(dialling->call.target), NULL, "%s: %s",
            dialling->call.target->rest, reason);
        dialling_fail(dialling, code);
        return;
    }
    dialling_share(dialling);
    target_step(serving);
}

/* --- the service ------------------------------------------------------------------------------ */

static int target_start(struct serving *serving)
{
    struct dialling *dialling = serving->dialling;
    const struct ferry_address *target = dialling->call.target;
    int r = target->scheme == FERRY_EXEC ? environment_make(dialling) : 0;
    if (r < 0)
        return r;
    dialling->deadline_ns = ferry_deadline(address_get_span_ms(target, "timeout", DIAL_TIMEOUT_MS));
    r = ferry_loop_timer(
        dialling->call.loop, dialling->deadline_ns, on_timer, serving, &dialling->timer);
    if (r < 0)
        return r;
    if (dialling->upstream) {
        target_relay(serving);
        return 0;
    }
    if (address_host_is_name(target))
        return resolve_start(
            dialling->call.loop, target->rest, NULL, on_resolved, serving, &dialling->resolve);
    dialling_share(dialling);
    target_step(serving);
    return 0;
}

static int target_serve(const struct service_call *call, struct serving **ret_serving)
{
    struct serving *serving = calloc(1, sizeof(*serving));
    struct dialling *dialling = calloc(1, sizeof(*dialling));
    if (!serving || !dialling) {
        ferry_channel_close(call->channel);
        ferry_channel_close(call->upstream);
        free(serving);
        free(dialling);
        return -ENOMEM;
    }
    serving->done = call->done;
    serving->data = call->data;
    serving->dialling = dialling;
    dialling->call = *call;
    dialling->upstream = call->upstream;
    int r = target_start(serving);
    if (r < 0) {
        dialling_free(dialling);
        free(serving);
        return r;
    }
    *ret_serving = serving;
    return 0;
}

static void target_stop(struct serving *serving)
{
    dialling_free(serving->dialling);
    if (serving->relay)
        ferry_relay_stop(serving->relay);
    free(serving);
}

static int target_release(struct serving *serving, int *ret_peer, int *ret_target)
{
    int r = serving->relay ? ferry_relay_release(serving->relay, ret_peer, ret_target) : -EAGAIN;
    if (r == 0)
        free(serving);
    return r;
}

static void target_get_stats(const struct serving *serving, struct ferry_relay_stats *ret_stats)
{
    if (serving->relay)
        ferry_relay_get_stats(serving->relay, ret_stats);
    else
        *ret_stats = (struct ferry_relay_stats){ 0 };
}

static struct ferry_channel *target_get_channel(const struct serving *serving, bool other)
{
    if (serving->relay)
        return ferry_relay_get_channel(serving->relay, other);
    return other ? serving->dialling->upstream : serving->dialling->call.channel;
}

const struct service service_target = {
    .name = "target",
    .help = "relays to an address",
    .sandbox = SANDBOX_DIAL,
    .drains = true,
    .serve = target_serve,
    .stop = target_stop,
    .release = target_release,
    .get_stats = target_get_stats,
    .get_channel = target_get_channel,
};
