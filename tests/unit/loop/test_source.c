/* test_source.c - watching descriptors: interest, what it costs, removal. With every engine. */
#include "suite.h"
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Stands in for the C library's, to count what the loop asks of the kernel. */
static int control_count;
static int wait_count;

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    control_count++;
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
    wait_count++;
    return (int)syscall(SYS_epoll_pwait, epoll, events, count, timeout, NULL, 8);
}

START_TEST(test_readable_and_writable)
{
    struct ferry_loop *loop = loop_make(_i);
    int pair[2];
    pair_make(pair);
    struct seen seen = { 0 };
    struct ferry_source *source = watch(loop, pair[0], FERRY_READABLE, seen_ready, &seen);
    ck_assert_int_eq(ferry_loop_turn(loop, 0), 0);
    byte_send(pair[1]);
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    ck_assert_uint_eq(seen.events, FERRY_READABLE);
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1); /* level-triggered */
    ferry_source_set_interest(source, FERRY_READABLE | FERRY_WRITABLE);
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    ck_assert_uint_eq(seen.events, FERRY_READABLE | FERRY_WRITABLE);
    byte_take(pair[0]);
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    ck_assert_uint_eq(seen.events, FERRY_WRITABLE);
    ck_assert_uint_eq(ferry_source_get_interest(source), FERRY_READABLE | FERRY_WRITABLE);
    ferry_source_remove(source);
    ck_assert_int_eq(ferry_loop_turn(loop, 0), 0);
    ck_assert_int_eq(seen.count, 4);
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_refusals)
{
    struct ferry_loop *loop = loop_make(_i);
    int pair[2];
    pair_make(pair);
    struct ferry_source *source = NULL, *other = NULL;
    ck_assert_int_eq(ferry_loop_watch(loop, pair[0], 0, seen_ready, NULL, &source), 0);
    ck_assert_int_eq(
        ferry_loop_watch(loop, pair[0], FERRY_READABLE, seen_ready, NULL, &other), -EEXIST);
    int edge =
        ferry_loop_watch(loop, pair[1], FERRY_READABLE | FERRY_EDGE, seen_ready, NULL, &other);
    ck_assert_int_eq(edge, _i == FERRY_EPOLL ? 0 : -ENOTSUP);
    struct ferry_source *unset = NULL;
    ck_assert_int_eq(
        ferry_loop_watch(loop, 5000, FERRY_READABLE, seen_ready, NULL, &unset), -EBADF);
    ck_assert_ptr_null(unset);
    ferry_source_remove(NULL);
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_select_end)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int pair[2];
    pair_make(pair);
    int high = fcntl(pair[0], F_DUPFD_CLOEXEC, 1024);
    if (high < 0)
        return; /* the hard limit is that low: nothing to refuse */
    struct ferry_loop *loop = loop_make(_i);
    struct ferry_source *source;
    struct seen seen = { 0 };
    int status = ferry_loop_watch(loop, high, FERRY_WRITABLE, seen_ready, &seen, &source);
    ck_assert_int_eq(status, _i == FERRY_SELECT ? -EMFILE : 0);
    if (status == 0) {
        ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    }
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_no_interest_is_silent)
{
    struct ferry_loop *loop = loop_make(_i);
    int pair[2];
    pair_make(pair);
    struct seen seen = { 0 };
    struct ferry_source *source = watch(loop, pair[0], FERRY_READABLE, seen_ready, &seen);
    byte_send(pair[1]);
    close(pair[1]);
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    ferry_source_set_interest(source, 0);
    ck_assert_int_eq(ferry_loop_turn(loop, 0), 0);
    for (int i = 0; i < 3; i++)
        quiet_check(loop); /* hung up, and yet */
    ferry_source_set_interest(source, FERRY_READABLE);
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    ck_assert_uint_eq(seen.events, FERRY_READABLE | FERRY_HANGUP);
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_hangup_alone)
{
    struct ferry_loop *loop = loop_make(_i);
    int early[2], late[2];
    pair_make(early);
    pair_make(late);
    struct seen seen_early = { 0 }, seen_late = { 0 };
    byte_send(early[1]);
    close(early[1]); /* before it is watched */
    watch(loop, early[0], FERRY_HANGUP, seen_ready, &seen_early);
    struct ferry_source *source = watch(loop, late[0], FERRY_HANGUP, seen_ready, &seen_late);
    byte_send(late[1]); /* data is no hang-up */
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    ck_assert_uint_eq(seen_early.events, FERRY_HANGUP);
    ck_assert_int_eq(ferry_loop_turn(loop, 0), 0);
    shutdown(late[1], SHUT_WR); /* half closed is not gone */
    ck_assert_int_eq(ferry_loop_turn(loop, 0), 0);
    close(late[1]);
    while (seen_late.count == 0)
        ck_assert_int_ge(ferry_loop_turn(loop, -1), 0);
    for (int i = 0; i < 3; i++)
        quiet_check(loop);
    ck_assert_int_eq(seen_early.count, 1);
    ck_assert_int_eq(seen_late.count, 1);
    ck_assert_uint_eq(seen_late.events, FERRY_HANGUP);
    ferry_source_set_interest(source, FERRY_HANGUP); /* asked again, told again */
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    ck_assert_int_eq(seen_late.count, 2);
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_hangup_comes_with_what_was_asked)
{
    struct ferry_loop *loop = loop_make(_i);
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    struct seen seen = { 0 };
    struct ferry_source *source = watch(loop, ends[0], FERRY_READABLE, seen_ready, &seen);
    close(ends[1]);
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    ck_assert_uint_eq(seen.events, FERRY_READABLE | FERRY_HANGUP);
    ferry_source_remove(source);
    close(ends[0]);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    watch(loop, ends[1], FERRY_WRITABLE, seen_ready, &seen);
    close(ends[0]);
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    ck_assert_uint_eq(seen.events, FERRY_WRITABLE | FERRY_HANGUP);
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_once)
{
    struct ferry_loop *loop = loop_make(_i);
    int pair[2];
    pair_make(pair);
    struct seen seen = { 0 };
    struct ferry_source *source =
        watch(loop, pair[0], FERRY_READABLE | FERRY_ONCE, seen_ready, &seen);
    byte_send(pair[1]);
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    ck_assert_uint_eq(ferry_source_get_interest(source), 0);
    quiet_check(loop);
    ferry_source_set_interest(source, FERRY_READABLE | FERRY_ONCE);
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    quiet_check(loop);
    ck_assert_int_eq(seen.count, 2);
    ferry_loop_free(loop);
}
END_TEST

