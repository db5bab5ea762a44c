/* sender.c - messages to a receiver, in order, as it takes them.
 *
 * A server that nobody reads the answers of may stop reading itself, so they are received whenever
 * there is something to wait for, and dropped. The batch borrows from the file's piece: it is sent
 * whole, or given up, before more is fetched.
 */
#include "command/replay/sender.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "command/command.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

/* --- opening ---------------------------------------------------------------------------------- */

static int dial(struct sender *sender, bool json, struct ferry_error *error)
{
    struct ferry_address *address;

    int r = ferry_address_parse(sender->address, NULL, &address, error);
    if (r < 0)
        return r;
    sender->is_output = ferry_address_scheme(address) == FERRY_STDIO;
    if (sender->is_output && json)
        r = error_set(error, -EINVAL, sender->address, "leave it out",
            "--json has standard output for itself");
    if (r == 0)
        r = ferry_dial(address, NULL, ferry_deadline(CONNECT_TIMEOUT_MS), &sender->channel, error);
    ferry_address_free(address);
    if (r < 0)
        return r;
    unsigned capabilities = ferry_channel_capabilities(sender->channel);
    sender->bytes = !(capabilities & FERRY_HAS_BOUNDARIES);
    sender->hears = (capabilities & FERRY_CAN_RECEIVE) && !sender->is_output;
    if (!(capabilities & FERRY_CAN_SEND))
        return error_set(error, -EOPNOTSUPP, sender->address,
            strncmp(sender->address, "file:", 5) == 0 ? "add ,append to write" : NULL,
            "takes no input");
    return 0;
}

int sender_open(struct sender *sender, bool json, struct ferry_error *error)
{
    sigset_t signals;

    sender->signal_fd = -1;
    int r = dial(sender, json, error);
    if (r < 0)
        return r;
    r = ferry_inbox_new(REPLAY_ANSWER_SIZE, 0, &sender->inbox);
    if (r < 0)
        return error_set_errno(error, r, sender->address, NULL);
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    sender->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return sender->signal_fd < 0 ? error_set_errno(error, -errno, "signals", NULL) : 0;
}

void sender_close(struct sender *sender)
{
    ferry_channel_close(sender->channel);
    ferry_inbox_free(sender->inbox);
    fd_close(&sender->signal_fd);
}

/* --- what is said of failures ----------------------------------------------------------------- */

bool sender_unsent(const struct sender *sender, uint64_t *ret_number, uint64_t *ret_offset)
{
    if (sender->finishing)
        return false;
    bool batch = sender->first < sender->count;
    const struct message *message = &sender->messages[batch ? sender->first : 0];
    *ret_number = batch ? message->number : messages_number(sender->source);
    *ret_offset = batch ? message->offset : messages_offset(sender->source);
    return true;
}

/* The first message that was not sent as the thing, or the address if all were. */
static int sender_fail(const struct sender *sender, int code, const char *remedy,
    const char *reason, struct ferry_error *error)
{
    uint64_t number, offset;
    char thing[256];

    if (!sender_unsent(sender, &number, &offset))
        return error_set(error, code, sender->address, remedy, "%s", reason);
    snprintf(thing, sizeof(thing), "%.160s: message %" PRIu64 " at byte %" PRIu64, sender->file,
        number, offset);
    return error_set(error, code, thing, remedy, "%s: %s", sender->address, reason);
}

static int fail_refused(const struct sender *sender, int code, struct ferry_error *error)
{
    static const char remedy[] = "--keep-going leaves such messages out";
    char reason[128];

    if (code == -EBADMSG)
        return sender_fail(
            sender, code, remedy, "a line feed is inside, and frame=lf can carry none", error);
    snprintf(reason, sizeof(reason), "its %zu bytes are more than one message may have there",
        sender->messages[sender->first].size);
    return sender_fail(sender, code, remedy, reason, error);
}

