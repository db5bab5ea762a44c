/* test_loop.c - turns: who runs in which, and that nobody starves. With every engine. */
#include "suite.h"
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static void again_ready(struct ferry_source *source, unsigned events, void *data)
{
    seen_ready(source, events, data);
    ferry_source_set_pending(source, true);
}

static void seen_timer(struct ferry_source *source, void *data)
{
    seen_ready(source, 0, data);
}

static struct ferry_source *watch_pending(
    struct ferry_loop *loop, ferry_ready_handler handler, void *data)
{
    struct ferry_source *source;
    ck_assert_int_eq(ferry_loop_watch_pending(loop, handler, data, &source), 0);
    return source;
}

START_TEST(test_pending_runs_once_a_turn_and_starves_nobody)
{
    struct ferry_loop *loop = loop_make(_i);
    struct seen greedy = { 0 }, modest = { 0 }, socket = { 0 }, timer = { 0 };
    ferry_source_set_pending(watch_pending(loop, again_ready, &greedy), true);
    ferry_source_set_pending(watch_pending(loop, seen_ready, &modest), true);
    int pair[2];
    pair_make(pair);
    byte_send(pair[1]);
    watch(loop, pair[0], FERRY_READABLE, seen_ready, &socket);
    struct ferry_source *source;
    ck_assert_int_eq(ferry_loop_timer(loop, ferry_loop_now(loop), seen_timer, &timer, &source), 0);
    for (int i = 1; i <= 10; i++) {
        ck_assert_int_eq(ferry_loop_turn(loop, -1), i == 1 ? 4 : 3);
        ck_assert_int_eq(greedy.count, i);
        ck_assert_int_eq(modest.count, i);
        ck_assert_int_eq(socket.count, i);
        ck_assert_int_eq(timer.count, 1);
    }
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_pending_and_ready_is_one_call)
{
    struct ferry_loop *loop = loop_make(_i);
    int pair[2];
    pair_make(pair);
    struct seen seen = { 0 };
    struct ferry_source *source = watch(loop, pair[0], FERRY_READABLE, seen_ready, &seen);
    ferry_source_set_pending(source, true);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), 1);
    ck_assert_uint_eq(seen.events, 0);
    byte_send(pair[1]);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), 1);
    ck_assert_uint_eq(seen.events, FERRY_READABLE);
    ck_assert_int_eq(seen.count, 2);
    byte_take(pair[0]);
    ferry_source_set_pending(source, false);
    ck_assert_int_eq(ferry_loop_turn(loop, 0), 0);
    ferry_loop_free(loop);
}
END_TEST

struct chain {
    struct ferry_source *next;
    int count;
};

static void chain_ready(struct ferry_source *source, unsigned events, void *data)
{
    (void)events;
    struct chain *chain = data;
    chain->count++;
    ferry_source_set_pending(source, false);
    if (chain->next)
        ferry_source_set_pending(chain->next, true);
}

START_TEST(test_pending_set_by_a_handler_runs_next_turn)
{
    struct ferry_loop *loop = loop_make(_i);
    struct chain chains[5] = { 0 };
    for (int i = 4; i >= 0; i--) {
        struct ferry_source *source = watch_pending(loop, chain_ready, &chains[i]);
        if (i > 0)
            chains[i - 1].next = source;
        else
            ferry_source_set_pending(source, true);
    }
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(ferry_loop_turn(loop, -1), 1);
        ck_assert_int_eq(chains[i].count, 1);
    }
    ck_assert_int_eq(ferry_loop_turn(loop, 0), 0);
    ferry_loop_free(loop);
}
END_TEST

static void cut_ready(struct ferry_source *source, unsigned events, void *data)
{
    (void)events;
    struct chain *chain = data;
    chain->count++;
    ferry_source_remove(chain->next);
    ferry_source_remove(source);
}

START_TEST(test_pending_may_be_removed_in_its_turn)
{
    struct ferry_loop *loop = loop_make(_i);
    struct chain first = { 0 };
    struct seen second = { 0 };
    ferry_source_set_pending(watch_pending(loop, cut_ready, &first), true);
    first.next = watch_pending(loop, seen_ready, &second);
    ferry_source_set_pending(first.next, true);
    ck_assert_int_eq(ferry_loop_run(loop), 0); /* no source is left */
    ck_assert_int_eq(first.count, 1);
    ck_assert_int_eq(second.count, 0);
    ferry_loop_free(loop);
}
END_TEST

struct stop {
    struct ferry_loop *loop;
    int count;
};

static void stop_timer(struct ferry_source *source, void *data)
{
    (void)source;
    struct stop *stop = data;
    stop->count++;
    ferry_loop_stop(stop->loop);
}

START_TEST(test_run_ends)
{
    struct ferry_loop *loop = loop_make(_i);
    ck_assert_int_eq(ferry_loop_run(loop), 0); /* empty */
    struct stop stop = { loop, 0 };
    struct ferry_source *source;
    ck_assert_int_eq(ferry_loop_timer(loop, ferry_deadline(1), stop_timer, &stop, &source), 0);
    for (int i = 1; i <= 3; i++) { /* a stop ends one run only */
        ck_assert_int_eq(ferry_loop_run(loop), 0);
        ck_assert_int_eq(stop.count, i);
        ferry_source_set_deadline(source, ferry_deadline(1));
    }
    ferry_loop_stop(loop); /* nor is it lost between runs */
    ck_assert_int_eq(ferry_loop_run(loop), 0);
    ck_assert_int_eq(stop.count, 3);
    ferry_loop_free(loop);
}
END_TEST

