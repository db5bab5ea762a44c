/* test_socket.c - bytes, messages and descriptors through real sockets. */
#include "scratch.h"

#include "transport/limits.h"

#include <sys/resource.h>

struct ends {
    struct link one, other;
    struct ferry_inbox *inbox;
};

static struct ends ends_new(enum ferry_scheme scheme, size_t size, size_t count)
{
    struct ends ends;
    ck_assert_int_eq(unix_pair(scheme, &ends.one, &ends.other), 0);
    ck_assert_int_eq(ferry_inbox_new(size, count, &ends.inbox), 0);
    return ends;
}

static void ends_free(struct ends *ends)
{
    if (ends->one.ops)
        ends->one.ops->close(&ends->one);
    if (ends->other.ops)
        ends->other.ops->close(&ends->other);
    ferry_inbox_free(ends->inbox);
}

static int send_one(struct link *link, struct ferry_outgoing *outgoing)
{
    return link->ops->send(link, outgoing, 1);
}

static int receive(struct ends *ends, struct ferry_message *batch, size_t count)
{
    return ends->other.ops->receive(&ends->other, ends->inbox, batch, count);
}

static void descriptors_fill(int *descriptors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        descriptors[i] = 0;
}

/* --- streams ---------------------------------------------------------------------------------- */

START_TEST(stream_joins_outgoings_and_completes_empty_ones)
{
    struct ends ends = ends_new(FERRY_UNIX, 4096, 1);
    struct iovec parts[] = { { "ab", 2 }, { "", 0 }, { "cde", 3 } };
    struct iovec last = { "f", 1 };
    struct ferry_outgoing batch[] = { { .buffers = parts, .buffer_count = 3 },
        { .buffers = NULL, .buffer_count = 0 }, { .buffers = &last, .buffer_count = 1 } };
    struct ferry_message message;

    ck_assert_int_eq(ends.one.ops->send(&ends.one, batch, 3), 3);
    ck_assert(batch[0].complete && batch[1].complete && batch[2].complete);
    ck_assert_uint_eq(batch[0].sent_size, 5);
    ck_assert_int_eq(receive(&ends, &message, 1), 1);
    ck_assert_uint_eq(message.size, 6);
    ck_assert_mem_eq(message.data, "abcdef", 6);
    ck_assert_ptr_null(message.sender);
    ck_assert_int_eq(receive(&ends, &message, 1), -EAGAIN);
    ends_free(&ends);
}
END_TEST

START_TEST(stream_progress_survives_a_full_socket)
{
    enum { TOTAL = 3 << 20 };
    struct ends ends = ends_new(FERRY_UNIX, 10007, 1);
    unsigned char *sent = malloc(TOTAL), *got = malloc(TOTAL);
    struct iovec buffers[2] = { { sent, 1000001 }, { sent + 1000001, TOTAL - 1000001 } };
    struct ferry_outgoing outgoing = { .buffers = buffers, .buffer_count = 2 };
    size_t received = 0;
    bool waited = false;

    for (size_t i = 0; i < TOTAL; i++)
        sent[i] = (unsigned char)(i * 31 + i / 255);
    while (received < TOTAL) {
        struct ferry_message message;
        if (!outgoing.complete) {
            int r = send_one(&ends.one, &outgoing);
            ck_assert(r == 1 || r == -EAGAIN);
            waited |= r == -EAGAIN && outgoing.sent_size > 0;
        }
        int r = receive(&ends, &message, 1);
        ck_assert_int_eq(r, 1);
        memcpy(got + received, message.data, message.size);
        received += message.size;
    }
    ck_assert(waited);
    ck_assert(outgoing.complete);
    ck_assert_uint_eq(outgoing.sent_size, TOTAL);
    ck_assert_int_eq(memcmp(sent, got, TOTAL), 0);
    free(sent);
    free(got);
    ends_free(&ends);
}
END_TEST

