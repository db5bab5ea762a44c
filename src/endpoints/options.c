/* options.c - what a table is asked for.
 *
 * A caller that was built against a newer header may ask for what this library lacks. It is told
 * so: a table without what was asked for looks like a machine without it.
 */
#include "endpoints/options.h"
#include "base/error.h"
#include "base/sized.h"

#include <errno.h>

#define GATHER_KNOWN                                                                               \
    ((unsigned)(FERRY_GATHER_OWNERS | FERRY_GATHER_PATHS | FERRY_GATHER_TCP_INFO |                 \
                FERRY_GATHER_DETAILS | FERRY_GATHER_NAMESPACES | FERRY_GATHER_IN_FLIGHT |          \
                FERRY_GATHER_MEMORY | FERRY_GATHER_IN_TURNS | FERRY_GATHER_USERS))

static const char thing[] = "ferry_endpoints_new()"; /* what errors name */

static int fail(struct ferry_error *error, const char *what, unsigned bits)
{
    return error_set(error, -EINVAL, thing, "use the library of the header that has them, or newer",
        "this version of libferry-endpoints knows no %s 0x%x", what, bits);
}

int endpoints_options_read(const struct ferry_endpoints_options *given,
    struct ferry_endpoints_options *ret_options, struct ferry_error *error)
{
    struct ferry_endpoints_options options;
    int code = options_read(given, &options, sizeof(options), thing, error);

    if (code < 0)
        return code;
    if (options.kinds & ~FERRY_ENDPOINTS_ALL)
        return fail(error, "kinds", options.kinds & ~FERRY_ENDPOINTS_ALL);
    if (options.gather & ~GATHER_KNOWN)
        return fail(error, "FERRY_GATHER bits", options.gather & ~GATHER_KNOWN);
    if (!options.kinds)
        options.kinds = FERRY_ENDPOINTS_SOCKETS;
    if (!options.gather)
        options.gather = FERRY_GATHER_USUAL;
    *ret_options = options;
    return 0;
}
