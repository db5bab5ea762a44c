/* schedule.c - at most so many messages a second.
 *
 * Each has its time, so many nanoseconds after the one before, whenever that went: who is woken a
 * little late sends two at once, and the rate is kept. Who was held up for longer begins anew.
 */
#include "command/replay/schedule.h"
#include "base/clock.h"
#include "command/limits.h"

void schedule_init(struct schedule *schedule, uint64_t rate, int64_t now_ns)
{
    *schedule = (struct schedule){ .interval_ns = rate ? (double)NS_PER_S / (double)rate : 0,
        .due_ns = (double)now_ns };
}

size_t schedule_allows(struct schedule *schedule, int64_t now_ns, size_t most)
{
    double now = (double)now_ns;

    if (schedule->interval_ns <= 0)
        return most;
    if (now < schedule->due_ns)
        return 0;
    if (schedule->due_ns < now - REPLAY_LATE_NS)
        schedule->due_ns = now - REPLAY_LATE_NS;
    double count = (now - schedule->due_ns) / schedule->interval_ns + 1;
    return count < (double)most ? (size_t)count : most;
}

void schedule_take(struct schedule *schedule, size_t count)
{
    schedule->due_ns += schedule->interval_ns * (double)count;
}

int64_t schedule_due_ns(const struct schedule *schedule)
{
    return (int64_t)schedule->due_ns + 1;
}