START_TEST(stream_sends_more_buffers_than_one_call_takes)
{
    enum { COUNT = STREAM_BUFFERS_MAX * 2 + 5 };
    struct ends ends = ends_new(FERRY_UNIX, 65536, 1);
    struct iovec buffers[COUNT];
    char bytes[COUNT];
    struct ferry_outgoing outgoing = { .buffers = buffers, .buffer_count = COUNT };
    struct ferry_message message;
    size_t received = 0;

    for (size_t i = 0; i < COUNT; i++) {
        bytes[i] = (char)('a' + i % 26);
        buffers[i] = (struct iovec){ &bytes[i], 1 };
    }
    ck_assert_int_eq(send_one(&ends.one, &outgoing), 1);
    while (received < COUNT && receive(&ends, &message, 1) == 1) {
        ck_assert_mem_eq(message.data, bytes + received, message.size);
        received += message.size;
    }
    ck_assert_uint_eq(received, COUNT);
    ends_free(&ends);
}
END_TEST

START_TEST(stream_keeps_descriptors_with_their_bytes)
{
    struct ends ends = ends_new(FERRY_UNIX, 4096, 1);
    int zero[2] = { 0, 0 };
    struct iovec buffers[] = { { "plain", 5 }, { "two", 3 }, { "one", 3 } };
    struct ferry_outgoing batch[] = { { .buffers = &buffers[0], .buffer_count = 1 },
        { .buffers = &buffers[1], .buffer_count = 1, .descriptors = zero, .descriptor_count = 2 },
        { .buffers = &buffers[2], .buffer_count = 1, .descriptors = zero, .descriptor_count = 1 } };
    struct ferry_message message;
    size_t descriptors = 0, bytes = 0;
    unsigned before = descriptors_open();

    ck_assert_int_eq(ends.one.ops->send(&ends.one, batch, 3), 3);
    while (bytes < 11 && receive(&ends, &message, 1) == 1) {
        bytes += message.size;
        descriptors += message.descriptor_count;
        for (size_t i = 0; i < message.descriptor_count; i++)
            ck_assert_int_eq(fcntl(message.descriptors[i], F_GETFD), FD_CLOEXEC);
        /* Never late: with the first byte of "two" there are two, with that of "one" all three. */
        ck_assert_uint_ge(descriptors, bytes > 8 ? 3 : bytes > 5 ? 2 : 0);
        ferry_message_fini(&message);
    }
    ck_assert_uint_eq(bytes, 11);
    ck_assert_uint_eq(descriptors, 3);
    ck_assert_uint_eq(descriptors_open(), before);
    ends_free(&ends);
}
END_TEST

/* A partial send has passed all descriptors already: they must arrive once. */
START_TEST(stream_attaches_descriptors_once)
{
    enum { TOTAL = 1 << 20 };
    struct ends ends = ends_new(FERRY_UNIX, 8192, 1);
    char *bytes = calloc(1, TOTAL);
    int zero[3] = { 0, 0, 0 };
    struct iovec buffer = { bytes, TOTAL };
    struct ferry_outgoing outgoing = {
        .buffers = &buffer, .buffer_count = 1, .descriptors = zero, .descriptor_count = 3
    };
    size_t received = 0, descriptors = 0;
    unsigned calls = 0;

    while (received < TOTAL) {
        struct ferry_message message;
        if (!outgoing.complete) {
            (void)send_one(&ends.one, &outgoing);
            calls++;
        }
        ck_assert_int_eq(receive(&ends, &message, 1), 1);
        received += message.size;
        descriptors += message.descriptor_count;
        ferry_message_fini(&message);
    }
    ck_assert_uint_gt(calls, 1);
    ck_assert_uint_eq(descriptors, 3);
    free(bytes);
    ends_free(&ends);
}
END_TEST

START_TEST(stream_passes_253_descriptors_and_not_254)
{
    struct ends ends = ends_new(FERRY_UNIX, 4096, 1);
    int descriptors[FERRY_DESCRIPTORS_MAX + 1];
    struct iovec buffer = { "x", 1 };
    struct ferry_outgoing outgoing = { .buffers = &buffer,
        .buffer_count = 1,
        .descriptors = descriptors,
        .descriptor_count = FERRY_DESCRIPTORS_MAX + 1 };
    struct ferry_message message;
    unsigned before = descriptors_open();

    descriptors_fill(descriptors, FERRY_DESCRIPTORS_MAX + 1);
    ck_assert_int_eq(send_one(&ends.one, &outgoing), -EINVAL);
    ck_assert_uint_eq(outgoing.sent_size, 0);
    outgoing.descriptor_count = FERRY_DESCRIPTORS_MAX;
    ck_assert_int_eq(send_one(&ends.one, &outgoing), 1);
    ck_assert_int_eq(receive(&ends, &message, 1), 1);
    ck_assert_uint_eq(message.descriptor_count, FERRY_DESCRIPTORS_MAX);
    ferry_message_fini(&message);
    ck_assert_uint_eq(descriptors_open(), before);
    ends_free(&ends);
}
END_TEST

