/* test_snapshot_address.c - addresses back from their text: what is printed of them is the text. */
#include "base/cleanup.h"
#include "command/ls/snapshot_address.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void expect_same(unsigned char kind, const char *local, const char *remote)
{
    struct arena arena = { 0 };
    struct ferry_endpoint endpoint = { .kind = kind };
    char text[512];
    ck_assert_int_eq(snapshot_address_set(&arena, &endpoint, local, remote), 0);
    ferry_endpoint_print_local(&endpoint, text, sizeof(text));
    ck_assert_str_eq(text, local);
    if (endpoint.inet && *remote) {
        ferry_endpoint_print_remote(&endpoint, text, sizeof(text));
        ck_assert_str_eq(text, remote);
    }
    arena_fini(&arena);
}

START_TEST(test_what_was_printed_is_printed_again)
{
    expect_same(FERRY_ENDPOINT_UNIX_STREAM, "", "");
    expect_same(FERRY_ENDPOINT_UNIX_STREAM, "/run/a b.sock", "");
    expect_same(FERRY_ENDPOINT_UNIX_STREAM, "@abstract", "");
    expect_same(FERRY_ENDPOINT_UNIX_DATAGRAM, "@a\\x00b", "");
    expect_same(FERRY_ENDPOINT_UNIX_STREAM, "/run/\\x1b[2J\\x0a", "");
    expect_same(FERRY_ENDPOINT_FIFO, "/run/@fifo", "");
    expect_same(FERRY_ENDPOINT_TCP, "127.0.0.1:80", "127.0.0.1:40000");
    expect_same(FERRY_ENDPOINT_TCP, "*:53", "*:*");
    expect_same(FERRY_ENDPOINT_UDP, "[::1]:1", "[fe80::1]:65535");
    expect_same(FERRY_ENDPOINT_UDP, "[::]:*", "");
}
END_TEST

START_TEST(test_names_are_the_bytes_that_they_were)
{
    struct arena arena = { 0 };
    struct ferry_endpoint endpoint = { .kind = FERRY_ENDPOINT_UNIX_STREAM };
    ck_assert_int_eq(snapshot_address_set(&arena, &endpoint, "@a\\x00\\x1b\\x", ""), 0);
    ck_assert_uint_eq(endpoint.name_size, 6);
    ck_assert_mem_eq(endpoint.name, "\0a\0\x1b\\x", 6);
    arena_fini(&arena);
}
END_TEST

static const char *const none[] = { "", "x", ":", ":80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536",
    "1.2.3.4:-1", "1.2.3.4:+1", "1.2.3.4: 1", "1.2.3.4:1x", "1.2.3:1", "::1:80", "[::1:80", "[]:80",
    "[:80", "[1.2.3.4]:80", "**:80",
    "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee]:80" };

START_TEST(test_what_is_no_address)
{
    struct arena arena = { 0 };
    struct ferry_endpoint endpoint = { .kind = FERRY_ENDPOINT_TCP };
    ck_assert_int_eq(snapshot_address_set(&arena, &endpoint, none[_i], ""), -EINVAL);
    if (*none[_i])
        ck_assert_int_eq(snapshot_address_set(&arena, &endpoint, "*:1", none[_i]), -EINVAL);
    arena_fini(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/ls/snapshot_address");
    TCase *cases = tcase_create("snapshot_address");
    tcase_set_timeout(cases, 10);
    tcase_add_test(cases, test_what_was_printed_is_printed_again);
    tcase_add_test(cases, test_names_are_the_bytes_that_they_were);
    tcase_add_loop_test(cases, test_what_is_no_address, 0, COUNT_OF(none));
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
