/* moving.c - both ends of an auto: connection, as any program has them. */
#include "command/bench/moving.h"
#include "base/clock.h"
#include "command/limits.h"

#include <assert.h>
#include <errno.h>
#include <ferry/channel.h>
#include <ferry/listener.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int listen_at(struct bench_link *link, const char *scheme, const char *option)
{
    static unsigned number;
    char text[64];
    struct ferry_address *address;

    snprintf(
        text, sizeof(text), "%s:@ferry-bench-%d-%u%s", scheme, (int)getpid(), number++, option);
    int code = ferry_address_parse(text, NULL, &address, NULL);
    if (code < 0)
        return code;
    code = ferry_listen(address, NULL, &link->listener, NULL);
    ferry_address_free(address);
    return code;
}

int moving_open(struct bench_link *link)
{
    return listen_at(link, "auto", "");
}

int moving_ring_open(struct bench_link *link)
{
    return listen_at(link, "auto", ",ring=yes");
}

int moving_socket_open(struct bench_link *link)
{
    return listen_at(link, "auto", ",ring=no");
}

int moving_plain_open(struct bench_link *link)
{
    return listen_at(link, "unix-seq", "");
}

static int64_t give_up_ns(void)
{
    return clock_after(clock_now_ns(), BENCH_STUCK_MS * NS_PER_MS);
}

int moving_join(struct bench_link *link, unsigned side, struct bench_end *end)
{
    const struct ferry_address *address = ferry_listener_address(link->listener);
    int code = ferry_inbox_new(link->crossing.size, 1, &end->inbox);

    if (code < 0)
        return code;
    code = side == 0 ? ferry_dial(address, NULL, give_up_ns(), &end->channel, NULL)
                     : ferry_listener_accept(link->listener, give_up_ns(), &end->channel);
    if (code < 0)
        return code;
    end->give_up_ns = clock_after(give_up_ns(), link->crossing.span_ns);
    end->receive_fd = ferry_channel_fd(end->channel, FERRY_RECEIVE);
    end->send_fd = ferry_channel_fd(end->channel, FERRY_SEND);
    return 0;
}

ssize_t moving_send(struct bench_end *end, const void *data, size_t size)
{
    struct iovec buffer = { (void *)(uintptr_t)data, size };
    struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
    int code = ferry_channel_try_send(end->channel, &outgoing, 1);
    return code < 0 ? code : (ssize_t)size;
}

ssize_t moving_receive(struct bench_end *end, void *data, size_t size)
{
    struct ferry_message message;
    int code = end->wait == BENCH_ADAPTIVE
                   ? ferry_channel_receive(end->channel, end->inbox, &message, end->give_up_ns)
                   : ferry_channel_try_receive(end->channel, end->inbox, &message, 1);

    if (code <= 0)
        return code;
    bool whole = message.size == size && message.descriptor_count == 0;
    if (whole)
        memcpy(data, message.data, size < BENCH_LOOKED_AT ? size : BENCH_LOOKED_AT);
    ferry_message_fini(&message);
    return whole ? (ssize_t)size : -EBADMSG;
}

/* --- where it has moved ----------------------------------------------------------------------- */

static struct ferry_auto_stats stats_of(const struct bench_end *end)
{
    struct ferry_auto_stats stats = { .struct_size = sizeof(stats) };
    int code = ferry_auto_get_stats(end->channel, &stats);

    assert(code == 0); /* each is auto: */
    (void)code;
    return stats;
}

void moving_count(const struct bench_end *end, uint64_t ret_counts[BENCH_LANES])
{
    struct ferry_auto_stats stats = stats_of(end);

    ret_counts[FERRY_LANE_SOCKET] = stats.socket_messages;
    ret_counts[FERRY_LANE_RING] = stats.ring_messages;
}

/* It has left it for a moment only. */
static bool is_in_ring(const struct ferry_auto_stats *stats)
{
    return stats->lanes[FERRY_SEND] == FERRY_LANE_RING || stats->reason == FERRY_AUTO_FULL ||
           stats->reason == FERRY_AUTO_PASSING;
}

/* For longer than a slice: it need neither measure nor ask the peer any more. */
static bool stays_on_socket(enum ferry_auto_reason reason)
{
    switch (reason) {
    case FERRY_AUTO_NEW:
    case FERRY_AUTO_SLOW:
    case FERRY_AUTO_FAST:
    case FERRY_AUTO_HOPEFUL:
    case FERRY_AUTO_WAITING:
        return false;
    default:
        return true;
    }
}

bool moving_is_settled(struct bench_end *end)
{
    struct ferry_auto_stats stats = stats_of(end);
    int64_t now_ns = clock_now_ns();

    if (!is_in_ring(&stats)) {
        end->moved_ns = 0;
        return stays_on_socket(stats.reason);
    }
    if (!end->moved_ns)
        end->moved_ns = now_ns;
    return stats.reason == FERRY_AUTO_FORCED || now_ns - end->moved_ns >= BENCH_TRIAL_NS;
}