START_TEST(stream_refuses_descriptors_without_a_byte)
{
    struct ends ends = ends_new(FERRY_UNIX, 4096, 1);
    int zero = 0;
    struct ferry_outgoing outgoing = { .descriptors = &zero, .descriptor_count = 1 };

    ck_assert_int_eq(send_one(&ends.one, &outgoing), -EINVAL);
    /* Nor may they travel with what follows. */
    struct iovec buffer = { "next", 4 };
    struct ferry_outgoing batch[] = { outgoing, { .buffers = &buffer, .buffer_count = 1 } };
    ck_assert_int_eq(ends.one.ops->send(&ends.one, batch, 2), -EINVAL);
    ends_free(&ends);
}
END_TEST

START_TEST(stream_ends_by_halves)
{
    struct ends ends = ends_new(FERRY_UNIX, 4096, 1);
    struct ferry_message message;

    ck_assert_int_eq(link_send_text(&ends.one, "last"), 1);
    ck_assert_int_eq(ends.one.ops->shutdown(&ends.one), 0);
    ck_assert_int_eq(receive(&ends, &message, 1), 1);
    ck_assert_int_eq(receive(&ends, &message, 1), 0);
    ck_assert_int_eq(receive(&ends, &message, 1), 0);
    ck_assert_int_eq(link_send_text(&ends.other, "answer"), 1);
    ck_assert_receives(&ends.one, "answer");
    ck_assert_int_eq(link_send_text(&ends.one, "late"), -EPIPE);
    ends_free(&ends);
}
END_TEST

