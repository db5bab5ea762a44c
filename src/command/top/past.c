/* past.c - rates of TCP sockets, from the kernel's counters. */
#include "command/top/past.h"
#include "base/array.h"
#include "base/clock.h"

#include <errno.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>

static void look_fini(struct top_past_look *look)
{
    free(look->items);
    top_map_fini(&look->map);
    *look = (struct top_past_look){ 0 };
}

void top_past_fini(struct top_past *past)
{
    look_fini(&past->now);
    look_fini(&past->before);
}

static struct top_past_item *look_find(const struct top_past_look *look, uint64_t cookie)
{
    uint32_t place = top_map_get(&look->map, cookie);
    return place == TOP_MAP_NONE ? NULL : &look->items[place];
}

static struct top_past_item *look_add(struct top_past_look *look, uint64_t cookie)
{
    if (!array_reserve(&look->items, look->count, &look->capacity, sizeof(*look->items)))
        return NULL;
    if (top_map_put(&look->map, cookie, (uint32_t)look->count) < 0)
        return NULL;
    return &look->items[look->count++];
}

/* The counters came with Linux 4.1; time-wait sockets and requests have none. */
static bool read_counters(const struct ferry_inet *inet, struct top_past_item *item)
{
    struct tcp_info info;
    size_t size = offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received);

    if (!inet->tcp_info || inet->tcp_info_size < size)
        return false;
    memcpy(&info, inet->tcp_info, size);
    item->received = info.tcpi_bytes_received;
    item->acked = info.tcpi_bytes_acked;
    return true;
}

static void set_rates(
    struct top_past_item *item, const struct top_past_item *old, int64_t elapsed_ns)
{
    item->in = item->out = TOP_UNKNOWN;
    if (!old || !item->counted || !old->counted || elapsed_ns <= 0 ||
        item->received < old->received || item->acked < old->acked)
        return;
    double seconds = (double)elapsed_ns / (double)NS_PER_S;
    item->in = (double)(item->received - old->received) / seconds;
    item->out = (double)(item->acked - old->acked) / seconds;
}

static int past_add(
    struct top_past *past, const struct ferry_endpoint *endpoint, int64_t time_ns, int64_t last_ns)
{
    struct top_past_item *item = look_add(&past->now, endpoint->cookie);
    const struct top_past_item *old = look_find(&past->before, endpoint->cookie);
    const struct ferry_inet *inet = endpoint->inet;

    if (!item)
        return -ENOMEM;
    *item = (struct top_past_item){ .cookie = endpoint->cookie,
        .ports = (uint32_t)inet->local_port << 16 | inet->remote_port };
    item->counted = endpoint->state != FERRY_STATE_LISTENING && read_counters(inet, item);
    if (old && old->ports != item->ports)
        old = NULL;
    item->seen_ns = old ? old->seen_ns : time_ns;
    set_rates(item, old, time_ns - last_ns);
    return 0;
}

static bool is_counted(const struct ferry_endpoint *endpoint)
{
    return endpoint->kind == FERRY_ENDPOINT_TCP && endpoint->inet && endpoint->cookie;
}

int top_past_look(struct top_past *past, const struct ferry_endpoints *table)
{
    struct top_past_look kept = past->before;
    int64_t last_ns = past->time_ns;
    size_t count = ferry_endpoints_count(table);

    past->before = past->now;
    past->now = kept;
    past->now.count = 0;
    top_map_clear(&past->now.map);
    past->time_ns = ferry_endpoints_time_ns(table);
    for (size_t i = 0; i < count; i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(table, i);
        if (is_counted(endpoint) && past_add(past, endpoint, past->time_ns, last_ns) < 0)
            return -ENOMEM;
    }
    return 0;
}

const struct top_past_item *top_past_find(
    const struct top_past *past, const struct ferry_endpoint *endpoint)
{
    return is_counted(endpoint) ? look_find(&past->now, endpoint->cookie) : NULL;
}
