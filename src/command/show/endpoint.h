/* endpoint.h - one endpoint in full, for people. */
#ifndef FERRY_COMMAND_SHOW_ENDPOINT_H
#define FERRY_COMMAND_SHOW_ENDPOINT_H

#include "base/bytes.h"

#include <ferry/endpoints.h>

/* Appends it: a heading, and what is known, a label a line.
 *   role  "" or "peer: ", before the heading */
void endpoint_print(const struct ferry_endpoints *table, const struct ferry_endpoint *endpoint,
    const char *role, struct bytes *text);
/* Appends "u_str ESTAB /run/app.sock -> @client". */
void endpoint_print_heading(const struct ferry_endpoint *endpoint, struct bytes *text);

#endif