START_TEST(stream_with_cut_descriptors_leaks_none)
{
    struct ends ends = ends_new(FERRY_UNIX, 4096, 1);
    int zero[8] = { 0 };
    struct iovec buffer = { "x", 1 };
    struct ferry_outgoing outgoing = {
        .buffers = &buffer, .buffer_count = 1, .descriptors = zero, .descriptor_count = 8
    };
    struct ferry_message message;
    unsigned before = descriptors_open();
    struct rlimit old, tight;

    ck_assert_int_eq(send_one(&ends.one, &outgoing), 1);
    int next = dup(0);
    close(next);
    getrlimit(RLIMIT_NOFILE, &old);
    tight = (struct rlimit){ (rlim_t)next + 3, old.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
    int r = receive(&ends, &message, 1);
    setrlimit(RLIMIT_NOFILE, &old);
    ck_assert_int_eq(r, -EBADMSG);
    ck_assert_uint_eq(descriptors_open(), before);
    ends_free(&ends);
}
END_TEST

/* --- messages --------------------------------------------------------------------------------- */

static const enum ferry_scheme message_schemes[] = { FERRY_UNIX_DGRAM, FERRY_UNIX_SEQ };

START_TEST(messages_keep_boundaries_and_order)
{
    struct ends ends = ends_new(message_schemes[_i], 4096, 16);
    struct iovec buffers[100];
    struct ferry_outgoing batch[100] = { 0 };
    struct ferry_message messages[16];
    char texts[100][12];
    int got = 0, r;

    for (int i = 0; i < 100; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%d", i);
        buffers[i] = (struct iovec){ texts[i], strlen(texts[i]) };
        batch[i] = (struct ferry_outgoing){ .buffers = &buffers[i], .buffer_count = 1 };
    }
    for (int sent = 0; got < 100;) {
        if (sent < 100) {
            r = ends.one.ops->send(&ends.one, batch + sent, (size_t)(100 - sent));
            ck_assert(r > 0 || r == -EAGAIN);
            sent += r > 0 ? r : 0;
        }
        while ((r = receive(&ends, messages, 16)) > 0)
            for (int i = 0; i < r; i++, got++) {
                ck_assert_uint_eq(messages[i].size, strlen(texts[got]));
                ck_assert_mem_eq(messages[i].data, texts[got], messages[i].size);
                ck_assert_int_eq(
                    ferry_identity_known(messages[i].sender, FERRY_FACT_PID), FERRY_FORGEABLE);
                ck_assert_int_eq(ferry_identity_pid(messages[i].sender), getpid());
                ck_assert_uint_eq(ferry_identity_uid(messages[i].sender), getuid());
            }
        ck_assert_int_eq(r, -EAGAIN);
    }
    ends_free(&ends);
}
END_TEST

START_TEST(empty_message_is_not_an_end)
{
    struct ends ends = ends_new(message_schemes[_i], 4096, 4);
    struct ferry_outgoing batch[3] = { 0 };
    struct ferry_message messages[4];

    ck_assert_int_eq(ends.one.ops->send(&ends.one, batch, 3), 3);
    ck_assert_int_eq(receive(&ends, messages, 1), 1);
    ck_assert_uint_eq(messages[0].size, 0);
    ck_assert_int_eq(receive(&ends, messages, 4), 2);
    ck_assert_int_eq(receive(&ends, messages, 4), -EAGAIN);
    ends_free(&ends);
}
END_TEST

START_TEST(seqpacket_end_follows_the_last_message)
{
    struct ends ends = ends_new(FERRY_UNIX_SEQ, 4096, 8);
    struct ferry_outgoing empty = { 0 };
    struct ferry_message messages[8];

    ck_assert_int_eq(link_send_text(&ends.one, "last"), 1);
    ck_assert_int_eq(send_one(&ends.one, &empty), 1);
    ends.one.ops->close(&ends.one);
    ends.one.ops = NULL;
    ck_assert_int_eq(receive(&ends, messages, 8), 2);
    ck_assert_uint_eq(messages[0].size, 4);
    ck_assert_uint_eq(messages[1].size, 0);
    ck_assert_int_eq(receive(&ends, messages, 8), 0);
    ck_assert_int_eq(receive(&ends, messages, 1), 0);
    ends_free(&ends);
}
END_TEST

START_TEST(truncation_tells_the_true_size_and_loses_nothing_else)
{
    struct ends ends = ends_new(message_schemes[_i], 10, 8);
    struct ferry_message messages[8];

    ck_assert_int_eq(link_send_text(&ends.one, "first"), 1);
    ck_assert_int_eq(link_send_text(&ends.one, "longer than ten"), 1);
    ck_assert_int_eq(link_send_text(&ends.one, "third"), 1);
    ck_assert_int_eq(link_send_text(&ends.one, "also longer than ten"), 1);
    ck_assert_int_eq(receive(&ends, messages, 8), 2);
    ck_assert_mem_eq(messages[0].data, "first", 5);
    ck_assert_mem_eq(messages[1].data, "third", 5);
    ck_assert(ends.other.ops->pending(&ends.other));
    ck_assert_int_eq(receive(&ends, messages, 8), -EMSGSIZE);
    ck_assert_uint_eq(messages[0].size, 15);
    ck_assert_int_eq(receive(&ends, messages, 8), -EMSGSIZE);
    ck_assert_uint_eq(messages[0].size, 20);
    ck_assert(!ends.other.ops->pending(&ends.other));
    ck_assert_int_eq(receive(&ends, messages, 8), -EAGAIN);

    ck_assert_int_eq(link_send_text(&ends.one, "longer than ten"), 1);
    ck_assert_int_eq(receive(&ends, messages, 1), -EMSGSIZE);
    ck_assert_uint_eq(messages[0].size, 15);
    ends_free(&ends);
}
END_TEST

START_TEST(truncated_message_leaks_no_descriptor)
{
    struct ends ends = ends_new(message_schemes[_i], 4, 2);
    int zero[5] = { 0 };
    struct iovec buffer = { "too long", 8 };
    struct ferry_outgoing outgoing = {
        .buffers = &buffer, .buffer_count = 1, .descriptors = zero, .descriptor_count = 5
    };
    struct ferry_message message;
    unsigned before = descriptors_open();

    ck_assert_int_eq(send_one(&ends.one, &outgoing), 1);
    ck_assert_int_eq(receive(&ends, &message, 1), -EMSGSIZE);
    ck_assert_uint_eq(descriptors_open(), before);
    ends_free(&ends);
}
END_TEST

START_TEST(messages_carry_descriptors)
{
    struct ends ends = ends_new(message_schemes[_i], 4096, 4);
    int descriptors[FERRY_DESCRIPTORS_MAX + 1];
    struct iovec buffer = { "x", 1 };
    struct ferry_outgoing batch[3] = {
        { .descriptors = descriptors, .descriptor_count = FERRY_DESCRIPTORS_MAX },
        { .buffers = &buffer, .buffer_count = 1 },
        { .buffers = &buffer, .buffer_count = 1, .descriptors = descriptors, .descriptor_count = 2 }
    };
    struct ferry_outgoing many = { .descriptors = descriptors,
        .descriptor_count = FERRY_DESCRIPTORS_MAX + 1 };
    struct ferry_message messages[4];
    unsigned before = descriptors_open();

    descriptors_fill(descriptors, FERRY_DESCRIPTORS_MAX + 1);
    ck_assert_int_eq(send_one(&ends.one, &many), -EINVAL);
    ck_assert_int_eq(ends.one.ops->send(&ends.one, batch, 3), 3);
    ck_assert_int_eq(receive(&ends, messages, 4), 3);
    ck_assert_uint_eq(messages[0].descriptor_count, FERRY_DESCRIPTORS_MAX);
    ck_assert_uint_eq(messages[1].descriptor_count, 0);
    ck_assert_uint_eq(messages[2].descriptor_count, 2);
    for (int i = 0; i < 3; i++)
        ferry_message_fini(&messages[i]);
    ck_assert_uint_eq(descriptors_open(), before);
    ends_free(&ends);
}
END_TEST

START_TEST(message_larger_than_the_socket_is_refused)
{
    struct ends ends = ends_new(message_schemes[_i], 4096, 1);
    size_t size = 64 << 20;
    struct iovec buffer = { calloc(1, size), size };
    struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };

    ck_assert_int_eq(send_one(&ends.one, &outgoing), -EMSGSIZE);
    ck_assert(!outgoing.complete);
    free(buffer.iov_base);
    ends_free(&ends);
}
END_TEST

