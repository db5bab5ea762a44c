/* test_lanes.c - what is sent arrives once, whole and in order, by whichever lane. */
#include "memory/system_call.h"
#include "peers.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

/* --- everything at once ----------------------------------------------------------------------- */

enum { STEPS = 30000, SIZE_MAX_SENT = 2 * RECORD_MAX, DESCRIPTORS = 3 };

static uint64_t chance = 23;
static unsigned char data[SIZE_MAX_SENT + 1];

static unsigned any(unsigned count)
{
    return draw(&chance) % count;
}

/* What a message is follows from its number. */
static size_t size_of(uint32_t number)
{
    uint64_t state = number * 2 + 1;

    draw(&state);
    switch (draw(&state) % 64) {
    case 0:
        return 0;
    case 1:
        return draw(&state) % SIZE_MAX_SENT;
    case 2:
        return RECORD_MAX - 8 + draw(&state) % 16;
    default:
        return draw(&state) % 2000;
    }
}

static size_t descriptors_of(uint32_t number)
{
    return number % 17 == 0 ? number % (DESCRIPTORS + 1) : 0;
}

/* One way between the two. */
struct way {
    struct ferry_channel *from, *to;
    uint32_t sent, received;
};

static void send_next(struct way *way)
{
    size_t size = size_of(way->sent), count = descriptors_of(way->sent);
    int fds[DESCRIPTORS];

    bytes_fill(data, size, way->sent);
    for (size_t i = 0; i < count; i++)
        fds[i] = eventfd(way->sent + (unsigned)i + 1, EFD_CLOEXEC);
    int r = send_bytes(way->from, data, size, fds, count);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    MUST(r == 1 || r == -EAGAIN);
    way->sent += r == 1;
}

static void judge(struct way *way, struct ferry_message *message)
{
    uint32_t number = way->received++;

    MUST(message->size == size_of(number));
    MUST(bytes_are(message->data, message->size, number));
    MUST(message->descriptor_count == descriptors_of(number));
    for (size_t i = 0; i < message->descriptor_count; i++) {
        uint64_t value;
        MUST(read(message->descriptors[i], &value, sizeof(value)) == sizeof(value));
        MUST(value == number + i + 1);
    }
    ferry_message_fini(message);
}

static void receive_next(struct way *way, struct ferry_inbox *inbox, size_t count)
{
    struct ferry_message batch[32];
    int r = ferry_channel_try_receive(way->to, inbox, batch, count);

    MUST(r > 0 || r == -EAGAIN);
    for (int i = 0; i < r; i++)
        judge(way, &batch[i]);
}

START_TEST(all_arrives_once_and_in_order_whatever_moves)
{
    unsigned before = descriptors_open();
    struct pair pair = pair_make("", "");
    struct way ways[] = { { pair.dialled, pair.accepted, 0, 0 },
        { pair.accepted, pair.dialled, 0, 0 } };

    for (int i = 0; i < STEPS; i++) {
        struct way *way = &ways[any(2)];
        if (any(50) == 0)
            ferry_auto_prefer(
                way->from, any(2) ? FERRY_AUTO_PREFER_RING : FERRY_AUTO_PREFER_SOCKET);
        for (unsigned j = any(8); j > 0; j--)
            send_next(way);
        if (any(3))
            receive_next(&ways[any(2)], pair.inbox, 1 + any(32));
        (void)ferry_channel_pending(ways[any(2)].to);
    }
    for (int i = 0; i < 2; i++) {
        struct ferry_auto_stats stats = stats_of(ways[i].from);
        while (ways[i].received < ways[i].sent)
            receive_next(&ways[i], pair.inbox, 16);
        ck_assert_uint_gt(stats.moves, 100);
        ck_assert_uint_gt(stats.ring_messages, 1000);
        ck_assert_uint_gt(stats.socket_messages, 1000);
        ck_assert_uint_gt(stats.large_messages, 10);
        ck_assert_uint_eq(stats.ring_messages + stats.socket_messages, ways[i].sent);
    }
    pair_free(&pair);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

/* --- sizes ------------------------------------------------------------------------------------ */

/* All small ones, all about the limits, and of the others one in so many. */
static size_t size_next(size_t size)
{
    static const size_t limits[] = { 4096, 65536, AUTO_LARGE_LOOK, RECORD_MAX };

    if (size < 600)
        return size + 1;
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        if (size + 300 > limits[i] && size < limits[i] + 20)
            return size + 1;
    return size + 127;
}

START_TEST(every_size_is_whole_by_either_lane)
{
    struct pair pair = pair_make("", "");
    struct ferry_message message = { 0 };

    bytes_fill(data, sizeof(data), 7);
    move_to(pair.dialled, pair.accepted, pair.inbox, (enum ferry_lane)_i);
    struct ferry_auto_stats before = stats_of(pair.dialled);
    for (size_t size = 0; size <= RECORD_MAX + 1; size = size_next(size)) {
        MUST(send_bytes(pair.dialled, data, size, NULL, 0) == 1);
        MUST(receive_one(pair.accepted, pair.inbox, &message) == 1);
        MUST(message.size == size && memcmp(message.data, data, size) == 0);
    }
    struct ferry_auto_stats after = stats_of(pair.dialled);
    if (_i == FERRY_LANE_RING) /* but one, which is too large */
        ck_assert_uint_eq(after.socket_messages - before.socket_messages, 1);
    else
        ck_assert_uint_eq(after.ring_messages, before.ring_messages);
    pair_free(&pair);
}
END_TEST

START_TEST(what_has_no_room_in_the_inbox_is_lost_alone)
{
    static const size_t sizes[] = { 101, 4000, RECORD_MAX, RECORD_MAX + 1 };
    struct pair pair = pair_make("", "");
    struct ferry_inbox *small = inbox_of(100, 8);
    AUTO_FD int event = eventfd(0, EFD_CLOEXEC);
    struct ferry_message batch[1];

    move_to(pair.dialled, pair.accepted, pair.inbox, (enum ferry_lane)_i);
    unsigned before = descriptors_open();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        ck_assert_int_eq(say(pair.dialled, "before"), 1);
        ck_assert_int_eq(send_bytes(pair.dialled, data, sizes[i], &event, i % 2), 1);
        ck_assert_int_eq(say(pair.dialled, "after"), 1);
        ck_assert_int_eq(receive_some(pair.accepted, small, batch, 1), 1);
        ck_assert_mem_eq(batch[0].data, "before", 6);
        ck_assert_int_eq(receive_some(pair.accepted, small, batch, 1), -EMSGSIZE);
        ck_assert_uint_eq(batch[0].size, sizes[i]);
        ck_assert_uint_eq(batch[0].descriptor_count, 0);
        if (_i == FERRY_LANE_RING) { /* its room is given back at once */
            const struct ferry_ring *ring = end_of(pair.accepted)->ring[FERRY_RECEIVE];
            ck_assert_uint_eq(ring->published, ring->own);
        }
        ck_assert_hears(pair.accepted, small, "after");
        ck_assert_uint_eq(descriptors_open(), before);
    }
    ferry_inbox_free(small);
    pair_free(&pair);
}
END_TEST

/* Of records as of any message, and of what lies in a memfd: to the byte. */
START_TEST(what_just_has_room_in_the_inbox_is_received)
{
    static const size_t sizes[] = { 100, RECORD_MAX, SIZE_MAX_SENT };
    struct pair pair = pair_make("", "");
    struct ferry_message message = { 0 };

    move_to(pair.dialled, pair.accepted, pair.inbox, (enum ferry_lane)(_i % 2));
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct ferry_inbox *just = inbox_of(sizes[i], 1), *small = inbox_of(sizes[i] - 1, 1);
        ck_assert_int_eq(send_bytes(pair.dialled, data, sizes[i], NULL, 0), 1);
        ck_assert_int_eq(receive_one(pair.accepted, just, &message), 1);
        ck_assert_uint_eq(message.size, sizes[i]);
        ck_assert_int_eq(send_bytes(pair.dialled, data, sizes[i], NULL, 0), 1);
        ck_assert_int_eq(receive_one(pair.accepted, small, &message), -EMSGSIZE);
        ck_assert_int_eq(say(pair.dialled, "after"), 1);
        ck_assert_hears(pair.accepted, pair.inbox, "after");
        ferry_inbox_free(just);
        ferry_inbox_free(small);
    }
    pair_free(&pair);
}
END_TEST

