/* multicast.h - udp: with many at the other end: groups that a listening joins, and groups and
 * broadcast addresses that are sent to. What inet.c asks on its way. */
#ifndef FERRY_TRANSPORT_MULTICAST_H
#define FERRY_TRANSPORT_MULTICAST_H

#include "transport/transport.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* A socket address of either family. */
union inet_place {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* Listening on `place`: whether the options of a udp: address go together and with it. 0, or
 * -errno with the thing, the reason and the remedy.
 *   place  gets its zone from interface= where it needs one */
int multicast_check_listen(
    const struct ferry_address *address, union inet_place *place, struct ferry_error *error);
/* Options of a socket that is to be bound to a place that was checked. 0 or -errno. */
int multicast_before_bind(
    int fd, const struct ferry_address *address, const union inet_place *place);
/* Joins what the address asks for; the memberships end with the socket. 0, or -errno as above. */
int multicast_join(int fd, const struct ferry_address *address, struct ferry_error *error);

/* Dialling: the same for the address that is sent to. */
int multicast_check_dial(
    const struct ferry_address *address, union inet_place *place, struct ferry_error *error);
int multicast_before_connect(
    int fd, const struct ferry_address *address, const union inet_place *place);
/* Whether whoever answers has another address than the one that is sent to: such a socket must not
 * be connected, or the kernel would refuse every answer. */
bool multicast_is_many(const struct ferry_address *address, const union inet_place *place);
/* Whether anything leads there: 0, -ENETUNREACH ... */
int multicast_probe(const struct ferry_address *address, const union inet_place *place);
/* A link that sends to `place` and receives from everybody; takes fd, and closes it on failure. */
int multicast_link(int fd, const union inet_place *place, struct link *ret_link);

#endif
