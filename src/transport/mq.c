/* mq.c - mq: addresses, POSIX message queues (mq_overview(7)).
 *
 * On Linux a queue is a descriptor that poll(2) understands, so a full or empty queue is waited for
 * like anything else. Queues know neither peers nor an end: a link from a listening begins with the
 * first message and ends only when it is closed; while it lives the listening is quiet (turn.h).
 * Messages come by priority, the highest first. One that is larger than the inbox's slots is never
 * lost: the kernel refuses to hand out any until the reader has room for the queue's msgsize.
 *
 * A queue that we made is removed at the end, unless the name leads to another one by then.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/proc.h"
#include "transport/hold.h"
#include "transport/inbox.h"
#include "transport/limits.h"
#include "transport/outgoing.h"
#include "transport/ownership.h"
#include "transport/transport.h"
#include "transport/turn.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* --- links ------------------------------------------------------------------------------------ */

struct mq_link {
    size_t message_size; /* bytes, the largest message of the queue that we send to */
    char *whole;         /* that much room, made when a message first comes in pieces; or NULL */
    int token_fd;        /* of a listening's link, else -1 */
};

/* The bytes of an outgoing in one piece, as mq_send(3) wants them; NULL: no memory. */
static const char *mq_whole(struct mq_link *state, const struct ferry_outgoing *outgoing)
{
    size_t size = 0;

    if (outgoing_size(outgoing) == 0)
        return "";
    if (outgoing->buffer_count == 1)
        return outgoing->buffers[0].iov_base;
    if (!state->whole)
        state->whole = malloc(state->message_size);
    for (size_t i = 0; state->whole && i < outgoing->buffer_count; i++) {
        const struct iovec *buffer = &outgoing->buffers[i];
        if (buffer->iov_len > 0)
            memcpy(state->whole + size, buffer->iov_base, buffer->iov_len);
        size += buffer->iov_len;
    }
    return state->whole;
}

static int mq_send_one(const struct link *link, struct ferry_outgoing *outgoing)
{
    struct mq_link *state = link->state;
    size_t size = outgoing_size(outgoing);
    unsigned priority = outgoing->priority ? outgoing->priority : link->priority;
    int r;

    if (outgoing->descriptor_count > 0)
        return -EOPNOTSUPP;
    if (size > state->message_size)
        return -EMSGSIZE;
    const char *bytes = mq_whole(state, outgoing);
    if (!bytes)
        return -ENOMEM;
    do
        r = mq_send(link->send_fd, bytes, size, priority);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    outgoing->sent_size = size;
    outgoing->complete = true;
    return 0;
}

static int mq_link_send(struct link *link, struct ferry_outgoing *batch, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int r = batch[i].complete ? 0 : mq_send_one(link, &batch[i]);
        if (r < 0)
            return i > 0 ? (int)i : r;
    }
    return (int)count;
}

/* Nothing fits; the queue keeps it. */
static int mq_too_large(const struct link *link, struct ferry_message *message)
{
    struct mq_attr attributes = { 0 };

    mq_getattr(link->receive_fd, &attributes);
    *message = (struct ferry_message){ .size = (size_t)attributes.mq_msgsize };
    return -EMSGSIZE;
}

static int mq_link_receive(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    size_t room = count < inbox->count ? count : inbox->count, good = 0;

    while (good < room) {
        struct inbox_slot *slot = &inbox->slots[good];
        unsigned priority;
        ssize_t size =
            mq_receive(link->receive_fd, slot->buffer.iov_base, slot->buffer.iov_len, &priority);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            break;
        batch[good++] = (struct ferry_message){ .data = slot->buffer.iov_base,
            .size = (size_t)size,
            .descriptors = slot->descriptors,
            .priority = priority };
    }
    if (good > 0)
        return (int)good;
    return errno == EMSGSIZE ? mq_too_large(link, &batch[0]) : -errno;
}

static void mq_link_close(struct link *link)
{
    struct mq_link *state = TAKE(link->state);

    fd_close(&link->receive_fd);
    fd_close(&link->send_fd);
    fd_close(&state->token_fd);
    free(state->whole);
    free(state);
}

static const struct link_ops mq_link_ops = {
    .send = mq_link_send, .receive = mq_link_receive, .close = mq_link_close
};

