/* session.c - one bound datagram socket, many senders: each sender is a link of its own.
 *
 * The listening reads the socket in batches and deals the messages to the senders' queues; a
 * sender that has none yet gets a session, which waits to be accepted. A session owns its queue.
 * Listening and sessions share `struct sessions`, counted by references, so they may close in any
 * order; all belong to one thread.
 *
 * At the bound of a queue:
 *   unix  the socket is no longer read, so that senders wait in the kernel and nothing is lost. One
 *         session from which nothing is taken must not stop others for ever: after SESSION_STALL_MS
 *         it is ended, its taker gets what is queued and then -ENOBUFS. The only session is never
 *         ended so: its sender would go on in another one, and overtake himself. But one whose
 *         sender takes no answers while its queue is full is to blame itself, and ends soon.
 *   udp   senders can't be made to wait: the datagram is dropped and counted.
 *
 * The listening's descriptor is an epoll of the socket and a timer. It goes quiet while the socket
 * is not to be read, and speaks when a session has stalled, or when a session that another one's
 * receiving brought waits to be accepted; the socket itself could say neither.
 */
#include "transport/session.h"
#include "base/clock.h"
#include "base/list.h"
#include "transport/letter.h"
#include "transport/segments.h"
#include "transport/socket.h"
#include "transport/unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

/* --- what is shared --------------------------------------------------------------------------- */

static void sessions_unref(struct sessions *shared)
{
    if (--shared->references > 0)
        return;
    fd_close(&shared->socket);
    fd_close(&shared->timer);
    ferry_inbox_free(shared->inbox);
    session_table_fini(&shared->table);
    session_accounts_fini(&shared->accounts);
    session_accounts_fini(&shared->pidfd_accounts);
    free(shared);
}

static void socket_read_set(struct sessions *shared, bool reading)
{
    struct epoll_event event = { .events = reading ? EPOLLIN : 0 };

    if (shared->epoll < 0 || shared->reading == reading)
        return;
    if (epoll_ctl(shared->epoll, EPOLL_CTL_MOD, shared->socket, &event) == 0)
        shared->reading = reading;
}

/* Others may be kept waiting by a full session. An ended one is no longer in the table. */
static bool sessions_are_many(const struct sessions *shared)
{
    return shared->table.count > 1;
}

/* When a full session is to be ended. */
static int64_t session_end_ns(const struct session *session)
{
    int64_t full_ns = session->full_since_ns, deaf_ns = session->deaf_since_ns;

    if (deaf_ns != CLOCK_NEVER)
        return clock_after(deaf_ns > full_ns ? deaf_ns : full_ns, SESSION_DEAF_MS * NS_PER_MS);
    return sessions_are_many(session->shared) ? clock_after(full_ns, SESSION_STALL_MS * NS_PER_MS)
                                              : CLOCK_NEVER;
}

static int64_t stalled_next_ns(const struct sessions *shared)
{
    int64_t next_ns = CLOCK_NEVER;
    struct list *node;

    list_each (node, &shared->full) {
        int64_t end_ns = session_end_ns(LIST_ENTRY(node, struct session, full));
        next_ns = end_ns < next_ns ? end_ns : next_ns;
    }
    return next_ns;
}

/* Sets the timer to when the listening must be looked at although the socket is quiet. */
void sessions_set_timer(struct sessions *shared)
{
    struct itimerspec setting = { 0 };
    int64_t at_ns = list_empty(&shared->arrived) ? stalled_next_ns(shared) : 1;

    if (shared->timer < 0)
        return;
    if (at_ns == CLOCK_NEVER)
        at_ns = 0; /* disarms it */
    setting.it_value.tv_sec = at_ns / NS_PER_S;
    setting.it_value.tv_nsec = at_ns % NS_PER_S;
    timerfd_settime(shared->timer, TFD_TIMER_ABSTIME, &setting, NULL);
}

/* After the list of full sessions has changed. */
void sessions_set_backpressure(struct sessions *shared)
{
    socket_read_set(shared, list_empty(&shared->full));
    sessions_set_timer(shared);
}

/* --- one session ------------------------------------------------------------------------------ */

static void session_notify(struct session *session)
{
    if (session->link && session->link->on_change)
        session->link->on_change(session->link->on_change_data);
}

void session_set_state(struct session *session, enum session_state state)
{
    if (state > session->state)
        session->state = state;
}

