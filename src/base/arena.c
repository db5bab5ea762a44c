/* arena.c - memory that is given back all at once. */
#include "base/arena.h"
#include "base/limits.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(max_align_t) char data[];
};

void arena_fini(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
}

static struct arena_block *block_new(struct arena *arena, size_t needed)
{
    size_t size = needed > ARENA_BLOCK_SIZE ? needed : ARENA_BLOCK_SIZE;
    struct arena_block *block = malloc(sizeof(*block) + size);

    if (!block)
        return NULL;
    block->used = 0;
    block->size = size;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

/* Texts need no alignment; what follows one is aligned again. */
static void *arena_take(struct arena *arena, size_t size, size_t alignment)
{
    struct arena_block *block = arena->blocks;
    size_t start = block ? (block->used + alignment - 1) & ~(alignment - 1) : 0;

    if (!block || start > block->size || size > block->size - start) {
        block = block_new(arena, size);
        start = 0;
    }
    if (!block)
        return NULL;
    block->used = start + size;
    return block->data + start;
}

void *arena_new(struct arena *arena, size_t size)
{
    void *memory = arena_take(arena, size, alignof(max_align_t));
    return memory ? memset(memory, 0, size) : NULL;
}

char *arena_copy(struct arena *arena, const void *data, size_t size)
{
    char *copy = arena_take(arena, size + 1, 1);

    if (copy) {
        memcpy(copy, data, size);
        copy[size] = '\0';
    }
    return copy;
}
