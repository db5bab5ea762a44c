/* auto.c - auto: addresses: a listening and a dial of unix.c, whose links get a second lane. */
#include "transport/auto/auto.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <sched.h>
#include <string.h>

static void auto_close(struct link *link)
{
    struct auto_end *end = link->state;

    auto_drop_rings(end);
    link->state = end->losses;
    link->ops = end->socket_ops;
    free(end);
    link->ops->close(link);
}

static int auto_shutdown(struct link *link)
{
    struct auto_end *end = link->state;
    end->shut = true;
    return end->socket_ops->shutdown(link);
}

static bool auto_stop_receiving(struct link *link)
{
    struct auto_end *end = link->state;
    end->stopped = true;
    /* First, so that who hears of the ring's end and wakes us learns the reason. */
    bool stopped = end->socket_ops->stop_receiving(link);
    if (end->lanes[FERRY_RECEIVE] == FERRY_LANE_RING && !auto_is_orphan(end))
        ring_stop_receiving(end->ring[FERRY_RECEIVE]);
    return stopped;
}

static void auto_peer(const struct link *link, char *text, size_t size)
{
    static const char scheme[] = "unix-seq:";
    const struct auto_end *end = link->state;
    char seen[512];

    end->socket_ops->peer(link, seen, sizeof(seen));
    if (strncmp(seen, scheme, sizeof(scheme) - 1) == 0)
        snprintf(text, size, "auto:%s", seen + sizeof(scheme) - 1);
    else
        text[0] = '\0';
}

static const struct link_ops auto_ops = { .send = auto_send,
    .receive = auto_receive,
    .shutdown = auto_shutdown,
    .stop_receiving = auto_stop_receiving,
    .close = auto_close,
    .pending = auto_pending,
    .receive_soon = auto_receive_soon,
    .peer = auto_peer,
    .identity = socket_identity };

struct auto_end *auto_end_of(const struct link *link)
{
    return link->ops == &auto_ops ? link->state : NULL;
}

void auto_prefer(struct auto_end *end, enum ferry_auto_preference preference)
{
    end->preference = preference;
    if (preference == FERRY_AUTO_MEASURE || end->rings == AUTO_RINGS_REFUSED ||
        (end->rings == AUTO_RINGS_THERE && !end->may_send))
        return;
    end->wanted = preference == FERRY_AUTO_PREFER_RING ? FERRY_LANE_RING : FERRY_LANE_SOCKET;
    end->stats.reason =
        preference == FERRY_AUTO_PREFER_RING ? FERRY_AUTO_FORCED : FERRY_AUTO_FORBIDDEN;
}

bool auto_is_together(const struct auto_end *end)
{
    cpu_set_t ours, both;
    struct ucred peer = { 0 };
    socklen_t size = sizeof(peer);

    if (sched_getaffinity(0, sizeof(ours), &ours) < 0)
        return false;
    /* Of a peer that can't be asked it is supposed to be as of ourselves, who are process 0. */
    (void)getsockopt(end->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    if (sched_getaffinity(peer.pid, sizeof(both), &both) < 0)
        both = ours;
    CPU_OR(&both, &both, &ours);
    return CPU_COUNT(&both) == 1;
}

/* Gives a link of a connected unix socket its second lane; closes it on failure. */
static int auto_start(
    struct link *link, enum ferry_auto_preference preference, bool dialled, bool refuse_descriptors)
{
    int family, type;
    bool fits = socket_kind(link->send_fd, &family, &type) == 0 && family == AF_UNIX &&
                type == SOCK_SEQPACKET;
    struct auto_end *end = fits ? calloc(1, sizeof(*end)) : NULL;
    if (!end) {
        link->ops->close(link);
        return fits ? -ENOMEM : -EPROTOTYPE;
    }
    end->socket_ops = link->ops;
    end->losses = link->state;
    end->fd = link->send_fd;
    end->dialled = dialled;
    end->refuse_descriptors = refuse_descriptors;
    pace_init(&end->pace);
    auto_prefer(end, preference);
    link->state = end;
    link->ops = &auto_ops;
    link->flags &= ~(unsigned)LINK_WHOLE;
    if (refuse_descriptors)
        link->capabilities &= ~(unsigned)FERRY_HAS_DESCRIPTORS;
    return 0;
}

/* ring=yes, ring=no, or neither. */
static enum ferry_auto_preference preference_of(const struct ferry_address *address)
{
    if (!ferry_address_option(address, "ring"))
        return FERRY_AUTO_MEASURE;
    return address_get_flag(address, "ring", true) ? FERRY_AUTO_PREFER_RING
                                                   : FERRY_AUTO_PREFER_SOCKET;
}

int auto_link(
    const struct ferry_address *address, bool dialled, bool refuse_descriptors, struct link *link)
{
    return auto_start(link, preference_of(address), dialled, refuse_descriptors);
}

/* Who sent a message is who connected: messages need not say so. */
static void pass_no_credentials(int fd)
{
    const int off = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off));
}

static int auto_dial(const struct ferry_address *address, const struct ferry_dial_options *options,
    struct link *ret_link, struct ferry_error *error)
{
    struct ferry_dial_options plain = *options;
    struct link link;

    if (options->credentials)
        return error_set(error, -EOPNOTSUPP, ferry_address_text(address),
            "use unix-seq:", "an auto: channel speaks for its own process only");
    plain.refuse_descriptors = plain.message_pidfd = plain.message_label = false;
    int r = transport_unix.dial(address, &plain, &link, error);
    if (r < 0)
        return r;
    pass_no_credentials(link.send_fd);
    r = auto_link(address, true, options->refuse_descriptors, &link);
    if (r < 0)
        return error_set_errno(error, r, ferry_address_text(address), NULL);
    *ret_link = link;
    return 0;
}

/* --- listening -------------------------------------------------------------------------------- */

static int auto_accept(struct listening *listening, struct link *ret_link)
{
    struct link link;
    int r = socket_accept(listening, &link);
    if (r == 0)
        r = auto_start(&link, (enum ferry_auto_preference)listening->preference, false,
            listening->refuse_descriptors);
    if (r == 0)
        *ret_link = link;
    return r;
}

static const struct listening_ops auto_listening_ops = {
    .accept = auto_accept, .close = socket_listening_close, .socket = socket_listening_socket
};

void auto_listening(
    const struct ferry_address *address, bool refuse_descriptors, struct listening *listening)
{
    pass_no_credentials(listening->fd);
    listening->preference = preference_of(address);
    listening->ops = &auto_listening_ops;
    listening->refuse_descriptors = refuse_descriptors;
    if (refuse_descriptors)
        listening->capabilities &= ~(unsigned)FERRY_HAS_DESCRIPTORS;
}

static int auto_listen(const struct ferry_address *address,
    const struct ferry_listen_options *options, struct listening *ret_listening,
    struct ferry_error *error)
{
    struct ferry_listen_options plain = *options;

    /* What makes rings are descriptors too: the kernel must not keep them away. */
    plain.refuse_descriptors = plain.message_pidfd = plain.message_label = false;
    int r = transport_unix.listen(address, &plain, ret_listening, error);
    if (r < 0)
        return r;
    auto_listening(address, options->refuse_descriptors, ret_listening);
    return 0;
}

const struct transport transport_auto = { .listen = auto_listen, .dial = auto_dial };
