/* peers.h - two ends of an auto: connection in one process, and peers that speak to one through the
 * bare socket.
 *
 * The ends are driven as a foreign loop would: poll(2) on the descriptor, unless something is
 * pending. Whatever waits does so for PATIENCE_MS, so what would hang fails instead. */
#ifndef FERRY_TESTS_TRANSPORT_AUTO_PEERS_H
#define FERRY_TESTS_TRANSPORT_AUTO_PEERS_H

#include "channel/channel.h"
#include "transport/auto/auto.h"
#include "transport/auto/seal.h"
#include "transport/scratch.h"

#include <ferry/listener.h>
#include <sys/mman.h>

enum { PATIENCE_MS = 10000, RECORD_MAX = AUTO_RING_CAPACITY / 8 };

/* An assertion for what happens a million times: those of Check leave a mark each. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("line %d: %s", __LINE__, #condition);                                     \
    } while (0)

/* --- both ends -------------------------------------------------------------------------------- */

struct pair {
    struct ferry_listener *listener;
    struct ferry_channel *dialled, *accepted;
    struct ferry_inbox *inbox;
};

/* Where the next pair meets: ends know each other by nothing but it. */
MAYBE_UNUSED static const char *place_new(void)
{
    static unsigned number;
    char name[32];
    snprintf(name, sizeof(name), "place-%d-%u", (int)getpid(), number++);
    return scratch_path(name);
}

MAYBE_UNUSED static struct ferry_address *address_auto(const char *place, const char *options)
{
    char text[600];
    struct ferry_address *address;

    snprintf(text, sizeof(text), "auto:%s%s", place, options);
    MUST(ferry_address_parse(text, NULL, &address, NULL) == 0);
    return address;
}

/*   refuses  it receives no descriptors */
MAYBE_UNUSED static struct ferry_listener *listen_auto(
    const char *place, const char *options, bool refuses)
{
    const struct ferry_listen_options how = { .struct_size = sizeof(how),
        .refuse_descriptors = refuses };
    struct ferry_address *address = address_auto(place, options);
    struct ferry_listener *listener;

    MUST(ferry_listen(address, &how, &listener, NULL) == 0);
    ferry_address_free(address);
    return listener;
}

MAYBE_UNUSED static struct ferry_channel *dial_auto(
    const char *place, const char *options, bool refuses)
{
    const struct ferry_dial_options how = { .struct_size = sizeof(how),
        .refuse_descriptors = refuses };
    struct ferry_address *address = address_auto(place, options);
    struct ferry_channel *channel;

    MUST(ferry_dial(address, &how, ferry_deadline(PATIENCE_MS), &channel, NULL) == 0);
    ferry_address_free(address);
    return channel;
}

MAYBE_UNUSED static struct ferry_channel *accept_auto(struct ferry_listener *listener)
{
    struct ferry_channel *channel;
    MUST(ferry_listener_accept(listener, ferry_deadline(PATIENCE_MS), &channel) == 0);
    return channel;
}

MAYBE_UNUSED static struct ferry_inbox *inbox_of(size_t size, size_t count)
{
    struct ferry_inbox *inbox;
    MUST(ferry_inbox_new(size, count, &inbox) == 0);
    return inbox;
}

/* With options of their addresses, ",ring=yes". */
MAYBE_UNUSED static struct pair pair_make(const char *accepted, const char *dialled)
{
    const char *place = place_new();
    struct pair pair = { .listener = listen_auto(place, accepted, false) };

    pair.dialled = dial_auto(place, dialled, false);
    pair.accepted = accept_auto(pair.listener);
    pair.inbox = inbox_of(4 * RECORD_MAX, 16);
    return pair;
}

MAYBE_UNUSED static void pair_free(struct pair *pair)
{
    ferry_channel_close(pair->dialled);
    ferry_channel_close(pair->accepted);
    ferry_listener_close(pair->listener);
    ferry_inbox_free(pair->inbox);
}

/* --- what an end does ------------------------------------------------------------------------- */

MAYBE_UNUSED static struct ferry_auto_stats stats_of(const struct ferry_channel *channel)
{
    struct ferry_auto_stats stats = { .struct_size = sizeof(stats) };
    MUST(ferry_auto_get_stats(channel, &stats) == 0);
    return stats;
}

MAYBE_UNUSED static struct auto_end *end_of(const struct ferry_channel *channel)
{
    return auto_end_of(&channel->link);
}

MAYBE_UNUSED static int send_bytes(
    struct ferry_channel *channel, const void *data, size_t size, const int *fds, size_t count)
{
    struct iovec buffer = { (void *)(uintptr_t)data, size };
    struct ferry_outgoing outgoing = { &buffer, 1, fds, count, 0, NULL, 0, false };
    return ferry_channel_try_send(channel, &outgoing, 1);
}

MAYBE_UNUSED static int say(struct ferry_channel *channel, const char *text)
{
    return send_bytes(channel, text, strlen(text), NULL, 0);
}

MAYBE_UNUSED static void wait_readable(int fd)
{
    struct pollfd polled = { .fd = fd, .events = POLLIN };
    MUST(poll(&polled, 1, PATIENCE_MS) == 1);
}

