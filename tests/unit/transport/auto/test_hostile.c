/* test_hostile.c - a peer that says what it likes through the bare socket: found out or harmless,
 * and no descriptor of it stays.
 *
 * One table (outcome()) says what each message of the protocol is worth at each point of it; all of
 * them are sent at all of these, with all sorts of descriptors, twice. */
#define RING_TEST

#include "peers.h"

#include <linux/magic.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>

/* --- victims ---------------------------------------------------------------------------------- */

enum point { NOTHING_YET, HALFWAY, RINGS_THERE, IN_RING, REFUSED, POINT_COUNT };

/* One end is a channel, the other a socket and, once there are rings, their other ends. */
struct victim {
    bool dialled; /* it is; else it was accepted */
    int raw;
    struct ferry_channel *channel;
    struct ferry_inbox *inbox;
    struct ferry_ring *ring[2]; /* by enum ferry_direction of the raw end */
    bool in_ring;               /* which the raw end sends by */
};

static bool wake_nobody(void *data)
{
    (void)data;
    return true;
}

static const struct ring_quiet quiet = { -1, wake_nobody, NULL };

static struct victim victim_meet(bool dialled)
{
    const char *place = place_new();
    struct victim victim = { .dialled = dialled, .inbox = inbox_of(4096, 32) };

    if (dialled) {
        AUTO_FD int listening = bound_socket(place, SOCK_SEQPACKET, 1);
        victim.channel = dial_auto(place, "", false);
        victim.raw = accept(listening, NULL, NULL);
        unlink(place);
    } else {
        struct ferry_listener *listener = listen_auto(place, "", false);
        victim.raw = raw_dial(place);
        victim.channel = accept_auto(listener);
        ferry_listener_close(listener);
    }
    return victim;
}

static void victim_free(struct victim *victim)
{
    ferry_channel_close(victim->channel);
    close(victim->raw);
    ferry_inbox_free(victim->inbox);
    for (int i = 0; i < 2; i++)
        ferry_ring_free(victim->ring[i]);
}

/* Everything that is there. Returns what came last that was no message, -EAGAIN or worse.
 *   ret_count  messages */
static int victim_receive(struct victim *victim, size_t batch_count, size_t *ret_count)
{
    struct ferry_message batch[32];
    int r;

    *ret_count = 0;
    for (int turn = 0; turn < 1000; turn++) {
        r = ferry_channel_try_receive(victim->channel, victim->inbox, batch, batch_count);
        if (r == -EMSGSIZE || r == -EBADMSG)
            continue;
        if (r <= 0)
            return r;
        for (int i = 0; i < r; i++)
            ferry_message_fini(&batch[i]);
        *ret_count += (size_t)r;
    }
    ck_abort_msg("it receives for ever");
}

static void is_quiet(struct victim *victim)
{
    size_t count;
    ck_assert_int_eq(victim_receive(victim, 1, &count), -EAGAIN);
    ck_assert_uint_eq(count, 0);
}

static void hears(struct victim *victim)
{
    size_t count;
    ck_assert_int_eq(victim_receive(victim, 1, &count), -EAGAIN);
    ck_assert_uint_eq(count, 1);
}

static void rings_make(struct victim *victim)
{
    for (int i = 0; i < 2; i++)
        MUST(ring_new_quiet((enum ferry_direction)i, 4096, &quiet, &victim->ring[i], NULL) == 0);
}

/* Offers as it should be done. */
static void offer_well(struct victim *victim)
{
    AUTO_FD int seal = seal_make(victim->raw);
    rings_make(victim);
    int fds[] = { seal, ring_memory_fd(victim->ring[FERRY_SEND]),
        ring_memory_fd(victim->ring[FERRY_RECEIVE]) };
    MUST(raw_head(victim->raw, auto_head(AUTO_OFFER, 0, 0), "", fds, 3) == 0);
}

/* Attaches to what the victim offers, before a message of it. */
static void take_offer_well(struct victim *victim)
{
    struct auto_head head;
    int fds[3];
    size_t count;

    MUST(raw_receive(victim->raw, &head, sizeof(head), fds, &count) == sizeof(head));
    ck_assert_int_eq(head.kind, AUTO_OFFER);
    ck_assert_uint_eq(count, 3);
    close(fds[0]);
    for (int i = 0; i < 2; i++)
        MUST(ring_attach_quiet((enum ferry_direction)i, fds[1 + i], AUTO_RING_CAPACITY, &quiet,
                 &victim->ring[i], NULL) == 0);
    (void)raw_expect(victim->raw, AUTO_MESSAGE);
}

static void accept_well(struct victim *victim)
{
    AUTO_FD int seal = seal_make(victim->raw);
    MUST(raw_head(victim->raw, auto_head(AUTO_ACCEPT, 0, 0), "", &seal, 1) == 0);
}

static void bring_halfway(struct victim *victim)
{
    ferry_auto_prefer(victim->channel, FERRY_AUTO_PREFER_RING);
    ck_assert_int_eq(say(victim->channel, ""), 1);
    if (victim->dialled) {
        take_offer_well(victim);
        return;
    }
    (void)raw_expect(victim->raw, AUTO_ASK);
    (void)raw_expect(victim->raw, AUTO_MESSAGE);
}

static void bring_rings(struct victim *victim)
{
    if (victim->dialled) {
        bring_halfway(victim);
        accept_well(victim);
        is_quiet(victim);
        return;
    }
    offer_well(victim);
    is_quiet(victim);
    (void)raw_expect(victim->raw, AUTO_ACCEPT);
}

static void bring_refusal(struct victim *victim)
{
    if (victim->dialled) {
        MUST(raw_head(victim->raw, auto_head(AUTO_REFUSE, 0, FERRY_AUTO_FORBIDDEN), "", NULL, 0) ==
             0);
        is_quiet(victim);
        return;
    }
    ferry_auto_prefer(victim->channel, FERRY_AUTO_PREFER_SOCKET);
    offer_well(victim);
    is_quiet(victim);
    (void)raw_expect(victim->raw, AUTO_REFUSE);
}

static struct victim victim_at(bool dialled, enum point point)
{
    struct victim victim = victim_meet(dialled);