static void seen_wake(struct ferry_loop *loop, void *data)
{
    (void)loop;
    struct seen *seen = data;
    seen->count++;
}

static void *thread_wake(void *loop)
{
    for (int i = 0; i < 1000; i++)
        ferry_loop_wake(loop);
    return NULL;
}

START_TEST(test_wakes_join)
{
    struct ferry_loop *loop = loop_make(_i);
    struct seen seen = { 0 };
    ferry_loop_on_wake(loop, seen_wake, &seen);
    thread_wake(loop);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), 1);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_int_eq(ferry_loop_turn(loop, 0), 0);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, thread_wake, loop), 0);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), 1);
    pthread_join(thread, NULL);
    ferry_loop_free(loop);
}
END_TEST

static struct ferry_loop *alarmed_loop;

static void on_alarm(int signal)
{
    (void)signal;
    ferry_loop_wake(alarmed_loop);
}

static void on_interrupt(int signal)
{
    (void)signal;
}

START_TEST(test_wake_from_a_signal_handler)
{
    struct ferry_loop *loop = alarmed_loop = loop_make(_i);
    struct seen seen = { 0 };
    ferry_loop_on_wake(loop, seen_wake, &seen);
    struct sigaction action = { .sa_handler = on_alarm };
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){ .it_value.tv_usec = 20000 }, NULL);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), 1);
    ck_assert_int_eq(seen.count, 1);
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_interrupted_wait_goes_on)
{
    struct ferry_loop *loop = loop_make(_i);
    struct sigaction action = { .sa_handler = on_interrupt };
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = { .it_value.tv_usec = 5000, .it_interval.tv_usec = 5000 };
    setitimer(ITIMER_REAL, &often, NULL);
    int64_t before_ns = clock_now_ns();
    ck_assert_int_eq(ferry_loop_turn(loop, 50), 0);
    ck_assert_int_ge(clock_now_ns() - before_ns, 50 * NS_PER_MS);
    ferry_loop_free(loop);
}
END_TEST

static void nested_ready(struct ferry_source *source, unsigned events, void *data)
{
    (void)source;
    (void)events;
    close(STDERR_FILENO);
    (void)ferry_loop_turn(data, 0);
}

START_TEST(test_nested_turn_aborts)
{
    struct ferry_loop *loop = loop_make(FERRY_EPOLL);
    ferry_source_set_pending(watch_pending(loop, nested_ready, loop), true);
    (void)ferry_loop_turn(loop, 0);
}
END_TEST

static void ignore_signal(
    struct ferry_source *source, const struct signalfd_siginfo *info, void *data)
{
    (void)source;
    (void)info;
    (void)data;
}

START_TEST(test_free_gives_everything_back)
{
    int before = descriptor_count();
    struct ferry_loop *loop = loop_make(_i);
    int pair[2];
    pair_make(pair);
    struct ferry_source *source;
    watch(loop, pair[0], FERRY_READABLE, seen_ready, NULL);
    /* The engine has not heard of this yet. */
    ferry_source_set_interest(watch(loop, pair[1], FERRY_READABLE, seen_ready, NULL), 0);
    ck_assert_int_eq(ferry_loop_timer(loop, ferry_deadline(9999), seen_timer, NULL, &source), 0);
    ck_assert_int_eq(ferry_loop_signal(loop, SIGUSR1, ignore_signal, NULL, &source), 0);
    ferry_loop_free(loop);
    ck_assert_int_eq(descriptor_count(), before + 2); /* watched descriptors stay open */
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    ck_assert_int_eq(sigismember(&mask, SIGUSR1), 0);
    struct ferry_loop *unset = NULL;
    ck_assert_int_eq(ferry_loop_new((enum ferry_loop_engine)77, &unset), -EINVAL);
    ferry_loop_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop/loop");
    TCase *turns = tcase_create("turns");
    tcase_set_timeout(turns, 10);
    tcase_add_loop_test(turns, test_pending_runs_once_a_turn_and_starves_nobody, 0, ENGINE_COUNT);
    tcase_add_loop_test(turns, test_pending_and_ready_is_one_call, 0, ENGINE_COUNT);
    tcase_add_loop_test(turns, test_pending_set_by_a_handler_runs_next_turn, 0, ENGINE_COUNT);
    tcase_add_loop_test(turns, test_pending_may_be_removed_in_its_turn, 0, ENGINE_COUNT);
    tcase_add_loop_test(turns, test_run_ends, 0, ENGINE_COUNT);
    tcase_add_loop_test(turns, test_interrupted_wait_goes_on, 0, ENGINE_COUNT);
    tcase_add_loop_test(turns, test_free_gives_everything_back, 0, ENGINE_COUNT);
    tcase_add_test_raise_signal(turns, test_nested_turn_aborts, SIGABRT);
    suite_add_tcase(suite, turns);
    TCase *wakes = tcase_create("wakes");
    tcase_set_timeout(wakes, 10);
    tcase_add_loop_test(wakes, test_wakes_join, 0, ENGINE_COUNT);
    tcase_add_loop_test(wakes, test_wake_from_a_signal_handler, 0, ENGINE_COUNT);
    suite_add_tcase(suite, wakes);
    return suite_run(suite);
}
