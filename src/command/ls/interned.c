/* interned.c - texts by number, in a table with open addressing that is never more than half full.
 */
#include "command/ls/interned.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/hash.h"

#include <stdbool.h>
#include <string.h>

void interned_fini(struct interned *interned)
{
    arena_fini(&interned->arena);
    free(interned->texts);
    free(interned->sizes);
    free(interned->slots);
    *interned = (struct interned){ 0 };
}

/* Where it is, or belongs. */
static size_t slot_of(const struct interned *interned, const void *text, size_t size)
{
    size_t slot = hash_fold(hash_add(HASH_EMPTY, text, size)) & (interned->slot_count - 1);

    for (; interned->slots[slot]; slot = (slot + 1) & (interned->slot_count - 1)) {
        uint32_t number = interned->slots[slot] - 1;
        if (interned->sizes[number] == size && memcmp(interned->texts[number], text, size) == 0)
            break;
    }
    return slot;
}

static bool texts_reserve(struct interned *interned)
{
    return interned->count < INTERNED_NONE / 2 &&
           array_reserve(
               &interned->texts, interned->count, &interned->capacity, sizeof(*interned->texts)) &&
           array_grow(&interned->sizes, interned->capacity, &interned->size_capacity,
               sizeof(*interned->sizes));
}

static bool slots_grow(struct interned *interned)
{
    size_t count = interned->slot_count ? interned->slot_count * 2 : 64;
    uint32_t *slots = calloc(count, sizeof(*slots));

    if (!slots)
        return false;
    free(interned->slots);
    interned->slots = slots;
    interned->slot_count = count;
    for (size_t i = 0; i < interned->count; i++)
        slots[slot_of(interned, interned->texts[i], interned->sizes[i])] = (uint32_t)i + 1;
    return true;
}

uint32_t interned_find(const struct interned *interned, const void *text, size_t size)
{
    if (!interned->slot_count)
        return INTERNED_NONE;
    uint32_t found = interned->slots[slot_of(interned, text, size)];
    return found ? found - 1 : INTERNED_NONE;
}

uint32_t interned_add(struct interned *interned, const void *text, size_t size)
{
    uint32_t found = interned_find(interned, text, size);

    if (found != INTERNED_NONE)
        return found;
    if (!texts_reserve(interned))
        return INTERNED_NONE;
    if (interned->count * 2 >= interned->slot_count && !slots_grow(interned))
        return INTERNED_NONE;
    char *copy = arena_copy(&interned->arena, text, size);
    if (!copy)
        return INTERNED_NONE;
    interned->texts[interned->count] = copy;
    interned->sizes[interned->count] = size;
    interned->slots[slot_of(interned, text, size)] = (uint32_t)interned->count + 1;
    return (uint32_t)interned->count++;
}
