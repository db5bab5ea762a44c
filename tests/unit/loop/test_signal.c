/* test_signal.c - signals as events. */
#include "suite.h"
#include "support.h"

#include <signal.h>

struct caught {
    int count;
    struct signalfd_siginfo info;
    struct ferry_source *other; /* removed by the handler */
};

static void caught_signal(
    struct ferry_source *source, const struct signalfd_siginfo *info, void *data)
{
    (void)source;
    struct caught *caught = data;
    caught->count++;
    caught->info = *info;
    ferry_source_remove(caught->other);
    caught->other = NULL;
}

static bool is_blocked(int signal)
{
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    return sigismember(&mask, signal) == 1;
}

START_TEST(test_signals_arrive)
{
    struct ferry_loop *loop = loop_make(_i);
    int before = descriptor_count();
    struct caught one = { 0 }, two = { 0 };
    struct ferry_source *sources[2], *other;
    ck_assert_int_eq(ferry_loop_signal(loop, SIGUSR1, caught_signal, &one, &sources[0]), 0);
    ck_assert_int_eq(ferry_loop_signal(loop, SIGRTMAX, caught_signal, &two, &sources[1]), 0);
    ck_assert_int_eq(descriptor_count(), before + 1); /* they share a signalfd */
    ck_assert_int_eq(ferry_loop_signal(loop, SIGUSR1, caught_signal, &one, &other), -EEXIST);
    raise(SIGUSR1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sigqueue(getpid(), SIGRTMAX, (union sigval){ .sival_int = 40 + i }), 0);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), 4);
    ck_assert_int_eq(one.count, 1);
    ck_assert_uint_eq(one.info.ssi_signo, SIGUSR1);
    ck_assert_int_eq((pid_t)one.info.ssi_pid, getpid());
    ck_assert_int_eq(two.count, 3);
    ck_assert_int_eq(two.info.ssi_int, 42);
    ck_assert(is_blocked(SIGUSR1));
    ferry_source_remove(sources[0]);
    ck_assert(!is_blocked(SIGUSR1));
    ck_assert(is_blocked(SIGRTMAX));
    raise(SIGRTMAX);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), 1);
    ferry_source_remove(sources[1]);
    ck_assert_int_eq(descriptor_count(), before);
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_refused)
{
    struct ferry_loop *loop = loop_make(FERRY_EPOLL);
    static const int signals[] = { SIGKILL, SIGSTOP, 0, -1, 65, 1000000 };
    struct ferry_source *source = NULL;
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        ck_assert_int_eq(ferry_loop_signal(loop, signals[i], NULL, NULL, &source), -EINVAL);
    ck_assert_ptr_null(source);
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_mask_of_the_caller_is_put_back)
{
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    struct ferry_loop *loop = loop_make(FERRY_EPOLL);
    struct ferry_source *source;
    ck_assert_int_eq(ferry_loop_signal(loop, SIGUSR2, caught_signal, NULL, &source), 0);
    ferry_source_remove(source);
    ck_assert(is_blocked(SIGUSR2));
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_handler_removes_one_whose_signal_was_read)
{
    struct ferry_loop *loop = loop_make(FERRY_EPOLL);
    struct caught one = { 0 }, two = { 0 };
    struct ferry_source *first;
    ck_assert_int_eq(ferry_loop_signal(loop, SIGUSR1, caught_signal, &one, &first), 0);
    ck_assert_int_eq(ferry_loop_signal(loop, SIGUSR2, caught_signal, &two, &one.other), 0);
    raise(SIGUSR1); /* the lower number is read first */
    raise(SIGUSR2);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), 1);
    ck_assert_int_eq(one.count, 1);
    ck_assert_int_eq(two.count, 0);
    one.other = first;
    raise(SIGUSR1);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), 1); /* removes itself, the last */
    ck_assert_int_eq(ferry_loop_run(loop), 0);
    ferry_loop_free(loop);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop/signal");
    TCase *signals = tcase_create("signals");
    tcase_set_timeout(signals, 10);
    tcase_add_loop_test(signals, test_signals_arrive, 0, ENGINE_COUNT);
    tcase_add_test(signals, test_refused);
    tcase_add_test(signals, test_mask_of_the_caller_is_put_back);
    tcase_add_test(signals, test_handler_removes_one_whose_signal_was_read);
    suite_add_tcase(suite, signals);
    return suite_run(suite);
}