/* By the socket, what one call to the kernel brings; by the ring, as many as there is room for. */
START_TEST(many_come_at_a_time)
{
    enum { MANY = RECEIVE_BATCH_MAX + 8 };
    struct pair pair = pair_make("", "");
    struct ferry_inbox *wide = inbox_of(4096, MANY);
    struct ferry_message batch[MANY];

    if (_i)
        move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_RING);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(say(pair.dialled, "text"), 1);
    if (_i) {
        ck_assert_int_eq(receive_some(pair.accepted, wide, batch, MANY - 1), MANY - 1);
        ck_assert_int_eq(receive_some(pair.accepted, wide, batch, MANY), 1);
    } else {
        ck_assert_int_eq(receive_some(pair.accepted, wide, batch, MANY), RECEIVE_BATCH_MAX);
        ck_assert_int_eq(receive_some(pair.accepted, wide, batch, MANY), MANY - RECEIVE_BATCH_MAX);
    }
    ck_assert_uint_eq(end_of(pair.accepted)->received, MANY + (_i ? 20 : 0)); /* to move */
    ck_assert_uint_eq(end_of(pair.dialled)->received, 0);
    ferry_inbox_free(wide);
    pair_free(&pair);
}
END_TEST

/* It is known how long it was, whatever it was lost for. */
START_TEST(what_had_descriptors_for_which_there_was_no_room_is_lost)
{
    struct pair pair = pair_make("", "");
    AUTO_FD int event = eventfd(0, EFD_CLOEXEC);
    struct ferry_message message = { 0 };
    struct rlimit usual, none;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = (struct rlimit){ 0, usual.rlim_max };
    ck_assert_int_eq(send_bytes(pair.dialled, "seven..", 7, &event, 1), 1);
    ck_assert_int_eq(say(pair.dialled, "after"), 1);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(receive_some(pair.accepted, pair.inbox, &message, 1), -EBADMSG);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
    ck_assert_uint_eq(message.size, 7);
    ck_assert_hears(pair.accepted, pair.inbox, "after");
    pair_free(&pair);
}
END_TEST

static int receive_soon(const struct pair *pair, int64_t deadline_ns)
{
    struct link *link = &pair->accepted->link;
    struct ferry_message message;
    return link->ops->receive_soon(link, pair->inbox, &message, deadline_ns);
}

static uint64_t spins_of(const struct ferry_channel *channel, enum ferry_direction direction)
{
    struct ferry_ring_stats stats;
    ferry_ring_get_stats(end_of(channel)->ring[direction], &stats);
    return stats.spins;
}

/* In the ring alone, and not when there is no time. */
START_TEST(what_may_come_at_once_is_looked_out_for)
{
    struct pair pair = pair_in_ring();
    bool are_many = !auto_is_together(end_of(pair.accepted));
    uint64_t before = spins_of(pair.accepted, FERRY_RECEIVE);

    ring_look_out_anew(end_of(pair.accepted)->ring[FERRY_RECEIVE]);
    ck_assert_int_eq(receive_soon(&pair, ferry_deadline(0)), -EAGAIN);
    ck_assert_uint_eq(spins_of(pair.accepted, FERRY_RECEIVE), before);
    ck_assert_int_eq(receive_soon(&pair, ferry_deadline(PATIENCE_MS)), -EAGAIN);
    ck_assert_uint_eq(spins_of(pair.accepted, FERRY_RECEIVE), before + are_many);
    ck_assert_int_eq(say(pair.dialled, "text"), 1);
    ck_assert_int_eq(receive_soon(&pair, ferry_deadline(0)), 1);
    move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_SOCKET);
    before = spins_of(pair.accepted, FERRY_RECEIVE);
    ck_assert_int_eq(say(pair.dialled, "text"), 1);
    ck_assert_int_eq(receive_soon(&pair, ferry_deadline(PATIENCE_MS)), -EAGAIN);
    ck_assert_uint_eq(spins_of(pair.accepted, FERRY_RECEIVE), before);
    ck_assert_hears(pair.accepted, pair.inbox, "text");
    pair_free(&pair);
}
END_TEST

/* By what went, however much of it at a time. Nothing is a batch as well. */
START_TEST(each_of_a_batch_counts)
{
    struct pair pair = pair_in_ring();
    struct iovec buffer = { data, 10 };
    struct ferry_outgoing batch[5];
    const struct pace *pace = &end_of(pair.dialled)->pace;
    uint32_t count = pace->count;
    uint64_t size = pace->size;

    for (int i = 0; i < 5; i++)
        batch[i] = (struct ferry_outgoing){ .buffers = &buffer, .buffer_count = 1 };
    ck_assert_int_eq(ferry_channel_try_send(pair.dialled, batch, 5), 5);
    ck_assert_int_eq(ferry_channel_try_send(pair.dialled, NULL, 0), 0);
    ck_assert_uint_eq(pace->count, count + 5);
    ck_assert_uint_eq(pace->size, size + 50);
    pair_free(&pair);
}
END_TEST

/* By a send as by a receive, also where the peer is awake, so that nobody wakes it for what comes.
 */
START_TEST(what_is_owed_is_paid_in_the_ring)
{
    struct pair pair = pair_in_ring();

    ring_awake(end_of(pair.accepted)->ring[FERRY_RECEIVE]);
    end_of(pair.dialled)->owes_wake = true;
    ck_assert_int_eq(say(pair.dialled, "text"), 1);
    ck_assert(!end_of(pair.dialled)->owes_wake);
    end_of(pair.accepted)->owes_wake = true;
    ck_assert_hears(pair.accepted, pair.inbox, "text");
    ck_assert(!end_of(pair.accepted)->owes_wake);
    pair_free(&pair);
}
END_TEST

/* It was sent before. */
START_TEST(what_is_lost_is_said_before_what_is_in_the_ring)
{
    struct pair pair = pair_in_ring();
    struct ferry_message message;

    ck_assert_int_eq(say(pair.dialled, "text"), 1);
    socket_loss_add(end_of(pair.accepted)->losses, -EMSGSIZE, 4242);
    ck_assert_int_eq(ferry_channel_try_receive(pair.accepted, pair.inbox, &message, 1), -EMSGSIZE);
    ck_assert_uint_eq(message.size, 4242);
    ck_assert_hears(pair.accepted, pair.inbox, "text");
    pair_free(&pair);
}
END_TEST

static bool comes_later(const struct pair *pair)
{
    ck_assert_int_eq(receive_soon(pair, ferry_deadline(0)), -EAGAIN);
    return end_of(pair->accepted)->ring[FERRY_RECEIVE]->was_late;
}

/* Not where an answer is waited for, even one of several messages, by whichever lane one spoke. */
START_TEST(who_only_listens_comes_later)
{
    struct pair pair = pair_in_ring();
    struct ferry_ring *ring = end_of(pair.accepted)->ring[FERRY_RECEIVE];
    const enum ferry_lane lanes[] = { FERRY_LANE_RING, FERRY_LANE_SOCKET };

    for (int i = 0; i < 2; i++) {
        move_to(pair.accepted, pair.dialled, pair.inbox, lanes[i]);
        ck_assert_int_eq(say(pair.accepted, "text"), 1);
        ck_assert_hears(pair.dialled, pair.inbox, "text");
        ring->spin_ns = 1000; /* it pays to look out */
        ring->late_pays = 100;
        for (unsigned n = 1; n < AUTO_LISTENED; n++)
            ck_assert(!comes_later(&pair));
        for (int n = 0; n < 5; n++)
            ck_assert(comes_later(&pair));
        ck_assert_int_eq(say(pair.accepted, "text"), 1);
        ck_assert_hears(pair.dialled, pair.inbox, "text");
        ck_assert(!comes_later(&pair));
    }
    pair_free(&pair);
}
END_TEST

/* Once, when all that had room is shown: whoever has seen none of it can make no room. */
START_TEST(room_is_looked_out_for_by_who_has_shown_what_there_is)
{
    enum { MANY = 16 };
    struct pair pair = pair_in_ring();
    bool are_many = !auto_is_together(end_of(pair.dialled));
    struct iovec buffer = { data, RECORD_MAX };
    struct ferry_outgoing batch[MANY];

    for (int i = 0; i < MANY; i++)
        batch[i] = (struct ferry_outgoing){ .buffers = &buffer, .buffer_count = 1 };
    ring_look_out_anew(end_of(pair.dialled)->ring[FERRY_SEND]);
    uint64_t before = spins_of(pair.dialled, FERRY_SEND);
    ck_assert_int_ge(ferry_channel_try_send(pair.dialled, batch, MANY), 7);
    ck_assert_uint_eq(stats_of(pair.dialled).reason, FERRY_AUTO_FULL);
    ck_assert_uint_eq(spins_of(pair.dialled, FERRY_SEND), before + are_many);
    pair_free(&pair);
}
END_TEST

