/* route.c - one route at work: its listener, accepting, pausing.
 *
 * Out of descriptors or memory, accepting fails while the listener stays readable: watching on
 * would spin. So it is not watched for a while, which doubles as long as that lasts; peers wait in
 * the kernel's backlog. The pause's timer is made together with the source, because when it is
 * needed there may be no memory for it.
 */
#include "route/route.h"
#include "base/clock.h"
#include "base/error.h"
#include "route/admission.h"
#include "route/connection.h"
#include "route/expect.h"
#include "route/keep.h"
#include "route/limits.h"
#include "route/settings_rules.h"
#include "wire/capabilities.h"

#include <errno.h>
#include <ferry/listener.h>
#include <string.h>
#include <sys/socket.h>

int route_new(struct registry *registry, struct route_settings *settings, struct route **ret_route)
{
    struct route *route = calloc(1, sizeof(*route));
    if (!route)
        return -ENOMEM;
    list_init(&route->node);
    list_init(&route->connections);
    route->registry = registry;
    route->settings = settings;
    route->refuse_descriptors = route_refuses_descriptors(settings);
    route->message_pidfd = route_asks_pidfd(settings);
    route->started_ns = clock_now_ns();
    if (holder_limits_any(&settings->per_uid) &&
        holders_new(&settings->per_uid, &route->holders) < 0) {
        free(route);
        return -ENOMEM;
    }
    *ret_route = route;
    return 0;
}

void route_free(struct route *route)
{
    if (!route)
        return;
    route_close(route);
    list_remove(&route->node);
    ferry_policy_free(route->policy);
    holders_free(route->holders);
    if (route->settings)
        route_settings_free(route->settings);
    free(route);
}

void route_give_figures(struct route *from, struct route *to)
{
    to->admitted += from->admitted;
    to->refused += from->refused;
    to->would_refuse += from->would_refuse;
    to->failed += from->failed;
    to->ended += from->ended;
    to->bytes_in += from->bytes_in;
    to->bytes_out += from->bytes_out;
    to->descriptors += from->descriptors;
    to->dropped += from->dropped;
    from->admitted = from->refused = from->failed = from->ended = 0;
    from->would_refuse = 0;
    from->bytes_in = from->bytes_out = from->descriptors = from->dropped = 0;
}

/* The route that goes on under its name; NULL: there is none. */
static struct route *route_heir(const struct route *route)
{
    const struct list *node;
    list_each (node, &route->registry->routes) {
        struct route *other = LIST_ENTRY(node, struct route, node);
        if (other != route && strcmp(other->settings->name, route->settings->name) == 0)
            return other;
    }
    return NULL;
}

void route_release(struct route *route)
{
    if (route->listener || route->source || !list_empty(&route->connections))
        return;
    struct route *heir = route_heir(route);
    if (heir)
        route_give_figures(route, heir);
    route_free(route);
}

const char *route_get_via(const struct route *route)
{
    return ferry_address_text(
        route->listener ? ferry_listener_address(route->listener) : route->settings->listen);
}

/* --- events ----------------------------------------------------------------------------------- */

static void route_print_way(const struct route *route, struct bytes *text)
{
    const struct route_settings *settings = route->settings;
    unsigned target;
    if (settings->service)
        bytes_print(text, "service %s", settings->service->name);
    else if (address_weather_key(settings->listen) || address_weather_key(settings->target))
        bytes_append_text(text, "both ways by copy (the weather holds it back)");
    else if (route->registry->tap)
        bytes_append_text(text, "both ways by copy (the traffic is shown)");
    else if (!expect_capabilities(settings->target, ADDRESS_DIAL, &target) ||
             expect_ways(ferry_listener_capabilities(route->listener), target,
                 settings->target->scheme == FERRY_FILE, text) < 0)
        bytes_append_text(text, "the way is chosen when the target is open");
    if (settings->dry_run)
        bytes_append_text(text, "; dry run: everybody is admitted");
}

/* What its rules ask for and nobody there can tell. */
static void route_tell_gaps(const struct route *route)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    admission_print_gaps(route->policy, ferry_listener_capabilities(route->listener), "; ", &text);
    if (text.size && !bytes_failed(&text))
        route_trouble(route, text.data);
}

