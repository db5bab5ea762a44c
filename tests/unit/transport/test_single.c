/* test_single.c - listening on what exists once. */
#include "scratch.h"
#include "transport/single.h"

#include <errno.h>

START_TEST(link_comes_once)
{
    unsigned before = descriptors_open();
    struct listening listening = listen_at(address_of("file:/dev/zero"));
    struct link link, other;
    ck_assert_int_eq(listening.fd, -1);
    ck_assert_uint_eq(listening.capabilities, FERRY_CAN_RECEIVE | FERRY_HAS_END);
    ck_assert_int_eq(listening.ops->accept(&listening, &link), 0);
    ck_assert_int_eq(listening.ops->accept(&listening, &other), -ENOTCONN);
    ck_assert_int_eq(listening.ops->accept(&listening, &other), -ENOTCONN);
    listening.ops->close(&listening);
    /* The link is its taker's, and lives on. */
    ck_assert_int_eq(link_receive_text(&link, (char[4]){ 0 }, 4), 3);
    link.ops->close(&link);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(unclaimed_link_is_closed)
{
    unsigned before = descriptors_open();
    struct listening listening = listen_at(address_of("file:/dev/zero"));
    ck_assert_uint_eq(descriptors_open(), before + 1);
    listening.ops->close(&listening);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(what_is_wrong_is_told_when_listening_starts)
{
    struct ferry_error error = { 0 };
    struct listening listening;
    struct ferry_address *address = address_of("file:%s", scratch_path("none"));
    ck_assert_int_eq(transport_listen(address, NULL, &listening, &error), -ENOENT);
    ck_assert_str_eq(error.thing, ferry_address_text(address));
    ferry_address_free(address);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("single");
    TCase *single = tcase_create("single");

    tcase_add_test(single, link_comes_once);
    tcase_add_test(single, unclaimed_link_is_closed);
    tcase_add_test(single, what_is_wrong_is_told_when_listening_starts);
    tcase_set_timeout(single, 20);
    suite_add_tcase(suite, single);
    return scratch_run(suite);
}
