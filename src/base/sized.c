/* sized.c - option structs that carry their size. */
#include "base/sized.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>

int options_read(
    const void *given, void *ret_options, size_t size, const char *thing, struct ferry_error *error)
{
    size_t given_size = size;

    memset(ret_options, 0, size);
    if (given)
        memcpy(&given_size, given, sizeof(given_size));
    if (given_size < sizeof(given_size))
        return error_set(error, -EINVAL, thing, "set it to the sizeof of their struct",
            "the options' struct_size is not set");
    for (size_t i = size; i < given_size; i++)
        if (((const char *)given)[i])
            return error_set(error, -E2BIG, thing,
                "use the library of the header that has them, or newer",
                "the options ask for what this version of the library lacks");
    if (given)
        memcpy(ret_options, given, given_size < size ? given_size : size);
    memcpy(ret_options, &size, sizeof(size));
    return 0;
}