static void rearm_ready(struct ferry_source *source, unsigned events, void *data)
{
    seen_ready(source, events, data);
    ferry_source_set_interest(source, FERRY_READABLE | FERRY_ONCE);
}

START_TEST(test_once_set_again_by_its_handler)
{
    struct ferry_loop *loop = loop_make(_i);
    int pair[2];
    pair_make(pair);
    struct seen seen = { 0 };
    watch(loop, pair[0], FERRY_READABLE | FERRY_ONCE, rearm_ready, &seen);
    byte_send(pair[1]);
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
        ck_assert_int_eq(seen.count, i);
    }
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_edge)
{
    struct ferry_loop *loop = loop_make(FERRY_EPOLL);
    int pair[2];
    pair_make(pair);
    struct seen seen = { 0 };
    watch(loop, pair[0], FERRY_READABLE | FERRY_EDGE, seen_ready, &seen);
    byte_send(pair[1]);
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    quiet_check(loop);
    byte_send(pair[1]);
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    ferry_loop_free(loop);
}
END_TEST

/* Two sources ready in one batch; whichever runs first flips the other's interest away and back. */
struct flip {
    struct ferry_source *sources[2];
    unsigned interest;
    unsigned between;
    bool back; /* in the same call */
    int count[2];
    bool flipped;
};

static void flip_ready(struct ferry_source *source, unsigned events, void *data)
{
    (void)events;
    struct flip *flip = data;
    int self = source == flip->sources[1];
    flip->count[self]++;
    if (flip->flipped)
        return;
    flip->flipped = true;
    ferry_source_set_interest(flip->sources[!self], flip->between);
    if (flip->back)
        ferry_source_set_interest(flip->sources[!self], flip->interest);
}

static void flip_test(int engine, struct flip *flip)
{
    struct ferry_loop *loop = loop_make(engine);
    for (int i = 0; i < 2; i++) {
        int pair[2];
        pair_make(pair);
        byte_send(pair[1]);
        flip->sources[i] = watch(loop, pair[0], flip->interest, flip_ready, flip);
    }
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), flip->back ? 2 : 1);
    if (!flip->back) {
        int starved = flip->count[0] ? 1 : 0;
        ferry_source_set_interest(flip->sources[starved], flip->interest);
        ck_assert_int_ge(ferry_loop_turn(loop, 1000), 1);
    }
    ck_assert_int_ge(flip->count[0], 1);
    ck_assert_int_ge(flip->count[1], 1);
    ferry_loop_free(loop);
}

