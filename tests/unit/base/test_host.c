/* test_host.c - IP addresses of both families, and IPv4 within IPv6. */
#include "base/cleanup.h"
#include "base/host.h"
#include "suite.h"

#include <arpa/inet.h>
#include <check.h>

static const struct {
    const char *text;
    bool any, loopback;
    const char *ipv4; /* that is mapped into it; NULL: none */
} cases[] = {
    { "0.0.0.0", true, false, NULL },
    { "0.0.0.1", false, false, NULL },
    { "10.0.0.127", false, false, NULL },
    { "127.0.0.1", false, true, NULL },
    { "127.255.0.9", false, true, NULL },
    { "128.0.0.1", false, false, NULL },
    { "::", true, false, NULL },
    { "::1", false, true, NULL },
    { "::2", false, false, NULL },
    { "1::1", false, false, NULL },
    { "7f00::", false, false, NULL },
    { "::127.0.0.1", false, false, NULL }, /* compatible, not mapped */
    { "::fffe:127.0.0.1", false, false, NULL },
    { "1::ffff:127.0.0.1", false, false, NULL },
    { "::ffff:127.0.0.1", false, true, "127.0.0.1" },
    { "::ffff:192.0.2.7", false, false, "192.0.2.7" },
    { "::ffff:0.0.0.0", false, false, "0.0.0.0" },
};

/* In memory of its very size, for the sanitizer. */
static unsigned char *host_new(const char *text, int *ret_family)
{
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    unsigned char *host = malloc(host_size(family));

    ck_assert_ptr_nonnull(host);
    ck_assert_int_eq(inet_pton(family, text, host), 1);
    *ret_family = family;
    return host;
}

START_TEST(what_an_address_is)
{
    int family, family4;
    AUTO_FREE unsigned char *host = host_new(cases[_i].text, &family);
    const unsigned char *ipv4 = family == AF_INET6 ? host_ipv4(host) : NULL;

    ck_assert_uint_eq(host_size(family), family == AF_INET ? 4 : 16);
    ck_assert_msg(host_is_any(host, family) == cases[_i].any, "%s", cases[_i].text);
    ck_assert_msg(host_is_loopback(host, family) == cases[_i].loopback, "%s", cases[_i].text);
    ck_assert_msg((ipv4 != NULL) == (cases[_i].ipv4 != NULL), "%s", cases[_i].text);
    if (ipv4) {
        AUTO_FREE unsigned char *expected = host_new(cases[_i].ipv4, &family4);
        ck_assert_mem_eq(ipv4, expected, 4);
    }
}
END_TEST

START_TEST(mapped_and_back)
{
    int family;
    unsigned char whole[16];
    AUTO_FREE unsigned char *ipv4 = host_new("192.0.2.7", &family);
    AUTO_FREE unsigned char *mapped = host_new("::ffff:192.0.2.7", &family);
    AUTO_FREE unsigned char *ipv6 = host_new("2001:db8:1:2:3:4:5:6", &family);

    host_map(ipv4, AF_INET, whole);
    ck_assert_mem_eq(whole, mapped, 16);
    ck_assert_mem_eq(host_ipv4(whole), ipv4, 4);
    host_map(ipv6, AF_INET6, whole);
    ck_assert_mem_eq(whole, ipv6, 16);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/host");
    TCase *tests = tcase_create("host");

    tcase_add_loop_test(tests, what_an_address_is, 0, (int)COUNT_OF(cases));
    tcase_add_test(tests, mapped_and_back);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
