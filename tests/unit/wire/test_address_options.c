/* test_address_options.c - keys and values, and which verb can use them. */
#include "address_cases.h"
#include "suite.h"

#include <errno.h>

START_TEST(values_have_one_spelling)
{
    static const char *const cases[][2] = {
        { "unix:/p,mode=660", "unix:/p,mode=0660" },
        { "unix:/p,mode=0", "unix:/p,mode=0000" },
        { "unix:/p,owner=root,group=0", "unix:/p,owner=root,group=0" },
        { "unix:/p,backlog=007", "unix:/p,backlog=7" },
        { "unix:/p,timeout=0", "unix:/p,timeout=0" },
        { "unix:/p,timeout=250ms", "unix:/p,timeout=250ms" },
        { "unix:/p,timeout=30", "unix:/p,timeout=30s" },
        { "unix:/p,timeout=60s", "unix:/p,timeout=1m" },
        { "unix:/p,timeout=90s", "unix:/p,timeout=90s" },
        { "unix:/p,timeout=24h", "unix:/p,timeout=1d" },
        { "mq:/q,msgsize=4096", "mq:/q,msgsize=4k" },
        { "mq:/q,msgsize=4097", "mq:/q,msgsize=4097" },
        { "mq:/q,msgsize=16M", "mq:/q,msgsize=16M" },
        { "mq:/q,maxmsg=65536,priority=32767", "mq:/q,maxmsg=65536,priority=32767" },
        { "file:/p,length=1024K,offset=0", "file:/p,offset=0,length=1M" },
        { "file:/p,length=2048M", "file:/p,length=2G" },
        { "file:/p,append=yes", "file:/p,append" },
        { "file:/p,append", "file:/p,append" },
        { "file:/p,append=no", "file:/p,append=no" },
        { "unix:/p,descriptors=no,frame=none", "unix:/p,frame=none,descriptors=no" },
        { "fd:3,descriptors,frame=lf", "fd:3,frame=lf,descriptors" },
        { "udp:*:1,join= 239.1.2.3\tff15:0::1 ", "udp:*:1,join=239.1.2.3 ff15::1" },
        { "udp:239.1.2.3:1,interface=v0,source=FD00::1",
            "udp:239.1.2.3:1,source=fd00::1,interface=v0" },
        { "udp:239.1.2.3:1,broadcast=no,loop=yes,ttl=01",
            "udp:239.1.2.3:1,ttl=1,loop,broadcast=no" },
        { "tcp:1,loss=1.50%,rate=2048k,jitter=20ms,delay=80ms,reset-after=60",
            "tcp:1,delay=80ms,jitter=20ms,rate=2M,loss=1.5%,reset-after=1m" },
        { "udp:1,loss=0%", "udp:1,loss=0%" },
        { "udp:1,loss=007%", "udp:1,loss=7%" },
        { "udp:1,loss=100.0%", "udp:1,loss=100%" },
        { "udp:1,loss=10.0203%", "udp:1,loss=10.0203%" },
        { "udp:1,loss=0.0001%", "udp:1,loss=0.0001%" },
        { "unix:/p,allow=uid:1  gid:2", "unix:/p,allow=uid:1 gid:2" },
        { "unix:/p,allow=uid:1\\,gid:2 ,deny=any", "unix:/p,deny=any,allow=uid:1 gid:2" },
        { "tcp:80,allow=peer:::1/128", "tcp:80,allow=peer:::1/128" },
        { "tcp:1,keepalive=yes,nodelay=no", "tcp:1,keepalive,nodelay=no" },
        { "tcp:1,keepidle=30", "tcp:1,keepidle=30s" },
        { "tcp:1,keepintvl=120s,keepcnt=05", "tcp:1,keepintvl=2m,keepcnt=5" },
        { "tcp:1,user-timeout=1500ms", "tcp:1,user-timeout=1500ms" },
        { "tcp:1,linger=0", "tcp:1,linger=0" },
        { "tcp:1,linger=no", "tcp:1,linger=no" },
        { "tcp:1,linger=60", "tcp:1,linger=1m" },
        { "udp:1,rcvbuf=1024k,sndbuf=4096", "udp:1,rcvbuf=1M,sndbuf=4k" },
        { "unix:/p,rcvtimeo=2000ms", "unix:/p,rcvtimeo=2s" },
        { "tcp:1,tos=184", "tcp:1,tos=ef" },
        { "tcp:1,tos=16", "tcp:1,tos=lowdelay" },
        { "tcp:1,tos=1", "tcp:1,tos=1" },
        { "udp:1,bindtodevice=lo", "udp:1,bindtodevice=lo" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_canonical(cases[i][0], NULL, cases[i][1]);
}
END_TEST

START_TEST(values_that_are_none)
{
    expect_failure("unix:/p,mode=0999", -EINVAL, 14, "octal", "");
    expect_failure("unix:/p,mode=4755", -EINVAL, 14, "octal", "");
    expect_failure("unix:/p,mode=1000", -EINVAL, 14, "octal", "");
    expect_failure("unix:/p,mode", -EINVAL, 13, "'=' and a value", "");
    expect_failure("unix:/p,mode,frame=lf", -EINVAL, 13, "'=' and a value", "");
    expect_failure("unix:/p,mode=", -EINVAL, 14, "octal", "");
    expect_failure("unix:/p,owner=", -EINVAL, 15, "a name", "");
    expect_failure("unix:/p,backlog=2147483648", -EINVAL, 17, "from 0 to 2147483647", "");
    expect_failure("unix:/p,backlog=-1", -EINVAL, 17, "a number", "");
    expect_failure("unix:/p,backlog=1k", -EINVAL, 17, "a number", "");
    expect_failure("unix:/p,timeout=5 s", -EINVAL, 17, "a time", "");
    expect_failure("unix:/p,timeout=", -EINVAL, 17, "a time", "");
    expect_failure("mq:/q,maxmsg=0", -EINVAL, 14, "from 1 to 65536", "");
    expect_failure("mq:/q,priority=32768", -EINVAL, 16, "from 0 to 32767", "");
    expect_failure("mq:/q,msgsize=0", -EINVAL, 15, "a size", "");
    expect_failure("mq:/q,msgsize=17M", -EINVAL, 15, "from 1 to 16777216", "");
    expect_failure("mq:/q,msgsize=1kk", -EINVAL, 15, "a size", "");
    expect_failure("mq:/q,msgsize=k", -EINVAL, 15, "a size", "");
    expect_failure("file:/p,length=9223372036854775808", -EINVAL, 16, "a size", "");
    expect_failure("file:/p,length=8589934592G", -EINVAL, 16, "a size", "");
    expect_failure("file:/p,append=", -EINVAL, 16, "yes or no", "");
    expect_failure("file:/p,append=true", -EINVAL, 16, "yes or no", "");
    expect_failure("udp:*:1,join=", -EINVAL, 14, "multicast groups", "");
    expect_failure("udp:*:1,join=  ", -EINVAL, 14, "multicast groups", "");
    expect_failure("udp:*:1,join=239.1.2.3 10.0.0.1", -EINVAL, 24, "multicast groups", "");
    expect_failure("udp:*:1,join=239.1.2.3 224.0.0.1 239.1.2.3", -EINVAL, 34, "twice", "");
    expect_failure("udp:*:1,join=ff15::1 ff15:0:0::1", -EINVAL, 22, "twice", "");
    expect_failure("udp:*:1,join=name", -EINVAL, 14, "multicast groups", "");
    expect_failure("udp:*:1,join=ff15::1%eth0", -EINVAL, 14, "multicast groups", "");
    expect_failure("udp:*:1,join=239.1.2.3 "
                   "12345678901234567890123456789012345678901234567890",
        -EINVAL, 23, "multicast groups", "");
    expect_failure("udp:*:1,source=239.1.2.3", -EINVAL, 16, "no groups", "");
    expect_failure("udp:*:1,interface=", -EINVAL, 19, "a network interface", "ip link");
    expect_failure("udp:*:1,interface=a/b", -EINVAL, 19, "a network interface", "");
    expect_failure("udp:*:1,interface=a23456789012345b", -EINVAL, 19, "a network interface", "");
    expect_failure("udp:*:1,ttl=256", -EINVAL, 13, "from 0 to 255", "");
    expect_failure("udp:1,loss=1", -EINVAL, 12, "a percentage", "");
    expect_failure("udp:1,loss=0.015", -EINVAL, 12, "a percentage", "");
    expect_failure("udp:1,loss=%", -EINVAL, 12, "a percentage", "");
    expect_failure("udp:1,loss=.5%", -EINVAL, 12, "a percentage", "");
    expect_failure("udp:1,loss=1.%", -EINVAL, 12, "a percentage", "");
    expect_failure("udp:1,loss=1%%", -EINVAL, 12, "a percentage", "");
    expect_failure("udp:1,loss=-1%", -EINVAL, 12, "a percentage", "");
    expect_failure("udp:1,loss=0.00001%", -EINVAL, 12, "a percentage", "");
    expect_failure("udp:1,loss=100.0001%", -EINVAL, 12, "from 0% to 100%", "");
    expect_failure("udp:1,loss=1000%", -EINVAL, 12, "a percentage", "");
    expect_failure("udp:1,rate=0", -EINVAL, 12, "a size", "");
    expect_failure("unix:/p,allow", -EINVAL, 14, "'=' and a value", "");
    expect_failure("unix:/p,allow=", -EINVAL, 15, "whom it is about", "");
    expect_failure("unix:/p,allow= ", -EINVAL, 15, "whom it is about", "");
    expect_failure("unix:/p,allow=any everyone", -EINVAL, 19, "everyone: expected uid:NUMBER", "");
    expect_failure("unix:/p,deny=\\, everyone", -EINVAL, 14, "everyone: expected", "");
    expect_failure(
        "tcp:80,deny=peer:10.1.1.1/8", -EINVAL, 13, "beyond the first 8", "say peer:10.0.0.0/8");
    expect_failure("unix:/p,allow=any,allow=any", -EINVAL, 19, "allow once", "");
    expect_failure("file:/p,allow=any", -EINVAL, 9, "file cannot have allow", "");
    expect_failure("tcp:1,keepidle=1500ms", -EINVAL, 16, "whole seconds", "");
    expect_failure("tcp:1,keepidle=0", -EINVAL, 16, "from 1 to 32767", "");
    expect_failure("tcp:1,keepidle=10h", -EINVAL, 16, "from 1 to 32767", "");
    expect_failure("tcp:1,keepcnt=128", -EINVAL, 15, "from 1 to 127", "");
    expect_failure("tcp:1,linger=soon", -EINVAL, 14, "no, or seconds", "");
    expect_failure("tcp:1,linger=1ms", -EINVAL, 14, "no, or seconds", "");
    expect_failure("tcp:1,user-timeout=25d", -EINVAL, 20, "a time", "");
    expect_failure("tcp:1,rcvbuf=1G", -EINVAL, 14, "a size", "");
    expect_failure("tcp:1,tos=256", -EINVAL, 11, "a traffic class", "");
    expect_failure("tcp:1,tos=EF", -EINVAL, 11, "a traffic class", "");
    expect_failure("tcp:1,bindtodevice=", -EINVAL, 20, "at most 15", "");
    expect_failure("tcp:1,bindtodevice=a/b", -EINVAL, 20, "at most 15", "");
    expect_failure("tcp:1,congestion=0123456789abcdef", -EINVAL, 18, "at most 15", "");
    expect_failure("unix:/p,frame=crlf", -EINVAL, 15, "lf, length or none", "");
}
END_TEST

/* Exactly these keys for each scheme. */
START_TEST(keys_of_every_scheme)
{
    static const char *const keys[][2] = {
        { "mode", "0600" },
        { "owner", "o" },
        { "group", "g" },
        { "backlog", "1" },
        { "maxmsg", "1" },
        { "msgsize", "1" },
        { "bind", "" },
        { "timeout", "1s" },
        { "ttl", "1" },
        { "priority", "1" },
        { "offset", "1" },
        { "length", "1" },
        { "append", "yes" },
        { "reply", "" },
        { "frame", "lf" },
        { "descriptors", "no" },
        { "join", "239.1.2.3" },
        { "source", "10.0.0.1" },
        { "interface", "eth0" },
        { "loop", "no" },
        { "broadcast", "yes" },
        { "delay", "80ms" },
        { "jitter", "20ms" },
        { "rate", "2M" },
        { "loss", "1.5%" },
        { "reset-after", "1m" },
    };
    static const char weather[] = " delay jitter rate loss reset-after ";
    static const struct {
        const char *address, *known, *bind, *reply;
    } schemes[] = {
        { "unix:/p", " mode owner group backlog bind timeout frame descriptors ", "/b", "" },
        { "unix-dgram:/p", " mode owner group bind timeout descriptors ", "/b", "" },
        { "unix-seq:/p", " mode owner group backlog bind timeout descriptors ", "/b", "" },
        { "tcp:1", " backlog bind timeout priority frame ", "h:1", "" },
        { "icmp:h", " timeout ttl ", "", "" },
        { "udp:1", " bind timeout priority join source interface ttl loop broadcast ", "h:1", "" },
        { "fifo:/p", " mode owner group timeout reply frame ", "", "/r" },
        { "mq:/q", " mode owner group maxmsg msgsize timeout priority reply ", "", "/r" },
        { "fd:1", " priority frame descriptors ", "", "" },
        { "file:/p", " offset length append mode frame ", "", "" },
        { "-", " frame ", "", "" },
    };
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        for (size_t j = 0; j < sizeof(keys) / sizeof(keys[0]); j++) {
            char text[128], word[32];
            struct ferry_address *address;
            const char *value = strcmp(keys[j][0], "bind") == 0    ? schemes[i].bind
                                : strcmp(keys[j][0], "reply") == 0 ? schemes[i].reply
                                                                   : keys[j][1];
            snprintf(text, sizeof(text), "%s,%s=%s", schemes[i].address, keys[j][0], value);
            snprintf(word, sizeof(word), " %s ", keys[j][0]);
            bool known = strstr(schemes[i].known, word) || strstr(weather, word);
            int r = ferry_address_parse(text, NULL, &address, NULL);
            ck_assert_msg(r == (known ? 0 : -EINVAL), "%s: %d", text, r);
            if (r == 0)
                ferry_address_free(address);
        }
    }
}
END_TEST

START_TEST(unknown_and_repeated_keys)
{
    expect_failure("udp:1,mode=0600", -EINVAL, 7, "udp cannot have mode, which is for unix", "");
    expect_failure("-,x", -EINVAL, 3, "of -, found 'x'", "");
    expect_failure("tcp:1,x", -EINVAL, 7, "of tcp, which ferry-address(7) lists, found 'x'", "");
    expect_failure("udp:1,append", -EINVAL, 7, "udp cannot have append, which is for file", "");
    expect_failure("unix:/a,nodelay", -EINVAL, 9, "unix cannot have nodelay, which is for tcp, fd",
        "leave it out");
    expect_failure("mq:/q,rcvbuf=1k", -EINVAL, 7, "mq cannot have rcvbuf", "");
    expect_failure("unix:/a,b", -EINVAL, 9, "found 'b'", "\\,");
    expect_failure("unix:/a,", -EINVAL, 9, "found the end", "");
    expect_failure("unix:/a,,mode=0600", -EINVAL, 9, "one of the keys", "");
    expect_failure("unix:/a,MODE=0600", -EINVAL, 9, "one of the keys", "");
    expect_failure("unix:/a, mode=0600", -EINVAL, 9, "one of the keys", "");
    expect_failure("unix:/a,mode=0600,group=g,mode=0600", -EINVAL, 27, "mode once", "");
    expect_failure("file:/a,append,append", -EINVAL, 16, "append once", "");
    expect_failure("file:/a,append,append=no", -EINVAL, 16, "append once", "");
}
END_TEST

START_TEST(getters)
{
    struct ferry_address *address;

    ck_assert_int_eq(ferry_address_parse("unix:/p,mode=0640,backlog=9,timeout=1m,descriptors=no",
                         NULL, &address, NULL),
        0);
    ck_assert_uint_eq(address_get_mode(address, "mode", 1), 0640);
    ck_assert_int_eq(address_get_number(address, "backlog", 1), 9);
    ck_assert_int_eq(address_get_span_ms(address, "timeout", 1), 60000);
    ck_assert(!address_get_flag(address, "descriptors", true));
    ck_assert_uint_eq(address_get_mode(address, "none", 1), 1);
    ck_assert_int_eq(address_get_number(address, "none", -2), -2);
    ck_assert_int_eq(address_get_size(address, "none", -2), -2);
    ck_assert_int_eq(address_get_span_ms(address, "none", -2), -2);
    ck_assert(address_get_flag(address, "none", true));
    ck_assert(!address_get_flag(address, "none", false));
    ferry_address_free(address);

    ck_assert_int_eq(ferry_address_parse("udp:1,loss=1.5%", NULL, &address, NULL), 0);
    ck_assert_uint_eq(address_get_share(address, "loss"), 15000);
    ck_assert_uint_eq(address_get_share(address, "none"), 0);
    ferry_address_free(address);

    ck_assert_int_eq(
        ferry_address_parse("file:/p,length=3M,offset=5,append", NULL, &address, NULL), 0);
    ck_assert_int_eq(address_get_size(address, "length", 0), 3 << 20);
    ck_assert_int_eq(address_get_size(address, "offset", 0), 5);
    ck_assert(address_get_flag(address, "append", false));
    ck_assert_str_eq(ferry_address_option(address, "append"), "");
    ferry_address_free(address);
}
END_TEST

START_TEST(verbs)
{
    static const struct {
        const char *text;
        bool listen, dial;
    } cases[] = {
        { "unix:/p", true, true },
        { "unix:/p,mode=0600,owner=o,group=g", true, true },
        { "fifo:/p,mode=0600", true, false },
        { "fifo:/p,owner=o", true, false },
        { "mq:/q,group=g", true, false },
        { "unix:/p,backlog=1", true, false },
        { "unix:/p,bind=/b", false, true },
        { "unix:/p,timeout=1s", false, true },
        { "unix:/p,frame=lf,descriptors=no", true, true },
        { "unix:/p,backlog=1,bind=/b", false, false },
        { "unix-dgram:/p,mode=0600,bind=/b", false, true },
        { "tcp:1,backlog=1", true, false },
        { "fifo:/p,reply=/r", true, true },
        { "mq:/q,maxmsg=1", true, false },
        { "mq:/q,priority=1", false, true },
        { "tcp:1,priority=1,nodelay", true, true },
        { "tcp:1,defer-accept=1", true, false },
        { "file:/p,mode=0600", true, true },
        { "file:/p,append", true, true },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ferry_address *address;
        ck_assert_int_eq(ferry_address_parse(cases[i].text, NULL, &address, NULL), 0);
        ck_assert_int_eq(
            address_check_verb(address, ADDRESS_LISTEN, NULL), cases[i].listen ? 0 : -EINVAL);
        ck_assert_int_eq(
            address_check_verb(address, ADDRESS_DIAL, NULL), cases[i].dial ? 0 : -EINVAL);
        ferry_address_free(address);
    }
}
END_TEST

START_TEST(verb_in_words)
{
    struct ferry_address *address;
    struct ferry_error error;

    ck_assert_int_eq(ferry_address_parse("unix:/p,backlog=1", NULL, &address, NULL), 0);
    ck_assert_int_eq(address_check_verb(address, ADDRESS_DIAL, &error), -EINVAL);
    ck_assert_str_eq(error.thing, "unix:/p,backlog=1");
    ck_assert_str_eq(error.reason, "dialling cannot use backlog, which is for listening");
    ferry_address_free(address);
}
END_TEST

START_TEST(weather_needs_a_relay)
{
    struct ferry_address *address;
    struct ferry_error error;

    ck_assert_int_eq(ferry_address_parse("tcp:1,frame=lf", NULL, &address, NULL), 0);
    ck_assert_ptr_null(address_weather_key(address));
    ck_assert_int_eq(address_refuse_weather(address, "clock", &error), 0);
    ferry_address_free(address);

    ck_assert_int_eq(ferry_address_parse("tcp:1,reset-after=1s,loss=1%", NULL, &address, NULL), 0);
    ck_assert_str_eq(address_weather_key(address), "loss");
    ck_assert_int_eq(address_refuse_weather(address, "clock", &error), -EINVAL);
    ck_assert_str_eq(error.thing, "tcp:1,loss=1%,reset-after=1s");
    ck_assert_str_eq(error.reason, "clock does not relay, so there is nothing for loss to work on");
    ck_assert(error.remedy[0]);
    ferry_address_free(address);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/address_options");
    TCase *tests = tcase_create("address_options");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, values_have_one_spelling);
    tcase_add_test(tests, values_that_are_none);
    tcase_add_test(tests, keys_of_every_scheme);
    tcase_add_test(tests, unknown_and_repeated_keys);
    tcase_add_test(tests, getters);
    tcase_add_test(tests, verbs);
    tcase_add_test(tests, verb_in_words);
    tcase_add_test(tests, weather_needs_a_relay);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