START_TEST(test_flipped_interest_loses_nothing)
{
    static const unsigned kinds[] = { 0, FERRY_ONCE, FERRY_EDGE };
    for (size_t i = 0; i < (_i == FERRY_EPOLL ? 3 : 2); i++) {
        struct flip flip = { .interest = FERRY_READABLE | kinds[i], .back = true };
        flip_test(_i, &flip);
        flip = (struct flip){ .interest = FERRY_READABLE | kinds[i] };
        flip_test(_i, &flip);
    }
}
END_TEST

START_TEST(test_toggling_costs_no_system_call)
{
    struct ferry_loop *loop = loop_make(FERRY_EPOLL);
    int pair[2];
    pair_make(pair);
    struct seen seen = { 0 };
    struct ferry_source *source = watch(loop, pair[0], FERRY_READABLE, seen_ready, &seen);
    control_count = 0;
    for (int i = 0; i < 100; i++) {
        ferry_source_set_interest(source, FERRY_READABLE | FERRY_WRITABLE);
        ferry_source_set_interest(source, FERRY_READABLE);
    }
    ck_assert_int_eq(ferry_loop_turn(loop, 0), 0);
    ck_assert_int_eq(control_count, 0);
    for (int i = 0; i < 100; i++) {
        ferry_source_set_interest(source, 0);
        ferry_source_set_interest(source, FERRY_WRITABLE);
    }
    wait_count = 0;
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    ck_assert_int_eq(control_count, 1);
    ck_assert_int_eq(wait_count, 1);
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_regular_file_is_always_ready)
{
    struct ferry_loop *loop = loop_make(_i);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    struct seen seen = { 0 };
    struct ferry_source *source = watch(loop, fd, FERRY_READABLE, seen_ready, &seen), *other;
    ck_assert_int_eq(ferry_loop_watch(loop, fd, 0, seen_ready, &seen, &other), -EEXIST);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), 1);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), 1);
    ck_assert_uint_eq(seen.events, FERRY_READABLE);
    ferry_source_set_interest(source, 0);
    ck_assert_int_eq(ferry_loop_turn(loop, 0), 0);
    ferry_source_set_interest(source, FERRY_READABLE | FERRY_ONCE);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), 1);
    ck_assert_int_eq(ferry_loop_turn(loop, 10), 0);
    ferry_source_remove(source);
    ferry_loop_free(loop);
    close(fd);
}
END_TEST

#define CROWD 300 /* more than one batch */

struct crowd {
    struct ferry_source *sources[CROWD];
    int fds[CROWD][2];
    int calls;
    bool removed[CROWD];
};

static void crowd_init(struct crowd *crowd, struct ferry_loop *loop, ferry_ready_handler handler)
{
    *crowd = (struct crowd){ 0 };
    for (int i = 0; i < CROWD; i++) {
        pair_make(crowd->fds[i]);
        byte_send(crowd->fds[i][1]);
        crowd->sources[i] = watch(loop, crowd->fds[i][0], FERRY_READABLE, handler, crowd);
    }
}

static int crowd_find(const struct crowd *crowd, const struct ferry_source *source)
{
    for (int i = 0; i < CROWD; i++) {
        if (crowd->sources[i] == source && !crowd->removed[i])
            return i;
    }
    ck_abort_msg("a removed source's handler was called");
}

static void crowd_drop(struct crowd *crowd, int index)
{
    ferry_source_remove(crowd->sources[index]);
    close(crowd->fds[index][0]);
    close(crowd->fds[index][1]);
    crowd->removed[index] = true;
}

/* Removes itself and its neighbour, and re-uses the descriptors for something quiet. */
static void remove_two_ready(struct ferry_source *source, unsigned events, void *data)
{
    (void)events;
    struct crowd *crowd = data;
    int self = crowd_find(crowd, source);
    crowd->calls++;
    crowd_drop(crowd, self);
    crowd_drop(crowd, self ^ 1);
    crowd->removed[self] = crowd->removed[self ^ 1] = true;
    pair_make(crowd->fds[self]);
    pair_make(crowd->fds[self ^ 1]);
}

