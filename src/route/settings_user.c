/* settings_user.c - as whom a route's target is dialled: its keys user and group.
 *
 * A name is looked up when it is read, and again at every reload: then a route whose user has other
 * groups now is a changed one. The caller's groups are the kernel's, never the name service's.
 */
#include "route/settings_user.h"
#include "base/error.h"
#include "route/expect.h"

#include <errno.h>
#include <string.h>

static bool has_user(const struct route_settings *route)
{
    return route->user || route->group;
}

int settings_find_user(struct route_settings *route, struct ferry_error *error)
{
    if (!has_user(route))
        return 0;
    route->as_peer = route->user && strcmp(route->user, "peer") == 0;
    if (route->as_peer)
        return 0;
    run_as_fini(&route->run_as);
    return run_as_find(route->user, route->group, &route->run_as, error);
}

/* What the listener must know of its peers, at connect. */
static int check_peer(const struct route_settings *route, struct ferry_error *error)
{
    static const char *const elsewhere = "listen on unix:, unix-seq: or auto:, or name a user";
    const char *thing = ferry_address_text(route->listen);
    unsigned listener;
    if (!expect_capabilities(route->listen, ADDRESS_LISTEN, &listener))
        return 0; /* fd: is seen when somebody comes */
    if (!(listener & FERRY_HAS_IDENTITY))
        return error_set(error, -EOPNOTSUPP, thing, elsewhere,
            "user = peer cannot be: nobody vouches for who comes there");
    if (!(listener & FERRY_HAS_END))
        return error_set(error, -EOPNOTSUPP, thing, elsewhere,
            "user = peer cannot be: a datagram tells its sender's user, not its groups, and any "
            "process may send by the same socket");
    return 0;
}

static int check_target(const struct route_settings *route, struct ferry_error *error)
{
    if (route->service)
        return error_set(error, -EINVAL, route->to, "set user = in [ferry], for all of it",
            "ferry serves it itself, and dials nothing");
    const char *bind = ferry_address_option(route->target, "bind");
    switch (route->target->scheme) {
    case FERRY_FD:
    case FERRY_STDIO:
        return error_set(error, -EINVAL, route->to, NULL, "is open already, and not dialled");
    case FERRY_MQ:
        return error_set(error, -EOPNOTSUPP, route->to, "give the queue a mode, owner or group",
            "a queue cannot be opened by one user for another");
    default:
        if (ferry_address_option(route->target, "reply"))
            return error_set(
                error, -EOPNOTSUPP, route->to, NULL, "reply= cannot be had as another user");
        if (bind && bind[0] == '/')
            return error_set(error, -EOPNOTSUPP, route->to, "bind to @NAME",
                "the path of bind= would stay: it is made by another user");
        return 0;
    }
}

int settings_check_user(
    const struct route_settings *route, enum route_key *ret_key, struct ferry_error *error)
{
    if (!has_user(route))
        return 0;
    *ret_key = KEY_USER;
    if (route->as_peer && route->group) {
        *ret_key = KEY_GROUP;
        return error_set(error, -EINVAL, route->group, "leave it out",
            "user = peer brings the caller's own groups");
    }
    int r = check_target(route, error);
    return r < 0 || !route->as_peer ? r : check_peer(route, error);
}

bool settings_users_equal(const struct route_settings *one, const struct route_settings *other)
{
    if (has_user(one) != has_user(other) || one->as_peer != other->as_peer)
        return false;
    return !has_user(one) || one->as_peer || run_as_equal(&one->run_as, &other->run_as);
}

void settings_print_user(const struct route_settings *route, struct bytes *text)
{
    if (route->user)
        bytes_append_escaped(text, route->user, strlen(route->user));
    if (route->group) {
        bytes_append_char(text, ':');
        bytes_append_escaped(text, route->group, strlen(route->group));
    }
}
