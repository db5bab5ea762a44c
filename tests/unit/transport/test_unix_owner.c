/* test_unix_owner.c - who holds a path or an abstract name. */
#include "scratch.h"

#include "transport/unix_owner.h"

#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>

static struct unix_place place_of(const char *path)
{
    struct stat status;

    ck_assert_int_eq(stat(path, &status), 0);
    return (struct unix_place){ .name = path, .device = status.st_dev, .inode = status.st_ino };
}

static void assert_is_us(const struct unix_owner *owner)
{
    char text[80], expected[80], name[32] = "";
    AUTO_FILE FILE *file = fopen("/proc/self/comm", "r");

    ck_assert_int_eq(fscanf(file, "%31s", name), 1);
    ck_assert_int_eq(owner->pid, getpid());
    ck_assert_str_eq(owner->command, name);
    unix_owner_text(owner, text, sizeof(text));
    snprintf(expected, sizeof(expected), "pid %d (%s)", (int)getpid(), name);
    ck_assert_str_eq(text, expected);
}

START_TEST(listening_socket_has_an_owner)
{
    const char *path = scratch_path("listening");
    int fd = bound_socket(path, SOCK_STREAM, 5);
    struct unix_place place = place_of(path);
    struct unix_owner owner;
    struct stat status;

    ck_assert_int_eq(unix_owner_find(&place, &owner), 1);
    fstat(fd, &status);
    ck_assert_uint_eq(owner.socket, status.st_ino);
    ck_assert_int_eq(owner.type, SOCK_STREAM);
    assert_is_us(&owner);
    close(fd);
    ck_assert_int_eq(unix_owner_find(&place, &owner), 0);
}
END_TEST

START_TEST(bound_socket_that_does_not_listen_has_an_owner)
{
    static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
    char name[16];

    snprintf(name, sizeof(name), "bound%d", _i % 10);
    const char *path = scratch_path(name);
    int fd = bound_socket(path, types[_i], -1);
    struct unix_place place = place_of(path);
    struct unix_owner owner;

    ck_assert_int_eq(unix_owner_find(&place, &owner), 1);
    ck_assert_int_eq(owner.type, types[_i]);
    assert_is_us(&owner);
    close(fd);
}
END_TEST

/* An accepted connection shows its listener's path: it does not keep the path alive. */
START_TEST(connections_do_not_own_a_path)
{
    const char *path = scratch_path("connections");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = bound_socket(path, SOCK_STREAM, 5);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    struct unix_place place = place_of(path);
    struct unix_owner owner;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    int accepted = accept(fd, NULL, NULL);
    ck_assert_int_ge(accepted, 0);
    close(fd);
    ck_assert_int_eq(unix_owner_find(&place, &owner), 0);
    close(accepted);
    close(client);
}
END_TEST

START_TEST(renamed_socket_is_still_found)
{
    const char *path = scratch_path("old"), *other = scratch_path("new");
    int fd = bound_socket(path, SOCK_DGRAM, -1);
    struct unix_owner owner;

    ck_assert_int_eq(rename(path, other), 0);
    struct unix_place place = place_of(other);
    ck_assert_int_eq(unix_owner_find(&place, &owner), 1);
    close(fd);
}
END_TEST

/* There stat(2) may show another device than the kernel's list: where the file systems below are
 * two.
 */
START_TEST(socket_on_a_stacked_file_system_is_found)
{
    char path[128], options[512];
    struct unix_owner owner;

    if (skipped_without_root())
        return;
    ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
    ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    ck_assert_int_eq(mount("one", scratch_directory, "tmpfs", 0, NULL), 0);
    ck_assert_int_eq(mkdir(scratch_path("upper"), 0700), 0);
    ck_assert_int_eq(mkdir(scratch_path("work"), 0700), 0);
    ck_assert_int_eq(mkdir(scratch_path("lower"), 0700), 0);
    ck_assert_int_eq(mount("other", scratch_path("lower"), "tmpfs", 0, NULL), 0);
    ck_assert_int_eq(mkdir(scratch_path("stacked"), 0700), 0);
    snprintf(options, sizeof(options), "xino=off,lowerdir=%s,upperdir=%s,workdir=%s",
        scratch_path("lower"), scratch_path("upper"), scratch_path("work"));
    ck_assert_int_eq(mount("stack", scratch_path("stacked"), "overlay", 0, options), 0);
    snprintf(path, sizeof(path), "%s", scratch_path("stacked/socket"));
    int fd = bound_socket(path, SOCK_STREAM, 5);
    struct unix_place place = place_of(path);
    ck_assert_int_eq(unix_owner_find(&place, &owner), 1);
    assert_is_us(&owner);
    /* The number of its file alone says nothing there. */
    place.name = scratch_path("elsewhere");
    ck_assert_int_eq(unix_owner_find(&place, &owner), 0);
    close(fd);
}
END_TEST

START_TEST(abstract_name_has_an_owner)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char name[32];
    int size = snprintf(name, sizeof(name), "ferry-owner-%d", (int)getpid());
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    struct unix_place place = { .name = name, .name_size = (size_t)size, .abstract = true };
    struct unix_owner owner;

    ck_assert_int_eq(unix_owner_find(&place, &owner), 0);
    memcpy(address.sun_path + 1, name, (size_t)size);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size)),
        0);
    ck_assert_int_eq(unix_owner_find(&place, &owner), 1);
    assert_is_us(&owner);
    /* Its length is part of it. */
    place.name_size--;
    ck_assert_int_eq(unix_owner_find(&place, &owner), 0);
    close(fd);
}
END_TEST

START_TEST(found_among_thousands)
{
    enum { PAIRS = 3000 };
    static int pairs[PAIRS][2];
    struct unix_owner owner;
    int made = 0;

    while (made < PAIRS && socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[made]) == 0)
        made++;
    const char *path = scratch_path("thousands");
    int fd = bound_socket(path, SOCK_STREAM, 5);
    struct unix_place place = place_of(path);
    ck_assert_int_eq(unix_owner_find(&place, &owner), 1);
    assert_is_us(&owner);
    close(fd);
    ck_assert_int_eq(unix_owner_find(&place, &owner), 0);
}
END_TEST

START_TEST(invisible_owner_is_said_to_be_so)
{
    struct unix_owner owner = { 0 };
    char text[80];

    unix_owner_text(&owner, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "not visible"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/unix_owner");
    TCase *cases = tcase_create("unix_owner");

    tcase_set_timeout(cases, 30);
    tcase_add_test(cases, listening_socket_has_an_owner);
    tcase_add_loop_test(cases, bound_socket_that_does_not_listen_has_an_owner, 0, 3);
    tcase_add_test(cases, connections_do_not_own_a_path);
    tcase_add_test(cases, renamed_socket_is_still_found);
    tcase_add_test(cases, socket_on_a_stacked_file_system_is_found);
    tcase_add_test(cases, abstract_name_has_an_owner);
    tcase_add_test(cases, found_among_thousands);
    tcase_add_test(cases, invisible_owner_is_said_to_be_so);
    suite_add_tcase(suite, cases);
    return scratch_run(suite);
}