START_TEST(full_message_socket_waits)
{
    struct ends ends = ends_new(message_schemes[_i], 4096, 16);
    struct ferry_message messages[16];
    int sent = 0, got = 0, r;

    while ((r = link_send_text(&ends.one, "message")) == 1)
        sent++;
    ck_assert_int_eq(r, -EAGAIN);
    while ((r = receive(&ends, messages, 16)) > 0)
        got += r;
    ck_assert_int_gt(sent, 0);
    ck_assert_int_eq(got, sent);
    ends_free(&ends);
}
END_TEST

/* --- refusing descriptors --------------------------------------------------------------------- */

static struct link refusing_pair(int type, int *ret_raw)
{
    struct link link;
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    ck_assert_int_eq(socket_link(fds[0], false, true, &link), 0);
    *ret_raw = fds[1];
    return link;
}

static const int all_types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };

/* The kernel may refuse the whole message to its sender (SO_PASSRIGHTS), or we drop what came. */
START_TEST(refused_descriptors_never_arrive)
{
    int raw;
    struct link link = refusing_pair(all_types[_i], &raw);
    struct link sender;
    int zero[4] = { 0 };
    struct iovec buffer = { "byte", 4 };
    struct ferry_outgoing with = {
        .buffers = &buffer, .buffer_count = 1, .descriptors = zero, .descriptor_count = 4
    };
    unsigned before;

    ck_assert_int_eq(socket_link(raw, false, false, &sender), 0);
    ck_assert(!(link.capabilities & FERRY_HAS_DESCRIPTORS));
    before = descriptors_open();
    int r = send_one(&sender, &with);
    ck_assert(r == 1 || r == -EPERM);
    if (r == 1)
        ck_assert_receives(&link, "byte");
    ck_assert_int_eq(link_send_text(&sender, "plain"), 1);
    ck_assert_receives(&link, "plain");
    ck_assert_uint_eq(descriptors_open(), before);
    ck_assert_int_eq(send_one(&link, &with), -EOPNOTSUPP);
    link.ops->close(&link);
    sender.ops->close(&sender);
}
END_TEST

/* --- what a link says of itself --------------------------------------------------------------- */

