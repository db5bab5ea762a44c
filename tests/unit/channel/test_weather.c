/* test_weather.c - when something arrives, and whether, by a clock that is given. */
#include "base/clock.h"
#include "channel/limits.h"
#include "channel/weather.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>

#define MS NS_PER_MS

static struct departures departures;

static void setup(void)
{
    departures = (struct departures){ .random = 42 };
}

static int64_t arrival(const struct weather *weather, size_t size, int64_t now_ns)
{
    int64_t arrival_ns;
    ck_assert(departures_next(&departures, weather, size, now_ns, &arrival_ns));
    return arrival_ns;
}

START_TEST(an_address_says_it)
{
    struct ferry_address *address;
    struct weather weather;

    ck_assert_int_eq(
        ferry_address_parse("tcp:1,delay=80ms,jitter=20ms,rate=2M,loss=1.5%", NULL, &address, NULL),
        0);
    weather_read(address, &weather);
    ferry_address_free(address);
    ck_assert_int_eq(weather.delay_ns, 80 * MS);
    ck_assert_int_eq(weather.jitter_ns, 20 * MS);
    ck_assert_uint_eq(weather.rate, 2 << 20);
    ck_assert_uint_eq(weather.loss, 15000);
    ck_assert_int_eq(weather.reset_ns, CLOCK_NEVER);

    ck_assert_int_eq(
        ferry_address_parse("tcp:1,reset-after=2s,delay=106751991167d", NULL, &address, NULL), 0);
    weather_read(address, &weather);
    ferry_address_free(address);
    ck_assert_int_eq(weather.reset_ns, 2000 * MS);
    ck_assert_int_eq(weather.delay_ns, CLOCK_NEVER);
}
END_TEST

START_TEST(two_addresses_add_up)
{
    struct weather weather = WEATHER_FAIR;
    struct weather one = { .delay_ns = 5, .jitter_ns = 2, .loss = 500000, .reset_ns = CLOCK_NEVER };
    struct weather other = {
        .delay_ns = 7, .jitter_ns = 1, .rate = 100, .loss = 200000, .reset_ns = 9
    };

    weather_add(&weather, &one, true);
    ck_assert_uint_eq(weather.rate, 0);
    weather_add(&weather, &other, true);
    ck_assert_int_eq(weather.delay_ns, 12);
    ck_assert_int_eq(weather.jitter_ns, 3);
    ck_assert_uint_eq(weather.rate, 100);
    ck_assert_uint_eq(weather.loss, 600000);
    ck_assert_uint_eq(weather.stall, 0);
    ck_assert_int_eq(weather.reset_ns, 9);
    ck_assert(weather.reorders);
    weather_add(&weather, &(struct weather){ .rate = 50, .reset_ns = CLOCK_NEVER }, true);
    ck_assert_uint_eq(weather.rate, 50);
    weather_add(&weather, &(struct weather){ .rate = 60, .reset_ns = CLOCK_NEVER }, true);
    ck_assert_uint_eq(weather.rate, 50);
}
END_TEST

START_TEST(loss_is_of_what_may_be_lost)
{
    struct weather weather = WEATHER_FAIR;
    struct weather stream = { .loss = 300000, .jitter_ns = 1, .reset_ns = CLOCK_NEVER };
    struct weather datagrams = { .loss = 10000, .reset_ns = CLOCK_NEVER };

    weather_add(&weather, &stream, false);
    weather_add(&weather, &datagrams, true);
    ck_assert_uint_eq(weather.stall, 300000);
    ck_assert_uint_eq(weather.loss, 10000);
    ck_assert(!weather.reorders);
}
END_TEST

START_TEST(nothing_arrives_before_the_delay)
{
    struct weather weather = { .delay_ns = 25 * MS };
    ck_assert_int_eq(arrival(&weather, 100, 1000), 1000 + 25 * MS);
    ck_assert_int_eq(arrival(&weather, 100, 5000), 5000 + 25 * MS);
    ck_assert_int_eq(departures_end(&departures, &weather, 6000), 6000 + 25 * MS);
}
END_TEST

START_TEST(the_link_sends_one_after_the_other)
{
    struct weather weather = { .rate = 1000, .delay_ns = MS };
    ck_assert_int_eq(arrival(&weather, 500, 0), 501 * MS);
    ck_assert_int_eq(arrival(&weather, 500, 0), 1001 * MS);
    /* Idle time is not saved up. */
    ck_assert_int_eq(arrival(&weather, 1000, 5000 * MS), 6001 * MS);
    ck_assert_int_eq(arrival(&weather, 0, 5500 * MS), 6001 * MS);
    ck_assert_int_eq(departures_end(&departures, &weather, 5500 * MS), 6001 * MS);
}
END_TEST

/* There is no time that far away, so none is thrown for. */
START_TEST(jitter_without_bounds_is_none)
{
    struct weather weather = { .delay_ns = 25 * MS, .jitter_ns = CLOCK_NEVER };
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(arrival(&weather, 100, 1000), 1000 + 25 * MS);
}
END_TEST

