/* clock.c - the service that tells the local date and time, RFC 3339 with the offset to UTC.
 *
 * On a stream it sends one line and ends: its half of the stream is closed at once, the rest when
 * the client has gone or CLOCK_LINGER_MS later. Where messages have boundaries it answers every
 * message, whatever it says, with the time.
 *
 * The clock sits at one end of a socket pair and a relay carries between the other end and the
 * client. So it speaks to an ordinary socket whatever the client came by (a datagram session, for
 * one, has no descriptor of its own to wait for), and slow clients and time-outs are the relay's.
 * A serving owns the relay (which owns the client's channel) and its own end of the pair, `desk`.
 */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "route/limits.h"
#include "service/limits.h"
#include "service/service.h"

#include <errno.h>
#include <string.h>
#include <time.h>

struct serving {
    struct ferry_relay *relay;
    struct ferry_channel *desk;
    struct ferry_source *source;
    struct ferry_inbox *inbox;
    bool lingers; /* on a stream: all is said at the start, a time-out is a good end */
    bool owing;   /* a question was taken whose answer did not fit yet */
    ferry_relay_tap tap;
    void *tap_data;
    void (*done)(int code, const char *reason, void *data);
    void *data;
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

static void clock_free(struct serving *serving)
{
    ferry_source_remove(serving->source);
    ferry_channel_close(serving->desk);
    ferry_inbox_free(serving->inbox);
    free(serving);
}

/* Says the time once. -EAGAIN: the client's side is full. */
static int clock_tell(struct serving *serving)
{
    char text[64];
    struct iovec buffer = { text, clock_print(text, sizeof(text)) };
    struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
    int sent = ferry_channel_try_send(serving->desk, &outgoing, 1);
    return sent < 0 ? sent : 0;
}

/* Takes one question and answers it. While the answer does not fit, nothing more is received: the
 * client's messages wait where they are. */
static void clock_ready(struct ferry_source *source, unsigned events, void *data)
{
    struct serving *serving = data;
    struct ferry_message message;
    (void)events;
    int code = 1;
    if (!serving->owing) {
        code = ferry_channel_try_receive(serving->desk, serving->inbox, &message, 1);
        if (code > 0)
            ferry_message_fini(&message);
        if (code == -EAGAIN)
            return;
    }
    if (code > 0 || code == -EMSGSIZE || code == -EBADMSG)
        code = clock_tell(serving);
    else
        code = -EPIPE; /* the end */
    serving->owing = code == -EAGAIN;
    if (code >= 0 || serving->owing) {
        ferry_source_set_interest(source, serving->owing ? FERRY_WRITABLE : FERRY_READABLE);
    } else {
        /* Who asks nothing more is told nothing more: the relay passes this end on. */
        (void)ferry_channel_shutdown(serving->desk);
        ferry_source_remove(TAKE(serving->source));
    }
}

static void clock_done(struct ferry_relay *relay, int code, const char *text, void *data)
{
    struct serving *serving = data;
    (void)relay;
    if (code == -ETIMEDOUT && serving->lingers)
        code = 0;
    serving->done(code, text, serving->data);
    clock_free(serving);
}

static void clock_tap(
    struct ferry_relay *relay, bool forth, const struct ferry_message *message, void *data)
{
    const struct serving *serving = data;
    serving->tap(relay, forth, message, serving->tap_data);
}

/* The relay's time-outs: a stream is over soon, a datagram's sender never says that it has gone. */
static void clock_limit(const struct service_call *call, bool messages, unsigned capabilities,
    struct ferry_relay_options *options)
{
    options->idle_timeout_ms = call->idle_ms;
    options->total_timeout_ms = call->total_ms;
    if (messages && !(capabilities & FERRY_HAS_END) && !call->idle_ms)
        options->idle_timeout_ms = SESSION_IDLE_MS;
    if (!messages && (!call->total_ms || call->total_ms > CLOCK_LINGER_MS))
        options->total_timeout_ms = CLOCK_LINGER_MS;
}

/* Starts the relay between the client and the far end of the pair; takes both, and closes them on
 * failure too. */
static int clock_connect(
    struct serving *serving, const struct service_call *call, struct ferry_channel *far)
{
    struct ferry_relay_options options = {
        .struct_size = sizeof(options),
        .done = clock_done,
        .tap = call->tap ? clock_tap : NULL,
        .quota = call->quota,
        .data = serving,
    };
    clock_limit(call, !serving->lingers, ferry_channel_capabilities(call->channel), &options);
    return ferry_relay_start(call->loop, call->pool, call->channel, far, &options, &serving->relay);
}

/* What the desk does from the start: say the time at once, or wait for questions. */
static int clock_begin(struct serving *serving, struct ferry_loop *loop)
{
    if (serving->lingers) {
        int code = clock_tell(serving);
        return code < 0 ? code : ferry_channel_shutdown(serving->desk);
    }
    int code = ferry_inbox_new(CLOCK_INBOX_SIZE, 1, &serving->inbox);
    if (code < 0)
        return code;
    int fd = ferry_channel_fd(serving->desk, FERRY_RECEIVE);
    return ferry_loop_watch(loop, fd, FERRY_READABLE, clock_ready, serving, &serving->source);
}

static int clock_serve(const struct service_call *call, struct serving **ret_serving)
{
    struct ferry_channel *far = NULL;
    bool messages = ferry_channel_capabilities(call->channel) & FERRY_HAS_BOUNDARIES;
    struct serving *serving = calloc(1, sizeof(*serving));
    int code = -ENOMEM;
    if (!serving)
        goto fail;
    serving->tap = call->tap;
    serving->tap_data = call->tap_data;
    serving->done = call->done;
    serving->data = call->data;
    serving->lingers = !messages;
    code = ferry_channel_pair(messages ? FERRY_UNIX_SEQ : FERRY_UNIX, &far, &serving->desk);
    if (code < 0)
        goto fail;
    code = clock_begin(serving, call->loop);
    if (code < 0)
        goto fail;
    code = clock_connect(serving, call, far);
    if (code < 0) {
        clock_free(serving);
        return code;
    }
    *ret_serving = serving;
    return 0;

fail:
    ferry_channel_close(far);
    ferry_channel_close(call->channel);
    if (serving)
        clock_free(serving);
    return code;
}

static void clock_stop(struct serving *serving)
{
    ferry_relay_stop(serving->relay);
    clock_free(serving);
}

static void clock_get_stats(const struct serving *serving, struct ferry_relay_stats *ret_stats)
{
    ferry_relay_get_stats(serving->relay, ret_stats);
}

static struct ferry_channel *clock_get_channel(const struct serving *serving, bool other)
{
    return other ? NULL : ferry_relay_get_channel(serving->relay, false);
}

const struct service service_clock = {
    .name = "clock",
    .help = "tells the date and time, once on a stream, else to each message",
    .harmless = true,
    .needs = FERRY_CAN_SEND,
    .drains = true,
    .serve = clock_serve,
    .stop = clock_stop,
    .get_stats = clock_get_stats,
    .get_channel = clock_get_channel,
};
