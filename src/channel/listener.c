/* listener.c - a place where peers arrive; each arrives as a channel. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/sized.h"
#include "channel/channel.h"
#include "channel/limits.h"
#include "channel/options.h"
#include "transport/transport.h"
#include "transport/unix_path.h"

#include <errno.h>
#include <ferry/listener.h>
#include <ferry/policy.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

struct ferry_listener {
    struct listening listening;
    struct ferry_address *address; /* as given: its frame= shapes the channels */
    struct ferry_policy *policy;   /* of its allow= and deny=; NULL: everybody is brought */
    uint64_t refused;
    struct asked *asked; /* of its sockets' options; counted; NULL: nothing */
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

static void listener_free(struct ferry_listener *listener)
{
    ferry_policy_free(listener->policy);
    ferry_address_free(listener->address);
    asked_unref(listener->asked);
    free(listener);
}

static int listener_make_policy(struct ferry_listener *listener, struct ferry_error *error)
{
    const struct ferry_address *address = listener->address;
    if (!ferry_address_option(address, "allow") && !ferry_address_option(address, "deny"))
        return 0;
    int r = ferry_policy_new(&listener->policy);
    if (r < 0)
        return error_set_errno(error, r, ferry_address_text(address), NULL);
    return ferry_policy_add_address(listener->policy, address, error);
}

static int listener_fill(struct ferry_listener *listener, const struct ferry_address *address,
    const struct ferry_listen_options *options, struct ferry_error *error)
{
    struct option_source source = { address, options->profile, ADDRESS_LISTEN };
    int r = ferry_address_parse(ferry_address_text(address), NULL, &listener->address, error);
    if (r == 0 && !options->admit_all)
        r = listener_make_policy(listener, error);
    if (r < 0)
        return r;
    r = asked_new(&source, &listener->asked);
    return r < 0 ? error_set_errno(error, r, ferry_address_text(address), NULL) : 0;
}

/* A listener that does not listen yet, and the options as they are read. */
static int listener_new(const struct ferry_address *address,
    const struct ferry_listen_options *given, struct ferry_listen_options *ret_options,
    struct ferry_listener **ret_listener, struct ferry_error *error)
{
    int r = listen_options_read(address, given, ret_options, error);
    if (r < 0)
        return r;
    struct ferry_listener *listener = calloc(1, sizeof(*listener));
    if (!listener)
        return error_set_errno(error, -ENOMEM, ferry_address_text(address), NULL);
    r = listener_fill(listener, address, ret_options, error);
    if (r < 0) {
        listener_free(listener);
        return r;
    }
    *ret_listener = listener;
    return 0;
}

/* Rules about the program of who sends datagrams: the kernel must be asked before they come.
 * `fd` is a socket that was inherited, else -1.
 * Connections tell it by themselves, and each message would cost a descriptor more. */
static bool listener_asks_pidfd(const struct ferry_listener *listener, int fd)
{
    int type = listener->address->scheme == FERRY_UNIX_DGRAM ? SOCK_DGRAM : 0;
    socklen_t size = sizeof(type);

    if (fd >= 0)
        (void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
    if (!listener->policy || type != SOCK_DGRAM)
        return false;
    for (size_t i = 1; i <= ferry_policy_count(listener->policy); i++) {
        enum ferry_fact fact = ferry_policy_fact(listener->policy, i);
        if (fact == FERRY_FACT_EXECUTABLE || fact == FERRY_FACT_UNIT)
            return true;
    }
    return false;
}

/* Once it listens, or does not (r < 0): what its rules ask for must be there to be known. */
static int listener_finish(struct ferry_listener *listener, int r,
    struct ferry_listener **ret_listener, struct ferry_error *error)
{
    if (r < 0) {
        listener_free(listener);
        return r;
    }
    if (listener->policy)
        r = ferry_policy_check(listener->policy, listener->listening.capabilities, error);
    if (r < 0) {
        ferry_listener_close(listener);
        return r;
    }
    *ret_listener = listener;
    return 0;
}

int ferry_listen(const struct ferry_address *address, const struct ferry_listen_options *options,
    struct ferry_listener **ret_listener, struct ferry_error *error)
{
    struct ferry_listen_options read;
    struct ferry_listener *listener;

    int r = listener_new(address, options, &read, &listener, error);
    if (r < 0)
        return r;
    read.message_pidfd |=
        listener_asks_pidfd(listener, address->scheme == FERRY_FD ? address->descriptor : -1);
    r = transport_listen(address, &read, &listener->listening, error);
    return listener_finish(listener, r, ret_listener, error);
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

    int r = listener_new(address, options, &read, &listener, error);
    if (r < 0)
        return r;
    read.message_pidfd |= listener_asks_pidfd(listener, fd);
    r = start(fd_take(&owned), address, &read, &listener->listening, error);
    return listener_finish(listener, r, ret_listener, error);
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
    if (listener)
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

static int listener_bring(struct ferry_listener *listener, struct ferry_channel **ret_channel)
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
    channel->asked = asked_ref(listener->asked);
    *ret_channel = channel;
    return 0;
}

static bool listener_admits(struct ferry_listener *listener, struct ferry_channel *channel)
{
    struct ferry_identity *who = NULL; /* out of memory: nothing is known */
    struct ferry_verdict verdict;

    if (!listener->policy)
        return true;
    (void)!ferry_channel_identity(channel, &who);
    ferry_policy_decide(listener->policy, who, &verdict);
    ferry_channel_forget_identity(channel);
    return verdict.allowed;
}

int ferry_listener_try_accept(struct ferry_listener *listener, struct ferry_channel **ret_channel)
{
    for (unsigned i = 0; i < LISTENER_REFUSALS_MAX; i++) {
        struct ferry_channel *channel;
        int r = listener_bring(listener, &channel);
        if (r < 0)
            return r;
        if (listener_admits(listener, channel)) {
            *ret_channel = channel;
            return 0;
        }
        ferry_channel_close(channel);
        listener->refused++;
    }
    return -EAGAIN;
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

uint64_t ferry_listener_refused(const struct ferry_listener *listener)
{
    return listener->refused;
}

unsigned ferry_listener_capabilities(const struct ferry_listener *listener)
{
    unsigned framed = ferry_address_option(listener->address, "frame") ? FERRY_HAS_BOUNDARIES : 0;
    return listener->listening.capabilities | framed;
}

int ferry_listener_get_options(
    const struct ferry_listener *listener, bool all, struct ferry_options **ret_options)
{
    const struct listening *listening = &listener->listening;
    int fd = listening_socket(listening);
    return options_read_back(fd, ADDRESS_LISTEN, listener->asked, all, ret_options);
}
