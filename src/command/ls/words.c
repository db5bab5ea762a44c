/* words.c - texts by number, in a table with open addressing that is never more than half full. */
#include "command/ls/words.h"
#include "base/cleanup.h"

#include <stdbool.h>
#include <string.h>

void words_fini(struct words *words)
{
    arena_fini(&words->arena);
    free(words->texts);
    free(words->sizes);
    free(words->slots);
    *words = (struct words){ 0 };
}

static uint64_t hash_of(const void *text, size_t size)
{
    const unsigned char *bytes = text;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

/* Where it is, or belongs. */
static size_t slot_of(const struct words *words, const void *text, size_t size)
{
    size_t slot = hash_of(text, size) & (words->slot_count - 1);

    for (; words->slots[slot]; slot = (slot + 1) & (words->slot_count - 1)) {
        uint32_t number = words->slots[slot] - 1;
        if (words->sizes[number] == size && memcmp(words->texts[number], text, size) == 0)
            break;
    }
    return slot;
}

static bool texts_grow(struct words *words)
{
    size_t capacity = words->capacity ? words->capacity * 2 : 32;
    const char **texts = reallocarray(words->texts, capacity, sizeof(*texts));

    if (texts)
        words->texts = texts;
    size_t *sizes = texts ? reallocarray(words->sizes, capacity, sizeof(*sizes)) : NULL;
    if (!sizes)
        return false;
    words->sizes = sizes;
    words->capacity = capacity;
    return capacity < WORDS_NONE / 2;
}

static bool slots_grow(struct words *words)
{
    size_t count = words->slot_count ? words->slot_count * 2 : 64;
    uint32_t *slots = calloc(count, sizeof(*slots));

    if (!slots)
        return false;
    free(words->slots);
    words->slots = slots;
    words->slot_count = count;
    for (size_t i = 0; i < words->count; i++)
        slots[slot_of(words, words->texts[i], words->sizes[i])] = (uint32_t)i + 1;
    return true;
}

uint32_t words_find(const struct words *words, const void *text, size_t size)
{
    if (!words->slot_count)
        return WORDS_NONE;
    uint32_t found = words->slots[slot_of(words, text, size)];
    return found ? found - 1 : WORDS_NONE;
}

uint32_t words_add(struct words *words, const void *text, size_t size)
{
    uint32_t found = words_find(words, text, size);

    if (found != WORDS_NONE)
        return found;
    if (words->count == words->capacity && !texts_grow(words))
        return WORDS_NONE;
    if (words->count * 2 >= words->slot_count && !slots_grow(words))
        return WORDS_NONE;
    char *copy = arena_copy(&words->arena, text, size);
    if (!copy)
        return WORDS_NONE;
    words->texts[words->count] = copy;
    words->sizes[words->count] = size;
    words->slots[slot_of(words, text, size)] = (uint32_t)words->count + 1;
    return (uint32_t)words->count++;
}
