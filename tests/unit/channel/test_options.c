/* test_options.c - profiles and addresses on listeners and channels, and what is told of them. */
#include "base/cleanup.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct ferry_address *address_of(const char *text)
{
    struct ferry_address *address;
    struct ferry_error error;
    ck_assert_msg(ferry_address_parse(text, NULL, &address, &error) == 0, "%s", error.reason);
    return address;
}

static struct ferry_listener *listen_to(const char *text, const struct ferry_profile *profile)
{
    struct ferry_listen_options options = { .struct_size = sizeof(options), .profile = profile };
    struct ferry_address *address = address_of(text);
    struct ferry_listener *listener;
    struct ferry_error error;
    int r = ferry_listen(address, &options, &listener, &error);
    ck_assert_msg(r == 0, "%s: %s", text, error.reason);
    ferry_address_free(address);
    return listener;
}

static struct ferry_channel *dial(
    const struct ferry_address *address, const struct ferry_profile *profile)
{
    struct ferry_dial_options options = { .struct_size = sizeof(options), .profile = profile };
    struct ferry_channel *channel;
    ck_assert_int_eq(ferry_dial(address, &options, ferry_deadline(5000), &channel, NULL), 0);
    return channel;
}

static const struct ferry_option *find(const struct ferry_options *options, const char *key)
{
    for (size_t i = 0; i < ferry_options_count(options); i++)
        if (strcmp(ferry_options_item(options, i)->key, key) == 0)
            return ferry_options_item(options, i);
    return NULL;
}

static struct ferry_profile *profile_of(const char *extends, const char *key, const char *value)
{
    struct ferry_profile *profile;
    ck_assert_int_eq(ferry_profile_new(extends, &profile), 0);
    if (key)
        ck_assert_int_eq(ferry_profile_set(profile, key, value, NULL), 0);
    return profile;
}

START_TEST(the_address_goes_before_the_profile)
{
    struct ferry_profile *profile = profile_of("web", NULL, NULL);
    struct ferry_listener *listener = listen_to("tcp:0,keepidle=33s,nodelay=no", profile);
    struct ferry_options *options;

    ferry_profile_free(profile);
    /* What is shown is the address as given. */
    ck_assert_ptr_nonnull(
        strstr(ferry_address_text(ferry_listener_address(listener)), ",keepidle=33s,nodelay=no"));
    ck_assert_ptr_null(strstr(ferry_address_text(ferry_listener_address(listener)), "keepalive"));
    ck_assert_int_eq(ferry_listener_get_options(listener, true, &options), 0);
    ck_assert_str_eq(find(options, "keepidle")->effective, "33s");
    ck_assert(!find(options, "keepidle")->from_profile);
    ck_assert_str_eq(find(options, "nodelay")->effective, "no");
    ck_assert_str_eq(find(options, "keepintvl")->effective, "15s");
    ck_assert(find(options, "keepintvl")->from_profile);
    ck_assert_str_eq(find(options, "keepalive")->effective, "yes");
    ck_assert_ptr_null(find(options, "congestion")->asked);
    ck_assert_str_eq(find(options, "defer-accept")->effective, "3s");
    ferry_options_free(options);
    ferry_listener_close(listener);
}
END_TEST

START_TEST(both_ends_of_a_connection_have_it)
{
    struct ferry_profile *profile = profile_of("realtime", "rcvbuf", "64k");
    struct ferry_listener *listener = listen_to("tcp:0", profile);
    struct ferry_channel *client = dial(ferry_listener_address(listener), profile), *server;
    struct ferry_channel *ends[] = { client, NULL };

    ck_assert_int_eq(ferry_listener_accept(listener, ferry_deadline(5000), &server), 0);
    ferry_listener_close(listener);
    ferry_profile_free(profile);
    ends[1] = server;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct ferry_options *options;
        ck_assert_int_eq(ferry_channel_get_options(ends[i], false, &options), 0);
        ck_assert_str_eq(find(options, "rcvbuf")->asked, "64k");
        ck_assert_str_eq(find(options, "rcvbuf")->effective, "128k");
        ck_assert(!find(options, "rcvbuf")->differs);
        ck_assert_ptr_nonnull(strstr(find(options, "rcvbuf")->note, "doubled"));
        ck_assert_str_eq(find(options, "priority")->effective, "6");
        ck_assert_str_eq(find(options, "tos")->effective, "ef");
        ck_assert_str_eq(find(options, "nodelay")->effective, "yes");
        ck_assert_ptr_null(find(options, "congestion"));
        ferry_options_free(options);
        ferry_channel_close(ends[i]);
    }
}
END_TEST

