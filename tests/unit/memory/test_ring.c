/* test_ring.c - records cross whole, in order, in place or by copy, wherever the ring ends. */
#include "ring_under_test.h"
#include "system_call.h"

#include <signal.h>
#include <sys/resource.h>

enum { CAPACITY = 4096, MAX = CAPACITY / 8 };

START_TEST(records_cross_with_size_and_type)
{
    struct ends ends = ends_make(CAPACITY);

    ck_assert_int_eq(one_receive(ends.receiver), -EAGAIN);
    ck_assert_int_eq(text_send(ends.sender, "first", 1), 1);
    ck_assert_int_eq(text_send(ends.sender, "", FERRY_RING_TYPE_MAX), 1);
    ck_assert_int_eq(text_send(ends.sender, "third", 0), 1);
    text_expect(ends.receiver, "first", 1);
    text_expect(ends.receiver, "", FERRY_RING_TYPE_MAX);
    text_expect(ends.receiver, "third", 0);
    ck_assert_int_eq(one_receive(ends.receiver), -EAGAIN);
    ends_free(&ends);
}
END_TEST

START_TEST(what_the_receiver_makes_the_sender_attaches_to)
{
    struct ends ends = { .receiver = ring_make_one(FERRY_RECEIVE, CAPACITY) };

    ends.sender = ring_attach_to(ends.receiver);
    ck_assert_int_eq(text_send(ends.sender, "first", 1), 1);
    text_expect(ends.receiver, "first", 1);
    ends_free(&ends);
}
END_TEST

/* Every size, over every place where the ring may end, and over the end of what counts. */
static void sizes_cross(uint32_t begin)
{
    struct ends ends = { .sender = ring_make_one(FERRY_SEND, CAPACITY) };
    unsigned char data[MAX], buffer[MAX];
    struct ferry_record record;

    ring_begin_at(ends.sender, begin);
    ends.receiver = ring_attach_to(ends.sender);
    for (uint32_t i = 0; i < 20 * MAX; i++) {
        size_t size = i * 37 % (MAX + 1);
        bytes_fill(data, size, i);
        record = (struct ferry_record){ data, size, i };
        MUST(ferry_ring_try_send(ends.sender, &record, 1) == 1);
        MUST(ferry_ring_try_receive(ends.receiver, buffer, sizeof(buffer), &record, 1) == 1);
        MUST(record.size == size);
        MUST(record.type == i);
        MUST(bytes_are(record.data, size, i));
    }
    ends_free(&ends);
}

START_TEST(every_size_crosses)
{
    sizes_cross(0);
}
END_TEST

START_TEST(positions_wrap_at_2_to_32)
{
    sizes_cross(0u - 64 * MAX);
}
END_TEST

/* --- a mixture, with a model beside it -------------------------------------------------------- */

struct mixture {
    struct ends ends;
    uint64_t chance;
    uint32_t sent, received;
    size_t sizes[CAPACITY / 8]; /* of what is on its way, by its number */
};

static void mixture_sent(struct mixture *mixture, size_t size)
{
    mixture->sizes[mixture->sent++ % COUNT_OF(mixture->sizes)] = size;
}

static void mixture_send(struct mixture *mixture, int count)
{
    static unsigned char data[8][MAX];
    struct ferry_record batch[8];

    for (int i = 0; i < count; i++) {
        uint32_t number = mixture->sent + (uint32_t)i;
        size_t size = draw(&mixture->chance) % (draw(&mixture->chance) % 8 ? 40 : MAX + 1);
        bytes_fill(data[i], size, number);
        batch[i] = (struct ferry_record){ data[i], size, number };
    }
    int done = ferry_ring_try_send(mixture->ends.sender, batch, (size_t)count);
    MUST(done > 0 || done == -EAGAIN);
    for (int i = 0; i < done; i++)
        mixture_sent(mixture, batch[i].size);
}

