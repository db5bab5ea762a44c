/* slices.c - counting slices, against the clock. */
#include "command/bench/slices.h"
#include "base/clock.h"
#include "command/progress.h"

#include <inttypes.h>
#include <stdio.h>

void slices_begin(struct slices *slices, size_t all, int64_t estimate_ms, int64_t limit_ms)
{
    int64_t now_ns = clock_now_ns();

    *slices = (struct slices){ .all = all,
        .left_ms = estimate_ms,
        .started_ns = now_ns,
        .end_ns = clock_after(now_ns, limit_ms * NS_PER_MS) };
    if (progress_is_seen())
        fprintf(stderr, "%zu slices, about %" PRId64 " s, at most %" PRId64 " s\n", all,
            (estimate_ms + 999) / 1000, (limit_ms + 999) / 1000);
}

void slices_part(struct slices *slices, size_t count, int64_t estimate_ms)
{
    int64_t now_ns = clock_now_ns();
    double left_ns = slices->end_ns > now_ns ? (double)(slices->end_ns - now_ns) : 0;
    double share =
        estimate_ms < slices->left_ms ? (double)estimate_ms / (double)slices->left_ms : 1;

    slices->left_ms -= estimate_ms;
    slices->done = slices->part_start = slices->part_end;
    slices->part_end += count;
    slices->part_end_ns = clock_after(now_ns, (int64_t)(left_ns * share));
}

/* By what the others have taken, once there are some. */
static int64_t left_s(const struct slices *slices, int64_t now_ns)
{
    double taken_s = (double)(now_ns - slices->started_ns) / (double)NS_PER_S;
    double each_s = slices->done ? taken_s / (double)slices->done : 0;
    return (int64_t)(each_s * (double)(slices->all - slices->done) + 0.5);
}

bool slices_step(struct slices *slices, const char *what)
{
    int64_t now_ns = clock_now_ns();
    char text[128];

    if (slices->done > slices->part_start && now_ns >= slices->part_end_ns) {
        slices->is_cut = true;
        return false;
    }
    snprintf(text, sizeof(text), "%zu/%zu, %" PRId64 " s left: %s", slices->done, slices->all,
        left_s(slices, now_ns), what);
    progress_draw((double)slices->done / (double)slices->all, text);
    slices->done++;
    return true;
}

void slices_end(void)
{
    progress_end();
}
