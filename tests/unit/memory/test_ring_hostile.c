/* test_ring_hostile.c - a peer that writes what it likes into the memory: found out or harmless,
 * and never more than a call's work. */
#include "ring_under_test.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { CAPACITY = 4096, MAX = CAPACITY / 8 };

/* --- what is handed over ---------------------------------------------------------------------- */

/* The descriptors of a ring that is fine, and its memory, to do harm to. */
struct victim {
    struct ferry_ring *ring;
    int fds[FERRY_RING_DESCRIPTORS];
};

static struct victim victim_make(void)
{
    struct victim victim = { .ring = ring_make_one(FERRY_SEND, CAPACITY) };
    descriptors_copy(victim.ring, victim.fds);
    return victim;
}

/* Attaching fails so, closes everything, and says why. */
static void attach_fails(struct victim *victim, int code, const char *reason)
{
    const struct ferry_ring_options options = { .struct_size = sizeof(options),
        .capacity = CAPACITY };
    struct ferry_ring *ring = NULL;
    struct ferry_error error = { 0 };

    ck_assert_int_eq(ferry_ring_attach(FERRY_RECEIVE, victim->fds, &options, &ring, &error), code);
    ck_assert_ptr_null(ring);
    ck_assert_str_eq(error.thing, "ring");
    if (reason)
        ck_assert_str_eq(error.reason, reason);
    for (int i = 0; i < FERRY_RING_DESCRIPTORS; i++)
        ck_assert_int_eq(fcntl(victim->fds[i], F_GETFD), -1);
    ferry_ring_free(victim->ring);
}

static void memory_replace(struct victim *victim, size_t size, int seals)
{
    int fd = memfd_create("test", MFD_ALLOW_SEALING);

    if (size)
        ck_assert_int_eq(fallocate(fd, 0, 0, (off_t)size), 0);
    ck_assert_int_eq(pwrite(fd, victim->ring->shared, sizeof(struct ring_shared), 0),
        sizeof(struct ring_shared));
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
    ck_assert_int_eq(dup2(fd, victim->fds[0]), victim->fds[0]);
    close(fd);
}

START_TEST(missing_seals_are_refused)
{
    static const int seals[] = { 0, F_SEAL_GROW | F_SEAL_SEAL, F_SEAL_SHRINK | F_SEAL_SEAL,
        F_SEAL_SHRINK | F_SEAL_GROW };
    struct victim victim = victim_make();

    memory_replace(&victim, RING_DATA_OFFSET + CAPACITY, seals[_i]);
    attach_fails(&victim, -EPROTO, "the first descriptor is no memory whose size is sealed");
}
END_TEST

