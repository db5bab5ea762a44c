/* dial.c - opening a channel to an address, now or until a deadline.
 *
 * A name may stand for several addresses of which only some are served (localhost is 127.0.0.1 and
 * ::1), and a connection in progress says so only later. So the blocking dial resolves the name and
 * goes through its addresses; the one that never waits cannot.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/sized.h"
#include "channel/channel.h"
#include "channel/limits.h"
#include "channel/options.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int dial_options_read(const struct ferry_address *address,
    const struct ferry_dial_options *given, struct ferry_dial_options *ret_options,
    struct ferry_error *error)
{
    int r =
        options_read(given, ret_options, sizeof(*ret_options), ferry_address_text(address), error);
    if (r < 0)
        return r;
    ret_options->refuse_descriptors =
        channel_refuses_descriptors(address, ret_options->refuse_descriptors);
    return 0;
}

/* Said now, by whom it can be helped, and not by the first send. */
static int dial_may_speak_as(const struct ferry_credentials *credentials,
    const struct ferry_address *address, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);
    int r = socket_credentials_check(credentials);

    if (r == -EPERM)
        return error_set(error, r, thing, "run it as root: CAP_SETUID, CAP_SETGID, CAP_SYS_ADMIN",
            "only root may speak for others, here pid %d uid %u gid %u", (int)credentials->pid,
            credentials->uid, credentials->gid);
    if (r == -ESRCH)
        return error_set(error, r, thing, "name a living one",
            "there is no process %d to speak for", (int)credentials->pid);
    return r < 0 ? error_set_errno(error, r, thing, NULL) : 0;
}

/* The caller's copy need not outlive the call. What splice(2) sends is sent as ourselves. */
static int dial_speak_as(struct ferry_channel *channel, const struct ferry_credentials *credentials,
    const struct ferry_address *address, struct ferry_error *error)
{
    if (!(channel->link.capabilities & FERRY_HAS_IDENTITY))
        return error_set(error, -EOPNOTSUPP, ferry_address_text(address), "use a unix socket",
            "carries no credentials");
    int r = dial_may_speak_as(credentials, address, error);
    if (r < 0)
        return r;
    struct ferry_credentials *copy = malloc(sizeof(*copy));
    if (!copy)
        return error_set_errno(error, -ENOMEM, ferry_address_text(address), NULL);
    *copy = *credentials;
    channel->link.credentials = copy;
    channel->link.flags &= ~(unsigned)LINK_SPLICE_TO;
    return 0;
}

/* An empty channel that knows what was asked of it. */
static int asked_channel_new(const struct option_source *source, struct ferry_channel **ret_channel,
    struct ferry_error *error)
{
    struct ferry_channel *channel;
    int r = channel_new(source->address, &channel);
    if (r < 0)
        return error_set_errno(error, r, ferry_address_text(source->address), NULL);
    r = asked_new(source, &channel->asked);
    if (r < 0) {
        channel_free_empty(channel);
        return error_set_errno(error, r, ferry_address_text(source->address), NULL);
    }
    *ret_channel = channel;
    return 0;
}

/* The same for who dials, and the options as they are read. */
static int dialled_new(const struct ferry_address *address, const struct ferry_dial_options *given,
    struct ferry_dial_options *ret_options, struct ferry_channel **ret_channel,
    struct ferry_error *error)
{
    int r = dial_options_read(address, given, ret_options, error);
    if (r < 0)
        return r;
    struct option_source source = { address, ret_options->profile, ADDRESS_DIAL };
    return asked_channel_new(&source, ret_channel, error);
}

int ferry_try_dial(const struct ferry_address *address, const struct ferry_dial_options *options,
    struct ferry_channel **ret_channel, struct ferry_error *error)
{
    struct ferry_dial_options read;
    struct ferry_channel *channel;

    int r = dialled_new(address, options, &read, &channel, error);
    if (r < 0)
        return r;
    r = transport_dial(address, &read, &channel->link, error);
    if (r < 0) {
        channel_free_empty(channel);
        return r;
    }
    r = read.credentials ? dial_speak_as(channel, read.credentials, address, error) : 0;
    if (r < 0)
        ferry_channel_close(channel);
    else
        *ret_channel = channel;
    return r;
}

int ferry_channel_resume(int fd, const struct ferry_address *address,
    const struct ferry_dial_options *options, struct ferry_channel **ret_channel,
    struct ferry_error *error)
{
    AUTO_FD int owned = fd;
    struct ferry_dial_options read;
    struct ferry_channel *channel;

    int r = dial_options_read(address, options, &read, error);
    if (r < 0)
        return r;
    struct option_source source = { address, read.profile,
        read.accepted ? ADDRESS_LISTEN : ADDRESS_DIAL };
    r = asked_channel_new(&source, &channel, error);
    if (r < 0)
        return r;
    r = resume_link(fd_take(&owned), &source, read.refuse_descriptors, &channel->link, error);
    if (r < 0) {
        channel_free_empty(channel);
        return r;
    }
    *ret_channel = channel;
    return 0;
}

int ferry_channel_adopt_dialled(const struct ferry_address *address,
    const struct ferry_dial_options *options, int receive_fd, int send_fd,
    struct ferry_channel **ret_channel, struct ferry_error *error)
{
    AUTO_FD int receiving = receive_fd;
    AUTO_FD int sending = send_fd == receive_fd ? -1 : send_fd;
    struct ferry_dial_options read;
    struct ferry_channel *channel;

