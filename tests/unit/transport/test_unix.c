/* test_unix.c - unix addresses: listened on, dialled, and what is said when that fails. */
#include "scratch.h"

#include <stddef.h>
#include <sys/file.h>
#include <sys/syscall.h>

static const char *const schemes[] = { "unix", "unix-seq" };

static const char *watched; /* a path that is going to be removed */
static int removed_alive;   /* times that its socket lived then */

/* In the place of the C library's: looks at the watched socket just before its path goes. */
int unlinkat(int directory, const char *name, int flags)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    if (watched) {
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", watched);
        /* Of another type, or connected to somebody else: both live. */
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EPROTOTYPE ||
            errno == EPERM)
            removed_alive++;
    }
    return (int)syscall(SYS_unlinkat, directory, name, flags);
}

START_TEST(client_and_server_talk)
{
    const char *path = scratch_path(schemes[_i]);
    struct listening listening = listen_at(address_of("%s:%s", schemes[_i], path));
    struct link client = dial_to(address_of("%s:%s", schemes[_i], path));
    struct link server = accept_one(&listening);
    struct ferry_identity identity = { 0 };

    ck_assert_uint_eq(server.capabilities, listening.capabilities);
    ck_assert_int_eq(link_send_text(&client, "question"), 1);
    ck_assert_receives(&server, "question");
    ck_assert_int_eq(link_send_text(&server, "answer"), 1);
    ck_assert_receives(&client, "answer");
    server.ops->identity(&server, FERRY_FACT_PID, &identity);
    ck_assert_int_eq(identity.pid, getpid());
    ck_assert_uint_eq(listening_dropped(&listening), 0);
    /* What was accepted outlives the listening. */
    listening.ops->close(&listening);
    ck_assert_int_eq(access(path, F_OK), -1);
    ck_assert_int_eq(link_send_text(&client, "after"), 1);
    ck_assert_receives(&server, "after");
    client.ops->close(&client);
    server.ops->close(&server);
}
END_TEST

START_TEST(abstract_names_work_and_name_their_owner)
{
    char expected[32];
    struct ferry_address *address = address_of("unix:@ferry-test-%d", (int)getpid());
    struct ferry_address *again = address_of("%s", ferry_address_text(address));
    struct listening listening = listen_at(address);
    struct link client = dial_to(address_of("%s", ferry_address_text(again)));
    struct listening second;
    struct ferry_error error;
    char text[128];

    client.ops->peer(&client, text, sizeof(text));
    ck_assert_str_eq(text, ferry_address_text(again));
    ck_assert_int_eq(transport_listen(again, NULL, &second, &error), -EADDRINUSE);
    snprintf(expected, sizeof(expected), "pid %d (", (int)getpid());
    ck_assert_ptr_nonnull(strstr(error.reason, expected));
    client.ops->close(&client);
    listening.ops->close(&listening);
    ck_assert_int_eq(transport_dial(again, NULL, &client, &error), -ECONNREFUSED);
    ck_assert_str_eq(error.reason, "nobody listens there");
    ferry_address_free(again);
}
END_TEST

START_TEST(named_client_is_seen_and_leaves_no_path)
{
    const char *path = scratch_path("server"), *name = scratch_path("client");
    struct listening listening = listen_at(address_of("unix:%s", path));
    struct link client = dial_to(address_of("unix:%s,bind=%s", path, name));
    struct link server = accept_one(&listening);
    char text[256], expected[256];

    server.ops->peer(&server, text, sizeof(text));
    snprintf(expected, sizeof(expected), "unix:%s", name);
    ck_assert_str_eq(text, expected);
    client.ops->close(&client);
    ck_assert_int_eq(access(name, F_OK), -1);
    server.ops->close(&server);
    listening.ops->close(&listening);
}
END_TEST

/* Nobody else's start takes a path over while its socket lives, so it goes first, without a lock.
 */
