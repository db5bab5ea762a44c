/* report.h - what the registry knows, as the object that `status` answers with. */
#ifndef FERRY_SERVICE_CONTROL_REPORT_H
#define FERRY_SERVICE_CONTROL_REPORT_H

#include "route/registry.h"

#include <jansson.h>

/* A new object; NULL: out of memory. Facts that are not known are absent.
 *   all_options  of a connection's sockets too what nobody asked for, which costs some twenty
 * system calls a socket */
json_t *report_make(struct registry *registry, bool all_options);

#endif
