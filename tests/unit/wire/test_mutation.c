/* test_mutation.c - the properties of tests/fuzz on samples that are changed at random; always in
 * the same way, so that a failure comes back. */
#include "../../fuzz/properties.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 100000

static uint64_t state;

/* xorshift64*, from 0 to bound - 1. */
static size_t random_below(size_t bound)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (size_t)(((state * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % bound);
}

struct sample {
    const char *data;
    size_t size;
};

#define SAMPLE(text)                                                                               \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

/* One change: a byte set, a byte doubled, a stretch cut out, or a piece of another sample put in.
 */
static size_t mutate(
    uint8_t *data, size_t size, size_t room, const struct sample *samples, size_t sample_count)
{
    static const char bytes[] = { ',', '\\', '=', ':', '/', '@', '%', '[', ']', '\n', '\0', 'x',
        '0', ' ', '"', '\'', (char)0xff, (char)0x80 };
    size_t at = size ? random_below(size) : 0;

    switch (random_below(4)) {
    case 0:
        if (size)
            data[at] = random_below(2) ? (uint8_t)random_below(256)
                                       : (uint8_t)bytes[random_below(sizeof(bytes))];
        return size;
    case 1: {
        size_t cut = size ? random_below(size - at) : 0;
        memmove(data + at, data + at + cut, size - at - cut);
        return size - cut;
    }
    default: {
        const struct sample *other = &samples[random_below(sample_count)];
        size_t from = random_below(other->size), piece = 1 + random_below(other->size - from);
        if (size + piece > room)
            return size;
        memmove(data + at + piece, data + at, size - at);
        memcpy(data + at, other->data + from, piece);
        return size + piece;
    }
    }
}

/* Returns how often the property found something to hold of. */
static int run(int (*property)(const uint8_t *, size_t), const struct sample *samples,
    size_t sample_count, int rounds)
{
    uint8_t data[512];
    int found = 0;

    state = UINT64_C(0x9e3779b97f4a7c15);
    for (int i = 0; i < rounds; i++) {
        const struct sample *sample = &samples[random_below(sample_count)];
        size_t size = sample->size;
        memcpy(data, sample->data, size);
        for (size_t changes = random_below(4); changes; changes--)
            size = mutate(data, size, sizeof(data), samples, sample_count);
        found += property(data, size);
    }
    return found;
}

START_TEST(addresses)
{
    static const struct sample samples[] = {
        SAMPLE("\0unix:/run/a\\,b.sock,mode=0660,owner=root,group=g,backlog=5,frame=lf"),
        SAMPLE("\1unix:rel/p,bind=@me,timeout=250ms,descriptors=no"),
        SAMPLE("\2unix:./@x"),
        SAMPLE("\0unix-dgram:@name\\x00\\xff"),
        SAMPLE("\3unix-seq:rel"),
        SAMPLE("\0tcp:[fe80::1%25eth0]:80,bind=127.0.0.1:0"),
        SAMPLE("\1tcp://host.example:8080/"),
        SAMPLE("\0udp:*:53,timeout=1m"),
        SAMPLE("\4fifo:f,reply=r,frame=length"),
        SAMPLE("\0mq:/q,maxmsg=10,msgsize=8k,priority=6,reply=/r"),
        SAMPLE("\0fd:3,frame=none"),
        SAMPLE("\0fd:web.socket,descriptors"),
        SAMPLE("\1exec:sh -c 'echo \"$1\"' \\ x \"a\\\"b\""),
        SAMPLE("\4file:log,append,mode=0600,offset=1k,length=1M"),
        SAMPLE("\0-,frame=lf"),
        SAMPLE("\0tcp:80,delay=40ms,jitter=9d,rate=1M,loss=0.5%,reset-after=1s"),
        SAMPLE("\0tcp:h:1,keepalive=yes,keepidle=30s,keepcnt=3,linger=5s,tos=lowdelay,rcvbuf=1M"),
        SAMPLE("\0udp:239.0.0.1:5,interface=lo,ttl=0,loop=no,broadcast"),
        SAMPLE("\0udp:*:5,join=239.0.0.1,source=10.0.0.1,allow=peer:10.0.0.0/8,deny=any"),
        SAMPLE("\0icmp:host,ttl=3,timeout=1s"),
    };
    int found = run(property_address, samples, sizeof(samples) / sizeof(samples[0]), ROUNDS);
    ck_assert_int_gt(found, ROUNDS / 5);
    ck_assert_int_lt(found, ROUNDS);
}
END_TEST

START_TEST(configurations)
{
    static const struct sample samples[] = {
        SAMPLE("include = more.conf\n[route a]\nlisten = unix:/p\nto = echo\n"),
        SAMPLE("# comment\r\n[ferry]\r\nlog = text\r\n"),
        SAMPLE("[route two words]\n\tallow = uid:0 group:a\n;x\n[x]\na=\n"),
    };
    int found = run(property_config, samples, sizeof(samples) / sizeof(samples[0]), ROUNDS);
    ck_assert_int_gt(found, ROUNDS / 5);
}
END_TEST

START_TEST(control_data)
{
    static const struct sample samples[] = {
        SAMPLE("\2\x1c\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\3\0\0\0\4\0\0\0\5\0\0\0\0\0\0\0"
               "\x14\0\0\0\0\0\0\0\1\0\0\0\4\0\0\0\7\0\0\0\0\0\0\0"),
        SAMPLE("\0\x1c\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\0\0\0\0"
               "\x14\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\6\0\0\0\0\0\0\0"),
    };
    int found = run(property_control, samples, sizeof(samples) / sizeof(samples[0]), ROUNDS);
    ck_assert_int_gt(found, ROUNDS / 5);
}
END_TEST

START_TEST(frames)
{
    static const struct sample samples[] = {
        SAMPLE("\0one\ntwo\n\nthree"),
        SAMPLE("\1\0\0\0\3one\0\0\0\0\0\0\0\1x\0\0"),
        SAMPLE("\2anything"),
    };
    int found = run(property_frame, samples, sizeof(samples) / sizeof(samples[0]), ROUNDS);
    ck_assert_int_gt(found, ROUNDS / 5);
}
END_TEST

START_TEST(subjects)
{
    static const struct sample samples[] = {
        SAMPLE("any"),
        SAMPLE("uid:0"),
        SAMPLE("group:staff"),
        SAMPLE("exe:/usr/bin/cat"),
        SAMPLE("unit:nginx.service"),
        SAMPLE("peer:10.0.0.0/8"),
        SAMPLE("peer:2001:db8::/33"),
        SAMPLE("peer:::ffff:10.0.0.0/104"),
    };
    int found = run(property_subject, samples, sizeof(samples) / sizeof(samples[0]), ROUNDS);
    ck_assert_int_gt(found, ROUNDS / 5);
    ck_assert_int_lt(found, ROUNDS);
}
END_TEST

START_TEST(control_groups)
{
    static const struct sample samples[] = {
        SAMPLE("0::/system.slice/cron.service\n"),
        SAMPLE("12:pids:/x\n1:name=systemd:/system.slice/_a.service\n0::/\n"),
        SAMPLE("1:name=systemd:/old.slice/x.scope/y\n0::/user.slice\n"),
    };
    int found = run(property_cgroup, samples, sizeof(samples) / sizeof(samples[0]), ROUNDS);
    ck_assert_int_gt(found, ROUNDS / 5);
    ck_assert_int_lt(found, ROUNDS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/mutation");
    TCase *tests = tcase_create("mutation");

    tcase_set_timeout(tests, 50);
    tcase_add_test(tests, addresses);
    tcase_add_test(tests, configurations);
    tcase_add_test(tests, control_data);
    tcase_add_test(tests, frames);
    tcase_add_test(tests, subjects);
    tcase_add_test(tests, control_groups);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
