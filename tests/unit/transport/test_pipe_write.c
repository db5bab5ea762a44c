/* test_pipe_write.c - writing to a pipe that nobody reads raises no signal, on kernels old and new.
 */
#include "scratch.h"

/* The way for kernels without RWF_NOSIGNAL is taken here by letting pwritev2 fail as there. */
#include <errno.h>
#include <sys/uio.h>

static bool kernel_is_old;
static unsigned refusals;

static ssize_t pwritev2_as_the_kernel_has_it(
    int fd, const struct iovec *buffers, int count, off_t offset, int flags)
{
    if (kernel_is_old) {
        refusals++;
        errno = EOPNOTSUPP;
        return -1;
    }
    return pwritev2(fd, buffers, count, offset, flags);
}
#define pwritev2 pwritev2_as_the_kernel_has_it
#include "transport/pipe_write.c"
#undef pwritev2

static struct iovec bytes = { (char[]){ "bytes" }, 5 };

static void writes_and_breaks(void)
{
    int ends[2];
    char text[8];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    ck_assert_int_eq(pipe_write(ends[1], &bytes, 1), 5);
    ck_assert_int_eq(read(ends[0], text, sizeof(text)), 5);
    while (pipe_write(ends[1], &bytes, 1) > 0)
        ;
    ck_assert_int_eq(pipe_write(ends[1], &bytes, 1), -EAGAIN);
    close(ends[0]);
    ck_assert_int_eq(pipe_write(ends[1], &bytes, 1), -EPIPE);
    close(ends[1]);
}

static bool is_pending(int number)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, number);
}

static bool is_blocked(int number)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return sigismember(&mask, number);
}

START_TEST(no_signal)
{
    kernel_is_old = _i;
    signal(SIGPIPE, SIG_DFL);
    writes_and_breaks();
    writes_and_breaks();
    ck_assert(!is_pending(SIGPIPE) && !is_blocked(SIGPIPE));
    /* The kernel is asked once only. */
    ck_assert_uint_eq(refusals, (unsigned)_i);
}
END_TEST

START_TEST(pending_signal_of_others_stays)
{
    sigset_t set;
    kernel_is_old = _i;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    raise(SIGPIPE);
    writes_and_breaks();
    ck_assert(is_pending(SIGPIPE) && is_blocked(SIGPIPE));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pipe_write");
    TCase *writes = tcase_create("writes");

    tcase_add_loop_test(writes, no_signal, 0, 2);
    tcase_add_loop_test(writes, pending_signal_of_others_stays, 0, 2);
    tcase_set_timeout(writes, 20);
    suite_add_tcase(suite, writes);
    return scratch_run(suite);
}
