/* array.c - room in arrays that grow. */
#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool array_reserve(void *pointer, size_t count, size_t *capacity, size_t item_size)
{
    void *data;

    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    if (*capacity > SIZE_MAX / 2 / item_size)
        return false;
    memcpy(&data, pointer, sizeof(data)); /* a T ** is no void ** */
    void *grown = reallocarray(data, wanted, item_size);
    if (!grown)
        return false;
    memcpy(pointer, &grown, sizeof(grown));
    *capacity = wanted;
    return true;
}
