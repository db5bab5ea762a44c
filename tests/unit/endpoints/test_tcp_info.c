/* test_tcp_info.c - the table of TCP_INFO against the kernel's own header, and short structures. */
#include "suite.h"

#include <check.h>
#include <ferry/endpoints.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>

/* The field of that name; false: this size has none. */
static bool find(const void *info, size_t size, const char *name, struct ferry_tcp_field *ret_field)
{
    for (size_t i = 0; ferry_tcp_field(info, size, i, ret_field); i++)
        if (strcmp(ret_field->name, name) == 0)
            return true;
    return false;
}

#define FIELD(member)                                                                              \
    {                                                                                              \
#member, offsetof(struct tcp_info, tcpi_##member),                                         \
            sizeof(((struct tcp_info *)0)->tcpi_##member)                                          \
    }

static const struct {
    const char *name;
    size_t offset, size;
} known[] = { FIELD(state), FIELD(ca_state), FIELD(retransmits), FIELD(probes), FIELD(backoff),
    FIELD(options), FIELD(rto), FIELD(ato), FIELD(snd_mss), FIELD(rcv_mss), FIELD(unacked),
    FIELD(sacked), FIELD(lost), FIELD(retrans), FIELD(fackets), FIELD(last_data_sent),
    FIELD(last_ack_sent), FIELD(last_data_recv), FIELD(last_ack_recv), FIELD(pmtu),
    FIELD(rcv_ssthresh), FIELD(rtt), FIELD(rttvar), FIELD(snd_ssthresh), FIELD(snd_cwnd),
    FIELD(advmss), FIELD(reordering), FIELD(rcv_rtt), FIELD(rcv_space), FIELD(total_retrans),
    FIELD(pacing_rate), FIELD(max_pacing_rate), FIELD(bytes_acked), FIELD(bytes_received),
    FIELD(segs_out), FIELD(segs_in), FIELD(notsent_bytes), FIELD(min_rtt), FIELD(data_segs_in),
    FIELD(data_segs_out), FIELD(delivery_rate), FIELD(busy_time), FIELD(rwnd_limited),
    FIELD(sndbuf_limited), FIELD(delivered), FIELD(delivered_ce), FIELD(bytes_sent),
    FIELD(bytes_retrans), FIELD(dsack_dups), FIELD(reord_seen), FIELD(rcv_ooopack),
    FIELD(snd_wnd) };

#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))

/* Each byte of its place, and no other, makes the field's value. */
START_TEST(each_field_is_where_the_kernel_has_it)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        unsigned char info[512] = { 0 };
        struct ferry_tcp_field field;
        memset(info + known[i].offset, 0xff, known[i].size);
        ck_assert_msg(find(info, sizeof(info), known[i].name, &field), "%s", known[i].name);
        uint64_t all = known[i].size == 8 ? UINT64_MAX : (UINT64_C(1) << known[i].size * 8) - 1;
        ck_assert_msg(field.value == all, "%s", known[i].name);
        memset(info, 0xff, sizeof(info));
        memset(info + known[i].offset, 0, known[i].size);
        ck_assert(find(info, sizeof(info), known[i].name, &field));
        ck_assert_msg(field.value == 0, "%s", known[i].name);
    }
}
END_TEST

/* The header may be older than the table, never the other way round. */
START_TEST(no_field_of_the_header_is_missing_in_the_table)
{
    unsigned char info[512] = { 0 };
    struct ferry_tcp_field field;
    size_t count = 0;

    while (ferry_tcp_field(info, sizeof(info), count, &field))
        count++;
    ck_assert_uint_ge(count, KNOWN_COUNT);
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        ck_assert(ferry_tcp_field(info, sizeof(info), i, &field));
        ck_assert_str_eq(field.name, known[i].name);
    }
}
END_TEST

/* Whatever a kernel filled, the fields are those that lie in it whole, and none reaches beyond: it
 * stands at the end of its memory, which a sanitizer watches. */
START_TEST(a_short_structure_has_the_fields_that_fit)
{
    for (size_t size = 0; size <= sizeof(struct tcp_info); size++) {
        unsigned char *info = calloc(1, size ? size : 1);
        struct ferry_tcp_field field;
        size_t count = 0, fits = 0;
        while (ferry_tcp_field(info, size, count, &field))
            count++;
        while (fits < KNOWN_COUNT && known[fits].offset + known[fits].size <= size)
            fits++;
        ck_assert_msg(fits == KNOWN_COUNT ? count >= fits : count == fits, "%zu bytes", size);
        ck_assert_int_eq(ferry_tcp_field(info, size, SIZE_MAX, &field), 0);
        free(info);
    }
}
END_TEST

START_TEST(units)
{
    static const struct {
        const char *name;
        enum ferry_tcp_unit unit;
    } some[] = { { "state", FERRY_TCP_STATE }, { "options", FERRY_TCP_FLAGS },
        { "rtt", FERRY_TCP_US }, { "last_data_sent", FERRY_TCP_MS },
        { "total_retrans", FERRY_TCP_COUNT }, { "bytes_acked", FERRY_TCP_BYTES },
        { "delivery_rate", FERRY_TCP_BYTES_S }, { "busy_time", FERRY_TCP_US } };
    unsigned char info[512] = { 0 };
    struct ferry_tcp_field field;

    for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
        ck_assert(find(info, sizeof(info), some[i].name, &field));
        ck_assert_int_eq(field.unit, some[i].unit);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoints/tcp_info");
    TCase *tests = tcase_create("tcp_info");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, each_field_is_where_the_kernel_has_it);
    tcase_add_test(tests, no_field_of_the_header_is_missing_in_the_table);
    tcase_add_test(tests, a_short_structure_has_the_fields_that_fit);
    tcase_add_test(tests, units);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
