/* test_subject.c - the words of rules: what each means, and what is said of those that mean
 * nothing. */
#include "suite.h"
#include "wire/subject.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *word;
    enum subject_kind kind;
    unsigned id;
    const char *name;
} words[] = {
    { "any", SUBJECT_ANY, 0, NULL },
    { "uid:0", SUBJECT_UID, 0, "0" },
    { "uid:4294967294", SUBJECT_UID, 4294967294u, "4294967294" },
    { "user:alice", SUBJECT_USER, 0, "alice" },
    { "gid:50", SUBJECT_GID, 50, "50" },
    { "group:dev", SUBJECT_GROUP, 0, "dev" },
    { "exe:/usr/bin/true", SUBJECT_EXE, 0, "/usr/bin/true" },
    { "unit:nginx", SUBJECT_UNIT, 0, "nginx" },
    { "peer:10.0.0.0/8", SUBJECT_PEER, 0, "10.0.0.0/8" },
};

START_TEST(words_and_what_they_mean)
{
    struct subject subject;
    ck_assert_int_eq(subject_parse(words[_i].word, &subject, NULL), 0);
    ck_assert_int_eq(subject.kind, words[_i].kind);
    ck_assert_uint_eq(subject.id, words[_i].id);
    if (words[_i].name)
        ck_assert_str_eq(subject.name, words[_i].name);
    else
        ck_assert_ptr_null(subject.name);
}
END_TEST

static const struct {
    const char *word, *said, *remedy;
} mistakes[] = {
    { "", "expected uid:NUMBER", "" },
    { "everyone", "peer:HOST[/BITS] or any", "" },
    { "any:", "expected uid:NUMBER", "" },
    { "UID:1", "expected uid:NUMBER", "" },
    { "uid:", "expected a number after uid:", "" },
    { "uid:-1", "expected a number after uid:", "" },
    { "uid:4294967295", "expected a number after uid:", "" },
    { "gid:1x", "expected a number after gid:", "" },
    { "user:", "expected a name after user:", "" },
    { "exe:bin/true", "expected the absolute path of a program after exe:", "" },
    { "exe:/", "expected the absolute path of a program after exe:", "" },
    { "unit:", "expected the name of a systemd unit", "" },
    { "unit:system.slice/x.service", "expected the name of a systemd unit", "" },
    { "peer:", "expected a host as 192.0.2.7", "" },
    { "peer:localhost", "expected a host as 192.0.2.7", "" },
    { "peer:10.1/8", "expected a host as 192.0.2.7", "" },
    { "peer:10.0.0.0/", "expected 0 to 32 bits after the slash", "" },
    { "peer:10.0.0.0/33", "expected 0 to 32 bits after the slash", "" },
    { "peer:10.0.0.0/-1", "expected 0 to 32 bits after the slash", "" },
    { "peer:::1/129", "expected 0 to 128 bits after the slash", "" },
    { "peer:10.1.2.3/8", "bits are set beyond the first 8", "say peer:10.0.0.0/8" },
    { "peer:10.0.0.1/31", "bits are set beyond the first 31", "say peer:10.0.0.0/31" },
    { "peer:10.0.0.1/0", "bits are set beyond the first 0", "say peer:0.0.0.0/0" },
    { "peer:2001:db8::1/32", "bits are set beyond the first 32", "say peer:2001:db8::/32" },
};

START_TEST(mistakes_are_told)
{
    struct subject subject;
    struct ferry_error error = { 0 };
    ck_assert_int_eq(subject_parse(mistakes[_i].word, &subject, &error), -EINVAL);
    ck_assert_str_eq(error.thing, mistakes[_i].word);
    ck_assert_ptr_nonnull(strstr(error.reason, mistakes[_i].said));
    ck_assert_str_eq(error.remedy, mistakes[_i].remedy);
}
END_TEST

static const struct {
    const char *range, *host;
    bool in;
} hosts[] = {
    { "peer:10.0.0.0/8", "10.255.255.255", true },
    { "peer:10.0.0.0/8", "11.0.0.0", false },
    { "peer:10.0.0.0/8", "::ffff:10.1.2.3", true },
    { "peer:10.0.0.0/8", "::10.1.2.3", false },
    { "peer:192.0.2.7", "192.0.2.7", true },
    { "peer:192.0.2.7", "192.0.2.6", false },
    { "peer:192.0.2.4/30", "192.0.2.7", true },
    { "peer:192.0.2.4/30", "192.0.2.8", false },
    { "peer:192.0.2.128/25", "192.0.2.127", false },
    { "peer:0.0.0.0/0", "203.0.113.1", true },
    { "peer:0.0.0.0/0", "2001:db8::1", false },
    { "peer:::/0", "2001:db8::1", true },
    { "peer:::/0", "203.0.113.1", false },
    { "peer:::/0", "::ffff:203.0.113.1", false },
    { "peer:::ffff:10.0.0.0/104", "10.9.9.9", true },
    { "peer:::ffff:10.0.0.7", "10.0.0.7", true },
    { "peer:::ffff:10.0.0.7", "10.0.0.8", false },
    { "peer:2001:db8::/33", "2001:db8:7fff::1", true },
    { "peer:2001:db8::/33", "2001:db8:8000::1", false },
    { "peer:2001:db8::7", "2001:db8::7", true },
    { "peer:2001:db8::7", "2001:db8::6", false },
    { "peer:fe80::/10", "febf::1", true },
    { "peer:fe80::/10", "fec0::1", false },
};

START_TEST(hosts_are_in_their_ranges)
{
    struct subject subject;
    struct host_range host;
    uint8_t address[16];
    bool ipv6 = strchr(hosts[_i].host, ':') != NULL;

    ck_assert_int_eq(subject_parse(hosts[_i].range, &subject, NULL), 0);
    ck_assert_int_eq(inet_pton(ipv6 ? AF_INET6 : AF_INET, hosts[_i].host, address), 1);
    ck_assert(host_range_of(address, ipv6 ? 16 : 4, &host));
    ck_assert_int_eq(host_range_has(&subject.range, &host), hosts[_i].in);
}
END_TEST

START_TEST(a_host_has_four_bytes_or_sixteen)
{
    struct host_range host;
    ck_assert(!host_range_of("12345678", 8, &host));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/subject");
    TCase *cases = tcase_create("subject");
    tcase_add_loop_test(cases, words_and_what_they_mean, 0, COUNT(words));
    tcase_add_loop_test(cases, mistakes_are_told, 0, COUNT(mistakes));
    tcase_add_loop_test(cases, hosts_are_in_their_ranges, 0, COUNT(hosts));
    tcase_add_test(cases, a_host_has_four_bytes_or_sixteen);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
