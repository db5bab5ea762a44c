/* date.h - points of CLOCK_REALTIME, in nanoseconds, and how they are written. */
#ifndef FERRY_BASE_DATE_H
#define FERRY_BASE_DATE_H

#include <stdint.h>

/* Bytes of either text with its NUL, whatever the year. */
#define DATE_SIZE 48

int64_t date_now_ns(void);
/* "14:05:09", local; "" of a point that no calendar has. Both return `text`. */
const char *date_time(int64_t time_ns, char text[DATE_SIZE]);
/* "2026-11-29T13:05:09.000000000Z", RFC 3339. */
const char *date_utc(int64_t time_ns, char text[DATE_SIZE]);

#endif
