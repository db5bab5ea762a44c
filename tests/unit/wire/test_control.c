/* test_control.c - control messages, made up and as the kernel writes them. */
#include "base/cleanup.h"
#include "suite.h"
#include "wire/control.h"

#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

static int surplus[64];
static size_t surplus_count;

static void keep_surplus(int fd)
{
    ck_assert_uint_lt(surplus_count, COUNT_OF(surplus));
    surplus[surplus_count++] = fd;
}

static void close_surplus(int fd)
{
    surplus_count++;
    close(fd);
}

struct control {
    alignas(struct cmsghdr) char data[1024];
    size_t size;
};

static void add(struct control *control, int level, int type, const void *data, size_t size)
{
    struct cmsghdr header = { .cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type };
    memcpy(control->data + control->size, &header, sizeof(header));
    memcpy(control->data + control->size + CMSG_LEN(0), data, size);
    control->size += CMSG_SPACE(size);
}

static struct control_facts walk(struct control *control, int *descriptors, size_t room)
{
    struct control_facts facts;
    struct msghdr header = { .msg_control = control->data, .msg_controllen = control->size };
    surplus_count = 0;
    control_walk(&header, descriptors, room, keep_surplus, &facts);
    return facts;
}

START_TEST(put)
{
    alignas(struct cmsghdr) char buffer[CONTROL_SEND_SIZE];
    int fds[FERRY_DESCRIPTORS_MAX];
    struct msghdr header = { .msg_control = buffer, .msg_controllen = 1 };

    control_put(&header, buffer, NULL, 0, NULL);
    ck_assert_ptr_null(header.msg_control);
    ck_assert_uint_eq(header.msg_controllen, 0);

    for (int i = 0; i < FERRY_DESCRIPTORS_MAX; i++)
        fds[i] = i;
    memset(buffer, 0xff, sizeof(buffer));
    control_put(&header, buffer, fds, 1, NULL);
    ck_assert_uint_eq(header.msg_controllen, CMSG_SPACE(sizeof(int)));
    ck_assert_mem_eq(buffer + CMSG_LEN(sizeof(int)), "\0\0\0\0", 4);
    control_put(&header, buffer, fds, FERRY_DESCRIPTORS_MAX, NULL);
    ck_assert_uint_eq(header.msg_controllen, CONTROL_SEND_SIZE - CMSG_SPACE(sizeof(struct ucred)));
    struct cmsghdr *message = CMSG_FIRSTHDR(&header);
    ck_assert_uint_eq(message->cmsg_len, CMSG_LEN(sizeof(fds)));
    ck_assert_int_eq(message->cmsg_level, SOL_SOCKET);
    ck_assert_int_eq(message->cmsg_type, SCM_RIGHTS);
    ck_assert_mem_eq(CMSG_DATA(message), fds, sizeof(fds));
}
END_TEST

START_TEST(put_credentials)
{
    alignas(struct cmsghdr) char buffer[CONTROL_SEND_SIZE];
    const struct ferry_credentials as = { 11, 22, 33 };
    struct msghdr header = { 0 };
    int fds[] = { 5 }, found[1];
    struct control_facts facts;

    control_put(&header, buffer, NULL, 0, &as);
    ck_assert_uint_eq(header.msg_controllen, CMSG_SPACE(sizeof(struct ucred)));
    control_put(&header, buffer, fds, 1, &as);
    control_walk(&header, found, 1, keep_surplus, &facts);
    ck_assert(facts.has_credentials);
    ck_assert_int_eq(facts.credentials.pid, 11);
    ck_assert_uint_eq(facts.credentials.uid, 22);
    ck_assert_uint_eq(facts.credentials.gid, 33);
    ck_assert_uint_eq(facts.descriptor_count, 1);
    ck_assert_int_eq(found[0], 5);
}
END_TEST

START_TEST(a_label)
{
    struct control control = { .size = 0 };

    ck_assert_ptr_null(walk(&control, NULL, 0).label);
    add(&control, SOL_SOCKET, SCM_SECURITY, "", 0);
    ck_assert_ptr_null(walk(&control, NULL, 0).label);
    add(&control, SOL_SOCKET, SCM_SECURITY, "unconfined", 10);
    struct control_facts facts = walk(&control, NULL, 0);
    ck_assert_uint_eq(facts.label_size, 10);
    ck_assert_mem_eq(facts.label, "unconfined", 10);
}
END_TEST

START_TEST(nothing)
{
    struct control control = { .size = 0 };
    struct control_facts facts = walk(&control, NULL, 0);

    ck_assert(!facts.any && !facts.truncated && !facts.has_credentials);
    ck_assert_int_eq(facts.pidfd, -1);
    ck_assert_uint_eq(facts.descriptor_count, 0);
}
END_TEST