static void remove_all_ready(struct ferry_source *source, unsigned events, void *data)
{
    (void)events;
    struct crowd *crowd = data;
    crowd_find(crowd, source);
    crowd->calls++;
    for (int i = 0; i < CROWD; i++)
        crowd_drop(crowd, i);
}

START_TEST(test_removal_of_self_and_other)
{
    struct ferry_loop *loop = loop_make(_i);
    struct crowd crowd;
    crowd_init(&crowd, loop, remove_two_ready);
    while (ferry_loop_turn(loop, 0) > 0)
        ;
    ck_assert_int_eq(crowd.calls, CROWD / 2);
    for (int i = 0; i < CROWD; i++)
        ck_assert(crowd.removed[i]);
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_removal_of_all)
{
    struct ferry_loop *loop = loop_make(_i);
    struct crowd crowd;
    crowd_init(&crowd, loop, remove_all_ready);
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 1);
    ck_assert_int_eq(ferry_loop_turn(loop, 10), 0);
    ck_assert_int_eq(crowd.calls, 1);
    ferry_loop_free(loop);
}
END_TEST

static void tally_ready(struct ferry_source *source, unsigned events, void *data)
{
    (void)events;
    struct crowd *crowd = data;
    crowd->removed[crowd_find(crowd, source)] = true; /* called twice would be found */
}

START_TEST(test_batches_rotate)
{
    struct ferry_loop *loop = loop_make(_i);
    struct crowd crowd;
    crowd_init(&crowd, loop, tally_ready);
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 256);
    for (int i = 0; i < CROWD; i++) {
        if (crowd.removed[i])
            ferry_source_set_interest(crowd.sources[i], FERRY_WRITABLE); /* ready all the same */
        crowd.removed[i] = false;
    }
    ck_assert_int_eq(ferry_loop_turn(loop, 1000), 256);
    int reached = 0;
    for (int i = 0; i < CROWD; i++)
        reached +=
            crowd.removed[i] && ferry_source_get_interest(crowd.sources[i]) == FERRY_READABLE;
    ck_assert_int_eq(reached, CROWD - 256); /* those left out before */
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_closed_too_early_aborts)
{
    struct ferry_loop *loop = loop_make(FERRY_EPOLL);
    int pair[2];
    pair_make(pair);
    struct ferry_source *source = watch(loop, pair[0], FERRY_READABLE, seen_ready, NULL);
    close(pair[0]);
    close(STDERR_FILENO);
    ferry_source_remove(source);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop/source");
    TCase *watching = tcase_create("watching");
    tcase_set_timeout(watching, 10);
    tcase_add_loop_test(watching, test_readable_and_writable, 0, ENGINE_COUNT);
    tcase_add_loop_test(watching, test_refusals, 0, ENGINE_COUNT);
    tcase_add_loop_test(watching, test_select_end, 0, ENGINE_COUNT);
    tcase_add_loop_test(watching, test_no_interest_is_silent, 0, ENGINE_COUNT);
    tcase_add_loop_test(watching, test_hangup_alone, 0, ENGINE_COUNT);
    tcase_add_loop_test(watching, test_hangup_comes_with_what_was_asked, 0, ENGINE_COUNT);
    tcase_add_loop_test(watching, test_once, 0, ENGINE_COUNT);
    tcase_add_loop_test(watching, test_once_set_again_by_its_handler, 0, ENGINE_COUNT);
    tcase_add_test(watching, test_edge);
    tcase_add_loop_test(watching, test_flipped_interest_loses_nothing, 0, ENGINE_COUNT);
    tcase_add_test(watching, test_toggling_costs_no_system_call);
    tcase_add_loop_test(watching, test_regular_file_is_always_ready, 0, ENGINE_COUNT);
    suite_add_tcase(suite, watching);
    TCase *removal = tcase_create("removal");
    tcase_set_timeout(removal, 10);
    tcase_add_loop_test(removal, test_removal_of_self_and_other, 0, ENGINE_COUNT);
    tcase_add_loop_test(removal, test_removal_of_all, 0, ENGINE_COUNT);
    tcase_add_loop_test(removal, test_batches_rotate, 0, ENGINE_COUNT);
    tcase_add_test_raise_signal(removal, test_closed_too_early_aborts, SIGABRT);
    suite_add_tcase(suite, removal);
    return suite_run(suite);
}
