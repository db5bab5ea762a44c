/* test_identity.c - who is at the other end, asked through the public interface, with real
 * processes: some live, some gone, some that got the number of another.
 *
 * The socket calls of the C library are stood in for: what is asked is counted, and the kernel is
 * made an older one, or one with a security module. */
#include "base/cleanup.h"
#include "suite.h"
#include "wire/control.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/channel.h>
#include <ferry/listener.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static char directory[64];
static struct ferry_inbox *inbox;
static int asked;             /* calls of getsockopt */
static int pidfd_failure;     /* what SO_PEERPIDFD fails with; 0: as the kernel says */
static const char *label;     /* what a security module says; NULL: there is none */
static bool label_has_nul;    /* some count it in */
static bool kernel_has_pidfd; /* SO_PEERPIDFD, from 6.5 */

int getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
    asked++;
    if (level == SOL_SOCKET && option == SO_PEERPIDFD && pidfd_failure) {
        errno = pidfd_failure;
        return -1;
    }
    if (level == SOL_SOCKET && option == SO_PEERSEC && label) {
        *size = (socklen_t)(strlen(label) + label_has_nul);
        memcpy(value, label, *size);
        return 0;
    }
    return (int)syscall(SYS_getsockopt, fd, level, option, value, size);
}

/* As SO_PASSSEC has it: one more control message. */
static void header_label(struct msghdr *header)
{
    size_t used = CMSG_ALIGN(header->msg_controllen);
    struct cmsghdr *message = (struct cmsghdr *)(void *)((char *)header->msg_control + used);

    if (!label || !header->msg_control)
        return;
    *message =
        (struct cmsghdr){ CMSG_LEN(strlen(label) + label_has_nul), SOL_SOCKET, SCM_SECURITY };
    memcpy(CMSG_DATA(message), label, strlen(label) + label_has_nul);
    header->msg_controllen = used + CMSG_SPACE(strlen(label) + label_has_nul);
}

ssize_t recvmsg(int fd, struct msghdr *header, int flags)
{
    ssize_t size = syscall(SYS_recvmsg, fd, header, flags);
    if (size >= 0)
        header_label(header);
    return size;
}

int recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags, struct timespec *timeout)
{
    int received = (int)syscall(SYS_recvmmsg, fd, headers, count, flags, timeout);
    for (int i = 0; i < received; i++)
        header_label(&headers[i].msg_hdr);
    return received;
}

/* --- what the tests share --------------------------------------------------------------------- */

