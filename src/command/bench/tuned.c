/* tuned.c - both ends as ferry makes them, the listener and who dials tuned alike.
 *
 * What is measured are bare calls on their sockets, as with everything else. An option that the
 * kernel does not keep (quickack) so has its effect until the kernel takes it back.
 */
#include "command/bench/tuned.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/limits.h"

#include <errno.h>
#include <ferry/channel.h>
#include <ferry/listener.h>
#include <ferry/profile.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

const char *const tuned_profiles[TUNED_COUNT] = { "none", "web", "realtime", "bulk" };

static int descriptor_of(const struct ferry_channel *channel)
{
    int fd = fcntl(ferry_channel_fd(channel, FERRY_SEND), F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

static int client_open(
    const struct ferry_listener *listener, const struct ferry_profile *profile, int64_t deadline_ns)
{
    struct ferry_dial_options options = { .struct_size = sizeof(options), .profile = profile };
    struct ferry_channel *channel;
    int code = ferry_dial(ferry_listener_address(listener), &options, deadline_ns, &channel, NULL);

    if (code < 0)
        return code;
    int fd = descriptor_of(channel);
    ferry_channel_close(channel);
    return fd;
}

static int server_open(struct ferry_listener *listener, int64_t deadline_ns)
{
    struct ferry_channel *channel;
    int code = ferry_listener_accept(listener, deadline_ns, &channel);

    if (code < 0)
        return code;
    int fd = descriptor_of(channel);
    ferry_channel_close(channel);
    return fd;
}

/* The byte that a listener may want to see before it tells of a connection (defer-accept). */
static int byte_send(int fd)
{
    return send(fd, "", 1, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static int byte_receive(int fd, int64_t deadline_ns)
{
    struct pollfd one = { .fd = fd, .events = POLLIN };
    char byte;
    int r = poll(&one, 1, clock_poll_ms(deadline_ns, clock_now_ns()));

    if (r <= 0)
        return r < 0 ? -errno : -ETIMEDOUT;
    return recv(fd, &byte, 1, 0) == 1 ? 0 : -EPIPE;
}

static int ends_open(
    struct bench_link *link, struct ferry_listener *listener, const struct ferry_profile *profile)
{
    int64_t deadline_ns = clock_after(clock_now_ns(), BENCH_STUCK_MS * NS_PER_MS);
    int client = client_open(listener, profile, deadline_ns);

    if (client < 0)
        return client;
    link->pairs[0][0] = link->pairs[0][1] = client;
    int code = byte_send(client);
    int server = code < 0 ? code : server_open(listener, deadline_ns);
    if (server < 0)
        return server;
    link->pairs[1][0] = link->pairs[1][1] = server;
    return byte_receive(server, deadline_ns);
}

int tuned_open(struct bench_link *link)
{
    const char *name = link->crossing.profile;
    struct ferry_profile *profile = NULL;
    struct ferry_address *address = NULL;
    struct ferry_listener *listener = NULL;
    int code = strcmp(name, tuned_profiles[0]) != 0 ? ferry_profile_new(name, &profile) : 0;

    if (code == 0)
        code = ferry_address_parse("tcp:127.0.0.1:0", NULL, &address, NULL);
    if (code == 0) {
        struct ferry_listen_options options = { .struct_size = sizeof(options),
            .profile = profile };
        code = ferry_listen(address, &options, &listener, NULL);
    }
    if (code == 0)
        code = ends_open(link, listener, profile);
    ferry_listener_close(listener);
    ferry_address_free(address);
    ferry_profile_free(profile);
    return code;
}
