/* date.c - points of CLOCK_REALTIME, and how they are written. */
#include "base/date.h"
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

int64_t date_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

const char *date_time(int64_t time_ns, char text[DATE_SIZE])
{
    time_t seconds = time_ns / NS_PER_S;
    struct tm local;

    text[0] = '\0';
    if (localtime_r(&seconds, &local))
        strftime(text, DATE_SIZE, "%H:%M:%S", &local);
    return text;
}

const char *date_utc(int64_t time_ns, char text[DATE_SIZE])
{
    time_t seconds = time_ns / NS_PER_S;
    struct tm universal;

    text[0] = '\0';
    if (gmtime_r(&seconds, &universal)) {
        size_t length = strftime(text, DATE_SIZE, "%Y-%m-%dT%H:%M:%S", &universal);
        snprintf(text + length, DATE_SIZE - length, ".%09dZ", (int)(time_ns % NS_PER_S));
    }
    return text;
}
