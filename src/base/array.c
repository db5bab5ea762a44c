/* array.c - room in arrays that grow. */
#include "base/array.h"
#include "base/large.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool array_grow(void *pointer, size_t wanted, size_t *capacity, size_t item_size)
{
    void *data;

    if (wanted <= *capacity)
        return true;
    if (wanted > SIZE_MAX / item_size)
        return false;
    memcpy(&data, pointer, sizeof(data)); /* a T ** is no void ** */
    void *grown = large_grow(data, *capacity * item_size, wanted * item_size);
    if (!grown)
        return false;
    memcpy(pointer, &grown, sizeof(grown));
    *capacity = wanted;
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
