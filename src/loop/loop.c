/* loop.c - the loop itself: one turn is flush, wait, dispatch, bury.
 *
 * What runs in a turn is fixed when the wait returns: the ready batch, the sources that were
 * pending, the timers that were due. What handlers set for the past or make pending runs in the
 * next turn, so nothing can keep the loop from coming round. Descriptors go before timers: after a
 * late wake-up an answer that has come is seen before its time-out.
 *
 * A loop belongs to one thread; only ferry_loop_wake() may be called from elsewhere. A forked child
 * shares the kernel's epoll instance with its parent: it executes a program or leaves the loop
 * alone, freeing included.
 */
#include "loop/loop.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <ferry/channel.h>
#include <sys/eventfd.h>

static void wake_ready(struct ferry_source *source, unsigned events, void *data)
{
    (void)events;
    struct ferry_loop *loop = data;
    uint64_t wakes;
    if (read(source->fd, &wakes, sizeof(wakes)) < 0 || !loop->wake_handler)
        return;
    loop->served_count++;
    loop->wake_handler(loop, loop->wake_data);
}

static int wake_open(struct ferry_loop *loop)
{
    AUTO_FD int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    int r = source_watch_internal(loop, fd, wake_ready, &loop->wake);
    if (r == 0)
        (void)fd_take(&fd); /* loop->wake->fd, until ferry_loop_free() */
    return r;
}

static void loop_init(struct ferry_loop *loop, const struct engine *engine)
{
    loop->engine = engine;
    list_init(&loop->sources);
    list_init(&loop->files);
    list_init(&loop->graveyard);
    list_init(&loop->dirty);
    list_init(&loop->pending);
    list_init(&loop->running);
    list_init(&loop->due);
    sigemptyset(&loop->signal_set);
    loop->now_ns = clock_now_ns();
}

int ferry_loop_new(enum ferry_loop_engine engine, struct ferry_loop **ret_loop)
{
    static const struct engine *const engines[] = {
        [FERRY_EPOLL] = &engine_epoll,
        [FERRY_POLL] = &engine_poll,
        [FERRY_SELECT] = &engine_select,
    };
    if ((unsigned)engine >= COUNT_OF(engines))
        return -EINVAL;
    struct ferry_loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return -ENOMEM;
    loop_init(loop, engines[engine]);
    int r = loop->engine->open(loop);
    if (r == 0)
        r = wake_open(loop);
    if (r < 0) {
        ferry_loop_free(loop);
        return r;
    }
    *ret_loop = loop;
    return 0;
}

static void sources_remove(struct list *sources)
{
    while (!list_empty(sources))
        ferry_source_remove(LIST_ENTRY(sources->next, struct ferry_source, node));
}

void ferry_loop_free(struct ferry_loop *loop)
{
    if (!loop)
        return;
    assert(!loop->dispatching);
    if (loop->engine_state)
        loop->engine->close(loop);
    sources_remove(&loop->sources);
    sources_remove(&loop->dirty);
    sources_remove(&loop->files);
    if (loop->wake) {
        fd_close(&loop->wake->fd);
        ferry_source_remove(loop->wake);
    }
    free(loop->heap);
    free(loop);
}

/* Returns how many sources are ready, or -errno. */
static int loop_wait(struct ferry_loop *loop, int timeout_ms)
{
    int64_t deadline_ns = ferry_deadline(list_empty(&loop->pending) ? timeout_ms : 0);
    if (timers_next_ns(loop) < deadline_ns)
        deadline_ns = timers_next_ns(loop);
    int count;
    do {
        count = loop->engine->wait(loop, clock_poll_ms(deadline_ns, clock_now_ns()));
    } while (count == -EINTR);
    return count;
}

static void pending_dispatch(struct ferry_loop *loop)
{
    while (!list_empty(&loop->running)) {
        struct list *node = loop->running.next;
        list_remove(node);
        list_add_last(&loop->pending, node); /* it stays so, unless its handler says otherwise */
        source_run_pending(LIST_ENTRY(node, struct ferry_source, turn));
    }
}

static void loop_bury(struct ferry_loop *loop)
{
    while (!list_empty(&loop->graveyard)) {
        struct list *node = loop->graveyard.next;
        list_remove(node);
        free(LIST_ENTRY(node, struct ferry_source, node));
    }
}

int ferry_loop_turn(struct ferry_loop *loop, int timeout_ms)
{
    assert(!loop->dispatching);
    loop_flush(loop);
    int ready_count = loop_wait(loop, timeout_ms);
    if (ready_count < 0)
        return ready_count;

    loop->now_ns = clock_now_ns();
    loop->served_count = 0;
    list_splice_last(&loop->running, &loop->pending);
    timers_take_due(loop);
    loop->dispatching = true;
    for (int i = 0; i < ready_count; i++)
        source_ready(loop->batch[i].source, loop->batch[i].events);
    pending_dispatch(loop);
    timers_dispatch(loop);
    loop->dispatching = false;
    loop_bury(loop);
    return loop->served_count;
}

int ferry_loop_run(struct ferry_loop *loop)
{
    int r = 0;
    while (r >= 0 && loop->source_count > 0 && !loop->stopped)
        r = ferry_loop_turn(loop, -1);
    loop->stopped = false;
    return r < 0 ? r : 0;
}

void ferry_loop_stop(struct ferry_loop *loop)
{
    loop->stopped = true;
}

void ferry_loop_wake(struct ferry_loop *loop)
{
    int kept = errno; /* a signal handler must leave it alone */
    uint64_t one = 1;
    /* It can only fail with EAGAIN: the counter is full, so the loop is awake already. */
    ssize_t written = write(loop->wake->fd, &one, sizeof(one));
    (void)written;
    errno = kept;
}

void ferry_loop_on_wake(
    struct ferry_loop *loop, void (*handler)(struct ferry_loop *loop, void *data), void *data)
{
    loop->wake_handler = handler;
    loop->wake_data = data;
}

int64_t ferry_loop_now(const struct ferry_loop *loop)
{
    return loop->now_ns;
}