/* It came in a batch with others, which were given out before. */
START_TEST(what_is_lost_is_pending_until_it_is_said)
{
    struct pair pair = pair_make("", "");
    struct ferry_inbox *small = inbox_of(100, 8);
    struct ferry_message batch[8];

    ck_assert_int_eq(say(pair.dialled, "one"), 1);
    ck_assert_int_eq(send_bytes(pair.dialled, data, 101, NULL, 0), 1);
    ck_assert_int_eq(say(pair.dialled, "three"), 1);
    ck_assert_int_eq(receive_some(pair.accepted, small, batch, 8), 2);
    ck_assert_uint_eq(batch[1].size, 5);
    ck_assert(ferry_channel_pending(pair.accepted));
    ck_assert_int_eq(receive_some(pair.accepted, small, batch, 8), -EMSGSIZE);
    ck_assert_uint_eq(batch[0].size, 101);
    ck_assert(!ferry_channel_pending(pair.accepted));
    ferry_inbox_free(small);
    pair_free(&pair);
}
END_TEST

/* Whatever comes next, by whichever lane, or nothing. */
START_TEST(what_lies_in_a_memfd_is_given_back_by_the_next_receive)
{
    struct pair pair = pair_in_ring();
    struct ferry_message message = { 0 };

    ck_assert_int_eq(send_bytes(pair.dialled, data, SIZE_MAX_SENT, NULL, 0), 1);
    ck_assert_int_eq(receive_one(pair.accepted, pair.inbox, &message), 1);
    ck_assert_uint_eq(pair.inbox->mapped_count, 1);
    if (_i)
        ck_assert_int_eq(say(pair.dialled, "next"), 1);
    ck_assert_int_eq(
        ferry_channel_try_receive(pair.accepted, pair.inbox, &message, 1), _i ? 1 : -EAGAIN);
    ck_assert_uint_eq(pair.inbox->mapped_count, 0);
    pair_free(&pair);
}
END_TEST

/* By either lane: it goes to the socket. */
START_TEST(what_has_no_room_in_the_machine_is_an_error_of_the_sender)
{
    const struct rlimit less = { RECORD_MAX, RLIM_INFINITY };
    struct pair pair = pair_in_ring();
    unsigned before = descriptors_open();
    void *nowhere = mmap(NULL, SIZE_MAX_SENT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (_i % 2)
        move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_SOCKET);
    ck_assert_int_eq(send_bytes(pair.dialled, nowhere, SIZE_MAX_SENT, NULL, 0), -EFAULT);
    ck_assert_int_eq(send_bytes(pair.dialled, data, AUTO_LARGE_MAX + 1, NULL, 0), -EMSGSIZE);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &less), 0);
    ck_assert_int_eq(send_bytes(pair.dialled, data, SIZE_MAX_SENT, NULL, 0), -EFBIG);
    ck_assert_int_eq(send_bytes(pair.dialled, data, AUTO_LARGE_MAX, NULL, 0), -EFBIG);
    system_call_fails(SYS_memfd_create, ENFILE);
    ck_assert_int_eq(send_bytes(pair.dialled, data, SIZE_MAX_SENT, NULL, 0), -EFBIG);
    const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &all), 0);
    ck_assert_int_eq(send_bytes(pair.dialled, data, SIZE_MAX_SENT, NULL, 0), -ENFILE);
    ck_assert_uint_eq(descriptors_open(), before);
    ck_assert_int_eq(say(pair.dialled, "goes on"), 1);
    ck_assert_hears(pair.accepted, pair.inbox, "goes on");
    pair_free(&pair);
}
END_TEST

/* A thread for which no memfd can be sealed: the kernel has pages of each in hand. */
static void *send_what_cannot_be_sealed(void *data_of_it)
{
    struct pair *pair = data_of_it;

    system_call_fails(SYS_fcntl, EBUSY);
    ck_assert_int_eq(send_bytes(pair->dialled, data, SIZE_MAX_SENT, NULL, 0), -EAGAIN);
    return NULL;
}

START_TEST(what_the_kernel_has_in_hand_goes_a_moment_later)
{
    struct pair pair = pair_in_ring();
    unsigned before = descriptors_open();
    struct ferry_message message = { 0 };
    pthread_t thread;

    if (_i % 2)
        move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_SOCKET);
    ck_assert_int_eq(say(pair.dialled, "first"), 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_what_cannot_be_sealed, &pair), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(descriptors_open(), before);
    ck_assert_int_eq(send_bytes(pair.dialled, data, SIZE_MAX_SENT, NULL, 0), 1);
    ck_assert_hears(pair.accepted, pair.inbox, "first");
    ck_assert_int_eq(receive_one(pair.accepted, pair.inbox, &message), 1);
    ck_assert_uint_eq(message.size, SIZE_MAX_SENT);
    ck_assert_mem_eq(message.data, data, SIZE_MAX_SENT);
    pair_free(&pair);
}
END_TEST

/* --- moments ---------------------------------------------------------------------------------- */

START_TEST(what_passes_the_ring_keeps_its_place)
{
    struct pair pair = pair_in_ring();
    AUTO_FD int event = eventfd(0, EFD_CLOEXEC);
    struct ferry_message batch[8];
    struct ferry_auto_stats before = stats_of(pair.dialled);
    int64_t entered_ns = end_of(pair.dialled)->pace.entered_ns;

    ck_assert_int_gt(entered_ns, 0);
    ck_assert_int_eq(say(pair.dialled, "one"), 1);
    ck_assert_int_eq(send_bytes(pair.dialled, "two", 3, &event, 1), 1);
    ck_assert_int_eq(say(pair.dialled, "three"), 1);
    ck_assert_int_eq(send_bytes(pair.dialled, data, RECORD_MAX + 1, NULL, 0), 1);
    ck_assert_int_eq(say(pair.dialled, "five"), 1);
    struct ferry_auto_stats after = stats_of(pair.dialled);
    ck_assert_uint_eq(after.moves - before.moves, 4);
    ck_assert_uint_eq(after.ring_messages - before.ring_messages, 3);
    ck_assert_uint_eq(after.socket_messages - before.socket_messages, 2);
    ck_assert_uint_eq(
        after.large_messages - before.large_messages, 0); /* a socket has room for it */
    ck_assert_int_eq(after.lanes[FERRY_SEND], FERRY_LANE_RING);
    ck_assert_int_eq(after.reason, FERRY_AUTO_FORCED);
    ck_assert_int_eq(end_of(pair.dialled)->pace.entered_ns, entered_ns); /* it had not left */

    ck_assert_hears(pair.accepted, pair.inbox, "one");
    ck_assert_int_eq(receive_some(pair.accepted, pair.inbox, batch, 8), 1);
    ck_assert_mem_eq(batch[0].data, "two", 3);
    ck_assert_uint_eq(batch[0].descriptor_count, 1);
    ferry_message_fini(&batch[0]);
    ck_assert_hears(pair.accepted, pair.inbox, "three");
    ck_assert_int_eq(receive_some(pair.accepted, pair.inbox, batch, 8), 1);
    ck_assert_uint_eq(batch[0].size, RECORD_MAX + 1);
    ck_assert_hears(pair.accepted, pair.inbox, "five");
    pair_free(&pair);
}
END_TEST

/* What was there is received, then the end; and who sends hears of it at once. */
START_TEST(who_receives_no_more_says_so_by_the_ring_too)
{
    struct pair pair = pair_in_ring();
    struct ferry_message message;

    ck_assert_int_eq(say(pair.dialled, "before"), 1);
    ferry_channel_stop_receiving(pair.accepted);
    ck_assert_int_eq(say(pair.dialled, "after"), 1);
    ck_assert_int_eq(say(pair.dialled, "after"), -EPIPE);
    ck_assert_hears(pair.accepted, pair.inbox, "before");
    ck_assert_int_eq(receive_one(pair.accepted, pair.inbox, &message), 0);
    pair_free(&pair);
}
END_TEST

/* What has not paid may pay now. */
START_TEST(who_enters_the_ring_looks_out_anew)
{
    struct pair pair = pair_in_ring();
    struct ferry_ring *ring = end_of(pair.accepted)->ring[FERRY_RECEIVE];

    move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_SOCKET);
    ring->spin_ns = 0;
    ferry_auto_prefer(pair.dialled, FERRY_AUTO_PREFER_RING);
    ck_assert_int_eq(say(pair.dialled, "enters"), 1);
    ck_assert_hears(pair.accepted, pair.inbox, "enters");
    ck_assert_int_eq(ring->spin_ns, ring->spin_max_ns);
    pair_free(&pair);
}
END_TEST

/* By the socket it had not come to the ring: what is there already is received, and who goes on
 * sending by the ring hears of it. */
