/* admission.h - whom a route admits: by its rules, or by those that its place implies. */
#ifndef FERRY_ROUTE_ADMISSION_H
#define FERRY_ROUTE_ADMISSION_H

#include "base/bytes.h"
#include "route/settings.h"

#include <ferry/listener.h>

/* The policy of a route.
 *   listener    of its address; NULL: asked before it is open
 *   ret_policy  free it with ferry_policy_free()
 * Returns 0 or -errno; -ENODATA: what fd: stands for is known once it is open. */
int admission_make_policy(const struct route_settings *settings,
    const struct ferry_listener *listener, struct ferry_policy **ret_policy,
    struct ferry_error *error);

/* Appends which facts rules ask for that peers there, this kernel or our own rights do not give,
 * and whom these rules refuse therefore. Nothing is appended when all can be told.
 *   capabilities  of the listener
 *   separator     stands between two */
void admission_print_gaps(const struct ferry_policy *policy, unsigned capabilities,
    const char *separator, struct bytes *text);

#endif
