/* large.h - memory in large pages, where it is much.
 *
 * A page at a time, a large array takes longer to come into being than to be filled.
 */
#ifndef FERRY_BASE_LARGE_H
#define FERRY_BASE_LARGE_H

#include <stddef.h>

/* As malloc(3); free(3) gives it back. */
void *large_new(size_t size);
/* As realloc(3): `size_before` bytes of `memory` (NULL: none) are kept. NULL: out of memory; it is
 * as it was. */
void *large_grow(void *memory, size_t size_before, size_t size);

#endif
