/* tcp.c - figures of TCP_INFO for people. What the kernel writes for "none" and "no limit" is said
 * so, since 18446744073709.6 MB/s is no rate. */
#include "command/show/tcp.h"
#include "base/cleanup.h"

#include <inttypes.h>
#include <linux/tcp.h>
#include <string.h>

#ifndef TCPI_OPT_USEC_TS
#define TCPI_OPT_USEC_TS 64
#endif

/* tcp_infinite_ssthresh and the empty minimum of include/linux/win_minmax.h */
#define SSTHRESH_INFINITE 0x7fffffffu
#define MIN_RTT_NONE      UINT32_MAX

void print_span_us(uint64_t us, struct bytes *text)
{
    if (us < 1000)
        bytes_print(text, "%" PRIu64 " us", us);
    else if (us < 1000000)
        bytes_print(text, "%.4g ms", (double)us / 1e3);
    else
        bytes_print(text, "%.6g s", (double)us / 1e6);
}

void print_rate(double bytes_s, struct bytes *text)
{
    static const char *const units[] = { "B/s", "kB/s", "MB/s", "GB/s" };
    size_t unit = 0;

    while (bytes_s >= 999.95 && unit + 1 < COUNT_OF(units)) {
        bytes_s /= 1000;
        unit++;
    }
    bytes_print(text, unit ? "%.1f %s" : "%.0f %s", bytes_s, units[unit]);
}

static void print_flags(uint64_t flags, struct bytes *text)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = { { TCPI_OPT_TIMESTAMPS, "timestamps" }, { TCPI_OPT_SACK, "sack" },
        { TCPI_OPT_WSCALE, "wscale" }, { TCPI_OPT_ECN, "ecn" }, { TCPI_OPT_ECN_SEEN, "ecn-seen" },
        { TCPI_OPT_SYN_DATA, "syn-data" }, { TCPI_OPT_USEC_TS, "usec-ts" } };
    const char *blank = "";

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!(flags & names[i].flag))
            continue;
        bytes_print(text, "%s%s", blank, names[i].name);
        flags &= ~(uint64_t)names[i].flag;
        blank = "+";
    }
    if (flags)
        bytes_print(text, "%s0x%" PRIx64, blank, flags);
    else if (!*blank)
        bytes_append_text(text, "none");
}

/* What has a word of its own; false: it is a figure. */
static bool print_word(const struct ferry_tcp_field *field, struct bytes *text)
{
    static const char *const states[] = { "open", "disorder", "cwr", "recovery", "loss" };
    const char *word = NULL;

    if (strcmp(field->name, "ca_state") == 0 && field->value < COUNT_OF(states))
        word = states[field->value];
    else if (strcmp(field->name, "snd_ssthresh") == 0 && field->value >= SSTHRESH_INFINITE)
        word = "infinite";
    else if (strcmp(field->name, "min_rtt") == 0 && field->value == MIN_RTT_NONE)
        word = "none";
    else if (field->unit == FERRY_TCP_BYTES_S &&
             (field->value == UINT64_MAX || field->value == UINT32_MAX))
        word = "unlimited";
    if (word)
        bytes_append_text(text, word);
    return word;
}

void tcp_print_value(const struct ferry_tcp_field *field, struct bytes *text)
{
    if (print_word(field, text))
        return;
    switch (field->unit) {
    case FERRY_TCP_COUNT:
        bytes_print(text, "%" PRIu64, field->value);
        break;
    case FERRY_TCP_BYTES:
        bytes_print(text, "%" PRIu64 " bytes", field->value);
        break;
    case FERRY_TCP_US:
        print_span_us(field->value, text);
        break;
    case FERRY_TCP_MS:
        if (field->value < 1000)
            bytes_print(text, "%" PRIu64 " ms", field->value);
        else
            print_span_us(field->value * 1000, text);
        break;
    case FERRY_TCP_BYTES_S:
        print_rate((double)field->value, text);
        break;
    case FERRY_TCP_FLAGS:
        print_flags(field->value, text);
        break;
    case FERRY_TCP_STATE:
        bytes_append_text(text, ferry_endpoint_state_name((enum ferry_endpoint_state)field->value));
        break;
    }
}
