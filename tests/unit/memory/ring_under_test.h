/* ring_under_test.h - pairs of ends, and what only tests may do to a ring. */
#ifndef TESTS_UNIT_MEMORY_RING_UNDER_TEST_H
#define TESTS_UNIT_MEMORY_RING_UNDER_TEST_H

#define RING_TEST

#include "base/cleanup.h"
#include "memory/bell.h"
#include "memory/ring_record.h"
#include "suite.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>

/* The other end over the same mapping: what a sanitizer of threads can see. */
struct ferry_ring *ring_twin(const struct ferry_ring *ring);
void ring_twin_free(struct ferry_ring *twin);
/* As if it were new, and so many bytes had passed; before the other end is there. */
void ring_begin_at(struct ferry_ring *ring, uint32_t position);

/* An assertion for what happens a million times: those of Check leave a mark each. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("%s", #condition);                                                        \
    } while (0)

static inline struct ferry_ring *ring_make_one(enum ferry_direction direction, size_t capacity)
{
    const struct ferry_ring_options options = {
        .struct_size = sizeof(options), .capacity = capacity, .spin_max_ns = -1
    };
    struct ferry_ring *ring;
    MUST(ferry_ring_new(direction, &options, &ring, NULL) == 0);
    return ring;
}

static inline void descriptors_copy(const struct ferry_ring *ring, int copies[])
{
    ferry_ring_get_descriptors(ring, copies);
    for (int i = 0; i < FERRY_RING_DESCRIPTORS; i++) {
        copies[i] = fcntl(copies[i], F_DUPFD_CLOEXEC, 0);
        MUST(copies[i] >= 0);
    }
}

/* As another process would: by descriptors, with a mapping of its own. */
static inline struct ferry_ring *ring_attach_to(const struct ferry_ring *ring)
{
    const struct ferry_ring_options options = { .struct_size = sizeof(options), .spin_max_ns = -1 };
    struct ferry_ring *other;
    int copies[FERRY_RING_DESCRIPTORS];

    descriptors_copy(ring, copies);
    MUST(ferry_ring_attach(!ring->direction, copies, &options, &other, NULL) == 0);
    return other;
}

struct ends {
    struct ferry_ring *sender, *receiver;
};

static inline struct ends ends_make(size_t capacity)
{
    struct ends ends = { .sender = ring_make_one(FERRY_SEND, capacity) };
    ends.receiver = ring_attach_to(ends.sender);
    return ends;
}

static inline void ends_free(struct ends *ends)
{
    ferry_ring_free(ends->sender);
    ferry_ring_free(ends->receiver);
}

/* Without descriptors that wake: each end counts how often it would. */
static inline bool call_count(void *data)
{
    (*(int *)data)++;
    return true;
}

static inline struct ends quiet_ends_make(size_t capacity, int *sender_calls, int *receiver_calls)
{
    struct ring_quiet quiet = { .spin_max_ns = -1, call_count, sender_calls };
    struct ends ends;

    MUST(ring_new_quiet(FERRY_SEND, capacity, &quiet, &ends.sender, NULL) == 0);
    quiet.data = receiver_calls;
    int memory = fcntl(ring_memory_fd(ends.sender), F_DUPFD_CLOEXEC, 0);
    MUST(ring_attach_quiet(FERRY_RECEIVE, memory, capacity, &quiet, &ends.receiver, NULL) == 0);
    return ends;
}

static inline int text_send(struct ferry_ring *ring, const char *text, unsigned type)
{
    struct ferry_record record = { text, strlen(text), type };
    return ferry_ring_try_send(ring, &record, 1);
}

/* Receives one record, which must be this. */
static inline void text_expect(struct ferry_ring *ring, const char *text, unsigned type)
{
    struct ferry_record record;
    char buffer[4096];

    ck_assert_int_eq(ferry_ring_try_receive(ring, buffer, sizeof(buffer), &record, 1), 1);
    ck_assert_uint_eq(record.size, strlen(text));
    ck_assert_mem_eq(record.data, text, record.size);
    ck_assert_uint_eq(record.type, type);
}

static inline int one_receive(struct ferry_ring *ring)
{
    struct ferry_record record;
    char buffer[4096];
    return ferry_ring_try_receive(ring, buffer, sizeof(buffer), &record, 1);
}

static inline bool is_readable(int fd)
{
    struct pollfd one = { .fd = fd, .events = POLLIN };
    return poll(&one, 1, 0) == 1;
}

/* As a hostile peer can: it rings again and again, whoever makes it quiet. */
static inline void bell_set_endless(int fd)
{
    static const struct itimerspec always = { .it_value.tv_nsec = 1, .it_interval.tv_nsec = 1 };
    ck_assert_int_eq(timerfd_settime(fd, TFD_TIMER_ABSTIME, &always, NULL), 0);
}

/* Numbers that come the same every time. */
static inline uint32_t draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/* Bytes that say which record they are of. */
static inline void bytes_fill(unsigned char *data, size_t size, uint32_t number)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(number * 31 + i * 7 + (i >> 8));
}

static inline bool bytes_are(const unsigned char *data, size_t size, uint32_t number)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != (unsigned char)(number * 31 + i * 7 + (i >> 8)))
            return false;
    return true;
}

static inline int run_tests(TCase *tests, const char *name)
{
    Suite *suite = suite_create(name);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}

#endif
