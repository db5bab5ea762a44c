/* test_words.c - endpoints in words: names that other processes chose, addresses, little room. */
#include "suite.h"

#include <arpa/inet.h>
#include <check.h>
#include <ferry/endpoints.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct ferry_endpoint named(unsigned kind, const char *name, size_t size)
{
    return (struct ferry_endpoint){
        .kind = (unsigned char)kind, .family = AF_UNIX, .name = name, .name_size = size
    };
}

/* Prints into memory of exactly the needed size, and says that length. */
static void check_local(const struct ferry_endpoint *endpoint, const char *expected)
{
    size_t size = strlen(expected) + 1;
    char *text = malloc(size);

    ck_assert_uint_eq(ferry_endpoint_print_local(endpoint, text, size), size - 1);
    ck_assert_str_eq(text, expected);
    free(text);
}

#define NAMED(kind, literal) named(FERRY_ENDPOINT_##kind, literal, sizeof(literal) - 1)

START_TEST(names)
{
    const struct {
        struct ferry_endpoint endpoint;
        const char *text;
    } cases[] = {
        { NAMED(UNIX_STREAM, "/run/app.sock"), "/run/app.sock" },
        { NAMED(UNIX_STREAM, "relative"), "relative" }, { NAMED(UNIX_STREAM, "\0app"), "@app" },
        { NAMED(UNIX_DATAGRAM, "\0"), "@" }, { NAMED(UNIX_SEQPACKET, "\0a\0b\0"), "@a\\x00b\\x00" },
        { NAMED(UNIX_STREAM, "\0\0\0"), "@\\x00\\x00" }, { NAMED(UNIX_STREAM, "@app"), "@app" },
        { NAMED(UNIX_STREAM, "/a b"), "/a b" },
        { NAMED(UNIX_STREAM, "/a\nb\x1b[2J"), "/a\\x0ab\\x1b[2J" },
        { NAMED(UNIX_STREAM, "/f\xc3\xbcr"), "/f\xc3\xbcr" },
        { NAMED(UNIX_STREAM, "/\xff\xc3"), "/\\xff\\xc3" },
        { NAMED(UNIX_STREAM, "/\xc2\x9b"), "/\\xc2\\x9b" }, { NAMED(QUEUE, "/jobs"), "/jobs" },
        { NAMED(MEMFD, "\0x"), "\\x00x" }, /* only a unix socket's is abstract */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_local(&cases[i].endpoint, cases[i].text);
    struct ferry_endpoint none = named(FERRY_ENDPOINT_UNIX_STREAM, NULL, 0);
    check_local(&none, "");
}
END_TEST

static void check_inet(int family, const char *host, uint16_t port, const char *expected)
{
    struct ferry_inet inet = { .local_port = port, .remote_port = port };
    struct ferry_endpoint endpoint = {
        .kind = FERRY_ENDPOINT_TCP, .family = (unsigned char)family, .inet = &inet
    };
    char text[128];

    ck_assert_int_eq(inet_pton(family, host, inet.local), 1);
    memcpy(inet.remote, inet.local, sizeof(inet.remote));
    check_local(&endpoint, expected);
    ck_assert_uint_eq(ferry_endpoint_print_remote(&endpoint, text, sizeof(text)), strlen(expected));
    ck_assert_str_eq(text, expected);
}

START_TEST(addresses)
{
    check_inet(AF_INET, "127.0.0.1", 80, "127.0.0.1:80");
    check_inet(AF_INET, "255.255.255.255", 65535, "255.255.255.255:65535");
    check_inet(AF_INET, "0.0.0.0", 53, "*:53");
    check_inet(AF_INET, "0.0.0.0", 0, "*:*");
    check_inet(AF_INET6, "::1", 80, "[::1]:80");
    check_inet(AF_INET6, "::", 80, "[::]:80");
    check_inet(AF_INET6, "::", 0, "[::]:*");
    check_inet(AF_INET6, "::ffff:10.0.0.1", 1, "[::ffff:10.0.0.1]:1");
    check_inet(AF_INET6, "1111:2222:3333:4444:5555:6666:7777:8888", 65535,
        "[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
}
END_TEST

START_TEST(what_does_not_fit_is_cut)
{
    struct ferry_endpoint plain = NAMED(UNIX_STREAM, "\0abcdef");
    struct ferry_endpoint escaped = NAMED(UNIX_STREAM, "/a\nb");
    char text[16];

    for (size_t size = 1; size <= 8; size++) {
        memset(text, '#', sizeof(text));
        ck_assert_uint_eq(ferry_endpoint_print_local(&plain, text, size), 7);
        ck_assert_uint_eq(strlen(text), size - 1);
        ck_assert_mem_eq(text, "@abcdef", size - 1);
        ck_assert_int_eq(text[size], '#');
    }
    ck_assert_uint_eq(ferry_endpoint_print_local(&plain, NULL, 0), 7);
    ck_assert_uint_eq(ferry_endpoint_print_local(&escaped, text, 4), 7);
    ck_assert_uint_eq(strlen(text), 3);
}
END_TEST

/* FIFOs have paths longer than any socket's; a part is not lost between two pieces. */
START_TEST(a_long_name)
{
    char name[4000], text[4000 * 4 + 1], *at = text;
    struct ferry_endpoint endpoint = named(FERRY_ENDPOINT_FIFO, name, sizeof(name));

    memset(name, '\n', sizeof(name));
    ck_assert_uint_eq(ferry_endpoint_print_local(&endpoint, text, sizeof(text)), 16000);
    for (; *at; at += 4)
        ck_assert_mem_eq(at, "\\x0a", 4);
    ck_assert_int_eq(at - text, 16000);
}
END_TEST

START_TEST(the_other_end)
{
    struct ferry_endpoint server = NAMED(UNIX_STREAM, "/run/app.sock");
    struct ferry_endpoint client = named(FERRY_ENDPOINT_UNIX_STREAM, NULL, 0);
    char text[32] = "before";

    ck_assert_uint_eq(ferry_endpoint_print_remote(&client, text, sizeof(text)), 0);
    ck_assert_str_eq(text, "");
    client.peer = &server;
    ck_assert_uint_eq(ferry_endpoint_print_remote(&client, text, sizeof(text)), 13);
    ck_assert_str_eq(text, "/run/app.sock");
    client.peer = NULL;
    client.listener = &server;
    ck_assert_uint_eq(ferry_endpoint_print_remote(&client, text, sizeof(text)), 13);
    ck_assert_str_eq(text, "/run/app.sock");
}
END_TEST

/* Every kind and state has a word of its own, but SYN-RECV, which the kernel has twice. */
START_TEST(words)
{
    for (unsigned i = 0; i < FERRY_ENDPOINT_KIND_COUNT; i++) {
        ck_assert_str_ne(ferry_endpoint_kind_name(i), "unknown");
        for (unsigned j = 0; j < i; j++)
            ck_assert_str_ne(ferry_endpoint_kind_name(i), ferry_endpoint_kind_name(j));
    }
    for (unsigned i = 0; i < FERRY_STATE_COUNT; i++) {
        ck_assert_str_ne(ferry_endpoint_state_name(i), "unknown");
        for (unsigned j = 0; j < i; j++)
            if (i != FERRY_STATE_NEW_SYN_RECEIVED)
                ck_assert_str_ne(ferry_endpoint_state_name(i), ferry_endpoint_state_name(j));
    }
    ck_assert_str_eq(ferry_endpoint_kind_name(FERRY_ENDPOINT_UNIX_SEQPACKET), "u_seq");
    ck_assert_str_eq(ferry_endpoint_kind_name(FERRY_ENDPOINT_MEMFD), "memfd");
    ck_assert_str_eq(ferry_endpoint_state_name(FERRY_STATE_LISTENING), "LISTEN");
    ck_assert_str_eq(ferry_endpoint_state_name(FERRY_STATE_WAITING), "WAITING");
    ck_assert_str_eq(ferry_path_state_name(FERRY_PATH_REPLACED), "replaced");
    ck_assert_str_eq(ferry_endpoint_kind_name(FERRY_ENDPOINT_KIND_COUNT), "unknown");
    ck_assert_str_eq(ferry_endpoint_state_name(FERRY_STATE_COUNT), "unknown");
    ck_assert_str_eq(ferry_path_state_name(FERRY_PATH_STATE_COUNT), "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoints/words");
    TCase *tests = tcase_create("words");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, names);
    tcase_add_test(tests, addresses);
    tcase_add_test(tests, what_does_not_fit_is_cut);
    tcase_add_test(tests, a_long_name);
    tcase_add_test(tests, the_other_end);
    tcase_add_test(tests, words);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
