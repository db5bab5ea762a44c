/* test_session.c - one datagram socket, many senders. */
#include "scratch.h"

#include "transport/limits.h"
#include "transport/session_table.h"

#include <stddef.h>

static int receive_now(struct link *link, struct ferry_inbox *inbox, struct ferry_message *message)
{
    return link->ops->receive(link, inbox, message, 1);
}

static void raw_send(int fd, const char *path, const void *data, size_t size)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    ck_assert_int_eq(
        sendto(fd, data, size, 0, (struct sockaddr *)&address, sizeof(address)), (ssize_t)size);
}

static struct listening listen_dgram(const char *name)
{
    return listen_at(address_of("unix-dgram:%s", scratch_path(name)));
}

static struct link dial_dgram(const char *name)
{
    return dial_to(address_of("unix-dgram:%s", scratch_path(name)));
}

START_TEST(autobound_client_is_answered)
{
    struct listening listening = listen_dgram("autobound");
    struct link client = dial_dgram("autobound"), other;
    struct ferry_identity identity = { 0 };
    char text[64];

    ck_assert_int_eq(link_send_text(&client, "question"), 1);
    struct link session = accept_one(&listening);
    ck_assert(session.flags & LINK_SESSION);
    ck_assert_uint_eq(session.capabilities, listening.capabilities);
    ck_assert(session.ops->pending(&session));
    ck_assert_receives(&session, "question");
    ck_assert(!session.ops->pending(&session));
    ck_assert_int_eq(link_send_text(&session, "answer"), 1);
    ck_assert_receives(&client, "answer");
    session.ops->peer(&session, text, sizeof(text));
    ck_assert_int_eq(strncmp(text, "unix-dgram:@", 12), 0);
    session.ops->identity(&session, FERRY_FACT_PID, &identity);
    session.ops->identity(&session, FERRY_FACT_GROUPS, &identity);
    ck_assert_int_eq(identity.known[FERRY_FACT_PID], FERRY_FORGEABLE);
    ck_assert_int_eq(identity.pid, getpid());
    ck_assert_uint_eq(identity.uid, getuid());
    ck_assert_int_eq(identity.known[FERRY_FACT_GROUPS], FERRY_UNKNOWN);
    /* The same sender, the same session. */
    ck_assert_int_eq(link_send_text(&client, "again"), 1);
    ck_assert_int_eq(listening.ops->accept(&listening, &other), -EAGAIN);
    ck_assert_receives(&session, "again");
    /* Ended by us, it begins anew. */
    session.ops->close(&session);
    ck_assert_int_eq(link_send_text(&client, "anew"), 1);
    session = accept_one(&listening);
    ck_assert_receives(&session, "anew");
    session.ops->close(&session);
    client.ops->close(&client);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(named_client_is_answered_and_its_end_seen)
{
    char name[128];
    struct listening listening = listen_dgram("named");
    struct link client;

    snprintf(name, sizeof(name), "%s", scratch_path("named-client"));
    client = dial_to(address_of("unix-dgram:%s,bind=%s", scratch_path("named"), name));
    ck_assert_int_eq(link_send_text(&client, "question"), 1);
    struct link session = accept_one(&listening);
    ck_assert_receives(&session, "question");
    ck_assert_int_eq(link_send_text(&session, "answer"), 1);
    ck_assert_receives(&client, "answer");
    client.ops->close(&client);
    ck_assert_int_eq(access(name, F_OK), -1);
    ck_assert_int_eq(link_send_text(&session, "too late"), -EPIPE);
    session.ops->close(&session);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(sender_without_address_cannot_be_answered)
{
    struct listening listening = listen_dgram("anonymous");
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ferry_identity identity = { 0 };
    char text[16];

    raw_send(fd, scratch_path("anonymous"), "hello", 5);
    struct link session = accept_one(&listening);
    ck_assert(!(session.capabilities & FERRY_CAN_SEND));
    ck_assert_int_eq(session.send_fd, -1);
    ck_assert_receives(&session, "hello");
    ck_assert_int_eq(link_send_text(&session, "answer"), -EOPNOTSUPP);
    session.ops->peer(&session, text, sizeof(text));
    ck_assert_str_eq(text, "");
    session.ops->identity(&session, FERRY_FACT_PID, &identity);
    ck_assert_int_eq(identity.pid, getpid());
    close(fd);
    session.ops->close(&session);
    listening.ops->close(&listening);
}
END_TEST

/* Who takes over an address does not take over the session. */
START_TEST(identity_is_not_inherited)
{
    struct listening listening = listen_dgram("inherited");
    struct link client = dial_dgram("inherited");

    ck_assert_int_eq(link_send_text(&client, "mine"), 1);
    struct link mine = accept_one(&listening);
    pid_t pid = fork();
    if (pid == 0)
        _exit(link_send_text(&client, "the child's") == 1 ? 0 : 1);
    ck_assert_int_eq(child_status(pid), 0);
    struct link theirs = accept_one(&listening);
    ck_assert_receives(&mine, "mine");
    ck_assert_receives(&theirs, "the child's");
    struct ferry_identity identity = { 0 };
    theirs.ops->identity(&theirs, FERRY_FACT_PID, &identity);
    ck_assert_int_eq(identity.pid, pid);
    mine.ops->identity(&mine, FERRY_FACT_PID, &identity);
    ck_assert_int_eq(identity.pid, getpid());
    mine.ops->close(&mine);
    theirs.ops->close(&theirs);
    client.ops->close(&client);
    listening.ops->close(&listening);
}
END_TEST

/* Accepts until there is nothing more to read. */
static void accept_ready(struct listening *listening, struct link *links, int *count)
{
    struct pollfd polled = { .fd = listening->fd, .events = POLLIN };

    while (poll(&polled, 1, 0) == 1)
        if (listening->ops->accept(listening, &links[*count]) == 0)
            ++*count;
}

/* A hundred senders, interleaved: everyone's messages arrive at his session, in order. */
START_TEST(a_hundred_sessions_are_dealt_to)
{
    enum { SENDERS = 100, ROUNDS = 5 };
    static const char *const schemes[] = { "unix-dgram", "udp" };
    static struct link clients[SENDERS], sessions[SENDERS];
    struct listening listening =

        _i ? listen_at(address_of("udp:0")) : listen_dgram("hundred");
    char place[128], text[32];
    unsigned before = descriptors_open();
    int accepted = 0;

    if (_i)
        snprintf(place, sizeof(place), "%u", listening.bound->port);
    else
        snprintf(place, sizeof(place), "%s", scratch_path("hundred"));
    for (int i = 0; i < SENDERS; i++)
        clients[i] = dial_to(address_of("%s:%s", schemes[_i], place));
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < SENDERS; i++) {
            snprintf(text, sizeof(text), "%d.%d", i, round);
            while (link_send_text(&clients[i], text) != 1)
                accept_ready(&listening, sessions, &accepted);
        }
        accept_ready(&listening, sessions, &accepted);
    }
    ck_assert_int_eq(accepted, SENDERS);
    for (int i = 0; i < SENDERS; i++) {
        int sender, round;
        for (int expected = 0; expected < ROUNDS; expected++) {
            ck_assert_int_gt(link_receive_text(&sessions[i], text, sizeof(text)), 0);
            ck_assert_int_eq(sscanf(text, "%d.%d", &sender, &round), 2);
            ck_assert_int_eq(round, expected);
        }
        snprintf(text, sizeof(text), "to %d", sender);
        ck_assert_int_eq(link_send_text(&sessions[i], text), 1);
        ck_assert_receives(&clients[sender], text);
    }
    ck_assert_uint_eq(listening_dropped(&listening), 0);
    for (int i = 0; i < SENDERS; i++) {
        clients[i].ops->close(&clients[i]);
        sessions[i].ops->close(&sessions[i]);
    }
    ck_assert_uint_eq(descriptors_open(), before);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(batches_and_boundaries)
{
    struct listening listening = listen_dgram("batches");
    struct link client = dial_dgram("batches");
    struct ferry_inbox *inbox;
    struct ferry_message messages[8];

    ck_assert_int_eq(ferry_inbox_new(8, 8, &inbox), 0);
    ck_assert_int_eq(link_send_text(&client, "one"), 1);
    ck_assert_int_eq(link_send_text(&client, ""), 1);
    ck_assert_int_eq(link_send_text(&client, "much too long"), 1);
    ck_assert_int_eq(link_send_text(&client, "four"), 1);
    struct link session = accept_one(&listening);
    ck_assert_int_eq(session.ops->receive(&session, inbox, messages, 8), 2);
    ck_assert_mem_eq(messages[0].data, "one", 3);
    ck_assert_uint_eq(messages[1].size, 0);
    ck_assert_int_eq(ferry_identity_pid(messages[1].sender), getpid());
    ck_assert_int_eq(session.ops->receive(&session, inbox, messages, 8), -EMSGSIZE);
    ck_assert_uint_eq(messages[0].size, 13);
    ck_assert_int_eq(session.ops->receive(&session, inbox, messages, 8), 1);
    ck_assert_mem_eq(messages[0].data, "four", 4);
    ck_assert_int_eq(session.ops->receive(&session, inbox, messages, 8), -EAGAIN);
    session.ops->close(&session);
    client.ops->close(&client);
    listening.ops->close(&listening);
    ferry_inbox_free(inbox);
}
END_TEST

START_TEST(descriptors_are_carried_and_never_leak)
{
    struct listening listening = listen_dgram("descriptors");
    struct link client = dial_dgram("descriptors");
    int zero[3] = { 0, 0, 0 };
    struct iovec buffer = { "x", 1 };
    struct ferry_outgoing outgoing = {
        .buffers = &buffer, .buffer_count = 1, .descriptors = zero, .descriptor_count = 3
    };
    struct ferry_outgoing again = outgoing;
    struct ferry_inbox *inbox;
    struct ferry_message message;
    unsigned before = descriptors_open();

    ck_assert_int_eq(ferry_inbox_new(64, 1, &inbox), 0);
    ck_assert_int_eq(client.ops->send(&client, &outgoing, 1), 1);
    ck_assert_int_eq(client.ops->send(&client, &again, 1), 1);
    struct link session = accept_one(&listening);
    ck_assert_uint_eq(descriptors_open(), before + 6);
    ck_assert_int_eq(receive_now(&session, inbox, &message), 1);
    ck_assert_uint_eq(message.descriptor_count, 3);
    int kept = ferry_message_take(&message, 1);
    ck_assert_int_eq(fcntl(kept, F_GETFD), FD_CLOEXEC);
    ferry_message_fini(&message);
    ck_assert_uint_eq(descriptors_open(), before + 4);
    close(kept);
    /* What nobody received goes with its session. */
    session.ops->close(&session);
    ck_assert_uint_eq(descriptors_open(), before);
    client.ops->close(&client);
    listening.ops->close(&listening);
    ferry_inbox_free(inbox);
}
END_TEST

/* A session from which nothing is taken makes its sender wait; afterwards everything is there. */
START_TEST(full_session_loses_nothing)
{
    struct listening listening = listen_dgram("full");
    struct link client = dial_dgram("full"), session = { 0 }, other;
    char text[32];
    int sent = 0, got = 0;

    for (bool waits = false; !waits;) {
        snprintf(text, sizeof(text), "%d", sent);
        if (link_send_text(&client, text) == 1) {
            sent++;
            continue;
        }
        int before = sent;
        for (int i = 0; i < 1000; i++)
            if (listening.ops->accept(&listening, &other) == 0)
                session = other;
        waits = link_send_text(&client, text) != 1;
        if (!waits)
            sent = before + 1;
    }
    ck_assert_int_ge(sent, SESSION_QUEUE_COUNT_MAX);
    ck_assert_int_lt(sent, 4 * SESSION_QUEUE_COUNT_MAX);
    /* The descriptor is quiet meanwhile: a loop would not spin. */
    struct pollfd polled = { .fd = listening.fd, .events = POLLIN };
    ck_assert_int_eq(poll(&polled, 1, 0), 0);
    for (; got < sent; got++) {
        ck_assert_int_gt(link_receive_text(&session, text, sizeof(text)), 0);
        ck_assert_int_eq(atoi(text), got);
    }
    ck_assert_uint_eq(listening_dropped(&listening), 0);
    ck_assert_int_eq(link_send_text(&client, "after"), 1);
    ck_assert_receives(&session, "after");
    session.ops->close(&session);
    client.ops->close(&client);
    listening.ops->close(&listening);
}
END_TEST

static void fill_until_quiet(struct listening *listening, struct link *client, struct link *session)
{
    struct link other;
    bool have = false;
    int idle = 0;

    while (idle < 3) {
        if (link_send_text(client, "message") == 1)
            idle = 0;
        else
            idle++;
        if (listening->ops->accept(listening, &other) == 0) {
            ck_assert(!have);
            *session = other;
            have = true;
        }
    }
    ck_assert(have);
}

static unsigned changes;
static void count_change(void *data)
{
    (void)data;
    changes++;
}

/* What is left on the only timer of this process, as /proc shows it; "" without one. */
static void timer_left(char *text, size_t size)
{
    char path[64], line[128];

    *text = '\0';
    for (int fd = 0; fd < 64; fd++) {
        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        AUTO_FILE FILE *file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file))
            if (strncmp(line, "it_value: ", 10) == 0)
                snprintf(text, size, "%.*s", (int)strcspn(line + 10, "\n"), line + 10);
    }
}

