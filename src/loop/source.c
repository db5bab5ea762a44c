/* source.c - one thing that is waited for: made, entered, changed, removed.
 *
 * A descriptor that epoll refuses (EPERM: a regular file, /dev/null) never blocks, so its source
 * runs in each turn by the same list as a pending one and the engine does not know it.
 */
#include "base/cleanup.h"
#include "loop/loop.h"

struct ferry_source *source_new(struct ferry_loop *loop, enum source_kind kind, void *data)
{
    struct ferry_source *source = calloc(1, sizeof(*source));
    if (!source)
        return NULL;
    source->loop = loop;
    source->kind = (uint8_t)kind;
    source->data = data;
    list_init(&source->node);
    if (kind == SOURCE_TIMER) {
        list_init(&source->due);
        source->slot = TIMER_UNARMED;
    } else {
        list_init(&source->turn);
        source->fd = -1;
    }
    return source;
}

void source_enter(struct ferry_source *source)
{
    struct ferry_loop *loop = source->loop;
    list_add_last(source->file ? &loop->files : &loop->sources, &source->node);
    loop->source_count++;
}

/* Puts the source among those that run each turn, or takes it out. */
static void source_schedule(struct ferry_source *source)
{
    bool each_turn = source->pending || (source->file && source->interest & FERRY_BOTH);
    if (!each_turn)
        list_remove(&source->turn);
    else if (list_empty(&source->turn))
        list_add_last(&source->loop->pending, &source->turn);
}

static uint8_t interest_clean(unsigned interest)
{
    assert(interest <= (FERRY_BOTH | FERRY_HANGUP | FERRY_ONCE | FERRY_EDGE));
    return interest & (FERRY_BOTH | FERRY_HANGUP) ? (uint8_t)interest : 0;
}

static int source_attach_file(struct ferry_source *source)
{
    struct list *node;
    list_each (node, &source->loop->files) {
        if (LIST_ENTRY(node, struct ferry_source, node)->fd == source->fd)
            return -EEXIST;
    }
    source->file = true;
    source_schedule(source);
    return 0;
}

int source_attach(struct ferry_source *source, int fd, unsigned interest)
{
    struct ferry_loop *loop = source->loop;
    if (interest & FERRY_EDGE && !loop->engine->has_edge)
        return -ENOTSUP;
    source->fd = fd;
    source->interest = source->applied = interest_clean(interest);
    int r = loop->engine->add(loop, source);
    return r == -EPERM ? source_attach_file(source) : r;
}

int ferry_loop_watch(struct ferry_loop *loop, int fd, unsigned interest,
    ferry_ready_handler handler, void *data, struct ferry_source **ret_source)
{
    struct ferry_source *source = source_new(loop, SOURCE_WATCH, data);
    if (!source)
        return -ENOMEM;
    source->handler.ready = handler;
    int r = source_attach(source, fd, interest);
    if (r < 0) {
        free(source);
        return r;
    }
    source_enter(source);
    *ret_source = source;
    return 0;
}

int source_watch_internal(
    struct ferry_loop *loop, int fd, ferry_ready_handler handler, struct ferry_source **ret_source)
{
    struct ferry_source *source = source_new(loop, SOURCE_WATCH, loop);
    if (!source)
        return -ENOMEM;
    source->handler.ready = handler;
    source->internal = true;
    int r = source_attach(source, fd, FERRY_READABLE);
    if (r < 0) {
        free(source);
        return r;
    }
    *ret_source = source;
    return 0;
}

int ferry_loop_watch_pending(struct ferry_loop *loop, ferry_ready_handler handler, void *data,
    struct ferry_source **ret_source)
{
    struct ferry_source *source = source_new(loop, SOURCE_PENDING, data);
    if (!source)
        return -ENOMEM;
    source->handler.ready = handler;
    source_enter(source);
    *ret_source = source;
    return 0;
}