START_TEST(everything)
{
    struct control control = { .size = 0 };
    const struct ucred credentials = { 11, 12, 13 };
    const int first[] = { 3, 4, 5 }, second[] = { 6 }, pidfd = 7;
    int found[8];

    add(&control, SOL_SOCKET, SCM_CREDENTIALS, &credentials, sizeof(credentials));
    add(&control, SOL_SOCKET, SCM_RIGHTS, first, sizeof(first));
    add(&control, SOL_SOCKET, SCM_PIDFD, &pidfd, sizeof(pidfd));
    add(&control, SOL_SOCKET, 0x03, "label", 5);
    add(&control, SOL_SOCKET, SCM_RIGHTS, second, sizeof(second));
    struct control_facts facts = walk(&control, found, COUNT_OF(found));

    ck_assert(facts.any && facts.has_credentials && !facts.truncated);
    ck_assert_int_eq(facts.credentials.pid, 11);
    ck_assert_uint_eq(facts.credentials.uid, 12);
    ck_assert_uint_eq(facts.credentials.gid, 13);
    ck_assert_int_eq(facts.pidfd, 7);
    ck_assert_uint_eq(facts.descriptor_count, 4);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(found[i], 3 + i);
    ck_assert_uint_eq(surplus_count, 0);
}
END_TEST

START_TEST(more_than_there_is_room_for)
{
    struct control control = { .size = 0 };
    const int fds[] = { 3, 4, 5 }, pidfd = 8, again = 9, none = -3;
    int found[2] = { -1, -1 };

    add(&control, SOL_SOCKET, SCM_RIGHTS, fds, sizeof(fds));
    add(&control, SOL_SOCKET, SCM_RIGHTS, fds, sizeof(fds[0]));
    struct control_facts facts = walk(&control, found, 1);
    ck_assert_uint_eq(facts.descriptor_count, 1);
    ck_assert_int_eq(found[0], 3);
    ck_assert_int_eq(found[1], -1);
    ck_assert_uint_eq(surplus_count, 3);
    ck_assert_int_eq(surplus[0], 4);
    ck_assert_int_eq(surplus[1], 5);
    ck_assert_int_eq(surplus[2], 3);

    control.size = 0;
    add(&control, SOL_SOCKET, SCM_PIDFD, &pidfd, sizeof(pidfd));
    add(&control, SOL_SOCKET, SCM_PIDFD, &again, sizeof(again));
    add(&control, SOL_SOCKET, SCM_PIDFD, &none, sizeof(none));
    facts = walk(&control, found, 0);
    ck_assert_int_eq(facts.pidfd, 9);
    ck_assert_uint_eq(surplus_count, 1);
    ck_assert_int_eq(surplus[0], 8);
}
END_TEST

START_TEST(other_levels_are_skipped)
{
    struct control control = { .size = 0 };
    const int fds[] = { 3 };

    add(&control, SOL_SOCKET + 1, SCM_RIGHTS, fds, sizeof(fds));
    struct control_facts facts = walk(&control, NULL, 0);
    ck_assert(facts.any);
    ck_assert_uint_eq(facts.descriptor_count + surplus_count, 0);
}
END_TEST

START_TEST(datagrams_that_were_joined)
{
    struct control control = { 0 };
    int size = 1400, negative = -1;

    add(&control, IPPROTO_UDP, UDP_GRO, &size, sizeof(size));
    ck_assert_uint_eq(walk(&control, NULL, 0).segment_size, 1400);
    control.size = 0;
    add(&control, IPPROTO_UDP, UDP_GRO, &negative, sizeof(negative));
    ck_assert_uint_eq(walk(&control, NULL, 0).segment_size, 0);
    control.size = 0;
    add(&control, IPPROTO_UDP, UDP_GRO, &size, 2);
    ck_assert_uint_eq(walk(&control, NULL, 0).segment_size, 0);
}
END_TEST

