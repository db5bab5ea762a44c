/* test_delay_line.c - what is held back: its order, its bounds, its descriptors, and that nothing
 * of it stays. */
#include "base/clock.h"
#include "channel/delay_line.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/relay.h>
#include <string.h>

#define MS NS_PER_MS

static struct ferry_relay_pool *pool;
static struct delay_line *line;
static uint64_t lost;

static void setup(void)
{
    lost = 0;
    ck_assert_int_eq(ferry_relay_pool_new(&pool), 0);
}

static void teardown(void)
{
    delay_line_free(line);
    ck_assert_uint_eq(pool_held(pool), 0);
    ferry_relay_pool_free(pool);
}

static void make(struct weather weather, bool datagrams)
{
    line = delay_line_new(&weather, datagrams, pool);
    ck_assert_ptr_nonnull(line);
}

/* What one receive brought, at a time. */
static int put(bool bytes, const void *data, size_t size, int fd, int64_t now_ns)
{
    struct batch *batch;
    int descriptors[1] = { fd };
    ck_assert_int_eq(pool_take_batch(pool, !bytes, &batch), 0);
    batch->count = 1;
    batch->messages[0] = (struct ferry_message){ .data = data,
        .size = size,
        .priority = 3,
        .descriptors = descriptors,
        .descriptor_count = fd >= 0 };
    int r = delay_line_take(line, batch, now_ns, &lost);
    pool_give_batch(pool, batch);
    return r;
}

static void put_text(const char *text, int64_t now_ns)
{
    ck_assert_int_eq(put(false, text, strlen(text), -1, now_ns), 0);
}

/* What has arrived, its messages parted by blanks. */
static const char *get(int64_t now_ns)
{
    static char text[256];
    struct batch *batch;
    size_t size = 0;
    ck_assert_int_eq(pool_take_batch(pool, true, &batch), 0);
    while (delay_line_lend(line, batch, now_ns)) {
        for (size_t i = 0; i < batch->count; i++) {
            if (size)
                text[size++] = ' ';
            memcpy(text + size, batch->messages[i].data, batch->messages[i].size);
            size += batch->messages[i].size;
            ck_assert_uint_eq(batch->messages[i].priority, 3);
        }
        batch->count = 0;
    }
    text[size] = '\0';
    pool_give_batch(pool, batch);
    return text;
}

START_TEST(it_comes_when_it_is_due)
{
    make((struct weather){ .delay_ns = 10 }, false);
    ck_assert_int_eq(delay_line_next_ns(line), CLOCK_NEVER);
    put_text("one", 0);
    put_text("two", 5);
    ck_assert_int_eq(delay_line_next_ns(line), 10);
    ck_assert(!delay_line_is_due(line, 9));
    ck_assert_str_eq(get(9), "");
    ck_assert_str_eq(get(10), "one");
    ck_assert_int_eq(delay_line_next_ns(line), 15);
    ck_assert_str_eq(get(100), "two");
    ck_assert_int_eq(delay_line_next_ns(line), CLOCK_NEVER);
    ck_assert_uint_eq(delay_line_size(line), 0);
    ck_assert_uint_eq(pool_held(pool), 0);
}
END_TEST

START_TEST(the_same_time_keeps_the_order)
{
    make((struct weather){ .delay_ns = 10 }, false);
    for (char letter[] = "a"; letter[0] <= 'z'; letter[0]++)
        put_text(letter, 0);
    ck_assert_str_eq(get(10), "a b c d e f g h i j k l m n o p q r s t u v w x y z");
}
END_TEST

START_TEST(jitter_lets_datagrams_overtake)
{
    make((struct weather){ .delay_ns = 1000, .jitter_ns = 1000, .reorders = true }, true);
    int64_t last_ns = -1;
    for (int i = 0; i < 1000; i++)
        put_text("x", 0);
    while (delay_line_size(line)) {
        int64_t next_ns = delay_line_next_ns(line);
        ck_assert_int_gt(next_ns, last_ns);
        ck_assert_int_le(next_ns, 2000);
        last_ns = next_ns;
        get(next_ns);
    }
    ck_assert_int_eq(delay_line_next_ns(line), CLOCK_NEVER);
}
END_TEST

START_TEST(the_end_comes_last)
{
    make((struct weather){ .delay_ns = 10 }, false);
    put_text("one", 0);
    delay_line_end(line, 3);
    ck_assert_int_eq(delay_line_next_ns(line), 10);
    ck_assert(!delay_line_is_over(line, 20));
    ck_assert_str_eq(get(10), "one");
    ck_assert_int_eq(delay_line_next_ns(line), 13);
    ck_assert(!delay_line_is_over(line, 12));
    ck_assert(delay_line_is_over(line, 13));
}
END_TEST