START_TEST(what_is_not_for_the_socket_is_left_out_and_told)
{
    struct ferry_profile *profile = profile_of("web", "sndbuf", "64k");
    struct ferry_listener *listener = listen_to("unix:@ferry-test-options", profile);
    struct ferry_channel *client = dial(ferry_listener_address(listener), NULL), *server;
    struct ferry_options *options;

    ck_assert_int_eq(ferry_listener_accept(listener, ferry_deadline(5000), &server), 0);
    ck_assert_int_eq(ferry_channel_get_options(server, false, &options), 0);
    ck_assert_str_eq(find(options, "sndbuf")->effective, "128k");
    ck_assert_ptr_null(find(options, "nodelay")->effective);
    ck_assert_str_eq(find(options, "nodelay")->note, "not for unix");
    ck_assert_str_eq(find(options, "nodelay")->asked, "");
    ck_assert(!find(options, "nodelay")->differs);
    ferry_options_free(options);
    ck_assert_int_eq(ferry_channel_get_options(client, false, &options), 0);
    ck_assert_uint_eq(ferry_options_count(options), 0);
    ferry_options_free(options);
    ck_assert_int_eq(ferry_channel_get_options(client, true, &options), 0);
    ck_assert_uint_eq(ferry_options_count(options), 3);
    ferry_options_free(options);
    ferry_channel_close(client);
    ferry_channel_close(server);
    ferry_listener_close(listener);
    ferry_profile_free(profile);
}
END_TEST

START_TEST(what_the_kernel_cuts_is_told)
{
    struct ferry_address *address = address_of("udp:1,rcvbuf=1023M,sndbuf=1");
    struct ferry_options *options;

    ck_assert_int_eq(ferry_address_get_options(address, true, NULL, &options, NULL), 0);
    ck_assert(find(options, "rcvbuf")->differs);
    ck_assert_ptr_nonnull(strstr(find(options, "rcvbuf")->note, "cut by net.core.rmem_max"));
    ck_assert(find(options, "sndbuf")->differs);
    ck_assert_ptr_nonnull(strstr(find(options, "sndbuf")->note, "least"));
    ferry_options_free(options);
    ferry_address_free(address);
}
END_TEST

START_TEST(retransmissions_are_counted_in_seconds)
{
    struct ferry_address *address = address_of("tcp:1,defer-accept=5s");
    struct ferry_options *options;

    ck_assert_int_eq(ferry_address_get_options(address, true, NULL, &options, NULL), 0);
    ck_assert_str_eq(find(options, "defer-accept")->effective, "7s");
    ck_assert(find(options, "defer-accept")->differs);
    ferry_options_free(options);
    ferry_address_free(address);
}
END_TEST

/* A socket that a service manager made. */
START_TEST(an_inherited_listener_is_tuned)
{
    struct ferry_profile *profile = profile_of("web", NULL, NULL);
    struct ferry_listen_options given = { .struct_size = sizeof(given), .profile = profile };
    struct ferry_address *address = address_of("fd:web,user-timeout=9s");
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct ferry_listener *listener;
    struct ferry_options *options;
    int fd = socket(AF_INET, SOCK_STREAM, 0), number;
    socklen_t size = sizeof(number);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(listen(fd, 5), 0);
    ck_assert_int_eq(ferry_listener_adopt(fd, address, &given, &listener, NULL), 0);
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &number, &size), 0);
    ck_assert_int_eq(number, 9000);
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &number, &size), 0);
    ck_assert_int_eq(number, 3);
    ck_assert_int_eq(ferry_listener_get_options(listener, false, &options), 0);
    ck_assert_str_eq(find(options, "user-timeout")->effective, "9s");
    ferry_options_free(options);
    ferry_listener_close(listener);
    ferry_address_free(address);
    ferry_profile_free(profile);
}
END_TEST

