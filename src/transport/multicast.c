/* multicast.c - udp: with many at the other end.
 *
 * Listening on a group binds to the group's own address, so that nothing else comes in, and joins
 * it. By default the kernel gives such a socket whatever *any* socket of the machine has joined;
 * that is switched off (IP_MULTICAST_ALL, IPV6_MULTICAST_ALL), or source= and interface= would hold
 * only as long as nobody else joins. Memberships are the socket's: they end when it is closed.
 *
 * Whoever is reached through a group or a broadcast address answers from an address of his own. A
 * connected socket takes datagrams from the address that it is connected to and from no other, so
 * what is dialled here stays unconnected: it sends to the one, and hears all.
 */
#include "transport/multicast.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "transport/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

/* <linux/in6.h> has it, but can't be had together with <netinet/in.h>. */
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif
#ifndef IPV6_UNICAST_IF
#define IPV6_UNICAST_IF 76
#endif

/* --- places ----------------------------------------------------------------------------------- */

static int set_number(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static socklen_t place_size(const union inet_place *place)
{
    return place->any.sa_family == AF_INET6 ? sizeof(place->in6) : sizeof(place->in);
}

static bool place_is_group(const union inet_place *place)
{
    return place->any.sa_family == AF_INET6 ? IN6_IS_ADDR_MULTICAST(&place->in6.sin6_addr)
                                            : IN_MULTICAST(ntohl(place->in.sin_addr.s_addr));
}

static bool place_is_any(const union inet_place *place)
{
    return place->any.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&place->in6.sin6_addr)
                                            : place->in.sin_addr.s_addr == INADDR_ANY;
}

/* ff01: and ff02: mean another group on each interface. */
static bool place_needs_zone(const union inet_place *place)
{
    return place->any.sa_family == AF_INET6 && place->in6.sin6_scope_id == 0 &&
           (IN6_IS_ADDR_MC_LINKLOCAL(&place->in6.sin6_addr) ||
               IN6_IS_ADDR_MC_NODELOCAL(&place->in6.sin6_addr));
}

static void place_of_host(const char *host, union inet_place *ret_place)
{
    *ret_place = (union inet_place){ .any.sa_family = strchr(host, ':') ? AF_INET6 : AF_INET };
    inet_pton(ret_place->any.sa_family, host,
        ret_place->any.sa_family == AF_INET6 ? (void *)&ret_place->in6.sin6_addr
                                             : (void *)&ret_place->in.sin_addr);
}

/* The number of interface=, else the zone of a place, else 0. */
static unsigned interface_index(const struct ferry_address *address, const union inet_place *place)
{
    const char *name = ferry_address_option(address, "interface");

    if (name)
        return if_nametoindex(name);
    return place && place->any.sa_family == AF_INET6 ? place->in6.sin6_scope_id : 0;
}

/* That interface= exists, and that a group which has none gets it. */
static int check_interface(
    const struct ferry_address *address, union inet_place *place, struct ferry_error *error)
{
    const char *name = ferry_address_option(address, "interface");
    const char *thing = ferry_address_text(address);
    unsigned index = name ? if_nametoindex(name) : 0;

    if (name && index == 0)
        return error_set(error, -ENODEV, thing, "choose one that ip link shows",
            "there is no network interface %s", name);
    if (name && place->any.sa_family == AF_INET6 && place->in6.sin6_scope_id != 0 &&
        place->in6.sin6_scope_id != index)
        return error_set(error, -EINVAL, thing, "leave one of them out",
            "the zone of the host and interface=%s are not the same", name);
    if (place_needs_zone(place)) {
        if (!name)
            return error_set(error, -ENODEV, thing,
                "name the interface: add ,interface=NAME (ip link shows them)",
                "a group of this scope is another one on each interface");
        place->in6.sin6_scope_id = index;
    }
    return 0;
}

/* --- listening -------------------------------------------------------------------------------- */

/* A source for every group must be of its family: a group without one would be heard from all. */
static int check_sources(
    const struct ferry_address *address, const char *group, struct ferry_error *error)
{
    const char *cursor = ferry_address_option(address, "source");
    char source[ADDRESS_HOST_SIZE];
    bool ipv6 = strchr(group, ':');

    while (cursor && address_next_host(&cursor, source))
        if ((strchr(source, ':') != NULL) != ipv6)
            return error_set(error, -EINVAL, ferry_address_text(address),
                "listen for IPv4 and for IPv6 with an address each",
                "the source %s and the group %s are of different families", source, group);
    return 0;
}