/* Ended, it would be two sessions of one sender, and the order of his messages lost. */
START_TEST(the_only_session_is_never_ended_for_being_full)
{
    struct listening listening = listen_dgram("only");
    struct link client = dial_dgram("only"), other = dial_dgram("only"), session, second;
    char left[64];

    fill_until_quiet(&listening, &client, &session);
    timer_left(left, sizeof(left));
    ck_assert_str_eq(left, "(0, 0)");
    session.ops->close(&session);
    ck_assert_int_eq(link_send_text(&other, "other"), -EAGAIN);
    second = accept_one(&listening);
    second.ops->close(&second);
    client.ops->close(&client);
    other.ops->close(&other);
    listening.ops->close(&listening);
}
END_TEST

/* A full session that takes in nothing more keeps nobody waiting. */
START_TEST(a_full_session_that_stops_receiving_lets_the_others_go_on)
{
    struct listening listening = listen_dgram("stops");
    struct link client = dial_dgram("stops"), session, fresh;
    struct pollfd polled = { .fd = listening.fd, .events = POLLIN };

    fill_until_quiet(&listening, &client, &session);
    ck_assert_int_eq(poll(&polled, 1, 0), 0);
    session.ops->stop_receiving(&session);
    ck_assert_int_eq(poll(&polled, 1, 0), 1);
    fresh = accept_one(&listening);
    ck_assert_receives(&session, "message");
    session.ops->close(&session);
    fresh.ops->close(&fresh);
    client.ops->close(&client);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(stuck_session_ends_and_the_rest_goes_on)
{
    struct listening listening = listen_dgram("stuck");
    struct link client = dial_dgram("stuck"), session, fresh;
    struct link other = dial_dgram("stuck"), waiting;
    struct ferry_inbox *inbox;
    struct ferry_message message;
    char left[64];
    int r, got = 0;

    ck_assert_int_eq(ferry_inbox_new(64, 1, &inbox), 0);
    ck_assert_int_eq(link_send_text(&other, "other"), 1);
    waiting = accept_one(&listening);
    fill_until_quiet(&listening, &client, &session);
    session.on_change = count_change;
    ck_assert(session.ops->pending(&session));
    timer_left(left, sizeof(left));
    ck_assert_str_ne(left, "(0, 0)");
    /* The timer speaks, the session ends, and the sender's next message opens another. */
    struct pollfd polled = { .fd = listening.fd, .events = POLLIN };
    ck_assert_int_eq(poll(&polled, 1, 2 * SESSION_STALL_MS), 1);
    fresh = accept_one(&listening);
    ck_assert_uint_eq(changes, 1);
    ck_assert_receives(&fresh, "message");
    while ((r = receive_now(&session, inbox, &message)) == 1)
        got++;
    ck_assert_int_ge(got, SESSION_QUEUE_COUNT_MAX);
    ck_assert_int_eq(r, -ENOBUFS);
    ck_assert(!session.ops->pending(&session));
    session.ops->close(&session);
    ck_assert_receives(&waiting, "other");
    waiting.ops->close(&waiting);
    other.ops->close(&other);
    fresh.ops->close(&fresh);
    client.ops->close(&client);
    listening.ops->close(&listening);
    ferry_inbox_free(inbox);
}
END_TEST

START_TEST(closing_a_full_session_lets_the_others_go_on)
{
    struct listening listening = listen_dgram("let-go");
    struct link client = dial_dgram("let-go"), other = dial_dgram("let-go"), session;

    fill_until_quiet(&listening, &client, &session);
    session.ops->close(&session);
    struct pollfd polled = { .fd = listening.fd, .events = POLLIN };
    ck_assert_int_eq(poll(&polled, 1, 0), 1);
    struct link fresh = accept_one(&listening);
    while (link_send_text(&other, "other") != 1) {
        struct ferry_inbox *inbox;
        struct ferry_message message;
        ck_assert_int_eq(ferry_inbox_new(64, 1, &inbox), 0);
        ck_assert_int_eq(receive_now(&fresh, inbox, &message), 1);
        ferry_inbox_free(inbox);
    }
    fresh.ops->close(&fresh);
    client.ops->close(&client);
    other.ops->close(&other);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(full_udp_session_drops_and_counts)
{
    enum { SENT = SESSION_QUEUE_COUNT_MAX + 50 };
    struct listening listening = listen_at(address_of("udp:0"));
    struct link client = dial_to(address_of("udp:%u", listening.bound->port)), session, other;
    char text[16];

    ck_assert_int_eq(link_send_text(&client, "0"), 1);
    session = accept_one(&listening);
    for (int i = 1; i < SENT; i++) {
        snprintf(text, sizeof(text), "%d", i);
        ck_assert_int_eq(link_send_text(&client, text), 1);
        ck_assert_int_eq(listening.ops->accept(&listening, &other), -EAGAIN);
    }
    ck_assert_uint_eq(listening_dropped(&listening), SENT - SESSION_QUEUE_COUNT_MAX);
    for (int i = 0; i < (int)SESSION_QUEUE_COUNT_MAX; i++) {
        ck_assert_int_gt(link_receive_text(&session, text, sizeof(text)), 0);
        ck_assert_int_eq(atoi(text), i);
    }
    session.ops->close(&session);
    client.ops->close(&client);
    listening.ops->close(&listening);
}
END_TEST

START_TEST(change_is_told_when_something_comes)
{
    struct listening listening = listen_dgram("change");
    struct link one = dial_dgram("change"), two = dial_dgram("change"), first, second, none;

    ck_assert_int_eq(link_send_text(&one, "1"), 1);
    first = accept_one(&listening);
    ck_assert_int_eq(link_send_text(&two, "2"), 1);
    second = accept_one(&listening);
    ck_assert_receives(&first, "1");
    ck_assert_receives(&second, "2");
    first.on_change = count_change;
    ck_assert(!first.ops->pending(&first));
    ck_assert_int_eq(link_send_text(&one, "3"), 1);
    ck_assert_int_eq(link_send_text(&one, "4"), 1);
    ck_assert_int_eq(listening.ops->accept(&listening, &none), -EAGAIN);
    ck_assert_uint_eq(changes, 1);
    ck_assert(first.ops->pending(&first));
    ck_assert(!second.ops->pending(&second));
    first.ops->close(&first);
    second.ops->close(&second);
    one.ops->close(&one);
    two.ops->close(&two);
    listening.ops->close(&listening);
}
END_TEST

/* A session that reads the socket finds a new sender there: the listening must wake for it. */
START_TEST(arrival_found_by_a_session_wakes_the_listening)
{
    struct listening listening = listen_dgram("wakes");
    struct link one = dial_dgram("wakes"), two = dial_dgram("wakes");
    struct ferry_inbox *inbox;
    struct ferry_message message;
    struct pollfd polled = { .fd = listening.fd, .events = POLLIN };

    ck_assert_int_eq(ferry_inbox_new(64, 1, &inbox), 0);
    ck_assert_int_eq(link_send_text(&one, "1"), 1);
    struct link first = accept_one(&listening);
    ck_assert_receives(&first, "1");
    ck_assert_int_eq(poll(&polled, 1, 0), 0);
    ck_assert_int_eq(link_send_text(&two, "2"), 1);
    ck_assert_int_eq(receive_now(&first, inbox, &message), -EAGAIN);
    ck_assert_int_eq(poll(&polled, 1, 0), 1);
    struct link second = accept_one(&listening);
    ck_assert_receives(&second, "2");
    ck_assert_int_eq(poll(&polled, 1, 0), 0);
    first.ops->close(&first);
    second.ops->close(&second);
    one.ops->close(&one);
    two.ops->close(&two);
    listening.ops->close(&listening);
    ferry_inbox_free(inbox);
}
END_TEST

START_TEST(sessions_outlive_their_listening)
{
    unsigned before = descriptors_open();
    struct listening listening = listen_dgram("outlive");
    struct link client = dial_dgram("outlive"), late = dial_dgram("outlive"), session;
    char text[32];

    ck_assert_int_eq(link_send_text(&client, "queued"), 1);
    session = accept_one(&listening);
    session.on_change = count_change;
    ck_assert(session.ops->pending(&session));
    ck_assert_int_eq(link_send_text(&late, "never accepted"), 1);
    listening.ops->close(&listening);
    ck_assert_uint_eq(changes, 1);
    ck_assert_int_eq(access(scratch_path("outlive"), F_OK), -1);
    /* The socket itself is closed, and its place free. */
    ck_assert_int_ne(link_send_text(&client, "to nobody"), 1);
    struct listening next = listen_dgram("outlive");
    ck_assert_int_eq(link_receive_text(&session, text, sizeof(text)), 6);
    ck_assert_int_eq(link_receive_text(&session, text, sizeof(text)), 0);
    ck_assert_int_eq(link_send_text(&session, "answer"), -EPIPE);
    session.ops->close(&session);
    next.ops->close(&next);
    client.ops->close(&client);
    late.ops->close(&late);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(udp_port_is_free_once_the_listening_is_closed)
{
    struct listening listening = listen_at(address_of("udp:0"));
    unsigned port = listening.bound->port;
    struct link client = dial_to(address_of("udp:%u", port));

    ck_assert_int_eq(link_send_text(&client, "x"), 1);
    struct link session = accept_one(&listening);
    listening.ops->close(&listening);
    listening = listen_at(address_of("udp:%u", port));
    listening.ops->close(&listening);
    session.ops->close(&session);
    client.ops->close(&client);
}
END_TEST

START_TEST(refused_descriptors_do_not_arrive)
{
    struct ferry_listen_options options = { .struct_size = sizeof(options),
        .refuse_descriptors = true };
    struct ferry_address *address = address_of("unix-dgram:%s", scratch_path("refuse"));
    struct listening listening;
    int zero[2] = { 0, 0 };
    struct iovec buffer = { "with", 4 };
    struct ferry_outgoing outgoing = {
        .buffers = &buffer, .buffer_count = 1, .descriptors = zero, .descriptor_count = 2
    };

    ck_assert_int_eq(transport_listen(address, &options, &listening, NULL), 0);
    struct link client = dial_to(address);
    unsigned before = descriptors_open();
    int r = client.ops->send(&client, &outgoing, 1);
    ck_assert(r == 1 || r == -EPERM);
    ck_assert_int_eq(link_send_text(&client, "without"), 1);
    struct link session = accept_one(&listening);
    ck_assert(!(session.capabilities & FERRY_HAS_DESCRIPTORS));
    if (r == 1)
        ck_assert_receives(&session, "with");
    ck_assert_receives(&session, "without");
    ck_assert_uint_eq(descriptors_open(), before);
    session.ops->close(&session);
    client.ops->close(&client);
    listening.ops->close(&listening);
}
END_TEST

/* --- the table -------------------------------------------------------------------------------- */

START_TEST(table_finds_what_it_has)
{
    enum { COUNT = 1000 };
    static struct session_entry entries[COUNT];
    static int names[COUNT];
    struct session_table table;

    ck_assert_int_eq(session_table_init(&table), 0);
    for (int i = 0; i < COUNT; i++) {
        names[i] = i / 2;
        entries[i].key = (struct session_key){ .name = &names[i],
            .name_size = sizeof(int),
            .has_credentials = true,
            .credentials = { .pid = 100 + i % 2, .uid = 7, .gid = 7 } };
        ck_assert_ptr_null(session_table_find(&table, &entries[i].key));
        session_table_add(&table, &entries[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        ck_assert_ptr_eq(session_table_find(&table, &entries[i].key), &entries[i]);
        if (i % 3 == 0) {
            session_table_remove(&table, &entries[i]);
            session_table_remove(&table, &entries[i]);
            ck_assert_ptr_null(session_table_find(&table, &entries[i].key));
        }
    }
    ck_assert_uint_eq(table.count, COUNT - (COUNT + 2) / 3);
    session_table_fini(&table);
}
END_TEST

START_TEST(accounts_hold_each_uid_to_its_limit)
{
    struct session_accounts accounts = { 0 };

    for (uid_t uid = 1; uid <= 3; uid++) {
        for (int i = 0; i < 5; i++)
            ck_assert_int_eq(session_accounts_charge(&accounts, uid, 5), 0);
        ck_assert_int_eq(session_accounts_charge(&accounts, uid, 5), -EDQUOT);
    }
    session_accounts_release(&accounts, 2);
    ck_assert_int_eq(session_accounts_charge(&accounts, 1, 5), -EDQUOT);
    ck_assert_int_eq(session_accounts_charge(&accounts, 2, 5), 0);
    for (int i = 0; i < 5; i++)
        session_accounts_release(&accounts, 1);
    ck_assert_uint_eq(accounts.count, 2);
    session_accounts_fini(&accounts);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/session");
    TCase *cases = tcase_create("session");

    tcase_set_timeout(cases, 30);
    tcase_add_test(cases, autobound_client_is_answered);
    tcase_add_test(cases, named_client_is_answered_and_its_end_seen);
    tcase_add_test(cases, sender_without_address_cannot_be_answered);
    tcase_add_test(cases, identity_is_not_inherited);
    tcase_add_loop_test(cases, a_hundred_sessions_are_dealt_to, 0, 2);
    tcase_add_test(cases, batches_and_boundaries);
    tcase_add_test(cases, descriptors_are_carried_and_never_leak);
    tcase_add_test(cases, full_session_loses_nothing);
    tcase_add_test(cases, the_only_session_is_never_ended_for_being_full);
    tcase_add_test(cases, a_full_session_that_stops_receiving_lets_the_others_go_on);
    tcase_add_test(cases, stuck_session_ends_and_the_rest_goes_on);
    tcase_add_test(cases, closing_a_full_session_lets_the_others_go_on);
    tcase_add_test(cases, full_udp_session_drops_and_counts);
    tcase_add_test(cases, change_is_told_when_something_comes);
    tcase_add_test(cases, arrival_found_by_a_session_wakes_the_listening);
    tcase_add_test(cases, sessions_outlive_their_listening);
    tcase_add_test(cases, udp_port_is_free_once_the_listening_is_closed);
    tcase_add_test(cases, refused_descriptors_do_not_arrive);
    tcase_add_test(cases, table_finds_what_it_has);
    tcase_add_test(cases, accounts_hold_each_uid_to_its_limit);
    suite_add_tcase(suite, cases);
    return scratch_run(suite);
}
