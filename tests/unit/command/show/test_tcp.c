/* test_tcp.c - figures of TCP_INFO for people. */
#include "base/cleanup.h"
#include "command/show/tcp.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>

static void expect(const char *name, enum ferry_tcp_unit unit, uint64_t value, const char *people)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    tcp_print_value(&(struct ferry_tcp_field){ name, unit, value }, &text);
    ck_assert_str_eq(text.data, people);
}

START_TEST(test_units)
{
    expect("rtt", FERRY_TCP_US, 52, "52 us");
    expect("rtt", FERRY_TCP_US, 999, "999 us");
    expect("rtt", FERRY_TCP_US, 1250, "1.25 ms");
    expect("rto", FERRY_TCP_US, 204000, "204 ms");
    expect("busy_time", FERRY_TCP_US, 3400000, "3.4 s");
    expect("last_data_sent", FERRY_TCP_MS, 0, "0 ms");
    expect("last_data_sent", FERRY_TCP_MS, 15900, "15.9 s");
    expect("snd_mss", FERRY_TCP_BYTES, 1448, "1448 bytes");
    expect("lost", FERRY_TCP_COUNT, 3, "3");
    expect("state", FERRY_TCP_STATE, FERRY_STATE_CLOSE_WAIT, "CLOSE-WAIT");
}
END_TEST

START_TEST(test_rates)
{
    expect("delivery_rate", FERRY_TCP_BYTES_S, 0, "0 B/s");
    expect("delivery_rate", FERRY_TCP_BYTES_S, 870, "870 B/s");
    expect("delivery_rate", FERRY_TCP_BYTES_S, 12500000, "12.5 MB/s");
    expect("delivery_rate", FERRY_TCP_BYTES_S, 999960, "1.0 MB/s");
    expect("delivery_rate", FERRY_TCP_BYTES_S, 8832000000000, "8832.0 GB/s");
}
END_TEST

START_TEST(test_what_stands_for_none_and_no_limit)
{
    expect("max_pacing_rate", FERRY_TCP_BYTES_S, UINT64_MAX, "unlimited");
    expect("pacing_rate", FERRY_TCP_BYTES_S, UINT64_MAX, "unlimited");
    expect("snd_ssthresh", FERRY_TCP_COUNT, 0x7fffffff, "infinite");
    expect("snd_ssthresh", FERRY_TCP_COUNT, 20, "20");
    expect("min_rtt", FERRY_TCP_US, UINT32_MAX, "none");
    expect("min_rtt", FERRY_TCP_US, 4, "4 us");
}
END_TEST

START_TEST(test_flags)
{
    expect("options", FERRY_TCP_FLAGS, 0, "none");
    expect("options", FERRY_TCP_FLAGS, 7, "timestamps+sack+wscale");
    expect("options", FERRY_TCP_FLAGS, 0x81, "timestamps+0x80");
    expect("ca_state", FERRY_TCP_COUNT, 3, "recovery");
    expect("ca_state", FERRY_TCP_COUNT, 9, "9");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/show/tcp");
    TCase *all = tcase_create("all");
    tcase_add_test(all, test_units);
    tcase_add_test(all, test_rates);
    tcase_add_test(all, test_what_stands_for_none_and_no_limit);
    tcase_add_test(all, test_flags);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