START_TEST(who_has_stopped_receiving_enters_the_ring_and_ends)
{
    struct pair pair = pair_in_ring();

    move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_SOCKET);
    ferry_auto_prefer(pair.dialled, FERRY_AUTO_PREFER_RING);
    ck_assert_int_eq(say(pair.dialled, "by socket"), 1);
    ck_assert_int_eq(say(pair.dialled, "by ring"), 1);
    if (_i == 0)
        ferry_channel_stop_receiving(pair.accepted);
    ck_assert_hears(pair.accepted, pair.inbox, "by socket");
    if (_i == 1)
        ferry_channel_stop_receiving(pair.accepted);
    ck_assert_int_eq(say(pair.dialled, "in vain"), 1);
    ck_assert_int_eq(say(pair.dialled, "in vain"), -EPIPE);
    ck_assert_hears(pair.accepted, pair.inbox, "by ring");
    struct ferry_message message;
    ck_assert_int_eq(receive_one(pair.accepted, pair.inbox, &message), 0);
    pair_free(&pair);
}
END_TEST

/* For whoever looks from outside: what the sender knows, when it has moved and when it has
 * measured. */
static void is_noted(const struct ferry_channel *channel, struct ferry_auto_note *ret_note)
{
    const struct auto_end *end = end_of(channel);
    struct ferry_auto_stats stats = stats_of(channel);
    struct stat status;

    ck_assert_int_eq(ferry_auto_read_note(ring_memory_fd(end->ring[FERRY_SEND]), ret_note), 0);
    ck_assert_int_eq(fstat(end->fd, &status), 0);
    ck_assert_uint_eq(ret_note->socket_inode, status.st_ino);
    ck_assert_uint_eq(ret_note->lane, stats.lanes[FERRY_SEND]);
    ck_assert_uint_eq(ret_note->reason, stats.reason);
    ck_assert_uint_eq(ret_note->moves, stats.moves);
    ck_assert_double_eq(ret_note->rate_per_s, stats.rate_per_s);
    ck_assert_double_eq(ret_note->receive_rate_per_s, end->pace.receive_rate);
    ck_assert_double_eq(ret_note->mean_size, stats.mean_size);
}

START_TEST(a_move_is_noted)
{
    int64_t before_ns = ferry_deadline(0);
    struct pair pair = pair_make("", "");
    struct ferry_auto_note note;

    for (int i = 0; i < 2; i++) {
        struct ferry_channel *one = i ? pair.accepted : pair.dialled;
        struct ferry_channel *other = i ? pair.dialled : pair.accepted;
        move_to(one, other, pair.inbox, FERRY_LANE_RING);
        is_noted(one, &note);
        ck_assert_uint_eq(note.socket_messages, stats_of(one).socket_messages);
        ck_assert_uint_eq(note.large_messages, 0);
        ck_assert_int_ge(note.measured_ns, before_ns);
        ck_assert_int_le(note.measured_ns, ferry_deadline(0));
        ck_assert(!ferry_channel_pending(other)); /* it sleeps, and is woken */
        ck_assert_int_eq(say(one, "wakes"), 1);
        ck_assert_hears(other, pair.inbox, "wakes");
        uint64_t ring_messages = stats_of(one).ring_messages, wakes = stats_of(one).wakes;
        ck_assert_uint_gt(wakes, 0);
        move_to(one, other, pair.inbox, FERRY_LANE_SOCKET);
        is_noted(one, &note);
        ck_assert_uint_eq(note.ring_messages, ring_messages);
        ck_assert_uint_eq(note.wakes, wakes);
    }
    pair_free(&pair);
}
END_TEST

/* Figures in a note are numbers that somebody could have measured. */
START_TEST(a_note_of_rubbish_is_none)
{
    enum { GOOD = 2 };
    struct ferry_auto_note good = { .socket_inode = 1,
        .lane = FERRY_LANE_RING,
        .reason = FERRY_AUTO_REASON_COUNT - 1,
        .rate_per_s = 1e15,
        .receive_rate_per_s = 1,
        .mean_size = 1 };
    struct ferry_auto_note notes[] = { [0 ... 9] = good }, found;
    AUTO_FD int fd = memfd_create("ferry-ring", MFD_CLOEXEC);

    notes[1].rate_per_s = notes[1].receive_rate_per_s = notes[1].mean_size = 0;
    notes[2].socket_inode = 0;
    notes[3].lane = FERRY_LANE_RING + 1;
    notes[4].reason = FERRY_AUTO_REASON_COUNT;
    notes[5].rate_per_s = __builtin_nan("");
    notes[6].receive_rate_per_s = -1;
    notes[7].mean_size = 1e300;
    notes[8].measured_ns = INT64_MIN;
    notes[9].rate_per_s = 1.1e15;
    for (size_t i = 0; i < COUNT_OF(notes); i++) {
        memset(&found, 0xff, sizeof(found));
        ck_assert_int_eq(
            pwrite(fd, &notes[i], sizeof(notes[i]), RING_NOTE_OFFSET), sizeof(notes[i]));
        ck_assert_int_eq(ferry_auto_read_note(fd, &found), i < GOOD ? 0 : -EPROTO);
        ck_assert_int_eq(memcmp(&found, &notes[i], sizeof(found)) == 0, i < GOOD);
    }
}
END_TEST

START_TEST(a_note_that_is_cut_or_cannot_be_read_is_none)
{
    const struct ferry_auto_note good = { .socket_inode = 1 };
    struct ferry_auto_note found;
    AUTO_FD int fd = memfd_create("ferry-ring", MFD_CLOEXEC);

    ck_assert_int_eq(ferry_auto_read_note(fd, &found), -EPROTO);
    ck_assert_int_eq(pwrite(fd, &good, sizeof(good), RING_NOTE_OFFSET), sizeof(good));
    ck_assert_int_eq(ferry_auto_read_note(fd, &found), 0);
    ck_assert_int_eq(ftruncate(fd, RING_NOTE_OFFSET + sizeof(good) - 1), 0);
    ck_assert_int_eq(ferry_auto_read_note(fd, &found), -EPROTO);
    ck_assert_int_eq(ferry_auto_read_note(-1, &found), -EBADF);
}
END_TEST

/* --- what is asked ---------------------------------------------------------------------------- */

/* By a program of an older library, and of a newer one. */
START_TEST(as_much_is_told_as_was_asked_for)
{
    struct pair pair = pair_make("", "");
    struct {
        struct ferry_auto_stats stats;
        unsigned char beyond[8];
    } asked;
    const size_t some = offsetof(struct ferry_auto_stats, moves);

    memset(&asked, 0xff, sizeof(asked));
    asked.stats.struct_size = sizeof(asked);
    ck_assert_int_eq(ferry_auto_get_stats(pair.dialled, &asked.stats), 0);
    ck_assert_uint_eq(asked.stats.struct_size, sizeof(asked.stats));
    ck_assert_uint_eq(asked.stats.moves, 0);
    for (size_t i = 0; i < sizeof(asked.beyond); i++)
        ck_assert_uint_eq(asked.beyond[i], 0xff);
    memset(&asked, 0xff, sizeof(asked));
    asked.stats.struct_size = some;
    ck_assert_int_eq(ferry_auto_get_stats(pair.dialled, &asked.stats), 0);
    ck_assert_uint_eq(asked.stats.struct_size, some);
    ck_assert_int_eq(asked.stats.lanes[FERRY_SEND], FERRY_LANE_SOCKET);
    ck_assert_uint_eq(asked.stats.moves, UINT64_MAX);
    pair_free(&pair);
}
END_TEST

START_TEST(a_channel_of_another_scheme_has_no_lanes)
{
    struct ferry_channel *one, *other;
    struct ferry_auto_stats stats = { .struct_size = sizeof(stats) };

    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX_SEQ, &one, &other), 0);
    ck_assert(!channel_is_auto(one));
    ck_assert_int_eq(ferry_auto_get_stats(one, &stats), -EOPNOTSUPP);
    ck_assert_int_eq(ferry_auto_prefer(one, FERRY_AUTO_PREFER_RING), -EOPNOTSUPP);
    ck_assert_int_eq(ferry_auto_on_move(one, NULL, NULL), -EOPNOTSUPP);
    ferry_channel_close(one);
    ferry_channel_close(other);
}
END_TEST

START_TEST(a_lane_has_a_name)
{
    ck_assert_str_eq(ferry_lane_name(FERRY_LANE_SOCKET), "socket");
    ck_assert_str_eq(ferry_lane_name(FERRY_LANE_RING), "ring");
}
END_TEST

