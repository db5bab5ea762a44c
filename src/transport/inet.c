/* inet.c - tcp: and udp: addresses.
 *
 * The host of an address is a number, "" for loopback, "*" for every address of this machine (one
 * IPv6 socket that takes IPv4 too), or a name, which getaddrinfo(3) resolves and may block on. Of
 * several addresses listening takes the first that can be bound, dialling the first that does not
 * fail at once: a connection in progress is not given up for another. Who has the time to wait for
 * each resolves the name first and dials its addresses. Groups and broadcast are multicast.c's.
 */
#include "transport/inet.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "transport/limits.h"
#include "transport/multicast.h"
#include "transport/segments.h"
#include "transport/socket.h"
#include "transport/socket_options.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

static int scheme_type(const struct ferry_address *address)
{
    return address->scheme == FERRY_UDP ? SOCK_DGRAM : SOCK_STREAM;
}

/* --- names ------------------------------------------------------------------------------------ */

static int resolve_outcome(int code)
{
    switch (code) {
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return -errno;
    case EAI_AGAIN:
    case EAI_FAIL:
        return -EHOSTUNREACH;
    default:
        return -ENOENT;
    }
}

static void cleanup_addresses(struct addrinfo **addresses)
{
    if (*addresses)
        freeaddrinfo(*addresses);
}

#define AUTO_ADDRESSES __attribute__((cleanup(cleanup_addresses)))

/* Every socket address of a host; free with freeaddrinfo(3). */
static int resolve(const char *host, uint16_t port, int type, const char *thing,
    struct addrinfo **ret_addresses, struct ferry_error *error)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = type, .ai_flags = AI_NUMERICSERV
    };
    char service[8];

    snprintf(service, sizeof(service), "%u", port);
    if (!*host)
        host = "127.0.0.1";
    /* It looks for a number first, which thus never waits for a name server. */
    int code = getaddrinfo(host, service, &hints, ret_addresses);
    if (code == 0)
        return 0;
    return error_set(error, resolve_outcome(code), thing, "check the name with getent ahosts",
        "the host \"%s\" can't be resolved: %s", host, gai_strerror(code));
}

static bool is_number(const char *host)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST };
    AUTO_ADDRESSES struct addrinfo *entries = NULL;
    return !*host || getaddrinfo(host, NULL, &hints, &entries) == 0;
}

static struct ferry_address *numeric_address(
    const struct ferry_address *address, const struct addrinfo *entry)
{
    char host[NI_MAXHOST];
    int code =
        getnameinfo(entry->ai_addr, entry->ai_addrlen, host, sizeof(host), NULL, 0, NI_NUMERICHOST);
    return code == 0 ? address_with_host(address, host) : NULL;
}

int inet_resolve(
    const struct ferry_address *address, struct resolved *ret_resolved, struct ferry_error *error)
{
    AUTO_ADDRESSES struct addrinfo *entries = NULL;
    const char *thing = ferry_address_text(address);
    struct resolved resolved = { 0 };
    size_t count = 0;

    if (is_number(address->rest)) {
        *ret_resolved = resolved;
        return 0;
    }
    int r = resolve(address->rest, address->port, scheme_type(address), thing, &entries, error);
    if (r < 0)
        return r;
    for (const struct addrinfo *entry = entries; entry; entry = entry->ai_next)
        count++;
    resolved.addresses = calloc(count, sizeof(*resolved.addresses));
    if (!resolved.addresses)
        return error_set_errno(error, -ENOMEM, thing, NULL);
    for (const struct addrinfo *entry = entries; entry; entry = entry->ai_next) {
        resolved.addresses[resolved.count] = numeric_address(address, entry);
        if (!resolved.addresses[resolved.count]) {
            resolved_fini(&resolved);
            return error_set_errno(error, -ENOMEM, thing, NULL);
        }
        resolved.count++;
    }
    *ret_resolved = resolved;
    return 0;
}

int inet_lookup(
    const struct ferry_address *address, struct addrinfo **ret_addresses, struct ferry_error *error)
{
    return resolve(address->rest, address->port, scheme_type(address), ferry_address_text(address),
        ret_addresses, error);
}