/* Nothing is added from here on; the sender's next message opens another session. */
void session_end(struct session *session, int code)
{
    if (session->state != SESSION_OPEN)
        return;
    session->end_code = code;
    session_set_state(session, SESSION_ENDED);
    session_table_remove(&session->shared->table, &session->entry);
    list_remove(&session->full);
    session_notify(session);
}

static bool session_is_full(const struct session *session)
{
    return session->letters.count >= SESSION_QUEUE_COUNT_MAX ||
           session->letters.size >= SESSION_QUEUE_SIZE_MAX ||
           session->letters.descriptor_count >= SESSION_QUEUE_DESCRIPTORS_MAX;
}

/* Room again only at half the bound, or the socket would be switched on and off by each message. */
static bool session_has_room(const struct session *session)
{
    return session->letters.count <= SESSION_QUEUE_COUNT_MAX / 2 &&
           session->letters.size <= SESSION_QUEUE_SIZE_MAX / 2 &&
           session->letters.descriptor_count <= SESSION_QUEUE_DESCRIPTORS_MAX / 2;
}

/* Something was taken: it is not stuck, and perhaps no longer full. */
void session_took(struct session *session)
{
    if (list_empty(&session->full))
        return;
    list_remove(&session->full);
    if (!session_has_room(session)) {
        session->full_since_ns = clock_now_ns();
        list_add_last(&session->shared->full, &session->full);
    }
    sessions_set_backpressure(session->shared);
}

void session_free(struct session *session)
{
    struct sessions *shared = session->shared;
    bool was_full = !list_empty(&session->full);

    letters_fini(&session->letters);
    session_table_remove(&shared->table, &session->entry);
    list_remove(&session->arrived);
    list_remove(&session->full);
    if (session->entry.key.has_credentials)
        session_accounts_release(&shared->accounts, session->entry.key.credentials.uid);
    if (session->sender.pidfd >= 0)
        session_accounts_release(&shared->pidfd_accounts, session->entry.key.credentials.uid);
    session_sender_fini(&session->sender);
    if (was_full)
        sessions_set_backpressure(shared);
    free(session);
    sessions_unref(shared);
}

/* Keeps what came of the sender with its first message; the pidfd is charged to its uid. */
static void sender_keep(struct session *session, struct control_facts *facts)
{
    bool keep = facts->pidfd >= 0 && facts->has_credentials &&
                session_accounts_charge(&session->shared->pidfd_accounts, facts->credentials.uid,
                    SESSION_PIDFDS_PER_UID_MAX) == 0;
    session_sender_init(&session->sender, facts, keep);
}

/* A session for a sender that has none. NULL: a bound is reached, or there is no memory. */
static struct session *session_new(
    struct sessions *shared, const struct session_key *key, struct control_facts *facts)
{
    if (shared->references > SESSIONS_MAX)
        return NULL;
    struct session *session = calloc(1, sizeof(*session) + key->name_size);
    if (!session)
        return NULL;
    if (key->has_credentials && session_accounts_charge(&shared->accounts, key->credentials.uid,
                                    SESSIONS_PER_UID_MAX) < 0) {
        free(session);
        return NULL;
    }
    session->shared = shared;
    session->deaf_since_ns = CLOCK_NEVER;
    shared->references++;
    session->entry.key = *key;
    session->entry.key.name = NULL;
    if (key->name_size > 0)
        session->entry.key.name = memcpy(session->name, key->name, key->name_size);
    sender_keep(session, facts);
    list_init(&session->full);
    letters_init(&session->letters);
    list_init(&session->arrived);
    list_add_last(&shared->arrived, &session->arrived);
    session_table_add(&shared->table, &session->entry);
    return session;
}

/* --- dealing ---------------------------------------------------------------------------------- */

static void session_put(struct session *session, struct letter *letter)
{
    struct sessions *shared = session->shared;

    letters_add(&session->letters, letter);
    if (shared->family == AF_UNIX && session_is_full(session) && list_empty(&session->full)) {
        session->full_since_ns = clock_now_ns();
        list_add_last(&shared->full, &session->full);
    }
}

/* Who sent the message in a slot. A unix sender without address has a name of just its family. */
static struct session_key slot_key(
    const struct sessions *shared, size_t index, const struct control_facts *facts)
{
    const struct msghdr *header = &shared->inbox->headers[index].msg_hdr;
    struct session_key key = { .has_credentials = facts->has_credentials };

    if (header->msg_namelen > sizeof(sa_family_t)) {
        key.name = header->msg_name;
        key.name_size = header->msg_namelen;
    }
    if (facts->has_credentials)
        key.credentials = facts->credentials;
    return key;
}