/* More is lent than is sent; or it is given up. */
static void mixture_lend(struct mixture *mixture, int count)
{
    size_t lent = draw(&mixture->chance) % (MAX + 1), size = lent / (size_t)count;
    void *place;
    int r = ferry_ring_loan(mixture->ends.sender, lent, &place);

    MUST(r == 0 || r == -EAGAIN);
    if (r < 0)
        return;
    memset(place, '#', lent);
    if (draw(&mixture->chance) % 4 == 0)
        return;
    bytes_fill(place, size, mixture->sent);
    ferry_ring_commit(mixture->ends.sender, size, mixture->sent);
    mixture_sent(mixture, size);
}

static void mixture_expect(struct mixture *mixture, const struct ferry_record *batch, int count)
{
    MUST(count > 0 || count == -EAGAIN || count == -EMSGSIZE);
    for (int i = 0; i < count; i++) {
        uint32_t number = mixture->received++;
        MUST(batch[i].type == number);
        MUST(batch[i].size == mixture->sizes[number % COUNT_OF(mixture->sizes)]);
        MUST(bytes_are(batch[i].data, batch[i].size, number));
    }
}

static void mixture_receive(struct mixture *mixture, int count)
{
    static unsigned char buffer[CAPACITY];
    struct ferry_record batch[8];
    size_t size = draw(&mixture->chance) % sizeof(buffer);

    mixture_expect(mixture, batch,
        ferry_ring_try_receive(mixture->ends.receiver, buffer, size, batch, (size_t)count));
}

static void mixture_borrow(struct mixture *mixture, int count)
{
    struct ferry_record batch[8];

    mixture_expect(mixture, batch, ferry_ring_borrow(mixture->ends.receiver, batch, (size_t)count));
    if (draw(&mixture->chance) % 2)
        ferry_ring_release(mixture->ends.receiver);
}

START_TEST(any_mixture_is_a_queue)
{
    static void (*const moves[])(struct mixture * mixture, int count) = { mixture_send,
        mixture_lend, mixture_receive, mixture_borrow };
    static struct mixture mixture;

    mixture.ends.sender = ring_make_one(FERRY_SEND, CAPACITY);
    ring_begin_at(mixture.ends.sender, 0u - 2 * CAPACITY);
    mixture.ends.receiver = ring_attach_to(mixture.ends.sender);
    for (int turn = 0; turn < 200000; turn++)
        moves[draw(&mixture.chance) % 4](&mixture, (int)(draw(&mixture.chance) % 8) + 1);
    ck_assert_uint_gt(mixture.received, 50000);
    ends_free(&mixture.ends);
}
END_TEST

/* --- one thing each --------------------------------------------------------------------------- */

START_TEST(a_full_ring_takes_nothing_until_room_is_given_back)
{
    struct ends ends = ends_make(CAPACITY);
    char data[MAX - 8] = { 0 };
    struct ferry_record record = { data, sizeof(data), 0 }, batch[8];

    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(ferry_ring_try_send(ends.sender, &record, 1), 1);
    ck_assert_int_eq(text_send(ends.sender, "", 0), -EAGAIN);
    ck_assert_int_eq(ferry_ring_borrow(ends.receiver, batch, 3), 3);
    ck_assert_int_eq(text_send(ends.sender, "", 0), -EAGAIN);
    ck_assert_int_eq(ferry_ring_borrow(ends.receiver, batch + 3, 5), 5);
    ck_assert_int_eq(ferry_ring_borrow(ends.receiver, batch, 1), -EAGAIN);
    ck_assert_int_eq(text_send(ends.sender, "", 0), -EAGAIN);
    ferry_ring_release(ends.receiver);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(ferry_ring_try_send(ends.sender, &record, 1), 1);
    ck_assert_int_eq(text_send(ends.sender, "", 0), -EAGAIN);
    ends_free(&ends);
}
END_TEST

