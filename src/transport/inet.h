/* inet.h - the hosts of addresses, for the mechanisms that have one. */
#ifndef FERRY_TRANSPORT_INET_H
#define FERRY_TRANSPORT_INET_H

#include "transport/transport.h"

#include <netdb.h>

/* transport.resolve of tcp, udp and icmp. */
int inet_resolve(
    const struct ferry_address *address, struct resolved *ret_resolved, struct ferry_error *error);
/* Every socket address of the address's host; free with freeaddrinfo(3). A name may block for as
 * long as name servers take. Returns 0, -ENOENT, -EHOSTUNREACH, -ENOMEM, ... */
int inet_lookup(const struct ferry_address *address, struct addrinfo **ret_addresses,
    struct ferry_error *error);

#endif
