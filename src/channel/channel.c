/* channel.c - channels: a link with framing, deadlines and what is known about the peer. */
#include "channel/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/sized.h"
#include "channel/framing.h"
#include "channel/limits.h"
#include "channel/options.h"
#include "channel/weather.h"
#include "memory/window.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* The text of a peer that has no address; most have none. */
static char peer_unnamed[] = "";

int channel_new(const struct ferry_address *address, struct ferry_channel **ret_channel)
{
    const char *name = address ? ferry_address_option(address, "frame") : NULL;
    AUTO_FREE struct ferry_channel *channel = calloc(1, sizeof(*channel));
    if (!channel)
        return -ENOMEM;
    if (name) {
        int r = framing_new(frame_from_name(name), &channel->framing);
        if (r < 0)
            return r;
    }
    if (address && address_weather_key(address)) {
        channel->weather = malloc(sizeof(*channel->weather));
        if (!channel->weather) {
            framing_free(channel->framing);
            return -ENOMEM;
        }
        weather_read(address, channel->weather);
    }
    *ret_channel = TAKE(channel);
    return 0;
}

void channel_free_empty(struct ferry_channel *channel)
{
    framing_free(channel->framing);
    free(channel->weather);
    asked_unref(channel->asked);
    ferry_identity_free(channel->identity);
    free((void *)(uintptr_t)channel->link.credentials);
    if (channel->peer != peer_unnamed)
        free(channel->peer);
    free(channel);
}

bool channel_refuses_descriptors(const struct ferry_address *address, bool refuse)
{
    return refuse || !address_get_flag(address, "descriptors", true);
}

