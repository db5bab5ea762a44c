/* test_ring_threads.c - both ends at once, over one mapping: what ThreadSanitizer can see, and what
 * only happens when two processors meet.
 *
 * Nothing here asks how long it takes. A wake-up that is lost leaves both asleep, and the time
 * limit of the test says so. */
#include "ring_under_test.h"

#include <pthread.h>
#include <sched.h>

enum { CAPACITY = 4096, MAX = CAPACITY / 8, COUNT = 60000 };

static void send_one(struct ferry_ring *ring, uint32_t number, uint64_t *chance)
{
    size_t size = draw(chance) % (draw(chance) % 16 ? 64 : MAX + 1);
    unsigned char data[MAX];
    struct ferry_record record = { data, size, number };
    void *place;
    int r;

    if (draw(chance) % 2) {
        bytes_fill(data, size, number);
        while ((r = ferry_ring_try_send(ring, &record, 1)) == -EAGAIN)
            MUST(ferry_ring_wait(ring, -1, FERRY_NEVER) == 0);
        MUST(r == 1);
        return;
    }
    while ((r = ferry_ring_loan(ring, size, &place)) == -EAGAIN)
        MUST(ferry_ring_wait(ring, -1, FERRY_NEVER) == 0);
    MUST(r == 0);
    bytes_fill(place, size, number);
    ferry_ring_commit(ring, size, number);
}

static void *sender_run(void *data)
{
    uint64_t chance = 7;

    for (uint32_t i = 0; i < COUNT; i++)
        send_one(data, i, &chance);
    return NULL;
}

static void receive_all(struct ferry_ring *ring)
{
    static unsigned char buffer[CAPACITY];
    struct ferry_record batch[8];
    uint64_t chance = 3;

    for (uint32_t received = 0; received < COUNT;) {
        bool borrow = draw(&chance) % 2;
        size_t count = draw(&chance) % 8 + 1;
        int r = borrow ? ferry_ring_borrow(ring, batch, count)
                       : ferry_ring_try_receive(ring, buffer, sizeof(buffer), batch, count);
        if (r == -EAGAIN)
            MUST(ferry_ring_wait(ring, -1, FERRY_NEVER) == 0);
        else
            MUST(r > 0);
        for (int i = 0; i < r; i++, received++) {
            MUST(batch[i].type == received);
            MUST(bytes_are(batch[i].data, batch[i].size, received));
        }
        if (borrow)
            ferry_ring_release(ring);
    }
}

START_TEST(everything_arrives_once_and_in_order)
{
    struct ferry_ring *sender = ring_make_one(FERRY_SEND, CAPACITY);
    pthread_t thread;

    ring_begin_at(sender, 0u - 16 * CAPACITY);
    struct ferry_ring *receiver = ring_twin(sender);
    ck_assert_int_eq(pthread_create(&thread, NULL, sender_run, sender), 0);
    receive_all(receiver);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(one_receive(receiver), -EAGAIN);
    ring_twin_free(receiver);
    ferry_ring_free(sender);
}
END_TEST

/* --- there and back, so that each sleeps as often as it can ----------------------------------- */

struct answering {
    struct ferry_ring *in, *out;
};

static void answer_wait(struct ferry_ring *in, uint32_t number)
{
    struct ferry_record record;
    char buffer[8];
    int r;

    while ((r = ferry_ring_try_receive(in, buffer, sizeof(buffer), &record, 1)) == -EAGAIN)
        MUST(ferry_ring_wait(in, -1, FERRY_NEVER) == 0);
    MUST(r == 1);
    MUST(record.type == number);
}

static void *answerer_run(void *data)
{
    struct answering *answering = data;

    for (uint32_t i = 0; i < COUNT / 4; i++) {
        answer_wait(answering->in, i);
        MUST(text_send(answering->out, "back", i) == 1);
    }
    return NULL;
}