static union inet_place place_of(const struct addrinfo *entry)
{
    union inet_place place = { 0 };
    memcpy(&place, entry->ai_addr, entry->ai_addrlen);
    return place;
}

/* --- listen ----------------------------------------------------------------------------------- */

/* What is asked of the sockets that are tried, one for each address of the host. */
struct attempt {
    struct option_source source;
    bool dual;    /* let an IPv6 socket take IPv4 too */
    bool refused; /* an option was: *error is filled, and another address would not help */
    struct ferry_error *error;
};

static int attempt_apply(struct attempt *attempt, int fd)
{
    int r = socket_options_apply(fd, MOMENT_MADE, &attempt->source, attempt->error);
    attempt->refused = r < 0;
    return r;
}

/* A socket bound to one place, listening if it is a stream. */
static int bind_one(const struct addrinfo *entry, const union inet_place *place,
    struct attempt *attempt, int *ret_fd)
{
    const struct ferry_address *address = attempt->source.address;
    const int on = 1;
    int backlog = (int)address_get_number(address, "backlog", BACKLOG_DEFAULT);
    int only6 = !attempt->dual;
    AUTO_FD int fd = socket(
        entry->ai_family, entry->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, entry->ai_protocol);

    if (fd < 0)
        return -errno;
    /* Immediate restart. For UDP it would let another process steal the port instead. */
    if (entry->ai_socktype == SOCK_STREAM &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return -errno;
    if (entry->ai_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof(only6)) < 0)
        return -errno;
    int r = entry->ai_socktype == SOCK_DGRAM ? multicast_before_bind(fd, address, place) : 0;
    if (r == 0)
        r = attempt_apply(attempt, fd);
    if (r < 0)
        return r;
    if (bind(fd, &place->any, entry->ai_addrlen) < 0)
        return -errno;
    if (entry->ai_socktype == SOCK_STREAM && listen(fd, backlog) < 0)
        return -errno;
    *ret_fd = fd_take(&fd);
    return 0;
}

static int listen_failed(const struct ferry_address *address, int code, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);
    char remedy[96];

    switch (code) {
    case -EADDRINUSE:
        snprintf(remedy, sizeof(remedy), "see who has it: ss -%clnp 'sport = :%u'",
            address->scheme == FERRY_UDP ? 'u' : 't', address->port);
        return error_set(error, code, thing, remedy, "the port is in use");
    case -EACCES:
        return error_set(error, code, thing,
            "use a higher port, or give CAP_NET_BIND_SERVICE (net.ipv4.ip_unprivileged_port_start)",
            "this user may not listen on the port");
    case -EADDRNOTAVAIL:
        return error_set(error, code, thing, "choose one that ip address shows",
            "this machine does not have that address");
    default:
        return error_set_errno(error, code, thing, NULL);
    }
}

static int bind_host(const char *host, struct attempt *attempt, int *ret_fd)
{
    const struct ferry_address *address = attempt->source.address;
    AUTO_ADDRESSES struct addrinfo *entries = NULL;

    int r = resolve(host, address->port, scheme_type(address), ferry_address_text(address),
        &entries, attempt->error);
    if (r < 0)
        return r;
    for (const struct addrinfo *entry = entries; entry; entry = entry->ai_next) {
        union inet_place place = place_of(entry);
        if (entry->ai_socktype == SOCK_DGRAM) {
            r = multicast_check_listen(address, &place, attempt->error);
            if (r < 0)
                return r;
        }
        r = bind_one(entry, &place, attempt, ret_fd);
        if (r == 0 || attempt->refused)
            return r;
    }
    return listen_failed(address, r, attempt->error);
}

static int inet_bind(const struct option_source *source, int *ret_fd, struct ferry_error *error)
{
    struct ferry_error first = { 0 };
    struct attempt attempt = { .source = *source, .error = error };
    const char *host = source->address->rest;

    if (strcmp(host, "*") != 0)
        return bind_host(host, &attempt, ret_fd);
    attempt.dual = true;
    attempt.error = &first;
    int r = bind_host("::", &attempt, ret_fd);
    /* A machine without IPv6, or with it switched off. */
    if (!attempt.refused && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)) {
        attempt.dual = false;
        attempt.error = error;
        return bind_host("0.0.0.0", &attempt, ret_fd);
    }
    if (r < 0 && error)
        *error = first;
    return r;
}