static unsigned mq_capabilities(bool receives, bool sends)
{
    return FERRY_HAS_BOUNDARIES | FERRY_HAS_PRIORITY | (receives ? FERRY_CAN_RECEIVE : 0) |
           (sends ? FERRY_CAN_SEND : 0);
}

/* Takes both descriptors; the token on success only. */
static int mq_link(int receive_fd, int send_fd, int token_fd, struct link *ret_link)
{
    AUTO_FD int receiving = receive_fd;
    AUTO_FD int sending = send_fd;
    struct mq_attr attributes = { 0 };

    if (sending >= 0 && mq_getattr(sending, &attributes) < 0)
        return -errno;
    struct mq_link *state = malloc(sizeof(*state));
    if (!state)
        return -ENOMEM;
    *state =
        (struct mq_link){ .message_size = (size_t)attributes.mq_msgsize, .token_fd = token_fd };
    *ret_link = (struct link){ .ops = &mq_link_ops,
        .capabilities = mq_capabilities(receiving >= 0, sending >= 0),
        .remaining = -1,
        .state = state };
    ret_link->receive_fd = fd_take(&receiving);
    ret_link->send_fd = fd_take(&sending);
    return 0;
}

/* --- queues ----------------------------------------------------------------------------------- */

struct mq_queue {
    int fd;      /* non-blocking; links have copies */
    int hold_fd; /* another description, which has the lock; or -1 */
    char *name;
    bool made; /* by us: then it is removed at the end */
    pid_t maker;
};

#define MQ_QUEUE_NONE                                                                              \
    (struct mq_queue)                                                                              \
    {                                                                                              \
        -1, -1, NULL, false, 0                                                                     \
    }

/* How a queue is to be opened. */
struct mq_plan {
    const char *thing; /* what errors name */
    int flags;         /* O_RDONLY or O_WRONLY */
    bool hold;
    struct ownership ownership;
    bool sized; /* the address states sizes */
    struct mq_attr attributes;
};

/* A number of /proc/sys/fs/mqueue. */
static long mq_limit(const char *name, long absent)
{
    char path[64], text[32];

    snprintf(path, sizeof(path), "/proc/sys/fs/mqueue/%s", name);
    return proc_read(AT_FDCWD, path, text, sizeof(text)) > 0 ? strtol(text, NULL, 10) : absent;
}

static int mq_failed(
    const char *thing, int code, const struct mq_attr *wanted, struct ferry_error *error)
{
    struct rlimit room = { 0 };

    switch (code) {
    case -EINVAL:
        return error_set(error, code, thing,
            "ask for less, or raise fs.mqueue.msg_max and fs.mqueue.msgsize_max (sysctl)",
            "%ld messages of %ld bytes are more than this system allows (%ld of %ld)",
            wanted->mq_maxmsg, wanted->mq_msgsize, mq_limit("msg_max", 0),
            mq_limit("msgsize_max", 0));
    case -ENOSPC:
        return error_set(error, code, thing,
            "remove some (ls /dev/mqueue), or raise fs.mqueue.queues_max (sysctl)",
            "the system has all the queues that it allows (%ld)", mq_limit("queues_max", 0));
    case -EMFILE:
        getrlimit(RLIMIT_MSGQUEUE, &room);
        return error_set(error, code, thing,
            "ask for less, or raise the limits (ulimit -q and -n, LimitMSGQUEUE=)",
            "out of descriptors, or this user's queues exceed %llu bytes together",
            (unsigned long long)room.rlim_cur);
    case -EACCES:
        return error_set(error, code, thing, "its mode (ls -l /dev/mqueue) must admit this user",
            "permission denied");
    case -ENOENT:
        return error_set(
            error, code, thing, "start its reader, or check the name", "there is no such queue");
    case -ENOSYS:
        return error_set(error, code, thing, NULL, "this kernel has no message queues");
    default:
        return error_set_errno(error, code, thing, NULL);
    }
}

