/* icmp.c - icmp: addresses: messages as echo requests, and the replies to them.
 *
 * Every outgoing message is the payload of an echo request, every message received the payload of a
 * reply to one of ours. Two kinds of socket can do it. The ping socket (SOCK_DGRAM) needs a group
 * within net.ipv4.ping_group_range; the kernel sets the identifier and sorts the replies. Where it
 * is not to be had, a raw socket (CAP_NET_RAW) gets every reply that comes from the peer, to
 * whichever process; the identifier, a random one, and the numbers that we have sent tell ours.
 *
 * What routers and hosts say instead of a reply (unreachable, hops used up) comes by the socket's
 * error queue and fails a receive; the queue, not the socket's last error, is the truth, since an
 * entry that stays there keeps the socket readable for ever.
 *
 * Invariant: a payload is received behind the headers' own buffer, so a message may be as large as
 * the slot.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "transport/inbox.h"
#include "transport/inet.h"
#include "transport/limits.h"
#include "transport/outgoing.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

/* Echo requests of both families look the same but for their type. */
struct echo_header {
    uint8_t type, code;
    uint16_t checksum, identifier, number; /* network order */
};
static_assert(sizeof(struct echo_header) == 8, "as it is on the wire");

#define IPV4_HEADER_SIZE 20u

struct icmp {
    bool ipv6, raw;
    uint16_t identifier;   /* raw: ours, network order */
    uint16_t first_number; /* of our requests; random, so that few can guess what we wait for */
    uint64_t sent_count;
    struct sockaddr_storage peer; /* getpeername(2) wants a port, and there is none */
    socklen_t peer_size;
    uint8_t rest[UINT16_MAX]; /* of a payload that its slot is too small for: a ping socket does not
                                 tell its size otherwise. Untouched memory costs nothing */
};

/* --- headers ---------------------------------------------------------------------------------- */

