/* echo.c - the service that sends back what it receives: bytes, messages and descriptors.
 *
 * It is a relay from a channel to itself, so backpressure, half-close, time-outs and datagram
 * sessions are the relay's. A serving owns its relay, the relay the channel.
 */
#include "base/cleanup.h"
#include "service/service.h"

#include <errno.h>

struct serving {
    struct ferry_relay *relay;
    ferry_relay_tap tap;
    void *tap_data;
    void (*done)(int code, const char *reason, void *data);
    void *data;
};

static void echo_done(struct ferry_relay *relay, int code, const char *text, void *data)
{
    struct serving *serving = data;
    (void)relay;
    serving->done(code, text, serving->data);
    free(serving);
}

/* What comes goes back: both directions are shown, though the relay has one flow only. */
static void echo_tap(
    struct ferry_relay *relay, bool forth, const struct ferry_message *message, void *data)
{
    const struct serving *serving = data;
    serving->tap(relay, forth, message, serving->tap_data);
    serving->tap(relay, !forth, message, serving->tap_data);
}

static int echo_serve(const struct service_call *call, struct serving **ret_serving)
{
    struct serving *serving = calloc(1, sizeof(*serving));
    if (!serving) {
        ferry_channel_close(call->channel);
        return -ENOMEM;
    }
    serving->tap = call->tap;
    serving->tap_data = call->tap_data;
    serving->done = call->done;
    serving->data = call->data;
    struct ferry_relay_options options = {
        .struct_size = sizeof(options),
        .idle_timeout_ms = call->idle_ms,
        .total_timeout_ms = call->total_ms,
        .done = echo_done,
        .tap = call->tap ? echo_tap : NULL,
        .quota = call->quota,
        .data = serving,
    };
    int code = ferry_relay_start(
        call->loop, call->pool, call->channel, call->channel, &options, &serving->relay);
    if (code < 0) {
        free(serving);
        return code;
    }
    *ret_serving = serving;
    return 0;
}

static void echo_stop(struct serving *serving)
{
    ferry_relay_stop(serving->relay);
    free(serving);
}

/* The relay counts its one flow as forth; the same bytes went back. */
static void echo_get_stats(const struct serving *serving, struct ferry_relay_stats *ret_stats)
{
    ferry_relay_get_stats(serving->relay, ret_stats);
    ret_stats->back = ret_stats->forth;
    ret_stats->back.descriptors = 0; /* passed once, to and fro */
    ret_stats->back.dropped = 0;
}

static struct ferry_channel *echo_get_channel(const struct serving *serving, bool other)
{
    return other ? NULL : ferry_relay_get_channel(serving->relay, false);
}

const struct service service_echo = {
    .name = "echo",
    .help = "sends back whatever it receives",
    .relays = true,
    .harmless = true,
    .needs = FERRY_CAN_SEND | FERRY_CAN_RECEIVE,
    .drains = true,
    .serve = echo_serve,
    .stop = echo_stop,
    .get_stats = echo_get_stats,
    .get_channel = echo_get_channel,
};
