/* options.c - what a table is asked for.
 *
 * A caller that was built against a newer header may ask for what this library lacks. It is told
 * so: a table without what was asked for looks like a machine without it.
 */
#include "endpoints/options.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>

#define GATHER_KNOWN                                                                               \
    ((unsigned)(FERRY_GATHER_OWNERS | FERRY_GATHER_PATHS | FERRY_GATHER_TCP_INFO |                 \
                FERRY_GATHER_DETAILS | FERRY_GATHER_NAMESPACES | FERRY_GATHER_IN_FLIGHT |          \
                FERRY_GATHER_MEMORY | FERRY_GATHER_IN_TURNS))

static int fail(int code, struct ferry_error *error, const char *what, unsigned bits)
{
    return error_set(error, code, "ferry_endpoints_new()",
        "use the library of the header that has them, or newer",
        "this version of libferry-endpoints knows no %s 0x%x", what, bits);
}

static int check_tail(
    const struct ferry_endpoints_options *given, size_t known, struct ferry_error *error)
{
    for (size_t i = known; i < given->struct_size; i++)
        if (((const char *)given)[i])
            return error_set(error, -E2BIG, "ferry_endpoints_new()",
                "use the library of the header that has them, or newer",
                "the options ask for what this version of libferry-endpoints lacks");
    return 0;
}

int endpoints_options_read(const struct ferry_endpoints_options *given,
    struct ferry_endpoints_options *ret_options, struct ferry_error *error)
{
    struct ferry_endpoints_options options = { 0 };
    size_t size = sizeof(options);

    if (given && given->struct_size < sizeof(given->struct_size))
        return error_set(error, -EINVAL, "ferry_endpoints_new()",
            "set it to sizeof(struct ferry_endpoints_options)",
            "the options' struct_size is not set");
    if (given && check_tail(given, size, error) < 0)
        return -E2BIG;
    if (given)
        memcpy(&options, given, given->struct_size < size ? given->struct_size : size);
    options.struct_size = size;
    if (options.kinds & ~FERRY_ENDPOINTS_ALL)
        return fail(-EINVAL, error, "kinds", options.kinds & ~FERRY_ENDPOINTS_ALL);
    if (options.gather & ~GATHER_KNOWN)
        return fail(-EINVAL, error, "FERRY_GATHER bits", options.gather & ~GATHER_KNOWN);
    if (!options.kinds)
        options.kinds = FERRY_ENDPOINTS_SOCKETS;
    if (!options.gather)
        options.gather = FERRY_GATHER_USUAL;
    *ret_options = options;
    return 0;
}
