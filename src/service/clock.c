/* clock.c - the service that tells the local date and time, RFC 3339 with the offset to UTC.
 *
 * On a stream it sends one line and ends: its half of the stream is closed at once, the rest when
 * the client has gone or CLOCK_LINGER_MS later. Where messages have boundaries it answers every
 * message, whatever it says, with the time.
 */
#include "base/cleanup.h"
#include "service/desk.h"
#include "service/limits.h"
#include "service/service.h"

#include <errno.h>
#include <string.h>
#include <time.h>

struct clock {
    struct serving serving;
    bool owing; /* a question was taken whose answer did not fit yet */
};

/* "2024-02-29T23:59:58+01:00" and a line feed into text[size]; returns its length. */
static size_t clock_print(char *text, size_t size)
{
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    size_t length = strftime(text, size, "%Y-%m-%dT%H:%M:%S%z", &local);
    if (length < 5 || length + 2 >= size)
        return 0;
    memmove(text + length - 1, text + length - 2, 3); /* +0100 to +01:00 */
    text[length - 2] = ':';
    text[length + 1] = '\n';
    return length + 2;
}

/* Says the time once. -EAGAIN: the client's side is full. */
static int clock_tell(struct serving *serving)
{
    char text[64];
    struct iovec buffer = { text, clock_print(text, sizeof(text)) };
    struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
    int sent = ferry_channel_try_send(serving->channel, &outgoing, 1);
    return sent < 0 ? sent : 0;
}

static int clock_tell_and_end(struct serving *serving)
{
    int code = clock_tell(serving);
    return code < 0 ? code : ferry_channel_shutdown(serving->channel);
}

/* On a stream all is said at the start: whoever stays, has been told. */
static bool clock_told(const struct serving *serving, const struct ferry_relay_stats *stats)
{
    (void)serving;
    (void)stats;
    return true;
}

/* Takes one question. Returns 0 (also of one that was cut or was none: it does not matter what is
 * asked), -EAGAIN, -EPIPE (the end). */
static int clock_take(struct serving *serving)
{
    struct ferry_message message;
    int code = ferry_channel_try_receive(serving->channel, serving->inbox, &message, 1);
    if (code > 0)
        ferry_message_fini(&message);
    if (code > 0 || code == -EMSGSIZE || code == -EBADMSG)
        return 0;
    return code == -EAGAIN ? code : -EPIPE;
}

/* Takes one question and answers it. While the answer does not fit, nothing more is received: the
 * client's messages wait where they are. */
static int clock_answer(struct serving *serving)
{
    struct clock *clock = CONTAINER_OF(serving, struct clock, serving);
    int code = clock->owing ? 0 : clock_take(serving);
    if (code < 0)
        return code == -EAGAIN ? FERRY_READABLE : code;
    code = clock_tell(serving);
    clock->owing = code == -EAGAIN;
    if (clock->owing)
        return FERRY_WRITABLE;
    return code < 0 ? code : FERRY_READABLE;
}

static const struct desk_handler clock_of_streams = {
    .pair = FERRY_UNIX,
    .size = sizeof(struct clock),
    .total_ms_max = CLOCK_LINGER_MS,
    .begin = clock_tell_and_end,
    .told = clock_told,
};

static const struct desk_handler clock_of_messages = {
    .pair = FERRY_UNIX_SEQ,
    .size = sizeof(struct clock),
    .inbox_size = CLOCK_INBOX_SIZE,
    .work = clock_answer,
};

static int clock_serve(const struct service_call *call, struct serving **ret_serving)
{
    bool messages = ferry_channel_capabilities(call->channel) & FERRY_HAS_BOUNDARIES;
    return desk_serve(call, messages ? &clock_of_messages : &clock_of_streams, ret_serving);
}

const struct service service_clock = {
    .name = "clock",
    .help = "tells the date and time, once on a stream, else to each message",
    .harmless = true,
    .needs = FERRY_CAN_SEND,
    .drains = true,
    .serve = clock_serve,
    .stop = desk_stop,
    .get_stats = desk_get_stats,
    .get_channel = desk_get_channel,
};