/* udp: whether what the batch has for a session is put into it. A batch that finds room comes in
 * whole, since the kernel may have joined hundreds of datagrams in it. */
static bool session_admits(struct session *session)
{
    struct sessions *shared = session->shared;

    if (shared->family == AF_UNIX)
        return true;
    if (session->batch != shared->batch) {
        session->batch = shared->batch;
        session->admits = !session_is_full(session);
    }
    return session->admits;
}

/* The session that a message belongs to. One whose sender turns out to be another process than
 * before ends. */
static struct session *session_find(
    struct sessions *shared, const struct session_key *key, const struct control_facts *facts)
{
    struct session_entry *entry = session_table_find(&shared->table, key);
    struct session *session = entry ? CONTAINER_OF(entry, struct session, entry) : NULL;

    if (session && !session_sender_is(&session->sender, facts)) {
        session_end(session, 0);
        return NULL;
    }
    return session;
}

/* False when the message had to be dropped.
 *   session  NULL: it can't have one */
static bool deal_one(struct session *session, struct ferry_message *message, int code)
{
    struct letter *letter = session && session_admits(session) ? letter_new(message, code) : NULL;

    ferry_message_fini(message);
    if (letter)
        session_put(session, letter);
    return letter != NULL;
}

/* Gives what is in a slot to its sender's session: a message, or several that the kernel joined. */
static void deal(struct sessions *shared, size_t index)
{
    struct ferry_message message;
    struct control_facts facts;

    int code = socket_read_slot(shared->inbox, index, shared->refuse_descriptors, &message, &facts);
    struct session_key key = slot_key(shared, index, &facts);
    struct session *session = session_find(shared, &key, &facts);
    if (!session)
        session = session_new(shared, &key, &facts);
    fd_close(&facts.pidfd);
    bool was_empty = session && session->letters.count == 0;
    size_t left = message.size;
    bool joined = code == 0 && facts.segment_size > 0 && facts.segment_size < left;

    do {
        message.size = joined && facts.segment_size < left ? facts.segment_size : left;
        left -= message.size;
        const char *next = (const char *)message.data + message.size;
        if (!deal_one(session, &message, code))
            shared->dropped++;
        message.data = next;
    } while (left > 0);
    /* Last: who is told may close it. */
    if (was_empty && session->letters.count > 0)
        session_notify(session);
}

/* Ends the sessions that have kept others waiting for too long. */
static void stalled_end(struct sessions *shared)
{
    int64_t now_ns = clock_now_ns();
    struct list *node, *after;

    list_each_safe (node, after, &shared->full) {
        struct session *session = LIST_ENTRY(node, struct session, full);
        if (now_ns >= session_end_ns(session))
            session_end(session, -ENOBUFS);
    }
    sessions_set_backpressure(shared);
}

/* Reads one batch and deals it out. Returns 0, -EAGAIN (nothing there, or not to be read now) or
 * -errno. */
int sessions_pump(struct sessions *shared)
{
    if (!list_empty(&shared->full))
        stalled_end(shared);
    if (!list_empty(&shared->full))
        return -EAGAIN;
    int received = socket_receive_batch(shared->socket, shared->inbox, shared->inbox->count, true);
    shared->batch++;
    for (int i = 0; i < received; i++)
        deal(shared, (size_t)i);
    if (!list_empty(&shared->full) || !list_empty(&shared->arrived))
        sessions_set_backpressure(shared);
    return received < 0 ? received : 0;
}

/* --- listening -------------------------------------------------------------------------------- */

static int session_accept(struct listening *listening, struct link *ret_link)
{
    struct sessions *shared = listening->state;
    int r = 0;

    if (list_empty(&shared->arrived))
        r = sessions_pump(shared);
    if (list_empty(&shared->arrived))
        return r < 0 ? r : -EAGAIN;
    struct session *session = LIST_ENTRY(shared->arrived.next, struct session, arrived);
    list_remove(&session->arrived);
    sessions_set_timer(shared);
    *ret_link = session_link(session);
    return 0;
}

/* Closes the socket, but keeps its number taken: the sessions' links still have it, and must not
 * come upon another file there. */
