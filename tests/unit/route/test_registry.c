/* test_registry.c - running what is asked for, by difference. */
#include "fixture.h"
#include "suite.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The database of users, which can change while a ferry runs. */
static uid_t web;

int getpwnam_r(
    const char *name, struct passwd *entry, char *buffer, size_t size, struct passwd **ret_entry)
{
    (void)buffer, (void)size;
    *ret_entry = NULL;
    if (strcmp(name, "web") != 0)
        return 0;
    *entry = (struct passwd){ .pw_uid = web };
    *ret_entry = entry;
    return 0;
}

static ino_t inode(const char *name)
{
    char path[256];
    struct stat status;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return stat(path, &status) == 0 ? status.st_ino : 0;
}

static size_t list_size(const struct list *list)
{
    size_t size = 0;
    for (const struct list *node = list->next; node != list; node = node->next)
        size++;
    return size;
}

START_TEST(test_untouched_routes_notice_nothing)
{
    ck_assert_int_eq(apply("[route a]\nlisten = unix:a\nto = echo\n"), 0);
    ck_assert_str_eq(summary, "1 added, 0 changed, 0 removed, 0 untouched");
    int fd = dial("a", SOCK_STREAM);
    exchange(fd, "one", "one");
    struct route *route = route_called("a");
    ino_t before = inode("a");
    ck_assert_int_eq(
        apply("[route b]\nlisten = unix:b\nto = echo\n[route a]\nlisten = unix:a\nto = echo\n"), 0);
    ck_assert_str_eq(summary, "1 added, 0 changed, 0 removed, 1 untouched");
    ck_assert_ptr_eq(route_called("a"), route);
    ck_assert_uint_eq(inode("a"), before);
    exchange(fd, "two", "two");
    ck_assert_uint_eq(emitted[EVENT_STARTED], 2);
    ck_assert_uint_eq(emitted[EVENT_STOPPED], 0);
    ck_assert_uint_eq(emitted[EVENT_CLOSED], 0);
    close(fd);
}
END_TEST

START_TEST(test_a_changed_route_keeps_its_listener_and_sessions)
{
    ck_assert_int_eq(apply("[route a]\nlisten = unix:a\nto = echo\n"), 0);
    int old = dial("a", SOCK_STREAM);
    exchange(old, "one", "one");
    int waiting = dial("a", SOCK_STREAM); /* in the backlog while the change happens */
    ino_t before = inode("a");

    ck_assert_int_eq(apply("[route a]\nlisten = unix:a\nto = clock\n"), 0);
    ck_assert_str_eq(summary, "0 added, 1 changed, 0 removed, 0 untouched");
    ck_assert_uint_eq(inode("a"), before);
    ck_assert_uint_eq(list_size(&registry.routes), 1);
    ck_assert_uint_eq(list_size(&registry.leaving), 1);
    ck_assert_uint_eq(route_called("a")->admitted, 1);
    exchange(old, "two", "two"); /* still the echo */
    expect_closed(waiting);      /* the clock says its time and closes */
    close(waiting);
    TURN_UNTIL(emitted[EVENT_CLOSED] == 1);
    ck_assert_ptr_nonnull(strstr(lines[EVENT_CLOSED], "-> clock"));

    close(old);
    TURN_UNTIL(list_size(&registry.leaving) == 0);
    ck_assert_ptr_nonnull(strstr(lines[EVENT_CLOSED], "-> echo"));
    ck_assert_uint_eq(registry.connection_count, 0);
}
END_TEST

START_TEST(test_a_renamed_route_keeps_its_listener)
{
    ck_assert_int_eq(apply("[route a]\nlisten = unix:a\nto = echo\n"), 0);
    ino_t before = inode("a");
    ck_assert_int_eq(apply("[route b]\nlisten = unix:a\nto = echo\n"), 0);
    ck_assert_str_eq(summary, "0 added, 1 changed, 0 removed, 0 untouched");
    ck_assert_uint_eq(inode("a"), before);
    ck_assert_ptr_nonnull(route_called("b"));
    ck_assert_ptr_null(route_called("a"));
    ck_assert_uint_eq(list_size(&registry.leaving), 0);
}
END_TEST

