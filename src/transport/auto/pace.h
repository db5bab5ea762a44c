/* pace.h - how fast messages are sent, and which lane that calls for.
 *
 * A ring saves the system calls of a message, and the copy into the kernel; it saves nothing where
 * the receiver sleeps before each message, since waking it is a message on the socket. So there are
 * two questions: are there enough messages that it could pay to try, and, once it is tried, how
 * many found the receiver asleep. What did not pay is tried again later and later.
 *
 * Pure: the clock is handed in.
 */
#ifndef FERRY_TRANSPORT_AUTO_PACE_H
#define FERRY_TRANSPORT_AUTO_PACE_H

#include "wire/choice.h"

#include <stdbool.h>

struct pace {
    uint32_t count;    /* messages of this window */
    uint32_t wakes;    /* that had to wake the receiver */
    uint32_t slow;     /* windows, one after the other, too slow for the ring */
    uint32_t look_at;  /* the count at which to look at the clock */
    uint64_t size;     /* bytes of them */
    uint64_t received; /* messages, when it began */
    int64_t start_ns;  /* of this window; 0: none has begun */
    int64_t window_ns;
    int64_t retry_ns; /* the ring is not tried before */
    int64_t backoff_ns, entered_ns, encouraged_ns;
    double rate, receive_rate, mean_size; /* of the last window that was judged by; 0: none was */
};

enum pace_verdict {
    PACE_STAY,
    PACE_FAST,
    PACE_HOPEFUL, /* it may be fast in the ring, where answers come sooner */
    PACE_SLOW,
    PACE_SLEEPY,
};

void pace_init(struct pace *pace);
/* Counts messages, of so many bytes together. True: it is time for pace_judge(). */
static inline bool pace_count(struct pace *pace, size_t count, uint64_t size)
{
    pace->size += size;
    pace->count += (uint32_t)count;
    return pace->count >= pace->look_at;
}
/* Whether this window has lasted long enough to judge by, and if so what was measured.
 *   received  messages until now, of the channel */
bool pace_measure(struct pace *pace, uint64_t received, int64_t now_ns);
/* What that says; a new window begins.
 *   in_ring     where messages have gone
 *   thresholds  of this machine */
enum pace_verdict pace_judge(
    struct pace *pace, bool in_ring, const struct choice_thresholds *thresholds, int64_t now_ns);
/* The same when nothing is to be decided. */
void pace_pass(struct pace *pace, int64_t now_ns);
/* The ring was entered. */
void pace_entered(struct pace *pace, int64_t now_ns);
/* The peer has entered it, so that it may pay now that both do: not more often than it is tried
 * anyway at best. */
void pace_encourage(struct pace *pace, int64_t now_ns);

#endif
