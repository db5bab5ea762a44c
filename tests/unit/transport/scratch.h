/* scratch.h - what the tests of the transport floor share: a private directory that goes away,
 * addresses from text, small messages, and counting descriptors. Each test program includes it
 * once; unused helpers cost nothing. */
#ifndef FERRY_TESTS_TRANSPORT_SCRATCH_H
#define FERRY_TESTS_TRANSPORT_SCRATCH_H

#include "base/cleanup.h"
#include "base/clock.h"
#include "suite.h"
#include "transport/inbox.h"
#include "transport/transport.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define MAYBE_UNUSED __attribute__((unused))

static char scratch_directory[64];

MAYBE_UNUSED static int scratch_remove_entry(
    const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

/* Runs a suite in a private directory; main()'s result. */
MAYBE_UNUSED static int scratch_run(Suite *suite)
{
    strcpy(scratch_directory, "/tmp/ferry-test-XXXXXX");
    if (!mkdtemp(scratch_directory) || chmod(scratch_directory, 0755) < 0)
        return EXIT_FAILURE;
    int result = suite_run(suite);
    nftw(scratch_directory, scratch_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return result;
}

/* A path in the directory. Four results live at a time. */
MAYBE_UNUSED static const char *scratch_path(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", scratch_directory, name);
    return path;
}

/* A socket bound there without any of our care; it listens unless backlog is -1. */
MAYBE_UNUSED static int bound_socket(const char *path, int type, int backlog)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    if (backlog >= 0)
        ck_assert_int_eq(listen(fd, backlog), 0);
    return fd;
}

MAYBE_UNUSED __attribute__((format(printf, 1, 2))) static struct ferry_address *address_of(
    const char *format, ...)
{
    char text[1024];
    struct ferry_address *address = NULL;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ck_assert_msg(ferry_address_parse(text, NULL, &address, NULL) == 0, "address %s", text);
    return address;
}

/* transport_listen(), which must succeed. */
MAYBE_UNUSED static struct listening listen_at(struct ferry_address *address)
{
    struct listening listening = { 0 };
    struct ferry_error error = { 0 };
    int r = transport_listen(address, NULL, &listening, &error);

    ck_assert_msg(r == 0, "listen %s: %d %s", ferry_address_text(address), r, error.reason);
    ferry_address_free(address);
    return listening;
}

/* transport_dial(), which must succeed. */
MAYBE_UNUSED static struct link dial_to(struct ferry_address *address)
{
    struct link link = { 0 };
    struct ferry_error error = { 0 };
    int r = transport_dial(address, NULL, &link, &error);

    ck_assert_msg(r == 0, "dial %s: %d %s", ferry_address_text(address), r, error.reason);
    ferry_address_free(address);
    return link;
}

MAYBE_UNUSED static void wait_for(int fd, short events)
{
    struct pollfd polled = { .fd = fd, .events = events };
    ck_assert_int_eq(poll(&polled, 1, 5000), 1);
}

MAYBE_UNUSED static struct link accept_one(struct listening *listening)
{
    struct link link = { 0 };
    int r;

    while ((r = listening->ops->accept(listening, &link)) == -EAGAIN)
        wait_for(listening->fd, POLLIN);
    ck_assert_int_eq(r, 0);
    return link;
}

MAYBE_UNUSED static int link_send_text(struct link *link, const char *text)
{
    struct iovec buffer = { (void *)(uintptr_t)text, strlen(text) };
    struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
    return link->ops->send(link, &outgoing, 1);
}

/* Receives one message, waiting for it, into text. Returns its size or what receive said. */
MAYBE_UNUSED static int link_receive_text(struct link *link, char *text, size_t room)
{
    struct ferry_inbox *inbox;
    struct ferry_message message;
    int r;

    ck_assert_int_eq(ferry_inbox_new(room - 1, 1, &inbox), 0);
    while ((r = link->ops->receive(link, inbox, &message, 1)) == -EAGAIN)
        wait_for(link->receive_fd, POLLIN);
    if (r == 1) {
        memcpy(text, message.data, message.size);
        text[message.size] = '\0';
        r = (int)message.size;
        ferry_message_fini(&message);
    }
    ferry_inbox_free(inbox);
    return r;
}

#define ck_assert_receives(link, expected)                                                         \
    do {                                                                                           \
        char text_[256];                                                                           \
        ck_assert_int_eq(link_receive_text((link), text_, sizeof(text_)), (int)strlen(expected));  \
        ck_assert_str_eq(text_, (expected));                                                       \
    } while (0)

MAYBE_UNUSED static unsigned descriptors_open(void)
{
    unsigned count = 0;
    AUTO_DIR DIR *directory = opendir("/proc/self/fd");

    while (readdir(directory))
        count++;
    return count;
}

/* Waits for a child to end; its exit status. */
MAYBE_UNUSED static int child_status(pid_t pid)
{
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
