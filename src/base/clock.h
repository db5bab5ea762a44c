/* clock.h - time points and spans: CLOCK_MONOTONIC in nanoseconds, INT64_MAX = never. */
#ifndef FERRY_BASE_CLOCK_H
#define FERRY_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NEVER INT64_MAX
#define NS_PER_MS   INT64_C(1000000)
#define NS_PER_S    INT64_C(1000000000)

int64_t clock_now_ns(void);
/* The point `span_ns` after `from_ns`; CLOCK_NEVER when either is never or the sum overflows. */
int64_t clock_after(int64_t from_ns, int64_t span_ns);
/* Milliseconds until the deadline for poll(2): rounded up, 0 when past, -1 when never, at most
 * INT_MAX. */
int clock_poll_ms(int64_t deadline_ns, int64_t now_ns);
/* Sleeps so long, whatever signals are handled meanwhile. */
void clock_pause_ms(int64_t span_ms);
/* Parses "250ms", "30s", "5m", "2h", "1d", "30" (seconds), "0"; returns milliseconds or -EINVAL. */
int64_t clock_parse_ms(const char *text);

#endif