/* The port that the kernel chose for port 0. */
static int bound_port(int fd, uint16_t *ret_port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address;
    socklen_t size = sizeof(address);

    if (getsockname(fd, &address.any, &size) < 0)
        return -errno;
    *ret_port =
        ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port : address.in.sin_port);
    return 0;
}

static int inet_listen(const struct ferry_address *address,
    const struct ferry_listen_options *options, struct listening *ret_listening,
    struct ferry_error *error)
{
    bool refuse = options && options->refuse_descriptors;
    struct option_source source = { address, options ? options->profile : NULL, ADDRESS_LISTEN };
    AUTO_FD int fd = -1;
    uint16_t port = 0;

    int r = inet_bind(&source, &fd, error);
    if (r == 0 && scheme_type(address) == SOCK_DGRAM)
        r = multicast_join(fd, address, error);
    if (r < 0)
        return r;
    r = bound_port(fd, &port);
    if (r < 0)
        return error_set_errno(error, r, ferry_address_text(address), NULL);
    struct ferry_address *bound = address_with_port(address, port);
    if (!bound)
        return error_set_errno(error, -ENOMEM, ferry_address_text(address), NULL);
    if (scheme_type(address) == SOCK_DGRAM)
        segments_join(fd);
    r = scheme_type(address) == SOCK_DGRAM
            ? session_listening(fd_take(&fd), bound, refuse, ret_listening)
            : socket_listening(fd_take(&fd), bound, refuse, ret_listening);
    if (r < 0)
        return error_set_errno(error, r, ferry_address_text(address), NULL);
    r = listening_apply_options(ret_listening, MOMENT_READY, &source, error);
    if (r < 0)
        ret_listening->ops->close(ret_listening);
    return r;
}

/* --- dial ------------------------------------------------------------------------------------- */

/* The addresses of bind=[HOST:]PORT, which is written as behind tcp: and udp:. */
static int bind_resolve(
    const struct ferry_address *address, struct addrinfo **ret_addresses, struct ferry_error *error)
{
    const char *value = ferry_address_option(address, "bind");
    char text[512];
    struct ferry_address *from;

    if (snprintf(text, sizeof(text), "tcp:%s", value) >= (int)sizeof(text))
        return error_set_errno(error, -ENAMETOOLONG, ferry_address_text(address), NULL);
    int r = ferry_address_parse(text, NULL, &from, error);
    if (r < 0)
        return r;
    const char *host = strcmp(from->rest, "*") == 0 ? "::" : from->rest;
    r = resolve(
        host, from->port, scheme_type(address), ferry_address_text(address), ret_addresses, error);
    ferry_address_free(from);
    return r;
}

static int bind_from(int fd, int family, const struct addrinfo *from)
{
    while (from && from->ai_family != family)
        from = from->ai_next;
    if (!from)
        return -EAFNOSUPPORT;
    return bind(fd, from->ai_addr, from->ai_addrlen) < 0 ? -errno : 0;
}

/* Returns 0 (connected, or not to be: many), 1 (in progress) or -errno.
 *   from  addresses to bind to first, NULL: the kernel chooses */
static int connect_one(const struct addrinfo *entry, const union inet_place *place,
    const struct addrinfo *from, struct attempt *attempt, int *ret_fd)
{
    const struct ferry_address *address = attempt->source.address;
    const int on = 1;
    bool datagrams = entry->ai_socktype == SOCK_DGRAM;
    AUTO_FD int fd = socket(
        entry->ai_family, entry->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, entry->ai_protocol);

    if (fd < 0)
        return -errno;
    if (from && !datagrams)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    int r = attempt_apply(attempt, fd);
    if (r == 0 && from)
        r = bind_from(fd, entry->ai_family, from);
    if (r == 0 && datagrams)
        r = multicast_before_connect(fd, address, place);
    if (r == 0 && datagrams && multicast_is_many(address, place)) {
        r = multicast_probe(address, place);
        if (r == 0)
            *ret_fd = fd_take(&fd);
        return r;
    }
    if (r < 0)
        return r;
    /* Interrupted, a connection goes on being made, as in progress. */
    r = connect(fd, &place->any, entry->ai_addrlen);
    if (r < 0 && errno != EINPROGRESS && errno != EINTR)
        return -errno;
    *ret_fd = fd_take(&fd);
    return r < 0 ? 1 : 0;
}

