/* names.h - endpoints and their owners in words, the same in every verb. */
#ifndef FERRY_COMMAND_VIEW_NAMES_H
#define FERRY_COMMAND_VIEW_NAMES_H

#include "base/bytes.h"

#include <ferry/endpoints.h>

/* Appends "nginx[1234]"; control characters escaped. */
void view_print_process(const struct ferry_process *process, struct bytes *text);
/* Appends who holds an endpoint: "nginx[1234]", "nginx[1234] +3" when three more processes do;
 * "waiting for nginx[1234]" of one in a backlog that nobody has accepted; nothing if nobody can be
 * seen. */
void view_print_owners(const struct ferry_endpoint *endpoint, struct bytes *text);
/* Appends "root"; "1000" of a user without a name here. */
void view_print_user(uid_t uid, struct bytes *text);
/* Appends the local or remote address, as ferry_endpoint_print_local() and _remote() do. */
void view_print_local(const struct ferry_endpoint *endpoint, struct bytes *text);
void view_print_remote(const struct ferry_endpoint *endpoint, struct bytes *text);
/* How many processes hold it, each once. */
unsigned view_owner_processes(const struct ferry_endpoint *endpoint);

#endif
