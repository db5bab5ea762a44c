/* test_exec.c - commands as peers: their bytes, their end, and no zombie left. */
#include "scratch.h"

#include <errno.h>

/* Reads until the end. */
static void receive_all(struct link *link, char *text, size_t room)
{
    size_t size = 0;
    int r;
    while ((r = link_receive_text(link, text + size, room - size)) > 0)
        size += (size_t)r;
    ck_assert_int_eq(r, 0);
    text[size] = '\0';
}

static pid_t child_of(struct link *link)
{
    struct ferry_identity identity = { 0 };
    link->ops->identity(link, FERRY_FACT_PID, &identity);
    return identity.pid;
}

/* Sweeps until the child is gone from the process table. */
static void sweep_until_gone(pid_t pid)
{
    for (int i = 0; i < 1000 && kill(pid, 0) == 0; i++) {
        exec_sweep();
        poll(NULL, 0, 5);
    }
    ck_assert_int_eq(kill(pid, 0), -1);
}

START_TEST(half_close_ends_the_input)
{
    char text[256];
    unsigned before = descriptors_open();
    struct link link = dial_to(address_of("exec:sort -r"));
    pid_t pid = child_of(&link);
    ck_assert(link.capabilities & FERRY_HAS_HALF_CLOSE);
    ck_assert_int_eq(link_send_text(&link, "a\nc\nb\n"), 1);
    ck_assert_int_eq(link.ops->shutdown(&link), 0);
    receive_all(&link, text, sizeof(text));
    ck_assert_str_eq(text, "c\nb\na\n");
    link.ops->close(&link);
    sweep_until_gone(pid);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(environment_is_added_to)
{
    static const char *const extra[] = { "FERRY_TEST=from here", NULL };
    struct ferry_dial_options options = { .struct_size = sizeof(options), .extra = extra };
    struct ferry_address *address = address_of("exec:sh -c 'echo \"$FERRY_TEST $OLD\"'");
    struct ferry_error error;
    struct link link;
    char text[256];
    setenv("OLD", "kept", 1);
    ck_assert_int_eq(transport_dial(address, &options, &link, &error), 0);
    receive_all(&link, text, sizeof(text));
    ck_assert_str_eq(text, "from here kept\n");
    link.ops->close(&link);
    ferry_address_free(address);
}
END_TEST

START_TEST(child_is_named_and_known)
{
    struct ferry_identity identity = { 0 };
    struct link link = dial_to(address_of("exec:cat"));
    char text[64];
    link.ops->identity(&link, FERRY_FACT_PID, &identity);
    link.ops->identity(&link, FERRY_FACT_GROUPS, &identity);
    link.ops->identity(&link, FERRY_FACT_PIDFD, &identity);
    ck_assert_int_eq(identity.known[FERRY_FACT_PID], FERRY_OWN_CHILD);
    ck_assert_uint_eq(identity.uid, geteuid());
    ck_assert_int_eq(identity.known[FERRY_FACT_GROUPS], FERRY_OWN_CHILD);
    ck_assert_int_eq(identity.known[FERRY_FACT_PIDFD], FERRY_OWN_CHILD);
    ck_assert_int_eq(kill(identity.pid, 0), 0);
    identity_clear(&identity);
    link.ops->peer(&link, text, sizeof(text));
    ck_assert_str_eq(text, "exec:cat");
    link.ops->close(&link);
}
END_TEST

START_TEST(child_has_a_blocking_end_and_no_more)
{
    struct link link = dial_to(address_of("exec:sh -c 'ls /proc/self/fd | wc -l; "
                                          "grep -h flags /proc/self/fdinfo/0'"));
    char text[256];
    unsigned flags;
    int count;
    receive_all(&link, text, sizeof(text));
    ck_assert_int_eq(sscanf(text, "%d flags: %o", &count, &flags), 2);
    ck_assert_int_eq(count, 4); /* 0, 1, 2 and what ls has open to look */
    ck_assert(!(flags & O_NONBLOCK));
    link.ops->close(&link);
}
END_TEST

START_TEST(descriptors_reach_the_child)
{
    struct link link = dial_to(address_of("exec:cat"));
    ck_assert(link.capabilities & FERRY_HAS_DESCRIPTORS);
    link.ops->close(&link);

    struct ferry_dial_options options = { .struct_size = sizeof(options),
        .refuse_descriptors = true };
    struct ferry_address *address = address_of("exec:cat");
    ck_assert_int_eq(transport_dial(address, &options, &link, NULL), 0);
    ck_assert(!(link.capabilities & FERRY_HAS_DESCRIPTORS));
    link.ops->close(&link);
    ferry_address_free(address);
}
END_TEST

START_TEST(closing_kills_nobody)
{
    struct link link =
        dial_to(address_of("exec:sh -c 'cat >/dev/null; echo done > %s'", scratch_path("done")));
    pid_t pid = child_of(&link);
    ck_assert_int_eq(link_send_text(&link, "work"), 1);
    link.ops->close(&link);
    sweep_until_gone(pid);
    ck_assert_int_eq(access(scratch_path("done"), F_OK), 0);
}
END_TEST

START_TEST(later_dials_reap_earlier_children)
{
    pid_t pids[8];
    for (int i = 0; i < 8; i++) {
        struct link link = dial_to(address_of("exec:cat"));
        pids[i] = child_of(&link);
        link.ops->close(&link);
    }
    /* All have ended once their input has; wait for that without reaping. */
    for (int i = 0; i < 8; i++) {
        siginfo_t info;
        int r = waitid(P_PID, (id_t)pids[i], &info, WEXITED | WNOWAIT);
        ck_assert(r == 0 || errno == ECHILD);
    }
    struct link link = dial_to(address_of("exec:cat"));
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(kill(pids[i], 0), -1);
    link.ops->close(&link);
}
END_TEST

START_TEST(other_children_are_not_touched)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    siginfo_t info;
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    struct link link = dial_to(address_of("exec:true"));
    link.ops->close(&link);
    exec_sweep();
    ck_assert_int_eq(child_status(pid), 7);
}
END_TEST

