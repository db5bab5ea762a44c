/* pace.c - how fast messages are sent, and which lane that calls for. */
#include "transport/auto/pace.h"
#include "transport/limits.h"

#include <string.h>

static void window_begin(struct pace *pace, int64_t window_ns, int64_t now_ns)
{
    pace->start_ns = now_ns;
    pace->window_ns = window_ns;
    pace->count = pace->wakes = 0;
    pace->size = 0;
    pace->look_at = PACE_LOOK_FIRST;
}

void pace_init(struct pace *pace)
{
    *pace = (struct pace){ .look_at = PACE_LOOK_FIRST, .backoff_ns = PACE_BACKOFF_NS };
}

void pace_pass(struct pace *pace, int64_t now_ns)
{
    window_begin(pace, PACE_WINDOW_NS, now_ns);
}

bool pace_measure(struct pace *pace, uint64_t received, int64_t now_ns)
{
    int64_t span_ns = now_ns - pace->start_ns;

    if (pace->start_ns == 0) {
        pace_pass(pace, now_ns);
        pace->received = received;
        return false;
    }
    /* A window is a time, so that a burst is no rate; while it lasts the clock is looked at less
     * and less often. */
    if (span_ns < pace->window_ns) {
        pace->look_at += pace->count < PACE_LOOK_STEP_MAX ? pace->count : PACE_LOOK_STEP_MAX;
        return false;
    }
    pace->rate = (double)pace->count * 1e9 / (double)span_ns;
    pace->receive_rate = (double)(received - pace->received) * 1e9 / (double)span_ns;
    pace->mean_size = (double)pace->size / (double)pace->count;
    pace->received = received;
    return true;
}

/* In the ring it did not pay: later, if at all. A stay that lasted was worth it. */
static void pace_back_off(struct pace *pace, int64_t now_ns)
{
    if (now_ns - pace->entered_ns >= PACE_WORTH_NS)
        pace->backoff_ns = PACE_BACKOFF_NS;
    pace->retry_ns = now_ns + pace->backoff_ns;
    pace->backoff_ns *= 2;
    if (pace->backoff_ns > PACE_BACKOFF_NS_MAX)
        pace->backoff_ns = PACE_BACKOFF_NS_MAX;
}

/* With so many times as many messages as were measured. */
static bool is_for_ring(
    const struct pace *pace, bool in_ring, const struct choice_thresholds *thresholds, double times)
{
    return choice_is_for_ring(thresholds, in_ring, (size_t)pace->mean_size,
        (uint32_t)(pace->rate * times), (uint32_t)(pace->receive_rate * times));
}

/* Whoever waits for each answer before it asks again asks as often as the socket lets it, and in
 * the ring much oftener: what it does is no measure of what it would. */
static bool is_hopeful(const struct pace *pace, const struct choice_thresholds *thresholds)
{
    bool answered = pace->receive_rate * 2 >= pace->rate && pace->receive_rate <= pace->rate * 2;
    return answered && is_for_ring(pace, false, thresholds, PACE_ANSWERED_HOPE);
}

enum pace_verdict pace_judge(
    struct pace *pace, bool in_ring, const struct choice_thresholds *thresholds, int64_t now_ns)
{
    bool for_ring = is_for_ring(pace, in_ring, thresholds, 1);
    bool sleepy = (double)pace->wakes > PACE_SLEEPY_SHARE * (double)pace->count;
    enum pace_verdict verdict = PACE_STAY;

    pace->slow = for_ring ? 0 : pace->slow + 1;
    /* One alone may be a pause of the processor's. */
    if (in_ring && (sleepy || pace->slow >= PACE_SLOW_WINDOWS)) {
        pace_back_off(pace, now_ns);
        verdict = sleepy ? PACE_SLEEPY : PACE_SLOW;
    } else if (!in_ring && now_ns >= pace->retry_ns) {
        if (for_ring)
            verdict = PACE_FAST;
        else if (is_hopeful(pace, thresholds))
            verdict = PACE_HOPEFUL;
    }
    pace_pass(pace, now_ns);
    return verdict;
}

void pace_entered(struct pace *pace, int64_t now_ns)
{
    pace->entered_ns = now_ns;
    pace->slow = 0;
    window_begin(pace, PACE_TRIAL_NS, now_ns);
}

void pace_encourage(struct pace *pace, int64_t now_ns)
{
    if (now_ns - pace->encouraged_ns < PACE_BACKOFF_NS)
        return;
    pace->encouraged_ns = now_ns;
    pace->retry_ns = now_ns;
}