    if (point == HALFWAY)
        bring_halfway(&victim);
    if (point == RINGS_THERE || point == IN_RING)
        bring_rings(&victim);
    if (point == IN_RING) {
        MUST(raw_head(victim.raw, auto_head(AUTO_MESSAGE, AUTO_BACK, 0), "", NULL, 0) == 0);
        hears(&victim);
        MUST(stats_of(victim.channel).lanes[FERRY_RECEIVE] == FERRY_LANE_RING);
    }
    if (point == REFUSED)
        bring_refusal(&victim);
    return victim;
}

/* The victim sends by its ring. */
static void move_to_ring(struct victim *victim)
{
    struct auto_head head;
    int fds[3];
    size_t count;

    ferry_auto_prefer(victim->channel, FERRY_AUTO_PREFER_RING);
    ck_assert_int_eq(say(victim->channel, ""), 1);
    MUST(raw_receive(victim->raw, &head, sizeof(head), fds, &count) == sizeof(head));
    ck_assert_int_eq(head.flags, AUTO_BACK);
    MUST(stats_of(victim->channel).lanes[FERRY_SEND] == FERRY_LANE_RING);
}

/* --- every message at every point ------------------------------------------------------------- */

enum brought { NONE, ONE_PIPE, ONE_SEAL, THREE_PIPES, AN_OFFER, FOUR, MANY, BROUGHT_COUNT };

static const size_t brought_counts[] = { 0, 1, 1, 3, 3, 4, FERRY_DESCRIPTORS_MAX };

/* What a message is worth: 1 (it is the caller's), -EAGAIN (it is taken), -EPROTO. */
static int outcome(const struct victim *victim, enum point point, unsigned kind, unsigned flags,
    enum brought brought)
{
    bool rings = point == RINGS_THERE || point == IN_RING;

    switch (kind) {
    case AUTO_MESSAGE:
        if (point == IN_RING || (flags & AUTO_BACK && !rings))
            return -EPROTO;
        /* Of no bytes, wherever they lie. */
        return flags & AUTO_LARGE && brought == NONE ? -EPROTO : 1;
    case AUTO_WAKE:
        return -EAGAIN;
    case AUTO_ASK:
        return victim->dialled ? -EAGAIN : -EPROTO;
    case AUTO_OFFER:
        return victim->dialled || rings || (brought != NONE && brought_counts[brought] != 3)
                   ? -EPROTO
                   : -EAGAIN;
    case AUTO_ACCEPT:
        return victim->dialled && point == HALFWAY && brought_counts[brought] <= 1 ? -EAGAIN
                                                                                   : -EPROTO;
    case AUTO_REFUSE:
        return rings ? -EPROTO : -EAGAIN;
    default:
        return -EPROTO;
    }
}

/* The descriptors of a message, which are the caller's. */
static size_t bring(enum brought brought, int connection, int *fds)
{
    size_t count = brought_counts[brought];

    for (size_t i = 0; i < count; i++) {
        struct ferry_ring *ring;
        if (brought == ONE_SEAL || (brought == AN_OFFER && i == 0)) {
            fds[i] = seal_make(connection);
        } else if (brought == AN_OFFER) {
            MUST(ring_new_quiet(FERRY_SEND, 4096, &quiet, &ring, NULL) == 0);
            fds[i] = fcntl(ring_memory_fd(ring), F_DUPFD_CLOEXEC, 0);
            ferry_ring_free(ring);
        } else {
            fds[i] = i % 2 ? eventfd(0, EFD_CLOEXEC) : open("/dev/null", O_RDWR | O_CLOEXEC);
        }
        MUST(fds[i] >= 0);
    }
    return count;
}

static void send_with(
    const struct victim *victim, unsigned kind, unsigned flags, enum brought brought)
{
    int fds[FERRY_DESCRIPTORS_MAX] = { 0 };
    size_t count = bring(brought, victim->raw, fds);
    struct auto_head head = auto_head((enum auto_kind)kind, flags, 0);

    MUST(raw_head(victim->raw, head, "", fds, count) == 0);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void try_message(
    bool dialled, enum point point, unsigned kind, unsigned flags, enum brought brought)
{
    unsigned before = descriptors_open();
    struct victim victim = victim_at(dialled, point);
    size_t count;

    send_with(&victim, kind, flags, brought);
    int r = victim_receive(&victim, 1, &count);
    if (r == -EAGAIN && count == 1)
        r = 1;
    int expected = outcome(&victim, point, kind, flags, brought);
    if (r != expected)
        ck_abort_msg("%s at %d: kind %u, flags %u, descriptors %d: %d, not %d",
            dialled ? "dialled" : "accepted", point, kind, flags, brought, r, expected);
    send_with(&victim, kind, flags, brought);
    r = victim_receive(&victim, 1, &count);
    MUST(r == -EAGAIN || r == -EPROTO);
    victim_free(&victim);
    MUST(descriptors_open() == before);
}

START_TEST(each_message_is_worth_what_it_is_at_its_time)
{
    bool dialled = _i % 2;
    enum point point = (enum point)(_i / 2);

    for (unsigned kind = 0; kind <= AUTO_REFUSE + 1; kind++)
        for (unsigned flags = 0; flags < 4; flags++)
            for (int brought = 0; brought < BROUGHT_COUNT; brought++)
                try_message(dialled, point, kind, flags, (enum brought)brought);
}
END_TEST

/* --- many at once ----------------------------------------------------------------------------- */

/* As far as it makes sense of who answers; else it is forbidden there. */
START_TEST(a_refusal_has_a_reason)
{
    static const struct {
        uint32_t said;
        enum ferry_auto_reason taken;
    } reasons[] = { { FERRY_AUTO_NOT_DIRECT, FERRY_AUTO_NOT_DIRECT },
        { FERRY_AUTO_UNKNOWN_PEER, FERRY_AUTO_UNKNOWN_PEER },
        { FERRY_AUTO_NO_MEMORY, FERRY_AUTO_NO_MEMORY },
        { FERRY_AUTO_UNUSABLE, FERRY_AUTO_UNUSABLE },
        { FERRY_AUTO_PEER_FORBIDS, FERRY_AUTO_PEER_FORBIDS },
        { FERRY_AUTO_FAST, FERRY_AUTO_PEER_FORBIDS }, { 0, FERRY_AUTO_PEER_FORBIDS },
        { UINT32_MAX, FERRY_AUTO_PEER_FORBIDS } };

    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        struct victim victim = victim_at(true, HALFWAY);
        MUST(raw_head(victim.raw, auto_head(AUTO_REFUSE, 0, reasons[i].said), "", NULL, 0) == 0);
        is_quiet(&victim);
        ck_assert_int_eq(stats_of(victim.channel).reason, reasons[i].taken);
        ck_assert_int_eq(end_of(victim.channel)->rings, AUTO_RINGS_REFUSED);
        victim_free(&victim);
    }
}
END_TEST

