/* map.h - numbers to places in an array: what a look remembers of the one before.
 *
 * Open addressing, at most half full; nothing is removed but by clearing all, since every look
 * makes its maps anew.
 */
#ifndef FERRY_COMMAND_TOP_MAP_H
#define FERRY_COMMAND_TOP_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct top_map_slot {
    uint64_t key;
    uint32_t place; /* + 1; 0: free */
};

struct top_map {
    struct top_map_slot *slots;
    size_t size, count; /* size: a power of two, or 0 */
};

#define TOP_MAP_NONE UINT32_MAX

void top_map_fini(struct top_map *map);
/* Forgets all, keeps the memory. */
void top_map_clear(struct top_map *map);
/* A key that is there already gets the new place. Returns 0, -ENOMEM. */
int top_map_put(struct top_map *map, uint64_t key, uint32_t place);
/* TOP_MAP_NONE: it is not there. */
uint32_t top_map_get(const struct top_map *map, uint64_t key);

#endif