/* Puts the source among those that the engine is to be told of, or back among the others. */
static void source_mark(struct ferry_source *source)
{
    struct ferry_loop *loop = source->loop;
    bool dirty = source->interest != source->applied;
    if (source->dirty == dirty)
        return;
    source->dirty = dirty;
    list_remove(&source->node);
    list_add_last(dirty ? &loop->dirty : &loop->sources, &source->node);
}

void ferry_source_set_interest(struct ferry_source *source, unsigned interest)
{
    assert(source->kind == SOURCE_WATCH && !source->dead);
    assert(!(interest & FERRY_EDGE) || source->loop->engine->has_edge);
    source->interest = interest_clean(interest);
    if (source->file)
        source_schedule(source);
    else
        source_mark(source);
}

unsigned ferry_source_get_interest(const struct ferry_source *source)
{
    return source->interest;
}

void ferry_source_set_pending(struct ferry_source *source, bool pending)
{
    assert(!source->dead);
    assert(source->kind == SOURCE_WATCH || source->kind == SOURCE_PENDING);
    source->pending = pending;
    source_schedule(source);
}

void loop_flush(struct ferry_loop *loop)
{
    while (!list_empty(&loop->dirty)) {
        struct ferry_source *source = LIST_ENTRY(loop->dirty.next, struct ferry_source, node);
        loop->engine->change(loop, source);
        source->applied = source->interest;
        source_mark(source);
    }
}

/* What `interest` lets through. A handler that reads or writes finds the error or the end itself,
 * so a hang-up is also what it waited for. */
static unsigned interest_filter(unsigned interest, unsigned reported)
{
    if (!interest)
        return 0;
    if (reported & FERRY_HANGUP)
        reported |= FERRY_BOTH;
    return reported & ((interest & FERRY_BOTH) | FERRY_HANGUP);
}

static void source_deliver(struct ferry_source *source, unsigned events)
{
    if (source->kind == SOURCE_CHILD) {
        child_ready(source);
        return;
    }
    if (events && interest_is_single(source->interest)) {
        source->interest = 0; /* spent; the handler may set it again */
        if (source->file)
            source_schedule(source);
        else
            source_mark(source);
    }
    source->loop->served_count += !source->internal;
    source->handler.ready(source, events, source->data);
}

void source_ready(struct ferry_source *source, unsigned reported)
{
    if (source->dead)
        return;
    unsigned owed = interest_filter(source->applied, reported);
    unsigned events = interest_filter(source->interest, reported);
    if (interest_is_single(source->applied)) {
        source->applied = 0; /* the engine has fallen silent */
        source_mark(source);
    } else if (source->applied & FERRY_EDGE && owed & ~events) {
        /* An earlier handler of this turn changed the interest: the edge would be lost if it
         * changed it back. */
        source->applied = APPLIED_STALE;
        source_mark(source);
    }
    if (!events)
        return;
    if (!list_empty(&source->turn)) { /* this is its run of this turn */
        list_remove(&source->turn);
        list_add_last(&source->loop->pending, &source->turn);
    }
    source_deliver(source, events);
}

void source_run_pending(struct ferry_source *source)
{
    source_deliver(source, source->file ? source->interest & FERRY_BOTH : 0);
}

static void source_detach(struct ferry_source *source)
{
    struct ferry_loop *loop = source->loop;
    list_remove(&source->turn);
    if (source->fd >= 0 && !source->file && loop->engine_state)
        loop->engine->remove(loop, source);
    if (source->kind == SOURCE_CHILD)
        fd_close(&source->fd);
}

void ferry_source_remove(struct ferry_source *source)
{
    if (!source)
        return;
    assert(!source->dead);
    struct ferry_loop *loop = source->loop;
    if (source->kind == SOURCE_TIMER)
        timer_remove(source);
    else if (source->kind == SOURCE_SIGNAL)
        signal_remove(source);
    else
        source_detach(source);
    source->dead = true;
    loop->source_count -= !source->internal;
    list_remove(&source->node);
    if (loop->dispatching)
        list_add_last(&loop->graveyard, &source->node);
    else
        free(source);
}