    int r = dialled_new(address, options, &read, &channel, error);
    if (r < 0)
        return r;
    (void)fd_take(&receiving);
    (void)fd_take(&sending);
    r = descriptor_link_dialled(
        address, receive_fd, send_fd, read.refuse_descriptors, &channel->link);
    if (r < 0) {
        channel_free_empty(channel);
        return error_set_errno(error, r, ferry_address_text(address), NULL);
    }
    channel->link.remaining = address_get_size(address, "length", -1);
    *ret_channel = channel;
    return 0;
}

static int dial_timed_out(const struct ferry_address *address, struct ferry_error *error)
{
    return error_set(error, -ETIMEDOUT, ferry_address_text(address), NULL,
        "did not answer in time: nobody accepts, or its queue stays full");
}

/* Waits for a connection in progress. */
static int dial_finish(const struct ferry_address *address, struct ferry_channel *channel,
    int64_t deadline_ns, struct ferry_error *error)
{
    for (;;) {
        int r = ferry_channel_connected(channel);
        if (r == 0)
            return 0;
        if (r != -EAGAIN)
            return error_set_errno(error, r, ferry_address_text(address), NULL);
        int timeout_ms = clock_poll_ms(deadline_ns, clock_now_ns());
        if (timeout_ms == 0)
            return dial_timed_out(address, error);
        struct pollfd polled = { .fd = ferry_channel_fd(channel, FERRY_SEND), .events = POLLOUT };
        if (poll(&polled, 1, timeout_ms) < 0 && errno != EINTR)
            return error_set_errno(error, -errno, ferry_address_text(address), NULL);
    }
}

/* As the last try said why not. */
static int dial_gave_up(
    const struct ferry_address *address, const struct ferry_error *last, struct ferry_error *error)
{
    return error_set(error, -ETIMEDOUT, ferry_address_text(address), last->remedy,
        "did not answer in time: %s", last->reason);
}

/* One address, as often as it says "not now". */
static int dial_until(const struct ferry_address *address, const struct ferry_dial_options *options,
    int64_t deadline_ns, struct ferry_channel **ret_channel, struct ferry_error *error)
{
    for (int pause_ms = DIAL_PAUSE_MS;; pause_ms *= 2) {
        struct ferry_channel *channel;
        struct ferry_error last;
        int r = ferry_try_dial(address, options, &channel, &last);
        if (r == 0) {
            r = dial_finish(address, channel, deadline_ns, error);
            if (r < 0)
                ferry_channel_close(channel);
            else
                *ret_channel = channel;
            return r;
        }
        if (r != -EAGAIN) {
            if (error)
                *error = last;
            return r;
        }
        if (pause_ms > DIAL_PAUSE_MS_MAX)
            pause_ms = DIAL_PAUSE_MS_MAX;
        int left_ms = clock_poll_ms(deadline_ns, clock_now_ns());
        if (left_ms == 0)
            return dial_gave_up(address, &last, error);
        poll(NULL, 0, left_ms > 0 && left_ms < pause_ms ? left_ms : pause_ms);
    }
}

static int64_t deadline_share(int64_t deadline_ns, size_t count)
{
    int64_t now_ns = clock_now_ns();
    return deadline_ns == CLOCK_NEVER ? CLOCK_NEVER
                                      : now_ns + (deadline_ns - now_ns) / (int64_t)count;
}

/* It says something about this machine, which lacks that family of addresses or a way there, and
 * nothing about whom it dials. */
static bool is_no_way(int code)
{
    return code == -ENETUNREACH || code == -EADDRNOTAVAIL || code == -EAFNOSUPPORT;
}

/* The addresses of a name in turn, each with an equal share of the time that is left. Fails as the
 * last did that says something about the peer. */
static int dial_each(const struct resolved *resolved, const struct ferry_dial_options *options,
    int64_t deadline_ns, struct ferry_channel **ret_channel, struct ferry_error *error)
{
    int code = 0;

    for (size_t i = 0; i < resolved->count; i++) {
        struct ferry_error failure;
        int r = dial_until(resolved->addresses[i], options,
            deadline_share(deadline_ns, resolved->count - i), ret_channel, &failure);
        if (r == 0)
            return 0;
        if (code < 0 && is_no_way(r))
            continue;
        code = r;
        if (error)
            *error = failure;
    }
    return code;
}

int ferry_dial(const struct ferry_address *address, const struct ferry_dial_options *options,
    int64_t deadline_ns, struct ferry_channel **ret_channel, struct ferry_error *error)
{
    struct resolved resolved;
    int64_t limit_ms = address_get_span_ms(address, "timeout", -1);

    if (limit_ms >= 0 && ferry_deadline(limit_ms) < deadline_ns)
        deadline_ns = ferry_deadline(limit_ms);
    int r = transport_resolve(address, &resolved, error);
    if (r < 0)
        return r;
    r = resolved.count ? dial_each(&resolved, options, deadline_ns, ret_channel, error)
                       : dial_until(address, options, deadline_ns, ret_channel, error);
    resolved_fini(&resolved);
    return r;
}