START_TEST(lengths_that_lie)
{
    struct control control = { .size = 0 };
    const int fds[] = { 3, 4, 5, 6 };
    int found[64];

    add(&control, SOL_SOCKET, SCM_RIGHTS, fds, sizeof(fds));
    struct cmsghdr *message = (struct cmsghdr *)(void *)control.data;
    message->cmsg_len = SIZE_MAX;
    ck_assert_uint_eq(walk(&control, found, 64).descriptor_count, 4);
    message->cmsg_len = CMSG_LEN(6);
    ck_assert_uint_eq(walk(&control, found, 64).descriptor_count, 1);
    message->cmsg_len = CMSG_LEN(0) - 1;
    ck_assert_uint_eq(walk(&control, found, 64).descriptor_count, 0);
    message->cmsg_len = 0;
    ck_assert_uint_eq(walk(&control, found, 64).descriptor_count, 0);
    message->cmsg_len = CMSG_LEN(sizeof(fds));
    for (control.size = 0; control.size < CMSG_SPACE(sizeof(fds)); control.size++) {
        size_t body = control.size < CMSG_LEN(0) ? 0 : control.size - CMSG_LEN(0);
        size_t whole = body / sizeof(int) > 4 ? 4 : body / sizeof(int);
        ck_assert_uint_eq(walk(&control, found, 64).descriptor_count, whole);
    }
    message->cmsg_type = SCM_CREDENTIALS;
    message->cmsg_len = CMSG_LEN(sizeof(struct ucred) - 1);
    control.size = CMSG_SPACE(sizeof(fds));
    ck_assert(!walk(&control, found, 64).has_credentials);
}
END_TEST

static size_t descriptors_open(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Through a real socket: what is put arrives, with the sender's credentials, and none stays open.
 */
START_TEST(the_kernel)
{
    const size_t before = descriptors_open();
    alignas(struct cmsghdr) char out[CONTROL_SEND_SIZE], in[CONTROL_RECEIVE_SIZE];
    int pair[2], fds[FERRY_DESCRIPTORS_MAX], found[FERRY_DESCRIPTORS_MAX], on = 1;
    char byte = 'x';
    struct iovec buffer = { &byte, 1 };
    struct msghdr header = { .msg_iov = &buffer, .msg_iovlen = 1 };
    struct control_facts facts;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
    for (int i = 0; i < FERRY_DESCRIPTORS_MAX; i++)
        fds[i] = pair[0];
    control_put(&header, out, fds, FERRY_DESCRIPTORS_MAX, NULL);
    ck_assert_int_eq(sendmsg(pair[0], &header, 0), 1);

    header.msg_control = in;
    header.msg_controllen = sizeof(in);
    ck_assert_int_eq(recvmsg(pair[1], &header, MSG_CMSG_CLOEXEC), 1);
    surplus_count = 0;
    control_walk(&header, found, 250, close_surplus, &facts);
    ck_assert(facts.any && !facts.truncated && facts.has_credentials);
    ck_assert_int_eq(facts.credentials.pid, getpid());
    ck_assert_uint_eq(facts.credentials.uid, getuid());
    ck_assert_uint_eq(facts.descriptor_count, 250);
    ck_assert_uint_eq(surplus_count, 3);
    for (size_t i = 0; i < facts.descriptor_count; i++)
        close(found[i]);
    close(pair[0]);
    close(pair[1]);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

/* Room for one descriptor in the walk, for two in the buffer: both come, one is surplus. */
START_TEST(a_truncated_message)
{
    const size_t before = descriptors_open();
    alignas(struct cmsghdr) char out[CONTROL_SEND_SIZE], in[CMSG_SPACE(sizeof(int))];
    int pair[2], found[1];
    char byte = 'x';
    struct iovec buffer = { &byte, 1 };
    struct msghdr header = { .msg_iov = &buffer, .msg_iovlen = 1 };
    struct control_facts facts;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    const int fds[] = { pair[0], pair[0], pair[0] };
    control_put(&header, out, fds, 3, NULL);
    ck_assert_int_eq(sendmsg(pair[0], &header, 0), 1);
    header.msg_control = in;
    header.msg_controllen = sizeof(in);
    ck_assert_int_eq(recvmsg(pair[1], &header, MSG_CMSG_CLOEXEC), 1);
    surplus_count = 0;
    control_walk(&header, found, 1, close_surplus, &facts);
    ck_assert(facts.truncated);
    ck_assert_uint_eq(facts.descriptor_count, 1);
    ck_assert_uint_eq(surplus_count, 1);
    close(found[0]);
    close(pair[0]);
    close(pair[1]);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/control");
    TCase *tests = tcase_create("control");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, put);
    tcase_add_test(tests, put_credentials);
    tcase_add_test(tests, a_label);
    tcase_add_test(tests, nothing);
    tcase_add_test(tests, everything);
    tcase_add_test(tests, more_than_there_is_room_for);
    tcase_add_test(tests, other_levels_are_skipped);
    tcase_add_test(tests, datagrams_that_were_joined);
    tcase_add_test(tests, lengths_that_lie);
    tcase_add_test(tests, the_kernel);
    tcase_add_test(tests, a_truncated_message);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