START_TEST(capabilities_are_told)
{
    struct ends stream = ends_new(FERRY_UNIX, 64, 1), dgram = ends_new(FERRY_UNIX_DGRAM, 64, 1),
                seq = ends_new(FERRY_UNIX_SEQ, 64, 1);
    unsigned both = FERRY_CAN_SEND | FERRY_CAN_RECEIVE | FERRY_HAS_DESCRIPTORS | FERRY_HAS_IDENTITY;

    ck_assert_uint_eq(stream.one.capabilities, both | FERRY_HAS_HALF_CLOSE | FERRY_HAS_END);
    ck_assert_uint_eq(dgram.one.capabilities, both | FERRY_HAS_BOUNDARIES);
    ck_assert_uint_eq(
        seq.one.capabilities, both | FERRY_HAS_BOUNDARIES | FERRY_HAS_HALF_CLOSE | FERRY_HAS_END);
    ck_assert_uint_eq(stream.one.flags, LINK_SPLICE_TO | LINK_WHOLE);
    ck_assert_uint_eq(dgram.one.flags, 0);
    ends_free(&stream);
    ends_free(&dgram);
    ends_free(&seq);
}
END_TEST

START_TEST(identity_is_the_peers)
{
    struct ends ends = ends_new(FERRY_UNIX, 64, 1);
    struct ferry_identity identity = { 0 };
    int groups = getgroups(0, NULL);

    ends.one.ops->identity(&ends.one, FERRY_FACT_PID, &identity);
    ck_assert_int_eq(identity.known[FERRY_FACT_PID], FERRY_AT_CONNECT);
    ck_assert_int_eq(identity.known[FERRY_FACT_UID], FERRY_AT_CONNECT);
    ck_assert_int_eq(identity.known[FERRY_FACT_GID], FERRY_AT_CONNECT);
    ck_assert_int_eq(identity.pid, getpid());
    ck_assert_uint_eq(identity.uid, geteuid());
    ck_assert_uint_eq(identity.gid, getegid());
    ck_assert_int_eq(identity.known[FERRY_FACT_PIDFD], FERRY_UNKNOWN);
    ck_assert_int_eq(identity.known[FERRY_FACT_GROUPS], FERRY_UNKNOWN);
    ends.one.ops->identity(&ends.one, FERRY_FACT_GROUPS, &identity);
    ends.one.ops->identity(&ends.one, FERRY_FACT_PIDFD, &identity);
    ck_assert_int_eq(identity.known[FERRY_FACT_GROUPS], FERRY_AT_CONNECT);
    ck_assert_int_eq((int)identity.group_count, groups);
    if (identity.known[FERRY_FACT_PIDFD])
        ck_assert_int_eq(fcntl(identity.pidfd, F_GETFD), FD_CLOEXEC);
    identity_clear(&identity);
    ends_free(&ends);
}
END_TEST

START_TEST(addresses_as_text)
{
    char text[256];
    struct sockaddr_un path = { .sun_family = AF_UNIX, .sun_path = "/run/a\nb" };
    struct sockaddr_un abstract = { .sun_family = AF_UNIX, .sun_path = "\0name" };

    socket_address_text(&path, sizeof(path), SOCK_STREAM, text, sizeof(text));
    ck_assert_str_eq(text, "unix:/run/a\\x0ab");
    socket_address_text(&abstract, sizeof(sa_family_t) + 5, SOCK_DGRAM, text, sizeof(text));
    ck_assert_str_eq(text, "unix-dgram:@name");
    socket_address_text(&path, sizeof(sa_family_t), SOCK_SEQPACKET, text, sizeof(text));
    ck_assert_str_eq(text, "");
    memset(path.sun_path, 'p', sizeof(path.sun_path));
    socket_address_text(&path, sizeof(path), SOCK_SEQPACKET, text, sizeof(text));
    ck_assert_uint_eq(strlen(text), strlen("unix-seq:") + sizeof(path.sun_path));
}
END_TEST

/* --- accepting -------------------------------------------------------------------------------- */