/* Until both lanes are full; what is received then makes room, and it goes on by the ring. */
START_TEST(a_full_ring_is_gone_round_and_come_back_to)
{
    enum { SIZE = 32 << 10 };
    struct pair pair = pair_in_ring();
    struct way way = { pair.dialled, pair.accepted, 0, 0 };
    struct ferry_message message;
    int r;

    struct ferry_auto_stats before = stats_of(pair.dialled);
    while ((r = send_bytes(pair.dialled, data, SIZE, NULL, 0)) == 1)
        way.sent++;
    ck_assert_int_eq(r, -EAGAIN);
    struct ferry_auto_stats full = stats_of(pair.dialled);
    ck_assert_int_eq(full.lanes[FERRY_SEND], FERRY_LANE_SOCKET);
    ck_assert_int_eq(full.reason, FERRY_AUTO_FULL);
    ck_assert_uint_eq(full.moves, before.moves + 1);
    ck_assert_uint_gt(full.socket_messages, before.socket_messages);
    ck_assert_uint_ge(full.ring_messages - before.ring_messages, AUTO_RING_CAPACITY / SIZE - 2);

    /* Not before there is much room. */
    for (; stats_of(pair.dialled).lanes[FERRY_SEND] == FERRY_LANE_SOCKET; way.received++) {
        MUST(way.received < way.sent);
        MUST(receive_one(pair.accepted, pair.inbox, &message) == 1 && message.size == SIZE);
        way.sent += send_bytes(pair.dialled, data, SIZE, NULL, 0) == 1;
    }
    ck_assert_uint_ge(way.received, AUTO_RING_CAPACITY / SIZE / 2 - 1);
    for (; way.received < way.sent; way.received++)
        MUST(receive_one(pair.accepted, pair.inbox, &message) == 1 && message.size == SIZE);
    ck_assert_int_eq(ferry_channel_try_receive(pair.accepted, pair.inbox, &message, 1), -EAGAIN);
    pair_free(&pair);
}
END_TEST

/* From just half of it on, to the byte, what passes is followed by the ring again. */
START_TEST(half_a_ring_is_room_enough)
{
    enum { TOTAL = 32 << 10, COUNT = AUTO_RING_CAPACITY / 2 / TOTAL };
    struct pair pair = pair_in_ring();
    struct ferry_ring *ring = end_of(pair.dialled)->ring[FERRY_SEND];
    AUTO_FD int event = eventfd(0, EFD_CLOEXEC);

    for (int i = 1; i <= COUNT; i++) /* the last leaves room for the mark; or it takes 8 more */
        ck_assert_int_eq(
            send_bytes(pair.dialled, data,
                TOTAL - RING_HEAD_SIZE * (i < COUNT ? 1u : 2u - (unsigned)_i), NULL, 0),
            1);
    ck_assert_int_eq(send_bytes(pair.dialled, "x", 1, &event, 1), 1);
    ck_assert_uint_eq(ring_room(ring), AUTO_RING_CAPACITY / 2 - (unsigned)_i * RING_HEAD_SIZE);
    ck_assert_int_eq(
        stats_of(pair.dialled).lanes[FERRY_SEND], _i ? FERRY_LANE_SOCKET : FERRY_LANE_RING);
    pair_free(&pair);
}
END_TEST

/* A mark has room where no record has. */
START_TEST(a_ring_full_to_the_last_byte_has_room_for_a_mark)
{
    struct pair pair = pair_in_ring();
    struct ferry_ring *ring = end_of(pair.dialled)->ring[FERRY_SEND];
    struct ferry_message message;
    size_t sent = 0;

    while (stats_of(pair.dialled).lanes[FERRY_SEND] == FERRY_LANE_RING) {
        MUST(send_bytes(pair.dialled, data, 24, NULL, 0) == 1);
        sent++;
    }
    ck_assert_uint_lt(ring->capacity - (ring->own - ring->seen), 32);
    for (; sent > 0; sent--)
        MUST(receive_one(pair.accepted, pair.inbox, &message) == 1 && message.size == 24);
    pair_free(&pair);
}
END_TEST

/* --- what is measured ------------------------------------------------------------------------- */

enum { RATE_UP = 10000, RATE_DOWN = 2000 };

/* By thresholds of ours, whatever this machine was measured to do. */
static struct pair pair_measuring(void)
{
    static const struct choice_thresholds thresholds = {
        .one_way = { [0 ... CHOICE_CLASSES - 1] = { RATE_UP, RATE_DOWN } },
        .answered = { [0 ... CHOICE_CLASSES - 1] = { RATE_UP, RATE_DOWN } },
        .memfd_size_min = SIZE_MAX,
    };
    struct pair pair = pair_make("", "");
    struct auto_end *end = end_of(pair.dialled);

    end->thresholds = &thresholds;
    return pair;
}

/* One message there, at once received. */
static void pass_one(struct pair *pair, bool asleep)
{
    struct ferry_message message;

    if (asleep)
        (void)ferry_channel_pending(pair->accepted);
    MUST(say(pair->dialled, "text") == 1);
    MUST(receive_one(pair->accepted, pair->inbox, &message) == 1);
    if (asleep) /* what woke it is taken too */
        MUST(ferry_channel_try_receive(pair->accepted, pair->inbox, &message, 1) == -EAGAIN);
}

/* As fast as it goes, until the reason is this. */
static void pass_until(struct pair *pair, enum ferry_auto_reason reason, bool asleep)
{
    int64_t deadline_ns = ferry_deadline(PATIENCE_MS);

    while (stats_of(pair->dialled).reason != reason) {
        MUST(ferry_deadline(0) < deadline_ns);
        pass_one(pair, asleep);
    }
}

START_TEST(what_is_measured_moves_it)
{
    struct pair pair = pair_measuring();
    struct ferry_auto_stats unsized = { 0 };

    ck_assert_int_eq(ferry_auto_get_stats(pair.dialled, &unsized), -EINVAL);
    ck_assert_int_eq(stats_of(pair.dialled).reason, FERRY_AUTO_NEW);
    pass_until(&pair, FERRY_AUTO_WAITING, false);
    pass_until(&pair, FERRY_AUTO_FAST, false);
    ck_assert_int_eq(stats_of(pair.dialled).lanes[FERRY_SEND], FERRY_LANE_RING);
    ck_assert_double_gt(stats_of(pair.dialled).rate_per_s, RATE_UP);
    ck_assert_double_eq(stats_of(pair.dialled).mean_size, 4);
    for (int i = 0; i < 200; i++) {
        usleep(2000);
        pass_one(&pair, false);
    }
    ck_assert_int_eq(stats_of(pair.dialled).reason, FERRY_AUTO_SLOW);
    ck_assert_int_eq(stats_of(pair.dialled).lanes[FERRY_SEND], FERRY_LANE_SOCKET);
    ck_assert_double_lt(stats_of(pair.dialled).rate_per_s, RATE_DOWN);
    ck_assert_uint_eq(stats_of(pair.dialled).moves, 2);
    struct ferry_auto_note note;
    is_noted(pair.dialled, &note);
    ck_assert_double_lt(note.receive_rate_per_s, 1);
    pair_free(&pair);
}
END_TEST

/* Slower than would pay, but each waits for its answer; in the ring it turns out to pay. */
START_TEST(what_is_answered_is_tried)
{
    struct pair pair = pair_measuring();
    struct ferry_message message;
    int64_t deadline_ns = ferry_deadline(PATIENCE_MS);
    enum ferry_auto_reason reason = FERRY_AUTO_NEW, before = FERRY_AUTO_NEW;

    while (reason != FERRY_AUTO_FAST) {
        MUST(ferry_deadline(0) < deadline_ns);
        usleep(200);
        pass_one(&pair, false);
        MUST(say(pair.accepted, "yes") == 1);
        MUST(receive_one(pair.dialled, pair.inbox, &message) == 1);
        before = reason;
        reason = stats_of(pair.dialled).reason;
        if (reason == FERRY_AUTO_HOPEFUL)
            ck_assert_double_lt(stats_of(pair.dialled).rate_per_s, RATE_UP);
        ck_assert(reason != FERRY_AUTO_FAST || before == FERRY_AUTO_HOPEFUL);
    }
    ck_assert_int_eq(stats_of(pair.dialled).lanes[FERRY_SEND], FERRY_LANE_RING);
    pair_free(&pair);
}
END_TEST