START_TEST(less_memory_than_claimed_is_refused)
{
    struct victim victim = victim_make();

    memory_replace(
        &victim, RING_DATA_OFFSET + CAPACITY - 1, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    attach_fails(&victim, -EPROTO, "it says to hold 4096 bytes, which it can't");
}
END_TEST

START_TEST(memory_of_nothing_is_refused)
{
    struct victim victim = victim_make();

    memory_replace(&victim, 0, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    attach_fails(&victim, -EPROTO, NULL);
}
END_TEST

/* Nothing is mapped before the version is known: here it can't be. */
START_TEST(another_version_is_refused_before_it_is_mapped)
{
    struct victim victim = victim_make();

    victim.ring->shared->constants.version += _i;
    memory_replace(&victim, RING_DATA_OFFSET + CAPACITY,
        F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_WRITE);
    attach_fails(&victim, -EPROTONOSUPPORT,
        _i > 0 ? "it has version 3, and this library knows 2"
               : "it has version 1, and this library knows 2");
}
END_TEST

START_TEST(memory_that_cannot_be_written_is_refused)
{
    struct victim victim = victim_make();

    memory_replace(&victim, RING_DATA_OFFSET + CAPACITY,
        F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_WRITE);
    attach_fails(&victim, -EPERM, NULL);
}
END_TEST

START_TEST(other_memory_is_refused)
{
    struct victim victim = victim_make();

    victim.ring->shared->constants.magic = 0;
    attach_fails(&victim, -EPROTO, "the memory is no ring");
}
END_TEST

START_TEST(capacities_that_cannot_be_are_refused)
{
    static const uint32_t capacities[] = { 0, 1, 2048, 4095, 4097, 8192, 1u << 31, UINT32_MAX };
    struct victim victim = victim_make();

    victim.ring->shared->constants.capacity = capacities[_i];
    attach_fails(&victim, -EPROTO, NULL);
}
END_TEST

START_TEST(more_than_is_accepted_is_refused)
{
    struct victim victim = { .ring = ring_make_one(FERRY_SEND, 2 * CAPACITY) };

    descriptors_copy(victim.ring, victim.fds);
    attach_fails(&victim, -E2BIG, "it holds 8192 bytes, and at most 4096 are accepted");
}
END_TEST

/* Positions as they cannot be: {the receiver's, the sender's}. */
START_TEST(positions_that_cannot_be_are_refused)
{
    static const uint32_t positions[][2] = { { 0, CAPACITY + 8 }, { 8, 0 }, { 0, 4 }, { 4, 4 },
        { 4, 8 }, { 0, UINT32_MAX - 7 } };
    struct victim victim = victim_make();

    for (int i = 0; i < 2; i++)
        atomic_store(&victim.ring->shared->sides[i].position, positions[_i][i]);
    attach_fails(&victim, -EPROTO, "its positions can't be");
}
END_TEST

/* Of Landlock: an anonymous inode that says to be readable and writable at any time. Linux 5.13. */
static int ruleset_make(void)
{
    const uint64_t handled = 1; /* LANDLOCK_ACCESS_FS_EXECUTE */
    int fd = (int)syscall(444 /* landlock_create_ruleset */, &handled, sizeof(handled), 0);
    return fd >= 0 ? fd : epoll_create1(0);
}

/* None of these wakes as a bell does; some would block, or pass on what is written to them. */
static int descriptor_wrong(int kind)
{
    int ends[2];

    switch (kind) {
    case 0:
        ck_assert_int_eq(pipe(ends), 0);
        return ends[1];
    case 1:
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        return ends[0];
    case 2:
        return open("/tmp", O_TMPFILE | O_RDWR, 0600);
    case 3:
        return open("/dev/null", O_RDWR);
    case 4:
        return epoll_create1(0);
    case 5:
        return eventfd(0, EFD_NONBLOCK);
    case 6:
        return ruleset_make();
    default:
        return open("/proc/self/exe", O_PATH);
    }
}

START_TEST(what_is_no_bell_is_refused)
{
    for (int which = 1; which <= 2; which++) {
        struct victim victim = victim_make();
        close(victim.fds[which]);
        victim.fds[which] = descriptor_wrong(_i);
        ck_assert_int_ge(victim.fds[which], 0);
        attach_fails(&victim, -EPROTO, NULL);
    }
}
END_TEST

START_TEST(what_is_taken_stays_in_no_program_that_is_executed)
{
    struct victim victim = victim_make();
    struct ferry_ring *ring;

    for (int i = 0; i < FERRY_RING_DESCRIPTORS; i++)
        ck_assert_int_eq(fcntl(victim.fds[i], F_SETFD, 0), 0);
    ck_assert_int_eq(ferry_ring_attach(FERRY_RECEIVE, victim.fds, NULL, &ring, NULL), 0);
    for (int i = 0; i < FERRY_RING_DESCRIPTORS; i++)
        ck_assert_int_eq(fcntl(victim.fds[i], F_GETFD), FD_CLOEXEC);
    ferry_ring_free(ring);
    ferry_ring_free(victim.ring);
}
END_TEST

/* The flag is of the open file, which the peer has too. */
START_TEST(a_bell_that_was_made_blocking_holds_nobody_up)
{
    struct ends ends = ends_make(CAPACITY);
    int fd = ferry_ring_fd(ends.receiver);

    ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert(!ferry_ring_prepare_sleep(ends.receiver));
        if (i == 1)
            bell_ring(fd); /* it rings already */
        ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
        ck_assert(is_readable(fd));
        if (i == 2)
            ck_assert(bell_quiet(fd)); /* it rings no more */
        text_expect(ends.receiver, "text", 0);
    }
    ends_free(&ends);
}
END_TEST

/* --- what is written later -------------------------------------------------------------------- */

/* It is the end of the ring, whatever comes after. */
static void ring_is_broken(struct ferry_ring *ring)
{
    struct ferry_record record = { 0 };
    void *place;

    for (int i = 0; i < 2; i++) {
        if (ring->direction == FERRY_RECEIVE) {
            ck_assert_int_eq(one_receive(ring), -EPROTO);
            ck_assert_int_eq(ferry_ring_borrow(ring, &record, 1), -EPROTO);
            ferry_ring_release(ring);
        } else {
            ck_assert_int_eq(ferry_ring_try_send(ring, &record, 1), -EPROTO);
            ck_assert_int_eq(ferry_ring_loan(ring, 1, &place), -EPROTO);
        }
        ck_assert(ferry_ring_prepare_sleep(ring));
        ck_assert_int_eq(ferry_ring_wait(ring, -1, FERRY_NEVER), 0);
        ferry_ring_set_peer_gone(ring);
    }
}

START_TEST(a_head_that_cannot_be_ends_the_ring)
{
    static const uint32_t heads[] = { CAPACITY + 8, 4, 1, UINT32_MAX - 7, 1u << 31 };
    struct ends ends = ends_make(CAPACITY);

    atomic_store(&ends.sender->side->position, heads[_i]);
    ring_is_broken(ends.receiver);
    ends_free(&ends);
}
END_TEST

START_TEST(a_tail_that_cannot_be_ends_the_ring)
{
    static const uint32_t tails[] = { 8, 4, UINT32_MAX - 7 - CAPACITY, 1u << 31 };
    struct ends ends = ends_make(CAPACITY);
    struct ferry_record record = { 0 };

    while (ferry_ring_try_send(ends.sender, &record, 1) == 1)
        ;
    atomic_store(&ends.receiver->side->position, CAPACITY + tails[_i]);
    ring_is_broken(ends.sender);
    ends_free(&ends);
}
END_TEST

/* What was seen before is no longer there: nothing may be written over it. */
START_TEST(a_tail_that_goes_back_during_a_batch_ends_the_ring)
{
    struct ends ends = ends_make(CAPACITY);
    static char data[MAX - 8];
    struct ferry_record batch[16];

    for (int i = 0; i < 16; i++)
        batch[i] = (struct ferry_record){ data, sizeof(data), 0 };
    ck_assert_int_eq(ferry_ring_try_send(ends.sender, batch, 1), 1);
    ck_assert_int_eq(one_receive(ends.receiver), 1);
    ck_assert_int_eq(ferry_ring_try_send(ends.sender, batch, 7), 7);
    atomic_store(&ends.receiver->side->position, 0u - 7 * MAX);
    ck_assert_int_eq(ferry_ring_try_send(ends.sender, batch, 16), -EPROTO);
    ring_is_broken(ends.sender);
    ends_free(&ends);
}
END_TEST

START_TEST(a_head_that_goes_back_behind_what_is_borrowed_ends_the_ring)
{
    struct ends ends = ends_make(CAPACITY);
    struct ferry_record batch[4];

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert_int_eq(ferry_ring_borrow(ends.receiver, batch, 4), 4);
    atomic_store(&ends.sender->side->position, 16);
    ring_is_broken(ends.receiver);
    ends_free(&ends);
}
END_TEST

START_TEST(a_head_that_goes_over_what_is_borrowed_ends_the_ring)
{
    struct ends ends = ends_make(CAPACITY);
    const uint64_t head = ring_head(RING_KIND_RECORD, 8); /* as good as any */
    struct ferry_record record;

    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert_int_eq(ferry_ring_borrow(ends.receiver, &record, 1), 1);
    memcpy(ends.sender->data + 16, &head, 8);
    atomic_store(&ends.sender->side->position, CAPACITY + 8);
    ring_is_broken(ends.receiver);
    ends_free(&ends);
}
END_TEST

/* Heads of records as they cannot be, with 64 bytes committed at the beginning. */
START_TEST(a_record_that_cannot_be_ends_the_ring)
{
    const uint64_t heads[] = { 0, /* what a hole leaves */
        ring_head(0, 8), ring_head(3, 8), ring_head(RING_KIND_RECORD, MAX + 1),
        ring_head(RING_KIND_RECORD, 57), /* beyond what is committed */
        ring_head(RING_KIND_RECORD, UINT32_MAX), ring_head(RING_KIND_RECORD, UINT32_MAX - 7),
        ring_head(RING_KIND_PADDING, 8), ring_head(RING_KIND_PADDING, 0),
        ring_head(RING_KIND_PADDING, CAPACITY - 8), /* to the end, and nothing after it */
        UINT64_MAX };
    struct ends ends = ends_make(CAPACITY);
    char data[56] = { 0 };
    struct ferry_record record = { data, sizeof(data), 0 };

    ck_assert_int_lt(_i, (int)COUNT_OF(heads));
    ck_assert_int_eq(ferry_ring_try_send(ends.sender, &record, 1), 1);
    memcpy(ends.sender->data, &heads[_i], 8);
    ring_is_broken(ends.receiver);
    ends_free(&ends);
}
END_TEST

/* A record may not go on behind the end of the memory, though the positions would allow it. */
START_TEST(a_record_over_the_end_ends_the_ring)
{
    struct ends ends = { .sender = ring_make_one(FERRY_SEND, CAPACITY) };
    const uint64_t head = ring_head(RING_KIND_RECORD, 64);

    ring_begin_at(ends.sender, CAPACITY - 64);
    ends.receiver = ring_attach_to(ends.sender);
    memcpy(ends.sender->data + CAPACITY - 64, &head, 8);
    atomic_store(&ends.sender->side->position, CAPACITY + 8);
    ring_is_broken(ends.receiver);
    ends_free(&ends);
}
END_TEST

/* Padding to the end, and nothing committed behind it, though a record is there. */
START_TEST(padding_alone_ends_the_ring)
{
    struct ends ends = { .sender = ring_make_one(FERRY_SEND, CAPACITY) };
    const uint64_t record = ring_head(RING_KIND_RECORD, 8);
    const uint64_t padding = ring_head(RING_KIND_PADDING, 56);

    ring_begin_at(ends.sender, CAPACITY - 64);
    ends.receiver = ring_attach_to(ends.sender);
    memcpy(ends.sender->data, &record, 8);
    memcpy(ends.sender->data + CAPACITY - 64, &padding, 8);
    atomic_store(&ends.sender->side->position, CAPACITY - 64 + 16 * _i);
    ring_is_broken(ends.receiver);
    ends_free(&ends);
}
END_TEST

/* Nothing of the memory is used any more, nor written. */
START_TEST(a_broken_ring_gives_back_no_room)
{
    struct ends ends = ends_make(CAPACITY);
    struct ferry_record batch[2];
    char buffer[64];

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    if (_i)
        ck_assert_int_eq(ferry_ring_borrow(ends.receiver, batch, 1), 1);
    memset(ends.sender->data + 16, 0, 8);
    if (_i)
        ck_assert_int_eq(ferry_ring_borrow(ends.receiver, batch, 1), -EPROTO);
    else
        ck_assert_int_eq(
            ferry_ring_try_receive(ends.receiver, buffer, sizeof(buffer), batch, 2), 1);
    ferry_ring_release(ends.receiver);
    ck_assert_uint_eq(atomic_load(&ends.receiver->side->position), 0);
    ring_is_broken(ends.receiver);
    ends_free(&ends);
}
END_TEST

/* What it says of its size is not used, and not believed either. */
START_TEST(padding_of_another_size_ends_the_ring)
{
    struct ends ends = { .sender = ring_make_one(FERRY_SEND, CAPACITY) };
    const uint64_t record = ring_head(RING_KIND_RECORD, 8);
    const uint64_t padding = ring_head(RING_KIND_PADDING, 48);

    ring_begin_at(ends.sender, CAPACITY - 64);
    ends.receiver = ring_attach_to(ends.sender);
    memcpy(ends.sender->data, &record, 8);
    memcpy(ends.sender->data + CAPACITY - 64, &padding, 8);
    atomic_store(&ends.sender->side->position, CAPACITY + 16);
    ring_is_broken(ends.receiver);
    ends_free(&ends);
}
END_TEST

START_TEST(a_punched_hole_ends_the_ring)
{
    struct ends ends = ends_make(CAPACITY);
    struct ferry_record record;

    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert_int_eq(text_send(ends.sender, "text", 0), 1);
    ck_assert_int_eq(fallocate(ends.sender->fds[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                         RING_DATA_OFFSET, CAPACITY),
        0);
    ck_assert_int_eq(ferry_ring_borrow(ends.receiver, &record, 1), -EPROTO);
    ring_is_broken(ends.receiver);
    ends_free(&ends);
}
END_TEST

/* --- between two looks ------------------------------------------------------------------------ */

static void *changed_word;
static uint64_t changed_to;

static void change_after_load(void *word, size_t size)
{
    if (word == changed_word)
        memcpy(word, &changed_to, size);
}

START_TEST(a_size_that_changes_after_it_was_read_is_as_it_was_read)
{
    struct ends ends = ends_make(CAPACITY);

    ck_assert_int_eq(text_send(ends.sender, "as it was", 7), 1);
    ck_assert_int_eq(text_send(ends.sender, "next", 8), 1);
    changed_word = ends.receiver->data;
    changed_to = ring_head(RING_KIND_RECORD, MAX);
    ring_test_loaded = change_after_load;
    text_expect(ends.receiver, "as it was", 7);
    text_expect(ends.receiver, "next", 8);
    ends_free(&ends);
}
END_TEST

START_TEST(a_head_that_changes_after_it_was_read_is_as_it_was_read)
{
    struct ends ends = ends_make(CAPACITY);

    ck_assert_int_eq(text_send(ends.sender, "text", 7), 1);
    changed_word = &ends.receiver->other->position;
    changed_to = 1;
    ring_test_loaded = change_after_load;
    text_expect(ends.receiver, "text", 7);
    ck_assert_int_eq(one_receive(ends.receiver), -EPROTO);
    ends_free(&ends);
}
END_TEST

/* As fast as it is read, or faster. */
static struct ferry_ring *flooder;

static void flood(void *word, size_t size)
{
    (void)word, (void)size;
    struct ferry_ring *sender = flooder;
    if (!sender)
        return;
    flooder = NULL; /* its own loads are loads too */
    while (text_send(sender, "more", 0) == 1)
        ;
    flooder = sender;
}

START_TEST(a_flood_does_not_keep_a_call_busy)
{
    struct ends ends = ends_make(CAPACITY);
    struct ferry_record batch[1000];
    static char buffer[64 << 10];

    ck_assert_int_eq(text_send(ends.sender, "first", 0), 1);
    ring_test_loaded = flood;
    flooder = ends.sender;
    ck_assert_int_eq(ferry_ring_try_receive(ends.receiver, buffer, sizeof(buffer), batch, 1000), 1);
    ck_assert_int_eq(ferry_ring_try_receive(ends.receiver, buffer, sizeof(buffer), batch, 10), 10);
    ck_assert_int_le(ferry_ring_borrow(ends.receiver, batch, 1000), CAPACITY / 16);
    ends_free(&ends);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("ring_hostile");

    tcase_set_timeout(tests, 40);
    tcase_add_loop_test(tests, missing_seals_are_refused, 0, 4);
    tcase_add_test(tests, less_memory_than_claimed_is_refused);
    tcase_add_test(tests, memory_of_nothing_is_refused);
    tcase_add_loop_test(tests, another_version_is_refused_before_it_is_mapped, -1, 0);
    tcase_add_loop_test(tests, another_version_is_refused_before_it_is_mapped, 1, 2);
    tcase_add_test(tests, memory_that_cannot_be_written_is_refused);
    tcase_add_test(tests, other_memory_is_refused);
    tcase_add_loop_test(tests, capacities_that_cannot_be_are_refused, 0, 8);
    tcase_add_test(tests, more_than_is_accepted_is_refused);
    tcase_add_loop_test(tests, positions_that_cannot_be_are_refused, 0, 6);
    tcase_add_loop_test(tests, what_is_no_bell_is_refused, 0, 8);
    tcase_add_test(tests, what_is_taken_stays_in_no_program_that_is_executed);
    tcase_add_test(tests, a_bell_that_was_made_blocking_holds_nobody_up);
    tcase_add_loop_test(tests, a_head_that_cannot_be_ends_the_ring, 0, 5);
    tcase_add_loop_test(tests, a_tail_that_cannot_be_ends_the_ring, 0, 4);
    tcase_add_test(tests, a_tail_that_goes_back_during_a_batch_ends_the_ring);
    tcase_add_test(tests, a_head_that_goes_back_behind_what_is_borrowed_ends_the_ring);
    tcase_add_test(tests, a_head_that_goes_over_what_is_borrowed_ends_the_ring);
    tcase_add_loop_test(tests, a_record_that_cannot_be_ends_the_ring, 0, 11);
    tcase_add_test(tests, a_record_over_the_end_ends_the_ring);
    tcase_add_loop_test(tests, padding_alone_ends_the_ring, 1, 5);
    tcase_add_loop_test(tests, a_broken_ring_gives_back_no_room, 0, 2);
    tcase_add_test(tests, padding_of_another_size_ends_the_ring);
    tcase_add_test(tests, a_punched_hole_ends_the_ring);
    tcase_add_test(tests, a_size_that_changes_after_it_was_read_is_as_it_was_read);
    tcase_add_test(tests, a_head_that_changes_after_it_was_read_is_as_it_was_read);
    tcase_add_test(tests, a_flood_does_not_keep_a_call_busy);
    return run_tests(tests, "memory/ring_hostile");
}
