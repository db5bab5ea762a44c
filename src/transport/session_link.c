/* session_link.c - a datagram session as a link: what its taker can do with it. */
#include "base/clock.h"
#include "transport/session.h"
#include "transport/socket.h"

#include <errno.h>

static struct session *session_of(const struct link *link)
{
    struct session *session = link->state;
    session->link = (struct link *)(uintptr_t)link;
    return session;
}

/* What the kernel said of the sender with every message of this session. */
static struct control_facts session_facts(const struct session *session)
{
    return (struct control_facts){ .has_credentials = session->entry.key.has_credentials,
        .credentials = session->entry.key.credentials,
        .pidfd = -1 };
}

/* Its sender took an answer, or did not. */
static void session_heard(struct session *session, bool took)
{
    bool deaf = session->deaf_since_ns != CLOCK_NEVER;

    if (took != deaf)
        return;
    session->deaf_since_ns = took ? CLOCK_NEVER : clock_now_ns();
    if (!list_empty(&session->full))
        sessions_set_timer(session->shared);
}

static int session_send(struct link *link, struct ferry_outgoing *batch, size_t count)
{
    struct session *session = session_of(link);
    const struct session_key *key = &session->entry.key;

    if (session->shared->closed || session->end_code == -ENOBUFS)
        return -EPIPE;
    if (key->name_size == 0)
        return -EOPNOTSUPP;
    int r = socket_send_messages(link, key->name, key->name_size, batch, count);
    session_heard(session, r != -EAGAIN);
    switch (r) {
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -ENOENT:
        return -EPIPE; /* the sender has gone, and its socket or path with it */
    default:
        return r;
    }
}

/* Empties the queue into the inbox, up to a letter that is lost: that is reported alone. */
static int session_take(
    struct session *session, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    const struct control_facts facts = session_facts(session);
    size_t taken = 0;
    int code = 0;

    if (count > inbox->count)
        count = inbox->count;
    while (taken < count && code == 0 && session->letters.count > 0) {
        if (taken > 0 && letters_first_is_lost(&session->letters, inbox->size))
            break;
        code = letters_take(&session->letters, &inbox->slots[taken], &batch[taken]);
        struct control_facts told = facts;
        session_sender_tell(&session->sender, &inbox->slots[taken], &told);
        batch[taken].sender = socket_sender(&told, &inbox->slots[taken]);
        taken++;
    }
    if (taken > 0)
        session_took(session);
    return code < 0 ? code : (int)taken;
}

static int session_receive(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    struct session *session = session_of(link);
    int pumped = -EAGAIN;

    if (session->letters.count == 0 && session->state == SESSION_OPEN)
        pumped = sessions_pump(session->shared);
    if (session->letters.count > 0)
        return session_take(session, inbox, batch, count);
    if (session->state == SESSION_OPEN)
        return pumped < 0 ? pumped : -EAGAIN;
    session_set_state(session, SESSION_END_REPORTED);
    return session->end_code;
}

static bool session_pending(const struct link *link)
{
    struct session *session = session_of(link);
    return session->letters.count > 0 || session->state == SESSION_ENDED;
}

static void session_close(struct link *link)
{
    session_free(session_of(link));
    link->state = NULL;
    link->receive_fd = link->send_fd = -1;
}

static void session_peer(const struct link *link, char *text, size_t size)
{
    const struct session_key *key = &session_of(link)->entry.key;
    socket_address_text(key->name, key->name_size, SOCK_DGRAM, text, size);
}

/* A message carries no groups. */
static void session_identity(
    struct link *link, enum ferry_fact fact, struct ferry_identity *identity)
{
    const struct session *session = session_of(link);
    const struct control_facts facts = session_facts(session);

    if (fact == FERRY_FACT_PID)
        socket_identity_from_message(&facts, identity);
    else if (fact == FERRY_FACT_HOST)
        identity_set_host(
            identity, session->entry.key.name, session->entry.key.name_size, FERRY_FORGEABLE);
    else
        session_sender_gather(&session->sender, fact, identity);
}

static bool session_stop_receiving(struct link *link)
{
    struct session *session = session_of(link);

    session_end(session, 0);
    sessions_set_backpressure(session->shared);
    return true;
}

static const struct link_ops session_ops = { .stop_receiving = session_stop_receiving,
    .send = session_send,
    .receive = session_receive,
    .close = session_close,
    .pending = session_pending,
    .peer = session_peer,
    .identity = session_identity };

struct link session_link(struct session *session)
{
    struct sessions *shared = session->shared;
    struct link link = { .ops = &session_ops,
        .receive_fd = shared->socket,
        .send_fd = shared->socket,
        .capabilities = shared->capabilities,
        .flags = LINK_SESSION,
        .remaining = -1,
        .segment_max = shared->segment_max,
        .state = session };

    if (session->entry.key.name_size == 0) {
        link.capabilities &= ~(unsigned)FERRY_CAN_SEND;
        link.send_fd = -1;
    }
    return link;
}
