/* listener.c - a place where peers arrive; each arrives as a channel. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "channel/channel.h"
#include "transport/transport.h"
#include "transport/unix_path.h"

#include <errno.h>
#include <ferry/listener.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>

struct ferry_listener {
    struct listening listening;
    struct ferry_address *address; /* as given: its frame= shapes the channels */
};

static int listen_options_read(const struct ferry_address *address,
    const struct ferry_listen_options *given, struct ferry_listen_options *ret_options,
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

static int listener_new(const struct ferry_address *address, struct ferry_listener **ret_listener,
    struct ferry_error *error)
{
    struct ferry_listener *listener = calloc(1, sizeof(*listener));
    int r = listener
                ? ferry_address_parse(ferry_address_text(address), NULL, &listener->address, error)
                : error_set_errno(error, -ENOMEM, ferry_address_text(address), NULL);
    if (r < 0) {
        free(listener);
        return r;
    }
    *ret_listener = listener;
    return 0;
}

static void listener_free(struct ferry_listener *listener)
{
    ferry_address_free(listener->address);
    free(listener);
}

int ferry_listen(const struct ferry_address *address, const struct ferry_listen_options *options,
    struct ferry_listener **ret_listener, struct ferry_error *error)
{
    struct ferry_listen_options read;
    struct ferry_listener *listener;

    int r = listen_options_read(address, options, &read, error);
    if (r < 0)
        return r;
    r = listener_new(address, &listener, error);
    if (r < 0)
        return r;
    r = transport_listen(address, &read, &listener->listening, error);
    if (r < 0) {
        listener_free(listener);
        return r;
    }
    *ret_listener = listener;
    return 0;
}

/* A listener of an open socket, which `start` takes. */
static int listener_make(int fd, const struct ferry_address *address,
    const struct ferry_listen_options *options,
    int (*start)(int fd, const struct ferry_address *address,
        const struct ferry_listen_options *options, struct listening *ret_listening,
        struct ferry_error *error),
    struct ferry_listener **ret_listener, struct ferry_error *error)
{
    AUTO_FD int owned = fd;
    struct ferry_listen_options read;
    struct ferry_listener *listener;

    int r = listen_options_read(address, options, &read, error);
    if (r < 0)
        return r;
    r = listener_new(address, &listener, error);
    if (r < 0)
        return r;
    r = start(fd_take(&owned), address, &read, &listener->listening, error);
    if (r < 0) {
        listener_free(listener);
        return r;
    }
    *ret_listener = listener;
    return 0;
}

int ferry_listener_adopt(int fd, const struct ferry_address *address,
    const struct ferry_listen_options *options, struct ferry_listener **ret_listener,
    struct ferry_error *error)
{
    return listener_make(fd, address, options, descriptor_listening, ret_listener, error);
}

int ferry_listener_resume(int fd, const struct ferry_address *address,
    const struct ferry_listen_options *options, struct ferry_listener **ret_listener,
    struct ferry_error *error)
{
    return listener_make(fd, address, options, resume_listening, ret_listener, error);
}

void ferry_listener_leave(struct ferry_listener *listener)
{
    unix_path_leave(TAKE(listener->listening.path));
    ferry_listener_close(listener);
}

void ferry_listener_close(struct ferry_listener *listener)
{
    if (!listener)
        return;
    listener->listening.ops->close(&listener->listening);
    listener_free(listener);
}

int ferry_listener_try_accept(struct ferry_listener *listener, struct ferry_channel **ret_channel)
{
    struct ferry_channel *channel;
    int r = channel_new(listener->address, &channel);
    if (r < 0)
        return r;
    r = listener->listening.ops->accept(&listener->listening, &channel->link);
    if (r < 0) {
        channel_free_empty(channel);
        return r;
    }
    *ret_channel = channel;
    return 0;
}

int ferry_listener_accept(
    struct ferry_listener *listener, int64_t deadline_ns, struct ferry_channel **ret_channel)
{
    for (;;) {
        int r = ferry_listener_try_accept(listener, ret_channel);
        if (r != -EAGAIN)
            return r;
        int timeout_ms = clock_poll_ms(deadline_ns, clock_now_ns());
        if (timeout_ms == 0)
            return -ETIMEDOUT;
        struct pollfd polled = { .fd = listener->listening.fd, .events = POLLIN };
        if (poll(&polled, 1, timeout_ms) < 0 && errno != EINTR)
            return -errno;
    }
}

int ferry_listener_fd(const struct ferry_listener *listener)
{
    return listener->listening.fd;
}

int ferry_listener_socket(const struct ferry_listener *listener)
{
    return listening_socket(&listener->listening);
}

const struct ferry_address *ferry_listener_address(const struct ferry_listener *listener)
{
    return listener->listening.bound ? listener->listening.bound : listener->address;
}

uint64_t ferry_listener_dropped(const struct ferry_listener *listener)
{
    return listening_dropped(&listener->listening);
}

unsigned ferry_listener_capabilities(const struct ferry_listener *listener)
{
    unsigned framed = ferry_address_option(listener->address, "frame") ? FERRY_HAS_BOUNDARIES : 0;
    return listener->listening.capabilities | framed;
}