static int dial_fails(struct ferry_address *address, struct ferry_error *error)
{
    struct link link;
    int r = transport_dial(address, NULL, &link, error);
    ferry_address_free(address);
    return r;
}

START_TEST(failures_are_told_at_once)
{
    struct ferry_error error = { 0 };
    unsigned before = descriptors_open();
    setenv("PATH", "/bin:/usr/bin", 1);
    ck_assert_int_eq(dial_fails(address_of("exec:no-such-program-here x"), &error), -ENOENT);
    ck_assert_msg(
        strstr(error.reason, "no-such-program-here in PATH (/bin:/usr/bin)"), "%s", error.reason);
    ck_assert_int_eq(dial_fails(address_of("exec:/no/such/path"), &error), -ENOENT);
    ck_assert_int_eq(dial_fails(address_of("exec:/etc/passwd"), &error), -EACCES);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(listening_starts_it_once)
{
    struct listening listening = listen_at(address_of("exec:echo hello"));
    struct link link, other;
    char text[64];
    ck_assert_int_eq(listening.ops->accept(&listening, &link), 0);
    ck_assert_int_eq(listening.ops->accept(&listening, &other), -ENOTCONN);
    receive_all(&link, text, sizeof(text));
    ck_assert_str_eq(text, "hello\n");
    link.ops->close(&link);
    listening.ops->close(&listening);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exec");
    TCase *command = tcase_create("command"), *end = tcase_create("end");

    tcase_add_test(command, half_close_ends_the_input);
    tcase_add_test(command, environment_is_added_to);
    tcase_add_test(command, child_is_named_and_known);
    tcase_add_test(command, child_has_a_blocking_end_and_no_more);
    tcase_add_test(command, descriptors_reach_the_child);
    tcase_add_test(command, failures_are_told_at_once);
    tcase_add_test(command, listening_starts_it_once);
    tcase_add_test(end, closing_kills_nobody);
    tcase_add_test(end, later_dials_reap_earlier_children);
    tcase_add_test(end, other_children_are_not_touched);
    tcase_set_timeout(command, 20);
    tcase_set_timeout(end, 20);
    suite_add_tcase(suite, command);
    suite_add_tcase(suite, end);
    return scratch_run(suite);
}