static void socket_retire(struct sessions *shared)
{
    AUTO_FD int placeholder = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (placeholder < 0 || dup3(placeholder, shared->socket, O_CLOEXEC) < 0)
        shutdown(shared->socket, SHUT_RDWR);
}

/* Every session that has been accepted ends; the others were never seen. */
static void sessions_end(struct sessions *shared)
{
    for (size_t i = 0; i < shared->table.bucket_count; i++)
        while (shared->table.buckets[i]) {
            struct session *session = CONTAINER_OF(shared->table.buckets[i], struct session, entry);
            if (list_empty(&session->arrived))
                session_end(session, 0);
            else
                session_free(session);
        }
    while (!list_empty(&shared->arrived))
        session_free(LIST_ENTRY(shared->arrived.next, struct session, arrived));
}

static void session_listening_close(struct listening *listening)
{
    struct sessions *shared = TAKE(listening->state);

    shared->closed = true;
    epoll_ctl(shared->epoll, EPOLL_CTL_DEL, shared->socket, NULL);
    shared->epoll = -1;
    fd_close(&shared->timer);
    unix_path_remove(TAKE(listening->path)); /* while the socket lives */
    socket_retire(shared);
    listening_fini(listening);
    sessions_end(shared);
    sessions_unref(shared);
}

static int session_listening_socket(const struct listening *listening)
{
    const struct sessions *shared = listening->state;
    return shared->socket;
}

static const struct listening_ops session_listening_ops = {
    .accept = session_accept, .close = session_listening_close, .socket = session_listening_socket
};

uint64_t listening_dropped(const struct listening *listening)
{
    const struct sessions *shared = listening->state;
    return listening->ops == &session_listening_ops ? shared->dropped : 0;
}

/* The epoll of socket and timer. */
static int sessions_watch(struct sessions *shared, int *ret_epoll)
{
    struct epoll_event event = { .events = EPOLLIN };
    AUTO_FD int epoll = epoll_create1(EPOLL_CLOEXEC);

    shared->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (epoll < 0 || shared->timer < 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, shared->socket, &event) < 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, shared->timer, &event) < 0)
        return -errno;
    shared->reading = true;
    *ret_epoll = fd_take(&epoll);
    return 0;
}

static int sessions_new(
    int fd, bool refuse_descriptors, struct sessions **ret_shared, int *ret_epoll)
{
    struct sessions *shared = calloc(1, sizeof(*shared));
    bool refused;
    int type;

    if (!shared) {
        fd_close(&fd);
        return -ENOMEM;
    }
    shared->references = 1;
    shared->socket = fd;
    shared->epoll = shared->timer = -1;
    shared->refuse_descriptors = refuse_descriptors;
    list_init(&shared->arrived);
    list_init(&shared->full);
    int r = socket_kind(fd, &shared->family, &type);
    if (r == 0)
        r = socket_prepare(fd, shared->family, type, refuse_descriptors, &refused);
    if (r == 0)
        shared->segment_max = segments_most(fd, shared->family);
    if (r == 0)
        r = session_table_init(&shared->table);
    if (r == 0)
        r = ferry_inbox_new(0, 0, &shared->inbox);
    if (r == 0)
        r = sessions_watch(shared, ret_epoll);
    if (r < 0) {
        sessions_unref(shared);
        return r;
    }
    *ret_shared = shared;
    return 0;
}

int session_listening(
    int fd, struct ferry_address *bound, bool refuse_descriptors, struct listening *ret_listening)
{
    struct sessions *shared;
    int epoll = -1;

    int r = sessions_new(fd, refuse_descriptors, &shared, &epoll);
    if (r < 0) {
        ferry_address_free(bound);
        return r;
    }
    shared->epoll = epoll;
    shared->capabilities = FERRY_CAN_SEND | FERRY_CAN_RECEIVE | FERRY_HAS_BOUNDARIES;
    if (shared->family == AF_UNIX)
        shared->capabilities |=
            FERRY_HAS_IDENTITY | (refuse_descriptors ? 0 : FERRY_HAS_DESCRIPTORS);
    if (shared->family == AF_INET || shared->family == AF_INET6)
        shared->capabilities |= FERRY_HAS_HOST;
    *ret_listening = (struct listening){ .ops = &session_listening_ops,
        .fd = epoll,
        .capabilities = shared->capabilities,
        .refuse_descriptors = refuse_descriptors,
        .state = shared,
        .bound = bound };
    return 0;
}
