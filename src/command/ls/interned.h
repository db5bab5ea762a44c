/* interned.h - texts by number: each text is kept once, so that the same text is the same number.
 */
#ifndef FERRY_COMMAND_LS_INTERNED_H
#define FERRY_COMMAND_LS_INTERNED_H

#include "base/arena.h"

#include <stdint.h>

struct interned {
    struct arena arena;
    const char **texts; /* NUL-terminated, by number */
    size_t *sizes;
    size_t count, capacity, size_capacity;
    uint32_t *slots; /* number + 1, open addressing; 0: free */
    size_t slot_count;
};

#define INTERNED_NONE UINT32_MAX

/* All zeroes is none. */
void interned_fini(struct interned *interned);
/* The number of a text, from 0 in the order of their coming; INTERNED_NONE: out of memory. */
uint32_t interned_add(struct interned *interned, const void *text, size_t size);
/* INTERNED_NONE: it was never added. */
uint32_t interned_find(const struct interned *interned, const void *text, size_t size);

#endif