START_TEST(of_a_batch_goes_what_has_room)
{
    struct ends ends = ends_make(CAPACITY);
    char data[MAX - 8] = { 0 };
    struct ferry_record batch[10];
    struct ferry_ring_stats stats;

    for (int i = 0; i < 10; i++)
        batch[i] = (struct ferry_record){ data, sizeof(data), (unsigned)i };
    ck_assert_int_eq(ferry_ring_try_send(ends.sender, batch, 10), 8);
    ck_assert_int_eq(ferry_ring_try_send(ends.sender, batch + 8, 2), -EAGAIN);
    ck_assert_int_eq(ferry_ring_borrow(ends.receiver, batch, 10), 8);
    for (int i = 0; i < 8; i++)
        ck_assert_uint_eq(batch[i].type, (unsigned)i);
    ferry_ring_get_stats(ends.sender, &stats);
    ck_assert_uint_eq(stats.records, 8);
    ck_assert_uint_eq(stats.bytes, 8 * sizeof(data));
    ck_assert_uint_eq(stats.refusals, 2);
    ck_assert_int_eq(ferry_ring_borrow(ends.receiver, batch, 10), -EAGAIN);
    ferry_ring_get_stats(ends.receiver, &stats);
    ck_assert_uint_eq(stats.records, 8);
    ck_assert_uint_eq(stats.bytes, 8 * sizeof(data));
    ck_assert_uint_eq(stats.refusals, 1);
    ends_free(&ends);
}
END_TEST

START_TEST(a_loan_that_is_not_committed_is_not_seen)
{
    struct ends ends = ends_make(CAPACITY);
    void *one, *other;

    ck_assert_int_eq(ferry_ring_loan(ends.sender, 100, &one), 0);
    memset(one, 'x', 100);
    ck_assert_int_eq(one_receive(ends.receiver), -EAGAIN);
    ck_assert_int_eq(ferry_ring_loan(ends.sender, 4, &other), 0);
    ck_assert_ptr_eq(one, other);
    memcpy(other, "kept", 4);
    ferry_ring_commit(ends.sender, 4, 5);
    text_expect(ends.receiver, "kept", 5);
    ck_assert_int_eq(one_receive(ends.receiver), -EAGAIN);
    ends_free(&ends);
}
END_TEST

/* Neither end copies: the same memory, seen through two mappings. */
START_TEST(what_is_lent_is_what_is_borrowed)
{
    struct ends ends = ends_make(CAPACITY);
    struct ferry_record record;
    void *place;

    ck_assert_int_eq(ferry_ring_loan(ends.sender, MAX, &place), 0);
    ck_assert_uint_eq((uintptr_t)place % 8, 0);
    ferry_ring_commit(ends.sender, MAX, 1);
    ck_assert_int_eq(ferry_ring_borrow(ends.receiver, &record, 1), 1);
    memcpy(place, "after the fact", 14);
    ck_assert_mem_eq(record.data, "after the fact", 14);
    ends_free(&ends);
}
END_TEST

START_TEST(too_large_is_an_error_at_either_end)
{
    struct ends ends = ends_make(CAPACITY);
    char data[MAX + 1] = { 0 }, buffer[MAX];
    struct ferry_record record = { data, MAX + 1, 0 }, got = { 0 };
    void *place;

    ck_assert_uint_eq(ferry_ring_record_max(ends.sender), MAX);
    ck_assert_int_eq(ferry_ring_try_send(ends.sender, &record, 1), -EMSGSIZE);
    ck_assert_int_eq(ferry_ring_loan(ends.sender, MAX + 1, &place), -EMSGSIZE);
    ck_assert_int_eq(ferry_ring_loan(ends.sender, (size_t)-1, &place), -EMSGSIZE);
    record = (struct ferry_record){ data, 1, FERRY_RING_TYPE_MAX + 1 };
    ck_assert_int_eq(ferry_ring_try_send(ends.sender, &record, 1), -EINVAL);
    ck_assert_int_eq(one_receive(ends.receiver), -EAGAIN);

    record = (struct ferry_record){ data, 101, 3 };
    ck_assert_int_eq(ferry_ring_try_send(ends.sender, &record, 1), 1);
    ck_assert_int_eq(ferry_ring_try_receive(ends.receiver, buffer, 100, &got, 1), -EMSGSIZE);
    ck_assert_uint_eq(got.size, 101);
    ck_assert_int_eq(ferry_ring_try_receive(ends.receiver, buffer, 101, &got, 1), 1);
    ck_assert_uint_eq(got.type, 3);
    ends_free(&ends);
}
END_TEST

