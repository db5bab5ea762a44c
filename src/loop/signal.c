/* signal.c - signals as events: one signalfd(2) a loop, shared by all its signal sources.
 *
 * The signalfd exists while a source does. The caller opted in, so its thread's mask is changed:
 * the signal is blocked on entry, and unblocked on removal unless it was blocked before.
 */
#include "base/cleanup.h"
#include "loop/loop.h"

static void signal_deliver(struct ferry_loop *loop, const struct signalfd_siginfo *info)
{
    assert(info->ssi_signo < _NSIG);
    struct ferry_source *source = loop->signals[info->ssi_signo];
    if (!source) /* removed by a handler since it was read */
        return;
    loop->served_count++;
    source->handler.signal(source, info, source->data);
}

static void signals_ready(struct ferry_source *watch, unsigned events, void *data)
{
    (void)events;
    struct signalfd_siginfo infos[SIGNAL_BATCH_COUNT];
    ssize_t size = read(watch->fd, infos, sizeof(infos));
    for (ssize_t i = 0; i < size / (ssize_t)sizeof(infos[0]); i++)
        signal_deliver(data, &infos[i]);
}

/* Makes the signalfd take `set`. */
static int signals_take(struct ferry_loop *loop, const sigset_t *set)
{
    if (loop->signal_watch)
        return signalfd(loop->signal_watch->fd, set, 0) < 0 ? -errno : 0;
    AUTO_FD int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    int r = source_watch_internal(loop, fd, signals_ready, &loop->signal_watch);
    if (r == 0)
        (void)fd_take(&fd); /* loop->signal_watch->fd, until the last signal is removed */
    return r;
}

int ferry_loop_signal(struct ferry_loop *loop, int signal, ferry_signal_handler handler, void *data,
    struct ferry_source **ret_source)
{
    sigset_t one, before, set = loop->signal_set;
    sigemptyset(&one);
    if (signal == SIGKILL || signal == SIGSTOP || sigaddset(&one, signal) < 0)
        return -EINVAL;
    if (loop->signals[signal])
        return -EEXIST;
    struct ferry_source *source = source_new(loop, SOURCE_SIGNAL, data);
    if (!source)
        return -ENOMEM;
    sigaddset(&set, signal);
    int r = signals_take(loop, &set);
    if (r < 0) {
        free(source);
        return r;
    }
    pthread_sigmask(SIG_BLOCK, &one, &before);
    source->handler.signal = handler;
    source->signal = signal;
    source->was_blocked = sigismember(&before, signal) == 1;
    loop->signal_set = set;
    loop->signal_count++;
    loop->signals[signal] = source;
    source_enter(source);
    *ret_source = source;
    return 0;
}

static void signals_close(struct ferry_loop *loop)
{
    struct ferry_source *watch = TAKE(loop->signal_watch);
    int fd = watch->fd;
    ferry_source_remove(watch);
    fd_close(&fd);
}

void signal_remove(struct ferry_source *source)
{
    struct ferry_loop *loop = source->loop;
    loop->signals[source->signal] = NULL;
    sigdelset(&loop->signal_set, source->signal);
    if (--loop->signal_count == 0)
        signals_close(loop);
    else
        signalfd(loop->signal_watch->fd, &loop->signal_set, 0); /* of an open one: cannot fail */
    if (source->was_blocked)
        return;
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, source->signal);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}
