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

#endif
