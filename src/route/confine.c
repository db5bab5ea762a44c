/* confine.c - the dialler, and giving privileges up: see confine.h.
 *
 * The dialler stays once it runs, although no route may need it any more: after the sandbox it
 * could not be started again.
 */
#include "route/confine.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "process/dialler.h"
#include "process/sandbox.h"
#include "route/settings_user.h"

#include <errno.h>

#define RESTART "restart ferry"

/* --- what is asked for ------------------------------------------------------------------------ */

static bool has_user(const struct settings *settings)
{
    return settings->user || settings->group;
}

/* Whether any route runs commands: those that the dialler runs, or those that we run. */
static bool has_commands(const struct settings *settings, bool by_dialler)
{
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route_settings *route = settings->routes[i];
        bool target = route->target && ferry_address_scheme(route->target) == FERRY_EXEC &&
                      route->by_dialler == by_dialler;
        if (target || (!by_dialler && ferry_address_scheme(route->listen) == FERRY_EXEC))
            return true;
    }
    return false;
}

static bool is_auto(const struct ferry_address *address)
{
    return address && ferry_address_scheme(address) == FERRY_AUTO;
}

/* What the routes need of the system, of enum sandbox_group. */
static unsigned groups_needed(const struct settings *settings)
{
    unsigned groups = has_commands(settings, false) ? SANDBOX_COMMANDS : 0;
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route_settings *route = settings->routes[i];
        const struct service *service = route->service ? route->service : &service_target;
        groups |= service->sandbox;
        if (is_auto(route->listen) || is_auto(route->target))
            groups |= SANDBOX_SEAL;
    }
    return groups;
}

/* Marks the routes that are dialled as somebody else than who this process is, or will be. */
static int mark_diallers(struct settings *settings, bool *ret_needed, struct ferry_error *error)
{
    struct run_as now;
    bool needed = false;
    int r = run_as_current(&now);
    if (r < 0)
        return error_set_errno(error, r, "the groups of this process", NULL);
    const struct run_as *own = has_user(settings) ? &settings->run_as : &now;
    for (size_t i = 0; i < settings->route_count; i++) {
        struct route_settings *route = settings->routes[i];
        bool named = (route->user || route->group) && !route->as_peer;
        route->by_dialler = route->as_peer || (named && !run_as_equal(&route->run_as, own));
        needed |= route->by_dialler;
    }
    run_as_fini(&now);
    *ret_needed = needed;
    return 0;
}

/* --- the dialler ------------------------------------------------------------------------------ */

static void on_dialler_ended(void *data)
{
    struct registry *registry = data;
    event_emit(registry->events,
        &(struct event){ .kind = EVENT_TROUBLE,
            .reason = "the dialler has ended: routes with user= are not dialled until ferry is "
                      "restarted" });
}

/* The users that routes name, side by side. NULL: out of memory. */
static struct run_as *named_users(const struct settings *settings, size_t *ret_count)
{
    struct run_as *users = calloc(settings->route_count + 1, sizeof(*users));
    *ret_count = 0;
    for (size_t i = 0; users && i < settings->route_count; i++)
        if (settings->routes[i]->by_dialler && !settings->routes[i]->as_peer)
            users[(*ret_count)++] = settings->routes[i]->run_as; /* borrowed */
    return users;
}

/* Why the dialler that runs does not do; NULL: it does. */
static const char *dialler_lacks(const struct dialler *dialler, const struct settings *settings,
    const struct run_as *users, size_t count)
{
    if (!dialler)
        return "no dialler was started before privileges were given up";
    if (dialler_pid(dialler) == 0)
        return "the dialler has ended";
    if (settings->sandbox && has_commands(settings, true) && !dialler_runs_commands(dialler))
        return "the dialler was started without leave to run commands (exec:)";
    for (size_t i = 0; i < count; i++)
        if (!dialler_knows(dialler, &users[i]))
            return "no route named this user when the dialler was started";
    return NULL;
}

static int dialler_need(
    struct registry *registry, const struct settings *settings, struct ferry_error *error)
{
    struct dialler *dialler;
    size_t count;
    AUTO_FREE struct run_as *users = named_users(settings, &count);
    if (!users)
        return error_set_errno(error, -ENOMEM, "user =", NULL);
    const char *lacks = dialler_lacks(registry->dialler, settings, users, count);
    if (!lacks)
        return 0;
    if (registry->confined)
        return error_set(error, -EPERM, "user =", RESTART, "%s", lacks);
    if (!run_as_is_possible())
        return error_set(error, -EPERM, "user =", "start ferry as root, or leave user = out",
            "only root may dial as somebody else");
    const struct dialler_options options = { .commands = has_commands(settings, true),
        .sandbox = settings->sandbox,
        .users = users,
        .user_count = count,
        .on_ended = on_dialler_ended,
        .data = registry };
    int r = dialler_start(registry->loop, &options, &dialler, error);
    if (r < 0)
        return r;
    dialler_stop(registry->dialler);
    registry->dialler = dialler;
    return 0;
}

/* --- reading again ---------------------------------------------------------------------------- */

static int check_unchanged(
    const struct registry *registry, const struct settings *settings, struct ferry_error *error)
{
    unsigned missing = groups_needed(settings) & ~registry->groups;
    if (has_user(settings) != (registry->run_as.uid != (uid_t)-1) ||
        (has_user(settings) && !run_as_equal(&settings->run_as, &registry->run_as)))
        return error_set(error, -EPERM, "[ferry] user", RESTART,
            "a process that runs already cannot become another user");
    if (settings->sandbox != registry->sandboxed)
        return error_set(error, -EPERM, "[ferry] sandbox", RESTART,
            registry->sandboxed ? "it cannot be left" : "it is entered at the start only");
    if (registry->sandboxed && missing & SANDBOX_COMMANDS)
        return error_set(error, -EPERM, "exec:", RESTART,
            "no route ran a command when the sandbox was entered, so none can be run");
    return 0;
}

int confine_prepare(struct registry *registry, struct settings *settings, struct ferry_error *error)
{
    bool needed = false;
    int r = mark_diallers(settings, &needed, error);
    if (r == 0 && registry->started)
        r = check_unchanged(registry, settings, error);
    if (r == 0 && needed)
        r = dialler_need(registry, settings, error);
    if (r == 0 && !registry->started)
        registry->groups = groups_needed(settings);
    return r;
}

int confine_enter(struct registry *registry, const struct settings *settings, bool rereads,
    struct ferry_error *error)
{
    registry->started = true;
    registry->run_as.uid = (uid_t)-1;
    if (has_user(settings)) {
        struct run_as now;
        int r = run_as_current(&now);
        bool same = r == 0 && run_as_equal(&now, &settings->run_as);
        if (r == 0)
            run_as_fini(&now);
        if (r == 0 && !same)
            r = run_as_become(&settings->run_as);
        if (r == 0)
            r = run_as_copy(&settings->run_as, &registry->run_as);
        if (r < 0)
            return error_set_errno(error, r, "[ferry] user", "start ferry as root");
        registry->confined = !same;
    }
    registry->sandboxed = settings->sandbox;
    if (!settings->sandbox)
        return 0;
    registry->confined = true;
    /* What is read again may bring any target. */
    registry->groups |= rereads ? SANDBOX_LISTEN | SANDBOX_DIAL : 0;
    return sandbox_enter(registry->groups, error);
}
