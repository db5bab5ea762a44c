/* test_socket_options.c - every option on every kind of socket, set through the table and read with
 * getsockopt(2) beside it. */
#include "scratch.h"
#include "transport/socket_options.h"
#include "wire/address_parse.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>

/* A value for every option, and what the kernel says of it afterwards (as an int). */
static const struct {
    const char *key, *value;
    int level, name, number;
} values[] = {
    { "keepalive", "", SOL_SOCKET, SO_KEEPALIVE, 1 },
    { "keepidle", "77s", IPPROTO_TCP, TCP_KEEPIDLE, 77 },
    { "keepintvl", "7s", IPPROTO_TCP, TCP_KEEPINTVL, 7 },
    { "keepcnt", "3", IPPROTO_TCP, TCP_KEEPCNT, 3 },
    { "user-timeout", "1500ms", IPPROTO_TCP, TCP_USER_TIMEOUT, 1500 },
    { "linger", "5s", SOL_SOCKET, SO_LINGER, 1 },
    { "nodelay", "no", IPPROTO_TCP, TCP_NODELAY, 0 },
    { "quickack", "", IPPROTO_TCP, TCP_QUICKACK, 1 },
    { "defer-accept", "7s", IPPROTO_TCP, TCP_DEFER_ACCEPT, 7 },
    { "congestion", "reno", IPPROTO_TCP, TCP_CONGESTION, 'r' | 'e' << 8 | 'n' << 16 | 'o' << 24 },
    { "notsent-lowat", "16k", IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384 },
    { "zerocopy", "", SOL_SOCKET, SO_ZEROCOPY, 1 },
    { "rcvbuf", "64k", SOL_SOCKET, SO_RCVBUF, 131072 },
    { "sndbuf", "64k", SOL_SOCKET, SO_SNDBUF, 131072 },
    { "rcvtimeo", "2s", SOL_SOCKET, SO_RCVTIMEO, 2 },
    { "sndtimeo", "2s", SOL_SOCKET, SO_SNDTIMEO, 2 },
    { "tos", "lowdelay", IPPROTO_IP, IP_TOS, 16 },
    { "priority", "5", SOL_SOCKET, SO_PRIORITY, 5 },
    { "bindtodevice", "lo", SOL_SOCKET, SO_BINDTODEVICE, 'l' | 'o' << 8 },
    { "reuseaddr", "", SOL_SOCKET, SO_REUSEADDR, 1 },
    { "reuseport", "", SOL_SOCKET, SO_REUSEPORT, 1 },
    { "busy-poll", "10", SOL_SOCKET, SO_BUSY_POLL, 10 },
};

static const struct {
    enum socket_sort sort;
    enum address_verb verb;
    const char *address;
} kinds[] = {
    { SORT_TCP, ADDRESS_DIAL, "tcp:1" },
    { SORT_TCP, ADDRESS_DIAL, "tcp:[::1]:1" },
    { SORT_TCP_LISTENER, ADDRESS_LISTEN, "tcp:1" },
    { SORT_UDP, ADDRESS_DIAL, "udp:1" },
    { SORT_UDP, ADDRESS_LISTEN, "udp:*:1" },
    { SORT_UNIX, ADDRESS_LISTEN, "unix:/p" },
    { SORT_UNIX, ADDRESS_DIAL, "unix-seq:/p" },
    { SORT_UNIX, ADDRESS_DIAL, "unix-dgram:/p" },
};

/* First what the kernel says: 4 bytes of a longer value. */
static int kernel_number(int fd, int level, int name)
{
    int words[4] = { 0 };
    socklen_t size = sizeof(words);
    ck_assert_int_eq(getsockopt(fd, level, name, words, &size), 0);
    return words[0];
}

static bool may_busy_poll(void)
{
    int ten = 10;
    AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM, 0);
    return setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &ten, sizeof(ten)) == 0;
}

START_TEST(every_option_on_every_kind)
{
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        const struct socket_option *option = socket_option_get(0);
        for (size_t j = 0; strcmp(option->key, values[i].key) != 0;)
            ck_assert_ptr_nonnull(option = socket_option_get(++j));
        if (strcmp(values[i].key, "busy-poll") == 0 && !may_busy_poll())
            continue;
        for (size_t j = 0; j < COUNT_OF(kinds); j++) {
            AUTO_FD int fd = -1;
            struct ferry_address *address;
            struct ferry_error error;
            char text[128];
            snprintf(text, sizeof(text), "%s,%s%s%s", kinds[j].address, values[i].key,
                *values[i].value ? "=" : "", values[i].value);
            bool has = option->sorts & kinds[j].sort;
            bool listener_only = strcmp(values[i].key, "defer-accept") == 0;
            int r = ferry_address_parse(text, NULL, &address, &error);
            ck_assert_msg(r == (has || (listener_only && kinds[j].sort == SORT_TCP) ? 0 : -EINVAL),
                "%s: %d", text, r);
            if (r < 0)
                continue;
            struct option_source source = { address, NULL, kinds[j].verb };
            ck_assert_int_eq(address_check_verb(address, kinds[j].verb, NULL), has ? 0 : -EINVAL);
            ck_assert_int_eq(socket_for_trial(&source, &fd), 0);
            r = socket_options_apply(fd, MOMENT_MADE | MOMENT_READY, &source, &error);
            ck_assert_msg(r == (has ? 0 : -EINVAL), "%s: %d", text, r);
            if (has)
                ck_assert_msg(
                    kernel_number(fd, values[i].level, values[i].name) == values[i].number,
                    "%s: %d", text, kernel_number(fd, values[i].level, values[i].name));
            ferry_address_free(address);
        }
    }
}
END_TEST

