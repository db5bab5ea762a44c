/* test_target.c - what `ls`, `show` and `why` are asked about: every form, and what is none. */
#include "command/view/target.h"
#include "suite.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIND(name) (1u << FERRY_ENDPOINT_##name)

static struct view_target parse(const char *word)
{
    struct view_target target;
    struct ferry_error error = { 0 };
    int code = view_target_parse(word, &target, &error);

    ck_assert_msg(code == 0, "%s: %s: %s", word, error.thing, error.reason);
    ck_assert_str_eq(target.word, word);
    return target;
}

START_TEST(numbers)
{
    static const struct {
        const char *word;
        uint64_t inode;
    } inodes[] = { { "ino:4711", 4711 }, { "socket:[4711]", 4711 }, { "pipe:[12]", 12 },
        { "ino:18446744073709551615", UINT64_MAX }, { "4294967296", UINT64_C(4294967296) } };
    char word[32];

    for (size_t i = 0; i < sizeof(inodes) / sizeof(inodes[0]); i++) {
        struct view_target target = parse(inodes[i].word);
        ck_assert_int_eq(target.kind, VIEW_INODE);
        ck_assert_uint_eq(target.inode, inodes[i].inode);
        ck_assert_uint_eq(target.kinds, FERRY_ENDPOINTS_ALL);
        view_target_fini(&target);
    }
    snprintf(word, sizeof(word), "%d", (int)getpid());
    struct view_target process = parse(word);
    ck_assert_int_eq(process.kind, VIEW_PROCESS);
    ck_assert_int_eq(process.pid, getpid());
    view_target_fini(&process);
    struct view_target held = parse("4711:3");
    ck_assert_int_eq(held.kind, VIEW_DESCRIPTOR);
    ck_assert_int_eq(held.pid, 4711);
    ck_assert_int_eq(held.fd, 3);
    view_target_fini(&held);
}
END_TEST

/* What only looks like a number is a name. */
START_TEST(what_is_no_number)
{
    static const char *const words[] = { "4711x", "4711:", "4711:3x",
        "ino:", "99999999999999999999", "4711:3:4", "-1", "+1", " 1", "1.2" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct view_target target;
        if (view_target_parse(words[i], &target, NULL) < 0)
            continue; /* "ino:" is no scheme */
        ck_assert_msg(target.kind == VIEW_PATH, "%s", words[i]);
        view_target_fini(&target);
    }
    struct view_target target;
    ck_assert_int_eq(view_target_parse("socket:[4711", &target, NULL), -EINVAL);
    ck_assert_int_eq(view_target_parse("socket:4711]", &target, NULL), -EINVAL);
    ck_assert_int_eq(view_target_parse("ino:4711]", &target, NULL), -EINVAL);
    ck_assert_int_eq(view_target_parse("ino:-1", &target, NULL), -EINVAL);
}
END_TEST

static void check_inet(
    const char *word, unsigned kinds, int family, const char *host, uint16_t port)
{
    struct view_target target = parse(word);
    unsigned char address[16] = { 0 };

    ck_assert_msg(target.kind == VIEW_INET, "%s", word);
    ck_assert_uint_eq(target.kinds, kinds);
    ck_assert_int_eq(target.family, family);
    ck_assert_uint_eq(target.port, port);
    if (host)
        ck_assert_int_eq(inet_pton(family, host, address), 1);
    ck_assert_mem_eq(target.address, address, sizeof(address));
    view_target_fini(&target);
}

START_TEST(addresses)
{
    unsigned both = KIND(TCP) | KIND(UDP);

    check_inet("tcp:127.0.0.1:80", KIND(TCP), AF_INET, "127.0.0.1", 80);
    check_inet("tcp:80", KIND(TCP), 0, NULL, 80);
    check_inet("tcp:localhost:80", KIND(TCP), 0, NULL, 80);
    check_inet("udp:[::1]:53", KIND(UDP), AF_INET6, "::1", 53);
    check_inet("127.0.0.1:80", both, AF_INET, "127.0.0.1", 80);
    check_inet("[::1]:80", both, AF_INET6, "::1", 80);
    check_inet("[fe80::1%25lo]:80", both, AF_INET6, "fe80::1", 80);
    check_inet(":80", both, 0, NULL, 80);
    check_inet("*:80", both, 0, NULL, 80);
    check_inet("localhost:80", both, 0, NULL, 80);
}
END_TEST

START_TEST(names)
{
    struct view_target target = parse("@app");

    ck_assert_int_eq(target.kind, VIEW_ABSTRACT);
    ck_assert_uint_eq(target.kinds, FERRY_ENDPOINTS_UNIX);
    ck_assert_str_eq(target.name, "app");
    view_target_fini(&target);
    target = parse("unix-dgram:@app");
    ck_assert_int_eq(target.kind, VIEW_ABSTRACT);
    ck_assert_uint_eq(target.kinds, KIND(UNIX_DATAGRAM));
    view_target_fini(&target);
    target = parse("mq:/jobs");
    ck_assert_int_eq(target.kind, VIEW_QUEUE);
    ck_assert_uint_eq(target.kinds, KIND(QUEUE));
    ck_assert_str_eq(target.name, "/jobs");
    view_target_fini(&target);
}
END_TEST