/* The buffer holds what it holds, and not a byte more is written. */
START_TEST(a_receive_fills_its_buffer_and_no_more)
{
    struct ends ends = ends_make(CAPACITY);
    struct ferry_record batch[4];
    char buffer[32];

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(text_send(ends.sender, "nine byte", (unsigned)i), 1);
    memset(buffer, '#', sizeof(buffer));
    ck_assert_int_eq(ferry_ring_try_receive(ends.receiver, buffer, 25, batch, 4), 2);
    ck_assert_ptr_eq(batch[1].data, buffer + 16);
    ck_assert_mem_eq(buffer, "nine byte#######nine byte#######", 32);
    ck_assert_int_eq(ferry_ring_try_receive(ends.receiver, buffer, 25, batch, 4), 2);
    ck_assert_uint_eq(batch[1].type, 3);
    ends_free(&ends);
}
END_TEST

START_TEST(after_the_peer_has_gone_comes_what_it_sent)
{
    struct ends ends = ends_make(CAPACITY);

    ck_assert_int_eq(text_send(ends.sender, "one", 1), 1);
    ck_assert_int_eq(text_send(ends.sender, "two", 2), 1);
    ferry_ring_set_peer_gone(ends.receiver);
    ck_assert_int_eq(text_send(ends.sender, "late", 3), 1); /* it said that it had gone */
    text_expect(ends.receiver, "one", 1);
    ck_assert(ferry_ring_prepare_sleep(ends.receiver));
    text_expect(ends.receiver, "two", 2);
    ck_assert_int_eq(one_receive(ends.receiver), -EPIPE);
    ck_assert_int_eq(one_receive(ends.receiver), -EPIPE);
    ck_assert(ferry_ring_prepare_sleep(ends.receiver));
    ferry_ring_set_peer_gone(ends.receiver);

    void *place;
    ferry_ring_set_peer_gone(ends.sender);
    ck_assert_int_eq(text_send(ends.sender, "in vain", 1), -EPIPE);
    ck_assert_int_eq(ferry_ring_loan(ends.sender, 1, &place), -EPIPE);
    ck_assert(ferry_ring_prepare_sleep(ends.sender));
    ends_free(&ends);
}
END_TEST

START_TEST(a_successor_goes_on_where_the_last_stopped)
{
    struct ends ends = ends_make(CAPACITY);

    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(text_send(ends.sender, "first", 1), 1);
        ck_assert_int_eq(text_send(ends.sender, "second", 2), 1);
        text_expect(ends.receiver, "first", 1);
        ferry_ring_free(ends.receiver);
        ends.receiver = ring_attach_to(ends.sender);
        ferry_ring_free(ends.sender);
        ends.sender = ring_attach_to(ends.receiver);
        text_expect(ends.receiver, "second", 2);
        ck_assert_int_eq(one_receive(ends.receiver), -EAGAIN);
    }
    ends_free(&ends);
}
END_TEST

/* Lines of /proc/self/maps that are of a ring's memory. */
static int mappings_count(void)
{
    AUTO_FILE FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    int count = 0;

    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof(line), maps))
        count += strstr(line, "memfd:ferry-ring") != NULL;
    return count;
}

START_TEST(what_is_freed_leaves_nothing)
{
    int lowest = dup(0);

    close(lowest);
    struct ends ends = ends_make(CAPACITY);
    ck_assert_int_eq(mappings_count(), 2);
    ends_free(&ends);
    ck_assert_int_eq(mappings_count(), 0);
    ck_assert_int_eq(dup(0), lowest);
}
END_TEST