void channel_reset_at_close(const struct ferry_channel *channel)
{
    static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    if (channel->link.flags & (LINK_SESSION | LINK_SHARED))
        return; /* the socket is not ours alone to break */
    (void)setsockopt(channel->link.send_fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void ferry_channel_close(struct ferry_channel *channel)
{
    if (!channel)
        return;
    channel->link.ops->close(&channel->link);
    channel_free_empty(channel);
}

bool channel_is_whole(const struct ferry_channel *channel)
{
    return (channel->link.flags & LINK_WHOLE) && !channel->link.path;
}

bool channel_holds(struct ferry_channel *channel)
{
    const struct link_ops *ops = channel->link.ops;
    return (channel->framing && !framing_is_empty(channel->framing)) ||
           (ops->pending && ops->pending(&channel->link)) || ferry_channel_connected(channel) < 0;
}

int channel_release(struct ferry_channel *channel)
{
    int fd = channel->link.receive_fd;
    free(channel->link.state);
    channel_free_empty(channel);
    return fd;
}

int ferry_channel_pair(
    enum ferry_scheme scheme, struct ferry_channel **ret_one, struct ferry_channel **ret_other)
{
    struct ferry_channel *one, *other;
    int r = channel_new(NULL, &one);
    if (r < 0)
        return r;
    r = channel_new(NULL, &other);
    if (r < 0) {
        channel_free_empty(one);
        return r;
    }
    r = unix_pair(scheme, &one->link, &other->link);
    if (r < 0) {
        channel_free_empty(one);
        channel_free_empty(other);
        return r;
    }
    *ret_one = one;
    *ret_other = other;
    return 0;
}

int ferry_channel_adopt(int fd, struct ferry_channel **ret_channel)
{
    AUTO_FD int owned = fd;
    struct ferry_channel *channel;
    int r = channel_new(NULL, &channel);
    if (r < 0)
        return r;
    r = descriptor_link(fd_take(&owned), false, &channel->link);
    if (r < 0) {
        channel_free_empty(channel);
        return r;
    }
    *ret_channel = channel;
    return 0;
}

void ferry_children_reap(void)
{
    exec_sweep();
}

/* --- sending and receiving -------------------------------------------------------------------- */

int ferry_channel_try_send(
    struct ferry_channel *channel, struct ferry_outgoing *batch, size_t count)
{
    unsigned capabilities = channel->link.capabilities;
    if (!(capabilities & FERRY_CAN_SEND))
        return -EOPNOTSUPP;
    for (size_t i = 0; i < count; i++) {
        if (batch[i].credentials && !(capabilities & FERRY_HAS_IDENTITY))
            return -EOPNOTSUPP;
        if (!batch[i].descriptor_count)
            continue;
        if (!(capabilities & FERRY_HAS_DESCRIPTORS))
            return -EOPNOTSUPP;
        if (batch[i].descriptor_count > FERRY_DESCRIPTORS_MAX)
            return -EINVAL;
    }
    if (channel->framing)
        return framing_send(channel->framing, &channel->link, batch, count);
    return channel->link.ops->send(&channel->link, batch, count);
}

/* Something waits that asking the kernel is not needed for. */
static bool channel_has_pending(const struct ferry_channel *channel)
{
    if (channel->framing && framing_pending(channel->framing))
        return true;
    return channel->link.ops->pending && channel->link.ops->pending(&channel->link);
}

static inline int channel_receive_any(struct ferry_channel *channel, struct ferry_inbox *inbox,
    struct ferry_message *batch, size_t count)
{
    if (channel->framing)
        return framing_receive(channel->framing, &channel->link, inbox, batch, count);
    return channel->link.ops->receive(&channel->link, inbox, batch, count);
}

/* What is left where nothing more comes. A function of its own, so that every other receive saves
 * nothing for it. */
__attribute__((noinline)) static int channel_receive_rest(struct ferry_channel *channel,
    struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    return channel_has_pending(channel) ? channel_receive_any(channel, inbox, batch, count) : 0;
}

int ferry_channel_try_receive(struct ferry_channel *channel, struct ferry_inbox *inbox,
    struct ferry_message *batch, size_t count)
{
    if (!(channel->link.capabilities & FERRY_CAN_RECEIVE))
        return -EOPNOTSUPP;
    if (channel->stopped)
        return channel_receive_rest(channel, inbox, batch, count);
    return channel_receive_any(channel, inbox, batch, count);
}

/* What poll(2) is asked for. Room to send is not waited for once the kernel has everything. */
static short poll_events(const struct ferry_channel *channel, enum ferry_direction direction)
{
    if (direction == FERRY_RECEIVE)
        return POLLIN;
    return channel->link.flags & LINK_AWAITS ? 0 : POLLOUT;
}

/* Waits until a direction is worth another try.
 *   blind  poll(2) can't tell: the peer of a datagram session is full, or a writable socket refuses
 *          descriptors in flight. Waits a pause instead, which doubles. */
static int channel_wait(struct ferry_channel *channel, enum ferry_direction direction, bool blind,
    int *pause_ms, int64_t deadline_ns)
{
    int timeout_ms = clock_poll_ms(deadline_ns, clock_now_ns());
    if (timeout_ms == 0)
        return -ETIMEDOUT;
    if (blind) {
        *pause_ms = *pause_ms ? *pause_ms * 2 : SESSION_RETRY_MS;
        if (*pause_ms > SESSION_RETRY_MS_MAX)
            *pause_ms = SESSION_RETRY_MS_MAX;
        if (timeout_ms < 0 || timeout_ms > *pause_ms)
            timeout_ms = *pause_ms;
    }
    struct pollfd polled = { .fd = ferry_channel_fd(channel, direction),
        .events = poll_events(channel, direction) };
    int r = poll(&polled, blind ? 0 : 1, timeout_ms);
    return r < 0 && errno != EINTR ? -errno : 0;
}

int ferry_channel_send(
    struct ferry_channel *channel, struct ferry_outgoing *outgoing, int64_t deadline_ns)
{
    bool session = channel->link.flags & LINK_SESSION;
    int pause_ms = 0;

    for (bool waited = false;; waited = true) {
        size_t before = outgoing->sent_size;
        int r = ferry_channel_try_send(channel, outgoing, 1);
        if (r != -EAGAIN)
            return r < 0 ? r : 0;
        /* Nothing went although it was writable: asking poll(2) again at once would spin. */
        bool awaits = channel->link.flags & LINK_AWAITS;
        bool balks = waited && outgoing->sent_size == before && !awaits;
        r = channel_wait(channel, FERRY_SEND, session || balks, &pause_ms, deadline_ns);
        if (r < 0)
            return r;
    }
}

int ferry_channel_send_bytes(
    struct ferry_channel *channel, const void *data, size_t size, int64_t deadline_ns)
{
    struct iovec buffer = { (void *)(uintptr_t)data, size };
    struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
    return ferry_channel_send(channel, &outgoing, deadline_ns);
}

/* Where the answer was not there yet a moment ago, as in a conversation, it will not be there at
 * once now either: asking for it would be a call for nothing. Each time but one in RECEIVES_QUIET,
 * so that it is noticed when that has changed. */
static bool wait_first(struct ferry_channel *channel)
{
    if (!channel->likely_quiet || channel->stopped || ferry_channel_pending(channel))
        return false;
    channel->likely_quiet--;
    return !(channel->link.flags & LINK_SESSION);
}

int ferry_channel_receive(struct ferry_channel *channel, struct ferry_inbox *inbox,
    struct ferry_message *message, int64_t deadline_ns)
{
    const struct link_ops *ops = channel->link.ops;
    int pause_ms = 0;

    if (ops->receive_soon) {
        int r = ops->receive_soon(&channel->link, inbox, message, deadline_ns);
        if (r != -EAGAIN)
            return r;
    }
    bool skip = wait_first(channel);
    for (bool waited = false;; waited = true) {
        int r = skip ? -EAGAIN : ferry_channel_try_receive(channel, inbox, message, 1);
        if (r != -EAGAIN)
            return r;
        if (!skip && !waited)
            channel->likely_quiet = RECEIVES_QUIET;
        /* A session's socket may be readable for others only, and not be read while one is full. */
        bool blind = waited && (channel->link.flags & LINK_SESSION);
        r = channel_wait(channel, FERRY_RECEIVE, blind, &pause_ms, deadline_ns);
        if (r < 0 && !(skip && r == -ETIMEDOUT)) /* what is there is received, however late */
            return r;
        skip = false;
    }
}

int ferry_channel_shutdown(struct ferry_channel *channel)
{
    if (!(channel->link.capabilities & FERRY_HAS_HALF_CLOSE) || !channel->link.ops->shutdown)
        return -EOPNOTSUPP;
    return channel->link.ops->shutdown(&channel->link);
}

void ferry_channel_stop_receiving(struct ferry_channel *channel)
{
    if (channel->stopped)
        return;
    const struct link_ops *ops = channel->link.ops;
    channel->stopped = !ops->stop_receiving || !ops->stop_receiving(&channel->link);
    if (channel->link.on_change)
        channel->link.on_change(channel->link.on_change_data);
}

int ferry_channel_connected(struct ferry_channel *channel)
{
    return channel->link.ops->connected ? channel->link.ops->connected(&channel->link) : 0;
}

/* --- asking ----------------------------------------------------------------------------------- */

unsigned ferry_channel_capabilities(const struct ferry_channel *channel)
{
    return channel->link.capabilities | (channel->framing ? FERRY_HAS_BOUNDARIES : 0);
}

int ferry_channel_fd(const struct ferry_channel *channel, enum ferry_direction direction)
{
    return direction == FERRY_SEND ? channel->link.send_fd : channel->link.receive_fd;
}

bool ferry_channel_pending(const struct ferry_channel *channel)
{
    return channel->stopped || channel_has_pending(channel);
}

const char *ferry_channel_peer(const struct ferry_channel *channel)
{
    char text[512] = "";
    if (channel->peer)
        return channel->peer;
    if (channel->link.ops->peer)
        channel->link.ops->peer(&channel->link, text, sizeof(text));
    /* Remembering is invisible to the caller, so asking stays a question about a const channel. */
    struct ferry_channel *remembering = (struct ferry_channel *)(uintptr_t)channel;
    remembering->peer = text[0] ? strdup(text) : peer_unnamed;
    return remembering->peer ? remembering->peer : "";
}

/* Pipes have one buffer, sockets two; nothing else has any that can be sized. */
int ferry_channel_get_buffer(
    const struct ferry_channel *channel, enum ferry_direction direction, size_t *ret_size)
{
    int fd = ferry_channel_fd(channel, direction), size;
    socklen_t length = sizeof(size);
    int option = direction == FERRY_SEND ? SO_SNDBUF : SO_RCVBUF;

    if (fd < 0)
        return -EOPNOTSUPP;
    if (getsockopt(fd, SOL_SOCKET, option, &size, &length) < 0) {
        size = errno == ENOTSOCK ? fcntl(fd, F_GETPIPE_SZ) : -1;
        if (size < 0)
            return -EOPNOTSUPP;
    }
    *ret_size = (size_t)size;
    return 0;
}

int ferry_channel_set_buffer(
    struct ferry_channel *channel, enum ferry_direction direction, size_t size)
{
    int fd = ferry_channel_fd(channel, direction);
    int option = direction == FERRY_SEND ? SO_SNDBUF : SO_RCVBUF;
    int value = size > INT_MAX / 2 ? INT_MAX / 2 : (int)size;

    if (fd < 0)
        return -EOPNOTSUPP;
    if (setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)) == 0)
        return 0;
    if (errno != ENOTSOCK)
        return -errno;
    if (fcntl(fd, F_SETPIPE_SZ, value) >= 0)
        return 0;
    return errno == EBADF || errno == EINVAL ? -EOPNOTSUPP : -errno;
}

