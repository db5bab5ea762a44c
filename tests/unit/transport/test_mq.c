/* test_mq.c - message queues: boundaries, priorities, backpressure, limits explained. */
#include "scratch.h"

#include <errno.h>
#include <mqueue.h>
#include <sys/resource.h>

/* A queue's name that no other run has; "" and a letter tell several apart. */
static const char *queue(const char *name)
{
    static char names[4][64];
    static unsigned next;
    char *text = names[next++ % 4];
    snprintf(text, sizeof(names[0]), "/ferry-test-%d-%s", (int)getpid(), name);
    return text;
}

static bool exists(const char *name)
{
    AUTO_FD int fd = mq_open(name, O_RDONLY | O_NONBLOCK);
    return fd >= 0;
}

static int nothing_to_accept(struct listening *listening)
{
    struct link link;
    struct pollfd polled = { .fd = listening->fd, .events = POLLIN };
    return listening->ops->accept(listening, &link) == -EAGAIN && poll(&polled, 1, 0) == 0;
}

static int listen_fails(struct ferry_address *address, struct ferry_error *error)
{
    struct listening listening;
    int r = transport_listen(address, NULL, &listening, error);
    ferry_address_free(address);
    return r;
}

START_TEST(listen_makes_and_close_removes)
{
    struct mq_attr attributes;
    struct stat status;
    unsigned before = descriptors_open();
    umask(0077);
    struct listening listening =
        listen_at(address_of("mq:%s,mode=0620,maxmsg=3,msgsize=100", queue("a")));
    int fd = mq_open(queue("a"), O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(mq_getattr(fd, &attributes), 0);
    ck_assert_int_eq(attributes.mq_maxmsg, 3);
    ck_assert_int_eq(attributes.mq_msgsize, 100);
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0620);
    close(fd);
    ck_assert(nothing_to_accept(&listening));
    listening.ops->close(&listening);
    ck_assert(!exists(queue("a")));
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(found_queue_stays)
{
    close(mq_open(queue("a"), O_CREAT | O_RDONLY, 0600, NULL));
    struct listening listening = listen_at(address_of("mq:%s", queue("a")));
    listening.ops->close(&listening);
    ck_assert(exists(queue("a")));
    struct ferry_error error;
    ck_assert_int_eq(listen_fails(address_of("mq:%s,maxmsg=2", queue("a")), &error), -EEXIST);
    mq_unlink(queue("a"));
}
END_TEST

START_TEST(replaced_queue_is_not_removed)
{
    struct listening listening = listen_at(address_of("mq:%s", queue("a")));
    mq_unlink(queue("a"));
    close(mq_open(queue("a"), O_CREAT | O_RDONLY, 0600, NULL));
    listening.ops->close(&listening);
    ck_assert(exists(queue("a")));
    mq_unlink(queue("a"));
}
END_TEST

START_TEST(foreign_queue_is_refused)
{
    struct ferry_error error = { 0 };
    if (skipped_without_root())
        return;
    int fd = mq_open(queue("a"), O_CREAT | O_RDONLY, 0600, NULL);
    ck_assert_int_eq(fchown(fd, 12345, 12345), 0);
    close(fd);
    ck_assert_int_eq(listen_fails(address_of("mq:%s", queue("a")), &error), -EPERM);
    ck_assert(exists(queue("a")));
    mq_unlink(queue("a"));
}
END_TEST

START_TEST(second_listening_names_the_first)
{
    struct ferry_error error = { 0 };
    char pid[32];
    struct listening listening = listen_at(address_of("mq:%s", queue("a")));
    snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    ck_assert_int_eq(listen_fails(address_of("mq:%s", queue("a")), &error), -EADDRINUSE);
    ck_assert_msg(strstr(error.reason, pid), "%s", error.reason);
    ck_assert(exists(queue("a")));
    listening.ops->close(&listening);
}
END_TEST

START_TEST(priorities_come_first)
{
    struct listening listening = listen_at(address_of("mq:%s", queue("a")));
    struct link out = dial_to(address_of("mq:%s,priority=5", queue("a"))), in;
    struct iovec parts[] = { { (char[]){ "l" }, 1 }, { NULL, 0 }, { (char[]){ "ow" }, 2 } };
    struct iovec high = { (char[]){ "high" }, 4 };
    struct ferry_outgoing batch[] = { { .buffers = parts, .buffer_count = 3, .priority = 1 },
        { .buffer_count = 0 }, { .buffers = &high, .buffer_count = 1, .priority = 9 } };
    struct ferry_inbox *inbox;
    struct ferry_message got[4];

    ck_assert_uint_eq(out.capabilities, FERRY_CAN_SEND | FERRY_HAS_BOUNDARIES | FERRY_HAS_PRIORITY);
    ck_assert_int_eq(out.ops->send(&out, batch, 3), 3);
    ck_assert_int_eq(ferry_inbox_new(8192, 4, &inbox), 0);
    in = accept_one(&listening);
    ck_assert_int_eq(in.ops->receive(&in, inbox, got, 4), 3);
    ck_assert_uint_eq(got[0].priority, 9);
    ck_assert_mem_eq(got[0].data, "high", 4);
    ck_assert_uint_eq(got[1].priority, 5);
    ck_assert_uint_eq(got[1].size, 0);
    ck_assert_uint_eq(got[2].priority, 1);
    ck_assert_uint_eq(got[2].size, 3);
    ck_assert_mem_eq(got[2].data, "low", 3);
    ck_assert_int_eq(in.ops->receive(&in, inbox, got, 4), -EAGAIN);
    ferry_inbox_free(inbox);
    out.ops->close(&out);
    in.ops->close(&in);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(full_queue_waits)
{
    struct listening listening = listen_at(address_of("mq:%s,maxmsg=2", queue("a")));
    struct link out = dial_to(address_of("mq:%s", queue("a"))), in;
    struct iovec one = { (char[]){ "1" }, 1 };
    struct ferry_outgoing batch[3] = { { .buffers = &one, .buffer_count = 1 },
        { .buffers = &one, .buffer_count = 1 }, { .buffers = &one, .buffer_count = 1 } };
    struct pollfd polled = { .fd = out.send_fd, .events = POLLOUT };

    ck_assert_int_eq(out.ops->send(&out, batch, 3), 2);
    ck_assert_int_eq(out.ops->send(&out, batch + 2, 1), -EAGAIN);
    ck_assert_int_eq(poll(&polled, 1, 0), 0);
    in = accept_one(&listening);
    ck_assert_int_eq(link_receive_text(&in, (char[8193]){ 0 }, 8193), 1);
    ck_assert_int_eq(poll(&polled, 1, 0), 1);
    ck_assert_int_eq(out.ops->send(&out, batch + 2, 1), 1);
    out.ops->close(&out);
    in.ops->close(&in);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(sizes_are_kept)
{
    struct listening listening = listen_at(address_of("mq:%s,msgsize=16", queue("a")));
    struct link out = dial_to(address_of("mq:%s", queue("a"))), in;
    struct ferry_inbox *small;
    struct ferry_message message;

    ck_assert_int_eq(link_send_text(&out, "seventeen bytes!!"), -EMSGSIZE);
    struct iovec parts[] = { { (char[100]){ 0 }, 100 }, { (char[]){ "x" }, 1 } };
    struct ferry_outgoing outgoing = { .buffers = parts, .buffer_count = 2 };
    ck_assert_int_eq(out.ops->send(&out, &outgoing, 1), -EMSGSIZE);
    ck_assert_int_eq(link_send_text(&out, "sixteen bytes..."), 1);
    in = accept_one(&listening);
    ck_assert_int_eq(ferry_inbox_new(15, 1, &small), 0);
    ck_assert_int_eq(in.ops->receive(&in, small, &message, 1), -EMSGSIZE);
    ck_assert_uint_eq(message.size, 16);
    ck_assert_receives(&in, "sixteen bytes...");
    ferry_inbox_free(small);
    out.ops->close(&out);
    in.ops->close(&in);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(one_link_at_a_time)
{
    unsigned before = descriptors_open();
    struct listening listening = listen_at(address_of("mq:%s,msgsize=100", queue("a")));
    struct link out = dial_to(address_of("mq:%s", queue("a")));

    for (int i = 0; i < 3; i++) {
        ck_assert(nothing_to_accept(&listening));
        ck_assert_int_eq(link_send_text(&out, "first"), 1);
        struct link in = accept_one(&listening);
        ck_assert(nothing_to_accept(&listening));
        ck_assert_receives(&in, "first");
        ck_assert_int_eq(link_send_text(&out, "second"), 1);
        ck_assert(nothing_to_accept(&listening));
        ck_assert_receives(&in, "second");
        in.ops->close(&in);
    }
    out.ops->close(&out);
    listening.ops->close(&listening);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(links_that_live_on_do_not_keep_the_lock)
{
    close(mq_open(queue("a"), O_CREAT | O_RDONLY, 0600, NULL));
    struct listening listening = listen_at(address_of("mq:%s", queue("a")));
    struct link out = dial_to(address_of("mq:%s", queue("a")));
    ck_assert_int_eq(link_send_text(&out, "x"), 1);
    struct link in = accept_one(&listening);
    listening.ops->close(&listening);
    listening = listen_at(address_of("mq:%s", queue("a")));
    ck_assert_int_eq(link_receive_text(&in, (char[8193]){ 0 }, 8193), 1);
    out.ops->close(&out);
    in.ops->close(&in);
    listening.ops->close(&listening);
    mq_unlink(queue("a"));
}
END_TEST

START_TEST(reply_goes_both_ways)
{
    unsigned before = descriptors_open();
    struct listening listening =
        listen_at(address_of("mq:%s,reply=%s,msgsize=100", queue("a"), queue("b")));
    struct link client = dial_to(address_of("mq:%s,reply=%s", queue("a"), queue("b")));
    ck_assert_int_eq(link_send_text(&client, "question"), 1);
    struct link server = accept_one(&listening);
    ck_assert_uint_eq(server.capabilities, client.capabilities);
    ck_assert_uint_eq(server.capabilities, listening.capabilities);
    ck_assert_receives(&server, "question");
    ck_assert_int_eq(link_send_text(&server, "answer"), 1);
    ck_assert_receives(&client, "answer");
    client.ops->close(&client);
    server.ops->close(&server);
    listening.ops->close(&listening);
    ck_assert(!exists(queue("a")) && !exists(queue("b")));
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(errors_say_what_is_wrong)
{
    struct ferry_error error = { 0 };
    struct link link;
    struct ferry_address *address = address_of("mq:%s", queue("none"));
    ck_assert_int_eq(transport_dial(address, NULL, &link, &error), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error.reason, "no such queue"));
    ferry_address_free(address);

    struct rlimit room = { 4096, 4096 };
    ck_assert_int_eq(setrlimit(RLIMIT_MSGQUEUE, &room), 0);
    ck_assert_int_eq(
        listen_fails(address_of("mq:%s,maxmsg=10,msgsize=8192", queue("a")), &error), -EMFILE);
    ck_assert_msg(strstr(error.reason, "4096"), "%s", error.reason);
}
END_TEST

START_TEST(limits_of_the_system_are_named)
{
    struct ferry_error error = { 0 };
    if (geteuid() == 0)
        ck_assert(setgid(65534) == 0 && setuid(65534) == 0);
    ck_assert_int_eq(listen_fails(address_of("mq:%s,msgsize=16M", queue("a")), &error), -EINVAL);
    ck_assert_msg(strstr(error.reason, "16777216"), "%s", error.reason);
    ck_assert_msg(strstr(error.remedy, "msgsize_max"), "%s", error.remedy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mq");
    TCase *place = tcase_create("place"), *links = tcase_create("links");

    tcase_add_test(place, listen_makes_and_close_removes);
    tcase_add_test(place, found_queue_stays);
    tcase_add_test(place, replaced_queue_is_not_removed);
    tcase_add_test(place, foreign_queue_is_refused);
    tcase_add_test(place, second_listening_names_the_first);
    tcase_add_test(place, errors_say_what_is_wrong);
    tcase_add_test(place, limits_of_the_system_are_named);
    tcase_add_test(links, priorities_come_first);
    tcase_add_test(links, full_queue_waits);
    tcase_add_test(links, sizes_are_kept);
    tcase_add_test(links, one_link_at_a_time);
    tcase_add_test(links, links_that_live_on_do_not_keep_the_lock);
    tcase_add_test(links, reply_goes_both_ways);
    tcase_set_timeout(place, 20);
    tcase_set_timeout(links, 20);
    suite_add_tcase(suite, place);
    suite_add_tcase(suite, links);
    return scratch_run(suite);
}
