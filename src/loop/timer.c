/* timer.c - deadlines in a binary heap.
 *
 * Every timer knows its slot, so that setting and removing one costs log(n) and no search. The heap
 * has room for all timers from their making on: arming cannot fail. Due timers leave the heap for
 * a list before any handler runs; a handler that sets a timer to the past puts it into the heap,
 * that is into the next turn.
 */
#include "base/array.h"
#include "base/clock.h"
#include "loop/loop.h"

static void heap_put(struct ferry_loop *loop, unsigned slot, struct ferry_source *timer)
{
    loop->heap[slot] = timer;
    timer->slot = slot;
}

static void heap_rise(struct ferry_loop *loop, struct ferry_source *timer)
{
    unsigned slot = timer->slot;
    while (slot > 0) {
        struct ferry_source *parent = loop->heap[(slot - 1) / 2];
        if (parent->deadline_ns <= timer->deadline_ns)
            break;
        heap_put(loop, slot, parent);
        slot = (slot - 1) / 2;
    }
    heap_put(loop, slot, timer);
}

static void heap_sink(struct ferry_loop *loop, struct ferry_source *timer)
{
    unsigned slot = timer->slot;
    for (;;) {
        unsigned child = 2 * slot + 1;
        if (child >= loop->armed_count)
            break;
        if (child + 1 < loop->armed_count &&
            loop->heap[child + 1]->deadline_ns < loop->heap[child]->deadline_ns)
            child++;
        if (loop->heap[child]->deadline_ns >= timer->deadline_ns)
            break;
        heap_put(loop, slot, loop->heap[child]);
        slot = child;
    }
    heap_put(loop, slot, timer);
}

/* Out of the heap and of this turn's due ones. */
static void timer_disarm(struct ferry_source *timer)
{
    struct ferry_loop *loop = timer->loop;
    list_remove(&timer->due);
    if (timer->slot == TIMER_UNARMED)
        return;
    struct ferry_source *last = loop->heap[--loop->armed_count];
    if (last != timer) {
        heap_put(loop, timer->slot, last);
        heap_rise(loop, last);
        heap_sink(loop, last);
    }
    timer->slot = TIMER_UNARMED;
}

void ferry_source_set_deadline(struct ferry_source *source, int64_t deadline_ns)
{
    assert(source->kind == SOURCE_TIMER && !source->dead);
    struct ferry_loop *loop = source->loop;
    timer_disarm(source);
    source->deadline_ns = deadline_ns;
    if (deadline_ns == CLOCK_NEVER)
        return;
    source->slot = loop->armed_count++;
    heap_rise(loop, source);
}

int ferry_loop_timer(struct ferry_loop *loop, int64_t deadline_ns, ferry_timer_handler handler,
    void *data, struct ferry_source **ret_source)
{
    if (!array_reserve(
            &loop->heap, loop->timer_count, &loop->heap_capacity, sizeof(struct ferry_source *)))
        return -ENOMEM;
    struct ferry_source *source = source_new(loop, SOURCE_TIMER, data);
    if (!source)
        return -ENOMEM;
    source->handler.timer = handler;
    loop->timer_count++;
    source_enter(source);
    ferry_source_set_deadline(source, deadline_ns);
    *ret_source = source;
    return 0;
}

void timer_remove(struct ferry_source *source)
{
    timer_disarm(source);
    source->loop->timer_count--;
}

int64_t timers_next_ns(const struct ferry_loop *loop)
{
    return loop->armed_count > 0 ? loop->heap[0]->deadline_ns : CLOCK_NEVER;
}

void timers_take_due(struct ferry_loop *loop)
{
    while (timers_next_ns(loop) <= loop->now_ns) {
        struct ferry_source *timer = loop->heap[0];
        timer_disarm(timer);
        list_add_last(&loop->due, &timer->due);
    }
}

void timers_dispatch(struct ferry_loop *loop)
{
    while (!list_empty(&loop->due)) {
        struct ferry_source *timer = LIST_ENTRY(loop->due.next, struct ferry_source, due);
        list_remove(&timer->due);
        loop->served_count++;
        timer->handler.timer(timer, timer->data);
    }
}
