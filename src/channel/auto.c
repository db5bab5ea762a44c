/* auto.c - asking and telling an auto: channel. */
#include "transport/auto/auto.h"
#include "base/cleanup.h"
#include "channel/channel.h"

#include <string.h>

static const struct {
    const char *name, *text;
} reasons[] = {
    [FERRY_AUTO_NEW] = { "new", "nothing has been measured yet" },
    [FERRY_AUTO_SLOW] = { "slow", "so few messages are no dearer by the socket" },
    [FERRY_AUTO_FAST] = { "fast", "so many messages are cheaper through shared memory" },
    [FERRY_AUTO_SLEEPY] = { "sleepy",
        "the peer slept before each message, and waking it costs the same either way" },
    [FERRY_AUTO_FULL] = { "full", "the ring was full" },
    [FERRY_AUTO_PASSING] = { "passing",
        "a message had descriptors, or was too large for the ring" },
    [FERRY_AUTO_WAITING] = { "waiting",
        "the peer was asked for shared memory and has not answered" },
    [FERRY_AUTO_FORCED] = { "forced", "shared memory was asked for" },
    [FERRY_AUTO_FORBIDDEN] = { "forbidden", "shared memory is forbidden here" },
    [FERRY_AUTO_PEER_FORBIDS] = { "peer-forbids", "the peer forbids shared memory" },
    [FERRY_AUTO_NOT_DIRECT] = { "not-direct",
        "another process stands between the two, or the connection was handed to one" },
    [FERRY_AUTO_UNKNOWN_PEER] = { "unknown-peer",
        "the peer can't be told from here: it is in another PID namespace, or sock_diag(7) says "
        "nothing" },
    [FERRY_AUTO_NO_MEMORY] = { "no-memory", "there was no memory, or no descriptor, for it" },
    [FERRY_AUTO_UNUSABLE] = { "unusable",
        "what was offered is of another version, too large, or not sealed" },
    [FERRY_AUTO_HOPEFUL] = { "hopeful",
        "answers are waited for, which come sooner through shared memory, so that it is tried" },
};

static_assert(COUNT_OF(reasons) == FERRY_AUTO_REASON_COUNT, "each has a text");

/* It may be of a newer library's, or a number from elsewhere. */
static bool is_known(enum ferry_auto_reason reason)
{
    return (unsigned)reason < FERRY_AUTO_REASON_COUNT;
}

const char *ferry_auto_reason_name(enum ferry_auto_reason reason)
{
    return is_known(reason) ? reasons[reason].name : "unknown";
}

const char *ferry_auto_reason_text(enum ferry_auto_reason reason)
{
    return is_known(reason) ? reasons[reason].text : "for a reason that is not known here";
}

const char *ferry_lane_name(enum ferry_lane lane)
{
    return lane == FERRY_LANE_RING ? "ring" : "socket";
}

bool channel_is_auto(const struct ferry_channel *channel)
{
    return auto_end_of(&channel->link) != NULL;
}

int ferry_auto_get_stats(const struct ferry_channel *channel, struct ferry_auto_stats *ret_stats)
{
    const struct auto_end *end = auto_end_of(&channel->link);
    size_t size = ret_stats->struct_size;

    if (!end)
        return -EOPNOTSUPP;
    if (size < sizeof(size))
        return -EINVAL;
    if (size > sizeof(end->stats))
        size = sizeof(end->stats);
    memcpy(ret_stats, &end->stats, size);
    ret_stats->struct_size = size;
    return 0;
}

static_assert(sizeof(struct ferry_auto_note) == 88, "two processes share it");
static_assert(sizeof(struct ferry_auto_note) <= RING_NOTE_SIZE, "it has room in a ring");

/* No NaN, and nothing that nobody could have measured. */
static bool is_figure(double value)
{
    return value >= 0 && value <= 1e15;
}

int ferry_auto_read_note(int fd, struct ferry_auto_note *ret_note)
{
    struct ferry_auto_note note;
    ssize_t size = pread(fd, &note, sizeof(note), RING_NOTE_OFFSET);

    if (size < 0)
        return -errno;
    if (size != sizeof(note) || note.socket_inode == 0 || note.lane > FERRY_LANE_RING ||
        note.reason >= FERRY_AUTO_REASON_COUNT || !is_figure(note.rate_per_s) ||
        !is_figure(note.receive_rate_per_s) || !is_figure(note.mean_size) || note.measured_ns < 0)
        return -EPROTO;
    *ret_note = note;
    return 0;
}

int ferry_auto_prefer(struct ferry_channel *channel, enum ferry_auto_preference preference)
{
    struct auto_end *end = auto_end_of(&channel->link);
    if (!end)
        return -EOPNOTSUPP;
    auto_prefer(end, preference);
    return 0;
}

int ferry_auto_on_move(struct ferry_channel *channel,
    void (*moved)(void *data, const struct ferry_auto_stats *stats), void *data)
{
    struct auto_end *end = auto_end_of(&channel->link);
    if (!end)
        return -EOPNOTSUPP;
    end->on_move = moved;
    end->on_move_data = data;
    return 0;
}
