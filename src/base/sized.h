/* sized.h - option structs that carry their size, so that they can grow. */
#ifndef FERRY_BASE_SIZED_H
#define FERRY_BASE_SIZED_H

#include <ferry/error.h>

/* Reads an options struct of a caller that may have been built against another version: what its
 * struct lacks stays zero. Both begin with their size, struct_size; `given` may be NULL.
 *   thing  what *error names
 * Returns 0, -EINVAL (struct_size was not set), -E2BIG (it asks for what this library lacks). */
int options_read(const void *given, void *ret_options, size_t size, const char *thing,
    struct ferry_error *error);

#endif