/* What fd: is shows when it is opened. */
START_TEST(an_inherited_socket_of_another_kind_refuses)
{
    struct ferry_address *address = address_of("fd:x,keepalive");
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    struct ferry_listener *listener;
    struct ferry_error error;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t)), 0);
    ck_assert_int_eq(listen(fd, 5), 0);
    ck_assert_int_eq(ferry_listener_adopt(fd, address, NULL, &listener, &error), -EINVAL);
    ck_assert_str_eq(error.reason, "it is a unix socket, which cannot have keepalive");
    ferry_address_free(address);
}
END_TEST

START_TEST(what_is_refused_is_refused_at_the_start)
{
    static const char *const texts[] = { "tcp:0,bindtodevice=nosuch0", "udp:0,bindtodevice=nosuch0",
        "tcp:*:0,bindtodevice=nosuch0" };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct ferry_address *address = address_of(texts[i]);
        struct ferry_listener *listener;
        struct ferry_channel *channel;
        struct ferry_error error;
        ck_assert_int_eq(ferry_listen(address, NULL, &listener, &error), -ENODEV);
        ck_assert_str_eq(error.thing, texts[i]);
        if (i < 2)
            ck_assert_int_eq(ferry_try_dial(address, NULL, &channel, &error), -ENODEV);
        ferry_address_free(address);
    }
}
END_TEST

START_TEST(what_cannot_be_tried_is_told)
{
    static const struct {
        const char *text;
        int code;
    } cases[] = { { "unix:/x,backlog=5", -EINVAL }, { "fd:x", -EOPNOTSUPP } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ferry_address *address = address_of(cases[i].text);
        struct ferry_options *options;
        struct ferry_error error;
        ck_assert_int_eq(
            ferry_address_get_options(address, false, NULL, &options, &error), cases[i].code);
        ck_assert_str_eq(error.thing, cases[i].text);
        ferry_address_free(address);
    }
}
END_TEST

/* Else close(2) would wait for the peer, and everything with it. linger=0 waits for nobody. */
START_TEST(closing_never_lingers)
{
    static const struct {
        const char *listen;
        int held;
    } cases[] = { { "tcp:0,linger=2s", 0 }, { "tcp:0,linger=0", 1 }, { "tcp:0,linger=no", 0 } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ferry_listener *listener = listen_to(cases[i].listen, NULL);
        struct ferry_profile *profile =
            profile_of(NULL, "linger", strchr(cases[i].listen, '=') + 1);
        struct ferry_channel *ends[2];
        ends[0] = dial(ferry_listener_address(listener), profile);
        ck_assert_int_eq(ferry_listener_accept(listener, ferry_deadline(5000), &ends[1]), 0);
        for (size_t j = 0; j < COUNT_OF(ends); j++) {
            struct linger linger;
            socklen_t size = sizeof(linger);
            AUTO_FD int kept = dup(ferry_channel_fd(ends[j], FERRY_SEND));
            ferry_channel_close(ends[j]);
            ck_assert_int_eq(getsockopt(kept, SOL_SOCKET, SO_LINGER, &linger, &size), 0);
            ck_assert_int_eq(linger.l_onoff, cases[i].held);
        }
        ferry_profile_free(profile);
        ferry_listener_close(listener);
    }
}
END_TEST

static int duplicate(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    ck_assert_int_ge(copy, 0);
    return copy;
}

/* Tells of it what was asked where it was made, and does not linger when it is closed. */
static void is_as_it_was_made(struct ferry_channel *channel, bool dialled)
{
    struct ferry_options *options;
    struct linger linger;
    socklen_t size = sizeof(linger);
    AUTO_FD int kept = duplicate(ferry_channel_fd(channel, FERRY_SEND));

    ck_assert_int_eq(ferry_channel_get_options(channel, false, &options), 0);
    ck_assert_str_eq(find(options, "keepidle")->asked, "33s");
    ck_assert(!find(options, "keepidle")->from_profile);
    ck_assert_str_eq(find(options, "priority")->effective, "3"); /* which is not inherited */
    ck_assert_str_eq(find(options, "linger")->effective, "2s");
    ck_assert(find(options, "linger")->from_profile);
    ck_assert_int_eq(find(options, "defer-accept") != NULL, dialled); /* "not for dialling" */
    ferry_options_free(options);
    ferry_channel_close(channel);
    ck_assert_int_eq(getsockopt(kept, SOL_SOCKET, SO_LINGER, &linger, &size), 0);
    ck_assert_int_eq(linger.l_onoff, 0);
}

