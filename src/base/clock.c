/* clock.c - time points and spans. */
#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <ferry/channel.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_after(int64_t from_ns, int64_t span_ns)
{
    int64_t point;
    if (from_ns == CLOCK_NEVER || __builtin_add_overflow(from_ns, span_ns, &point))
        return CLOCK_NEVER;
    return point;
}

int64_t ferry_deadline(int64_t timeout_ms)
{
    int64_t span_ns;
    if (timeout_ms < 0 || __builtin_mul_overflow(timeout_ms, NS_PER_MS, &span_ns))
        return CLOCK_NEVER;
    return clock_after(clock_now_ns(), span_ns);
}

int clock_poll_ms(int64_t deadline_ns, int64_t now_ns)
{
    if (deadline_ns == CLOCK_NEVER)
        return -1;
    if (deadline_ns <= now_ns)
        return 0;
    int64_t span_ms = (deadline_ns - now_ns - 1) / NS_PER_MS + 1;
    return span_ms > INT_MAX ? INT_MAX : (int)span_ms;
}

void clock_pause_ms(int64_t span_ms)
{
    struct timespec left = { span_ms / 1000, span_ms % 1000 * NS_PER_MS };

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

int64_t clock_parse_ms(const char *text)
{
    static const struct {
        const char *suffix;
        int64_t ms;
    } units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
        { "d", 86400000 } };

    char *end;
    errno = 0;
    long long number = isdigit((unsigned char)*text) ? strtoll(text, &end, 10) : -1;
    if (number < 0 || errno)
        return -EINVAL;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        int64_t span_ms;
        if (strcmp(end, units[i].suffix) != 0)
            continue;
        return __builtin_mul_overflow(number, units[i].ms, &span_ms) ? -EINVAL : span_ms;
    }
    return -EINVAL;
}
