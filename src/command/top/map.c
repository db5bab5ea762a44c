/* map.c - numbers to places. */
#include "command/top/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void top_map_fini(struct top_map *map)
{
    free(map->slots);
    *map = (struct top_map){ 0 };
}

void top_map_clear(struct top_map *map)
{
    if (map->size)
        memset(map->slots, 0, map->size * sizeof(*map->slots));
    map->count = 0;
}

/* The slot of a key, or the free one where it belongs. Cookies count up: neighbours must not pile
 * up (the multiplier is Knuth's). */
static struct top_map_slot *slot_of(const struct top_map *map, uint64_t key)
{
    size_t at = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (map->size - 1);

    while (map->slots[at].place && map->slots[at].key != key)
        at = (at + 1) & (map->size - 1);
    return &map->slots[at];
}

static int map_grow(struct top_map *map)
{
    struct top_map grown = { .size = map->size ? map->size * 2 : 64 };

    grown.slots = calloc(grown.size, sizeof(*grown.slots));
    if (!grown.slots)
        return -ENOMEM;
    for (size_t i = 0; i < map->size; i++)
        if (map->slots[i].place)
            *slot_of(&grown, map->slots[i].key) = map->slots[i];
    grown.count = map->count;
    free(map->slots);
    *map = grown;
    return 0;
}

int top_map_put(struct top_map *map, uint64_t key, uint32_t place)
{
    if (map->count * 2 >= map->size && map_grow(map) < 0)
        return -ENOMEM;
    struct top_map_slot *slot = slot_of(map, key);
    map->count += slot->place == 0;
    *slot = (struct top_map_slot){ key, place + 1 };
    return 0;
}

uint32_t top_map_get(const struct top_map *map, uint64_t key)
{
    return map->size ? slot_of(map, key)->place - 1 : TOP_MAP_NONE;
}
