/* fifo.c - fifo: addresses.
 *
 * A FIFO has no connections, so listening makes visits of what it has: a visit begins with the
 * first byte in an empty FIFO (the kernel tells nobody of an open) and ends when the last writer
 * has gone. Writers at the same time share a visit; one that opens and goes without a byte is an
 * empty visit. A visit is a link, and while it lives the listening is quiet (turn.h). Invariants:
 *   - One read end is open from listen to close, never read: what was written between two visits is
 *     kept, and no writer meets EPIPE there. It holds the lock that keeps other listenings away.
 *   - The read end that is watched, and that the link then takes, is opened anew after each visit:
 *     one that has seen a writer go reports POLLHUP for ever.
 *   - A link that is closed before its end throws away what is buffered, as closing a socket does;
 *     else these bytes would at once begin another visit, and so on without end.
 *
 * With reply= the client opens the reply FIFO for reading before it writes: then opening it here
 * for writing never waits, and its going is noticed (EPIPE). For a client that is late, which is
 * usual in shells, it is opened for reading as well, so that the reply waits in the FIFO until it
 * comes or until the link is closed. Replies carry no address: one client at a time, or they share
 * them.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "transport/fifo_file.h"
#include "transport/limits.h"
#include "transport/plain.h"
#include "transport/turn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

/* --- links ------------------------------------------------------------------------------------ */

struct fifo_link {
    struct plain plain;
    int token_fd; /* of a visit, else -1 */
    bool ended;   /* a visit's last writer has gone */
};

static int visit_receive(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    struct fifo_link *visit = link->state;

    int r = plain_receive(link, inbox, batch, count);
    visit->ended = visit->ended || r == 0;
    return r;
}

/* Bounded by what a FIFO holds, since writers may go on. */
static void visit_discard(const struct link *link)
{
    char bytes[4096];
    long left = fcntl(link->receive_fd, F_GETPIPE_SZ);

    while (left > 0) {
        ssize_t size = read(link->receive_fd, bytes, sizeof(bytes));
        if (size <= 0)
            return;
        left -= size;
    }
}

static void visit_close(struct link *link)
{
    struct fifo_link *visit = link->state;
    int token = fd_take(&visit->token_fd);

    if (!visit->ended)
        visit_discard(link);
    plain_close(link);
    /* Last: it lets the next visit begin. */
    fd_close(&token);
}

static const struct link_ops visit_ops = {
    .send = plain_send, .receive = visit_receive, .shutdown = plain_shutdown, .close = visit_close
};

/* Until the server has opened the reply FIFO, reading there finds no writer, which looks like the
 * end; but only after a writer has come and gone is there POLLHUP. */
static int reply_receive(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    struct pollfd polled = { .fd = link->receive_fd, .events = POLLIN };

    int r = plain_receive(link, inbox, batch, count);
    if (r != 0)
        return r;
    if (poll(&polled, 1, 0) < 0)
        return -EAGAIN;
    return (polled.revents & POLLHUP) && !(polled.revents & POLLIN) ? 0 : -EAGAIN;
}

static const struct link_ops reply_ops = {
    .send = plain_send, .receive = reply_receive, .shutdown = plain_shutdown, .close = plain_close
};

/* Takes both descriptors, not the token. */
static int fifo_link(
    int receive_fd, int send_fd, int token_fd, const struct link_ops *ops, struct link *ret_link)
{
    AUTO_FD int receiving = receive_fd;
    AUTO_FD int sending = send_fd;
    AUTO_FREE struct fifo_link *state = malloc(sizeof(*state));

    if (!state)
        return -ENOMEM;
    *state = (struct fifo_link){ .token_fd = token_fd };
    int r = plain_fill(&state->plain, receiving, sending, 0, ret_link);
    if (r < 0)
        return r;
    ret_link->ops = ops;
    state = NULL;
    receiving = sending = -1;
    return 0;
}

/* --- listen ----------------------------------------------------------------------------------- */

struct fifo_place {
    struct turn turn;
    struct fifo_file request; /* its descriptor is the read end that is kept */
    struct fifo_file reply;   /* none without reply= */
    int fresh_fd;             /* the read end that is watched between visits */
};

static void place_free(struct fifo_place *place)
{
    turn_fini(&place->turn);
    fd_close(&place->fresh_fd);
    fifo_file_close(&place->reply);
    fifo_file_close(&place->request);
    free(place);
}

/* Waits for the next visit. */
static int place_arm(struct fifo_place *place)
{
    AUTO_FD int fd = fifo_file_reopen(&place->request, O_RDONLY);
    if (fd < 0)
        return fd;
    int r = turn_watch(&place->turn, fd);
    if (r == 0)
        place->fresh_fd = fd_take(&fd);
    return r;
}