/* What the kernel made otherwise than it was asked. */
static void route_print_options(const struct route *route, struct bytes *text)
{
    struct ferry_options *options;
    if (ferry_listener_get_options(route->listener, false, &options) < 0)
        return;
    for (size_t i = 0; i < ferry_options_count(options); i++) {
        const struct ferry_option *option = ferry_options_item(options, i);
        if (option->differs)
            bytes_print(text, "; %s=%s is %s: %s", option->key,
                *option->asked ? option->asked : "yes",
                option->effective ? option->effective : "left out", option->note);
    }
    ferry_options_free(options);
}

void route_report(const struct route *route, enum event_kind kind)
{
    AUTO_BYTES struct bytes way = BYTES_EMPTY;
    if (kind == EVENT_STARTED) {
        route_print_way(route, &way);
        route_print_options(route, &way);
    }
    struct event event = {
        .kind = kind,
        .route = route->settings->name,
        .via = route_get_via(route),
        .to = route->settings->to,
        .reason = way.data,
    };
    event_emit(route->registry->events, &event);
    if (kind == EVENT_STARTED)
        route_tell_gaps(route);
}

void route_trouble(const struct route *route, const char *reason)
{
    struct event event = {
        .kind = EVENT_TROUBLE,
        .route = route->settings->name,
        .via = route_get_via(route),
        .reason = reason,
    };
    event_emit(route->registry->events, &event);
}

/* --- policy ----------------------------------------------------------------------------------- */

bool route_refuses_descriptors(const struct route_settings *settings)
{
    unsigned target;
    return settings->target && expect_capabilities(settings->target, ADDRESS_DIAL, &target) &&
           !(target & FERRY_HAS_DESCRIPTORS);
}

/* Connections tell it by themselves, and each message would cost a descriptor more. */
bool route_asks_pidfd(const struct route_settings *settings)
{
    enum ferry_scheme scheme = settings->listen->scheme;
    return (scheme == FERRY_UNIX_DGRAM || scheme == FERRY_FD) &&
           settings_rules_ask_program(settings);
}

int route_make_policy(const struct route *route, const struct route *open,
    struct ferry_policy **ret_policy, struct ferry_error *error)
{
    return admission_make_policy(route->settings, open->listener, ret_policy, error);
}

/* --- accepting -------------------------------------------------------------------------------- */

static void route_watch(struct route *route, bool on)
{
    if (ferry_listener_fd(route->listener) < 0)
        ferry_source_set_pending(route->source, on);
    else
        ferry_source_set_interest(route->source, on ? FERRY_READABLE : 0);
}

static void route_pause(struct route *route)
{
    int doubled = route->pause_ms ? route->pause_ms * 2 : ACCEPT_PAUSE_MS;
    route->pause_ms = doubled < ACCEPT_PAUSE_MS_MAX ? doubled : ACCEPT_PAUSE_MS_MAX;
    route_watch(route, false);
    ferry_source_set_deadline(route->pause,
        clock_after(ferry_loop_now(route->registry->loop), route->pause_ms * NS_PER_MS));
}

/* One trouble a series of pauses, however many tries it has. */
static void route_fail(struct route *route, int code)
{
    char reason[128];
    if (route->pause_ms == 0) {
        const char *remedy = code == -EMFILE || code == -ENFILE
                                 ? ": peers wait in the backlog; raise LimitNOFILE= or ulimit -n"
                                 : ": peers wait in the backlog";
        snprintf(reason, sizeof(reason), "accepting pauses, %s%s", strerrordesc_np(-code), remedy);
        route_trouble(route, reason);
    }
    route_pause(route);
}

/* Its figure stays with the route. */
static void listener_end(struct route *route)
{
    if (!route->listener)
        return;
    route->dropped += ferry_listener_dropped(route->listener);
    if (route->kept)
        keep_close_listener(route);
    else
        ferry_listener_close(TAKE(route->listener));
    route->told_dropped = false;
}

/* There are no more peers. A path that nobody serves must not stay; what a lone channel came from
 * may. */
static void route_exhaust(struct route *route)
{
    struct registry *registry = route->registry;
    ferry_source_remove(TAKE(route->source));
    if (registry->once) {
        listener_end(route);
        list_remove(&route->node);
        list_add_last(&registry->leaving, &route->node);
    }
    if (registry->on_ended && registry_finished(registry))
        registry->on_ended(registry, 0, registry->data);
    route_release(route);
}

