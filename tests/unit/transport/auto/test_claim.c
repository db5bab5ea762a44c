/* test_claim.c - how much of the machine's memory all connections of a process have. */
#define AUTO_TEST
#define RING_TEST

#include "peers.h"

extern unsigned auto_test_made_max;

static bool asks_for_rings(struct pair *pair)
{
    ferry_auto_prefer(pair->dialled, FERRY_AUTO_PREFER_RING);
    end_of(pair->dialled)->offer_ns = 1; /* now, if it was to wait */
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(say(pair->dialled, "text"), 1);
        ck_assert_hears(pair->accepted, pair->inbox, "text");
        struct ferry_message none;
        MUST(ferry_channel_try_receive(pair->dialled, pair->inbox, &none, 1) == -EAGAIN);
    }
    return stats_of(pair->dialled).lanes[FERRY_SEND] == FERRY_LANE_RING;
}

/* Nobody is refused for good, and who only attaches is not counted. */
START_TEST(what_all_have_made_has_a_bound)
{
    struct pair pairs[3];

    auto_test_made_max = 2;
    for (int i = 0; i < 3; i++)
        pairs[i] = pair_make("", "");
    ck_assert(asks_for_rings(&pairs[0]));
    ck_assert(asks_for_rings(&pairs[1]));
    ck_assert(!asks_for_rings(&pairs[2]));
    ck_assert_int_eq(stats_of(pairs[2].dialled).reason, FERRY_AUTO_NO_MEMORY);
    ck_assert_ptr_null(end_of(pairs[2].dialled)->ring[FERRY_SEND]);
    ck_assert(!asks_for_rings(&pairs[2]));
    pair_free(&pairs[0]);
    ck_assert(asks_for_rings(&pairs[2]));
    pair_free(&pairs[1]);
    pair_free(&pairs[2]);
}
END_TEST

/* Before anything is allocated, and asked for again once in a while only. */
START_TEST(what_has_no_room_costs_nothing_until_it_asks_again)
{
    struct pair pair = pair_make("", "");

    auto_test_made_max = 0;
    ck_assert(!asks_for_rings(&pair));
    int64_t again_ns = end_of(pair.dialled)->offer_ns;
    ck_assert_int_gt(again_ns, 1);
    auto_test_made_max = 1;
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(say(pair.dialled, "text"), 1);
    ck_assert_int_eq(end_of(pair.dialled)->offer_ns, again_ns);
    ck_assert_int_eq(end_of(pair.dialled)->rings, AUTO_RINGS_NONE);
    pair_free(&pair);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/auto/claim");
    TCase *tests = tcase_create("claim");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, what_all_have_made_has_a_bound);
    tcase_add_test(tests, what_has_no_room_costs_nothing_until_it_asks_again);
    return scratch_run(suite);
}
