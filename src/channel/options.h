/* options.h (internal) - what was asked of a socket, remembered so that it can be told.
 *
 * Made when a listener or a dialled channel is, from its address and profile; channels share that
 * of their listener. Immutable and counted (listener and channels may live in different threads).
 * Where nothing is asked there is none, and most channels have none.
 */
#ifndef FERRY_CHANNEL_OPTIONS_H
#define FERRY_CHANNEL_OPTIONS_H

#include "transport/socket_options.h"

struct asked;

/* ret_asked: NULL when nothing is asked. Returns 0, -ENOMEM. */
int asked_new(const struct option_source *source, struct asked **ret_asked);
struct asked *asked_ref(struct asked *asked);
void asked_unref(struct asked *asked);

/* The list of ferry_channel_get_options() and its like.
 *   fd     the socket; -1 or no socket: there is none
 *   verb   whether it listens
 *   asked  may be NULL
 *   all    also what nobody asked for */
int options_read_back(int fd, enum address_verb verb, const struct asked *asked, bool all,
    struct ferry_options **ret_options);

#endif