int ferry_channel_get_options(
    const struct ferry_channel *channel, bool all, struct ferry_options **ret_options)
{
    int fd = channel->link.receive_fd >= 0 ? channel->link.receive_fd : channel->link.send_fd;
    return options_read_back(fd, ADDRESS_DIAL, channel->asked, all, ret_options);
}

/* --- looking ---------------------------------------------------------------------------------- */

int ferry_channel_open_window(const struct ferry_channel *channel,
    const struct ferry_window_options *options, struct ferry_window **ret_window,
    struct ferry_error *error)
{
    static const char thing[] = "window";
    const struct link *link = &channel->link;
    struct ferry_window_options read;

    int r = options_read(options, &read, sizeof(read), thing, error);
    if (r < 0)
        return r;
    if (!(link->flags & LINK_FILE) || channel->framing)
        return error_set(error, -EOPNOTSUPP, thing, "receive from the channel",
            channel->framing ? "frame= was asked for" : "no file is behind the channel");
    int64_t at = lseek(link->receive_fd, 0, SEEK_CUR);
    if (at < 0)
        return error_set_errno(error, -errno, thing, NULL);
    uint64_t left = link->remaining >= 0 ? (uint64_t)link->remaining : INT64_MAX;
    if (left > (uint64_t)(INT64_MAX - at))
        left = (uint64_t)(INT64_MAX - at);
    if (read.offset > left)
        read.offset = left;
    if (read.size && read.size < left - read.offset)
        left = read.offset + read.size;
    read.offset += (uint64_t)at;
    return window_open(link->receive_fd, &read, thing, (uint64_t)at + left, ret_window, error);
}