/* Whatever it prefers by now: rings that are there are not taken from under it. */
START_TEST(who_asks_for_what_is_there_is_refused_nothing)
{
    struct victim victim = victim_at(true, _i ? IN_RING : RINGS_THERE);

    move_to_ring(&victim);
    ferry_auto_prefer(victim.channel, FERRY_AUTO_PREFER_SOCKET);
    MUST(raw_head(victim.raw, auto_head(AUTO_ASK, 0, 0), "", NULL, 0) == 0);
    is_quiet(&victim);
    ck_assert_int_eq(end_of(victim.channel)->rings, AUTO_RINGS_THERE);
    ck_assert_int_eq(recv(victim.raw, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(say(victim.channel, "by socket"), 1);
    (void)raw_expect(victim.raw, AUTO_MESSAGE);
    victim_free(&victim);
}
END_TEST

/* Linux 6.5; older headers lack it. */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif

/* A batch is taken before it is known that what follows comes out of turn. A socket that came from
 * elsewhere may bring who sent it, too. */
START_TEST(what_comes_out_of_turn_in_a_batch_is_an_error)
{
    static const unsigned flags[][2] = { { AUTO_BACK, AUTO_BACK }, { AUTO_BACK, 0 } };
    unsigned before = descriptors_open();
    struct victim victim = victim_meet(false);
    int fd = ferry_channel_fd(victim.channel, FERRY_RECEIVE);

    (void)setsockopt(fd, SOL_SOCKET, SO_PASSPIDFD, &(int){ 1 }, sizeof(int));
    AUTO_FD int pipe_end = eventfd(0, EFD_CLOEXEC);
    size_t count;

    offer_well(&victim);
    for (int i = 0; i < 2; i++)
        MUST(raw_head(victim.raw, auto_head(AUTO_MESSAGE, flags[_i][i], 0), "text", &pipe_end, 1) ==
             0);
    MUST(raw_head(victim.raw, auto_head(AUTO_MESSAGE, 0, 0), "text", &pipe_end, 1) == 0);
    ck_assert_int_eq(victim_receive(&victim, 16, &count), -EPROTO);
    ck_assert_uint_eq(count, 1);
    victim_free(&victim);
    fd_close(&pipe_end);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

/* It looks like the end, and may bring descriptors all the same. */
START_TEST(an_empty_packet_is_the_end_and_leaves_nothing)
{
    unsigned before = descriptors_open();
    struct victim victim = victim_at(_i % 2, (enum point)(_i / 2));
    AUTO_FD int event = eventfd(0, EFD_CLOEXEC);
    struct ferry_message batch[16];
    struct ferry_inbox *inbox = victim.inbox;

    MUST(raw_send(victim.raw, "", 0, &event, 1) == 0);
    for (int i = 0; i < 3; i++)
        MUST(raw_head(victim.raw, auto_head(AUTO_MESSAGE, 0, 0), "text", &event, 1) == 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(ferry_channel_try_receive(victim.channel, inbox, batch, 16), 0);
    ck_assert(ferry_channel_pending(victim.channel));
    victim_free(&victim);
    fd_close(&event);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

static size_t packets_unread(const struct victim *victim)
{
    int fd = ferry_channel_fd(victim->channel, FERRY_RECEIVE);
    struct auto_head head;
    size_t count = 0;

    while (recv(fd, &head, sizeof(head), MSG_DONTWAIT) > 0)
        count++;
    return count;
}

/* However many there are, one call takes so many and comes back. */
START_TEST(a_flood_has_its_turn_and_no_more)
{
    static const enum auto_kind kinds[] = { AUTO_WAKE, AUTO_ASK };
    struct victim victim = victim_at(true, _i % 2 ? IN_RING : RINGS_THERE);
    struct ferry_message message;
    size_t sent = 0;

    while (raw_head(victim.raw, auto_head(kinds[_i / 2], 0, 0), "", NULL, 0) == 0)
        sent++;
    ck_assert_uint_gt(sent, AUTO_TURN_MAX);
    ck_assert_int_eq(ferry_channel_try_receive(victim.channel, victim.inbox, &message, 1), -EAGAIN);
    ck_assert_uint_eq(packets_unread(&victim), sent - AUTO_TURN_MAX);
    victim_free(&victim);
}
END_TEST

/* --- what is no message at all ---------------------------------------------------------------- */

START_TEST(what_is_no_head_ends_it_and_strangers_are_told)
{
    static const struct {
        const char *bytes;
        size_t size;
    } packets[] = { { "\xfe", 1 }, { "\xfe\1\1\0\0\0\0", 7 }, { "hello", 5 },
        { "\xfd\1\1\0\0\0\0\0", 8 }, { "\xfe\0\1\0\0\0\0\0", 8 }, { "\xfe\2\1\0\0\0\0\0", 8 },
        { "GET / HTTP/1.1\r\n\r\n", 18 } };
    unsigned before = descriptors_open();

    for (size_t i = 0; i < COUNT_OF(packets); i++) {
        struct victim victim = victim_at(_i % 2, (enum point)(_i / 2));
        AUTO_FD int event = eventfd(0, EFD_CLOEXEC);
        char said[256];
        size_t count;

        MUST(raw_send(victim.raw, packets[i].bytes, packets[i].size, &event, 1) == 0);
        /* Nor is what follows it received. */
        MUST(raw_head(victim.raw, auto_head(AUTO_MESSAGE, 0, 0), "text", &event, 1) == 0);
        ck_assert_int_eq(victim_receive(&victim, 16, &count), -EPROTO);
        ck_assert_uint_eq(count, 0);
        if (!victim.dialled && _i / 2 == NOTHING_YET) {
            ssize_t size = recv(victim.raw, said, sizeof(said), MSG_DONTWAIT);
            ck_assert_int_gt(size, 0);
            ck_assert_int_eq(strncmp(said, "ferry: this is an auto: socket;", 31), 0);
        } else if (victim.dialled) {
            ck_assert_int_eq(recv(victim.raw, said, sizeof(said), MSG_DONTWAIT), -1);
        }
        victim_free(&victim);
    }
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

/* --- large ones ------------------------------------------------------------------------------- */

enum { LARGE = 2000 };

/* A memfd with so many bytes of text, and these seals. */
static int memory_with(size_t written, size_t size, int seals)
{
    static const char text[LARGE] = { [0 ... LARGE - 1] = 'x' };
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    MUST(pwrite(fd, text, written, 0) == (ssize_t)written);
    MUST(ftruncate(fd, (off_t)size) == 0);
    MUST(fcntl(fd, F_ADD_SEALS, seals) == 0);
    return fd;
}

static int large_send(struct victim *victim, int fd, uint32_t size)
{
    AUTO_FD int owned = fd;
    AUTO_FD int event = eventfd(0, EFD_CLOEXEC);
    int fds[] = { event, owned };
    return raw_head(victim->raw, auto_head(AUTO_MESSAGE, AUTO_LARGE, size), "", fds, 2);
}

START_TEST(what_lies_in_a_memfd_as_it_should_is_received)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_WRITE;
    struct victim victim = victim_at(_i % 2, (enum point)(_i / 2));
    struct ferry_message message = { 0 };

    MUST(large_send(&victim, memory_with(LARGE, LARGE, seals), LARGE) == 0);
    if (_i / 2 == IN_RING) {
        ck_assert_int_eq(receive_one(victim.channel, victim.inbox, &message), -EPROTO);
    } else {
        ck_assert_int_eq(receive_one(victim.channel, victim.inbox, &message), 1);
        ck_assert_uint_eq(message.size, LARGE);
        ck_assert_uint_eq(message.descriptor_count, 1);
        for (size_t i = 0; i < LARGE; i++)
            MUST(((const char *)message.data)[i] == 'x');
        ferry_message_fini(&message);
    }
    victim_free(&victim);
}
END_TEST

static int memory_bad(int which)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_WRITE;
    char path[256];

    switch (which) {
    case 0:
        return memory_with(LARGE, LARGE, 0);
    case 1:
        return memory_with(LARGE, LARGE, F_SEAL_SHRINK | F_SEAL_GROW);
    case 2:
        return memory_with(LARGE, LARGE, F_SEAL_WRITE | F_SEAL_GROW);
    case 3:
        return memory_with(LARGE, LARGE - 1, seals);
    case 4:
        return memory_with(LARGE, LARGE + 1, seals);
    case 5:
        return memory_with(0, 0, seals);
    case 6:
        return memory_with(0, LARGE, seals); /* a hole, which the reader would pay for */
    case 7:
        snprintf(path, sizeof(path), "%s", scratch_path("file"));
        return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    case 8:
        return open("/proc/self/exe", O_PATH | O_CLOEXEC);
    default:
        return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
}

START_TEST(a_memfd_that_is_not_as_it_should_be_ends_it)
{
    unsigned before = descriptors_open();
    struct victim victim = victim_at(true, RINGS_THERE);
    size_t count;

    MUST(large_send(&victim, memory_bad(_i), LARGE) == 0);
    ck_assert_int_eq(victim_receive(&victim, 16, &count), -EPROTO);
    ck_assert_uint_eq(count, 0);
    victim_free(&victim);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

/* Lost, as any message without room, whatever it lies in. */
START_TEST(what_says_to_be_larger_than_the_inbox_is_lost)
{
    static const uint32_t sizes[] = { 4097, 1u << 31, UINT32_MAX };
    struct victim victim = victim_at(true, RINGS_THERE);
    struct ferry_message message = { 0 };

    MUST(large_send(&victim, memory_with(LARGE, LARGE, F_SEAL_SHRINK), sizes[_i]) == 0);
    MUST(raw_head(victim.raw, auto_head(AUTO_MESSAGE, 0, 0), "next", NULL, 0) == 0);
    ck_assert_int_eq(receive_one(victim.channel, victim.inbox, &message), -EMSGSIZE);
    ck_assert_uint_eq(message.size, sizes[_i]);
    ck_assert_uint_eq(message.descriptor_count, 0);
    ck_assert_hears(victim.channel, victim.inbox, "next");
    victim_free(&victim);
}
END_TEST

/* What says where a large message lies is as long as a few of them fill the queue; where that is
 * short, no longer than it must be. */
START_TEST(a_large_message_fills_the_queue)
{
    static const struct choice_thresholds thresholds = { .memfd_size_min = AUTO_LARGE_LOOK };
    static char data[RECORD_MAX + 1], packet[2 * AUTO_BALLAST_SIZE];
    struct victim victim = victim_at(true, RINGS_THERE);
    int fds[3];
    size_t count;

    end_of(victim.channel)->thresholds = &thresholds;
    ferry_auto_prefer(victim.channel, FERRY_AUTO_PREFER_SOCKET);
    for (int narrow = 0; narrow < 2; narrow++) {
        if (narrow)
            move_to_ring(&victim);
        ck_assert_int_eq(send_bytes(victim.channel, data, sizeof(data), NULL, 0), 1);
        ssize_t size = raw_receive(victim.raw, packet, sizeof(packet), fds, &count);
        ck_assert_int_eq(size, 8 + (narrow ? 0 : (ssize_t)AUTO_BALLAST_SIZE));
        ck_assert_uint_eq(count, 1);
        ck_assert_int_eq(lseek(fds[0], 0, SEEK_END), sizeof(data));
        close(fds[0]);
    }
    victim_free(&victim);
}
END_TEST

/* --- offers that are not what they should be -------------------------------------------------- */

static int seal_of_another(int connection)
{
    int ways[2], fds[3] = { -1 };
    size_t count;
    char byte;

    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ways) == 0);
    pid_t child = fork();
    if (child == 0) {
        int seal = seal_make(connection);
        _exit(raw_send(ways[1], "x", 1, &seal, 1));
    }
    MUST(raw_receive(ways[0], &byte, 1, fds, &count) == 1 && count == 1);
    ck_assert_int_eq(child_status(child), 0);
    close(ways[0]);
    close(ways[1]);
    return fds[0];
}

/* What whoever connects to a relay has: the kernel says of it that the relay made it, and its name
 * may say anything. */
static int seal_of_who_listens(int connection)
{
    AUTO_FD int listener = seal_make(connection);
    struct sockaddr_un name, own;
    socklen_t size = sizeof(name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    MUST(getsockname(listener, (struct sockaddr *)&name, &size) == 0);
    own = name;
    char *last = (char *)&own + size - 1;
    *last = *last == '0' ? '1' : '0';
    MUST(bind(fd, (struct sockaddr *)&own, size) == 0);
    MUST(connect(fd, (struct sockaddr *)&name, size) == 0);
    return fd;
}

/* What this process has shown to somebody else, who passes it on. */
static int seal_of_another_connection(void)
{
    AUTO_FD int other = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    return seal_make(other);
}

static int seal_bad(int which, int connection)
{
    switch (which) {
    case 0:
        return seal_of_another(connection);
    case 1:
        return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    case 2:
        return eventfd(0, EFD_CLOEXEC);
    case 3:
        return open("/proc/self/exe", O_PATH | O_CLOEXEC);
    case 4: /* nobody has made it what it should show */
        return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    case 5:
        return seal_of_another_connection();
    default:
        return seal_of_who_listens(connection);
    }
}

/* The connection goes on, by the socket, and knows why. */
static void goes_on(struct victim *victim, enum ferry_auto_reason reason)
{
    is_quiet(victim);
    ck_assert_int_eq(raw_expect(victim->raw, AUTO_REFUSE).size, reason);
    ck_assert_int_eq(stats_of(victim->channel).reason, reason);
    ferry_auto_prefer(victim->channel, FERRY_AUTO_PREFER_RING);
    ck_assert_int_eq(stats_of(victim->channel).reason, reason);
    MUST(raw_head(victim->raw, auto_head(AUTO_MESSAGE, 0, 0), "text", NULL, 0) == 0);
    ck_assert_hears(victim->channel, victim->inbox, "text");
    ck_assert_int_eq(say(victim->channel, ""), 1);
    (void)raw_expect(victim->raw, AUTO_MESSAGE);
    send_with(victim, AUTO_OFFER, 0, AN_OFFER); /* it was for good, and is not said twice */
    is_quiet(victim);
    ck_assert_int_eq(end_of(victim->channel)->rings, AUTO_RINGS_REFUSED);
    ck_assert_int_eq(recv(victim->raw, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
}

START_TEST(a_seal_that_does_not_fit_leaves_it_on_the_socket)
{
    unsigned before = descriptors_open();
    struct victim victim = victim_meet(false);
    AUTO_FD int seal = seal_bad(_i, victim.raw);

    rings_make(&victim);
    int fds[] = { seal, ring_memory_fd(victim.ring[FERRY_SEND]),
        ring_memory_fd(victim.ring[FERRY_RECEIVE]) };
    MUST(raw_head(victim.raw, auto_head(AUTO_OFFER, 0, 0), "", fds, 3) == 0);
    goes_on(&victim, FERRY_AUTO_NOT_DIRECT);
    victim_free(&victim);
    fd_close(&seal);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

/* It accepts, and shows nothing, or too little: the victim does not send by its ring, and goes on
 * knowing why. */
START_TEST(who_accepts_without_a_seal_is_sent_nothing_by_the_ring)
{
    struct victim victim = victim_at(true, HALFWAY);
    AUTO_FD int seal = seal_of_another_connection();

    MUST(raw_head(victim.raw, auto_head(AUTO_ACCEPT, 0, 0), "", &seal, (size_t)_i) == 0);
    is_quiet(&victim);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(stats_of(victim.channel).reason, FERRY_AUTO_NOT_DIRECT);
        ck_assert_int_eq(say(victim.channel, ""), 1);
        ck_assert_int_eq(raw_expect(victim.raw, AUTO_MESSAGE).flags, 0);
        ferry_auto_prefer(victim.channel, FERRY_AUTO_PREFER_RING);
    }
    MUST(raw_head(victim.raw, auto_head(AUTO_MESSAGE, AUTO_BACK, 0), "", NULL, 0) == 0);
    hears(&victim); /* whatever we think of it, it may send */
    ck_assert_int_eq(stats_of(victim.channel).lanes[FERRY_RECEIVE], FERRY_LANE_RING);
    victim_free(&victim);
}
END_TEST

/* Memory that says to hold a ring. */
static int ring_memory_with(uint64_t magic, uint32_t version, uint32_t capacity, int seals)
{
    const struct ring_constants constants = { magic, version, capacity };
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    MUST(pwrite(fd, &constants, sizeof(constants), 0) == sizeof(constants));
    MUST(fallocate(fd, 0, 0, (off_t)RING_DATA_OFFSET + capacity) == 0);
    MUST(fcntl(fd, F_ADD_SEALS, seals) == 0);
    return fd;
}

static int ring_bad(int which)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

    switch (which) {
    case 0:
        return ring_memory_with(RING_MAGIC, RING_VERSION, 4096, 0);
    case 1:
        return ring_memory_with(RING_MAGIC, RING_VERSION, 4096, F_SEAL_SHRINK | F_SEAL_SEAL);
    case 2:
        return ring_memory_with(RING_MAGIC, RING_VERSION - 1, 4096, seals);
    case 3:
        return ring_memory_with(RING_MAGIC, RING_VERSION + 1, 4096, seals);
    case 4:
        return ring_memory_with(RING_MAGIC + 1, RING_VERSION, 4096, seals);
    case 5:
        return ring_memory_with(RING_MAGIC, RING_VERSION, 4095, seals);
    case 6:
        return ring_memory_with(RING_MAGIC, RING_VERSION, 2 * AUTO_RING_CAPACITY, seals);
    case 7:
        return ring_memory_with(RING_MAGIC, RING_VERSION, 4096, seals | F_SEAL_WRITE);
    default:
        return eventfd(0, EFD_CLOEXEC);
    }
}

/* Either ring. */
START_TEST(a_ring_that_cannot_be_used_leaves_it_on_the_socket)
{
    unsigned before = descriptors_open();
    struct victim victim = victim_meet(false);
    AUTO_FD int seal = seal_make(victim.raw);
    AUTO_FD int bad = ring_bad(_i / 2);

    rings_make(&victim);
    int fds[] = { seal, ring_memory_fd(victim.ring[FERRY_SEND]),
        ring_memory_fd(victim.ring[FERRY_RECEIVE]) };
    fds[1 + _i % 2] = bad;
    MUST(raw_head(victim.raw, auto_head(AUTO_OFFER, 0, 0), "", fds, 3) == 0);
    goes_on(&victim, FERRY_AUTO_UNUSABLE);
    victim_free(&victim);
    fd_close(&seal);
    fd_close(&bad);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

/* What the victim sends would come back to it. */
START_TEST(one_memory_for_both_ways_leaves_it_on_the_socket)
{
    struct victim victim = victim_meet(false);
    AUTO_FD int seal = seal_make(victim.raw);

    rings_make(&victim);
    int memory = ring_memory_fd(victim.ring[FERRY_SEND]), fds[] = { seal, memory, memory };
    MUST(raw_head(victim.raw, auto_head(AUTO_OFFER, 0, 0), "", fds, 3) == 0);
    goes_on(&victim, FERRY_AUTO_UNUSABLE);
    victim_free(&victim);
}
END_TEST

/* Offers what another connection has. */
static void offer_of_another(struct victim *victim, const struct victim *other, bool swapped)
{
    AUTO_FD int seal = seal_make(victim->raw);
    int fds[] = { seal, ring_memory_fd(other->ring[swapped ? FERRY_RECEIVE : FERRY_SEND]),
        ring_memory_fd(other->ring[swapped ? FERRY_SEND : FERRY_RECEIVE]) };
    MUST(raw_head(victim->raw, auto_head(AUTO_OFFER, 0, 0), "", fds, 3) == 0);
}

/* What the victim sends by the one would come in by the other, whether it was offered the memory
 * twice or has made it itself. Once nobody has it any more, anybody may. */
START_TEST(one_memory_for_two_connections_leaves_the_second_on_the_socket)
{
    unsigned before = descriptors_open();
    struct victim first = victim_at(_i / 2, RINGS_THERE), second = victim_meet(false);

    offer_of_another(&second, &first, _i % 2);
    goes_on(&second, FERRY_AUTO_UNUSABLE);
    victim_free(&second);
    move_to_ring(&first);

    struct victim third = victim_meet(false);
    ferry_channel_close(first.channel);
    offer_of_another(&third, &first, false);
    is_quiet(&third);
    (void)raw_expect(third.raw, AUTO_ACCEPT);
    victim_free(&third);
    first.channel = NULL;
    victim_free(&first);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

/* --- in the ring ------------------------------------------------------------------------------ */

static void record_put(struct victim *victim, const char *text, unsigned type)
{
    const struct ferry_record record = { text, strlen(text), type };
    MUST(ferry_ring_try_send(victim->ring[FERRY_SEND], &record, 1) == 1);
}

/* They are read in their turn, and a mark more is a turn less. */
START_TEST(marks_out_of_turn_lose_and_double_nothing)
{
    struct victim victim = victim_at(_i, RINGS_THERE);
    const struct auto_head back = auto_head(AUTO_MESSAGE, AUTO_BACK, 0);
    const struct auto_head plain = auto_head(AUTO_MESSAGE, 0, 0);

    record_put(&victim, "too early", 0);
    record_put(&victim, "", RING_MARK);
    record_put(&victim, "with bytes", RING_MARK);
    is_quiet(&victim);
    MUST(raw_head(victim.raw, back, "one", NULL, 0) == 0);
    ck_assert_hears(victim.channel, victim.inbox, "one");
    ck_assert_hears(victim.channel, victim.inbox, "too early");
    is_quiet(&victim);
    MUST(raw_head(victim.raw, plain, "two", NULL, 0) == 0);
    ck_assert_hears(victim.channel, victim.inbox, "two");
    MUST(raw_head(victim.raw, back, "three", NULL, 0) == 0);
    MUST(raw_head(victim.raw, plain, "four", NULL, 0) == 0);
    ck_assert_hears(victim.channel, victim.inbox, "three");
    ck_assert_hears(victim.channel, victim.inbox, "four");
    victim_free(&victim);
}
END_TEST

START_TEST(a_broken_ring_ends_its_direction_and_the_call)
{
    struct victim victim = victim_at(_i, IN_RING);
    struct ferry_message message;

    move_to_ring(&victim);
    atomic_store(&victim.ring[FERRY_SEND]->side->position, 3);
    for (int i = 0; i < 2; i++) {
        ck_assert(ferry_channel_pending(victim.channel));
        ck_assert_int_eq(
            ferry_channel_try_receive(victim.channel, victim.inbox, &message, 1), -EPROTO);
    }
    atomic_store(&victim.ring[FERRY_RECEIVE]->side->position, 3);
    int r;
    while ((r = say(victim.channel, "text")) == 1)
        ;
    ck_assert_int_eq(r, -EPROTO);
    ck_assert_int_eq(say(victim.channel, "text"), -EPROTO);
    ferry_auto_prefer(victim.channel, FERRY_AUTO_PREFER_SOCKET); /* a mark has no place either */
    ck_assert_int_eq(say(victim.channel, "text"), -EPROTO);
    victim_free(&victim);
}
END_TEST

/* Its bell says again and again that it sleeps: each message wakes it, and none more than once. */
START_TEST(a_bell_that_never_stops_costs_a_call_for_each_message)
{
    struct victim victim = victim_at(_i, IN_RING);

    move_to_ring(&victim);
    uint64_t before = stats_of(victim.channel).wakes;
    for (uint64_t i = 1; i <= 100; i++) {
        atomic_store(&victim.ring[FERRY_RECEIVE]->side->bell, (1000 + i) << 32 | 1);
        ck_assert_int_eq(say(victim.channel, "text"), 1);
        ck_assert_uint_eq(stats_of(victim.channel).wakes, before + i);
        (void)raw_expect(victim.raw, AUTO_WAKE);
    }
    victim_free(&victim);
}
END_TEST

/* What an earlier call has left in errno says nothing of this one: each is sent once. */
START_TEST(what_failed_before_is_forgotten)
{
    struct victim victim = victim_at(false, NOTHING_YET);

    ferry_auto_prefer(victim.channel, FERRY_AUTO_PREFER_RING);
    errno = EINTR;
    ck_assert_int_eq(say(victim.channel, ""), 1);
    (void)raw_expect(victim.raw, AUTO_ASK);
    (void)raw_expect(victim.raw, AUTO_MESSAGE);
    ck_assert_int_eq(recv(victim.raw, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
    victim_free(&victim);

    victim = victim_at(true, IN_RING);
    move_to_ring(&victim);
    uint64_t before = stats_of(victim.channel).wakes;
    atomic_store(&victim.ring[FERRY_RECEIVE]->side->bell, UINT64_C(1000) << 32 | 1);
    errno = EPIPE;
    ck_assert_int_eq(say(victim.channel, "text"), 1);
    ck_assert_int_eq(say(victim.channel, "text"), 1);
    ck_assert_uint_eq(stats_of(victim.channel).wakes, before + 1);
    victim_free(&victim);
}
END_TEST

/* Whoever has so much to read is awake. */
START_TEST(a_wake_for_which_the_socket_has_no_room_is_one)
{
    struct victim victim = victim_at(true, IN_RING);
    const struct auto_head wake = auto_head(AUTO_WAKE, 0, 0);

    move_to_ring(&victim);
    while (send(end_of(victim.channel)->fd, &wake, sizeof(wake), MSG_DONTWAIT) > 0)
        continue;
    ck_assert_int_eq(errno, EAGAIN);
    uint64_t before = stats_of(victim.channel).wakes;
    atomic_store(&victim.ring[FERRY_RECEIVE]->side->bell, UINT64_C(1000) << 32 | 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(say(victim.channel, ""), 1);
    ck_assert_uint_eq(stats_of(victim.channel).wakes, before + 1);
    victim_free(&victim);
}
END_TEST

/* --- a peer that does anything ---------------------------------------------------------------- */

static uint64_t chance = 19;

static unsigned any(unsigned count)
{
    return draw(&chance) % count;
}

static void packet_send_any(struct victim *victim)
{
    static const size_t sizes[] = { 0, 0, 0, 0, 1, 100, 248 };
    char text[256] = "";
    int fds[FERRY_DESCRIPTORS_MAX] = { 0 };
    bool light = any(4);
    size_t count = light ? 0 : bring((enum brought)any(BROUGHT_COUNT), victim->raw, fds);
    struct auto_head head = auto_head((enum auto_kind)(any(3) ? 1 : any(8)), any(4), 0);

    if (any(40) == 0)
        ((unsigned char *)&head)[any(8)] ^= (unsigned char)(1 << any(8));
    if (head.flags & AUTO_LARGE && any(2)) {
        head.size = LARGE;
        if (count == 1) {
            close(fds[0]);
            fds[0] = memory_with(LARGE, LARGE, F_SEAL_SHRINK | F_SEAL_WRITE);
        }
    }
    memset(text, 'x', sizes[any(COUNT_OF(sizes))]);
    if (any(100) == 0)
        (void)!raw_send(victim->raw, &head, any(8), fds, count);
    else
        (void)!raw_head(victim->raw, head, text, fds, count);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void ring_write_any(struct victim *victim)
{
    struct ferry_ring *ring = victim->ring[any(2)];

    if (!ring)
        return;
    switch (any(12)) {
    case 0:
        atomic_store(&ring->side->position, any(2) ? any(5000) & ~7u : draw(&chance));
        break;
    case 1:
        atomic_store(&ring->side->bell, (uint64_t)draw(&chance) << 32 | any(2));
        break;
    case 2:
        if (any(8) == 0)
            memset(ring->data + any(512) * 8, (int)any(256), 8);
        break;
    default:
        if (ring->direction == FERRY_SEND) {
            const struct ferry_record record = { "anything", any(9), any(4) ? 0 : any(3) };
            (void)!ferry_ring_try_send(ring, &record, 1);
        }
    }
}

/* The peer as it should be. */
static void behave(struct victim *victim)
{
    static const struct ferry_record mark = { "", 0, RING_MARK };
    bool rings = victim->ring[FERRY_SEND] && end_of(victim->channel)->rings == AUTO_RINGS_THERE;
    bool back = rings && any(4) == 0;

    if (victim->in_ring && any(16)) {
        const struct ferry_record record = { "as it should", any(12), 0 };
        (void)!ferry_ring_try_send(victim->ring[FERRY_SEND], &record, 1);
        return;
    }
    if (victim->in_ring && ferry_ring_try_send(victim->ring[FERRY_SEND], &mark, 1) != 1)
        return;
    victim->in_ring = false;
    if (raw_head(victim->raw, auto_head(AUTO_MESSAGE, back ? AUTO_BACK : 0, 0), "as it should",
            NULL, 0) == 0)
        victim->in_ring = back;
}

/* --- and rewrites what is shared, after each look of the victim's ----------------------------- */

static const struct victim *attacked;
static unsigned peace; /* what it does between two attacks, on average */
static uint64_t loads, most_loads;

/* A number that is more likely than others to do harm. */
static uint64_t attack_number(const struct ferry_ring *ring)
{
    const uint32_t near[] = { 0, 8, 16, 512, ring->capacity - 8, ring->capacity, ring->capacity + 8,
        1u << 31, 0u - 8 };
    uint32_t number = near[any(COUNT_OF(near))];

    switch (any(4)) {
    case 0:
        return (uint64_t)draw(&chance) << 33 ^ draw(&chance);
    case 1:
        return ring_head(any(8), any(600));
    case 2:
        return ring_head(RING_KIND_RECORD, number);
    default:
        return ring->own + number;
    }
}

static void attack(void *word, size_t size)
{
    for (int i = 0; attacked && i < 2; i++) {
        const struct ferry_ring *ring = end_of(attacked->channel)->ring[i];
        if (!ring || (char *)word < (char *)ring->shared ||
            (char *)word >= (char *)ring->shared + ring->map_size)
            continue; /* another's, or the raw end's own look */
        loads++;
        if (any(4 * peace))
            return;
        uint64_t number = attack_number(ring);
        if (any(2))
            memcpy(word, &number, size);
        if (any(4) == 0)
            memcpy(&ring->other->position, &number, 4);
        if (any(4) == 0)
            memcpy(&ring->other->bell, &number, 8);
        if (any(2))
            memcpy(ring->data + (ring->own & (ring->capacity - 8)), &number, 8);
    }
}

static int64_t longest_ns;

static int64_t processor_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Returns what its call did. */
static int victim_call(struct victim *victim)
{
    struct ferry_message batch[32];
    int64_t began_ns = processor_ns();
    uint64_t loads_before = loads;
    bool receives = any(3);
    int r = receives ? ferry_channel_try_receive(victim->channel, victim->inbox, batch, 1 + any(32))
                     : say(victim->channel, "text");
    int64_t took_ns = processor_ns() - began_ns;

    if (took_ns > longest_ns)
        longest_ns = took_ns;
    if (loads - loads_before > most_loads)
        most_loads = loads - loads_before;
    for (int i = 0; receives && i < r; i++) {
        static volatile unsigned char sink;
        for (size_t j = 0; j < batch[i].size; j += 61)
            sink = ((const unsigned char *)batch[i].data)[j];
        (void)sink;
        ferry_message_fini(&batch[i]);
    }
    if (any(4) == 0)
        (void)ferry_channel_pending(victim->channel);
    if (any(20) == 0)
        ferry_auto_prefer(victim->channel, (enum ferry_auto_preference)any(3));
    return r;
}

/* One connection, until it ends. Returns how many calls it had. */
static size_t live(bool rewrites)
{
    static const enum point points[] = { NOTHING_YET, NOTHING_YET, HALFWAY, RINGS_THERE, IN_RING,
        IN_RING, IN_RING, REFUSED };
    struct victim victim = victim_at(any(2), points[any(COUNT_OF(points))]);
    char sink[4096];
    size_t calls = 0;
    int r = 0;

    peace = 1u << any(8);
    attacked = rewrites ? &victim : NULL;
    victim.in_ring = stats_of(victim.channel).lanes[FERRY_RECEIVE] == FERRY_LANE_RING;

    for (; calls < 300 && r != -EPROTO && r != -EPIPE && r != -EINVAL; calls++) {
        for (unsigned i = any(6); i > 0; i--)
            any(peace) ? behave(&victim)
            : any(3)   ? ring_write_any(&victim)
                       : packet_send_any(&victim);
        r = victim_call(&victim);
        while (recv(victim.raw, sink, sizeof(sink), MSG_DONTWAIT) > 0 && any(20))
            ;
        MUST(r >= 0 || r == -EAGAIN || r == -EMSGSIZE || r == -EBADMSG || r == -EPROTO ||
             r == -EPIPE);
    }
    attacked = NULL;
    victim_free(&victim);
    return calls;
}

/* A mark has no bytes; one that has more than there is room for is lost as any record, and what is
 * behind it is not. */
START_TEST(a_mark_without_room_is_lost)
{
    struct victim victim = victim_at(_i % 2, IN_RING);
    struct ferry_message message;
    static const unsigned char data[100];
    const struct ferry_record records[] = { { data, 100, RING_MARK }, { data, 10, 0 } };

    ferry_inbox_free(victim.inbox);
    victim.inbox = inbox_of(64, 8);
    ck_assert_int_eq(ferry_ring_try_send(victim.ring[FERRY_SEND], records, 2), 2);
    ck_assert_int_eq(
        ferry_channel_try_receive(victim.channel, victim.inbox, &message, 1), -EMSGSIZE);
    ck_assert_uint_eq(message.size, 100);
    ck_assert_int_eq(ferry_channel_try_receive(victim.channel, victim.inbox, &message, 1), 1);
    ck_assert_uint_eq(message.size, 10);
    ck_assert_uint_eq(stats_of(victim.channel).lanes[FERRY_RECEIVE], FERRY_LANE_RING);
    victim_free(&victim);
}
END_TEST

START_TEST(a_peer_that_does_anything_costs_the_connection)
{
    const char *wanted = getenv("FERRY_FAULT_CALLS");
    size_t count = wanted ? strtoul(wanted, NULL, 10) : 100000, calls = 0, lives = 0;
    unsigned before = descriptors_open();

    ring_test_loaded = attack;
    for (; calls < count; lives++)
        calls += live(_i);
    printf(
        "a peer that does anything%s: %zu calls, %zu connections, at most %lld ns and %llu loads "
        "in a call\n",
        _i ? " after each load" : "", calls, lives, (long long)longest_ns,
        (unsigned long long)most_loads);
    ck_assert_uint_gt(lives, count / 300);
    /* Of each turn: two looks for what has come, one at the bell, and two before it sleeps. */
    ck_assert_uint_le(most_loads, AUTO_TURN_MAX * 6);
    if (_i)
        ck_assert_uint_gt(loads, count / 4);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/auto/hostile");
    TCase *tests = tcase_create("hostile");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 50);
    tcase_add_loop_test(tests, each_message_is_worth_what_it_is_at_its_time, 0, 2 * POINT_COUNT);
    tcase_add_loop_test(tests, a_mark_without_room_is_lost, 0, 2);
    tcase_add_test(tests, a_refusal_has_a_reason);
    tcase_add_loop_test(tests, who_asks_for_what_is_there_is_refused_nothing, 0, 2);
    tcase_add_loop_test(tests, what_comes_out_of_turn_in_a_batch_is_an_error, 0, 2);
    tcase_add_loop_test(tests, an_empty_packet_is_the_end_and_leaves_nothing, 0, 2 * POINT_COUNT);
    tcase_add_loop_test(tests, a_flood_has_its_turn_and_no_more, 0, 4);
    tcase_add_loop_test(tests, what_is_no_head_ends_it_and_strangers_are_told, 0, 2 * POINT_COUNT);
    tcase_add_loop_test(tests, what_lies_in_a_memfd_as_it_should_is_received, 0, 2 * POINT_COUNT);
    tcase_add_loop_test(tests, a_memfd_that_is_not_as_it_should_be_ends_it, 0, 10);
    tcase_add_loop_test(tests, what_says_to_be_larger_than_the_inbox_is_lost, 0, 3);
    tcase_add_test(tests, a_large_message_fills_the_queue);
    tcase_add_loop_test(tests, a_seal_that_does_not_fit_leaves_it_on_the_socket, 0, 7);
    tcase_add_loop_test(tests, who_accepts_without_a_seal_is_sent_nothing_by_the_ring, 0, 2);
    tcase_add_test(tests, one_memory_for_both_ways_leaves_it_on_the_socket);
    tcase_add_loop_test(
        tests, one_memory_for_two_connections_leaves_the_second_on_the_socket, 0, 4);
    tcase_add_loop_test(tests, a_ring_that_cannot_be_used_leaves_it_on_the_socket, 0, 18);
    tcase_add_loop_test(tests, marks_out_of_turn_lose_and_double_nothing, 0, 2);
    tcase_add_loop_test(tests, a_broken_ring_ends_its_direction_and_the_call, 0, 2);
    tcase_add_loop_test(tests, a_bell_that_never_stops_costs_a_call_for_each_message, 0, 2);
    tcase_add_test(tests, what_failed_before_is_forgotten);
    tcase_add_test(tests, a_wake_for_which_the_socket_has_no_room_is_one);
    tcase_add_loop_test(tests, a_peer_that_does_anything_costs_the_connection, 0, 2);
    return scratch_run(suite);
}