static int check_join(
    const struct ferry_address *address, const union inet_place *place, struct ferry_error *error)
{
    const char *cursor = ferry_address_option(address, "join");
    const char *thing = ferry_address_text(address);
    bool any6 = strcmp(address->rest, "*") == 0 && place->any.sa_family == AF_INET6;
    char group[ADDRESS_HOST_SIZE];
    int r = 0;

    if (!place_is_any(place))
        return error_set(error, -EINVAL, thing,
            "listen on the group itself, as udp:239.1.2.3:5000, or on udp:*:PORT",
            "a socket that is bound to one address gets nothing for the groups of join=");
    while (r == 0 && address_next_host(&cursor, group)) {
        int family = strchr(group, ':') ? AF_INET6 : AF_INET;
        union inet_place joined;
        place_of_host(group, &joined);
        if (family != place->any.sa_family && !any6)
            return error_set(error, -EINVAL, thing, "listen on udp:*:PORT",
                "a socket of IPv%d can't join %s", family == AF_INET ? 6 : 4, group);
        r = check_interface(address, &joined, error);
        if (r == 0)
            r = check_sources(address, group, error);
    }
    return r;
}

int multicast_check_listen(
    const struct ferry_address *address, union inet_place *place, struct ferry_error *error)
{
    static const char *const for_groups[] = { "source", "interface" };
    char group[ADDRESS_HOST_SIZE];

    if (ferry_address_option(address, "join"))
        return check_join(address, place, error);
    if (place_is_group(place)) {
        int r = check_interface(address, place, error);
        inet_ntop(place->any.sa_family,
            place->any.sa_family == AF_INET6 ? (const void *)&place->in6.sin6_addr
                                             : (const void *)&place->in.sin_addr,
            group, sizeof(group));
        return r < 0 ? r : check_sources(address, group, error);
    }
    for (size_t i = 0; i < COUNT_OF(for_groups); i++)
        if (ferry_address_option(address, for_groups[i]))
            return error_set(error, -EINVAL, ferry_address_text(address),
                "add join=GROUP, or listen on the group itself, as udp:239.1.2.3:5000",
                "%s= says how a group is joined, and there is none", for_groups[i]);
    return 0;
}

int multicast_before_bind(
    int fd, const struct ferry_address *address, const union inet_place *place)
{
    const char *interface = ferry_address_option(address, "interface");

    if (!place_is_group(place))
        return 0;
    /* Each of several sockets on a group gets a copy of its own: none steals from another, as it
     * would be with any other address. */
    int r = set_number(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    /* The kernel looks at the interface of a membership for IPv4 only. */
    if (r == 0 && interface && place->any.sa_family == AF_INET6 &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface) + 1) <
            0)
        return -errno;
    return r;
}

static int join_failed(
    const struct ferry_address *address, const char *group, int code, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);
    bool ipv6 = strchr(group, ':'), named = ferry_address_option(address, "interface");

    switch (code) {
    case -ENODEV:
        return error_set(error, code, thing,
            named ? "choose another, or give it an address"
                  : "name one: add ,interface=NAME (ip link shows them)",
            named ? "the interface has no multicast of this family, so %s can't be joined"
                  : "no route says on which interface to join %s",
            group);
    case -ENOBUFS:
        if (ferry_address_option(address, "source"))
            return error_set(error, code, thing,
                ipv6 ? "name fewer, or raise net.ipv6.mld_max_msf"
                     : "name fewer, or raise net.ipv4.igmp_max_msf",
                "too many sources of one group for %s", group);
        return error_set(error, code, thing,
            "listen on some of them with another address, or raise net.ipv4.igmp_max_memberships",
            "too many groups on one socket to join %s", group);
    default:
        return error_set(
            error, code, thing, NULL, "can't join %s: %s", group, strerrordesc_np(-code));
    }
}

/*   source  NULL: whoever sends */
static int join_one(int fd, unsigned interface, const union inet_place *group, const char *source)
{
    int level = group->any.sa_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    struct group_req any = { .gr_interface = interface };
    struct group_source_req specific = { .gsr_interface = interface };
    union inet_place from;
    int r;

    if (source) {
        place_of_host(source, &from);
        memcpy(&specific.gsr_group, group, place_size(group));
        memcpy(&specific.gsr_source, &from, place_size(&from));
        r = setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &specific, sizeof(specific));
    } else {
        memcpy(&any.gr_group, group, place_size(group));
        r = setsockopt(fd, level, MCAST_JOIN_GROUP, &any, sizeof(any));
    }
    return r < 0 ? -errno : 0;
}

static int join_group(int fd, const struct ferry_address *address, const union inet_place *group)
{
    const char *cursor = ferry_address_option(address, "source");
    unsigned interface = interface_index(address, group);
    char source[ADDRESS_HOST_SIZE];
    int r = 0;

    if (!cursor)
        return join_one(fd, interface, group, NULL);
    while (r == 0 && address_next_host(&cursor, source))
        r = join_one(fd, interface, group, source);
    return r;
}

