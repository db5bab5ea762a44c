/* tcp.h - figures of TCP_INFO for people. */
#ifndef FERRY_COMMAND_SHOW_TCP_H
#define FERRY_COMMAND_SHOW_TCP_H

#include "base/bytes.h"

#include <ferry/endpoints.h>

/* Appends a value with its unit: "52 us", "1.25 ms", "12.5 MB/s", "1448 bytes", "ESTAB",
 * "timestamps sack", "unlimited". */
void tcp_print_value(const struct ferry_tcp_field *field, struct bytes *text);
/* Appends a rate in bytes a second: "870 B/s", "12.5 MB/s" (powers of 1000, as networks count). */
void print_rate(double bytes_s, struct bytes *text);
/* Appends a span: "52 us", "1.25 ms", "3.4 s". */
void print_span_us(uint64_t us, struct bytes *text);
/* The value of that name; false: this kernel does not tell it. */
bool tcp_find(const struct ferry_inet *inet, const char *name, uint64_t *ret_value);
/* "retransmission", "keepalive", "time-wait", "window-probe"; NULL: none. */
const char *tcp_timer_name(unsigned timer);

#endif
