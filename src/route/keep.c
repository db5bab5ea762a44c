/* keep.c - what outlives this process in the service manager's store. */
#include "route/keep.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "route/connection.h"
#include "route/limits.h"
#include "route/route.h"
#include "wire/address.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LISTEN_PREFIX KEEP_PREFIX "listen-"
#define PAIR_PREFIX   KEEP_PREFIX "pair-"

size_t keep_count(const struct activation *activation)
{
    size_t count = 0;
    for (size_t i = 0; i < activation->count; i++)
        count += strncmp(activation->entries[i].name, KEEP_PREFIX, strlen(KEEP_PREFIX)) == 0;
    return count;
}

/* --- names ------------------------------------------------------------------------------------ */

/* What it tells apart is our own configuration, nobody gains by a collision. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_add(hash, text, strlen(text));
}

static uint64_t listen_hash(const struct route_settings *settings)
{
    return hash_text(HASH_EMPTY, ferry_address_text(settings->listen));
}

/* What was dialled as one user goes on as no other's. */
static uint64_t pair_hash(const struct route_settings *settings)
{
    uint64_t hash = hash_text(listen_hash(settings), "\n");
    hash = hash_text(hash, settings->target ? ferry_address_text(settings->target) : "");
    if (settings->user)
        hash = hash_text(hash_text(hash, "\nuser "), settings->user);
    if (settings->group)
        hash = hash_text(hash_text(hash, "\ngroup "), settings->group);
    return hash;
}

/* No colon, nothing but printable ASCII: sd_pid_notify_with_fds(3). */
static void listen_name(const struct route_settings *settings, char *name, size_t size)
{
    int length = snprintf(name, size, LISTEN_PREFIX "%016" PRIx64 "-%.*s", listen_hash(settings),
        KEEP_TEXT_MAX, ferry_address_text(settings->listen));
    for (int i = 0; i < length && (size_t)i < size - 1; i++)
        if (!isascii(name[i]) || !isgraph((unsigned char)name[i]) || name[i] == ':')
            name[i] = '_';
}

/* The 16 digits behind a prefix. */
static bool hash_read(const char *name, const char *prefix, uint64_t *ret_hash)
{
    size_t length = strlen(prefix), digits;
    if (strncmp(name, prefix, length) != 0)
        return false;
    digits = strspn(name + length, "0123456789abcdef");
    if (digits != 16 || name[length + digits] != '-')
        return false;
    *ret_hash = strtoull(name + length, NULL, 16);
    return true;
}

/* --- listeners -------------------------------------------------------------------------------- */

static bool can_keep_listener(const struct route *route)
{
    enum ferry_scheme scheme = ferry_address_scheme(route->settings->listen);
    bool socket = scheme == FERRY_UNIX || scheme == FERRY_AUTO || scheme == FERRY_UNIX_DGRAM ||
                  scheme == FERRY_UNIX_SEQ || scheme == FERRY_TCP || scheme == FERRY_UDP;
    return route->registry->store && socket;
}

bool keep_resume_listener(struct route *route, const struct ferry_listen_options *options)
{
    struct store *store = route->registry->store;
    struct ferry_error error;
    char name[KEEP_NAME_SIZE], reason[sizeof(error) + 64];

    if (!can_keep_listener(route))
        return false;
    listen_name(route->settings, name, sizeof(name));
    int fd = activation_claim(store->activation, name);
    if (fd < 0)
        return false;
    if (ferry_listener_resume(fd, route->settings->listen, options, &route->listener, &error) < 0) {
        snprintf(reason, sizeof(reason), "opened anew: %s", error.reason);
        route_trouble(route, reason);
        store_remove(store, name);
        store_settle(store);
        return false;
    }
    route->kept = true;
    return true;
}

