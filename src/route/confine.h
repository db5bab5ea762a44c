/* confine.h - what the process may still do once its routes run, and the dialler that does for it
 * what it may not.
 *
 * In this order: the dialler is forked while the process is what it was started as; the listeners
 * are opened; then the process becomes the user that the configuration names, and enters its
 * sandbox. Both are for good, so what a configuration that is read again asks beyond them is
 * refused, with the remedy: a restart.
 */
#ifndef FERRY_ROUTE_CONFINE_H
#define FERRY_ROUTE_CONFINE_H

#include "route/registry.h"

/* Before anything else of the settings is applied: says of each route whether the dialler is
 * needed, starts it, and refuses what cannot be done any more. 0 or -errno. */
int confine_prepare(
    struct registry *registry, struct settings *settings, struct ferry_error *error);

/* Once the first settings are applied: becomes [ferry] user=, and enters the sandbox.
 *   rereads  the configuration may be read again, and open other listeners
 * Returns 0 or -errno; the process must end then. */
int confine_enter(struct registry *registry, const struct settings *settings, bool rereads,
    struct ferry_error *error);

#endif
