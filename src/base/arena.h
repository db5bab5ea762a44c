/* arena.h - memory that is asked for in small pieces and given back all at once.
 *
 * For what lives as long as a snapshot: no piece is freed alone, and none moves.
 */
#ifndef FERRY_BASE_ARENA_H
#define FERRY_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* the one in use first */
    struct arena_block *spare;  /* from before it was cleared */
};

/* All zeroes is an empty arena. Gives everything back, and is empty then. */
void arena_fini(struct arena *arena);
/* The same for an arena that will be filled again with about as much: its memory is kept for that,
 * but for what was not needed since it was last cleared. */
void arena_clear(struct arena *arena);
/* `size` bytes, zeroed, aligned for any object; NULL: out of memory. */
void *arena_new(struct arena *arena, size_t size);
/* A copy of size bytes with a NUL behind; NULL: out of memory. */
char *arena_copy(struct arena *arena, const void *data, size_t size);

#endif