/* And a peer that moves encourages it to try again. */
START_TEST(a_peer_that_sleeps_before_each_message_is_left_alone)
{
    struct pair pair = pair_measuring();
    struct pace *pace = &end_of(pair.dialled)->pace;

    pass_until(&pair, FERRY_AUTO_FAST, true);
    pass_until(&pair, FERRY_AUTO_SLEEPY, true);
    ck_assert_int_gt(pace->retry_ns, ferry_deadline(0));
    pass_one(&pair, true);
    ck_assert_int_eq(stats_of(pair.dialled).lanes[FERRY_SEND], FERRY_LANE_SOCKET);
    move_to(pair.accepted, pair.dialled, pair.inbox, FERRY_LANE_RING);
    ck_assert_int_le(pace->retry_ns, ferry_deadline(0));
    pair_free(&pair);
}
END_TEST

/* As what was not measured before: once more, when its pause is over. */
START_TEST(what_was_slow_may_be_fast_again)
{
    struct pair pair = pair_measuring();
    struct pace *pace = &end_of(pair.dialled)->pace;

    pass_until(&pair, FERRY_AUTO_FAST, true);
    pass_until(&pair, FERRY_AUTO_SLEEPY, true);
    pass_one(&pair, true);
    pace->retry_ns = 0;
    pass_until(&pair, FERRY_AUTO_FAST, false);
    ck_assert_int_eq(stats_of(pair.dialled).lanes[FERRY_SEND], FERRY_LANE_RING);
    pair_free(&pair);
}
END_TEST

/* Whoever has asked for rings and has no answer is on the socket still, however few it sends. */
START_TEST(who_waits_for_rings_is_not_in_them)
{
    struct pair pair = pair_measuring();
    struct auto_end *end = end_of(pair.accepted);

    end->thresholds = end_of(pair.dialled)->thresholds;
    end->wanted = FERRY_LANE_RING;
    for (int i = 0; i < 100; i++) {
        usleep(1000);
        MUST(say(pair.accepted, "text") == 1);
    }
    ck_assert_int_eq(end->rings, AUTO_RINGS_ASKED);
    ck_assert_int_eq(end->wanted, FERRY_LANE_RING);
    ck_assert_int_eq(end->stats.reason, FERRY_AUTO_WAITING);
    ck_assert_int_gt(end->pace.rate, 0);
    pair_free(&pair);
}
END_TEST

/* Those of this machine, once for all: built in, since nobody has measured it. */
static void decides_by(const struct ferry_channel *channel, enum choice_place place)
{
    struct choice_thresholds expected;
    const struct choice_thresholds *found = end_of(channel)->thresholds;

    choice_thresholds_make(&choice_costs_built_in, place, &expected);
    ck_assert_ptr_nonnull(found);
    ck_assert_mem_eq(found->one_way, expected.one_way, sizeof(expected.one_way));
    ck_assert_mem_eq(found->answered, expected.answered, sizeof(expected.answered));
    ck_assert_uint_eq(found->memfd_size_min, expected.memfd_size_min);
}

START_TEST(what_was_measured_here_decides)
{
    struct pair pair = pair_make("", "");
    cpu_set_t ours, one;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(ours), &ours), 0);
    if (_i) {
        CPU_ZERO(&one);
        CPU_SET(sched_getcpu(), &one);
        ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    }
    enum choice_place place = _i || CPU_COUNT(&ours) == 1 ? CHOICE_TOGETHER : CHOICE_APART;
    for (int i = 0; i < 2; i++) {
        struct ferry_channel *channel = i ? pair.accepted : pair.dialled;
        ck_assert_ptr_null(end_of(channel)->thresholds);
        ck_assert_int_eq(send_bytes(channel, data, AUTO_LARGE_LOOK - 1, NULL, 0), 1);
        ck_assert_ptr_null(end_of(channel)->thresholds); /* it was not asked yet */
        ck_assert_int_eq(send_bytes(channel, data, AUTO_LARGE_LOOK, NULL, 0), 1);
        decides_by(channel, place);
    }
    ck_assert_ptr_eq(end_of(pair.dialled)->thresholds, end_of(pair.accepted)->thresholds);
    pair_free(&pair);
}
END_TEST

/* Nobody reads a file for what is slow anyway. */
START_TEST(what_is_slow_by_any_measure_asks_for_none)
{
    struct pair pair = pair_make("", "");

    for (int i = 0; i < 100; i++) {
        usleep(2000);
        pass_one(&pair, false);
    }
    ck_assert_int_eq(stats_of(pair.dialled).reason, FERRY_AUTO_SLOW);
    ck_assert_ptr_null(end_of(pair.dialled)->thresholds);
    ck_assert_uint_le(end_of(pair.dialled)->pace.count, 2 * PACE_LOOK_FIRST); /* of one window */
    pair_free(&pair);
}
END_TEST

/* And for what is not it is read before it is needed; the clock is not looked at for each. */
START_TEST(what_is_fast_asks_for_it)
{
    struct pair pair = pair_make("", "");
    const struct auto_end *end = end_of(pair.dialled);
    int64_t deadline_ns = ferry_deadline(PATIENCE_MS);

    for (unsigned i = 1; i <= PACE_LOOK_FIRST; i++) {
        ck_assert_int_eq(end->pace.start_ns, 0);
        pass_one(&pair, false);
    }
    ck_assert_int_gt(end->pace.start_ns, 0);
    while (end->stats.rate_per_s < AUTO_RATE_LOOK) {
        MUST(ferry_deadline(0) < deadline_ns);
        pass_one(&pair, false);
    }
    ck_assert_ptr_nonnull(end->thresholds);
    pair_free(&pair);
}
END_TEST

/* Whoever looks from outside sees it as soon as it is known. */
START_TEST(what_is_measured_is_noted)
{
    struct pair pair = pair_in_ring();
    struct ferry_auto_note note;

    for (int i = 0; i < 2; i++) {
        double before = stats_of(pair.dialled).rate_per_s;
        uint64_t moves = stats_of(pair.dialled).moves;
        int64_t deadline_ns = ferry_deadline(PATIENCE_MS);
        while (stats_of(pair.dialled).rate_per_s == before) { /* until it is measured anew */
            MUST(ferry_deadline(0) < deadline_ns);
            pass_one(&pair, false);
        }
        is_noted(pair.dialled, &note);
        ck_assert_double_gt(note.rate_per_s, 0);
        ck_assert_uint_eq(note.moves, moves);
    }
    pair_free(&pair);
}
END_TEST

/* --- the socket's queue ----------------------------------------------------------------------- */

static int queue_of(const struct ferry_channel *channel)
{
    int size = 0;
    socklen_t length = sizeof(size);

    ck_assert_int_eq(getsockopt(end_of(channel)->fd, SOL_SOCKET, SO_SNDBUF, &size, &length), 0);
    return size;
}

/* While it is in the ring; then as before. The kernel doubles what it is told. */
START_TEST(the_queue_beside_a_ring_is_short)
{
    struct pair pair = pair_make("", "");
    int wide = queue_of(pair.dialled);

    ck_assert_int_gt(wide, 2 * (int)AUTO_NARROW_SIZE);
    for (int i = 0; i < 2; i++) {
        move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_RING);
        ck_assert_int_eq(queue_of(pair.dialled), 2 * (int)AUTO_NARROW_SIZE);
        ck_assert_int_eq(queue_of(pair.accepted), wide);
        move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_SOCKET);
        ck_assert_int_eq(queue_of(pair.dialled), wide);
    }
    pair_free(&pair);
}
END_TEST

/* It is widened for what would have no room in it, and short again when that is sent. */
START_TEST(the_queue_is_widened_for_a_message)
{
    struct pair pair = pair_make("", "");
    struct ferry_message message = { 0 };
    const size_t size = RECORD_MAX + 1;

    move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_RING);
    int narrow = queue_of(pair.dialled);
    ck_assert_int_lt(narrow, (int)size);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(send_bytes(pair.dialled, data, size, NULL, 0), 1);
        ck_assert_int_eq(stats_of(pair.dialled).lanes[FERRY_SEND], FERRY_LANE_RING);
        ck_assert_int_eq(queue_of(pair.dialled), narrow);
        ck_assert_int_eq(receive_one(pair.accepted, pair.inbox, &message), 1);
        ck_assert_uint_eq(message.size, size);
    }
    ck_assert_uint_eq(stats_of(pair.dialled).large_messages, 0);
    pair_free(&pair);
}
END_TEST

/* Few messages are slow, as soon as that is known. */
START_TEST(what_is_slow_stays_on_the_socket)
{
    struct pair pair = pair_measuring();

    for (int i = 0; i < 100; i++) {
        usleep(1000);
        pass_one(&pair, false);
    }
    ck_assert_int_eq(stats_of(pair.dialled).reason, FERRY_AUTO_SLOW);
    ck_assert_uint_eq(stats_of(pair.dialled).moves, 0);
    ck_assert_int_eq(end_of(pair.dialled)->rings, AUTO_RINGS_NONE);
    pair_free(&pair);
}
END_TEST