START_TEST(test_a_removed_route_lets_its_connections_end)
{
    ck_assert_int_eq(apply("[route a]\nlisten = unix:a\nto = echo\n"), 0);
    int fd = dial("a", SOCK_STREAM);
    exchange(fd, "one", "one");
    ck_assert_int_eq(apply("[route b]\nlisten = unix:b\nto = echo\n"), 0);
    ck_assert_str_eq(summary, "1 added, 0 changed, 1 removed, 0 untouched");
    ck_assert_uint_eq(inode("a"), 0);
    ck_assert_uint_eq(emitted[EVENT_STOPPED], 1);
    exchange(fd, "two", "two");
    close(fd);
    TURN_UNTIL(list_size(&registry.leaving) == 0);
}
END_TEST

START_TEST(test_a_failure_changes_nothing)
{
    ck_assert_int_eq(apply("[route a]\nlisten = unix:a\nto = echo\n"
                           "[route b]\nlisten = unix:b\nto = echo\n"),
        0);
    int other = serve("taken", 8);
    unsigned before = open_descriptors();
    ck_assert_int_eq(apply("[route a]\nlisten = unix:a\nto = clock\n"
                           "[route b]\nlisten = unix:b,mode=0660\nto = echo\n"
                           "[route c]\nlisten = unix:c\nto = echo\n"
                           "[route d]\nlisten = unix:taken\nto = echo\n"),
        -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(problem, "taken"));
    ck_assert_uint_eq(inode("c"), 0);
    ck_assert_uint_eq(open_descriptors(), before);
    ck_assert_uint_eq(list_size(&registry.routes), 2);
    ck_assert_uint_eq(emitted[EVENT_STARTED], 2);
    int fd = dial("a", SOCK_STREAM);
    exchange(fd, "echo", "echo");
    close(fd);
    close(other);
}
END_TEST

static unsigned mode(const char *name)
{
    char path[256];
    struct stat status;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_mode & 0777;
}

START_TEST(test_the_same_place_in_another_way)
{
    ck_assert_int_eq(apply("[route a]\nlisten = unix:a,mode=0600\nto = echo\n"), 0);
    int fd = dial("a", SOCK_STREAM);
    exchange(fd, "one", "one");
    ck_assert_int_eq(apply("[route a]\nlisten = unix:a,mode=0660\nto = echo\n"), 0);
    ck_assert_str_eq(summary, "0 added, 1 changed, 0 removed, 0 untouched");
    ck_assert_uint_eq(mode("a"), 0660);
    ck_assert_uint_eq(route_called("a")->admitted, 1);
    exchange(fd, "two", "two");
    close(fd);
    fd = dial("a", SOCK_STREAM);
    exchange(fd, "three", "three");
    close(fd);
}
END_TEST

START_TEST(test_the_same_place_is_restored_on_failure)
{
    ck_assert_int_eq(apply("[route a]\nlisten = unix:a,mode=0600\nto = echo\n"
                           "[route b]\nlisten = unix:b,mode=0600\nto = echo\n"),
        0);
    int fd = dial("a", SOCK_STREAM);
    exchange(fd, "one", "one");
    /* The second cannot be opened any more: somebody has put a folder where it stood. */
    char path[256];
    snprintf(path, sizeof(path), "%s/b", folder);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_lt(apply("[route a]\nlisten = unix:a,mode=0660\nto = echo\n"
                           "[route b]\nlisten = unix:b,mode=0660\nto = echo\n"),
        0);
    ck_assert_uint_eq(emitted[EVENT_TROUBLE], 1);
    ck_assert_ptr_nonnull(strstr(lines[EVENT_TROUBLE], " b: unix:"));
    ck_assert_uint_eq(mode("a"), 0600);
    exchange(fd, "two", "two");
    close(fd);
    fd = dial("a", SOCK_STREAM);
    exchange(fd, "three", "three");
    close(fd);
    rmdir(path);
}
END_TEST