START_TEST(a_stream_travels_in_pieces)
{
    static char data[5000];
    make((struct weather){ .rate = 1448000 }, false);
    ck_assert_int_eq(put(true, data, sizeof(data), -1, 0), 0);
    struct batch *batch;
    size_t size = 0;
    ck_assert_int_eq(pool_take_batch(pool, false, &batch), 0);
    ck_assert_uint_eq(delay_line_lend(line, batch, 2 * MS), 1); /* 2 ms' worth */
    size += batch->messages[0].size;
    ck_assert_uint_eq(size, 2896);
    batch->count = 0;
    ck_assert_uint_eq(delay_line_lend(line, batch, 10 * MS), 1);
    size += batch->messages[0].size;
    ck_assert_uint_eq(size, sizeof(data));
    pool_give_batch(pool, batch);
}
END_TEST

/* They go with the first piece, and are closed once. */
START_TEST(descriptors_travel_along)
{
    static char data[100000];
    make((struct weather){ .delay_ns = 10 }, false);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(put(true, data, sizeof(data), fd, 0), 0);
    struct batch *batch;
    ck_assert_int_eq(pool_take_batch(pool, false, &batch), 0);
    ck_assert_uint_eq(delay_line_lend(line, batch, 10), 2);
    ck_assert_uint_eq(batch->messages[0].descriptor_count, 1);
    ck_assert_uint_eq(batch->messages[1].descriptor_count, 0);
    ck_assert_int_eq(batch->messages[0].descriptors[0], fd);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    pool_give_batch(pool, batch);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    delay_line_sent(line);
}
END_TEST

START_TEST(what_is_dropped_is_closed)
{
    make((struct weather){ .delay_ns = 10 }, false);
    int held = open("/dev/null", O_RDONLY | O_CLOEXEC);
    put(false, "x", 1, held, 0);
    put_text("y", 0);
    ck_assert_uint_eq(delay_line_clear(line), 2);
    ck_assert_int_eq(fcntl(held, F_GETFD), -1);
    ck_assert_uint_eq(delay_line_size(line), 0);
    delay_line_free(line);

    make((struct weather){ .loss = 1000000 }, true);
    int missed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    put(false, "x", 1, missed, 0);
    ck_assert_uint_eq(lost, 1);
    ck_assert_uint_eq(delay_line_lost(line), 1);
    ck_assert_int_eq(fcntl(missed, F_GETFD), -1);
}
END_TEST

START_TEST(a_full_line_takes_no_more)
{
    static char data[65536];
    make((struct weather){ .delay_ns = MS }, false);
    int receives = 0;
    for (; delay_line_has_room(line); receives++)
        ck_assert_int_eq(put(true, data, sizeof(data), -1, 0), 0);
    ck_assert_int_le(receives, (int)(WEATHER_HELD_SIZE_MAX / sizeof(data)));
    ck_assert_uint_ge(pool_held(pool), WEATHER_HELD_SIZE_MAX);
    ck_assert_uint_eq(lost, 0);
    ck_assert_uint_gt(delay_line_clear(line), 0);
    ck_assert(delay_line_has_room(line));
}
END_TEST

START_TEST(a_full_line_drops_datagrams)
{
    static char data[1000];
    make((struct weather){ .rate = 1000 }, true);
    for (int i = 0; i < 100; i++) {
        ck_assert(delay_line_has_room(line));
        ck_assert_int_eq(put(false, data, sizeof(data), -1, 0), 0);
    }
    size_t kept = WEATHER_HELD_SIZE_MIN / sizeof(data);
    ck_assert_uint_ge(lost, 100 - kept - 1);
    ck_assert_uint_le(lost, 100 - kept + 3); /* heads count too */
}
END_TEST

/* Without room in the pool each line still has one receive, or it would never move again. */
START_TEST(a_full_pool_leaves_one)
{
    make((struct weather){ .delay_ns = 10 }, false);
    pool_add_held(pool, WEATHER_POOL_SIZE_MAX);
    ck_assert(delay_line_has_room(line));
    put_text("one", 0);
    ck_assert(!delay_line_has_room(line));
    ck_assert_str_eq(get(10), "one");
    ck_assert(delay_line_has_room(line));
    pool_remove_held(pool, WEATHER_POOL_SIZE_MAX);
}
END_TEST

START_TEST(descriptors_are_bounded)
{
    make((struct weather){ .delay_ns = 10 }, false);
    for (unsigned i = 0; i < WEATHER_DESCRIPTORS_MAX; i++) {
        ck_assert(delay_line_has_room(line));
        put(false, "x", 1, fcntl(0, F_DUPFD_CLOEXEC, 0), 0);
    }
    ck_assert(!delay_line_has_room(line));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel/delay_line");
    TCase *tests = tcase_create("delay_line");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, it_comes_when_it_is_due);
    tcase_add_test(tests, the_same_time_keeps_the_order);
    tcase_add_test(tests, jitter_lets_datagrams_overtake);
    tcase_add_test(tests, the_end_comes_last);
    tcase_add_test(tests, a_stream_travels_in_pieces);
    tcase_add_test(tests, descriptors_travel_along);
    tcase_add_test(tests, what_is_dropped_is_closed);
    tcase_add_test(tests, a_full_line_takes_no_more);
    tcase_add_test(tests, a_full_line_drops_datagrams);
    tcase_add_test(tests, a_full_pool_leaves_one);
    tcase_add_test(tests, descriptors_are_bounded);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
