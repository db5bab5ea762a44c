/* tcp_info.c - the fields of struct tcp_info, by name, with their units.
 *
 * The structure has grown with many kernels and only at its end: so there is a table of places, as
 * in include/uapi/linux/tcp.h of Linux 6.12, and what a kernel did not fill has no field. The bit
 * fields (window scales, flags of the delivery rate) are left out, but for their bytes.
 */
#include "base/cleanup.h"

#include <ferry/endpoints.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned short offset, size;
    enum ferry_tcp_unit unit;
} fields[] = {
    { "state", 0, 1, FERRY_TCP_STATE },
    { "ca_state", 1, 1, FERRY_TCP_COUNT },
    { "retransmits", 2, 1, FERRY_TCP_COUNT },
    { "probes", 3, 1, FERRY_TCP_COUNT },
    { "backoff", 4, 1, FERRY_TCP_COUNT },
    { "options", 5, 1, FERRY_TCP_FLAGS },
    { "rto", 8, 4, FERRY_TCP_US },
    { "ato", 12, 4, FERRY_TCP_US },
    { "snd_mss", 16, 4, FERRY_TCP_BYTES },
    { "rcv_mss", 20, 4, FERRY_TCP_BYTES },
    { "unacked", 24, 4, FERRY_TCP_COUNT },
    { "sacked", 28, 4, FERRY_TCP_COUNT },
    { "lost", 32, 4, FERRY_TCP_COUNT },
    { "retrans", 36, 4, FERRY_TCP_COUNT },
    { "fackets", 40, 4, FERRY_TCP_COUNT },
    { "last_data_sent", 44, 4, FERRY_TCP_MS },
    { "last_ack_sent", 48, 4, FERRY_TCP_MS },
    { "last_data_recv", 52, 4, FERRY_TCP_MS },
    { "last_ack_recv", 56, 4, FERRY_TCP_MS },
    { "pmtu", 60, 4, FERRY_TCP_BYTES },
    { "rcv_ssthresh", 64, 4, FERRY_TCP_BYTES },
    { "rtt", 68, 4, FERRY_TCP_US },
    { "rttvar", 72, 4, FERRY_TCP_US },
    { "snd_ssthresh", 76, 4, FERRY_TCP_COUNT },
    { "snd_cwnd", 80, 4, FERRY_TCP_COUNT },
    { "advmss", 84, 4, FERRY_TCP_BYTES },
    { "reordering", 88, 4, FERRY_TCP_COUNT },
    { "rcv_rtt", 92, 4, FERRY_TCP_US },
    { "rcv_space", 96, 4, FERRY_TCP_BYTES },
    { "total_retrans", 100, 4, FERRY_TCP_COUNT },
    { "pacing_rate", 104, 8, FERRY_TCP_BYTES_S },
    { "max_pacing_rate", 112, 8, FERRY_TCP_BYTES_S },
    { "bytes_acked", 120, 8, FERRY_TCP_BYTES },
    { "bytes_received", 128, 8, FERRY_TCP_BYTES },
    { "segs_out", 136, 4, FERRY_TCP_COUNT },
    { "segs_in", 140, 4, FERRY_TCP_COUNT },
    { "notsent_bytes", 144, 4, FERRY_TCP_BYTES },
    { "min_rtt", 148, 4, FERRY_TCP_US },
    { "data_segs_in", 152, 4, FERRY_TCP_COUNT },
    { "data_segs_out", 156, 4, FERRY_TCP_COUNT },
    { "delivery_rate", 160, 8, FERRY_TCP_BYTES_S },
    { "busy_time", 168, 8, FERRY_TCP_US },
    { "rwnd_limited", 176, 8, FERRY_TCP_US },
    { "sndbuf_limited", 184, 8, FERRY_TCP_US },
    { "delivered", 192, 4, FERRY_TCP_COUNT },
    { "delivered_ce", 196, 4, FERRY_TCP_COUNT },
    { "bytes_sent", 200, 8, FERRY_TCP_BYTES },
    { "bytes_retrans", 208, 8, FERRY_TCP_BYTES },
    { "dsack_dups", 216, 4, FERRY_TCP_COUNT },
    { "reord_seen", 220, 4, FERRY_TCP_COUNT },
    { "rcv_ooopack", 224, 4, FERRY_TCP_COUNT },
    { "snd_wnd", 228, 4, FERRY_TCP_BYTES },
    { "rcv_wnd", 232, 4, FERRY_TCP_BYTES },
    { "rehash", 236, 4, FERRY_TCP_COUNT },
    { "total_rto", 240, 2, FERRY_TCP_COUNT },
    { "total_rto_recoveries", 242, 2, FERRY_TCP_COUNT },
    { "total_rto_time", 244, 4, FERRY_TCP_MS },
};

static uint64_t read_number(const unsigned char *bytes, size_t size)
{
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    switch (size) {
    case 1:
        return bytes[0];
    case 2:
        memcpy(&two, bytes, sizeof(two));
        return two;
    case 4:
        memcpy(&four, bytes, sizeof(four));
        return four;
    default:
        memcpy(&eight, bytes, sizeof(eight));
        return eight;
    }
}

int ferry_tcp_field(
    const void *tcp_info, size_t size, size_t index, struct ferry_tcp_field *ret_field)
{
    if (index >= COUNT_OF(fields) || (size_t)fields[index].offset + fields[index].size > size)
        return 0;
    *ret_field = (struct ferry_tcp_field){ fields[index].name, fields[index].unit,
        read_number((const unsigned char *)tcp_info + fields[index].offset, fields[index].size) };
    return 1;
}
