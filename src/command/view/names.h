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
/* The same; "somebody who can't be seen" if nobody can be. */
void view_print_holders(const struct ferry_endpoint *endpoint, struct bytes *text);
/* Appends who is at the other end, as view_print_owners() does; else what is known of there:
 * "ino:4711", "gone", "2 clients", "3 waiting"; nothing if nothing is. */
void view_print_peer(const struct ferry_endpoint *endpoint, struct bytes *text);
/* Appends "root"; "1000" of a user without a name here. */
void view_print_user(uid_t uid, struct bytes *text);
/* Appends the local or remote address, as ferry_endpoint_print_local() and _remote() do. */
void view_print_local(const struct ferry_endpoint *endpoint, struct bytes *text);
void view_print_remote(const struct ferry_endpoint *endpoint, struct bytes *text);
/* How many processes hold it, each once. */
unsigned view_owner_processes(const struct ferry_endpoint *endpoint);
/* Whether it is a socket; else a pipe, FIFO, queue or memfd. */
bool view_is_socket(const struct ferry_endpoint *endpoint);

/* The value of a field of TCP_INFO; false: it was not gathered, or this kernel does not tell it.
 *   inet  NULL: false */
bool view_tcp_find(const struct ferry_inet *inet, const char *name, uint64_t *ret_value);
/* The same; 0 if it is unknown. */
uint64_t view_tcp_value(const struct ferry_inet *inet, const char *name);

/* What a TCP socket's timer is for: `timer` of struct ferry_inet. */
enum {
    VIEW_TIMER_NONE,
    VIEW_TIMER_RETRANSMISSION,
    VIEW_TIMER_KEEPALIVE,
    VIEW_TIMER_TIME_WAIT,
    VIEW_TIMER_PROBE /* asks for a window that is closed */
};
/* "retransmission", "keepalive", "time-wait", "window-probe"; "unknown"; NULL: none runs. */
const char *view_timer_name(unsigned timer);

#endif