START_TEST(accept_out_of_descriptors_says_so_and_recovers)
{
    struct listening listening = listen_at(address_of("unix:%s", scratch_path("emfile")));
    struct link client = dial_to(address_of("unix:%s", scratch_path("emfile"))), link;
    struct rlimit old, tight;

    int next = dup(0);
    close(next);
    getrlimit(RLIMIT_NOFILE, &old);
    tight = (struct rlimit){ (rlim_t)next, old.rlim_max };
    setrlimit(RLIMIT_NOFILE, &tight);
    int r = listening.ops->accept(&listening, &link);
    setrlimit(RLIMIT_NOFILE, &old);
    ck_assert_int_eq(r, -EMFILE);
    link = accept_one(&listening);
    ck_assert_int_eq(fcntl(link.receive_fd, F_GETFD), FD_CLOEXEC);
    ck_assert(fcntl(link.receive_fd, F_GETFL) & O_NONBLOCK);
    ck_assert_int_eq(listening.ops->accept(&listening, &client), -EAGAIN);
    link.ops->close(&link);
    client.ops->close(&client);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(accepted_seqpackets_know_their_senders)
{
    struct listening listening = listen_at(address_of("unix-seq:%s", scratch_path("seq")));
    struct link client = dial_to(address_of("unix-seq:%s", scratch_path("seq")));
    struct ferry_outgoing empty = { 0 };
    struct ferry_inbox *inbox;
    struct ferry_message message;

    ck_assert_int_eq(ferry_inbox_new(64, 1, &inbox), 0);
    /* Sent before it is accepted: still no end. */
    ck_assert_int_eq(send_one(&client, &empty), 1);
    struct link link = accept_one(&listening);
    ck_assert_int_eq(link.ops->receive(&link, inbox, &message, 1), 1);
    ck_assert_uint_eq(message.size, 0);
    ck_assert_int_eq(ferry_identity_pid(message.sender), getpid());
    ck_assert_int_eq(link_send_text(&link, "reply"), 1);
    ck_assert_receives(&client, "reply");
    client.ops->close(&client);
    ck_assert_int_eq(link.ops->receive(&link, inbox, &message, 1), 0);
    link.ops->close(&link);
    listening.ops->close(&listening);
    ferry_inbox_free(inbox);
}
END_TEST

START_TEST(links_leave_nothing_behind)
{
    unsigned before = descriptors_open();

    for (int i = 0; i < 50; i++) {
        struct listening listening = listen_at(address_of("unix:%s", scratch_path("cycle")));
        struct link client = dial_to(address_of("unix:%s", scratch_path("cycle")));
        struct link link = accept_one(&listening);
        client.ops->close(&client);
        link.ops->close(&link);
        listening.ops->close(&listening);
    }
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/socket");
    TCase *cases = tcase_create("socket");
    int schemes = COUNT_OF(message_schemes);

    tcase_set_timeout(cases, 30);
    tcase_add_test(cases, stream_joins_outgoings_and_completes_empty_ones);
    tcase_add_test(cases, stream_progress_survives_a_full_socket);
    tcase_add_test(cases, stream_sends_more_buffers_than_one_call_takes);
    tcase_add_test(cases, stream_keeps_descriptors_with_their_bytes);
    tcase_add_test(cases, stream_attaches_descriptors_once);
    tcase_add_test(cases, stream_passes_253_descriptors_and_not_254);
    tcase_add_test(cases, stream_refuses_descriptors_without_a_byte);
    tcase_add_test(cases, stream_ends_by_halves);
    tcase_add_test(cases, stream_with_cut_descriptors_leaks_none);
    tcase_add_loop_test(cases, messages_keep_boundaries_and_order, 0, schemes);
    tcase_add_loop_test(cases, empty_message_is_not_an_end, 0, schemes);
    tcase_add_test(cases, seqpacket_end_follows_the_last_message);
    tcase_add_loop_test(cases, truncation_tells_the_true_size_and_loses_nothing_else, 0, schemes);
    tcase_add_loop_test(cases, truncated_message_leaks_no_descriptor, 0, schemes);
    tcase_add_loop_test(cases, messages_carry_descriptors, 0, schemes);
    tcase_add_loop_test(cases, message_larger_than_the_socket_is_refused, 0, schemes);
    tcase_add_loop_test(cases, full_message_socket_waits, 0, schemes);
    tcase_add_loop_test(cases, refused_descriptors_never_arrive, 0, COUNT_OF(all_types));
    tcase_add_test(cases, capabilities_are_told);
    tcase_add_test(cases, identity_is_the_peers);
    tcase_add_test(cases, addresses_as_text);
    tcase_add_test(cases, accept_out_of_descriptors_says_so_and_recovers);
    tcase_add_test(cases, accepted_seqpackets_know_their_senders);
    tcase_add_test(cases, links_leave_nothing_behind);
    suite_add_tcase(suite, cases);
    return scratch_run(suite);
}
