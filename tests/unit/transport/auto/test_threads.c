/* test_threads.c - both ends at once: what ThreadSanitizer can see, and what only happens when two
 * processors meet.
 *
 * Nothing here asks how long it takes. A wake-up that is lost leaves an end asleep in poll(2), and
 * what waits too long says so. */
#include "peers.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

enum { COUNT = 40000, EVERY = 500, DESCRIPTORS_EVERY = 97, SIZE_MAX_SENT = 3000 };

/* How an end waits; a channel is polled either way. */
enum manner {
    ASKS,   /* asks whether something is pending, and receives once */
    DRAINS, /* never asks, but receives until there is nothing */
    BLOCKS, /* ferry_channel_receive(), which looks out before it sleeps */
    MANNER_COUNT,
};

/* --- one mapping ------------------------------------------------------------------------------ */

/* A sanitizer of threads sees what they share at the same place only. */
static void ring_share(struct ferry_ring *ring, const struct ferry_ring *with)
{
    munmap(ring->shared, ring->map_size);
    ring->shared = with->shared;
    ring->data = with->data;
    ring->side = &ring->shared->sides[ring->direction];
    ring->other = &ring->shared->sides[!ring->direction];
}

static struct pair pair_shared(void)
{
    struct pair pair = pair_in_ring();
    for (int i = 0; i < 2; i++)
        ring_share(end_of(pair.accepted)->ring[i], end_of(pair.dialled)->ring[!i]);
    return pair;
}

static void pair_shared_free(struct pair *pair)
{
    for (int i = 0; i < 2; i++)
        end_of(pair->accepted)->ring[i]->shared = NULL; /* the other's */
    pair_free(pair);
}

/* --- one end of a stream of messages ---------------------------------------------------------- */

static size_t size_of(uint32_t number)
{
    return number * 61 % (number % 16 ? 64 : SIZE_MAX_SENT);
}

/* Waits for room. */
static void send_number(struct ferry_channel *channel, uint32_t number)
{
    unsigned char data[SIZE_MAX_SENT];
    size_t size = size_of(number), count = number % DESCRIPTORS_EVERY == 0;
    AUTO_FD int event = count ? eventfd(number + 1, EFD_CLOEXEC) : -1;

    bytes_fill(data, size, number);
    int r;
    while ((r = send_bytes(channel, data, size, &event, count)) == -EAGAIN) {
        struct pollfd polled = { .fd = ferry_channel_fd(channel, FERRY_SEND), .events = POLLOUT };
        MUST(poll(&polled, 1, PATIENCE_MS) == 1);
    }
    MUST(r == 1);
}

static void judge(struct ferry_message *message, uint32_t number)
{
    MUST(message->size == size_of(number));
    MUST(bytes_are(message->data, message->size, number));
    MUST(message->descriptor_count == (number % DESCRIPTORS_EVERY == 0));
    if (message->descriptor_count) {
        uint64_t value;
        MUST(read(message->descriptors[0], &value, sizeof(value)) == sizeof(value));
        MUST(value == number + 1);
    }
    ferry_message_fini(message);
}

static void prefer_by(struct ferry_channel *channel, uint32_t number)
{
    if (number % EVERY == 0)
        ferry_auto_prefer(
            channel, number / EVERY % 2 ? FERRY_AUTO_PREFER_SOCKET : FERRY_AUTO_PREFER_RING);
}

/* Some breaks, so that the other sleeps. */
static void pause_by(uint32_t number)
{
    if (number % 1021 == 0)
        usleep(200);
    else if (number % 127 == 0)
        sched_yield();
}

static void *sender_run(void *data)
{
    struct ferry_channel *channel = data;

    for (uint32_t i = 0; i < COUNT; i++) {
        prefer_by(channel, i);
        pause_by(i);
        send_number(channel, i);
    }
    return NULL;
}

/* Returns how many came, at least one. */
static int receive_by(struct ferry_channel *channel, struct ferry_inbox *inbox,
    struct ferry_message *batch, enum manner manner)
{
    int r;

    if (manner == BLOCKS)
        return ferry_channel_receive(channel, inbox, batch, ferry_deadline(PATIENCE_MS));
    if (manner == ASKS && !ferry_channel_pending(channel))
        wait_readable(ferry_channel_fd(channel, FERRY_RECEIVE));
    while ((r = ferry_channel_try_receive(channel, inbox, batch, 8)) == -EAGAIN)
        if (manner == DRAINS || !ferry_channel_pending(channel))
            wait_readable(ferry_channel_fd(channel, FERRY_RECEIVE));
    return r;
}

static void receive_all(struct ferry_channel *channel, enum manner manner)
{
    struct ferry_inbox *inbox = inbox_of(0, 8);
    struct ferry_message batch[8];

    for (uint32_t received = 0; received < COUNT;) {
        int r = receive_by(channel, inbox, batch, manner);
        MUST(r > 0);
        for (int i = 0; i < r; i++)
            judge(&batch[i], received++);
    }
    ferry_inbox_free(inbox);
}

START_TEST(all_arrives_however_one_waits)
{
    bool dialled = _i % 2;
    struct pair pair = pair_shared();
    struct ferry_channel *one = dialled ? pair.dialled : pair.accepted;
    struct ferry_channel *other = dialled ? pair.accepted : pair.dialled;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, sender_run, one), 0);
    receive_all(other, (enum manner)(_i / 2));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_gt(stats_of(one).ring_messages, COUNT / 10);
    ck_assert_uint_gt(stats_of(one).socket_messages, COUNT / 10);
    pair_shared_free(&pair);
}
END_TEST

/* --- there and back, so that each sleeps as often as it can ----------------------------------- */

struct answerer {
    struct ferry_channel *channel;
    enum manner manner;
};

static void hear_number(
    struct ferry_channel *channel, struct ferry_inbox *inbox, uint32_t number, enum manner manner)
{
    struct ferry_message batch[8];
    MUST(receive_by(channel, inbox, batch, manner) == 1);
    judge(&batch[0], number);
}

static void *answerer_run(void *data)
{
    const struct answerer *answerer = data;
    struct ferry_inbox *inbox = inbox_of(0, 8);

    for (uint32_t i = 0; i < COUNT / 4; i++) {
        hear_number(answerer->channel, inbox, i, answerer->manner);
        prefer_by(answerer->channel, i + i / EVERY % 3);
        send_number(answerer->channel, i);
    }
    ferry_inbox_free(inbox);
    return NULL;
}

START_TEST(no_wake_up_is_lost)
{
    struct pair pair = pair_shared();
    struct answerer answerer = { pair.accepted, (enum manner)(_i % MANNER_COUNT) };
    pthread_t thread;

    MUST(pthread_create(&thread, NULL, answerer_run, &answerer) == 0);
    for (uint32_t i = 0; i < COUNT / 4; i++) {
        prefer_by(pair.dialled, i);
        send_number(pair.dialled, i);
        hear_number(pair.dialled, pair.inbox, i, (enum manner)((_i + 1) % MANNER_COUNT));
    }
    MUST(pthread_join(thread, NULL) == 0);
    ck_assert_uint_gt(stats_of(pair.dialled).ring_messages, 1000);
    ck_assert_uint_gt(stats_of(pair.accepted).ring_messages, 1000);
    pair_shared_free(&pair);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/auto/threads");
    TCase *tests = tcase_create("threads");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 50);
    tcase_add_loop_test(tests, all_arrives_however_one_waits, 0, 2 * MANNER_COUNT);
    tcase_add_loop_test(tests, no_wake_up_is_lost, 0, MANNER_COUNT);
    return scratch_run(suite);
}
