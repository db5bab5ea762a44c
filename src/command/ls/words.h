/* words.h - texts by number: each text is kept once, so that the same text is the same number. */
#ifndef FERRY_COMMAND_LS_WORDS_H
#define FERRY_COMMAND_LS_WORDS_H

#include "base/arena.h"

#include <stdint.h>

struct words {
    struct arena arena;
    const char **texts; /* NUL-terminated, by number */
    size_t *sizes;
    size_t count, capacity;
    uint32_t *slots; /* number + 1, open addressing; 0: free */
    size_t slot_count;
};

#define WORDS_NONE UINT32_MAX

/* All zeroes is none. */
void words_fini(struct words *words);
/* The number of a text, from 0 in the order of their coming; WORDS_NONE: out of memory. */
uint32_t words_add(struct words *words, const void *text, size_t size);
/* WORDS_NONE: it was never added. */
uint32_t words_find(const struct words *words, const void *text, size_t size);

#endif