START_TEST(jitter_lies_within_its_bounds)
{
    struct weather weather = { .delay_ns = 10 * MS, .jitter_ns = 4 * MS, .reorders = true };
    int64_t least = CLOCK_NEVER, most = 0, last = 0;
    int overtakes = 0;
    for (int i = 0; i < 10000; i++) {
        int64_t ns = arrival(&weather, 1, 0);
        least = ns < least ? ns : least;
        most = ns > most ? ns : most;
        overtakes += ns < last;
        last = ns;
    }
    ck_assert_int_ge(least, 6 * MS);
    ck_assert_int_lt(least, 7 * MS);
    ck_assert_int_le(most, 14 * MS);
    ck_assert_int_gt(most, 13 * MS);
    ck_assert_int_gt(overtakes, 4000);
    ck_assert_int_ge(departures_end(&departures, &weather, 0), most);
}
END_TEST

START_TEST(jitter_larger_than_the_delay_is_never_early)
{
    struct weather weather = { .delay_ns = MS, .jitter_ns = 50 * MS, .reorders = true };
    for (int i = 0; i < 1000; i++)
        ck_assert_int_ge(arrival(&weather, 1, 7 * MS), 7 * MS);
    weather.jitter_ns = CLOCK_NEVER;
    ck_assert_int_ge(arrival(&weather, 1, 7 * MS), 7 * MS);
    weather.delay_ns = CLOCK_NEVER;
    ck_assert_int_eq(arrival(&weather, 1, 7 * MS), CLOCK_NEVER);
}
END_TEST

START_TEST(a_stream_keeps_its_order)
{
    struct weather weather = { .delay_ns = 10 * MS, .jitter_ns = 10 * MS, .stall = 100000 };
    int64_t last = 0;
    for (int i = 0; i < 10000; i++) {
        int64_t ns = arrival(&weather, 3000, i * 1000);
        ck_assert_int_ge(ns, last);
        last = ns;
    }
}
END_TEST

START_TEST(datagrams_are_lost_by_their_share)
{
    struct weather weather = { .loss = 200000 };
    int lost = 0;
    for (int i = 0; i < 100000; i++) {
        int64_t ignored;
        lost += !departures_next(&departures, &weather, 10, 0, &ignored);
    }
    ck_assert_int_gt(lost, 19000);
    ck_assert_int_lt(lost, 21000);
}
END_TEST

START_TEST(all_and_none_are_exact)
{
    struct weather weather = { .loss = 1000000 };
    int64_t ignored;
    for (int i = 0; i < 1000; i++)
        ck_assert(!departures_next(&departures, &weather, 10, 0, &ignored));
    weather.loss = 0;
    for (int i = 0; i < 1000; i++)
        ck_assert(departures_next(&departures, &weather, 10, 0, &ignored));
}
END_TEST

/* A lost segment comes a retransmission later; the more segments, the likelier. */
START_TEST(a_stream_stalls)
{
    struct weather weather = { .delay_ns = 30 * MS, .stall = 1000000 };
    ck_assert_int_eq(arrival(&weather, 1, 0), (30 + 2 * 30 + WEATHER_RETRANSMIT_MS) * MS);

    int small = 0, large = 0;
    weather.stall = 10000;
    for (int i = 0; i < 10000; i++) {
        departures.latest_ns = 0;
        small += arrival(&weather, 1, 0) > 30 * MS;
        departures.latest_ns = 0;
        large += arrival(&weather, 10 * WEATHER_SEGMENT_SIZE, 0) > 30 * MS;
    }
    ck_assert_int_gt(small, 50);
    ck_assert_int_lt(small, 200);
    ck_assert_int_gt(large, 700); /* 1 - .99^10 = 9.6 % */
    ck_assert_int_lt(large, 1200);
}
END_TEST

START_TEST(bounds)
{
    struct weather weather = { .delay_ns = 900 * MS };
    ck_assert_uint_eq(weather_held_size(&weather), WEATHER_HELD_SIZE_MAX);
    ck_assert_uint_eq(weather_piece_size(&weather), WEATHER_PIECE_SIZE_MAX);
    weather.rate = 1000000;
    ck_assert_uint_eq(weather_held_size(&weather), 1000000);
    ck_assert_uint_eq(weather_piece_size(&weather), 2000);
    weather.rate = 1;
    ck_assert_uint_eq(weather_held_size(&weather), WEATHER_HELD_SIZE_MIN);
    ck_assert_uint_eq(weather_piece_size(&weather), WEATHER_SEGMENT_SIZE);
    weather.rate = INT64_MAX;
    ck_assert_uint_eq(weather_held_size(&weather), WEATHER_HELD_SIZE_MAX);
    weather.delay_ns = CLOCK_NEVER;
    ck_assert_uint_eq(weather_held_size(&weather), WEATHER_HELD_SIZE_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel/weather");
    TCase *tests = tcase_create("weather");

    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, an_address_says_it);
    tcase_add_test(tests, two_addresses_add_up);
    tcase_add_test(tests, loss_is_of_what_may_be_lost);
    tcase_add_test(tests, nothing_arrives_before_the_delay);
    tcase_add_test(tests, the_link_sends_one_after_the_other);
    tcase_add_test(tests, jitter_without_bounds_is_none);
    tcase_add_test(tests, jitter_lies_within_its_bounds);
    tcase_add_test(tests, jitter_larger_than_the_delay_is_never_early);
    tcase_add_test(tests, a_stream_keeps_its_order);
    tcase_add_test(tests, datagrams_are_lost_by_their_share);
    tcase_add_test(tests, all_and_none_are_exact);
    tcase_add_test(tests, a_stream_stalls);
    tcase_add_test(tests, bounds);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
