/* inet.c - what stands at a TCP or UDP port of this machine.
 *
 * A listener of the caller's network namespace at this address, or at any; else the nearest thing
 * that explains the refusal: another address or family, another namespace, connections that keep
 * the port. An IPv6 socket at any address takes IPv4 too, unless it is IPV6_V6ONLY.
 */
#include "base/cleanup.h"
#include "base/host.h"
#include "command/view/names.h"
#include "command/why/server.h"
#include "command/why/why.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* What there is of a port. */
struct port {
    int fit; /* of the listeners that get what comes; 0: there are none */
    const struct ferry_endpoint *other;     /* listens here at another address */
    const struct ferry_endpoint *elsewhere; /* listens in another namespace */
    const struct ferry_endpoint *bound;     /* here, and neither listens nor is connected */
    const struct ferry_endpoint *waits;     /* a connection in TIME-WAIT */
    const struct ferry_endpoint *holds;     /* a connection that somebody has */
    unsigned time_waits, held;
};

/* How well a socket fits the address that was asked about: the kernel gives what comes to those
 * that fit best. 3 its very address (or none was asked about), 2 any, 1 any, as an IPv6 one; 0 it
 * is not reached there. */
static int fit_of(const struct view_target *target, const struct ferry_endpoint *endpoint)
{
    const unsigned char *local = endpoint->inet->local;

    if (!target->family || host_is_any(target->address, target->family))
        return 3;
    if (host_is_any(local, endpoint->family) && endpoint->family == target->family)
        return 2;
    if (host_is_any(local, endpoint->family))
        return endpoint->family == AF_INET6 && !endpoint->inet->only_ipv6;
    if (endpoint->family == target->family)
        return memcmp(local, target->address, host_size(target->family)) == 0 ? 3 : 0;
    const unsigned char *ipv4 = endpoint->family == AF_INET6 ? host_ipv4(local) : NULL;
    return ipv4 && memcmp(ipv4, target->address, host_size(AF_INET)) == 0 ? 3 : 0;
}

static bool has_port(const struct why *why, const struct ferry_endpoint *endpoint)
{
    return endpoint->inet && (why->target.kinds & 1u << endpoint->kind) &&
           endpoint->kind != FERRY_ENDPOINT_RAW && endpoint->inet->local_port == why->target.port;
}

static bool serves(const struct ferry_endpoint *endpoint)
{
    return endpoint->kind == FERRY_ENDPOINT_UDP ? endpoint->inet->remote_port == 0
                                                : endpoint->state == FERRY_STATE_LISTENING;
}

static bool is_own(const struct ferry_endpoint *endpoint)
{
    return !endpoint->network || endpoint->network->own;
}

static void port_add(
    struct port *port, const struct view_target *target, const struct ferry_endpoint *endpoint)
{
    int fit = serves(endpoint) ? fit_of(target, endpoint) : 0;

    if (serves(endpoint) && !is_own(endpoint)) {
        if (fit || !port->elsewhere)
            port->elsewhere = endpoint;
    } else if (fit) {
        port->fit = fit > port->fit ? fit : port->fit;
    } else if (serves(endpoint)) {
        port->other = endpoint;
    } else if (!is_own(endpoint)) {
        return;
    } else if (endpoint->state == FERRY_STATE_TIME_WAIT) {
        port->waits = endpoint;
        port->time_waits++;
    } else if (endpoint->state == FERRY_STATE_NONE || endpoint->state == FERRY_STATE_CLOSED) {
        port->bound = endpoint;
    } else if (endpoint->owner_count) {
        port->holds = endpoint;
        port->held++;
    }
}