void keep_listener(struct route *route)
{
    char name[KEEP_NAME_SIZE], reason[96];
    if (!can_keep_listener(route))
        return;
    listen_name(route->settings, name, sizeof(name));
    int r = store_put(route->registry->store, name, ferry_listener_socket(route->listener));
    route->kept = r == 0;
    if (r == 0)
        return;
    snprintf(reason, sizeof(reason),
        "a restart will close it: the service manager can't keep it: %s", strerrordesc_np(-r));
    route_trouble(route, reason);
}

void keep_close_listener(struct route *route)
{
    struct store *store = route->registry->store;
    char name[KEEP_NAME_SIZE];

    route->kept = false;
    if (route->registry->leaves_listeners) {
        ferry_listener_leave(TAKE(route->listener));
        return;
    }
    ferry_listener_close(TAKE(route->listener));
    listen_name(route->settings, name, sizeof(name));
    store_remove(store, name);
    store_settle(store);
}

/* The address of a bound path socket as ferry writes it; false: it has no path that is seen whole.
 */
static bool path_address(int fd, struct bytes *text)
{
    struct sockaddr_un name = { 0 };
    socklen_t size = sizeof(name) - 1, type_size = sizeof(int);
    int type = 0;

    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0 || name.sun_family != AF_UNIX ||
        name.sun_path[0] != '/' || strncmp(name.sun_path, "/proc/", 6) == 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) < 0)
        return false;
    bytes_print(text, "%s:",
        type == SOCK_DGRAM       ? "unix-dgram"
        : type == SOCK_SEQPACKET ? "unix-seq"
                                 : "unix");
    address_print_escaped(text, name.sun_path, strlen(name.sun_path));
    return !bytes_failed(text);
}

/* Closes a listener that nobody asks for, and removes its path if it still is its own. */
static void listener_discard(int fd)
{
    AUTO_FD int owned = fd;
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct ferry_address *address;
    struct ferry_listener *listener;

    if (!path_address(fd, &text) || ferry_address_parse(text.data, NULL, &address, NULL) < 0)
        return;
    if (ferry_listener_resume(fd_take(&owned), address, NULL, &listener, NULL) == 0)
        ferry_listener_close(listener);
    ferry_address_free(address);
}

static bool is_wanted(const struct settings *settings, const char *name)
{
    uint64_t hash;
    if (!hash_read(name, LISTEN_PREFIX, &hash))
        return false;
    for (size_t i = 0; i < settings->route_count; i++)
        if (listen_hash(settings->routes[i]) == hash)
            return true;
    return false;
}

void keep_sweep(struct registry *registry, const struct settings *settings)
{
    struct store *store = registry->store;
    bool removed = false;

    for (size_t i = 0; i < store->activation->count; i++) {
        struct activation_entry *entry = &store->activation->entries[i];
        bool listener = strncmp(entry->name, LISTEN_PREFIX, strlen(LISTEN_PREFIX)) == 0;
        if (!listener || is_wanted(settings, entry->name))
            continue;
        listener_discard(fd_take(&entry->fd));
        store_remove(store, entry->name);
        removed = true;
    }
    if (removed)
        store_settle(store);
}

/* --- connections ------------------------------------------------------------------------------ */

int keep_pair(const struct route *route, int peer, int target)
{
    struct registry *registry = route->registry;
    struct store *store = registry->store;
    char names[2][KEEP_NAME_SIZE];
    int r;

    registry->kept_count++;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        snprintf(names[i], sizeof(names[i]),
            PAIR_PREFIX "%016" PRIx64 "-%" PRIx64 ".%" PRIx64 "-%s", pair_hash(route->settings),
            (uint64_t)registry->started_ns, registry->kept_count, i == 0 ? "peer" : "target");
    r = store_put(store, names[0], peer);
    if (r < 0)
        return r;
    r = store_put(store, names[1], target);
    if (r < 0)
        store_remove(store, names[0]);
    return r;
}

