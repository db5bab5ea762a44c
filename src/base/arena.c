/* arena.c - memory that is given back all at once. */
#include "base/arena.h"
#include "base/large.h"
#include "base/limits.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(max_align_t) char data[];
};

static void blocks_free(struct arena_block **blocks)
{
    while (*blocks) {
        struct arena_block *block = *blocks;
        *blocks = block->next;
        free(block);
    }
}

void arena_fini(struct arena *arena)
{
    blocks_free(&arena->blocks);
    blocks_free(&arena->spare);
}

void arena_clear(struct arena *arena)
{
    blocks_free(&arena->spare);
    arena->spare = arena->blocks;
    arena->blocks = NULL;
}

/* A spare one that is not much too large; NULL: there is none. */
static struct arena_block *spare_take(struct arena *arena, size_t size)
{
    for (struct arena_block **at = &arena->spare; *at; at = &(*at)->next) {
        struct arena_block *block = *at;
        if (block->size < size || block->size / 2 > size)
            continue;
        *at = block->next;
        return block;
    }
    return NULL;
}

static struct arena_block *block_new(struct arena *arena, size_t needed)
{
    size_t size = needed > ARENA_BLOCK_SIZE ? needed : ARENA_BLOCK_SIZE;
    struct arena_block *block = spare_take(arena, size);

    if (!block) {
        block = large_new(sizeof(*block) + size);
        if (!block)
            return NULL;
        block->size = size;
    }
    block->used = 0;
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
