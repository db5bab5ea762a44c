/* test_fifo.c - FIFOs: visits one after another, nothing lost between, nothing left behind. */
#include "scratch.h"

#include <errno.h>
#include <sys/file.h>

static int nothing_to_accept(struct listening *listening)
{
    struct link link;
    struct pollfd polled = { .fd = listening->fd, .events = POLLIN };
    return listening->ops->accept(listening, &link) == -EAGAIN && poll(&polled, 1, 0) == 0;
}

static int writer(const char *path)
{
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void put(int fd, const char *text)
{
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

START_TEST(listen_makes_and_close_removes)
{
    struct stat status;
    unsigned before = descriptors_open();
    struct listening listening = listen_at(address_of("fifo:%s,mode=0640", scratch_path("made")));

    ck_assert_int_eq(lstat(scratch_path("made"), &status), 0);
    ck_assert(S_ISFIFO(status.st_mode));
    ck_assert_uint_eq(status.st_mode & 0777, 0640);
    ck_assert(nothing_to_accept(&listening));
    listening.ops->close(&listening);
    ck_assert_int_eq(lstat(scratch_path("made"), &status), -1);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(umask_does_not_matter)
{
    struct stat status;
    umask(0077);
    struct listening listening = listen_at(address_of("fifo:%s,mode=0666", scratch_path("wide")));
    ck_assert_int_eq(stat(scratch_path("wide"), &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0666);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(found_fifo_stays)
{
    struct stat status;
    ck_assert_int_eq(mkfifo(scratch_path("found"), 0600), 0);
    ck_assert_int_eq(chmod(scratch_path("found"), 0604), 0);
    struct listening listening = listen_at(address_of("fifo:%s", scratch_path("found")));
    listening.ops->close(&listening);
    ck_assert_int_eq(stat(scratch_path("found"), &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0604);
}
END_TEST

START_TEST(replaced_fifo_is_not_removed)
{
    struct stat status;
    struct listening listening = listen_at(address_of("fifo:%s", scratch_path("moved")));
    ck_assert_int_eq(unlink(scratch_path("moved")), 0);
    ck_assert_int_eq(mkfifo(scratch_path("moved"), 0600), 0);
    listening.ops->close(&listening);
    ck_assert_int_eq(stat(scratch_path("moved"), &status), 0);
}
END_TEST

static int listen_fails(struct ferry_address *address, struct ferry_error *error)
{
    struct listening listening;
    int r = transport_listen(address, NULL, &listening, error);
    ferry_address_free(address);
    return r;
}

START_TEST(other_files_are_left_alone)
{
    struct ferry_error error = { 0 };
    unsigned before = descriptors_open();
    int fd = open(scratch_path("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    put(fd, "kept");
    close(fd);
    ck_assert_int_eq(mkfifo(scratch_path("target"), 0600), 0);
    ck_assert_int_eq(symlink(scratch_path("target"), scratch_path("link")), 0);

    ck_assert_int_eq(listen_fails(address_of("fifo:%s", scratch_path("file")), &error), -EEXIST);
    ck_assert_str_ne(error.reason, "");
    ck_assert_int_eq(listen_fails(address_of("fifo:%s", scratch_path("link")), &error), -EEXIST);
    ck_assert_int_eq(
        listen_fails(address_of("fifo:%s/none/x", scratch_directory), &error), -ENOENT);
    ck_assert_int_eq(listen_fails(address_of("fifo:%s/", scratch_directory), &error), -EISDIR);
    struct stat status;
    ck_assert_int_eq(stat(scratch_path("file"), &status), 0);
    ck_assert_int_eq(status.st_size, 4);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_told)
{
    struct ferry_address *address = address_of("fifo:%s", scratch_path("missing/fifo"));
    struct listening listening;
    struct ferry_error error = { 0 };

    ck_assert_int_eq(transport_listen(address, NULL, &listening, &error), -ENOENT);
    ck_assert_str_eq(error.thing, ferry_address_text(address));
    ck_assert_str_eq(error.remedy, "check the directory");
    ferry_address_free(address);
}
END_TEST

START_TEST(foreign_fifo_is_refused)
{
    struct ferry_error error = { 0 };
    if (skipped_without_root())
        return;
    ck_assert_int_eq(mkfifo(scratch_path("foreign"), 0666), 0);
    ck_assert_int_eq(chown(scratch_path("foreign"), 12345, 12345), 0);
    ck_assert_int_eq(listen_fails(address_of("fifo:%s", scratch_path("foreign")), &error), -EPERM);
    ck_assert_ptr_nonnull(strstr(error.reason, "12345"));
    struct listening listening =
        listen_at(address_of("fifo:%s,owner=12345", scratch_path("foreign")));
    listening.ops->close(&listening);
}
END_TEST

START_TEST(second_listening_names_the_first)
{
    struct ferry_error error = { 0 };
    char pid[32];
    struct listening listening = listen_at(address_of("fifo:%s", scratch_path("twice")));
    snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    ck_assert_int_eq(
        listen_fails(address_of("fifo:%s", scratch_path("twice")), &error), -EADDRINUSE);
    ck_assert_msg(strstr(error.reason, pid), "%s", error.reason);
    ck_assert_int_eq(access(scratch_path("twice"), F_OK), 0);
    ck_assert(nothing_to_accept(&listening));
    listening.ops->close(&listening);
}
END_TEST

START_TEST(visits_follow_one_another)
{
    unsigned before = descriptors_open();
    struct listening listening = listen_at(address_of("fifo:%s", scratch_path("visits")));
    struct link link;
    char text[16];

    for (int i = 0; i < 3; i++) {
        int fd = writer(scratch_path("visits"));
        ck_assert(nothing_to_accept(&listening));
        put(fd, "hello");
        link = accept_one(&listening);
        ck_assert_uint_eq(link.capabilities, FERRY_CAN_RECEIVE | FERRY_HAS_END);
        ck_assert_receives(&link, "hello");
        /* While it lives the listening is quiet, whatever comes. */
        put(fd, "more");
        ck_assert(nothing_to_accept(&listening));
        close(fd);
        ck_assert_receives(&link, "more");
        ck_assert_int_eq(link_receive_text(&link, text, sizeof(text)), 0);
        ck_assert(nothing_to_accept(&listening));
        link.ops->close(&link);
    }
    ck_assert(nothing_to_accept(&listening));
    listening.ops->close(&listening);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(bytes_between_visits_are_kept)
{
    struct listening listening = listen_at(address_of("fifo:%s", scratch_path("kept")));
    char text[16];
    int fd = writer(scratch_path("kept"));
    put(fd, "first");
    struct link link = accept_one(&listening);
    ck_assert_receives(&link, "first");
    close(fd);
    ck_assert_int_eq(link_receive_text(&link, text, sizeof(text)), 0);
    /* Comes after the end of the one visit and has gone before the next begins. */
    fd = writer(scratch_path("kept"));
    put(fd, "second");
    close(fd);
    link.ops->close(&link);
    fd = writer(scratch_path("kept"));
    put(fd, " third");
    close(fd);
    link = accept_one(&listening);
    ck_assert_receives(&link, "second third");
    ck_assert_int_eq(link_receive_text(&link, text, sizeof(text)), 0);
    link.ops->close(&link);
    ck_assert(nothing_to_accept(&listening));
    listening.ops->close(&listening);
}
END_TEST

START_TEST(kept_bytes_of_a_gone_writer_end)
{
    struct listening listening = listen_at(address_of("fifo:%s", scratch_path("gone")));
    char text[16];
    int fd = writer(scratch_path("gone"));
    put(fd, "1");
    struct link link = accept_one(&listening);
    ck_assert_receives(&link, "1");
    close(fd);
    ck_assert_int_eq(link_receive_text(&link, text, sizeof(text)), 0);
    fd = writer(scratch_path("gone"));
    put(fd, "2");
    close(fd);
    link.ops->close(&link);
    link = accept_one(&listening);
    ck_assert_receives(&link, "2");
    ck_assert_int_eq(link_receive_text(&link, text, sizeof(text)), 0);
    link.ops->close(&link);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(early_close_discards_what_waits)
{
    struct listening listening = listen_at(address_of("fifo:%s", scratch_path("early")));
    int fd = writer(scratch_path("early"));
    put(fd, "unwanted");
    struct link link = accept_one(&listening);
    link.ops->close(&link);
    ck_assert(nothing_to_accept(&listening));
    put(fd, "wanted");
    link = accept_one(&listening);
    ck_assert_receives(&link, "wanted");
    close(fd);
    link.ops->close(&link);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(writer_without_a_byte_is_an_empty_visit)
{
    struct listening listening = listen_at(address_of("fifo:%s", scratch_path("empty")));
    char text[16];
    close(writer(scratch_path("empty")));
    struct link link = accept_one(&listening);
    ck_assert_int_eq(link_receive_text(&link, text, sizeof(text)), 0);
    link.ops->close(&link);
    ck_assert(nothing_to_accept(&listening));
    listening.ops->close(&listening);
}
END_TEST

START_TEST(link_outlives_listening)
{
    struct listening listening = listen_at(address_of("fifo:%s", scratch_path("outlives")));
    int fd = writer(scratch_path("outlives"));
    put(fd, "a");
    struct link link = accept_one(&listening);
    listening.ops->close(&listening);
    ck_assert_receives(&link, "a");
    put(fd, "b");
    ck_assert_receives(&link, "b");
    close(fd);
    link.ops->close(&link);
}
END_TEST

START_TEST(dial_waits_for_a_reader)
{
    struct ferry_error error = { 0 };
    struct link link;
    unsigned before = descriptors_open();
    struct ferry_address *address = address_of("fifo:%s", scratch_path("dial"));
    ck_assert_int_eq(transport_dial(address, NULL, &link, &error), -ENOENT);
    ck_assert_int_eq(mkfifo(scratch_path("dial"), 0600), 0);
    ck_assert_int_eq(transport_dial(address, NULL, &link, &error), -EAGAIN);
    ck_assert_int_eq(unlink(scratch_path("dial")), 0);
    ck_assert_int_eq(close(open(scratch_path("dial"), O_CREAT | O_CLOEXEC, 0600)), 0);
    ck_assert_int_eq(transport_dial(address, NULL, &link, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error.reason, "is no FIFO"));
    ferry_address_free(address);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

/* Sends a whole outgoing of three buffers while the other end receives it; compares every byte. */
START_TEST(large_outgoing_keeps_its_progress)
{
    enum { SIZE = 1 << 20 };
    struct listening listening = listen_at(address_of("fifo:%s", scratch_path("large")));
    struct link out = dial_to(address_of("fifo:%s", scratch_path("large"))), in;
    static char sent[SIZE], got[SIZE];
    struct iovec buffers[] = { { sent, 7 }, { sent + 7, 200000 },
        { sent + 200007, SIZE - 200007 } };
    struct ferry_outgoing outgoing = { .buffers = buffers, .buffer_count = 3 };
    struct ferry_inbox *inbox;
    struct ferry_message message;
    size_t size = 0;

    for (size_t i = 0; i < SIZE; i++)
        sent[i] = (char)(i * 7 + i / 251);
    ck_assert_int_eq(ferry_inbox_new(30000, 1, &inbox), 0);
    ck_assert_int_eq(out.ops->send(&out, &outgoing, 1), -EAGAIN);
    ck_assert_uint_gt(outgoing.sent_size, 0);
    in = accept_one(&listening);
    while (size < SIZE) {
        int r = in.ops->receive(&in, inbox, &message, 1);
        ck_assert_int_eq(r, 1);
        memcpy(got + size, message.data, message.size);
        size += message.size;
        r = outgoing.complete ? 1 : out.ops->send(&out, &outgoing, 1);
        ck_assert(r == 1 || r == -EAGAIN);
    }
    ck_assert(outgoing.complete);
    ck_assert_uint_eq(outgoing.sent_size, SIZE);
    ck_assert_mem_eq(sent, got, SIZE);
    out.ops->close(&out);
    ck_assert_int_eq(in.ops->receive(&in, inbox, &message, 1), 0);
    in.ops->close(&in);
    ferry_inbox_free(inbox);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(gone_reader_is_an_error_and_no_signal)
{
    struct listening listening = listen_at(address_of("fifo:%s", scratch_path("pipe")));
    struct link out = dial_to(address_of("fifo:%s", scratch_path("pipe")));
    signal(SIGPIPE, SIG_DFL);
    listening.ops->close(&listening);
    ck_assert_int_eq(link_send_text(&out, "into the void"), -EPIPE);
    out.ops->close(&out);
}
END_TEST

START_TEST(reply_goes_both_ways)
{
    unsigned before = descriptors_open();
    struct listening listening =
        listen_at(address_of("fifo:%s,reply=%s", scratch_path("ask"), scratch_path("answer")));
    char text[16];

    for (int i = 0; i < 2; i++) {
        struct link client =
            dial_to(address_of("fifo:%s,reply=%s", scratch_path("ask"), scratch_path("answer")));
        struct ferry_inbox *inbox;
        struct ferry_message message;
        ck_assert_int_eq(ferry_inbox_new(100, 1, &inbox), 0);
        /* The server has not opened its end yet: that is not the end. */
        ck_assert_int_eq(client.ops->receive(&client, inbox, &message, 1), -EAGAIN);
        ferry_inbox_free(inbox);
        ck_assert_int_eq(link_send_text(&client, "question"), 1);
        struct link server = accept_one(&listening);
        ck_assert_uint_eq(server.capabilities, listening.capabilities);
        ck_assert_uint_eq(server.capabilities, client.capabilities);
        ck_assert_receives(&server, "question");
        ck_assert_int_eq(client.ops->shutdown(&client), 0);
        ck_assert_int_eq(link_send_text(&client, "x"), -EPIPE);
        ck_assert_int_eq(link_receive_text(&server, text, sizeof(text)), 0);
        ck_assert_int_eq(link_send_text(&server, "reply"), 1);
        server.ops->close(&server);
        ck_assert_receives(&client, "reply");
        ck_assert_int_eq(link_receive_text(&client, text, sizeof(text)), 0);
        client.ops->close(&client);
    }
    listening.ops->close(&listening);
    ck_assert_int_eq(access(scratch_path("ask"), F_OK), -1);
    ck_assert_int_eq(access(scratch_path("answer"), F_OK), -1);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(late_reader_gets_its_reply)
{
    struct listening listening =
        listen_at(address_of("fifo:%s,reply=%s", scratch_path("late"), scratch_path("reply")));
    char text[16] = "";
    int fd = writer(scratch_path("late"));
    put(fd, "q");
    close(fd);
    struct link server = accept_one(&listening);
    ck_assert_int_eq(link_send_text(&server, "waits"), 1);
    fd = open(scratch_path("reply"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    server.ops->close(&server);
    ck_assert_int_eq(read(fd, text, sizeof(text)), 5);
    ck_assert_str_eq(text, "waits");
    ck_assert_int_eq(read(fd, text, sizeof(text)), 0);
    close(fd);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(next_start_after_a_kill_works)
{
    pid_t pid = fork();
    if (pid == 0) {
        listen_at(address_of("fifo:%s", scratch_path("killed")));
        kill(getpid(), SIGKILL);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(access(scratch_path("killed"), F_OK), 0);
    struct listening listening = listen_at(address_of("fifo:%s", scratch_path("killed")));
    struct link out = dial_to(address_of("fifo:%s", scratch_path("killed")));
    ck_assert_int_eq(link_send_text(&out, "alive"), 1);
    struct link in = accept_one(&listening);
    ck_assert_receives(&in, "alive");
    out.ops->close(&out);
    in.ops->close(&in);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(forked_child_removes_nothing)
{
    struct listening listening = listen_at(address_of("fifo:%s", scratch_path("forked")));
    pid_t pid = fork();
    if (pid == 0) {
        listening.ops->close(&listening);
        _exit(0);
    }
    ck_assert_int_eq(child_status(pid), 0);
    ck_assert_int_eq(access(scratch_path("forked"), F_OK), 0);
    listening.ops->close(&listening);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fifo");
    TCase *place = tcase_create("place"), *visits = tcase_create("visits"),
          *dial = tcase_create("dial");

    tcase_add_test(place, listen_makes_and_close_removes);
    tcase_add_test(place, umask_does_not_matter);
    tcase_add_test(place, found_fifo_stays);
    tcase_add_test(place, replaced_fifo_is_not_removed);
    tcase_add_test(place, other_files_are_left_alone);
    tcase_add_test(place, a_folder_that_is_not_there_is_told);
    tcase_add_test(place, foreign_fifo_is_refused);
    tcase_add_test(place, second_listening_names_the_first);
    tcase_add_test(place, next_start_after_a_kill_works);
    tcase_add_test(place, forked_child_removes_nothing);
    tcase_add_test(visits, visits_follow_one_another);
    tcase_add_test(visits, bytes_between_visits_are_kept);
    tcase_add_test(visits, kept_bytes_of_a_gone_writer_end);
    tcase_add_test(visits, early_close_discards_what_waits);
    tcase_add_test(visits, writer_without_a_byte_is_an_empty_visit);
    tcase_add_test(visits, link_outlives_listening);
    tcase_add_test(dial, dial_waits_for_a_reader);
    tcase_add_test(dial, large_outgoing_keeps_its_progress);
    tcase_add_test(dial, gone_reader_is_an_error_and_no_signal);
    tcase_add_test(dial, reply_goes_both_ways);
    tcase_add_test(dial, late_reader_gets_its_reply);
    tcase_set_timeout(place, 20);
    tcase_set_timeout(visits, 20);
    tcase_set_timeout(dial, 20);
    suite_add_tcase(suite, place);
    suite_add_tcase(suite, visits);
    suite_add_tcase(suite, dial);
    return scratch_run(suite);
}
