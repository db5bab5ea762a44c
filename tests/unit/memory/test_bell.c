/* test_bell.c - it rings until it is made quiet, whatever the other process does with it. */
#include "base/cleanup.h"
#include "memory/bell.h"
#include "suite.h"
#include "system_call.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

static int bell_make(void)
{
    int fd;
    ck_assert_int_eq(bell_new(&fd), 0);
    return fd;
}

/* Within so many milliseconds. */
static bool rings(int fd, int timeout_ms)
{
    struct pollfd one = { .fd = fd, .events = POLLIN };
    return poll(&one, 1, timeout_ms) == 1;
}

static void rings_until_quiet(int fd, int patience_ms)
{
    for (int i = 0; i < 3; i++) {
        ck_assert(!rings(fd, 0));
        ck_assert(!bell_quiet(fd));
        bell_ring(fd);
        ck_assert(rings(fd, patience_ms));
        bell_ring(fd);
        ck_assert(rings(fd, patience_ms));
        ck_assert(bell_quiet(fd));
    }
    ck_assert(!rings(fd, 0));
    close(fd);
}

START_TEST(it_rings_until_it_is_made_quiet)
{
    int fd = bell_make();

    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    rings_until_quiet(fd, 0);
}
END_TEST

/* O_NONBLOCK is the other's too, to take away at any time. */
START_TEST(made_blocking_it_holds_nobody_up)
{
    int fd = bell_make();

    ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
    rings_until_quiet(fd, 0);
}
END_TEST

START_TEST(set_to_another_time_it_rings_all_the_same)
{
    static const struct itimerspec late = { .it_value.tv_sec = 1000, .it_interval.tv_sec = 1000 };
    int fd = bell_make();

    ck_assert_int_eq(timerfd_settime(fd, 0, &late, NULL), 0);
    rings_until_quiet(fd, 0);
}
END_TEST

/* One that does so by itself, again and again, is quiet for a moment at least. */
START_TEST(set_to_ring_for_ever_it_holds_nobody_up)
{
    static const struct itimerspec always = { .it_value.tv_nsec = 1, .it_interval.tv_nsec = 1 };
    int fd = bell_make();

    ck_assert_int_eq(timerfd_settime(fd, TFD_TIMER_ABSTIME, &always, NULL), 0);
    for (int i = 0; i < 1000; i++) {
        ck_assert(rings(fd, 1000));
        bell_ring(fd);
        ck_assert(bell_quiet(fd));
    }
    close(fd);
}
END_TEST

/* By a kernel without CONFIG_CHECKPOINT_RESTORE. */
START_TEST(it_rings_where_ticks_cannot_be_set)
{
    int fd = bell_make();

    system_call_fails(SYS_ioctl, ENOTTY);
    rings_until_quiet(fd, 1000);
}
END_TEST

/* By a kernel before 6.10, or in a sandbox. */
START_TEST(it_is_made_quiet_where_a_timer_cannot_be_read_so)
{
    static const int errors[] = { EOPNOTSUPP, ENOSYS, EPERM };
    int fd = bell_make();

    system_call_fails(SYS_preadv2, errors[_i]);
    rings_until_quiet(fd, 0);
}
END_TEST

/* What an earlier call has left in errno says nothing of this one. */
START_TEST(it_has_rung_whatever_failed_before)
{
    int fd = bell_make();

    for (int i = 0; i < 2; i++) {
        bell_ring(fd);
        errno = i ? EOPNOTSUPP : EAGAIN;
        ck_assert(bell_quiet(fd));
    }
    close(fd);
}
END_TEST

START_TEST(no_descriptor_is_an_error)
{
    int fd = -1;

    system_call_fails(SYS_timerfd_create, EMFILE);
    ck_assert_int_eq(bell_new(&fd), -EMFILE);
    ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(nothing_else_is_one)
{
    int fd = bell_make(), other = eventfd(0, EFD_NONBLOCK), ends[2];

    ck_assert(bell_is(fd));
    ck_assert(!bell_is(other));
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert(!bell_is(ends[0]));
    ck_assert(!bell_is(ends[1]));
    close(ends[1]);
    ck_assert(!bell_is(ends[1]));
    close(ends[0]);
    close(other);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory/bell");
    TCase *tests = tcase_create("bell");

    tcase_add_test(tests, it_rings_until_it_is_made_quiet);
    tcase_add_test(tests, made_blocking_it_holds_nobody_up);
    tcase_add_test(tests, set_to_another_time_it_rings_all_the_same);
    tcase_add_test(tests, set_to_ring_for_ever_it_holds_nobody_up);
    tcase_add_test(tests, it_rings_where_ticks_cannot_be_set);
    tcase_add_loop_test(tests, it_is_made_quiet_where_a_timer_cannot_be_read_so, 0, 3);
    tcase_add_test(tests, it_has_rung_whatever_failed_before);
    tcase_add_test(tests, no_descriptor_is_an_error);
    tcase_add_test(tests, nothing_else_is_one);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