int multicast_join(int fd, const struct ferry_address *address, struct ferry_error *error)
{
    const char *cursor = ferry_address_option(address, "join");
    char host[ADDRESS_HOST_SIZE];
    union inet_place place;
    socklen_t size = sizeof(place);

    if (getsockname(fd, &place.any, &size) < 0)
        return error_set_errno(error, -errno, ferry_address_text(address), NULL);
    if (!cursor && !place_is_group(&place))
        return 0;
    int r = set_number(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    if (r == 0 && place.any.sa_family == AF_INET6)
        r = set_number(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
    if (r < 0)
        return error_set_errno(error, r, ferry_address_text(address), NULL);
    if (!cursor) {
        r = join_group(fd, address, &place);
        return r < 0 ? join_failed(address, address->rest, r, error) : 0;
    }
    while (r == 0 && address_next_host(&cursor, host)) {
        place_of_host(host, &place);
        r = join_group(fd, address, &place);
    }
    return r < 0 ? join_failed(address, host, r, error) : 0;
}

/* --- dialling --------------------------------------------------------------------------------- */

int multicast_check_dial(
    const struct ferry_address *address, union inet_place *place, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);
    bool group = place_is_group(place);

    if (!group && ferry_address_option(address, "loop"))
        return error_set(
            error, -EINVAL, thing, "leave it out", "loop= is about a group, and the host is none");
    if (!group && address_get_number(address, "ttl", 1) == 0)
        return error_set(error, -EINVAL, thing, "choose one from 1 to 255",
            "ttl=0, this machine only, is for a group, and the host is none");
    return check_interface(address, place, error);
}

static int set_interface(int fd, unsigned index, const union inet_place *place)
{
    struct ip_mreqn request = { .imr_ifindex = (int)index };
    bool group = place_is_group(place);

    if (place->any.sa_family == AF_INET6)
        return group ? set_number(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)index)
                     : set_number(fd, IPPROTO_IPV6, IPV6_UNICAST_IF, (int)htonl(index));
    if (!group)
        return set_number(fd, IPPROTO_IP, IP_UNICAST_IF, (int)htonl(index));
    return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof(request)) < 0 ? -errno : 0;
}

static int set_ttl(int fd, int ttl, const union inet_place *place)
{
    bool group = place_is_group(place);

    if (place->any.sa_family == AF_INET6)
        return set_number(fd, IPPROTO_IPV6, group ? IPV6_MULTICAST_HOPS : IPV6_UNICAST_HOPS, ttl);
    return set_number(fd, IPPROTO_IP, group ? IP_MULTICAST_TTL : IP_TTL, ttl);
}

int multicast_before_connect(
    int fd, const struct ferry_address *address, const union inet_place *place)
{
    bool ipv6 = place->any.sa_family == AF_INET6;
    int ttl = (int)address_get_number(address, "ttl", -1), r = 0;

    if (ferry_address_option(address, "interface"))
        r = set_interface(fd, interface_index(address, NULL), place);
    if (r == 0 && ttl >= 0)
        r = set_ttl(fd, ttl, place);
    if (r == 0 && !address_get_flag(address, "loop", true))
        r = set_number(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
            ipv6 ? IPV6_MULTICAST_LOOP : IP_MULTICAST_LOOP, 0);
    if (r == 0 && address_get_flag(address, "broadcast", false))
        r = set_number(fd, SOL_SOCKET, SO_BROADCAST, 1);
    return r;
}

bool multicast_is_many(const struct ferry_address *address, const union inet_place *place)
{
    return place_is_group(place) || address_get_flag(address, "broadcast", false);
}

/* Nothing would say so before the first datagram. Connecting another socket asks the kernel, and
 * sends nothing. */
int multicast_probe(const struct ferry_address *address, const union inet_place *place)
{
    AUTO_FD int fd = socket(place->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = multicast_before_connect(fd, address, place);
    if (r == 0 && connect(fd, &place->any, place_size(place)) < 0)
        r = -errno;
    return r;
}

/* --- the link to many ------------------------------------------------------------------------- */

struct many {
    struct socket_losses losses; /* first: socket_receive_messages() has it as the link's state */
    union inet_place place;
};

static int many_send(struct link *link, struct ferry_outgoing *batch, size_t count)
{
    const struct many *many = link->state;
    return socket_send_messages(link, &many->place, place_size(&many->place), batch, count);
}

static void many_close(struct link *link)
{
    fd_close(&link->receive_fd);
    link->send_fd = -1;
    free(TAKE(link->state));
}

static bool many_pending(const struct link *link)
{
    const struct many *many = link->state;
    return many->losses.count > 0;
}

static void many_peer(const struct link *link, char *text, size_t size)
{
    const struct many *many = link->state;
    socket_address_text(&many->place, place_size(&many->place), SOCK_DGRAM, text, size);
}

static const struct link_ops many_ops = { .send = many_send,
    .receive = socket_receive_messages,
    .close = many_close,
    .pending = many_pending,
    .peer = many_peer };

int multicast_link(int fd, const union inet_place *place, struct link *ret_link)
{
    AUTO_FD int owned = fd;
    struct many *many = calloc(1, sizeof(*many));

    if (!many)
        return -ENOMEM;
    many->place = *place;
    *ret_link = (struct link){ .ops = &many_ops,
        .receive_fd = owned,
        .send_fd = owned,
        .capabilities = FERRY_CAN_SEND | FERRY_CAN_RECEIVE | FERRY_HAS_BOUNDARIES,
        .remaining = -1,
        .segment_max = UINT16_MAX,
        .state = many };
    fd_take(&owned);
    return 0;
}