bool keep_connections(struct registry *registry)
{
    struct list *node, *after, *inner, *next;
    bool later = false;

    list_each_safe (node, after, &registry->leaving) {
        struct route *route = LIST_ENTRY(node, struct route, node);
        if (!route->keeps)
            continue;
        list_each_safe (inner, next, &route->connections)
            later |= connection_keep(LIST_ENTRY(inner, struct connection, node)) == -EAGAIN;
        route_release(route);
    }
    return later;
}

static struct route *route_of_pair(const struct registry *registry, uint64_t hash)
{
    const struct list *node;
    list_each (node, &registry->routes) {
        struct route *route = LIST_ENTRY(node, struct route, node);
        if (route->settings->target && pair_hash(route->settings) == hash)
            return route;
    }
    return NULL;
}

/* Takes both descriptors. False: this is no connection of that route. */
static bool pair_start(struct route *route, int peer, int target)
{
    AUTO_FD int upstream_fd = target;
    const struct route_settings *settings = route->settings;
    struct ferry_dial_options options = { .struct_size = sizeof(options),
        .refuse_descriptors = route->refuse_descriptors,
        .profile = settings->profile,
        .accepted = true };
    struct ferry_channel *channel, *upstream;

    if (ferry_channel_resume(peer, settings->listen, &options, &channel, NULL) < 0)
        return false;
    options.refuse_descriptors = !(ferry_channel_capabilities(channel) & FERRY_HAS_DESCRIPTORS);
    options.accepted = false;
    if (ferry_channel_resume(fd_take(&upstream_fd), settings->target, &options, &upstream, NULL) <
        0) {
        ferry_channel_close(channel);
        return false;
    }
    connection_resume(route, channel, upstream);
    return true;
}

/* Both ends of one connection have the same name up to the last word. */
static bool is_pair(const struct activation_entry *one, const struct activation_entry *other)
{
    const char *end = strrchr(one->name, '-'), *other_end = strrchr(other->name, '-');
    return end && other_end && end - one->name == other_end - other->name &&
           strncmp(one->name, other->name, (size_t)(end - one->name)) == 0 &&
           strcmp(end, "-peer") == 0 && strcmp(other_end, "-target") == 0;
}

static int entry_compare(const void *one, const void *other)
{
    const struct activation_entry *first = one, *second = other;
    int order = strcmp(first->name, second->name);
    return order ? order : first->fd - second->fd;
}

static void report_lost(struct registry *registry, size_t count)
{
    char reason[128];
    snprintf(reason, sizeof(reason),
        "%zu kept descriptor%s closed: the other end is gone, or the route has changed", count,
        count == 1 ? " was" : "s were");
    event_emit(registry->events, &(struct event){ .kind = EVENT_TROUBLE, .reason = reason });
}

/* Sorted, the two ends of a connection stand side by side; the manager gives them in any order, and
 * one alone when it let go of the other. In the store they must not stay: a socket that is held
 * there never ends for its peer. */
void keep_resume(struct registry *registry)
{
    struct activation *activation = registry->store->activation;
    struct activation_entry *entries = activation->entries;
    size_t count = activation->count, lost = 0, used;

    if (count)
        qsort(entries, count, sizeof(*entries), entry_compare);
    for (size_t i = 0; i < count; i += used) {
        uint64_t hash;
        used = 1;
        if (strncmp(entries[i].name, PAIR_PREFIX, strlen(PAIR_PREFIX)) != 0)
            continue;
        struct route *route =
            hash_read(entries[i].name, PAIR_PREFIX, &hash) ? route_of_pair(registry, hash) : NULL;
        used = i + 1 < count && is_pair(&entries[i], &entries[i + 1]) ? 2 : 1;
        bool goes_on = route && used == 2 &&
                       pair_start(route, fd_take(&entries[i].fd), fd_take(&entries[i + 1].fd));
        lost += goes_on ? 0 : used;
        for (size_t j = i; j < i + used; j++) {
            fd_close(&entries[j].fd);
            store_remove(registry->store, entries[j].name);
        }
    }
    if (lost)
        report_lost(registry, lost);
}