/* The sessions of a datagram listener live on its socket: it stays open, others are turned away. */
static bool shares_socket(const struct route *route)
{
    return capabilities_are_endless(ferry_listener_capabilities(route->listener));
}

/* Told once; how many they become, the status says. */
static void route_tell_dropped(struct route *route)
{
    if (route->told_dropped || ferry_listener_dropped(route->listener) == 0)
        return;
    route->told_dropped = true;
    route_trouble(route, "datagrams were dropped: a sender's queue was full, or there were too "
                         "many senders; ferry status --json counts them");
}

/* Accepts one peer; true: try another. */
static bool route_accept(struct route *route)
{
    struct ferry_channel *channel;
    int r = ferry_listener_try_accept(route->listener, &channel);

    route_tell_dropped(route);
    if (r == -EAGAIN && ferry_listener_fd(route->listener) < 0) {
        route_pause(route);
        return false;
    }
    if (r == 0 || r == -EAGAIN)
        route->pause_ms = 0;
    if (r == -ENOTCONN)
        route_exhaust(route);
    else if (r < 0 && r != -EAGAIN)
        route_fail(route, r);
    if (r < 0)
        return false;

    if (route->registry->once && route->admitted) {
        ferry_channel_close(channel);
        return true;
    }
    connection_start(route, channel);
    if (route->registry->once && route->admitted && !shares_socket(route)) {
        route_exhaust(route);
        return false;
    }
    return true;
}

static void on_arrival(struct ferry_source *source, unsigned events, void *data)
{
    (void)source;
    (void)events;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++)
        if (!route_accept(data))
            return;
}

static void on_pause_over(struct ferry_source *source, void *data)
{
    (void)source;
    route_watch(data, true);
}

static bool is_datagram(int fd)
{
    int type;
    socklen_t size = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM;
}

static int route_listen(struct route *route, struct ferry_error *error)
{
    const struct ferry_address *listen = route->settings->listen;
    struct registry *registry = route->registry;
    struct ferry_listen_options options = { .struct_size = sizeof(options),
        .refuse_descriptors = route->refuse_descriptors,
        .message_pidfd = route->message_pidfd,
        .profile = route->settings->profile };
    char number[16];

    if (keep_resume_listener(route, &options))
        return 0;
    if (listen->scheme != FERRY_FD || !registry->inherit) {
        int r = ferry_listen(listen, &options, &route->listener, error);
        if (r == 0)
            keep_listener(route);
        return r;
    }
    if (listen->descriptor >= 0) {
        options.message_pidfd = route->message_pidfd && is_datagram(listen->descriptor);
        /* By number it is opened as any other; that it was passed to us is only noted. */
        snprintf(number, sizeof(number), "%d", listen->descriptor);
        (void)registry->inherit(number, registry->inherit_data);
        return ferry_listen(listen, &options, &route->listener, error);
    }
    int fd = registry->inherit(listen->rest, registry->inherit_data);
    if (fd < 0)
        return error_set(error, -ENOENT, ferry_address_text(listen),
            "name it in the socket unit: FileDescriptorName=",
            "no descriptor of that name was passed to this process");
    options.message_pidfd = route->message_pidfd && is_datagram(fd);
    return ferry_listener_adopt(fd, listen, &options, &route->listener, error);
}

static int route_watch_start(struct route *route)
{
    struct ferry_loop *loop = route->registry->loop;
    int fd = ferry_listener_fd(route->listener);
    int r = ferry_loop_timer(loop, FERRY_NEVER, on_pause_over, route, &route->pause);
    if (r < 0)
        return r;
    if (fd >= 0)
        return ferry_loop_watch(loop, fd, FERRY_READABLE, on_arrival, route, &route->source);
    r = ferry_loop_watch_pending(loop, on_arrival, route, &route->source);
    if (r == 0)
        ferry_source_set_pending(route->source, true);
    return r;
}

int route_open(struct route *route, struct ferry_error *error)
{
    int r = route_listen(route, error);
    if (r == 0 && !route->policy)
        r = route_make_policy(route, route, &route->policy, error);
    if (r == 0) {
        r = route_watch_start(route);
        if (r < 0)
            error_set_errno(error, r, ferry_address_text(route->settings->listen), NULL);
    }
    if (r < 0)
        route_close(route);
    return r;
}

void route_close(struct route *route)
{
    ferry_source_remove(TAKE(route->source));
    ferry_source_remove(TAKE(route->pause));
    listener_end(route);
}
