/* listeners.c - connections of each listening address. */
#include "command/top/listeners.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/host.h"
#include "command/top/past.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void top_listeners_fini(struct top_listeners *listeners)
{
    free(listeners->items);
    free(listeners->before);
    top_map_fini(&listeners->addresses);
    top_map_fini(&listeners->cookies);
    top_map_fini(&listeners->cookies_before);
}

void top_listeners_begin(struct top_listeners *listeners)
{
    struct top_listener *items = listeners->before;
    struct top_map cookies = listeners->cookies_before;
    size_t capacity = listeners->before_capacity;

    listeners->before = listeners->items;
    listeners->before_count = listeners->count;
    listeners->before_capacity = listeners->capacity;
    listeners->cookies_before = listeners->cookies;
    listeners->items = items;
    listeners->count = 0;
    listeners->capacity = capacity;
    listeners->cookies = cookies;
    top_map_clear(&listeners->cookies);
    top_map_clear(&listeners->addresses);
}

/* --- addresses -------------------------------------------------------------------------------- */

/* Names count without their network: an accepted socket is in its client's. The family counts: what
 * a dual-stack listener accepts is IPv6 too. */
static uint64_t hash_address(const struct ferry_endpoint *endpoint, bool any)
{
    static const unsigned char zeroes[16];
    const struct ferry_inet *inet = endpoint->inet;
    uint64_t value = hash_add(HASH_EMPTY, &endpoint->kind, 1);

    value = hash_add(value, &endpoint->family, 1);

    if (!inet)
        return hash_add(value, endpoint->name, endpoint->name_size);
    uint64_t network = endpoint->network ? endpoint->network->inode : 0;
    value = hash_add(value, &network, sizeof(network));
    value = hash_add(value, &inet->local_port, sizeof(inet->local_port));
    return hash_add(
        value, any ? zeroes : inet->local, endpoint->family == AF_INET6 && !any ? 16 : 4);
}

static bool is_any(const struct ferry_endpoint *endpoint)
{
    return endpoint->inet && host_is_any(endpoint->inet->local, endpoint->family);
}

static bool same_address(const struct ferry_endpoint *a, const struct ferry_endpoint *b)
{
    if (a->kind != b->kind || a->family != b->family)
        return false;
    if (a->inet && b->inet)
        return a->inet->local_port == b->inet->local_port && a->network == b->network;
    return a->name && b->name && a->name_size == b->name_size &&
           memcmp(a->name, b->name, a->name_size) == 0;
}

int top_listeners_add(struct top_listeners *listeners, const struct ferry_endpoint *endpoint)
{
    if (!array_reserve(
            &listeners->items, listeners->count, &listeners->capacity, sizeof(*listeners->items)))
        return -ENOMEM;
    uint32_t place = (uint32_t)listeners->count++;
    uint64_t address = hash_address(endpoint, is_any(endpoint));
    uint32_t other = top_map_get(&listeners->addresses, address);
    listeners->items[place] = (struct top_listener){ .endpoint = endpoint,
        .cookie = endpoint->cookie,
        .shared = other != TOP_MAP_NONE,
        .made_rate = TOP_UNKNOWN,
        .closed_rate = TOP_UNKNOWN };
    if (other != TOP_MAP_NONE)
        listeners->items[other].shared = true;
    else if (top_map_put(&listeners->addresses, address, place) < 0)
        return -ENOMEM;
    return top_map_put(&listeners->cookies, endpoint->cookie, place);
}

static struct top_listener *find_address(
    const struct top_listeners *listeners, const struct ferry_endpoint *endpoint, bool any)
{
    uint32_t place = top_map_get(&listeners->addresses, hash_address(endpoint, any));
    struct top_listener *found = place == TOP_MAP_NONE ? NULL : &listeners->items[place];

    return found && same_address(found->endpoint, endpoint) ? found : NULL;
}

struct top_listener *top_listeners_of(
    const struct top_listeners *listeners, const struct ferry_endpoint *endpoint)
{
    if (!listeners->count || (!endpoint->name && !endpoint->inet))
        return NULL;
    struct top_listener *found = find_address(listeners, endpoint, false);
    return !found && endpoint->inet ? find_address(listeners, endpoint, true) : found;
}

/* --- coming and going ------------------------------------------------------------------------- */

void top_listener_count(
    struct top_listener *listener, const struct ferry_endpoint *endpoint, int64_t time_ns)
{
    listener->count++;
    listener->made += endpoint->seen_ns == time_ns;
}

void top_listeners_end(struct top_listeners *listeners, int64_t time_ns)
{
    int64_t elapsed_ns = time_ns - listeners->time_ns;
    double seconds = (double)elapsed_ns / (double)NS_PER_S;

    for (size_t i = 0; i < listeners->count && listeners->time_ns && elapsed_ns > 0; i++) {
        struct top_listener *item = &listeners->items[i];
        uint32_t place = top_map_get(&listeners->cookies_before, item->cookie);
        if (item->shared || place == TOP_MAP_NONE || listeners->before[place].shared)
            continue;
        unsigned sum = listeners->before[place].count + item->made;
        if (sum < item->count)
            continue;
        item->made_rate = item->made / seconds;
        item->closed_rate = (sum - item->count) / seconds;
    }
    listeners->time_ns = time_ns;
}

const struct top_listener *top_listeners_find(
    const struct top_listeners *listeners, const struct ferry_endpoint *endpoint)
{
    uint32_t place = top_map_get(&listeners->cookies, endpoint->cookie);
    return place == TOP_MAP_NONE ? NULL : &listeners->items[place];
}
