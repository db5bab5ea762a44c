/* loop.h - one thread's wait for everything: descriptors, timers, signals, children, wake-ups.
 *
 * Level-triggered unless asked otherwise. Handlers may remove any source, their own included, at
 * any time: a removed source's handler is never called again. Sources are served in turn; a
 * handler should do a bounded amount of work and return, it is called again while there is more.
 * The engine is epoll(7); poll(2) and select(2) stand behind the same interface for comparison.
 * Regular files, which epoll refuses, are always ready.
 */
#ifndef FERRY_LOOP_H
#define FERRY_LOOP_H

#include <ferry/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_loop;
struct ferry_source;

enum ferry_loop_engine { FERRY_EPOLL, FERRY_POLL, FERRY_SELECT };

enum ferry_event {
    FERRY_READABLE = 1 << 0,
    FERRY_WRITABLE = 1 << 1,
    FERRY_HANGUP = 1 << 2, /* as interest alone: tell once that the peer is gone altogether. As
                              event: it is, or there is an error. Always reported with the others */
    FERRY_ONCE = 1 << 3,   /* interest only: report one event, then none until interest is set
                              again (EPOLLONESHOT); meanwhile the interest reads 0 */
    FERRY_EDGE = 1 << 4,   /* interest only: report changes (EPOLLET); epoll only */
};

/* events: what is so, of FERRY_READABLE, FERRY_WRITABLE, FERRY_HANGUP; 0 for a pending source. */
typedef void (*ferry_ready_handler)(struct ferry_source *source, unsigned events, void *data);
typedef void (*ferry_timer_handler)(struct ferry_source *source, void *data);
typedef void (*ferry_signal_handler)(
    struct ferry_source *source, const struct signalfd_siginfo *info, void *data);
/* code, status: si_code and si_status as waitid(2) gives them. The child has been reaped. code 0:
 * it is gone, but its status was lost (somebody else reaped it, or SIGCHLD is ignored). */
typedef void (*ferry_child_handler)(struct ferry_source *source, int code, int status, void *data);

/*   ret_loop  free with ferry_loop_free()
 * Returns 0, -EINVAL, -EMFILE, -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_loop_new(
    enum ferry_loop_engine engine, struct ferry_loop **ret_loop);
/* Frees the loop and every source that is still in it. Watched descriptors stay open. */
FERRY_PUBLIC void ferry_loop_free(struct ferry_loop *loop);

/* Waits once, at most timeout_ms (-1: without limit), and dispatches what came.
 * Returns how many handlers ran, or -errno. */
FERRY_PUBLIC int ferry_loop_turn(struct ferry_loop *loop, int timeout_ms);
/* Turns until ferry_loop_stop() or until no source is left (a wake handler is none). Returns 0 or
 * -errno. */
FERRY_PUBLIC int ferry_loop_run(struct ferry_loop *loop);
/* Makes ferry_loop_run() return after this turn; called between runs, the next returns at once. For
 * this thread; others call ferry_loop_wake(). */
FERRY_PUBLIC void ferry_loop_stop(struct ferry_loop *loop);

/* Watches a descriptor.
 *   fd        borrowed; remove the source before closing it
 *   interest  of enum ferry_event; 0: nothing for now
 *   data      handed to the handler; the caller's
 * Returns 0, -EEXIST (watched already; one source a descriptor), -ENOTSUP (FERRY_EDGE without
 * epoll), -EMFILE (select above FD_SETSIZE), -EBADF, -ENOMEM, -ENOSPC (the user's
 * fs.epoll.max_user_watches). */
FERRY_PUBLIC FERRY_CHECK int ferry_loop_watch(struct ferry_loop *loop, int fd, unsigned interest,
    ferry_ready_handler handler, void *data, struct ferry_source **ret_source);
/* A source without a descriptor: its handler runs (with events 0) in every turn while pending,
 * which it is not at first. Returns 0, -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_loop_watch_pending(struct ferry_loop *loop,
    ferry_ready_handler handler, void *data, struct ferry_source **ret_source);
/* Changes the interest of a watched descriptor. Takes effect before the next wait. */
FERRY_PUBLIC void ferry_source_set_interest(struct ferry_source *source, unsigned interest);
FERRY_PUBLIC unsigned ferry_source_get_interest(const struct ferry_source *source);
/* Says that the source has something although its descriptor is quiet: its handler runs in the
 * next turn, which does not wait. Stays so until said otherwise. */
FERRY_PUBLIC void ferry_source_set_pending(struct ferry_source *source, bool pending);

/* A timer.
 *   deadline_ns  point on CLOCK_MONOTONIC; FERRY_NEVER (INT64_MAX): not armed
 * It fires once and is then not armed; set it again to repeat. After a stop of the process
 * (SIGSTOP, suspend) it fires once, however late. Returns 0, -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_loop_timer(struct ferry_loop *loop, int64_t deadline_ns,
    ferry_timer_handler handler, void *data, struct ferry_source **ret_source);
FERRY_PUBLIC void ferry_source_set_deadline(struct ferry_source *source, int64_t deadline_ns);

/* Takes a signal as an event (signalfd(2)). Opting in: the signal is blocked in the calling thread
 * from here on; its mask is put back when the source is removed. Call before starting threads.
 * Returns 0, -EINVAL (SIGKILL and SIGSTOP can't be taken), -EEXIST, -EMFILE, -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_loop_signal(struct ferry_loop *loop, int signal,
    ferry_signal_handler handler, void *data, struct ferry_source **ret_source);

/* Watches a child (pidfd_open(2), 5.3) and reaps it; the source then removes itself after its
 * handler. Other children of the process are not touched. Returns 0, -ECHILD, -EMFILE, -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_loop_child(struct ferry_loop *loop, pid_t pid,
    ferry_child_handler handler, void *data, struct ferry_source **ret_source);

/* Removes and frees a source of any kind; NULL is allowed. Legal inside any handler. */
FERRY_PUBLIC void ferry_source_remove(struct ferry_source *source);

/* Wakes the loop from any thread or signal handler: `handler` of ferry_loop_on_wake() runs once
 * for any number of wakes since the last. Async-signal-safe. */
FERRY_PUBLIC void ferry_loop_wake(struct ferry_loop *loop);
FERRY_PUBLIC void ferry_loop_on_wake(
    struct ferry_loop *loop, void (*handler)(struct ferry_loop *loop, void *data), void *data);

/* CLOCK_MONOTONIC at the start of this turn, in nanoseconds. */
FERRY_PUBLIC int64_t ferry_loop_now(const struct ferry_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