/* Whether the name still leads to it. */
static bool mq_queue_is_there(const struct mq_queue *queue)
{
    struct stat opened, named;
    /* Whatever we may do with it: one of the two is ours, or we did not make it. */
    AUTO_FD int fd = mq_open(queue->name, O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        fd = mq_open(queue->name, O_WRONLY | O_NONBLOCK);

    return fd >= 0 && fstat(fd, &named) == 0 && fstat(queue->fd, &opened) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

static void mq_queue_close(struct mq_queue *queue)
{
    if (queue->made && queue->maker == getpid() && mq_queue_is_there(queue))
        mq_unlink(queue->name);
    fd_close(&queue->fd);
    fd_close(&queue->hold_fd);
    free(TAKE(queue->name));
}

static int mq_queue_check(
    const struct mq_queue *queue, const struct mq_plan *plan, struct ferry_error *error)
{
    uid_t owner = plan->ownership.owner;
    struct mq_attr found;
    struct stat status;

    if (fstat(queue->fd, &status) < 0 || mq_getattr(queue->fd, &found) < 0)
        return error_set_errno(error, -errno, plan->thing, NULL);
    if (status.st_uid != geteuid() && status.st_uid != 0 &&
        (owner == (uid_t)-1 || status.st_uid != owner))
        return error_set(error, -EPERM, plan->thing, "listen elsewhere, or let its owner remove it",
            "the queue there belongs to user %u", status.st_uid);
    if (plan->sized && (found.mq_maxmsg != plan->attributes.mq_maxmsg ||
                           found.mq_msgsize != plan->attributes.mq_msgsize))
        return error_set(error, -EEXIST, plan->thing,
            "remove it (rm /dev/mqueue/NAME), or leave maxmsg= and msgsize= out",
            "the queue there has room for %ld messages of %ld bytes", found.mq_maxmsg,
            found.mq_msgsize);
    return 0;
}

/* Locks it by a description of its own, so that links that live on do not keep the lock. */
static int mq_queue_hold(
    struct mq_queue *queue, const struct mq_plan *plan, struct ferry_error *error)
{
    char path[32];

    if (!plan->hold)
        return 0;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", queue->fd);
    queue->hold_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (queue->hold_fd < 0)
        return error_set_errno(error, -errno, plan->thing, NULL);
    return hold_take(queue->hold_fd, plan->thing, error);
}

/* 1: it was removed in between, start over. */
static int mq_queue_try(
    struct mq_queue *queue, const struct mq_plan *plan, struct ferry_error *error)
{
    struct mq_attr attributes = plan->attributes;
    int flags = plan->flags | O_NONBLOCK | O_CLOEXEC;

    queue->fd = mq_open(queue->name, flags | O_CREAT | O_EXCL, 0600, &attributes);
    queue->made = queue->fd >= 0;
    queue->maker = getpid();
    if (!queue->made && errno == EEXIST) {
        queue->fd = mq_open(queue->name, flags);
        if (queue->fd < 0 && errno == ENOENT)
            return 1;
    }
    if (queue->fd < 0)
        return mq_failed(plan->thing, -errno, &attributes, error);
    int r = mq_queue_check(queue, plan, error);
    if (r == 0)
        r = mq_queue_hold(queue, plan, error);
    /* Whoever was faster uses it now. */
    if (r == -EADDRINUSE)
        queue->made = false;
    if (r < 0 || mq_queue_is_there(queue))
        return r;
    queue->made = false;
    fd_close(&queue->fd);
    fd_close(&queue->hold_fd);
    return 1;
}

static int mq_queue_open(const char *name, const struct mq_plan *plan, struct mq_queue *ret_queue,
    struct ferry_error *error)
{
    struct mq_queue queue = MQ_QUEUE_NONE;
    int r = 1;

    queue.name = strdup(name);
    if (!queue.name)
        return error_set_errno(error, -ENOMEM, plan->thing, NULL);
    for (unsigned tries = 0; r > 0 && tries < OPEN_TRIES_MAX; tries++)
        r = mq_queue_try(&queue, plan, error);
    if (r > 0)
        r = error_set(error, -EBUSY, plan->thing, "try again", "is made and removed all the time");
    if (r == 0 && (queue.made || plan->ownership.stated)) {
        r = ownership_apply(queue.fd, &plan->ownership);
        if (r < 0)
            error_set_errno(error, r, plan->thing, "mode, owner or group could not be set");
    }
    if (r < 0)
        mq_queue_close(&queue);
    else
        *ret_queue = queue;
    return r;
}

/* --- listen ----------------------------------------------------------------------------------- */

struct mq_place {
    struct turn turn;
    struct mq_queue request;
    struct mq_queue reply; /* none without reply= */
};

static void place_free(struct mq_place *place)
{
    turn_fini(&place->turn);
    mq_queue_close(&place->reply);
    mq_queue_close(&place->request);
    free(place);
}

static int fd_copy(int fd)
{
    int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
    return fd >= 0 && copy < 0 ? -errno : copy;
}

static int place_accept(struct listening *listening, struct link *ret_link)
{
    struct mq_place *place = listening->state;
    struct pollfd polled = { .fd = place->request.fd, .events = POLLIN };
    int token;

    if (!turn_is_free(&place->turn))
        return -EAGAIN;
    int r = place->turn.watched_fd < 0 ? turn_watch(&place->turn, place->request.fd) : 0;
    if (r < 0)
        return r;
    if (poll(&polled, 1, 0) <= 0)
        return -EAGAIN;
    AUTO_FD int receiving = fd_copy(place->request.fd);
    AUTO_FD int sending = place->reply.name ? fd_copy(place->reply.fd) : -1;
    if (receiving < 0 || (place->reply.name && sending < 0))
        return -EMFILE;
    r = turn_give(&place->turn, &token);
    if (r < 0)
        return r;
    r = mq_link(fd_take(&receiving), fd_take(&sending), token, ret_link);
    if (r < 0)
        fd_close(&token);
    return r;
}

static void place_close(struct listening *listening)
{
    listening->fd = -1;
    place_free(TAKE(listening->state));
}

static const struct listening_ops place_ops = { .accept = place_accept, .close = place_close };

static int plan_read(
    const struct ferry_address *address, struct mq_plan *plan, struct ferry_error *error)
{
    *plan = (struct mq_plan){ .thing = ferry_address_text(address),
        .flags = O_RDONLY,
        .hold = true,
        .sized =
            ferry_address_option(address, "maxmsg") || ferry_address_option(address, "msgsize"),
        .attributes = {
            .mq_maxmsg = address_get_number(address, "maxmsg", mq_limit("msg_default", 10)),
            .mq_msgsize =
                address_get_size(address, "msgsize", mq_limit("msgsize_default", 8192)) } };
    return ownership_read(address, &plan->ownership, error);
}

static int place_open(
    const struct ferry_address *address, struct mq_place *place, struct ferry_error *error)
{
    const char *reply = ferry_address_option(address, "reply");
    struct mq_plan plan;

    int r = plan_read(address, &plan, error);
    if (r == 0)
        r = mq_queue_open(address->rest, &plan, &place->request, error);
    if (r == 0 && reply) {
        plan.flags = O_WRONLY;
        plan.hold = false;
        r = mq_queue_open(reply, &plan, &place->reply, error);
    }
    if (r < 0)
        return r;
    r = turn_init(&place->turn);
    if (r == 0)
        r = turn_watch(&place->turn, place->request.fd);
    return r < 0 ? error_set_errno(error, r, plan.thing, NULL) : 0;
}

static int mq_listen(const struct ferry_address *address,
    const struct ferry_listen_options *options, struct listening *ret_listening,
    struct ferry_error *error)
{
    struct mq_place *place = malloc(sizeof(*place));

    (void)options;
    if (!place)
        return error_set_errno(error, -ENOMEM, ferry_address_text(address), NULL);
    *place =
        (struct mq_place){ .turn = TURN_NONE, .request = MQ_QUEUE_NONE, .reply = MQ_QUEUE_NONE };
    int r = place_open(address, place, error);
    if (r < 0) {
        place_free(place);
        return r;
    }
    *ret_listening = (struct listening){ .ops = &place_ops,
        .fd = place->turn.epoll_fd,
        .capabilities = mq_capabilities(true, place->reply.name),
        .state = place };
    return 0;
}

/* --- dial ------------------------------------------------------------------------------------- */

static int mq_dial(const struct ferry_address *address, const struct ferry_dial_options *options,
    struct link *ret_link, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);
    const char *reply = ferry_address_option(address, "reply");
    static const struct mq_attr none;

    (void)options;
    AUTO_FD int receiving = reply ? mq_open(reply, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    if (reply && receiving < 0)
        return mq_failed(thing, -errno, &none, error);
    AUTO_FD int sending = mq_open(address->rest, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (sending < 0)
        return mq_failed(thing, -errno, &none, error);
    int r = mq_link(fd_take(&receiving), fd_take(&sending), -1, ret_link);
    if (r < 0)
        return error_set_errno(error, r, thing, NULL);
    ret_link->priority = (uint16_t)address_get_number(address, "priority", 0);
    return 0;
}

const struct transport transport_mq = { .listen = mq_listen, .dial = mq_dial };