static void setup(void)
{
    int pair[2];

    strcpy(directory, "/tmp/ferry-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chmod(directory, 0755), 0);
    ck_assert_int_eq(ferry_inbox_new(4096, 4, &inbox), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    AUTO_FD int pidfd = -1;
    socklen_t size = sizeof(pidfd);
    kernel_has_pidfd = getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0;
    close(pair[0]);
    close(pair[1]);
}

static void teardown(void)
{
    char command[128];
    ferry_inbox_free(inbox);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

/* The scheme's address in the test's directory. */
static struct ferry_address *place(const char *scheme, const char *more)
{
    char text[256];
    struct ferry_address *address;
    snprintf(text, sizeof(text), "%s:%s/s%s", scheme, directory, more);
    ck_assert_int_eq(ferry_address_parse(text, NULL, &address, NULL), 0);
    return address;
}

static struct ferry_listener *listen_at(const char *scheme, bool pidfd)
{
    struct ferry_address *address = place(scheme, ",mode=0666");
    struct ferry_listen_options options = {
        .struct_size = sizeof(options), .message_pidfd = pidfd, .message_label = label
    };
    struct ferry_listener *listener;
    ck_assert_int_eq(ferry_listen(address, &options, &listener, NULL), 0);
    ferry_address_free(address);
    return listener;
}

static struct ferry_channel *dial_as(const char *scheme, const struct ferry_credentials *as)
{
    struct ferry_address *address = place(scheme, "");
    struct ferry_dial_options options = { .struct_size = sizeof(options), .credentials = as };
    struct ferry_channel *channel = NULL;
    struct ferry_error error = { 0 };
    int r = ferry_dial(address, &options, ferry_deadline(5000), &channel, &error);
    ck_assert_msg(r == 0, "dial: %s", error.reason);
    ferry_address_free(address);
    return channel;
}

static struct ferry_channel *accept_one(struct ferry_listener *listener)
{
    struct ferry_channel *channel;
    ck_assert_int_eq(ferry_listener_accept(listener, ferry_deadline(5000), &channel), 0);
    return channel;
}

static struct ferry_identity *identity_of(struct ferry_channel *channel)
{
    struct ferry_identity *who;
    ck_assert_int_eq(ferry_channel_identity(channel, &who), 0);
    return who;
}

static void send_text(struct ferry_channel *channel, const char *text)
{
    ck_assert_int_eq(
        ferry_channel_send_bytes(channel, text, strlen(text), ferry_deadline(5000)), 0);
}

/* Receives one message, which must say `text`; its sender. */
static struct ferry_identity *sender_of(struct ferry_channel *channel, const char *text)
{
    struct ferry_message message;
    ck_assert_int_eq(ferry_channel_receive(channel, inbox, &message, ferry_deadline(5000)), 1);
    ck_assert_uint_eq(message.size, strlen(text));
    ck_assert_mem_eq(message.data, text, message.size);
    ferry_message_fini(&message);
    return message.sender;
}

static int child_status(pid_t pid)
{
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A child that gets this number; -1: not allowed to say so. */
static pid_t fork_with(pid_t number)
{
    struct clone_args arguments = {
        .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1
    };
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

static void stay(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    child_status(pid);
}

#define ck_assert_known(who, fact, known_as)                                                       \
    ck_assert_str_eq(ferry_known_name(ferry_identity_known(who, FERRY_FACT_##fact)),               \
        ferry_known_name(known_as))

static void nothing_from_proc(struct ferry_identity *who)
{
    ck_assert_known(who, NAME, FERRY_UNKNOWN);
    ck_assert_known(who, EXECUTABLE, FERRY_UNKNOWN);
    ck_assert_known(who, CGROUP, FERRY_UNKNOWN);
    ck_assert_known(who, UNIT, FERRY_UNKNOWN);
    ck_assert_ptr_null(ferry_identity_executable(who));
    ck_assert_ptr_null(ferry_identity_cgroup(who));
    ck_assert_ptr_null(ferry_identity_unit(who));
    ck_assert_int_eq(ferry_identity_is_executable(who, "/proc/self/exe"), -ENODATA);
}

/* --- connections ------------------------------------------------------------------------------ */

START_TEST(facts_are_asked_for_once_and_when_needed)
{
    struct ferry_channel *one, *other;
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &one, &other), 0);
    asked = 0;
    struct ferry_identity *who = identity_of(one);
    ck_assert_int_eq(asked, 0);
    ck_assert_uint_eq(ferry_identity_uid(who), geteuid());
    ck_assert_int_eq(ferry_identity_pid(who), getpid());
    ck_assert_uint_eq(ferry_identity_gid(who), getegid());
    ck_assert_int_eq(asked, 1);
    int before = ferry_identity_pidfd(who);
    ck_assert_int_eq(ferry_identity_pidfd(who), before);
    (void)ferry_identity_executable(who);
    (void)ferry_identity_unit(who);
    (void)ferry_identity_cgroup(who);
    ck_assert_int_eq(asked, 2);
    (void)ferry_identity_label(who);
    (void)ferry_identity_label(who);
    ck_assert_int_eq(asked, 3);
    ferry_channel_close(one);
    ferry_channel_close(other);
    if (before >= 0)
        ck_assert_int_eq(fcntl(before, F_GETFD), -1);
}
END_TEST

/* Sorted, whatever order they were set in. */
START_TEST(groups_are_those_at_connect)
{
    const gid_t groups[] = { 70, 3, 1000 }, sorted[] = { 3, 70, 1000 };
    struct ferry_listener *listener = listen_at("unix", false);
    size_t count;

    if (skipped_without_root())
        return;
    pid_t pid = fork();
    if (pid == 0) {
        if (setgroups(3, groups) < 0)
            _exit(1);
        (void)dial_as("unix", NULL);
        if (setgroups(0, NULL) < 0)
            _exit(1);
        stay();
    }
    struct ferry_channel *server = accept_one(listener);
    struct ferry_identity *who = identity_of(server);
    const gid_t *found = ferry_identity_groups(who, &count);
    ck_assert_uint_eq(count, 3);
    ck_assert_mem_eq(found, sorted, sizeof(sorted));
    ck_assert_known(who, GROUPS, FERRY_AT_CONNECT);
    end(pid);
    ferry_channel_close(server);
    ferry_listener_close(listener);
}
END_TEST

START_TEST(a_kernel_without_pidfd_tells_who_but_not_what)
{
    static const int failures[] = { ENOPROTOOPT, EINVAL };
    struct ferry_channel *one, *other;
    pidfd_failure = failures[_i];
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &one, &other), 0);
    struct ferry_identity *who = identity_of(one);
    ck_assert_known(who, UID, FERRY_AT_CONNECT);
    ck_assert_int_eq(ferry_identity_pid(who), getpid());
    ck_assert_known(who, PIDFD, FERRY_UNKNOWN);
    ck_assert_int_eq(ferry_identity_pidfd(who), -1);
    nothing_from_proc(who);
    ferry_channel_close(one);
    ferry_channel_close(other);
}
END_TEST

START_TEST(a_peer_that_wrote_and_went_is_known_by_its_numbers_only)
{
    struct ferry_listener *listener = listen_at("unix", false);
    pid_t pid = fork();
    if (pid == 0) {
        send_text(dial_as("unix", NULL), "gone");
        _exit(0);
    }
    ck_assert_int_eq(child_status(pid), 0);
    struct ferry_channel *server = accept_one(listener);
    struct ferry_identity *who = identity_of(server);
    ck_assert_uint_eq(ferry_identity_uid(who), geteuid());
    ck_assert_int_eq(ferry_identity_pid(who), pid);
    nothing_from_proc(who);
    (void)sender_of(server, "gone");
    ferry_channel_close(server);
    ferry_listener_close(listener);
}
END_TEST

/* The number lives on in another process, which also holds the socket: it is not its maker. */
START_TEST(a_number_used_again_tells_nothing)
{
    struct ferry_listener *listener = listen_at("unix", false);
    int hold[2];
    ck_assert_int_eq(pipe(hold), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct ferry_channel *client = dial_as("unix", NULL);
        if (fork() == 0) { /* keeps the connection open until it is told */
            char byte;
            close(hold[1]);
            (void)!read(hold[0], &byte, 1);
            send_text(client, "still here");
            _exit(0);
        }
        _exit(0);
    }
    close(hold[0]);
    ck_assert_int_eq(child_status(pid), 0);
    pid_t again = fork_with(pid);
    if (again == 0) {
        close(hold[1]);
        stay();
    }
    if (again <= 0 && skipped("needs CAP_CHECKPOINT_RESTORE"))
        return;
    ck_assert_int_eq(again, pid);
    struct ferry_channel *server = accept_one(listener);
    struct ferry_identity *who = identity_of(server);
    ck_assert_int_eq(ferry_identity_pid(who), pid);
    ck_assert_known(who, PID, FERRY_AT_CONNECT);
    nothing_from_proc(who);
    close(hold[1]);
    (void)sender_of(server, "still here");
    end(again);
    ferry_channel_close(server);
    ferry_listener_close(listener);
}
END_TEST

START_TEST(a_socket_handed_on_stays_its_makers)
{
    struct ferry_listener *listener = listen_at("unix", false);
    int told[2], held;
    ck_assert_int_eq(pipe(told), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct ferry_channel *client = dial_as("unix", NULL);
        pid_t holder = fork();
        if (holder == 0) {
            prctl(PR_SET_NAME, "holder");
            send_text(client, "from the holder");
            stay();
        }
        ferry_channel_close(client);
        if (write(told[1], &holder, sizeof(holder)) != sizeof(holder))
            _exit(1);
        stay();
    }
    ck_assert_int_eq(read(told[0], &held, sizeof(held)), sizeof(held));
    struct ferry_channel *server = accept_one(listener);
    (void)sender_of(server, "from the holder");
    struct ferry_identity *who = identity_of(server);
    ck_assert_int_eq(ferry_identity_pid(who), pid);
    ck_assert_int_ne(pid, held);
    ck_assert_known(who, PID, FERRY_AT_CONNECT);
    ck_assert_known(who, UID, FERRY_AT_CONNECT);
    if (kernel_has_pidfd)
        ck_assert_known(who, EXECUTABLE, FERRY_BY_PIDFD);
    end(pid); /* and the holder with it */
    ferry_channel_close(server);
    ferry_listener_close(listener);
}
END_TEST

/* A copy of this program, so that it can be replaced; connects, and says when. */
static pid_t start_copy(const char *path)
{
    char command[256], name[128];
    snprintf(command, sizeof(command), "cp /bin/sleep %s", path);
    ck_assert_int_eq(system(command), 0);
    snprintf(name, sizeof(name), "%s/s", directory);
    pid_t pid = fork();
    if (pid == 0) {
        struct ferry_channel *client = dial_as("unix", NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)fcntl(ferry_channel_fd(client, FERRY_SEND), F_SETFD, 0);
        execl(path, path, "60", NULL);
        _exit(1);
    }
    return pid;
}

static void wait_until_runs(pid_t pid, const char *path)
{
    char link[64], text[256];
    snprintf(link, sizeof(link), "/proc/%d/exe", pid);
    for (int i = 0; i < 5000; i++) {
        ssize_t size = readlink(link, text, sizeof(text) - 1);
        text[size > 0 ? size : 0] = '\0';
        if (strcmp(text, path) == 0)
            return;
        poll(NULL, 0, 1);
    }
    ck_abort_msg("%s does not run", path);
}

START_TEST(a_program_replaced_under_its_process_is_another)
{
    struct ferry_listener *listener = listen_at("unix", false);
    char path[128], other[192], deleted[192];
    if (!kernel_has_pidfd && skipped("needs SO_PEERPIDFD, Linux 6.5"))
        return;
    snprintf(path, sizeof(path), "%s/program", directory);
    snprintf(other, sizeof(other), "%s/other", directory);
    pid_t pid = start_copy(path);
    wait_until_runs(pid, path);
    struct ferry_channel *server = accept_one(listener);
    struct ferry_identity *who = identity_of(server);
    ck_assert_str_eq(ferry_identity_executable(who), path);
    ck_assert_known(who, EXECUTABLE, FERRY_BY_PIDFD);
    ck_assert_str_eq(ferry_identity_name(who), "program");
    ck_assert_known(who, NAME, FERRY_BY_PIDFD);
    ck_assert_int_eq(ferry_identity_is_executable(who, path), 1);
    ck_assert_int_eq(link(path, other), 0);
    ck_assert_int_eq(ferry_identity_is_executable(who, other), 1); /* the same file */
    ck_assert_int_eq(unlink(other), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(ferry_identity_is_executable(who, path), -ENOENT);
    snprintf(other, sizeof(other), "cp /bin/sleep %s", path);
    ck_assert_int_eq(system(other), 0);
    ck_assert_int_eq(ferry_identity_is_executable(who, path), 0);
    /* Asked anew, it is the same process still, and its program has gone. */
    ferry_channel_forget_identity(server);
    who = identity_of(server);
    snprintf(deleted, sizeof(deleted), "%s (deleted)", path);
    ck_assert_str_eq(ferry_identity_executable(who), deleted);
    ck_assert_int_eq(ferry_identity_is_executable(who, path), 0);
    end(pid);
    ck_assert_int_eq(ferry_identity_is_executable(who, path), -ESRCH);
    ferry_channel_close(server);
    ferry_listener_close(listener);
}
END_TEST

/* Accepts as process 1 of a namespace that the peer is not in. */
static void judge_from_inside(struct ferry_listener *listener)
{
    struct ferry_channel *server = accept_one(listener);
    struct ferry_identity *who = identity_of(server);

    ck_assert_known(who, PID, FERRY_UNKNOWN);
    ck_assert_int_eq(ferry_identity_pid(who), 0);
    ck_assert_known(who, UID, FERRY_AT_CONNECT);
    ck_assert_uint_eq(ferry_identity_uid(who), geteuid());
    /* This /proc is still the outer one, in which it has a number, and the pidfd knows that. */
    if (kernel_has_pidfd)
        ck_assert_known(who, EXECUTABLE, FERRY_BY_PIDFD);
    /* In one of our own it has none, and nothing can be read. */
    ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
    ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    ck_assert_int_eq(mount("proc", "/proc", "proc", 0, NULL), 0);
    ferry_channel_forget_identity(server);
    nothing_from_proc(identity_of(server));
    ck_assert_uint_eq(ferry_identity_uid(identity_of(server)), geteuid());
}

START_TEST(a_peer_of_another_pid_namespace_has_no_number_for_us)
{
    struct ferry_listener *listener = listen_at("unix", false);

    if (skipped_without_root())
        return;
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWPID) < 0)
            _exit(1);
        pid_t inside = fork();
        if (inside == 0) {
            judge_from_inside(listener);
            _exit(0);
        }
        _exit(child_status(inside));
    }
    struct ferry_channel *client = dial_as("unix", NULL);
    ck_assert_int_eq(child_status(pid), 0);
    ferry_channel_close(client);
    ferry_listener_close(listener);
}
END_TEST

START_TEST(a_label_is_told_where_there_is_a_security_module)
{
    struct ferry_channel *one, *other;
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &one, &other), 0);
    ck_assert_known(identity_of(one), LABEL,
        ferry_identity_label(identity_of(one)) ? FERRY_AT_CONNECT : FERRY_UNKNOWN);
    label = "system_u:system_r:init_t:s0";
    label_has_nul = _i;
    ferry_channel_forget_identity(one);
    ck_assert_str_eq(ferry_identity_label(identity_of(one)), label);
    ck_assert_known(identity_of(one), LABEL, FERRY_AT_CONNECT);
    ferry_channel_close(one);
    ferry_channel_close(other);
}
END_TEST

