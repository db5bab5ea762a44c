/* looks.c - the first look. */
#include "command/why/looks.h"
#include "command/view/names.h"
#include "command/view/proc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool has_something(const struct ferry_endpoint *endpoint)
{
    bool queued = endpoint->state == FERRY_STATE_LISTENING
                      ? endpoint->receive_queue > 0
                      : endpoint->receive_queue || endpoint->send_queue;

    return endpoint->cookie &&
           (queued || endpoint->listener ||
               (endpoint->has_memory && endpoint->memory[FERRY_MEMORY_SEND_USED]));
}

static int compare(const void *one, const void *other)
{
    const struct look *a = one, *b = other;
    return (a->cookie > b->cookie) - (a->cookie < b->cookie);
}

int looks_note(struct looks *looks, const struct ferry_endpoints *table)
{
    size_t count = ferry_endpoints_count(table);

    looks->items = calloc(count + 1, sizeof(*looks->items));
    looks->count = 0;
    looks->overflows = proc_listen_overflows();
    if (!looks->items)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(table, i);
        if (!has_something(endpoint))
            continue;
        looks->items[looks->count++] = (struct look){ .cookie = endpoint->cookie,
            .listener = endpoint->listener ? endpoint->listener->cookie : 0,
            .receive_queue = endpoint->receive_queue,
            .send_queue = endpoint->send_queue,
            .send_used = endpoint->memory[FERRY_MEMORY_SEND_USED],
            .bytes_acked = view_tcp_value(endpoint->inet, "bytes_acked") };
    }
    qsort(looks->items, looks->count, sizeof(*looks->items), compare);
    return 0;
}

void looks_fini(struct looks *looks)
{
    free(looks->items);
    *looks = (struct looks){ 0 };
}

const struct look *looks_find(const struct looks *looks, const struct ferry_endpoint *endpoint)
{
    const struct look wanted = { .cookie = endpoint->cookie };

    if (!looks->count || !endpoint->cookie)
        return NULL;
    return bsearch(&wanted, looks->items, looks->count, sizeof(wanted), compare);
}

unsigned looks_accepted(const struct looks *looks, const struct ferry_endpoint *listener)
{
    unsigned waited = 0, still = 0;

    for (size_t i = 0; i < looks->count; i++)
        waited += looks->items[i].listener == listener->cookie;
    for (const struct ferry_endpoint *at = listener->clients; at; at = at->next) {
        const struct look *look = looks_find(looks, at);
        still += look && look->listener == listener->cookie;
    }
    return waited - still;
}