/* -1 without reply=. */
static int place_open_reply(const struct fifo_place *place, int *ret_fd)
{
    int fd = -1;

    if (place->reply.name) {
        fd = fifo_file_reopen(&place->reply, O_WRONLY);
        if (fd == -ENXIO)
            fd = fifo_file_reopen(&place->reply, O_RDWR);
        if (fd < 0)
            return fd;
    }
    *ret_fd = fd;
    return 0;
}

static int place_accept(struct listening *listening, struct link *ret_link)
{
    struct fifo_place *place = listening->state;
    AUTO_FD int reply = -1;
    int token;

    if (!turn_is_free(&place->turn))
        return -EAGAIN;
    int r = place->fresh_fd < 0 ? place_arm(place) : 0;
    if (r < 0)
        return r;
    struct pollfd polled = { .fd = place->fresh_fd, .events = POLLIN };
    if (poll(&polled, 1, 0) <= 0)
        return -EAGAIN;
    r = place_open_reply(place, &reply);
    if (r == 0)
        r = turn_give(&place->turn, &token);
    if (r < 0)
        return r;
    r = fifo_link(fd_take(&place->fresh_fd), fd_take(&reply), token, &visit_ops, ret_link);
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

static int place_open(
    const struct ferry_address *address, struct fifo_place *place, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);
    const char *reply = ferry_address_option(address, "reply");
    struct ownership ownership;

    int r = ownership_read(address, &ownership, error);
    if (r == 0)
        r = fifo_file_open(address->rest, thing, &ownership, true, &place->request, error);
    if (r == 0 && reply)
        r = fifo_file_open(reply, thing, &ownership, false, &place->reply, error);
    if (r < 0)
        return r;
    r = turn_init(&place->turn);
    if (r == 0)
        r = place_arm(place);
    return r < 0 ? error_set_errno(error, r, thing, NULL) : 0;
}

static int fifo_listen(const struct ferry_address *address,
    const struct ferry_listen_options *options, struct listening *ret_listening,
    struct ferry_error *error)
{
    struct fifo_place *place = malloc(sizeof(*place));

    (void)options;
    if (!place)
        return error_set_errno(error, -ENOMEM, ferry_address_text(address), NULL);
    *place = (struct fifo_place){
        .turn = TURN_NONE, .request = FIFO_FILE_NONE, .reply = FIFO_FILE_NONE, .fresh_fd = -1
    };
    int r = place_open(address, place, error);
    if (r < 0) {
        place_free(place);
        return r;
    }
    *ret_listening = (struct listening){ .ops = &place_ops,
        .fd = place->turn.epoll_fd,
        .capabilities = FERRY_CAN_RECEIVE | FERRY_HAS_END |
                        (place->reply.name ? FERRY_CAN_SEND | FERRY_HAS_HALF_CLOSE : 0),
        .state = place };
    return 0;
}

/* --- dial ------------------------------------------------------------------------------------- */

static int dial_failed(
    const struct ferry_address *address, const char *path, int code, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);

    switch (code) {
    case -ENXIO:
        return error_set(
            error, -EAGAIN, thing, "start its reader, or try again", "nobody reads %s", path);
    case -ENOENT:
        return error_set(
            error, code, thing, "start its reader, or make it with mkfifo", "there is no %s", path);
    case -ENOTSUP:
        return error_set(
            error, -EINVAL, thing, "check the path, or use file:", "%s is no FIFO", path);
    default:
        return error_set_errno(error, code, thing, NULL);
    }
}

/* The look before keeps from opening a device; the one after, from a path changed in between. */
static int fifo_open(const char *path, int flags, int *ret_fd)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return -errno;
    if (!S_ISFIFO(status.st_mode))
        return -ENOTSUP;
    AUTO_FD int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISFIFO(status.st_mode))
        return -ENOTSUP;
    *ret_fd = fd_take(&fd);
    return 0;
}

static int fifo_dial(const struct ferry_address *address, const struct ferry_dial_options *options,
    struct link *ret_link, struct ferry_error *error)
{
    const char *reply = ferry_address_option(address, "reply");
    AUTO_FD int receiving = -1;
    AUTO_FD int sending = -1;

    (void)options;
    int r = reply ? fifo_open(reply, O_RDONLY, &receiving) : 0;
    if (r < 0)
        return dial_failed(address, reply, r, error);
    r = fifo_open(address->rest, O_WRONLY, &sending);
    if (r < 0)
        return dial_failed(address, address->rest, r, error);
    r = reply ? fifo_link(fd_take(&receiving), fd_take(&sending), -1, &reply_ops, ret_link)
              : plain_link(-1, fd_take(&sending), 0, ret_link);
    return r < 0 ? error_set_errno(error, r, ferry_address_text(address), NULL) : 0;
}

const struct transport transport_fifo = { .listen = fifo_listen, .dial = fifo_dial };
