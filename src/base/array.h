/* array.h - room in arrays that grow. */
#ifndef FERRY_BASE_ARRAY_H
#define FERRY_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* Makes room for one more; the capacity doubles, so that many cost little.
 *   pointer   of the array: a T **; it may move
 *   count     items in it
 *   capacity  items for which there is room
 * False: out of memory; the array is as it was. */
bool array_reserve(void *pointer, size_t count, size_t *capacity, size_t item_size);
/* Makes room for `wanted` in all, where that is known before. False: as above. */
bool array_grow(void *pointer, size_t wanted, size_t *capacity, size_t item_size);

#endif
