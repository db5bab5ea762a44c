/* array.c - room in arrays that grow. */
#include "base/array.h"
#include "base/limits.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A page at a time, a large array takes as long to come into being as to be filled. */
static void ask_large_pages(void *data, size_t size)
{
    uintptr_t start = ((uintptr_t)data + LARGE_PAGE_SIZE - 1) & ~(uintptr_t)(LARGE_PAGE_SIZE - 1);
    uintptr_t end = ((uintptr_t)data + size) & ~(uintptr_t)(LARGE_PAGE_SIZE - 1);

    if (end > start)
        (void)madvise((void *)start, end - start, MADV_HUGEPAGE); /* ENOMEM, EINVAL: as it is */
}

bool array_grow(void *pointer, size_t wanted, size_t *capacity, size_t item_size)
{
    void *data;

    if (wanted <= *capacity)
        return true;
    if (wanted > SIZE_MAX / item_size)
        return false;
    memcpy(&data, pointer, sizeof(data)); /* a T ** is no void ** */
    void *grown = reallocarray(data, wanted, item_size);
    if (!grown)
        return false;
    memcpy(pointer, &grown, sizeof(grown));
    *capacity = wanted;
    ask_large_pages(grown, wanted * item_size);
    return true;
}

bool array_reserve(void *pointer, size_t count, size_t *capacity, size_t item_size)
{
    if (count < *capacity)
        return true;
    if (*capacity > SIZE_MAX / 2)
        return false;
    return array_grow(pointer, *capacity ? *capacity * 2 : 16, capacity, item_size);
}