START_TEST(path_goes_before_its_socket)
{
    static const char *const all[] = { "unix", "unix-seq", "unix-dgram" };
    const char *path = scratch_path("before"), *name = scratch_path("before-client");

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct listening listening = listen_at(address_of("%s:%s", all[i], path));
        struct link client = dial_to(address_of("%s:%s,bind=%s", all[i], path, name));
        removed_alive = 0;
        watched = name;
        client.ops->close(&client);
        ck_assert_int_eq(removed_alive, 1);
        watched = path;
        listening.ops->close(&listening);
        ck_assert_int_eq(removed_alive, 2);
        watched = NULL;
        ck_assert_int_eq(access(path, F_OK), -1);
        ck_assert_int_eq(access(name, F_OK), -1);
    }
}
END_TEST

/* Somebody else holds the lock of the directory: dialling comes back at once, listening gives up.
 */
START_TEST(locked_directory_stalls_nobody)
{
    char directory[128];
    struct listening listening = listen_at(address_of("unix:%s", scratch_path("unlocked")));
    struct ferry_error error = { 0 };
    struct link link;

    snprintf(directory, sizeof(directory), "%s", scratch_path("locked"));
    ck_assert_int_eq(mkdir(directory, 0700), 0);
    AUTO_FD int fd = open(directory, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    struct ferry_address *address =
        address_of("unix:%s,bind=%s/client", scratch_path("unlocked"), directory);
    struct ferry_address *server = address_of("unix:%s/server", directory);
    ck_assert_int_eq(transport_dial(address, NULL, &link, &error), -EAGAIN);
    ck_assert_ptr_nonnull(strstr(error.reason, directory));
    ck_assert_int_eq(transport_listen(server, NULL, &listening, &error), -EBUSY);
    ck_assert_ptr_nonnull(strstr(error.remedy, "fuser"));
    ck_assert_int_eq(flock(fd, LOCK_UN), 0);
    ck_assert_int_eq(transport_dial(address, NULL, &link, &error), 0);
    link.ops->close(&link);
    listening.ops->close(&listening);
    ferry_address_free(address);
    ferry_address_free(server);
}
END_TEST

/* A datagram server of another user answers whom it may write to: as mode= says, else nobody. */
START_TEST(named_client_is_answered_as_its_mode_says)
{
    static const struct {
        const char *option;
        mode_t mode;
        int code;
    } cases[] = { { "", 0600, EACCES }, { ",mode=0666", 0666, 0 },
        { ",mode=0620,group=12345", 0620, 0 }, { ",owner=12345", 0600, 0 } };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t size = sizeof(address);
    struct stat status;
    char server[16], client[16], text[16];

    if (skipped_without_root())
        return;
    snprintf(server, sizeof(server), "answers%d", _i);
    snprintf(client, sizeof(client), "asks%d", _i);
    AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", scratch_path(server));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    struct link link = dial_to(address_of(
        "unix-dgram:%s,bind=%s%s", address.sun_path, scratch_path(client), cases[_i].option));
    ck_assert_int_eq(stat(scratch_path(client), &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, cases[_i].mode);
    ck_assert_int_eq(link_send_text(&link, "question"), 1);
    pid_t pid = fork();
    if (pid == 0) {
        if (setegid(12345) < 0 || seteuid(12345) < 0 ||
            recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&address, &size) != 8)
            _exit(255);
        _exit(sendto(fd, "answer", 6, 0, (struct sockaddr *)&address, size) == 6 ? 0 : errno);
    }
    ck_assert_int_eq(child_status(pid), cases[_i].code);
    if (cases[_i].code == 0)
        ck_assert_receives(&link, "answer");
    link.ops->close(&link);
    ck_assert_int_eq(access(scratch_path(client), F_OK), -1);
}
END_TEST

static struct ferry_error dial_fails(int code, const char *format, const char *path)
{
    char text[512];
    struct ferry_error error = { 0 };
    struct link link;

    snprintf(text, sizeof(text), "%s%s", format, path);
    struct ferry_address *address = address_of("%s", text);
    ck_assert_int_eq(transport_dial(address, NULL, &link, &error), code);
    ck_assert_int_eq(error.code, code);
    ck_assert_str_eq(error.thing, ferry_address_text(address));
    ck_assert_uint_gt(strlen(error.reason), 0);
    ferry_address_free(address);
    return error;
}