/* Whether an address is one of this machine's, in the caller's namespace. */
static bool is_here(const struct view_target *target)
{
    struct ifaddrs *list = NULL;
    bool found = !target->family || host_is_any(target->address, target->family) ||
                 host_is_loopback(target->address, target->family);

    if (found || getifaddrs(&list) < 0)
        return found;
    for (const struct ifaddrs *at = list; at && !found; at = at->ifa_next) {
        if (!at->ifa_addr || at->ifa_addr->sa_family != target->family)
            continue;
        const void *address = target->family == AF_INET
                                  ? (const void *)&((struct sockaddr_in *)at->ifa_addr)->sin_addr
                                  : &((struct sockaddr_in6 *)at->ifa_addr)->sin6_addr;
        found = memcmp(address, target->address, host_size(target->family)) == 0;
    }
    freeifaddrs(list);
    return found;
}

/* --- nobody there ----------------------------------------------------------------------------- */

static void set_refused(const struct why *why, struct finding *finding)
{
    if (why->target.kinds & 1u << FERRY_ENDPOINT_TCP)
        finding_set_client(finding, "ECONNREFUSED (Connection refused)");
    else
        finding_set_client(finding, "the message is lost; the next call says ECONNREFUSED "
                                    "(Connection refused)");
}

static void add_other(struct why *why, const struct ferry_endpoint *other)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY, local = BYTES_EMPTY;

    view_print_holders(other, &who);
    view_print_local(other, &local);
    struct finding *finding =
        finding_add(&why->diagnosis, VERDICT_OTHER_ADDRESS, "%s listens on that port at %s only",
            who.data ? who.data : "", local.data ? local.data : "");
    set_refused(why, finding);
    finding_prove(finding, "socket %llu is bound to %s%s", (unsigned long long)other->inode,
        local.data ? local.data : "",
        other->family == why->target.family ? ""
        : other->inet->only_ipv6            ? ", of the other address family only (IPV6_V6ONLY)"
                                            : ", of the other address family");
    finding_set_remedy(finding, "connect to %s, or let it listen at %s too",
        local.data ? local.data : "", why->word);
}

static void add_elsewhere(struct why *why, const struct ferry_endpoint *elsewhere)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY, local = BYTES_EMPTY;
    const struct ferry_namespace *network = elsewhere->network;

    view_print_holders(elsewhere, &who);
    view_print_local(elsewhere, &local);
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_OTHER_NAMESPACE,
        "%s listens on that port, in another network namespace%s%s", who.data ? who.data : "",
        network->name ? ": " : "", network->name ? network->name : "");
    set_refused(why, finding);
    finding_prove(finding, "socket %llu, bound to %s, is in net:[%llu]",
        (unsigned long long)elsewhere->inode, local.data ? local.data : "",
        (unsigned long long)network->inode);
    if (network->name)
        finding_set_remedy(
            finding, "ip netns exec %s ...   (or publish its port here)", network->name);
    else
        finding_set_remedy(
            finding, "nsenter -t %d -n ...   (or publish its port here)", (int)network->pid);
}

static void add_bound(struct why *why, const struct ferry_endpoint *bound)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY;
    struct finding *finding;

    view_print_holders(bound, &who);
    finding = finding_add(&why->diagnosis, VERDICT_NOT_LISTENING,
        "%s has bound the port, and does not listen", who.data ? who.data : "");
    set_refused(why, finding);
    finding_prove(finding, "socket %llu is bound, and in no state of a connection",
        (unsigned long long)bound->inode);
    finding_set_remedy(finding, "wait until it has started up: it has yet to call listen(2)");
}

/* Who has the port, if one wants to listen there. */
static void prove_held(struct finding *finding, const struct port *port)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY;

    if (!port->held)
        return;
    view_print_holders(port->holds, &who);
    finding_prove(finding,
        "%u connection%s of %s ha%s that port still: who would listen there "
        "without SO_REUSEADDR gets EADDRINUSE (Address already in use)",
        port->held, port->held == 1 ? "" : "s", who.data ? who.data : "",
        port->held == 1 ? "s" : "ve");
}