static int fail_channel(const struct sender *sender, int code, struct ferry_error *error)
{
    bool end = ferry_channel_capabilities(sender->channel) & FERRY_HAS_END;

    if (code == -ECONNREFUSED && !end)
        return sender_fail(
            sender, code, "start who receives there", "nobody takes what was sent before", error);
    if (code == -EPROTO && strncmp(sender->address, "auto:", 5) == 0)
        return sender_fail(sender, code, command_both_auto, "the peer is no auto: peer", error);
    return sender_fail(sender, code,
        error_is_peer_gone(code) ? "see the log of who serves it for why it ended" : NULL,
        strerrordesc_np(-code), error);
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Drops what the receiver answers. Returns 0 or -errno. */
static int sender_hear(struct sender *sender, struct ferry_error *error)
{
    struct ferry_message message;

    for (unsigned i = 0; i < REPLAY_RECEIVES && sender->hears; i++) {
        int r = ferry_channel_try_receive(sender->channel, sender->inbox, &message, 1);
        if (r == -EAGAIN)
            return 0;
        if (r < 0 && r != -EMSGSIZE && r != -EBADMSG)
            return fail_channel(sender, r, error);
        if (r > 0)
            ferry_message_fini(&message);
        sender->hears = r != 0;
        sender->heard_ns = clock_now_ns();
    }
    return 0;
}

static bool sender_interrupted(const struct sender *sender)
{
    struct signalfd_siginfo signal;
    return read(sender->signal_fd, &signal, sizeof(signal)) > 0;
}

/* Not by the milliseconds of poll(2), in which a thousand messages may be due. */
static int poll_until(struct pollfd *polled, size_t count, int64_t until_ns)
{
    int64_t left_ns = until_ns - clock_now_ns();

    if (left_ns < 0)
        left_ns = 0;
    struct timespec timeout = { left_ns / NS_PER_S, left_ns % NS_PER_S };
    int r = ppoll(polled, count, until_ns == CLOCK_NEVER ? NULL : &timeout, NULL);
    return r < 0 && errno != EINTR ? -errno : 0;
}

/*   fd       what else is waited for, for `events`; -1: nothing
 * Returns 1 (that is ready), 0 (something else, or it is time), -EINTR, or another -errno. */
static int wait_for(
    struct sender *sender, int fd, short events, int64_t until_ns, struct ferry_error *error)
{
    enum { SIGNAL, RECEIVE, OTHER, COUNT };
    struct pollfd polled[COUNT] = {
        [SIGNAL] = { .fd = sender->signal_fd, .events = POLLIN },
        [RECEIVE] = { .fd = -1, .events = POLLIN },
        [OTHER] = { .fd = fd, .events = events },
    };

    if (sender->progress)
        sender->progress(sender->data);
    if (sender->hears)
        polled[RECEIVE].fd = ferry_channel_fd(sender->channel, FERRY_RECEIVE);
    bool pending = sender->hears && ferry_channel_pending(sender->channel);
    int r = poll_until(polled, COUNT, pending ? 0 : until_ns);
    if (r < 0)
        return error_set_errno(error, r, sender->address, NULL);
    if (polled[SIGNAL].revents && sender_interrupted(sender))
        return sender_fail(sender, -EINTR, NULL, "interrupted", error);
    if (pending || polled[RECEIVE].revents)
        r = sender_hear(sender, error);
    return r < 0 ? r : polled[OTHER].revents != 0;
}

int sender_wait(struct sender *sender, int fd, int64_t until_ns, struct ferry_error *error)
{
    int r = wait_for(sender, fd, POLLIN, until_ns, error);
    return r < 0 ? r : 0;
}

/* --- sending ---------------------------------------------------------------------------------- */

void sender_add(struct sender *sender, const struct message *message)
{
    if (sender->first == sender->count)
        sender->first = sender->count = 0;
    size_t at = sender->count++;
    struct iovec *buffers = sender->buffers[at];
    sender->messages[at] = *message;
    if (sender->bytes) {
        buffers[0] = (struct iovec){ (void *)(uintptr_t)message->framed, message->framed_size };
        buffers[1] = (struct iovec){ (void *)(uintptr_t) "\n", !message->complete };
    } else {
        buffers[0] = (struct iovec){ (void *)(uintptr_t)message->data, message->size };
        buffers[1].iov_len = 0;
    }
    sender->outgoings[at] =
        (struct ferry_outgoing){ .buffers = buffers, .buffer_count = buffers[1].iov_len ? 2 : 1 };
}

static void sender_book(struct sender *sender, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sender->sent_size += sender->messages[sender->first++].size;
    sender->sent_count += count;
}

/* A message of its own that the address never takes, whoever is there. */
static int sender_refuse(struct sender *sender, int code, struct ferry_error *error)
{
    if (!sender->keep_going)
        return fail_refused(sender, code, error);
    if (sender->refused_count++ == 0)
        (void)fail_refused(sender, code, &sender->refusal);
    sender->first++;
    return 0;
}

/* How a receiver is waited for that takes nothing for a while. */
struct stall {
    int64_t deadline_ns;
    size_t sent_size; /* of the first message when it was last tried */
    bool waits;       /* since something went */
    bool ready;       /* poll(2) said that it could be tried again */
    int64_t pause_ms;
};

static int stall_wait(struct sender *sender, struct stall *stall, struct ferry_error *error)
{
    size_t sent_size = sender->outgoings[sender->first].sent_size;
    int64_t now_ns = clock_now_ns();

    if (sent_size != stall->sent_size || !stall->waits)
        *stall =
            (struct stall){ clock_after(now_ns, sender->timeout_ns), sent_size, true, false, 0 };
    if (now_ns >= stall->deadline_ns)
        return sender_fail(sender, -ETIMEDOUT, NULL, "the receiver takes nothing", error);
    int64_t until_ns = stall->deadline_ns;
    int fd = ferry_channel_fd(sender->channel, FERRY_SEND);
    if (stall->ready) {
        /* Nothing went although it was writable: asking poll(2) again at once would spin. */
        stall->pause_ms = stall->pause_ms ? stall->pause_ms * 2 : REPLAY_PAUSE_MS;
        if (stall->pause_ms > REPLAY_PAUSE_MS_MAX)
            stall->pause_ms = REPLAY_PAUSE_MS_MAX;
        int64_t pause_ns = clock_after(now_ns, stall->pause_ms * NS_PER_MS);
        until_ns = pause_ns < until_ns ? pause_ns : until_ns;
        fd = -1;
    }
    int r = wait_for(sender, fd, POLLOUT, until_ns, error);
    stall->ready = r > 0;
    return r < 0 ? r : 0;
}

int sender_flush(struct sender *sender, struct ferry_error *error)
{
    struct stall stall = { 0 };

    while (sender->first < sender->count) {
        int r = ferry_channel_try_send(
            sender->channel, &sender->outgoings[sender->first], sender->count - sender->first);
        if (r > 0) {
            sender_book(sender, (size_t)r);
            stall.waits = false;
            continue;
        }
        if (r == -EAGAIN)
            r = stall_wait(sender, &stall, error);
        else if (r == -EMSGSIZE || r == -EBADMSG)
            r = sender_refuse(sender, r, error);
        else if (r < 0)
            r = fail_channel(sender, r, error);
        if (r < 0)
            return r;
    }
    if (sender->progress)
        sender->progress(sender->data);
    return 0;
}

int sender_finish(struct sender *sender, struct ferry_error *error)
{
    int64_t deadline_ns;

    sender->finishing = true;
    sender->heard_ns = clock_now_ns();
    int r = ferry_channel_shutdown(sender->channel);
    if (r == -EOPNOTSUPP)
        return sender_hear(sender, error);
    if (r < 0)
        return fail_channel(sender, r, error);
    while (sender->hears) {
        deadline_ns = clock_after(sender->heard_ns, sender->timeout_ns);
        if (clock_now_ns() >= deadline_ns)
            return sender_fail(sender, -ETIMEDOUT, NULL, "the receiver does not end", error);
        r = wait_for(sender, -1, 0, deadline_ns, error);
        if (r < 0)
            return r;
    }
    return 0;
}