/* --- messages --------------------------------------------------------------------------------- */

static const char *const message_schemes[] = { "unix-seq", "unix-dgram" };

START_TEST(messages_bring_no_pidfd_unasked)
{
    struct ferry_listener *listener = listen_at(message_schemes[_i], false);
    struct ferry_channel *client = dial_as(message_schemes[_i], NULL);
    send_text(client, "plain");
    struct ferry_channel *server = accept_one(listener);
    struct ferry_identity *who = sender_of(server, "plain");
    ck_assert_known(who, PID, FERRY_FORGEABLE);
    ck_assert_known(who, UID, FERRY_FORGEABLE);
    ck_assert_known(who, GROUPS, FERRY_UNKNOWN);
    ck_assert_known(who, PIDFD, FERRY_UNKNOWN);
    nothing_from_proc(who);
    ferry_channel_close(client);
    ferry_channel_close(server);
    ferry_listener_close(listener);
}
END_TEST

START_TEST(messages_bring_a_pidfd_where_asked)
{
    struct ferry_listener *listener = listen_at(message_schemes[_i], true);
    struct ferry_channel *client = dial_as(message_schemes[_i], NULL);
    char self[256];
    if (!kernel_has_pidfd && skipped("needs SO_PASSPIDFD, Linux 6.5"))
        return;
    send_text(client, "first");
    struct ferry_channel *server = accept_one(listener);
    struct ferry_identity *who = sender_of(server, "first");
    int pidfd = ferry_identity_pidfd(who);
    ck_assert_int_eq(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
    ck_assert_known(who, PIDFD, FERRY_FORGEABLE);
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[size] = '\0';
    ck_assert_str_eq(ferry_identity_executable(who), self);
    ck_assert_known(who, EXECUTABLE, FERRY_FORGEABLE);
    ck_assert_int_eq(ferry_identity_is_executable(who, self), 1);
    /* A message later it is given back. */
    send_text(client, "second");
    send_text(client, "third");
    (void)sender_of(server, "second");
    int second = ferry_identity_pidfd(sender_of(server, "third"));
    ck_assert_int_eq(second, pidfd);
    ferry_channel_close(client);
    ferry_channel_close(server);
    ferry_listener_close(listener);
    ferry_inbox_free(TAKE(inbox));
    ck_assert_int_eq(fcntl(pidfd, F_GETFD), -1);
}
END_TEST

/* What was decided about the one must not hold for the other, though all numbers are the same. */
START_TEST(a_number_used_again_gets_a_session_of_its_own)
{
    struct ferry_listener *listener = listen_at("unix-dgram", true);
    char self[64];
    struct ferry_channel *first, *second;

    if (!kernel_has_pidfd && skipped("needs SO_PASSPIDFD, Linux 6.5"))
        return;
    snprintf(self, sizeof(self), ",bind=@ferry-test-%d", (int)getpid());
    pid_t pid = fork();
    for (int turn = 0; turn < 2; turn++) {
        if (pid == 0) {
            struct ferry_address *address = place("unix-dgram", self);
            struct ferry_channel *client;
            if (ferry_dial(address, NULL, ferry_deadline(5000), &client, NULL) < 0)
                _exit(1);
            send_text(client, turn ? "second" : "first");
            if (turn == 0) {
                send_text(client, "and again");
                _exit(0);
            }
            stay();
        }
        if (turn == 1)
            break;
        ck_assert_int_eq(child_status(pid), 0);
        pid_t again = fork_with(pid);
        if (again < 0 && skipped("needs CAP_CHECKPOINT_RESTORE"))
            return;
        ck_assert(again == 0 || again == pid);
        pid = again;
    }
    first = accept_one(listener);
    (void)sender_of(first, "first");
    nothing_from_proc(sender_of(first, "and again"));
    second = accept_one(listener);
    struct ferry_identity *who = sender_of(second, "second");
    ck_assert_int_eq(ferry_identity_pid(who), pid);
    ck_assert_known(who, EXECUTABLE, FERRY_FORGEABLE);
    ck_assert_known(identity_of(second), EXECUTABLE, FERRY_FORGEABLE);
    nothing_from_proc(identity_of(first));
    end(pid);
    ferry_channel_close(first);
    ferry_channel_close(second);
    ferry_listener_close(listener);
}
END_TEST

START_TEST(messages_bring_a_label_that_nobody_forges)
{
    label = "unconfined";
    label_has_nul = _i;
    for (int i = 0; i < 2; i++) {
        struct ferry_listener *listener = listen_at(message_schemes[i], false);
        struct ferry_channel *client = dial_as(message_schemes[i], NULL);
        send_text(client, "labelled");
        struct ferry_channel *server = accept_one(listener);
        struct ferry_identity *who = sender_of(server, "labelled");
        ck_assert_str_eq(ferry_identity_label(who), label);
        ck_assert_known(who, LABEL, FERRY_PER_MESSAGE);
        ck_assert_known(who, UID, FERRY_FORGEABLE);
        ferry_channel_close(client);
        ferry_channel_close(server);
        ferry_listener_close(listener);
    }
}
END_TEST

/* Under another label it is another sender: what was decided about the first does not hold. */
START_TEST(another_label_is_another_session)
{
    label = "one";
    struct ferry_listener *listener = listen_at("unix-dgram", false);
    struct ferry_channel *client = dial_as("unix-dgram", NULL);
    send_text(client, "first");
    struct ferry_channel *first = accept_one(listener);
    send_text(client, "second");
    label = "another";
    struct ferry_channel *second = accept_one(listener);
    ck_assert_str_eq(ferry_identity_label(sender_of(first, "first")), "one");
    ck_assert_str_eq(ferry_identity_label(sender_of(second, "second")), "another");
    ck_assert_str_eq(ferry_identity_label(identity_of(second)), "another");
    ck_assert_known(identity_of(second), LABEL, FERRY_PER_MESSAGE);
    ferry_channel_close(client);
    ferry_channel_close(first);
    ferry_channel_close(second);
    ferry_listener_close(listener);
}
END_TEST

/* --- speaking for others ---------------------------------------------------------------------- */

static void ck_assert_sent_by(struct ferry_channel *server, pid_t pid, uid_t uid, gid_t gid)
{
    struct ferry_identity *who = sender_of(server, "text");
    ck_assert_int_eq(ferry_identity_pid(who), pid);
    ck_assert_uint_eq(ferry_identity_uid(who), uid);
    ck_assert_uint_eq(ferry_identity_gid(who), gid);
    ck_assert_known(who, UID, FERRY_FORGEABLE);
}

/* A datagram's sender is whom its message says, and has a session of its own. */
START_TEST(root_speaks_for_others)
{
    const struct ferry_credentials other = { getppid(), 12345, 54321 };
    struct ferry_listener *listener = listen_at(message_schemes[_i], true);
    struct ferry_channel *client = dial_as(message_schemes[_i], NULL);
    struct iovec buffer = { (void *)(uintptr_t) "text", 4 };
    struct ferry_outgoing outgoing[3] = { { .buffers = &buffer, .buffer_count = 1 },
        { .buffers = &buffer, .buffer_count = 1, .credentials = &other },
        { .buffers = &buffer, .buffer_count = 1 } };
    bool datagrams = _i == 1;

    if (skipped_without_root())
        return;
    ck_assert_int_eq(ferry_channel_try_send(client, outgoing, 3), 3);
    struct ferry_channel *own = accept_one(listener);
    struct ferry_channel *others = datagrams ? accept_one(listener) : own;
    ck_assert_sent_by(own, getpid(), getuid(), getgid());
    ck_assert_sent_by(others, getppid(), 12345, 54321);
    ck_assert_sent_by(own, getpid(), getuid(), getgid());
    ferry_channel_close(client);
    ferry_channel_close(own);
    if (datagrams)
        ferry_channel_close(others);
    ferry_listener_close(listener);
}
END_TEST

START_TEST(a_stream_says_who_sends_from_one_byte_to_the_next)
{
    const struct ferry_credentials other = { getpid(), 12345, 54321 };
    struct ferry_channel *one, *reader;
    struct iovec buffer = { (void *)(uintptr_t) "bytes", 5 };
    struct ferry_outgoing outgoing[3] = { { .buffers = &buffer, .buffer_count = 1 },
        { .buffers = &buffer, .buffer_count = 1, .credentials = &other },
        { .buffers = &buffer, .buffer_count = 1 } };
    const int on = 1;
    if (skipped_without_root())
        return;
    ck_assert_int_eq(ferry_channel_pair(FERRY_UNIX, &one, &reader), 0);
    int fd = ferry_channel_fd(reader, FERRY_RECEIVE);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
    ck_assert_int_eq(ferry_channel_try_send(one, outgoing, 3), 3);
    for (int i = 0; i < 3; i++) {
        char bytes[64], control[256];
        struct iovec into = { bytes, sizeof(bytes) };
        struct msghdr header = { .msg_iov = &into,
            .msg_iovlen = 1,
            .msg_control = control,
            .msg_controllen = sizeof(control) };
        struct control_facts facts;
        ck_assert_int_eq(recvmsg(fd, &header, 0), 5);
        control_walk(&header, NULL, 0, NULL, &facts);
        ck_assert(facts.has_credentials);
        ck_assert_uint_eq(facts.credentials.uid, i == 1 ? 12345 : getuid());
    }
    ferry_channel_close(one);
    ferry_channel_close(reader);
}
END_TEST

START_TEST(others_are_told_why_not)
{
    struct ferry_listener *listener = listen_at("unix", false);
    struct ferry_error error = { 0 };
    if (skipped_without_root())
        return;
    pid_t pid = fork();
    if (pid == 0) {
        struct ferry_credentials as = { getpid(), 0, 12345 };
        struct ferry_dial_options options = { .struct_size = sizeof(options), .credentials = &as };
        struct ferry_address *address = place("unix", "");
        struct ferry_channel *channel;
        if (setgid(12345) < 0 || setuid(12345) < 0)
            _exit(1);
        if (ferry_dial(address, &options, ferry_deadline(5000), &channel, &error) != -EPERM ||
            !strstr(error.reason, "only root may speak for others") ||
            !strstr(error.remedy, "CAP_SETUID"))
            _exit(2);
        as.uid = 12345;
        if (ferry_dial(address, &options, ferry_deadline(5000), &channel, &error) < 0)
            _exit(3);
        as.uid = 0; /* a copy was taken */
        send_text(channel, "as myself");
        struct iovec buffer = { (void *)(uintptr_t) "as root", 7 };
        struct ferry_outgoing outgoing = {
            .buffers = &buffer, .buffer_count = 1, .credentials = &as
        };
        _exit(ferry_channel_try_send(channel, &outgoing, 1) == -EPERM ? 0 : 4);
    }
    ck_assert_int_eq(child_status(pid), 0);
    struct ferry_credentials gone = { pid, geteuid(), getegid() };
    struct ferry_dial_options options = { .struct_size = sizeof(options), .credentials = &gone };
    struct ferry_address *address = place("unix", "");
    struct ferry_channel *channel;
    ck_assert_int_eq(ferry_dial(address, &options, ferry_deadline(5000), &channel, &error), -ESRCH);
    ferry_address_free(address);
    ferry_listener_close(listener);
}
END_TEST

START_TEST(what_is_no_unix_socket_carries_no_credentials)
{
    const struct ferry_credentials self = { getpid(), geteuid(), getegid() };
    struct ferry_dial_options options = { .struct_size = sizeof(options), .credentials = &self };
    struct ferry_address *address;
    struct ferry_channel *channel;
    int pipes[2];
    ck_assert_int_eq(ferry_address_parse("udp:9", NULL, &address, NULL), 0);
    ck_assert_int_eq(
        ferry_dial(address, &options, ferry_deadline(5000), &channel, NULL), -EOPNOTSUPP);
    ferry_address_free(address);
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_eq(ferry_channel_adopt(pipes[1], &channel), 0);
    struct iovec buffer = { (void *)(uintptr_t) "x", 1 };
    struct ferry_outgoing outgoing = {
        .buffers = &buffer, .buffer_count = 1, .credentials = &self
    };
    ck_assert_int_eq(ferry_channel_try_send(channel, &outgoing, 1), -EOPNOTSUPP);
    ferry_channel_close(channel);
    close(pipes[0]);
}
END_TEST

/* --- made up ---------------------------------------------------------------------------------- */

START_TEST(an_identity_made_up_says_what_was_said)
{
    const unsigned char host[16] = { 0xfe, 0x80, [15] = 1 };
    const gid_t groups[] = { 7, 5 };
    struct ferry_identity *who;
    size_t count;
    ck_assert_int_eq(ferry_identity_new(&who), 0);
    for (int fact = 0; fact < FERRY_FACT_COUNT; fact++)
        ck_assert_int_eq(ferry_identity_known(who, (enum ferry_fact)fact), FERRY_UNKNOWN);
    ck_assert_int_eq(ferry_identity_pid(who), 0);
    ck_assert_uint_eq(ferry_identity_uid(who), (uid_t)-1);
    ck_assert_ptr_null(ferry_identity_groups(who, &count));
    ck_assert_ptr_null(ferry_identity_host(who));

    ck_assert_int_eq(ferry_identity_set_number(who, FERRY_FACT_UID, 0, FERRY_AT_CONNECT), 0);
    ck_assert_int_eq(ferry_identity_set_number(who, FERRY_FACT_HOST, 0, FERRY_AT_CONNECT), -EINVAL);
    ck_assert_int_eq(ferry_identity_set_groups(who, groups, 2, FERRY_AT_CONNECT), 0);
    ck_assert_int_eq(ferry_identity_set_text(who, FERRY_FACT_UNIT, "a.service", FERRY_BY_PIDFD), 0);
    ck_assert_int_eq(
        ferry_identity_set_text(who, FERRY_FACT_EXECUTABLE, "/bin/sh", FERRY_BY_PIDFD), 0);
    ck_assert_int_eq(ferry_identity_set_text(who, FERRY_FACT_PID, "1", FERRY_BY_PIDFD), -EINVAL);
    ferry_identity_set_host(who, host, FERRY_FORGEABLE);
    ck_assert_uint_eq(ferry_identity_uid(who), 0);
    ck_assert_known(who, UID, FERRY_AT_CONNECT);
    ck_assert_known(who, GID, FERRY_UNKNOWN);
    const gid_t *sorted = ferry_identity_groups(who, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(sorted[0], 5);
    ck_assert_str_eq(ferry_identity_unit(who), "a.service");
    ck_assert_int_eq(ferry_identity_is_executable(who, "/bin/sh"), 1);
    ck_assert_int_eq(ferry_identity_is_executable(who, "/bin/cat"), 0);
    ck_assert_mem_eq(ferry_identity_host(who), host, sizeof(host));
    ferry_identity_free(who);
    ferry_identity_free(NULL);
    ck_assert_known(NULL, UID, FERRY_UNKNOWN);
    ck_assert_uint_eq(ferry_identity_uid(NULL), (uid_t)-1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel/identity");
    TCase *cases = tcase_create("identity");
    tcase_set_timeout(cases, 30);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, facts_are_asked_for_once_and_when_needed);
    tcase_add_test(cases, groups_are_those_at_connect);
    tcase_add_loop_test(cases, a_kernel_without_pidfd_tells_who_but_not_what, 0, 2);
    tcase_add_test(cases, a_peer_that_wrote_and_went_is_known_by_its_numbers_only);
    tcase_add_test(cases, a_number_used_again_tells_nothing);
    tcase_add_test(cases, a_socket_handed_on_stays_its_makers);
    tcase_add_test(cases, a_program_replaced_under_its_process_is_another);
    tcase_add_test(cases, a_peer_of_another_pid_namespace_has_no_number_for_us);
    tcase_add_loop_test(cases, a_label_is_told_where_there_is_a_security_module, 0, 2);
    tcase_add_loop_test(cases, messages_bring_no_pidfd_unasked, 0, 2);
    tcase_add_loop_test(cases, messages_bring_a_pidfd_where_asked, 0, 2);
    tcase_add_test(cases, a_number_used_again_gets_a_session_of_its_own);
    tcase_add_loop_test(cases, messages_bring_a_label_that_nobody_forges, 0, 2);
    tcase_add_test(cases, another_label_is_another_session);
    tcase_add_loop_test(cases, root_speaks_for_others, 0, 2);
    tcase_add_test(cases, a_stream_says_who_sends_from_one_byte_to_the_next);
    tcase_add_test(cases, others_are_told_why_not);
    tcase_add_test(cases, what_is_no_unix_socket_carries_no_credentials);
    tcase_add_test(cases, an_identity_made_up_says_what_was_said);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
