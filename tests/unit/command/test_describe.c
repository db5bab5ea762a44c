/* test_describe.c - what an open descriptor is. */
#include "command/describe.h"
#include "suite.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Closes fd. */
static void expect(int fd, const char *format, const char *words)
{
    struct bytes text = BYTES_EMPTY;
    char begin[256];
    ck_assert_int_ge(fd, 0);
    snprintf(begin, sizeof(begin), format, fd);
    describe_descriptor(fd, "name", &text);
    ck_assert_msg(strncmp(text.data, begin, strlen(begin)) == 0, "%s", text.data);
    ck_assert_msg(strstr(text.data, words) != NULL, "%s", text.data);
    ck_assert_int_eq(text.data[text.size - 1], '\n');
    bytes_fini(&text);
    close(fd);
}

START_TEST(test_files)
{
    char path[] = "/tmp/ferry-describe-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_eq(write(fd, "sixsix", 6), 6);
    expect(fd, "%d  name  file  read-write  6 bytes  ", path);
    expect(open(path, O_WRONLY | O_APPEND), "%d  name  file  append  6 bytes  ", path);
    expect(open(path, O_PATH), "%d  name  file  path  6 bytes  ", path);
    unlink(path);
    expect(open("/", O_RDONLY), "%d  name  directory  read  ", " /\n");
    expect(open("/dev/null", O_WRONLY), "%d  name  character device  write  ", "/dev/null");
    expect(memfd_create("m", 0), "%d  name  memfd  read-write  0 bytes  ", "/memfd:m");
    expect(eventfd(0, 0), "%d  name  anonymous  read-write  ", "eventfd");
}
END_TEST

START_TEST(test_pipes_and_sockets)
{
    int ends[2];
    char peer[64];
    ck_assert_int_eq(pipe(ends), 0);
    expect(ends[0], "%d  name  pipe  read  ", "pipe:[");
    expect(ends[1], "%d  name  pipe  write  ", "pipe:[");
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    snprintf(peer, sizeof(peer), "peer pid %d uid %u", (int)getpid(), (unsigned)getuid());
    expect(ends[0], "%d  name  seqpacket socket  read-write  ", peer);
    close(ends[1]);
    int listening = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(listen(listening, 1), -1); /* not bound */
    close(listening);
    listening = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(listen(listening, 1), 0);
    expect(listening, "%d  name  listening socket  read-write  ", "socket:[");
}
END_TEST

START_TEST(test_names_are_escaped)
{
    struct bytes text = BYTES_EMPTY;
    int fd = open("/dev/null", O_RDONLY);
    describe_descriptor(fd, "a\x1b]b", &text);
    ck_assert_ptr_nonnull(strstr(text.data, "  a\\x1b]b  "));
    bytes_fini(&text);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/describe");
    TCase *cases = tcase_create("describe");
    tcase_set_timeout(cases, 10);
    tcase_add_test(cases, test_files);
    tcase_add_test(cases, test_pipes_and_sockets);
    tcase_add_test(cases, test_names_are_escaped);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