START_TEST(paths)
{
    static const struct {
        const char *word, *path;
        unsigned kinds;
    } cases[] = {
        { "/run/a.sock", "/run/a.sock", FERRY_ENDPOINTS_UNIX | KIND(FIFO) },
        { "unix:/run/a.sock", "/run/a.sock", KIND(UNIX_STREAM) },
        { "unix-seq:/run/a.sock", "/run/a.sock", KIND(UNIX_SEQPACKET) },
        { "fifo:/run/a", "/run/a", KIND(FIFO) },
        { "a.sock", "/a.sock", FERRY_ENDPOINTS_UNIX | KIND(FIFO) },
        { "./a.sock", "/a.sock", FERRY_ENDPOINTS_UNIX | KIND(FIFO) },
        { "./@a", "/@a", FERRY_ENDPOINTS_UNIX | KIND(FIFO) },
        { "/a:80", "/a:80", FERRY_ENDPOINTS_UNIX | KIND(FIFO) },
        { "./tcp:80", "/tcp:80", FERRY_ENDPOINTS_UNIX | KIND(FIFO) },
        { "/a\nb\xff", "/a\nb\xff", FERRY_ENDPOINTS_UNIX | KIND(FIFO) },
    };

    ck_assert_int_eq(chdir("/"), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct view_target target = parse(cases[i].word);
        ck_assert_msg(target.kind == VIEW_PATH, "%s", cases[i].word);
        ck_assert_str_eq(target.name, cases[i].path);
        ck_assert_uint_eq(target.name_size, strlen(cases[i].path));
        ck_assert_uint_eq(target.kinds, cases[i].kinds);
        view_target_fini(&target);
    }
    struct stat status;
    struct view_target there = parse("/dev/null");
    ck_assert_int_eq(stat("/dev/null", &status), 0);
    ck_assert_uint_eq(there.inode, status.st_ino);
    view_target_fini(&there);
}
END_TEST

/* Refused with a reason, and what was typed comes back harmless. */
START_TEST(what_says_nothing)
{
    static const char *const words[] = { "", "tcp:", "tcp:example.org:80", "tcp:1.2.3.4:99999",
        "[::1", "exec:true", "nosuchscheme:x", "udp:[zz]:1", "unix:", "tcp:1.2.3:80",
        "nosuch\x1b[2J:x", "unix:/a,nosuch=1" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct view_target target;
        struct ferry_error error = { 0 };
        int code = view_target_parse(words[i], &target, &error);
        if (code == 0) { /* a path after all */
            ck_assert_msg(target.kind == VIEW_PATH && strpbrk(words[i], "[\x1b"), "%s", words[i]);
            view_target_fini(&target);
            continue;
        }
        ck_assert_msg(code == -EINVAL, "%s: %d", words[i], code);
        ck_assert_msg(error.reason[0], "%s", words[i]);
        ck_assert_ptr_null(strchr(error.thing, '\x1b'));
        ck_assert_ptr_null(strchr(error.reason, '\x1b'));
    }
}
END_TEST

/* --- matching --------------------------------------------------------------------------------- */

static bool matches(const char *word, const struct ferry_endpoint *endpoint)
{
    struct view_target target = parse(word);
    bool found = view_target_matches(&target, endpoint);
    view_target_fini(&target);
    return found;
}

static bool matches_tcp(
    const char *word, int family, const char *local, uint16_t port, const char *remote)
{
    struct ferry_inet inet = { .local_port = port, .remote_port = remote ? 999 : 0 };
    struct ferry_endpoint endpoint = {
        .kind = FERRY_ENDPOINT_TCP, .family = (unsigned char)family, .inet = &inet
    };

    ck_assert_int_eq(inet_pton(family, local, inet.local), 1);
    if (remote)
        ck_assert_int_eq(inet_pton(family, remote, inet.remote), 1);
    return matches(word, &endpoint);
}

