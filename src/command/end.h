/* end.h - who is at one end of a connection, for people. */
#ifndef FERRY_COMMAND_END_H
#define FERRY_COMMAND_END_H

#include "base/bytes.h"

#include <jansson.h>

/* Appends "pid 4711 (mysql) uid 1000 (alice)", else the end's address, else "unknown".
 *   end  what `status` reports of it; NULL: unknown */
void end_print(const json_t *end, struct bytes *text);

#endif