START_TEST(failures_say_why_and_what_to_do)
{
    const char *path = scratch_path("fails");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    unsigned before = descriptors_open();

    ck_assert_uint_gt(strlen(dial_fails(-ENOENT, "unix:", path).remedy), 0);
    /* A server that died. */
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    ck_assert_uint_gt(strlen(dial_fails(-ECONNREFUSED, "unix:", path).remedy), 0);
    close(open(scratch_path("file"), O_CREAT | O_WRONLY, 0600));
    struct ferry_error error = dial_fails(-ECONNREFUSED, "unix:", scratch_path("file"));
    ck_assert_ptr_nonnull(strstr(error.reason, "not a socket"));
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(wrong_type_names_the_right_scheme)
{
    static const char *const names[] = { "unix", "unix-dgram", "unix-seq" };
    char file[16];

    for (int right = 0; right < 3; right++) {
        snprintf(file, sizeof(file), "type%d", right);
        const char *path = scratch_path(file);
        struct listening listening = listen_at(address_of("%s:%s", names[right], path));
        for (int wrong = 0; wrong < 3; wrong++) {
            char prefix[16], remedy[32];
            if (wrong == right)
                continue;
            snprintf(prefix, sizeof(prefix), "%s:", names[wrong]);
            snprintf(remedy, sizeof(remedy), "use %s:", names[right]);
            ck_assert_str_eq(dial_fails(-EPROTOTYPE, prefix, path).remedy, remedy);
        }
        listening.ops->close(&listening);
    }
}
END_TEST

START_TEST(full_backlog_is_not_now)
{
    const char *path = scratch_path("full");
    struct listening listening = listen_at(address_of("unix:%s,backlog=1", path));
    struct ferry_address *address = address_of("unix:%s", path);
    struct link links[16];
    int made = 0, r;

    while (made < 16 && (r = transport_dial(address, NULL, &links[made], NULL)) == 0)
        made++;
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_int_lt(made, 16);
    struct link server = accept_one(&listening);
    ck_assert_int_eq(transport_dial(address, NULL, &links[made], NULL), 0);
    ferry_address_free(address);
    server.ops->close(&server);
    for (int i = 0; i <= made; i++)
        links[i].ops->close(&links[i]);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(closed_mode_refuses_strangers)
{
    const char *path = scratch_path("closed");
    struct ferry_address *address;
    struct link link;

    if (skipped_without_root())
        return;
    struct listening closed = listen_at(address_of("unix:%s", path));
    struct listening wide = listen_at(address_of("unix:%s-open,mode=0666", path));
    pid_t pid = fork();
    if (pid == 0) {
        if (setegid(12345) < 0 || seteuid(12345) < 0)
            _exit(1);
        struct ferry_error error = dial_fails(-EACCES, "unix:", path);
        address = address_of("unix:%s-open", path);
        int r = transport_dial(address, NULL, &link, NULL);
        _exit(r == 0 && strstr(error.remedy, "mode") ? 0 : 1);
    }
    ck_assert_int_eq(child_status(pid), 0);
    struct link server = accept_one(&wide);
    struct ferry_identity identity = { 0 };
    server.ops->identity(&server, FERRY_FACT_PID, &identity);
    ck_assert_uint_eq(identity.uid, 12345);
    server.ops->close(&server);
    closed.ops->close(&closed);
    wide.ops->close(&wide);
}
END_TEST

START_TEST(options_of_the_other_verb_are_refused)
{
    struct ferry_address *listen = address_of("unix:%s,bind=/tmp/x", scratch_path("verb"));
    struct ferry_address *dial = address_of("unix:%s,mode=0666", scratch_path("verb"));
    struct listening listening;
    struct link link;
    struct ferry_error error;

    ck_assert_int_eq(transport_listen(listen, NULL, &listening, &error), -EINVAL);
    ck_assert_int_eq(transport_dial(dial, NULL, &link, &error), -EINVAL);
    ferry_address_free(listen);
    ferry_address_free(dial);
}
END_TEST

START_TEST(ownership_without_a_path_is_refused)
{
    static const char *const options[] = { "mode=0666", "owner=0", "group=0,bind=@ferry-nobody" };

    for (size_t i = 0; i < COUNT_OF(options); i++) {
        struct ferry_address *address =
            address_of("unix-dgram:%s,%s", scratch_path("nowhere"), options[i]);
        struct ferry_error error = { 0 };
        struct link link;
        ck_assert_int_eq(transport_dial(address, NULL, &link, &error), -EINVAL);
        ck_assert_msg(strstr(error.reason, "bind=PATH") != NULL, "%s", error.reason);
        ferry_address_free(address);
    }
}
END_TEST

START_TEST(unknown_owner_is_named)
{
    struct ferry_address *address =
        address_of("unix:%s,owner=no-such-user-here", scratch_path("nobody"));
    struct listening listening;
    struct ferry_error error;

    ck_assert_int_eq(transport_listen(address, NULL, &listening, &error), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error.reason, "no-such-user-here"));
    ferry_address_free(address);
}
END_TEST

START_TEST(pairs_are_of_three_kinds_only)
{
    struct link one, other;

    ck_assert_int_eq(unix_pair(FERRY_TCP, &one, &other), -EINVAL);
    ck_assert_int_eq(unix_pair(FERRY_UNIX_SEQ, &one, &other), 0);
    one.ops->close(&one);
    other.ops->close(&other);
}
END_TEST

START_TEST(refusing_listener_makes_refusing_links)
{
    const char *path = scratch_path("refusing");
    struct ferry_address *address = address_of("unix:%s", path);
    struct ferry_listen_options options = { .struct_size = sizeof(options),
        .refuse_descriptors = true };
    struct listening listening;

    ck_assert_int_eq(transport_listen(address, &options, &listening, NULL), 0);
    struct link client = dial_to(address);
    struct link server = accept_one(&listening);
    int zero = 0;
    struct iovec buffer = { "x", 1 };
    struct ferry_outgoing outgoing = {
        .buffers = &buffer, .buffer_count = 1, .descriptors = &zero, .descriptor_count = 1
    };
    unsigned before = descriptors_open();

    ck_assert(!(server.capabilities & FERRY_HAS_DESCRIPTORS));
    /* By splice only where the kernel itself refuses, and says so to the sender. */
    int r = client.ops->send(&client, &outgoing, 1);
    ck_assert_int_eq(r, server.flags & LINK_SPLICE_FROM ? -EPERM : 1);
    if (r == 1)
        ck_assert_receives(&server, "x");
    ck_assert_uint_eq(descriptors_open(), before);
    client.ops->close(&client);
    server.ops->close(&server);
    listening.ops->close(&listening);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/unix");
    TCase *cases = tcase_create("unix");

    tcase_set_timeout(cases, 30);
    tcase_add_loop_test(cases, client_and_server_talk, 0, COUNT_OF(schemes));
    tcase_add_test(cases, abstract_names_work_and_name_their_owner);
    tcase_add_test(cases, named_client_is_seen_and_leaves_no_path);
    tcase_add_test(cases, path_goes_before_its_socket);
    tcase_add_test(cases, locked_directory_stalls_nobody);
    tcase_add_loop_test(cases, named_client_is_answered_as_its_mode_says, 0, 4);
    tcase_add_test(cases, failures_say_why_and_what_to_do);
    tcase_add_test(cases, wrong_type_names_the_right_scheme);
    tcase_add_test(cases, full_backlog_is_not_now);
    tcase_add_test(cases, closed_mode_refuses_strangers);
    tcase_add_test(cases, options_of_the_other_verb_are_refused);
    tcase_add_test(cases, ownership_without_a_path_is_refused);
    tcase_add_test(cases, unknown_owner_is_named);
    tcase_add_test(cases, pairs_are_of_three_kinds_only);
    tcase_add_test(cases, refusing_listener_makes_refusing_links);
    suite_add_tcase(suite, cases);
    return scratch_run(suite);
}