static void add_nothing(struct why *why, const struct port *port)
{
    struct ferry_endpoints_gaps gaps;
    struct finding *finding;

    ferry_endpoints_get_gaps(why->table, &gaps);
    if (port->time_waits)
        finding = finding_add(&why->diagnosis, VERDICT_TIME_WAIT,
            "nobody listens on port %u, which %u closed connection%s in TIME-WAIT keep%s",
            why->target.port, port->time_waits, port->time_waits == 1 ? "" : "s",
            port->time_waits == 1 ? "s" : "");
    else
        finding =
            finding_add(&why->diagnosis, VERDICT_NOTHING_LISTENS, "nobody listens on port %u%s",
                why->target.port, gaps.hidden_namespaces ? " of this network namespace" : "");
    set_refused(why, finding);
    if (port->time_waits) {
        finding_prove(finding,
            "who would listen there without SO_REUSEADDR gets EADDRINUSE "
            "(Address already in use), for %u s yet",
            (port->waits->inet->timer_ms + 999) / 1000);
        finding_set_remedy(finding, "set SO_REUSEADDR before bind(2), or wait %u s",
            (port->waits->inet->timer_ms + 999) / 1000);
    } else {
        finding_prove(finding, "no socket listens there, at whatever address");
        finding_set_remedy(finding, "start its server; `ferry ls -t -u` lists the ports that "
                                    "there are");
    }
    prove_held(finding, port);
    if (gaps.hidden_namespaces)
        finding_prove(
            finding, "%u other network namespaces can't be looked into", gaps.hidden_namespaces);
}

static void judge_absent(struct why *why, const struct port *port)
{
    if (port->other)
        add_other(why, port->other);
    else if (port->bound)
        add_bound(why, port->bound);
    else if (port->elsewhere)
        add_elsewhere(why, port->elsewhere);
    else
        add_nothing(why, port);
}

/* --- UDP -------------------------------------------------------------------------------------- */

static void judge_udp(struct why *why, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY;
    const struct look *look = looks_find(&why->looks, endpoint);
    uint32_t used = endpoint->memory[FERRY_MEMORY_RECEIVE_USED];
    uint32_t size = endpoint->memory[FERRY_MEMORY_RECEIVE_SIZE];
    bool full = look && endpoint->receive_queue >= look->receive_queue && endpoint->has_memory &&
                (uint64_t)used * 4 > (uint64_t)size * 3;
    struct server server;

    why->diagnosis.endpoint = endpoint;
    view_print_holders(endpoint, &who);
    server_look(why->table, endpoint, &server);
    bool stands = server.doing == SERVER_STOPPED || server.doing == SERVER_TRACED;
    if (full || stands) {
        struct finding *finding =
            finding_add(&why->diagnosis, full ? VERDICT_QUEUE_FULL : VERDICT_STOPPED,
                full ? "its queue is full: %s does not read" : "%s is stopped",
                who.data ? who.data : "");
        finding_set_client(finding, full ? "messages are dropped, and nobody is told"
                                         : "messages are queued until there is no room, and then "
                                           "dropped");
        finding_prove(finding,
            "%u of %u bytes of its receive buffer are taken, %u messages were "
            "dropped",
            used, size, endpoint->memory[FERRY_MEMORY_DROPS]);
        server_prove(&server, finding);
    } else {
        diagnosis_check(&why->diagnosis, "socket: UDP of %s, %u of %u bytes of its buffer taken",
            who.data ? who.data : "", used, size);
        if (endpoint->memory[FERRY_MEMORY_DROPS])
            diagnosis_note(&why->diagnosis, "%u messages were dropped since it was made",
                endpoint->memory[FERRY_MEMORY_DROPS]);
    }
    server_fini(&server);
}

/* --- connections ------------------------------------------------------------------------------ */

static bool is_connection(const struct ferry_endpoint *endpoint)
{
    return endpoint->kind == FERRY_ENDPOINT_TCP && endpoint->inet->remote_port &&
           endpoint->state != FERRY_STATE_TIME_WAIT && is_own(endpoint);
}

