/* network.h - what the machine's network must have for some tests. */
#ifndef FERRY_TESTS_NETWORK_H
#define FERRY_TESTS_NETWORK_H

#include "base/cleanup.h"
#include "suite.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

/* The case that calls this is skipped if it does not. */
static inline bool ipv6_works(void)
{
    struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    AUTO_FD int fd = socket(AF_INET6, SOCK_STREAM, 0);
    return (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0) ||
           !skipped("no IPv6 here");
}

#endif