START_TEST(matching_addresses)
{
    ck_assert(matches_tcp("tcp:127.0.0.1:80", AF_INET, "127.0.0.1", 80, NULL));
    ck_assert(matches_tcp("tcp:127.0.0.1:80", AF_INET, "0.0.0.0", 80, NULL));
    ck_assert(matches_tcp("tcp:127.0.0.1:80", AF_INET6, "::", 80, NULL));
    ck_assert(matches_tcp("tcp:127.0.0.1:80", AF_INET6, "::ffff:127.0.0.1", 80, "::ffff:1.2.3.4"));
    ck_assert(matches_tcp("tcp:1.2.3.4:999", AF_INET6, "::ffff:127.0.0.1", 80, "::ffff:1.2.3.4"));
    ck_assert(matches_tcp("[::1]:80", AF_INET6, "::", 80, NULL));
    ck_assert(matches_tcp(":80", AF_INET6, "::1", 80, NULL));
    ck_assert(matches_tcp(":999", AF_INET, "127.0.0.1", 80, "10.0.0.1"));
    ck_assert(!matches_tcp(":0", AF_INET, "127.0.0.1", 80, NULL));
    ck_assert(!matches_tcp("tcp:127.0.0.1:80", AF_INET, "127.0.0.2", 80, NULL));
    ck_assert(!matches_tcp("tcp:127.0.0.1:80", AF_INET, "127.0.0.1", 81, NULL));
    ck_assert(!matches_tcp("tcp:127.0.0.1:80", AF_INET6, "::ffff:127.0.0.2", 80, NULL));
    ck_assert(!matches_tcp("[::1]:80", AF_INET, "0.0.0.0", 80, NULL));
    ck_assert(!matches_tcp("[::1]:80", AF_INET6, "::2", 80, NULL));
    ck_assert(!matches_tcp("udp:80", AF_INET, "127.0.0.1", 80, NULL));
}
END_TEST

START_TEST(matching_names)
{
    struct ferry_endpoint abstract = {
        .kind = FERRY_ENDPOINT_UNIX_STREAM, .name = "\0app", .name_size = 4
    };
    struct ferry_endpoint path = {
        .kind = FERRY_ENDPOINT_UNIX_STREAM, .name = "/nowhere/a.sock", .name_size = 15
    };
    struct ferry_endpoint none = { .kind = FERRY_ENDPOINT_UNIX_STREAM };

    ck_assert(matches("@app", &abstract));
    ck_assert(!matches("@ap", &abstract));
    ck_assert(!matches("@appl", &abstract));
    ck_assert(!matches("unix-seq:@app", &abstract));
    ck_assert(matches("/nowhere/a.sock", &path));
    ck_assert(!matches("/nowhere/a.soc", &path));
    ck_assert(!matches("@app", &path));
    ck_assert(!matches("/nowhere/a.sock", &abstract));
    ck_assert(!matches("@app", &none));
    ck_assert(!matches("/nowhere/a.sock", &none));
}
END_TEST

/* A socket that was bound under another name is found by its file. */
START_TEST(matching_files)
{
    struct stat status;
    ck_assert_int_eq(stat("/dev/null", &status), 0);
    struct ferry_path file = { .state = FERRY_PATH_THERE, .inode = status.st_ino, .where = "/x" };
    struct ferry_endpoint endpoint = {
        .kind = FERRY_ENDPOINT_UNIX_STREAM, .name = "null", .name_size = 4, .path = &file
    };
    struct ferry_endpoint fifo = {
        .kind = FERRY_ENDPOINT_FIFO, .inode = status.st_ino, .device = status.st_dev
    };

    ck_assert(matches("/dev/null", &endpoint));
    ck_assert(matches("/dev/null", &fifo));
    file.state = FERRY_PATH_REPLACED;
    fifo.device++;
    ck_assert(!matches("/dev/null", &endpoint));
    ck_assert(!matches("/dev/null", &fifo));
}
END_TEST

START_TEST(matching_owners_and_inodes)
{
    struct ferry_process process = { .pid = getpid() };
    struct ferry_owner owners[] = { { &process, 3, 3 }, { &process, 5, 3 } };
    struct ferry_endpoint endpoint = {
        .kind = FERRY_ENDPOINT_PIPE, .inode = 4711, .owners = owners, .owner_count = 2
    };
    struct ferry_endpoint closed = { .kind = FERRY_ENDPOINT_TCP };
    char word[32];

    snprintf(word, sizeof(word), "%d", (int)getpid());
    ck_assert(matches(word, &endpoint));
    ck_assert(!matches(word, &closed));
    snprintf(word, sizeof(word), "%d:5", (int)getpid());
    ck_assert(matches(word, &endpoint));
    snprintf(word, sizeof(word), "%d:4", (int)getpid());
    ck_assert(!matches(word, &endpoint));
    ck_assert(!matches("4712:3", &endpoint));
    ck_assert(matches("ino:4711", &endpoint));
    ck_assert(!matches("ino:4712", &endpoint));
    ck_assert(!matches("ino:0", &closed)); /* what has no inode has no such one */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/view/target");
    TCase *tests = tcase_create("target");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, numbers);
    tcase_add_test(tests, what_is_no_number);
    tcase_add_test(tests, addresses);
    tcase_add_test(tests, names);
    tcase_add_test(tests, paths);
    tcase_add_test(tests, what_says_nothing);
    tcase_add_test(tests, matching_addresses);
    tcase_add_test(tests, matching_names);
    tcase_add_test(tests, matching_files);
    tcase_add_test(tests, matching_owners_and_inodes);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