/* --- callbacks -------------------------------------------------------------------------------- */

static enum ferry_lane told[8];
static unsigned told_count;

static void on_move(void *where, const struct ferry_auto_stats *stats)
{
    MUST(where == &told_count && told_count < COUNT_OF(told));
    told[told_count++] = stats->lanes[FERRY_SEND];
}

START_TEST(moves_are_told_and_moments_are_not)
{
    struct pair pair = pair_make("", "");
    AUTO_FD int event = eventfd(0, EFD_CLOEXEC);
    struct ferry_message message;

    told_count = 0;
    ck_assert_int_eq(ferry_auto_on_move(pair.dialled, on_move, &told_count), 0);
    move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_RING);
    ck_assert_uint_eq(told_count, 1);
    ck_assert_int_eq(told[0], FERRY_LANE_RING);
    ck_assert_int_eq(send_bytes(pair.dialled, "x", 1, &event, 1), 1);
    while (send_bytes(pair.dialled, data, 32 << 10, NULL, 0) == 1)
        ;
    ck_assert_int_eq(stats_of(pair.dialled).lanes[FERRY_SEND], FERRY_LANE_SOCKET);
    ck_assert_uint_eq(told_count, 1);
    /* It was for a moment only; now it stays. */
    while (ferry_channel_try_receive(pair.accepted, pair.inbox, &message, 1) == 1)
        ferry_message_fini(&message);
    ferry_auto_prefer(pair.dialled, FERRY_AUTO_PREFER_SOCKET);
    ck_assert_int_eq(say(pair.dialled, "stays"), 1);
    ck_assert_uint_eq(told_count, 2);
    ck_assert_int_eq(told[1], FERRY_LANE_SOCKET);
    ck_assert_int_eq(stats_of(pair.dialled).reason, FERRY_AUTO_FORBIDDEN);
    ck_assert_int_eq(say(pair.dialled, "stays"), 1);
    ck_assert_uint_eq(told_count, 2);
    ferry_auto_on_move(pair.dialled, NULL, NULL);
    ferry_auto_prefer(pair.dialled, FERRY_AUTO_PREFER_RING);
    ck_assert_int_eq(say(pair.dialled, "back"), 1);
    ck_assert_int_eq(stats_of(pair.dialled).lanes[FERRY_SEND], FERRY_LANE_RING);
    ck_assert_uint_eq(told_count, 2);
    pair_free(&pair);
}
END_TEST

static size_t send_buffer(const struct ferry_channel *channel)
{
    size_t size;
    MUST(ferry_channel_get_buffer(channel, FERRY_SEND, &size) == 0);
    return size;
}

/* The socket's queue is short while messages go by the ring, and then as it was, unless somebody
 * has made it otherwise meanwhile. */
START_TEST(the_queue_is_as_its_owner_wants_it_afterwards)
{
    struct pair pair = pair_make("", "");
    size_t before = send_buffer(pair.dialled);

    for (int i = 0; i < 2; i++) {
        move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_RING);
        ck_assert_uint_eq(send_buffer(pair.dialled), 2 * AUTO_NARROW_SIZE);
        move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_SOCKET);
        ck_assert_uint_eq(send_buffer(pair.dialled), before);
    }
    move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_RING);
    MUST(ferry_channel_set_buffer(pair.dialled, FERRY_SEND, 40000) == 0);
    move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_SOCKET);
    ck_assert_uint_eq(send_buffer(pair.dialled), 80000);
    move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_RING);
    ck_assert_uint_eq(send_buffer(pair.dialled), 2 * AUTO_NARROW_SIZE);
    move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_SOCKET);
    ck_assert_uint_eq(send_buffer(pair.dialled), 80000);
    pair_free(&pair);
}
END_TEST

/* --- batches ---------------------------------------------------------------------------------- */

START_TEST(a_batch_goes_by_both_lanes_in_order)
{
    static const char *const texts[] = { "a", "b", "descriptors", "c", "", "d" };
    struct pair pair = pair_in_ring();
    AUTO_FD int event = eventfd(0, EFD_CLOEXEC);
    struct iovec buffers[COUNT_OF(texts)];
    struct ferry_outgoing batch[COUNT_OF(texts)] = { 0 };
    struct ferry_message messages[16];
    size_t received = 0;

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        buffers[i] = (struct iovec){ (void *)(uintptr_t)texts[i], strlen(texts[i]) };
        batch[i] = (struct ferry_outgoing){ .buffers = &buffers[i], .buffer_count = 1 };
    }
    batch[2].descriptors = &event;
    batch[2].descriptor_count = 1;
    batch[0].complete = true; /* by an earlier call */
    ck_assert_int_eq(ferry_channel_try_send(pair.dialled, batch, COUNT_OF(texts)), 6);
    while (received < 5) {
        int r = receive_some(pair.accepted, pair.inbox, messages, 16);
        ck_assert_int_gt(r, 0);
        for (int i = 0; i < r; i++) {
            const char *text = texts[1 + received++];
            ck_assert_uint_eq(messages[i].size, strlen(text));
            ck_assert_mem_eq(messages[i].data, text, strlen(text));
            ck_assert_uint_eq(messages[i].descriptor_count, strcmp(text, "descriptors") == 0);
            ferry_message_fini(&messages[i]);
        }
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        ck_assert(batch[i].complete);
    for (size_t i = 1; i < COUNT_OF(texts); i++)
        ck_assert_uint_eq(batch[i].sent_size, strlen(texts[i]));
    /* Of what an earlier call has sent whole nothing is to be done, nor is what follows looked at.
     */
    ck_assert_int_eq(ferry_channel_try_send(pair.dialled, batch, 5), 5);
    pair_free(&pair);
}
END_TEST

/* By either lane, wherever in a batch. */
START_TEST(nobody_is_spoken_for)
{
    const struct ferry_credentials credentials = { getpid(), getuid(), getgid() };
    struct pair pair = pair_in_ring();
    struct iovec buffer = { data, 1 };
    struct ferry_outgoing batch[] = { { .buffers = &buffer, .buffer_count = 1 },
        { .buffers = &buffer, .buffer_count = 1, .credentials = &credentials } };

    if (_i)
        move_to(pair.dialled, pair.accepted, pair.inbox, FERRY_LANE_SOCKET);
    ck_assert_int_eq(ferry_channel_try_send(pair.dialled, batch, 2), 1);
    ck_assert_int_eq(ferry_channel_try_send(pair.dialled, batch + 1, 1), -EOPNOTSUPP);
    pair_free(&pair);
}
END_TEST

START_TEST(many_pieces_are_one_message)
{
    enum { PIECES = 1000 };
    struct pair pair = pair_make("", "");
    struct iovec buffers[PIECES];
    struct ferry_outgoing outgoing = { .buffers = buffers, .buffer_count = PIECES };
    struct ferry_message message = { 0 };
    size_t piece = _i % 2;

    move_to(pair.dialled, pair.accepted, pair.inbox, (enum ferry_lane)(_i / 2));
    bytes_fill(data, PIECES, 3);
    for (size_t i = 0; i < PIECES; i++)
        buffers[i] = (struct iovec){ data + i, piece };
    ck_assert_int_eq(ferry_channel_try_send(pair.dialled, &outgoing, 1), 1);
    ck_assert_int_eq(receive_one(pair.accepted, pair.inbox, &message), 1);
    ck_assert_uint_eq(message.size, PIECES * piece);
    ck_assert_int_eq(memcmp(message.data, data, message.size), 0);
    /* What fills the queue beside a memfd is none of it: there need be no room for that. */
    struct ferry_inbox *just = inbox_of(PIECES, 1);
    outgoing.complete = false;
    ck_assert_int_eq(ferry_channel_try_send(pair.dialled, &outgoing, 1), 1);
    ck_assert_int_eq(receive_one(pair.accepted, just, &message), 1);
    ck_assert_uint_eq(message.size, PIECES * piece);
    ferry_inbox_free(just);
    pair_free(&pair);
}
END_TEST

/* As many as one call takes, the head before them; what is more lies in a memfd. */
START_TEST(as_many_pieces_as_a_call_takes_are_sent_by_it)
{
    struct pair pair = pair_make("", "");
    struct iovec buffers[STREAM_BUFFERS_MAX];
    struct ferry_outgoing outgoing = { .buffers = buffers };
    struct ferry_message message = { 0 };

    for (size_t i = 0; i < COUNT_OF(buffers); i++)
        buffers[i] = (struct iovec){ data + i, 1 };
    bytes_fill(data, COUNT_OF(buffers), 3);
    for (size_t more = 0; more < 2; more++) {
        outgoing.buffer_count = STREAM_BUFFERS_MAX - 1 + more;
        outgoing.complete = false;
        ck_assert_int_eq(ferry_channel_try_send(pair.dialled, &outgoing, 1), 1);
        ck_assert_uint_eq(stats_of(pair.dialled).large_messages, more);
        ck_assert_int_eq(receive_one(pair.accepted, pair.inbox, &message), 1);
        ck_assert_uint_eq(message.size, outgoing.buffer_count);
        ck_assert_mem_eq(message.data, data, message.size);
    }
    pair_free(&pair);
}
END_TEST

