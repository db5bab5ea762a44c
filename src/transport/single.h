/* single.h - listening on what exists once: standard input, a command, a file. */
#ifndef FERRY_TRANSPORT_SINGLE_H
#define FERRY_TRANSPORT_SINGLE_H

#include "transport/transport.h"

/* Dials the address and listens for the link that this brings. */
int single_listen(const struct ferry_address *address, const struct ferry_listen_options *options,
    struct listening *ret_listening, struct ferry_error *error);

/* A listening that brings this link, which it takes (and closes on failure). 0 or -ENOMEM. */
int single_listening(struct link *link, struct listening *ret_listening);

#endif
