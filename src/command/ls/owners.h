/* owners.h - who holds an endpoint, told apart from one look to the next. */
#ifndef FERRY_COMMAND_LS_OWNERS_H
#define FERRY_COMMAND_LS_OWNERS_H

#include <ferry/endpoints.h>

/* Whether the same processes hold it in both rows. */
bool ls_owners_same(const struct ferry_endpoint *one, const struct ferry_endpoint *other);
/* A number for the processes that hold it, as the row says; 0: nobody. */
uint64_t ls_owners_sum(const struct ferry_endpoint *endpoint);
/* The same of all whom either row names, as far as they hold it at this moment. */
uint64_t ls_owners_ask(const struct ferry_endpoint *now, const struct ferry_endpoint *before);

#endif