START_TEST(the_test_knows_every_option)
{
    size_t count = 0;
    while (socket_option_get(count))
        count++;
    ck_assert_uint_eq(count, COUNT_OF(values));
    for (size_t i = 0; i < count; i++)
        ck_assert_int_ge(address_option_index_socket(socket_option_get(i)->key), 0);
}
END_TEST

/* Also on IPv6, whose traffic class is another option. */
START_TEST(both_families_get_the_traffic_class)
{
    struct ferry_address *address = address_of("udp:*:1,tos=ef");
    struct option_source source = { address, NULL, ADDRESS_LISTEN };
    AUTO_FD int fd = -1;
    int domain;
    socklen_t size = sizeof(domain);

    ck_assert_int_eq(socket_for_trial(&source, &fd), 0);
    ck_assert_int_eq(socket_options_apply(fd, MOMENT_MADE, &source, NULL), 0);
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size), 0);
    if (domain == AF_INET6)
        ck_assert_int_eq(kernel_number(fd, IPPROTO_IPV6, IPV6_TCLASS), 0xb8);
    ck_assert_int_eq(kernel_number(fd, IPPROTO_IP, IP_TOS), 0xb8);
    ferry_address_free(address);
}
END_TEST

/* Which options ask for a call on every accepted socket; what the others inherit, the end-to-end
 * tests ask the kernel. */
START_TEST(accepting_sets_what_is_not_inherited)
{
    static const struct {
        const char *text;
        size_t count;
    } cases[] = {
        { "tcp:1", 0 },
        { "tcp:1,keepalive,rcvbuf=64k,tos=ef,nodelay=no,linger=0,congestion=reno", 0 },
        { "tcp:1,priority=3,quickack", 2 },
        { "unix:/p", 0 },
        { "unix:/p,sndbuf=64k,rcvtimeo=1s,sndtimeo=1s", 3 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ferry_address *address = address_of("%s", cases[i].text);
        struct option_source source = { address, NULL, ADDRESS_LISTEN };
        struct accept_options options;
        AUTO_FD int fd = -1;
        ck_assert_int_eq(socket_for_trial(&source, &fd), 0);
        accept_options_make(fd, &source, &options);
        ck_assert_uint_eq(options.count, cases[i].count);
        ferry_address_free(address);
    }
}
END_TEST

START_TEST(what_the_kernel_refuses_is_told)
{
    static const struct {
        const char *text;
        int code;
        const char *reason, *remedy;
    } cases[] = {
        { "tcp:1,bindtodevice=nosuch0", -ENODEV, "no network interface nosuch0", "ip -br link" },
        { "tcp:1,congestion=nosuch", -ENOENT, "no congestion=nosuch",
            "net.ipv4.tcp_available_congestion_control has: " },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ferry_address *address = address_of("%s", cases[i].text);
        struct option_source source = { address, NULL, ADDRESS_DIAL };
        struct ferry_error error;
        AUTO_FD int fd = -1;
        ck_assert_int_eq(socket_for_trial(&source, &fd), 0);
        ck_assert_int_eq(
            socket_options_apply(fd, MOMENT_MADE | MOMENT_READY, &source, &error), cases[i].code);
        ck_assert_str_eq(error.thing, cases[i].text);
        ck_assert_ptr_nonnull(strstr(error.reason, cases[i].reason));
        ck_assert_ptr_nonnull(strstr(error.remedy, cases[i].remedy));
        ferry_address_free(address);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/socket_options");
    TCase *tests = tcase_create("socket_options");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, every_option_on_every_kind);
    tcase_add_test(tests, the_test_knows_every_option);
    tcase_add_test(tests, both_families_get_the_traffic_class);
    tcase_add_test(tests, accepting_sets_what_is_not_inherited);
    tcase_add_test(tests, what_the_kernel_refuses_is_told);
    suite_add_tcase(suite, tests);
    return scratch_run(suite);
}
