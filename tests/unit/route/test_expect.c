/* test_expect.c - what is told beforehand is what channels say when they are there. */
#include "base/bytes.h"
#include "route/expect.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <ferry/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/ferry-expect-XXXXXX";

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static struct ferry_address *parse(const char *text)
{
    struct ferry_address *address;
    ck_assert_int_eq(ferry_address_parse(text, folder, &address, NULL), 0);
    return address;
}

/* Listened on, then dialled; NULL: not with this verb. */
static const struct {
    const char *listen, *dial;
} places[] = {
    { "unix:a", "unix:a" },
    { "unix:a,descriptors=no", "unix:a,descriptors=no" },
    { "unix:a,frame=lf", "unix:a,frame=length" },
    { "unix-seq:a", "unix-seq:a" },
    { "unix-dgram:a", "unix-dgram:a" },
    { "tcp:0", NULL },
    { "udp:0", "udp:9" },
    { "fifo:a", "fifo:a" },
    { "fifo:a,reply=b", "fifo:a,reply=b" },
    { "mq:/ferry-test-expect", "mq:/ferry-test-expect" },
    { "exec:cat", "exec:cat" },
    { "file:/etc/hosts", "file:/etc/hosts" },
    { NULL, "file:new,append" },
};

START_TEST(test_as_they_are)
{
    struct ferry_listener *listener = NULL;
    struct ferry_channel *channel;
    unsigned expected;
    if (places[_i].listen) {
        struct ferry_address *address = parse(places[_i].listen);
        ck_assert_int_eq(ferry_listen(address, NULL, &listener, NULL), 0);
        ck_assert(expect_capabilities(address, ADDRESS_LISTEN, &expected));
        ck_assert_uint_eq(expected, ferry_listener_capabilities(listener));
        ferry_address_free(address);
    }
    if (places[_i].dial) {
        struct ferry_address *address = parse(places[_i].dial);
        ck_assert_int_eq(ferry_try_dial(address, NULL, &channel, NULL), 0);
        ck_assert(expect_capabilities(address, ADDRESS_DIAL, &expected));
        ck_assert_uint_eq(expected, ferry_channel_capabilities(channel));
        ferry_channel_close(channel);
        ferry_address_free(address);
    }
    ferry_listener_close(listener);
}
END_TEST

START_TEST(test_what_is_inherited_cannot_be_told)
{
    struct ferry_address *address = parse("fd:web");
    unsigned expected;
    ck_assert(!expect_capabilities(address, ADDRESS_LISTEN, &expected));
    ferry_address_free(address);
}
END_TEST

static const struct {
    const char *listen, *target, *way; /* NULL: there is none */
} ways[] = {
    { "unix:a", "unix:b", "both ways by copy (descriptors may pass)" },
    { "tcp:1", "unix:b", "both ways by splice (no descriptor can come" },
    { "unix:a", "tcp:1", "both ways by splice (no descriptor can come" },
    { "unix:a", "file:b", "out by sendfile" },
    { "unix-dgram:a", "unix-seq:b", "both ways by copy (message boundaries are kept)" },
    { "unix:a", "unix-seq:b", NULL },
    { "unix:a,frame=lf", "unix-seq:b", "both ways by copy (message boundaries are kept)" },
};

START_TEST(test_ways)
{
    struct ferry_address *listen = parse(ways[_i].listen), *target = parse(ways[_i].target);
    struct bytes text = BYTES_EMPTY;
    unsigned one, other;
    ck_assert(expect_capabilities(listen, ADDRESS_LISTEN, &one));
    ck_assert(expect_capabilities(target, ADDRESS_DIAL, &other));
    int r = expect_ways(one, other, target->scheme == FERRY_FILE, &text);
    ck_assert_int_eq(r, ways[_i].way ? 0 : -EPROTOTYPE);
    if (ways[_i].way)
        ck_assert_msg(strstr(text.data, ways[_i].way) != NULL, "%s", text.data);
    bytes_fini(&text);
    ferry_address_free(listen);
    ferry_address_free(target);
}
END_TEST

static const struct {
    const char *one, *other;
    bool same;
} pairs[] = {
    { "unix:a", "unix:a,mode=0660", true },
    { "unix:a", "unix-dgram:a", true },
    { "unix:a", "unix:b", false },
    { "unix:a", "unix:@a", false },
    { "unix:@a", "unix-seq:@a", false },
    { "tcp:80", "tcp:127.0.0.2:80", false },
    { "tcp:80", "tcp:*:80", true },
    { "tcp:80", "udp:80", false },
    { "tcp:0", "tcp:0", false },
    { "fd:3", "fd:4", false },
    { "fd:web", "fd:web", true },
    { "udp:*:5", "udp:239.1.2.3:5", true },
    { "udp:239.1.2.3:5", "udp:239.1.2.4:5", false },
    { "udp:239.1.2.3:5,interface=a", "udp:239.1.2.3:5,interface=a", true },
    { "udp:239.1.2.3:5,interface=a", "udp:239.1.2.3:5,interface=b", false },
    { "udp:239.1.2.3:5,interface=a", "udp:239.1.2.3:5", false },
    { "udp:232.1.2.3:5,source=10.0.0.1", "udp:232.1.2.3:5,source=10.0.0.2", false },
};

START_TEST(test_same_place)
{
    struct ferry_address *one = parse(pairs[_i].one), *other = parse(pairs[_i].other);
    ck_assert_int_eq(expect_same_place(one, other), pairs[_i].same);
    ck_assert_int_eq(expect_same_place(other, one), pairs[_i].same);
    ferry_address_free(one);
    ferry_address_free(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route/expect");
    TCase *cases = tcase_create("expect");
    tcase_set_timeout(cases, 10);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, test_as_they_are, 0, sizeof(places) / sizeof(places[0]));
    tcase_add_test(cases, test_what_is_inherited_cannot_be_told);
    tcase_add_loop_test(cases, test_ways, 0, sizeof(ways) / sizeof(ways[0]));
    tcase_add_loop_test(cases, test_same_place, 0, sizeof(pairs) / sizeof(pairs[0]));
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