/* By another process, perhaps: with nothing but descriptors, addresses and the profile. */
START_TEST(what_is_resumed_is_as_it_was_made)
{
    struct ferry_profile *profile = profile_of("web", "linger", "2s");
    struct ferry_listen_options how = { .struct_size = sizeof(how), .profile = profile };
    struct ferry_dial_options options = { .struct_size = sizeof(options), .profile = profile };
    struct ferry_listener *first = listen_to("tcp:0,keepidle=33s,priority=3", profile), *second;
    const struct ferry_address *address = ferry_listener_address(first);
    struct ferry_channel *ends[2], *client, *later[2];

    int fd = duplicate(ferry_listener_socket(first));
    ck_assert_int_eq(ferry_listener_resume(fd, address, &how, &second, NULL), 0);
    ends[0] = dial(address, profile);
    ck_assert_int_eq(ferry_listener_accept(second, ferry_deadline(5000), &ends[1]), 0);
    for (int i = 0; i < 2; i++) {
        fd = duplicate(ferry_channel_fd(ends[i], FERRY_SEND));
        options.accepted = i == 1;
        ck_assert_int_eq(ferry_channel_resume(fd, address, &options, &later[i], NULL), 0);
    }
    is_as_it_was_made(later[0], true);
    is_as_it_was_made(later[1], false);
    ferry_channel_close(ends[0]);
    ferry_channel_close(ends[1]);
    client = dial(address, profile);
    ck_assert_int_eq(ferry_listener_accept(second, ferry_deadline(5000), &ends[1]), 0);
    is_as_it_was_made(ends[1], false);
    ferry_channel_close(client);
    ferry_listener_close(first);
    ferry_listener_close(second);
    ferry_profile_free(profile);
}
END_TEST

START_TEST(sessions_are_asked_by_their_socket)
{
    struct ferry_listener *listener = listen_to("udp:0,rcvbuf=64k,tos=cs1", NULL);
    struct ferry_channel *client = dial(ferry_listener_address(listener), NULL), *session;
    struct ferry_options *options;

    ck_assert_int_eq(ferry_channel_send_bytes(client, "x", 1, ferry_deadline(5000)), 0);
    ck_assert_int_eq(ferry_listener_accept(listener, ferry_deadline(5000), &session), 0);
    ck_assert_int_eq(ferry_channel_get_options(session, false, &options), 0);
    ck_assert_str_eq(find(options, "rcvbuf")->effective, "128k");
    ck_assert_str_eq(find(options, "tos")->effective, "cs1");
    ferry_options_free(options);
    ferry_channel_close(session);
    ferry_channel_close(client);
    ferry_listener_close(listener);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel/options");
    TCase *tests = tcase_create("options");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, the_address_goes_before_the_profile);
    tcase_add_test(tests, both_ends_of_a_connection_have_it);
    tcase_add_test(tests, what_is_not_for_the_socket_is_left_out_and_told);
    tcase_add_test(tests, what_the_kernel_cuts_is_told);
    tcase_add_test(tests, retransmissions_are_counted_in_seconds);
    tcase_add_test(tests, an_inherited_listener_is_tuned);
    tcase_add_test(tests, an_inherited_socket_of_another_kind_refuses);
    tcase_add_test(tests, what_is_refused_is_refused_at_the_start);
    tcase_add_test(tests, what_cannot_be_tried_is_told);
    tcase_add_test(tests, closing_never_lingers);
    tcase_add_test(tests, what_is_resumed_is_as_it_was_made);
    tcase_add_test(tests, sessions_are_asked_by_their_socket);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