/* As ferry_channel_try_receive(), waited for. */
MAYBE_UNUSED static int receive_some(struct ferry_channel *channel, struct ferry_inbox *inbox,
    struct ferry_message *batch, size_t count)
{
    for (;;) {
        int r = ferry_channel_try_receive(channel, inbox, batch, count);
        if (r != -EAGAIN)
            return r;
        if (!ferry_channel_pending(channel))
            wait_readable(ferry_channel_fd(channel, FERRY_RECEIVE));
    }
}

MAYBE_UNUSED static int receive_one(
    struct ferry_channel *channel, struct ferry_inbox *inbox, struct ferry_message *message)
{
    return receive_some(channel, inbox, message, 1);
}

/* The next message, which must be this. */
#define ck_assert_hears(channel, inbox, expected)                                                  \
    do {                                                                                           \
        struct ferry_message heard_ = { 0 };                                                       \
        ck_assert_int_eq(receive_one((channel), (inbox), &heard_), 1);                             \
        ck_assert_uint_eq(heard_.size, strlen(expected));                                          \
        ck_assert_mem_eq(heard_.data, (expected), heard_.size);                                    \
        ck_assert_uint_eq(heard_.descriptor_count, 0);                                             \
    } while (0)

/* Until this one sends by the lane, and the other knows. */
MAYBE_UNUSED static void move_to(struct ferry_channel *channel, struct ferry_channel *other,
    struct ferry_inbox *inbox, enum ferry_lane lane)
{
    ferry_auto_prefer(
        channel, lane == FERRY_LANE_RING ? FERRY_AUTO_PREFER_RING : FERRY_AUTO_PREFER_SOCKET);
    for (int i = 0; i < 20; i++) {
        MUST(say(channel, "move") == 1);
        ck_assert_hears(other, inbox, "move");
        struct ferry_message none;
        MUST(ferry_channel_try_receive(channel, inbox, &none, 1) == -EAGAIN);
    }
    MUST(stats_of(channel).lanes[FERRY_SEND] == lane);
    MUST(stats_of(other).lanes[FERRY_RECEIVE] == lane);
}

/* Both ways in the ring. */
MAYBE_UNUSED static struct pair pair_in_ring(void)
{
    struct pair pair = pair_make("", "");
    move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_RING);
    move_to(pair.accepted, pair.dialled, pair.inbox, FERRY_LANE_RING);
    return pair;
}

/* Bytes that say which message they are of: a piece of noise, that begins somewhere else for each.
 */
static unsigned char noise[4 * RECORD_MAX];

MAYBE_UNUSED __attribute__((constructor)) static void noise_make(void)
{
    uint64_t state = 1;
    for (size_t i = 0; i < sizeof(noise); i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        noise[i] = (unsigned char)(state >> 56);
    }
}

MAYBE_UNUSED static void bytes_fill(unsigned char *data, size_t size, uint32_t number)
{
    memcpy(data, noise + number % 65521, size);
}

MAYBE_UNUSED static bool bytes_are(const void *data, size_t size, uint32_t number)
{
    return memcmp(data, noise + number % 65521, size) == 0;
}

/* Numbers that come the same every time. */
MAYBE_UNUSED static uint32_t draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/* --- through the bare socket ------------------------------------------------------------------ */

MAYBE_UNUSED static int raw_dial(const char *place)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", place);
    MUST(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

/* Any bytes with any descriptors, which stay the caller's. Returns 0 or -errno. */
MAYBE_UNUSED static int raw_send(
    int fd, const void *data, size_t size, const int *descriptors, size_t count)
{
    union {
        struct cmsghdr align;
        char bytes[CONTROL_SEND_SIZE];
    } control;
    struct iovec buffer = { (void *)(uintptr_t)data, size };
    struct msghdr header = { .msg_iov = &buffer, .msg_iovlen = 1 };

    control_put(&header, control.bytes, descriptors, count, NULL);
    return sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

MAYBE_UNUSED static int raw_head(
    int fd, struct auto_head head, const char *text, const int *descriptors, size_t count)
{
    char bytes[256];
    size_t size = strlen(text);

    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), text, size);
    return raw_send(fd, bytes, sizeof(head) + size, descriptors, count);
}

/* Receives one, waiting; its descriptors, at most three, are the caller's. Returns its size. */
MAYBE_UNUSED static ssize_t raw_receive(
    int fd, void *data, size_t size, int descriptors[3], size_t *ret_count)
{
    union {
        struct cmsghdr align;
        char bytes[CONTROL_RECEIVE_SIZE];
    } control;
    struct iovec buffer = { data, size };
    struct msghdr header = { .msg_iov = &buffer,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes) };
    struct control_facts facts;

    wait_readable(fd);
    ssize_t got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    control_walk(&header, descriptors, 3, socket_descriptor_close, &facts);
    *ret_count = facts.descriptor_count;
    return got;
}

/* Receives one of the protocol's messages, which must be of this kind. */
MAYBE_UNUSED static struct auto_head raw_expect(int fd, enum auto_kind kind)
{
    struct auto_head head;
    int descriptors[3];
    size_t count;

    MUST(raw_receive(fd, &head, sizeof(head), descriptors, &count) == sizeof(head));
    ck_assert_int_eq(head.kind, kind);
    for (size_t i = 0; i < count; i++)
        close(descriptors[i]);
    return head;
}

/* Shows that this process is at that end of a connection. */
MAYBE_UNUSED static int seal_make(int connection)
{
    int seal = -1;
    MUST(seal_new(connection, &seal) == 0);
    return seal;
}

#endif