/* Descriptors run out after the first, the second, the third. */
START_TEST(what_could_not_be_made_leaves_nothing)
{
    struct ferry_ring *ring;
    struct rlimit usual;
    int lowest = dup(0);

    close(lowest);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    struct rlimit limit = { (rlim_t)lowest + (rlim_t)_i, usual.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct ferry_error error;
    ck_assert_int_eq(ferry_ring_new(FERRY_SEND, NULL, &ring, &error), -EMFILE);
    ck_assert_str_eq(error.remedy, "raise RLIMIT_NOFILE");
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
    ck_assert_int_eq(dup(0), lowest);
    ck_assert_int_eq(mappings_count(), 0);
}
END_TEST

START_TEST(what_wakes_could_not_be_made)
{
    struct ferry_ring *ring;
    struct ferry_error error;

    system_call_fails(SYS_timerfd_create, ENODEV);
    ck_assert_int_eq(ferry_ring_new(FERRY_SEND, NULL, &ring, &error), -ENODEV);
    ck_assert_str_eq(error.remedy, "ask for less");
}
END_TEST

/* Options that make no sense, with descriptors that are taken all the same. */
START_TEST(what_could_not_be_attached_to_leaves_nothing)
{
    const struct ferry_ring_options options = { .struct_size = 1 };
    struct ferry_ring *ring = ring_make_one(FERRY_SEND, CAPACITY), *other;
    int copies[FERRY_RING_DESCRIPTORS + 1], none = dup(0); /* which is no business of the ring's */

    copies[FERRY_RING_DESCRIPTORS] = none;
    descriptors_copy(ring, copies);
    ck_assert_int_eq(copies[FERRY_RING_DESCRIPTORS], none);
    ck_assert_int_eq(ferry_ring_attach(FERRY_RECEIVE, copies, &options, &other, NULL), -EINVAL);
    for (int i = 0; i < FERRY_RING_DESCRIPTORS; i++)
        ck_assert_int_eq(fcntl(copies[i], F_GETFD), -1);
    ck_assert_int_ne(fcntl(none, F_GETFD), -1);
    close(none);
    ferry_ring_free(ring);
}
END_TEST

/* The peer's lines are fetched for what is not known otherwise, and no more often. */
static unsigned loads;

static void load_count(void *word, size_t size)
{
    (void)word, (void)size;
    loads++;
}

START_TEST(nobody_looks_at_what_he_need_not_see)
{
    struct ends ends = ends_make(CAPACITY);

    ring_test_loaded = load_count;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert_uint_eq(loads, 3); /* the bell */
    loads = 0;
    for (int i = 0; i < 3; i++)
        text_expect(ends.receiver, "text", 0);
    ck_assert_uint_eq(loads, 1 + 3); /* the position once, heads */
    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    loads = 0;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert_uint_eq(loads, 2); /* one of them woke it */
    text_expect(ends.receiver, "text", 0);
    loads = 0;
    ck_assert(ferry_ring_prepare_sleep(ends.receiver));
    ck_assert_uint_eq(loads, 0);
    ends_free(&ends);
}
END_TEST

/* What only a mistake of the program's can ask for. */
START_TEST(a_commit_of_what_was_not_lent_is_a_mistake)
{
    struct ends ends = ends_make(CAPACITY);
    void *place;

    ck_assert_int_eq(ferry_ring_loan(ends.sender, 8, &place), 0);
    switch (_i) {
    case 0:
        ferry_ring_commit(ends.sender, 8, 0);
        break;
    case 1:
        ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
        break;
    case 2:
        ck_assert_int_eq(ferry_ring_loan(ends.sender, CAPACITY, &place), -EMSGSIZE);
        break;
    case 3:
        ferry_ring_commit(ends.sender, 9, 0);
        return;
    case 4:
        ferry_ring_commit(ends.sender, 8, FERRY_RING_TYPE_MAX + 1);
        return;
    }
    ferry_ring_commit(ends.sender, 8, 0);
}
END_TEST

/* The kernel would end the process, not the call. */
START_TEST(a_limit_of_file_sizes_is_an_error)
{
    struct rlimit limit = { 1 << 20, 1 << 20 };
    const struct ferry_ring_options largest = { .struct_size = sizeof(largest),
        .capacity = 1 << 30 };
    struct ferry_ring *ring;

    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(ferry_ring_new(FERRY_SEND, NULL, &ring, NULL), -EFBIG);
    ck_assert_int_eq(ferry_ring_new(FERRY_SEND, &largest, &ring, NULL), -EFBIG);
}
END_TEST

START_TEST(capacities_that_are_none_are_refused)
{
    static const size_t capacities[] = { 1, 2048, 4097, 6144, (size_t)2 << 30, (size_t)-1 };
    struct ferry_ring_options options = { .struct_size = sizeof(options) };
    struct ferry_ring *ring = NULL;
    struct ferry_error error;

    options.capacity = capacities[_i];
    ck_assert_int_eq(ferry_ring_new(FERRY_SEND, &options, &ring, &error), -EINVAL);
    ck_assert_int_eq(error.code, -EINVAL);
    ck_assert_str_eq(error.remedy, "take a power of two from 4096 to 1073741824");
    options.struct_size = 0;
    ck_assert_int_eq(ferry_ring_new(FERRY_SEND, &options, &ring, &error), -EINVAL);
    ck_assert_ptr_null(ring);
}
END_TEST

START_TEST(by_default_it_has_a_mebibyte)
{
    struct ferry_ring *ring;

    ck_assert_int_eq(ferry_ring_new(FERRY_SEND, NULL, &ring, NULL), 0);
    ck_assert_uint_eq(ferry_ring_record_max(ring), (1 << 20) / 8);
    ferry_ring_free(ring);
    ferry_ring_free(NULL);
}
END_TEST

/* --- of two ways between the same processes ----------------------------------------------------
 */

static int calls;

static struct ends quiet_pair(void)
{
    calls = 0;
    struct ends ends = quiet_ends_make(CAPACITY, &calls, &calls);
    ck_assert_int_eq(ends.sender->spin_max_ns, -1); /* as was asked for */
    ck_assert_int_eq(ends.receiver->spin_ns, -1);
    return ends;
}

static int empty_add(struct ferry_ring *ring)
{
    return ring_add(ring, NULL, 0, 0);
}

START_TEST(pieces_are_one_record)
{
    struct ends ends = quiet_pair();
    char one[] = "one", two[] = "two", three[] = "three";
    /* The last is none of them. */
    const struct iovec pieces[] = { { one, 3 }, { NULL, 0 }, { two, 3 }, { three, 5 },
        { (void *)1, 1 } };

    ck_assert_int_eq(ring_add(ends.sender, pieces, 4, 11), 0);
    ck_assert_int_eq(ring_add(ends.sender, pieces, 1, 3), 0);
    ck_assert_int_eq(one_receive(ends.receiver), -EAGAIN);
    ring_show(ends.sender);
    text_expect(ends.receiver, "onetwothree", 0);
    text_expect(ends.receiver, "one", 0);
    ck_assert_int_eq(ring_add(ends.sender, pieces, 1, MAX + 1), -EMSGSIZE);
    ends_free(&ends);
}
END_TEST

/* For which there is always room, once; and of which only what comes by the other way tells. */
START_TEST(records_leave_room_for_a_mark)
{
    struct ends ends = quiet_pair();
    int count = 0;

    while (empty_add(ends.sender) == 0)
        count++;
    ck_assert_int_eq(count, CAPACITY / RING_HEAD_SIZE - 1);
    ck_assert_uint_eq(ring_room(ends.sender), RING_HEAD_SIZE);
    ring_show(ends.sender);
    while (count-- > 0)
        text_expect(ends.receiver, "", 0);
    ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
    while (empty_add(ends.sender) == 0)
        continue;
    ck_assert_int_eq(ring_mark(ends.sender), 0);
    ck_assert_int_eq(ring_mark(ends.sender), -EAGAIN);
    ck_assert_uint_eq(ring_room(ends.sender), 0);
    ck_assert_int_eq(calls, 0);
    for (int i = 1; i < CAPACITY / (int)RING_HEAD_SIZE; i++)
        text_expect(ends.receiver, "", 0);
    text_expect(ends.receiver, "", RING_MARK);
    ck_assert_uint_eq(ring_room(ends.sender), CAPACITY);
    ends_free(&ends);
}
END_TEST

START_TEST(a_ring_is_drained_when_all_was_received)
{
    struct ends ends = quiet_pair();

    ck_assert(ring_is_drained(ends.sender));
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert(!ring_is_drained(ends.sender));
    text_expect(ends.receiver, "text", 0);
    ck_assert(ring_is_drained(ends.sender));
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ferry_ring_set_peer_gone(ends.sender);
    ck_assert(!ring_is_drained(ends.sender));
    ck_assert_uint_eq(ring_room(ends.sender), 0);
    ck_assert_int_eq(empty_add(ends.sender), -EPIPE);
    ck_assert_int_eq(ring_mark(ends.sender), -EPIPE);
    text_expect(ends.receiver, "text", 0);
    ck_assert(ring_is_drained(ends.sender));
    ends_free(&ends);
}
END_TEST

/* Of a ring that the peer has broken nothing is used any more, whatever it says later. */
START_TEST(a_broken_ring_has_no_room_and_stays_broken)
{
    struct ends ends = quiet_pair();

    switch (_i) {
    case 0:
        atomic_store(&ends.receiver->side->position, 3);
        ck_assert(!ring_is_drained(ends.sender)); /* just found out */
        break;
    case 1:
        atomic_store(&ends.receiver->side->position, 3);
        ck_assert_uint_eq(ring_room(ends.sender), 0);
        break;
    default:
        atomic_store(&ends.sender->side->position, 3);
        ck_assert_int_eq(one_receive(ends.receiver), -EPROTO);
        atomic_store(&ends.sender->side->position, 0);
        ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
        ck_assert_int_eq(one_receive(ends.receiver), -EPROTO);
        ends_free(&ends);
        return;
    }
    atomic_store(&ends.receiver->side->position, 0);
    ck_assert(ring_is_drained(ends.sender));
    ck_assert_uint_eq(ring_room(ends.sender), 0);
    ck_assert_int_eq(empty_add(ends.sender), -EPROTO);
    ck_assert_int_eq(ring_mark(ends.sender), -EPROTO);
    ends_free(&ends);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("ring");

    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, records_cross_with_size_and_type);
    tcase_add_test(tests, what_the_receiver_makes_the_sender_attaches_to);
    tcase_add_test(tests, every_size_crosses);
    tcase_add_test(tests, positions_wrap_at_2_to_32);
    tcase_add_test(tests, any_mixture_is_a_queue);
    tcase_add_test(tests, a_full_ring_takes_nothing_until_room_is_given_back);
    tcase_add_test(tests, of_a_batch_goes_what_has_room);
    tcase_add_test(tests, a_loan_that_is_not_committed_is_not_seen);
    tcase_add_test(tests, what_is_lent_is_what_is_borrowed);
    tcase_add_test(tests, too_large_is_an_error_at_either_end);
    tcase_add_test(tests, a_receive_fills_its_buffer_and_no_more);
    tcase_add_test(tests, after_the_peer_has_gone_comes_what_it_sent);
    tcase_add_test(tests, a_successor_goes_on_where_the_last_stopped);
    tcase_add_test(tests, what_is_freed_leaves_nothing);
    tcase_add_loop_test(tests, what_could_not_be_made_leaves_nothing, 0, FERRY_RING_DESCRIPTORS);
    tcase_add_test(tests, what_wakes_could_not_be_made);
    tcase_add_test(tests, what_could_not_be_attached_to_leaves_nothing);
    tcase_add_test(tests, nobody_looks_at_what_he_need_not_see);
    tcase_add_loop_test_raise_signal(
        tests, a_commit_of_what_was_not_lent_is_a_mistake, SIGABRT, 0, 5);
    tcase_add_test(tests, a_limit_of_file_sizes_is_an_error);
    tcase_add_loop_test(tests, capacities_that_are_none_are_refused, 0, 6);
    tcase_add_test(tests, by_default_it_has_a_mebibyte);
    tcase_add_test(tests, pieces_are_one_record);
    tcase_add_test(tests, records_leave_room_for_a_mark);
    tcase_add_test(tests, a_ring_is_drained_when_all_was_received);
    tcase_add_loop_test(tests, a_broken_ring_has_no_room_and_stays_broken, 0, 3);
    return run_tests(tests, "memory/ring");
}
