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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Thresholds, by what this machine has been measured to do; messages a second. */
struct pace_thresholds {
    double up;   /* from so many on the ring is tried */
    double down; /* below, it is left; less than `up` */
};

struct pace {
    struct pace_thresholds thresholds;
    uint32_t count;   /* messages of this window */
    uint32_t wakes;   /* that had to wake the receiver */
    uint32_t look_at; /* the count at which to look at the clock */
    uint64_t size;    /* bytes of them */
    int64_t start_ns; /* of this window; 0: none has begun */
    int64_t window_ns;
    int64_t retry_ns; /* the ring is not tried before */
    int64_t backoff_ns, entered_ns, encouraged_ns;
    double rate, mean_size;
};

enum pace_verdict { PACE_STAY, PACE_FAST, PACE_SLOW, PACE_SLEEPY };

void pace_init(struct pace *pace, const struct pace_thresholds *thresholds);
/* Counts a message. True: it is time for pace_judge(). */
static inline bool pace_count(struct pace *pace, size_t size)
{
    pace->size += size;
    return ++pace->count >= pace->look_at;
}
/* What this window says.
 *   in_ring  where messages have gone */
enum pace_verdict pace_judge(struct pace *pace, bool in_ring, int64_t now_ns);
/* The ring was entered. */
void pace_entered(struct pace *pace, int64_t now_ns);
/* The peer has entered it, so that it may pay now that both do: not more often than it is tried
 * anyway at best. */
void pace_encourage(struct pace *pace, int64_t now_ns);

#endif
