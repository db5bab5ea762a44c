/* loop.h (loop) - the insides of struct ferry_loop and struct ferry_source.
 *
 * The loop owns its sources. A source is on the loop's list `sources` (or `files`, or `dirty`),
 * unless it is the loop's own (`internal`), which are not counted and which their file removes.
 * Sources removed while handlers run go to the graveyard, so that a batch may still point at them;
 * it is emptied after the batch.
 *
 * Interest is kept twice: `interest` is what the caller wants, `applied` what the engine was told.
 * Where they differ the source stands among the dirty ones, which are flushed before each wait: a
 * handler that changes its mind twice costs no system call.
 */
#ifndef FERRY_LOOP_LOOP_H
#define FERRY_LOOP_LOOP_H

#include "base/list.h"
#include "loop/engine.h"
#include "loop/limits.h"

#include <assert.h>
#include <ferry/loop.h>
#include <limits.h>
#include <signal.h>

enum source_kind { SOURCE_WATCH, SOURCE_PENDING, SOURCE_TIMER, SOURCE_SIGNAL, SOURCE_CHILD };

/* Small, because a server has one for every idle connection. */
struct ferry_source {
    struct ferry_loop *loop;
    struct list node; /* sources, files, dirty, or the graveyard */
    union {
        ferry_ready_handler ready;
        ferry_timer_handler timer;
        ferry_signal_handler signal;
        ferry_child_handler child;
    } handler;
    void *data;
    union {
        int fd; /* a child's pidfd is the source's own; -1 for SOURCE_PENDING */
        int signal;
        unsigned slot; /* of a timer in the heap; TIMER_UNARMED */
    };
    uint8_t kind; /* enum source_kind */
    uint8_t interest;
    uint8_t applied;
    bool dead : 1;
    bool internal : 1;
    bool dirty : 1;       /* on loop->dirty */
    bool pending : 1;     /* the caller said so */
    bool file : 1;        /* epoll refused the descriptor: always ready */
    bool was_blocked : 1; /* the signal, before we blocked it */
    union {
        /* SOURCE_WATCH, SOURCE_PENDING, SOURCE_CHILD: on loop->pending or loop->running while it
         * runs each turn */
        struct list turn;
        struct {                 /* SOURCE_TIMER */
            struct list due;     /* taken from the heap, to run in this turn */
            int64_t deadline_ns; /* while in the heap */
        };
    };
};

static_assert(sizeof(struct ferry_source) <= 72, "an idle connection pays for this");

#define TIMER_UNARMED UINT_MAX
/* No interest equals it: what the engine was told counts for nothing, tell it again. */
#define APPLIED_STALE UINT8_MAX

#define FERRY_BOTH (FERRY_READABLE | FERRY_WRITABLE)

struct ferry_loop {
    const struct engine *engine;
    void *engine_state; /* the engine's own; NULL once closed */
    struct list sources;
    struct list files;
    struct list graveyard;
    struct list dirty;   /* sources too: what the engine has to be told of */
    struct list pending; /* run in the next turn */
    struct list running; /* run in this turn */
    struct list due;     /* timers of this turn */
    size_t source_count; /* without internal ones */
    struct ferry_source **heap;
    unsigned armed_count;
    unsigned timer_count; /* armed or not; the heap has room for all, so arming cannot fail */
    size_t heap_capacity;
    int64_t now_ns;
    bool dispatching;
    bool stopped;
    int served_count; /* handlers run in this turn */
    struct ferry_source *wake;
    void (*wake_handler)(struct ferry_loop *loop, void *data);
    void *wake_data;
    struct ferry_source *signal_watch; /* of the signalfd that all signals share, or NULL */
    sigset_t signal_set;
    int signal_count;
    struct ferry_source *signals[_NSIG];
    struct ready batch[LOOP_BATCH_COUNT];
};

/* True if the engine falls silent after one report: FERRY_ONCE, FERRY_HANGUP alone, nothing. */
static inline bool interest_is_single(unsigned interest)
{
    return interest & FERRY_ONCE || !(interest & FERRY_BOTH);
}

/* source.c */
struct ferry_source *source_new(struct ferry_loop *loop, enum source_kind kind, void *data);
/* Enters a complete source into the loop's list. */
void source_enter(struct ferry_source *source);
/* Begins to watch `fd`; the source must then be entered, or freed when this fails. */
int source_attach(struct ferry_source *source, int fd, unsigned interest);
/* A watched descriptor of the loop's own, data is the loop. */
int source_watch_internal(
    struct ferry_loop *loop, int fd, ferry_ready_handler handler, struct ferry_source **ret_source);
/* What the engine reported. */
void source_ready(struct ferry_source *source, unsigned reported);
/* Runs the handler of a pending or always ready source. */
void source_run_pending(struct ferry_source *source);
/* Tells the engine what has changed. */
void loop_flush(struct ferry_loop *loop);

/* timer.c */
void timers_take_due(struct ferry_loop *loop);
void timers_dispatch(struct ferry_loop *loop);
void timer_remove(struct ferry_source *source);
/* CLOCK_NEVER without an armed timer. */
int64_t timers_next_ns(const struct ferry_loop *loop);

/* signal.c */
void signal_remove(struct ferry_source *source);

/* watch_child.c */
void child_ready(struct ferry_source *source);

#endif