/* --- descriptors ------------------------------------------------------------------------------ */

START_TEST(whoever_wants_no_descriptors_has_none)
{
    const char *place = place_new();
    bool accepted = _i % 2;
    struct pair pair = { .listener = listen_auto(place, "", accepted), .inbox = inbox_of(0, 16) };
    AUTO_FD int event = eventfd(0, EFD_CLOEXEC);

    pair.dialled = dial_auto(place, "", !accepted);
    pair.accepted = accept_auto(pair.listener);
    struct ferry_channel *refuses = accepted ? pair.accepted : pair.dialled;
    struct ferry_channel *other = accepted ? pair.dialled : pair.accepted;
    ck_assert(!(ferry_channel_capabilities(refuses) & FERRY_HAS_DESCRIPTORS));
    ck_assert(ferry_channel_capabilities(other) & FERRY_HAS_DESCRIPTORS);
    ck_assert_int_eq(
        !(ferry_listener_capabilities(pair.listener) & FERRY_HAS_DESCRIPTORS), accepted);
    ck_assert_int_eq(send_bytes(refuses, "x", 1, &event, 1), -EOPNOTSUPP);
    move_to(other, refuses, pair.inbox, (enum ferry_lane)(_i / 2));
    unsigned before = descriptors_open();
    ck_assert_int_eq(send_bytes(other, "text", 4, &event, 1), 1);
    ck_assert_hears(refuses, pair.inbox, "text");
    ck_assert_uint_eq(descriptors_open(), before);
    pair_free(&pair);
}
END_TEST

START_TEST(as_many_descriptors_as_any_socket_takes)
{
    static const struct choice_thresholds thresholds = { .memfd_size_min = AUTO_LARGE_LOOK };
    struct pair pair = pair_make("", "");
    int fds[FERRY_DESCRIPTORS_MAX + 1];
    struct ferry_message message = { 0 };

    move_to(pair.dialled, pair.accepted, pair.inbox, (enum ferry_lane)_i);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = 0;
    ck_assert_int_eq(send_bytes(pair.dialled, "x", 1, fds, FERRY_DESCRIPTORS_MAX), 1);
    ck_assert_int_eq(receive_one(pair.accepted, pair.inbox, &message), 1);
    ck_assert_uint_eq(message.descriptor_count, FERRY_DESCRIPTORS_MAX);
    ferry_message_fini(&message);
    ck_assert_int_eq(send_bytes(pair.dialled, "x", 1, fds, COUNT_OF(fds)), -EINVAL);
    /* What lies in a memfd needs one of them. */
    ck_assert_int_eq(
        send_bytes(pair.dialled, data, SIZE_MAX_SENT, fds, FERRY_DESCRIPTORS_MAX), -EMSGSIZE);
    ck_assert_int_eq(
        send_bytes(pair.dialled, data, SIZE_MAX_SENT, fds, FERRY_DESCRIPTORS_MAX - 1), 1);
    ck_assert_int_eq(receive_one(pair.accepted, pair.inbox, &message), 1);
    ck_assert_uint_eq(message.descriptor_count, FERRY_DESCRIPTORS_MAX - 1);
    ferry_message_fini(&message);
    /* Where it need not, it doesn't, however much cheaper it would be. */
    end_of(pair.dialled)->thresholds = &thresholds;
    ck_assert_int_eq(
        send_bytes(pair.dialled, data, 2 * AUTO_LARGE_LOOK, fds, FERRY_DESCRIPTORS_MAX), 1);
    ck_assert_int_eq(receive_one(pair.accepted, pair.inbox, &message), 1);
    ck_assert_uint_eq(message.descriptor_count, FERRY_DESCRIPTORS_MAX);
    ck_assert_uint_eq(message.size, 2 * AUTO_LARGE_LOOK);
    ferry_message_fini(&message);
    pair_free(&pair);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/auto/lanes");
    TCase *tests = tcase_create("lanes");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 50);
    tcase_add_test(tests, all_arrives_once_and_in_order_whatever_moves);
    tcase_add_loop_test(tests, every_size_is_whole_by_either_lane, 0, 2);
    tcase_add_loop_test(tests, what_has_no_room_in_the_inbox_is_lost_alone, 0, 2);
    tcase_add_loop_test(tests, what_just_has_room_in_the_inbox_is_received, 0, 2);
    tcase_add_loop_test(tests, many_come_at_a_time, 0, 2);
    tcase_add_test(tests, what_had_descriptors_for_which_there_was_no_room_is_lost);
    tcase_add_test(tests, what_may_come_at_once_is_looked_out_for);
    tcase_add_test(tests, each_of_a_batch_counts);
    tcase_add_test(tests, what_is_owed_is_paid_in_the_ring);
    tcase_add_test(tests, what_is_lost_is_said_before_what_is_in_the_ring);
    tcase_add_test(tests, who_only_listens_comes_later);
    tcase_add_test(tests, room_is_looked_out_for_by_who_has_shown_what_there_is);
    tcase_add_test(tests, what_is_lost_is_pending_until_it_is_said);
    tcase_add_loop_test(tests, what_lies_in_a_memfd_is_given_back_by_the_next_receive, 0, 2);
    tcase_add_loop_test(tests, what_has_no_room_in_the_machine_is_an_error_of_the_sender, 0, 2);
    tcase_add_loop_test(tests, what_the_kernel_has_in_hand_goes_a_moment_later, 0, 2);
    tcase_add_test(tests, what_passes_the_ring_keeps_its_place);
    tcase_add_test(tests, who_receives_no_more_says_so_by_the_ring_too);
    tcase_add_test(tests, who_enters_the_ring_looks_out_anew);
    tcase_add_loop_test(tests, who_has_stopped_receiving_enters_the_ring_and_ends, 0, 2);
    tcase_add_test(tests, a_note_of_rubbish_is_none);
    tcase_add_test(tests, a_move_is_noted);
    tcase_add_test(tests, a_note_that_is_cut_or_cannot_be_read_is_none);
    tcase_add_test(tests, as_much_is_told_as_was_asked_for);
    tcase_add_test(tests, a_channel_of_another_scheme_has_no_lanes);
    tcase_add_test(tests, a_lane_has_a_name);
    tcase_add_test(tests, a_full_ring_is_gone_round_and_come_back_to);
    tcase_add_loop_test(tests, half_a_ring_is_room_enough, 0, 2);
    tcase_add_test(tests, a_ring_full_to_the_last_byte_has_room_for_a_mark);
    tcase_add_test(tests, what_is_measured_moves_it);
    tcase_add_test(tests, what_is_answered_is_tried);
    tcase_add_test(tests, a_peer_that_sleeps_before_each_message_is_left_alone);
    tcase_add_test(tests, what_was_slow_may_be_fast_again);
    tcase_add_test(tests, who_waits_for_rings_is_not_in_them);
    tcase_add_loop_test(tests, what_was_measured_here_decides, 0, 2);
    tcase_add_test(tests, what_is_slow_by_any_measure_asks_for_none);
    tcase_add_test(tests, what_is_fast_asks_for_it);
    tcase_add_test(tests, what_is_measured_is_noted);
    tcase_add_test(tests, the_queue_beside_a_ring_is_short);
    tcase_add_test(tests, the_queue_is_widened_for_a_message);
    tcase_add_test(tests, what_is_slow_stays_on_the_socket);
    tcase_add_test(tests, moves_are_told_and_moments_are_not);
    tcase_add_test(tests, the_queue_is_as_its_owner_wants_it_afterwards);
    tcase_add_test(tests, a_batch_goes_by_both_lanes_in_order);
    tcase_add_loop_test(tests, nobody_is_spoken_for, 0, 2);
    tcase_add_loop_test(tests, many_pieces_are_one_message, 0, 4);
    tcase_add_test(tests, as_many_pieces_as_a_call_takes_are_sent_by_it);
    tcase_add_loop_test(tests, whoever_wants_no_descriptors_has_none, 0, 4);
    tcase_add_loop_test(tests, as_many_descriptors_as_any_socket_takes, 0, 2);
    return scratch_run(suite);
}
