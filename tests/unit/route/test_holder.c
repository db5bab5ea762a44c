/* test_holder.c - limits per uid: what counts as one holder, and when one has enough. */
#include "base/clock.h"
#include "route/holder.h"
#include "route/limits.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct holders *all, *route;
static char why[128];

static void setup(void)
{
    all = route = NULL;
}

static void teardown(void)
{
    holders_free(route);
    holders_free(all);
}

static void make(struct holders **ret_holders, const char *text)
{
    struct holder_limits limits;
    struct ferry_error error;
    ck_assert_int_eq(holder_limits_parse(text, &limits, &error), 0);
    ck_assert_int_eq(holders_new(&limits, ret_holders), 0);
}

static struct ferry_identity *somebody(uid_t uid)
{
    struct ferry_identity *identity;
    ck_assert_int_eq(ferry_identity_new(&identity), 0);
    ck_assert_int_eq(ferry_identity_set_number(identity, FERRY_FACT_UID, uid, FERRY_AT_CONNECT), 0);
    return identity;
}

static struct ferry_identity *somewhere(const unsigned char host[16])
{
    struct ferry_identity *identity;
    ck_assert_int_eq(ferry_identity_new(&identity), 0);
    ferry_identity_set_host(identity, host, FERRY_AT_CONNECT);
    return identity;
}

/* Takes `identity` and lets it go. */
static int take(struct ferry_identity *identity, int64_t now_ns, struct holding *ret_holding)
{
    int r = holding_take(all, route, identity, now_ns, false, ret_holding, why, sizeof(why));
    ferry_identity_free(identity);
    return r;
}

START_TEST(test_limits_are_read_and_printed)
{
    static const char *const bad[] = { "", "connections", "connections=", "connections=0",
        "connections=-1", "connections=1x", "conn=1", "=1", "rate=1/m", "rate=1000001", "bytes=1T",
        "bytes=", "connections=1 connections=2" };
    struct holder_limits limits;
    struct ferry_error error;
    ck_assert_int_eq(
        holder_limits_parse(" bytes=1M, rate=5/s connections=10 ", &limits, &error), 0);
    ck_assert_uint_eq(limits.connections, 10);
    ck_assert_uint_eq(limits.rate, 5);
    ck_assert_uint_eq(limits.bytes, 1 << 20);
    ck_assert_uint_eq(limits.descriptors, 0);
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    holder_limits_print(&limits, &text);
    ck_assert_str_eq(text.data, "connections=10 rate=5 bytes=1048576");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_int_eq(holder_limits_parse(bad[i], &limits, &error), -EINVAL);
    ck_assert_int_eq(holder_limits_parse("bytes=0", &limits, &error), -EINVAL);
    ck_assert_str_eq(error.reason, "expected a size from 1, as 64k or 1M");
    ck_assert_int_eq(holder_limits_parse("rate=0/s", &limits, &error), -EINVAL);
    ck_assert_str_eq(error.reason, "expected a number from 1 to 1000000");
}
END_TEST

START_TEST(test_one_s_connections_are_not_another_s)
{
    struct holding one[2], other;
    make(&route, "connections=2");
    ck_assert_int_eq(take(somebody(1000), 0, &one[0]), 0);
    ck_assert_int_eq(take(somebody(1000), 0, &one[1]), 0);
    ck_assert_int_eq(take(somebody(1000), 0, &other), -EDQUOT);
    ck_assert_str_eq(why, "uid 1000 has 2 connections already (per-uid connections=2)");
    ck_assert_int_eq(take(somebody(1001), 0, &other), 0);
    holding_give(&other);
    holding_give(&one[0]);
    ck_assert_int_eq(take(somebody(1000), 0, &one[0]), 0);
    holding_give(&one[0]);
    holding_give(&one[1]);
}
END_TEST

START_TEST(test_a_rate_allows_a_burst_and_then_one_by_one)
{
    struct holding holding;
    make(&route, "rate=4/s");
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(take(somebody(1000), 0, &holding), 0);
        holding_give(&holding);
    }
    ck_assert_int_eq(take(somebody(1000), 0, &holding), -EDQUOT);
    ck_assert_int_eq(take(somebody(1000), NS_PER_S / 4 - 1, &holding), -EDQUOT);
    ck_assert_int_eq(take(somebody(1000), NS_PER_S / 4, &holding), 0);
    holding_give(&holding);
    ck_assert_int_eq(take(somebody(1000), NS_PER_S / 4, &holding), -EDQUOT);
    ck_assert_int_eq(take(somebody(1001), NS_PER_S / 4, &holding), 0);
    holding_give(&holding);
}
END_TEST

START_TEST(test_what_goes_on_after_a_restart_is_not_new)
{
    struct holding holdings[3], none;
    struct ferry_identity *identity = somebody(1000);
    make(&route, "rate=1/s connections=2");
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            holding_take(all, route, identity, 0, true, &holdings[i], why, sizeof(why)), 0);
    ck_assert_int_eq(holding_take(all, route, identity, 0, true, &none, why, sizeof(why)), -EDQUOT);
    holding_give(&holdings[0]);
    ck_assert_int_eq(take(somebody(1000), 0, &holdings[2]), 0);
    holding_give(&holdings[1]);
    ck_assert_int_eq(take(somebody(1000), 0, &none), -EDQUOT);
    holding_give(&holdings[2]);
    ferry_identity_free(identity);
}
END_TEST