/* Each connection once: from the server's side if that is here. */
static unsigned judge_connections(struct why *why)
{
    unsigned count = 0;

    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        if (!endpoint->inet || !is_connection(endpoint) ||
            !view_target_matches(&why->target, endpoint))
            continue;
        bool server = endpoint->inet->local_port == why->target.port;
        if (!server && endpoint->peer)
            continue;
        count++;
        why_connection(why, server ? endpoint : NULL, server ? endpoint->peer : endpoint);
    }
    return count;
}

static bool is_stuck(struct why *why)
{
    return diagnosis_find(&why->diagnosis, VERDICT_SERVER_NOT_READING) ||
           diagnosis_find(&why->diagnosis, VERDICT_CLIENT_NOT_READING) ||
           diagnosis_find(&why->diagnosis, VERDICT_NO_ANSWER);
}

static void judge_remote(struct why *why, unsigned connections)
{
    if (connections && !is_stuck(why)) {
        diagnosis_check(&why->diagnosis, "connections: %u to it, none of them stuck", connections);
        diagnosis_note(&why->diagnosis, "it is on another machine: its own side can't be seen");
    } else if (!connections) {
        struct finding *finding = finding_add(&why->diagnosis, VERDICT_OTHER_MACHINE,
            "it is on another machine, and nothing here is connected to it");
        finding_prove(finding, "no interface of this network namespace has that address");
        finding_set_remedy(
            finding, "ferry why --try %s, or `ferry why` on that machine", why->word);
    }
}

/* Where it is, if that was not asked and need not be where one looks. */
static void note_address(struct why *why, const struct ferry_endpoint *endpoint)
{
    AUTO_BYTES struct bytes local = BYTES_EMPTY;
    const unsigned char *address = endpoint->inet->local;

    if (why->target.family || host_is_any(address, endpoint->family))
        return;
    view_print_local(endpoint, &local);
    diagnosis_note(&why->diagnosis, "it is reached at %s only", local.data ? local.data : "");
}

/* All that share what comes there: several may by SO_REUSEPORT. */
static void judge_servers(struct why *why, int fit)
{
    const unsigned tcp = 1u << FERRY_ENDPOINT_TCP;
    bool any_tcp = !(why->target.kinds & tcp);

    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        if (!endpoint->inet || !has_port(why, endpoint) || !serves(endpoint) || !is_own(endpoint) ||
            fit_of(&why->target, endpoint) != fit)
            continue;
        any_tcp = any_tcp || endpoint->kind == FERRY_ENDPOINT_TCP;
        if (endpoint->kind == FERRY_ENDPOINT_UDP)
            judge_udp(why, endpoint);
        else
            why_listener(why, endpoint);
        note_address(why, endpoint);
        why_ferry(why, endpoint);
    }
    if (!any_tcp)
        diagnosis_note(&why->diagnosis, "only UDP is served there: who connects by TCP gets "
                                        "ECONNREFUSED (Connection refused)");
}

void why_inet(struct why *why)
{
    struct port port = { 0 };
    bool here = is_here(&why->target);

    for (size_t i = 0; here && i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        if (endpoint->inet && has_port(why, endpoint))
            port_add(&port, &why->target, endpoint);
    }
    if (port.fit)
        judge_servers(why, port.fit);
    else if (here)
        judge_absent(why, &port);
    unsigned connections = judge_connections(why);
    if (!here)
        judge_remote(why, connections);
    else if (connections && !is_stuck(why))
        diagnosis_check(&why->diagnosis, "connections: %u, none of them stuck", connections);
    if (why->try)
        why_try(why,
            why->target.kinds & 1u << FERRY_ENDPOINT_TCP ? FERRY_ENDPOINT_TCP : FERRY_ENDPOINT_UDP);
}