static int dial_failed(const struct ferry_address *address, int code, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);

    switch (code) {
    case -ECONNREFUSED:
        return error_set(error, code, thing, "start its server", "nobody listens there");
    case -EADDRINUSE:
        return error_set(
            error, code, thing, "choose another bind=", "the address of bind= is in use");
    case -EADDRNOTAVAIL:
        return error_set(error, code, thing, "check bind= and the zone",
            "no local address can be had for this connection");
    case -EACCES:
        if (address->scheme == FERRY_UDP && !ferry_address_option(address, "broadcast"))
            return error_set(error, code, thing, "if it is a broadcast address, add ,broadcast",
                "the kernel refuses to send there");
        return error_set_errno(error, code, thing, NULL);
    case -ENETUNREACH:
        if (address_host_is_group(address->rest))
            return error_set(error, code, thing,
                ferry_address_option(address, "interface")
                    ? "add one: ip route add local GROUP dev lo table local for the loopback"
                    : "name an interface: add ,interface=NAME (ip link shows them)",
                "no route leads to the group");
        return error_set_errno(error, code, thing, NULL);
    default:
        return error_set_errno(error, code, thing, NULL);
    }
}

/* Goes through the addresses; returns as connect_one(), with the one that it ended at. */
static int connect_any(const struct addrinfo *entries, const struct addrinfo *from,
    struct attempt *attempt, union inet_place *ret_place, int *ret_fd)
{
    const struct ferry_address *address = attempt->source.address;
    int r = -ENOENT;

    for (const struct addrinfo *entry = entries; entry && r < 0; entry = entry->ai_next) {
        *ret_place = place_of(entry);
        if (entry->ai_socktype == SOCK_DGRAM) {
            r = multicast_check_dial(address, ret_place, attempt->error);
            if (r < 0)
                return r;
        }
        r = connect_one(entry, ret_place, from, attempt, ret_fd);
        if (attempt->refused)
            return r;
    }
    /* -EAGAIN of connect(2) here: no free port now. */
    return r < 0 ? dial_failed(address, r, attempt->error) : r;
}

static int inet_dial(const struct ferry_address *address, const struct ferry_dial_options *options,
    struct link *ret_link, struct ferry_error *error)
{
    AUTO_ADDRESSES struct addrinfo *entries = NULL;
    AUTO_ADDRESSES struct addrinfo *from = NULL;
    const char *thing = ferry_address_text(address);
    union inet_place place;
    struct attempt attempt = {
        .source = { address, options ? options->profile : NULL, ADDRESS_DIAL }, .error = error
    };
    int fd = -1;

    int r = resolve(address->rest, address->port, scheme_type(address), thing, &entries, error);
    if (r == 0 && ferry_address_option(address, "bind"))
        r = bind_resolve(address, &from, error);
    if (r == 0)
        r = connect_any(entries, from, &attempt, &place, &fd);
    if (r < 0)
        return r;
    if (scheme_type(address) == SOCK_DGRAM && multicast_is_many(address, &place))
        r = multicast_link(fd, &place, ret_link);
    else
        r = socket_link(fd, r > 0, options && options->refuse_descriptors, ret_link);
    if (r < 0)
        return error_set_errno(error, r, thing, NULL);
    ret_link->flags |= options_link_flags(fd, &attempt.source);
    r = socket_options_apply(fd, MOMENT_READY, &attempt.source, error);
    if (r < 0)
        ret_link->ops->close(ret_link);
    return r;
}

const struct transport transport_inet = {
    .listen = inet_listen, .resolve = inet_resolve, .dial = inet_dial
};