/* The sum of RFC 1071 over bytes that continue at `offset` of the whole. */
static uint32_t checksum_add(uint32_t sum, const void *data, size_t size, size_t offset)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size; i++) {
        sum += (offset + i) % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* The kernel fills it in but for raw IPv4. */
static uint16_t checksum_of(const struct iovec *buffers, size_t count)
{
    uint32_t sum = 0;
    size_t offset = 0;

    for (size_t i = 0; i < count; i++) {
        sum = checksum_add(sum, buffers[i].iov_base, buffers[i].iov_len, offset);
        offset += buffers[i].iov_len;
    }
    return htons((uint16_t)~sum);
}

/* Whether a header, of a reply or of a request that came back, belongs to a request of ours. */
static bool is_ours(const struct icmp *icmp, const struct echo_header *header)
{
    uint16_t behind = (uint16_t)(ntohs(header->number) - icmp->first_number);
    return (!icmp->raw || header->identifier == icmp->identifier) && behind < icmp->sent_count;
}

/* --- sending ---------------------------------------------------------------------------------- */

static int request_send(const struct link *link, const struct ferry_outgoing *outgoing)
{
    const struct icmp *icmp = link->state;
    struct iovec buffers[STREAM_BUFFERS_MAX];
    size_t count = outgoing->buffer_count + 1;
    struct echo_header header = { .type = icmp->ipv6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO,
        .identifier = icmp->identifier,
        .number = htons((uint16_t)(icmp->first_number + icmp->sent_count)) };
    struct msghdr message = { .msg_iov = buffers, .msg_iovlen = count };
    ssize_t sent;

    if (outgoing->descriptor_count > 0)
        return -EOPNOTSUPP;
    if (count > COUNT_OF(buffers))
        return -EMSGSIZE;
    buffers[0] = (struct iovec){ &header, sizeof(header) };
    if (outgoing->buffer_count > 0)
        memcpy(&buffers[1], outgoing->buffers, outgoing->buffer_count * sizeof(buffers[1]));
    if (icmp->raw && !icmp->ipv6)
        header.checksum = checksum_of(buffers, count);
    do
        sent = sendmsg(link->send_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

static int icmp_send(struct link *link, struct ferry_outgoing *batch, size_t count)
{
    struct icmp *icmp = link->state;
    size_t done = 0;

    for (; done < count; done++) {
        int r = batch[done].complete ? 0 : request_send(link, &batch[done]);
        if (r < 0 && done > 0)
            break;
        if (r < 0)
            return error_is_retry(r) ? -EAGAIN : r;
        icmp->sent_count += !batch[done].complete;
        batch[done].sent_size = outgoing_size(&batch[done]);
        batch[done].complete = true;
    }
    return (int)done;
}

/* --- receiving -------------------------------------------------------------------------------- */

/* What the first entry of the error queue tells of a message of ours.
 *   ret_message  what of the message came back
 * Returns it as -errno; 0: the entry was about another's; 1: there is none. */
static int error_receive(
    struct link *link, struct inbox_slot *slot, struct ferry_message *ret_message)
{
    const struct icmp *icmp = link->state;
    struct echo_header header = { 0 };
    struct iovec buffers[] = { { &header, sizeof(header) }, slot->buffer };
    struct msghdr message = { .msg_iov = buffers,
        .msg_iovlen = COUNT_OF(buffers),
        .msg_control = slot->control.bytes,
        .msg_controllen = sizeof(slot->control.bytes) };
    struct sock_extended_err told = { 0 };

    ssize_t size = recvmsg(link->receive_fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (size < 0)
        return 1;
    if (size < (ssize_t)sizeof(header) || !is_ours(icmp, &header))
        return 0;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(&message); control;
         control = CMSG_NXTHDR(&message, control)) {
        if ((control->cmsg_level == SOL_IP && control->cmsg_type == IP_RECVERR) ||
            (control->cmsg_level == SOL_IPV6 && control->cmsg_type == IPV6_RECVERR))
            memcpy(&told, CMSG_DATA(control), sizeof(told));
    }
    *ret_message = (struct ferry_message){ .data = slot->buffer.iov_base,
        .size = (size_t)size - sizeof(header) };
    /* The kernel says EHOSTUNREACH of both: the host is not there, and it is farther than ttl=. */
    bool hops = icmp->ipv6
                    ? told.ee_origin == SO_EE_ORIGIN_ICMP6 && told.ee_type == ICMP6_TIME_EXCEEDED
                    : told.ee_origin == SO_EE_ORIGIN_ICMP && told.ee_type == ICMP_TIME_EXCEEDED;
    return hops ? -ETIME : -(int)told.ee_errno;
}

/* Receives whatever comes next; a raw IPv4 socket brings the IP header too.
 *   ret_header  ICMP
 * Returns the size of the payload, -ENOMSG when it is no ICMP message, or -errno. */
static ssize_t packet_receive(
    struct link *link, struct inbox_slot *slot, struct echo_header *ret_header)
{
    struct icmp *icmp = link->state;
    struct {
        uint8_t ip[IPV4_HEADER_SIZE];
        struct echo_header icmp;
    } head;
    struct iovec buffers[] = { { head.ip, sizeof(head.ip) }, { &head.icmp, sizeof(head.icmp) },
        slot->buffer, { icmp->rest, sizeof(icmp->rest) } };
    size_t skip = icmp->raw && !icmp->ipv6 ? 0 : 1;
    struct msghdr message = { .msg_iov = buffers + skip, .msg_iovlen = COUNT_OF(buffers) - skip };
    ssize_t size;

    do
        size = recvmsg(link->receive_fd, &message, MSG_DONTWAIT);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        return -errno;
    size -= (ssize_t)sizeof(head.icmp) + (skip ? 0 : (ssize_t)sizeof(head.ip));
    if (size < 0)
        return -ENOMSG;
    *ret_header = head.icmp;
    if (skip)
        return size;
    /* Nobody has verified what a raw socket gets. We ask with no IP options, so no answer has any
     * (RFC 1122, 3.2.2.6). */
    size_t first = (size_t)size < slot->buffer.iov_len ? (size_t)size : slot->buffer.iov_len;
    buffers[2].iov_len = first;
    buffers[3].iov_len = (size_t)size - first;
    bool plain = (head.ip[0] & 0x0f) == IPV4_HEADER_SIZE / 4;
    return plain && checksum_of(buffers + 1, 3) == 0 ? size : -ENOMSG;
}

/* One reply into a slot. Returns 1; 0: it was none of ours; -EAGAIN, -EMSGSIZE, or what an error
 * says of a request. */
static int reply_receive(
    struct link *link, struct inbox_slot *slot, struct ferry_message *ret_message)
{
    const struct icmp *icmp = link->state;
    struct echo_header header = { 0 };

    ssize_t size = packet_receive(link, slot, &header);
    if (size == -ENOMSG)
        return 0;
    if (size < 0) {
        /* Sending may have been told already; the entry is there all the same. */
        int r = error_receive(link, slot, ret_message);
        return r > 0 ? (int)size : r;
    }
    if (header.type != (icmp->ipv6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) || !is_ours(icmp, &header))
        return 0;
    *ret_message = (struct ferry_message){ .data = slot->buffer.iov_base, .size = (size_t)size };
    return (size_t)size > slot->buffer.iov_len ? -EMSGSIZE : 1;
}

/* One at a time: an error that came behind good messages could not be told with them. */
static int icmp_receive(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    unsigned skipped = 0;

    (void)count;
    for (;;) {
        int r = reply_receive(link, &inbox->slots[0], &batch[0]);
        if (r != 0)
            return r;
        /* Others' replies, as many as they like: the loop comes back to the rest. */
        if (++skipped == RECEIVE_BATCH_MAX)
            return -EAGAIN;
    }
}

/* --- the link --------------------------------------------------------------------------------- */

static void icmp_close(struct link *link)
{
    fd_close(&link->receive_fd);
    link->send_fd = -1;
    free(TAKE(link->state));
}

static void icmp_peer(const struct link *link, char *text, size_t size)
{
    const struct icmp *icmp = link->state;
    const struct sockaddr *peer = (const struct sockaddr *)&icmp->peer;
    char host[NI_MAXHOST];

    text[0] = '\0';
    if (getnameinfo(peer, icmp->peer_size, host, sizeof(host), NULL, 0, NI_NUMERICHOST) == 0)
        snprintf(text, size, icmp->ipv6 ? "icmp:[%s]" : "icmp:%s", host);
}

static const struct link_ops icmp_ops = {
    .send = icmp_send, .receive = icmp_receive, .close = icmp_close, .peer = icmp_peer
};

/* --- dial ------------------------------------------------------------------------------------- */

/* Lets replies pass and nothing else: all other ICMP of the machine would come too. */
static int filter_set(int fd, bool ipv6)
{
    struct icmp_filter replies = { .data = ~(1u << ICMP_ECHOREPLY) };
    struct icmp6_filter replies6;

    ICMP6_FILTER_SETBLOCKALL(&replies6);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &replies6);
    int r = ipv6 ? setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &replies6, sizeof(replies6))
                 : setsockopt(fd, SOL_RAW, ICMP_FILTER, &replies, sizeof(replies));
    return r < 0 ? -errno : 0;
}

/* -EPERM: neither kind of socket is ours to have. */
static int socket_open(struct icmp *icmp, int *ret_fd)
{
    int family = icmp->ipv6 ? AF_INET6 : AF_INET;
    int protocol = icmp->ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    AUTO_FD int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

    icmp->raw = fd < 0;
    if (fd < 0)
        fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return -errno;
    int r = icmp->raw ? filter_set(fd, icmp->ipv6) : 0;
    if (r == 0)
        *ret_fd = fd_take(&fd);
    return r;
}

static int options_set(const struct ferry_address *address, const struct icmp *icmp, int fd)
{
    const int on = 1;
    int ttl = (int)address_get_number(address, "ttl", -1); /* -1: the kernel's default */
    int level = icmp->ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;

    if (setsockopt(fd, level, icmp->ipv6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof(on)) < 0)
        return -errno;
    if (ttl >= 0 &&
        setsockopt(fd, level, icmp->ipv6 ? IPV6_UNICAST_HOPS : IP_TTL, &ttl, sizeof(ttl)) < 0)
        return -errno;
    return 0;
}

static int open_one(const struct ferry_address *address, const struct addrinfo *entry,
    struct icmp *icmp, int *ret_fd)
{
    AUTO_FD int fd = -1;

    icmp->ipv6 = entry->ai_family == AF_INET6;
    icmp->sent_count = 0;
    icmp->peer_size = entry->ai_addrlen;
    memcpy(&icmp->peer, entry->ai_addr, entry->ai_addrlen);
    int r = socket_open(icmp, &fd);
    if (r == 0)
        r = options_set(address, icmp, fd);
    if (r < 0)
        return r;
    if (connect(fd, entry->ai_addr, entry->ai_addrlen) < 0 ||
        getrandom(&icmp->identifier, sizeof(icmp->identifier), 0) < 0 ||
        getrandom(&icmp->first_number, sizeof(icmp->first_number), 0) < 0)
        return -errno;
    *ret_fd = fd_take(&fd);
    return 0;
}

static int dial_failed(const struct ferry_address *address, int code, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);

    if (code == -EPERM)
        return error_set(error, code, thing,
            "set net.ipv4.ping_group_range to hold one of its groups (sysctl -w "
            "net.ipv4.ping_group_range='0 2147483647'), or setcap cap_net_raw+ep the program",
            "this user may send no echo requests");
    return error_set_errno(error, code, thing, NULL);
}

static int icmp_dial(const struct ferry_address *address, const struct ferry_dial_options *options,
    struct link *ret_link, struct ferry_error *error)
{
    struct addrinfo *entries = NULL;
    AUTO_FREE struct icmp *icmp = malloc(sizeof(*icmp));
    int fd = -1;

    (void)options;
    if (!icmp)
        return error_set_errno(error, -ENOMEM, ferry_address_text(address), NULL);
    int r = inet_lookup(address, &entries, error);
    if (r < 0)
        return r;
    for (const struct addrinfo *entry = entries; entry; entry = entry->ai_next) {
        r = open_one(address, entry, icmp, &fd);
        if (r == 0)
            break;
    }
    freeaddrinfo(entries);
    if (r < 0)
        return dial_failed(address, r, error);
    *ret_link = (struct link){ .ops = &icmp_ops,
        .receive_fd = fd,
        .send_fd = fd,
        .capabilities = FERRY_CAN_SEND | FERRY_CAN_RECEIVE | FERRY_HAS_BOUNDARIES,
        .remaining = -1,
        .state = TAKE(icmp) };
    return 0;
}

const struct transport transport_icmp = { .resolve = inet_resolve, .dial = icmp_dial };
