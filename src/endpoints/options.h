/* options.h - what a table is asked for, read from a caller of any version. */
#ifndef FERRY_ENDPOINTS_OPTIONS_H
#define FERRY_ENDPOINTS_OPTIONS_H

#include <ferry/endpoints.h>

/* Reads it, with what 0 means written out.
 *   given  NULL: nothing was asked
 * Returns 0, -EINVAL, -E2BIG, as ferry_endpoints_new() says, with *error. */
int endpoints_options_read(const struct ferry_endpoints_options *given,
    struct ferry_endpoints_options *ret_options, struct ferry_error *error);

#endif