START_TEST(no_wake_up_is_lost)
{
    struct ferry_ring *forth = ring_make_one(FERRY_SEND, CAPACITY);
    struct ferry_ring *back = ring_make_one(FERRY_RECEIVE, CAPACITY);
    struct answering answering = { ring_twin(forth), ring_twin(back) };
    struct ferry_ring_stats stats;
    pthread_t thread;

    /* Who looks out hardly ever sleeps. */
    back->spin_max_ns = answering.in->spin_max_ns = -1;
    MUST(pthread_create(&thread, NULL, answerer_run, &answering) == 0);
    for (uint32_t i = 0; i < COUNT / 4; i++) {
        MUST(text_send(forth, "forth", i) == 1);
        answer_wait(back, i);
    }
    MUST(pthread_join(thread, NULL) == 0);
    ferry_ring_get_stats(forth, &stats);
    MUST(stats.wakes > 0);
    ring_twin_free(answering.in);
    ring_twin_free(answering.out);
    ferry_ring_free(forth);
    ferry_ring_free(back);
}
END_TEST

/* --- at the same moment, which is what fences are for ------------------------------------------
 */

/* One end goes to sleep while the other does what it would sleep for. */
struct meeting {
    struct ferry_ring *waker;
    _Atomic uint32_t round, done; /* round: 0 at first, OVER at last */
};

#define OVER UINT32_MAX
/* Where others want the processors too, a round takes as long as they do. */
#define MEETING_MS 5000

/* Returns what the word has become. */
static uint32_t until_not(_Atomic uint32_t *word, uint32_t value)
{
    uint32_t now;

    for (unsigned looks = 1; (now = atomic_load(word)) == value; looks++)
        if (looks % 1024 == 0)
            sched_yield(); /* there may be one processor only */
    return now;
}

/* One whose room a sender that sleeps is woken for. */
static int large_send(struct ferry_ring *ring)
{
    static const char data[MAX];
    struct ferry_record record = { data, MAX, 0 };
    return ferry_ring_try_send(ring, &record, 1);
}

/* Who comes first differs from round to round. */
static void dawdle(uint64_t *chance)
{
    for (volatile uint32_t i = draw(chance) % 64; i > 0; i--)
        ;
}

static void *waker_run(void *data)
{
    struct meeting *meeting = data;
    struct ferry_ring *ring = meeting->waker;
    uint64_t chance = 5;

    for (uint32_t round = 1; until_not(&meeting->round, round - 1) != OVER; round++) {
        dawdle(&chance);
        MUST((ring->direction == FERRY_SEND ? large_send(ring) : one_receive(ring)) == 1);
        atomic_store(&meeting->done, round);
    }
    return NULL;
}

/* Empty for who receives, full for who sends. */
static void ring_exhaust(struct ferry_ring *ring)
{
    if (ring->direction == FERRY_SEND)
        while (large_send(ring) == 1)
            ;
    else
        while (one_receive(ring) == 1)
            ;
}

static void meet(struct ferry_ring *sleeper, struct ferry_ring *waker)
{
    struct meeting meeting = { .waker = waker };
    uint64_t chance = 9;
    pthread_t thread;

    MUST(pthread_create(&thread, NULL, waker_run, &meeting) == 0);
    int64_t deadline_ns = ferry_deadline(MEETING_MS);
    for (uint32_t round = 1; round <= COUNT && ferry_deadline(0) < deadline_ns; round++) {
        ring_exhaust(sleeper);
        atomic_store(&meeting.round, round);
        dawdle(&chance);
        bool asleep = !ferry_ring_prepare_sleep(sleeper);
        (void)until_not(&meeting.done, round - 1);
        MUST(!asleep || is_readable(ferry_ring_fd(sleeper)));
    }
    atomic_store(&meeting.round, OVER);
    MUST(pthread_join(thread, NULL) == 0);
}

START_TEST(who_falls_asleep_at_that_moment_is_woken)
{
    struct ferry_ring *ring = ring_make_one(_i ? FERRY_SEND : FERRY_RECEIVE, CAPACITY);
    struct ferry_ring *twin = ring_twin(ring);

    meet(ring, twin);
    ring_twin_free(twin);
    ferry_ring_free(ring);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("ring_threads");

    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, everything_arrives_once_and_in_order);
    tcase_add_test(tests, no_wake_up_is_lost);
    tcase_add_loop_test(tests, who_falls_asleep_at_that_moment_is_woken, 0, 2);
    return run_tests(tests, "memory/ring_threads");
}
