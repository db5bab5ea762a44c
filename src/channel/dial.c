/* dial.c - opening a channel to an address, now or until a deadline. */
#include "base/clock.h"
#include "base/error.h"
#include "channel/channel.h"
#include "channel/limits.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>

static void dial_options_read(const struct ferry_address *address,
    const struct ferry_dial_options *given, struct ferry_dial_options *ret_options)
{
    options_read(given, ret_options, sizeof(*ret_options));
    ret_options->refuse_descriptors =
        channel_refuses_descriptors(address, ret_options->refuse_descriptors);
}

int ferry_try_dial(const struct ferry_address *address, const struct ferry_dial_options *options,
    struct ferry_channel **ret_channel, struct ferry_error *error)
{
    struct ferry_dial_options read;
    struct ferry_channel *channel;

    dial_options_read(address, options, &read);
    int r = channel_new(address, &channel);
    if (r < 0)
        return error_set_errno(error, r, ferry_address_text(address), NULL);
    r = transport_dial(address, &read, &channel->link, error);
    if (r < 0) {
        channel_free_empty(channel);
        return r;
    }
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

int ferry_dial(const struct ferry_address *address, const struct ferry_dial_options *options,
    int64_t deadline_ns, struct ferry_channel **ret_channel, struct ferry_error *error)
{
    int64_t limit_ms = address_get_span_ms(address, "timeout", -1);
    if (limit_ms >= 0 && ferry_deadline(limit_ms) < deadline_ns)
        deadline_ns = ferry_deadline(limit_ms);

    for (int pause_ms = DIAL_PAUSE_MS;; pause_ms *= 2) {
        struct ferry_channel *channel;
        int r = ferry_try_dial(address, options, &channel, error);
        if (r == 0) {
            r = dial_finish(address, channel, deadline_ns, error);
            if (r < 0)
                ferry_channel_close(channel);
            else
                *ret_channel = channel;
            return r;
        }
        if (r != -EAGAIN)
            return r;
        if (pause_ms > DIAL_PAUSE_MS_MAX)
            pause_ms = DIAL_PAUSE_MS_MAX;
        int left_ms = clock_poll_ms(deadline_ns, clock_now_ns());
        if (left_ms == 0)
            return dial_timed_out(address, error);
        poll(NULL, 0, left_ms > 0 && left_ms < pause_ms ? left_ms : pause_ms);
    }
}