/* IPv4 hosts one by one, IPv6 ones by the network that a machine has for itself. */
START_TEST(test_hosts)
{
    unsigned char four[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1 };
    unsigned char six[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
    struct holding holdings[4], none;
    make(&route, "connections=1");
    ck_assert_int_eq(take(somewhere(four), 0, &holdings[0]), 0);
    ck_assert_int_eq(take(somewhere(four), 0, &none), -EDQUOT);
    ck_assert_str_eq(why, "host 10.0.0.1 has 1 connections already (per-uid connections=1)");
    four[15] = 2;
    ck_assert_int_eq(take(somewhere(four), 0, &holdings[1]), 0);
    ck_assert_int_eq(take(somewhere(six), 0, &holdings[2]), 0);
    six[15] = 2;
    ck_assert_int_eq(take(somewhere(six), 0, &none), -EDQUOT);
    ck_assert_str_eq(why, "host 2001:db8::/64 has 1 connections already (per-uid connections=1)");
    six[7] = 2;
    ck_assert_int_eq(take(somewhere(six), 0, &holdings[3]), 0);
    for (int i = 0; i < 4; i++)
        holding_give(&holdings[i]);
}
END_TEST

/* Every local user may connect from any of the 16 million addresses that lead to this machine. */
START_TEST(test_this_machine_is_one_host)
{
    unsigned char here[16] = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 };
    struct holding holding, none;
    make(&route, "connections=1");
    ck_assert_int_eq(take(somewhere(here), 0, &holding), 0);
    here[14] = 9;
    ck_assert_int_eq(take(somewhere(here), 0, &none), -EDQUOT);
    ck_assert_str_eq(why, "host 127.0.0.0/8 has 1 connections already (per-uid connections=1)");
    holding_give(&holding);
}
END_TEST

START_TEST(test_who_is_unknown_is_one_holder)
{
    struct holding holding, none;
    make(&route, "connections=1");
    ck_assert_int_eq(take(NULL, 0, &holding), 0);
    ck_assert_int_eq(take(NULL, 0, &none), -EDQUOT);
    holding_give(&holding);
}
END_TEST

/* A refusal by either table charges neither. */
START_TEST(test_all_routes_together)
{
    struct holding here, there, none;
    struct holders *other;
    make(&all, "connections=2 bytes=1M");
    make(&route, "connections=1 bytes=64k");
    make(&other, "connections=1");
    ck_assert_int_eq(take(somebody(1000), 0, &here), 0);
    ck_assert_ptr_nonnull(holding_get_quota(&here));
    ck_assert_int_eq(take(somebody(1000), 0, &none), -EDQUOT);
    struct ferry_identity *identity = somebody(1000);
    ck_assert_int_eq(holding_take(all, other, identity, 0, false, &there, why, sizeof(why)), 0);
    ck_assert_ptr_ne(holding_get_quota(&there), holding_get_quota(&here));
    ck_assert_ptr_nonnull(holding_get_quota(&there));
    ck_assert_int_eq(holding_take(all, NULL, identity, 0, false, &none, why, sizeof(why)), -EDQUOT);
    holding_give(&here);
    ck_assert_int_eq(holding_take(all, NULL, identity, 0, false, &here, why, sizeof(why)), 0);
    holding_give(&here);
    holding_give(&there);
    ferry_identity_free(identity);
    holders_free(other);
}
END_TEST

static void count_holder(const struct holder_facts *facts, void *data)
{
    (void)facts;
    ++*(unsigned *)data;
}

/* What a flood of different peers leaves behind is forgotten, a few with each that comes. */
START_TEST(test_a_limit_that_comes_later_holds_for_who_was_there)
{
    struct holding before, after;
    const struct holder_limits limits = { .connections = 2, .bytes = 1000 };
    make(&route, "connections=2");
    ck_assert_int_eq(take(somebody(1000), 0, &before), 0);
    ck_assert_ptr_null(holding_get_quota(&before));
    holders_set_limits(route, &limits);
    ck_assert_int_eq(take(somebody(1000), 0, &after), 0);
    ck_assert_ptr_nonnull(holding_get_quota(&after));
    holding_give(&before);
    holding_give(&after);
}
END_TEST

START_TEST(test_a_flood_is_forgotten)
{
    struct holding holding;
    unsigned count = 0;
    make(&route, "rate=1/s");
    for (unsigned uid = 0; uid < HOLDERS_MAX; uid++) {
        ck_assert_int_eq(take(somebody(uid), 0, &holding), 0);
        holding_give(&holding);
    }
    ck_assert_int_eq(take(somebody(HOLDERS_MAX), 0, &holding), -EDQUOT);
    ck_assert_int_eq(take(somebody(HOLDERS_MAX), NS_PER_S, &holding), 0);
    holders_each(route, count_holder, &count);
    ck_assert_uint_eq(count, 1);
    holding_give(&holding);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route/holder");
    TCase *cases = tcase_create("holder");
    tcase_set_timeout(cases, 30);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_limits_are_read_and_printed);
    tcase_add_test(cases, test_one_s_connections_are_not_another_s);
    tcase_add_test(cases, test_a_rate_allows_a_burst_and_then_one_by_one);
    tcase_add_test(cases, test_what_goes_on_after_a_restart_is_not_new);
    tcase_add_test(cases, test_hosts);
    tcase_add_test(cases, test_this_machine_is_one_host);
    tcase_add_test(cases, test_who_is_unknown_is_one_holder);
    tcase_add_test(cases, test_all_routes_together);
    tcase_add_test(cases, test_a_limit_that_comes_later_holds_for_who_was_there);
    tcase_add_test(cases, test_a_flood_is_forgotten);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