START_TEST(test_names_of_untouched_routes_are_looked_up_anew)
{
    static const char text[] = "[route a]\nlisten = unix:a\nallow = user:web\nto = echo\n";
    char more[256];
    web = geteuid();
    ck_assert_int_eq(apply(text), 0);
    int old = dial("a", SOCK_STREAM);
    exchange(old, "one", "one");

    /* The name is another user's now; a reload that fails does not notice. */
    web = geteuid() + 1;
    int other = serve("taken", 8);
    snprintf(more, sizeof(more), "%s[route b]\nlisten = unix:taken\nto = echo\n", text);
    ck_assert_int_eq(apply(more), -EADDRINUSE);
    int fd = dial("a", SOCK_STREAM);
    exchange(fd, "two", "two");
    close(fd);

    ck_assert_int_eq(apply(text), 0);
    ck_assert_str_eq(summary, "0 added, 0 changed, 0 removed, 1 untouched");
    fd = dial("a", SOCK_STREAM);
    expect_closed(fd);
    close(fd);
    ck_assert_uint_eq(emitted[EVENT_REFUSED], 1);
    exchange(old, "three", "three");
    close(old);
    TURN_UNTIL(emitted[EVENT_CLOSED] == 2);
    ck_assert_ptr_nonnull(strstr(lines[EVENT_CLOSED], "allow user:web"));
    close(other);
}
END_TEST

START_TEST(test_who_only_asks_does_not_keep_it_running)
{
    ck_assert_int_eq(apply("[route c]\nlisten = unix:c\nto = control\n"), 0);
    int fd = dial("c", SOCK_STREAM);
    TURN_UNTIL(registry.connection_count == 1);
    ck_assert(registry_finished(&registry));
    ck_assert_int_eq(apply("[route c]\nlisten = unix:c\nto = control\n"
                           "[route a]\nlisten = unix:a\nto = echo\n"),
        0);
    ck_assert(!registry_finished(&registry));
    close(fd);
}
END_TEST

START_TEST(test_draining)
{
    ck_assert_int_eq(apply("[route a]\nlisten = unix:a\nto = echo\n"
                           "[route c]\nlisten = unix:c\nto = control\n"),
        0);
    int fd = dial("a", SOCK_STREAM), control = dial("c", SOCK_STREAM);
    exchange(fd, "one", "one");
    TURN_UNTIL(registry.connection_count == 2);
    registry_drain(&registry);
    ck_assert_uint_eq(inode("a"), 0);
    ck_assert(list_empty(&registry.routes));
    ck_assert_uint_eq(registry.connection_count, 1); /* who only asks is not waited for */
    expect_closed(control);
    exchange(fd, "two", "two");
    ck_assert(!registry_finished(&registry));
    close(fd);
    TURN_UNTIL(registry_finished(&registry));
    ck_assert(list_empty(&registry.leaving));
    close(control);
}
END_TEST

START_TEST(test_many_reloads_leave_nothing_behind)
{
    static const char *const texts[] = {
        "[route a]\nlisten = unix:a\nto = echo\n[route b]\nlisten = unix:b\nto = echo\n",
        "[route a]\nlisten = unix:a\nidle = 5s\nto = echo\n[route c]\nlisten = unix:b\nto = echo\n",
        "[route a]\nlisten = unix:a,mode=0660\nto = unix:b\n",
    };
    ck_assert_int_eq(apply(texts[0]), 0);
    unsigned before = open_descriptors();
    for (int i = 1; i <= 60; i++)
        ck_assert_int_eq(apply(texts[i % 3]), 0);
    ck_assert_uint_eq(open_descriptors(), before);
    ck_assert(list_empty(&registry.leaving));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route/registry");
    TCase *cases = tcase_create("registry");
    tcase_set_timeout(cases, 30);
    tcase_add_checked_fixture(cases, fixture_setup, fixture_teardown);
    tcase_add_test(cases, test_untouched_routes_notice_nothing);
    tcase_add_test(cases, test_a_changed_route_keeps_its_listener_and_sessions);
    tcase_add_test(cases, test_a_renamed_route_keeps_its_listener);
    tcase_add_test(cases, test_a_removed_route_lets_its_connections_end);
    tcase_add_test(cases, test_a_failure_changes_nothing);
    tcase_add_test(cases, test_the_same_place_in_another_way);
    tcase_add_test(cases, test_the_same_place_is_restored_on_failure);
    tcase_add_test(cases, test_names_of_untouched_routes_are_looked_up_anew);
    tcase_add_test(cases, test_who_only_asks_does_not_keep_it_running);
    tcase_add_test(cases, test_draining);
    tcase_add_test(cases, test_many_reloads_leave_nothing_behind);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
