/* large.c - memory in large pages (madvise(2)): whole ones, so that none of it is in small ones. */
#include "base/large.h"
#include "base/limits.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *large_new(size_t size)
{
    if (size < LARGE_SIZE_MIN)
        return malloc(size);
    if (size > PTRDIFF_MAX - LARGE_PAGE_SIZE)
        return NULL;
    size_t whole = (size + LARGE_PAGE_SIZE - 1) & ~(LARGE_PAGE_SIZE - 1);
    void *memory = aligned_alloc(LARGE_PAGE_SIZE, whole);
    if (memory)
        (void)madvise(memory, whole, MADV_HUGEPAGE); /* ENOMEM, EINVAL: as it is */
    return memory;
}

void *large_grow(void *memory, size_t size_before, size_t size)
{
    if (size < LARGE_SIZE_MIN)
        return realloc(memory, size);
    void *grown = large_new(size);
    if (grown && memory) {
        memcpy(grown, memory, size_before);
        free(memory);
    }
    return grown;
}
