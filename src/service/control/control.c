/* control.c - the service that `ferry status` and `ferry reload` talk to.
 *
 * It answers one line of JSON with one line of JSON (protocol.h), in order, and receives nothing
 * while an answer has not gone: what is held for a peer is bounded by one request and one reply.
 * Only where the kernel vouches for the peer: whoever can give orders here must be known.
 *
 * A reload may take away the very route that the order came by, and with it this serving, while
 * it is still at work. So stop() only marks a busy serving as gone, and the work, when it is done,
 * sends the answer that is due and frees it.
 */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "route/registry.h"
#include "service/control/protocol.h"
#include "service/control/report.h"
#include "service/limits.h"
#include "service/service.h"

#include <errno.h>
#include <string.h>

struct serving {
    struct registry *registry; /* borrowed */
    struct ferry_channel *channel;
    struct ferry_source *source;
    struct ferry_source *timer; /* NULL without idle= and total= */
    struct ferry_inbox *inbox;
    struct bytes input;  /* received, not answered */
    struct bytes output; /* the reply that has not gone completely */
    bool ended;          /* the peer sends no more */
    bool closing;        /* ends when output has gone */
    bool busy, gone;     /* at work; stopped meanwhile */
    int64_t idle_ms;
    int64_t total_ns; /* the point of total= */
    struct ferry_relay_stats stats;
    void (*done)(int code, const char *reason, void *data);
    void *data;
};

static void control_free(struct serving *serving)
{
    ferry_source_remove(serving->source);
    ferry_source_remove(serving->timer);
    ferry_channel_close(serving->channel);
    ferry_inbox_free(serving->inbox);
    bytes_fini(&serving->input);
    bytes_fini(&serving->output);
    free(serving);
}

static void control_finish(struct serving *serving, int code)
{
    serving->done(code, code ? strerrordesc_np(-code) : "ended", serving->data);
    control_free(serving);
}

static void control_set_deadline(struct serving *serving)
{
    if (!serving->timer)
        return;
    int64_t idle = ferry_deadline(serving->idle_ms ? serving->idle_ms : -1);
    ferry_source_set_deadline(serving->timer, idle < serving->total_ns ? idle : serving->total_ns);
}

static void control_expired(struct ferry_source *source, void *data)
{
    (void)source;
    control_finish(data, -ETIMEDOUT);
}

/* Sends what is left of the reply. */
static int control_flush(struct serving *serving)
{
    while (serving->output.size > 0) {
        struct iovec buffer = { serving->output.data, serving->output.size };
        struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
        int code = ferry_channel_try_send(serving->channel, &outgoing, 1);
        serving->stats.back.bytes += outgoing.sent_size;
        bytes_consume(&serving->output, outgoing.sent_size);
        if (code < 0)
            return code;
    }
    bytes_fini(&serving->output); /* a status can be large, and the next may be long in coming */
    return 0;
}

static void control_reload(struct serving *serving)
{
    struct registry *registry = serving->registry;
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    int code = -EOPNOTSUPP;
    if (registry->reload)
        code = registry->reload(registry, &text, registry->data);
    else
        bytes_append_text(&text, "this ferry runs without a configuration file to read again");
    bytes_append(&text, "", 0);
    if (bytes_failed(&text))
        control_reply_bad(&serving->output, "out of memory");
    else if (code < 0)
        control_reply_bad(&serving->output, text.data);
    else
        control_reply_good(&serving->output, json_pack("{s:s}", "text", text.data));
}

static void control_answer(struct serving *serving, const char *line, size_t size)
{
    enum control_request request;
    AUTO_BYTES struct bytes why = BYTES_EMPTY;
    serving->stats.forth.messages++;
    serving->stats.back.messages++;
    if (control_request_parse(line, size, &request, &why) < 0)
        control_reply_bad(&serving->output, bytes_failed(&why) ? "out of memory" : why.data);
    else if (request == CONTROL_STATUS || request == CONTROL_OPTIONS)
        control_reply_good(
            &serving->output, report_make(serving->registry, request == CONTROL_OPTIONS));
    else
        control_reload(serving);
}

/* Answers the first request that is complete. Returns whether there was one. The last needs no line
 * feed: the end of the stream ends it too. */
static bool control_answer_next(struct serving *serving)
{
    struct bytes *input = &serving->input;
    char *feed = input->size ? memchr(input->data, '\n', input->size) : NULL;
    size_t size = feed ? (size_t)(feed - input->data) : input->size;
    if (size >= CONTROL_REQUEST_SIZE_MAX) {
        control_reply_bad(&serving->output, "the request is longer than 64 KiB");
        serving->closing = true;
        return true;
    }
    if (!feed && (!serving->ended || !size))
        return false;
    if (size > 0)
        control_answer(serving, input->data, size);
    bytes_consume(input, feed ? size + 1 : size);
    return true;
}

static int control_receive(struct serving *serving)
{
    struct ferry_message message;
    int code = ferry_channel_try_receive(serving->channel, serving->inbox, &message, 1);
    if (code == 0)
        serving->ended = true;
    if (code <= 0)
        return code;
    serving->stats.forth.bytes += message.size;
    bytes_append(&serving->input, message.data, message.size);
    ferry_message_fini(&message);
    return bytes_failed(&serving->input) ? -ENOMEM : 0;
}

/* Works until there is nothing to do now (-EAGAIN), all is done (0), or it cannot go on. */
static int control_work(struct serving *serving)
{
    for (unsigned turn = 0; turn < CONTROL_REQUESTS_PER_TURN && !serving->gone; turn++) {
        int code = control_flush(serving);
        if (code < 0)
            return code;
        if (serving->closing)
            return 0;
        if (control_answer_next(serving))
            continue;
        if (serving->ended)
            return 0;
        code = control_receive(serving);
        if (code < 0)
            return code;
    }
    if (!serving->gone) /* what was received already, no descriptor tells of */
        ferry_source_set_pending(serving->source, true);
    return -EAGAIN;
}

static void control_ready(struct ferry_source *source, unsigned events, void *data)
{
    struct serving *serving = data;
    (void)events;
    ferry_source_set_pending(source, false);
    control_set_deadline(serving);
    serving->busy = true;
    int code = control_work(serving);
    serving->busy = false;
    serving->stats.last_ns = clock_now_ns();
    if (serving->gone) {
        (void)control_flush(serving);
        control_free(serving);
        return;
    }
    if (code == -EAGAIN)
        ferry_source_set_interest(source, serving->output.size ? FERRY_WRITABLE : FERRY_READABLE);
    else
        control_finish(serving, error_is_peer_gone(code) ? 0 : code);
}

static int control_start(struct serving *serving, const struct service_call *call)
{
    unsigned capabilities = ferry_channel_capabilities(call->channel);
    if ((service_control.needs & ~capabilities) || (service_control.refuses & capabilities))
        return -EPROTOTYPE;
    int code = ferry_inbox_new(CONTROL_REQUEST_SIZE_MAX, 1, &serving->inbox);
    if (code == 0 && (call->idle_ms || call->total_ms))
        code = ferry_loop_timer(call->loop, FERRY_NEVER, control_expired, serving, &serving->timer);
    if (code < 0)
        return code;
    control_set_deadline(serving);
    return ferry_loop_watch(call->loop, ferry_channel_fd(call->channel, FERRY_RECEIVE),
        FERRY_READABLE, control_ready, serving, &serving->source);
}

static int control_serve(const struct service_call *call, struct serving **ret_serving)
{
    struct serving *serving = calloc(1, sizeof(*serving));
    if (!serving) {
        ferry_channel_close(call->channel);
        return -ENOMEM;
    }
    serving->channel = call->channel;
    serving->registry = call->registry;
    serving->idle_ms = call->idle_ms;
    serving->total_ns = ferry_deadline(call->total_ms ? call->total_ms : -1);
    serving->stats.forth.way = serving->stats.back.way = FERRY_WAY_COPY;
    serving->stats.last_ns = clock_now_ns();
    serving->done = call->done;
    serving->data = call->data;
    int code = control_start(serving, call);
    if (code < 0) {
        control_free(serving);
        return code;
    }
    *ret_serving = serving;
    return 0;
}

static void control_stop(struct serving *serving)
{
    if (serving->busy)
        serving->gone = true;
    else
        control_free(serving);
}

static void control_get_stats(const struct serving *serving, struct ferry_relay_stats *ret_stats)
{
    *ret_stats = serving->stats;
}

static struct ferry_channel *control_get_channel(const struct serving *serving, bool other)
{
    return other ? NULL : serving->channel;
}

const struct service service_control = {
    .name = "control",
    .help = "answers `ferry status` and `ferry reload`; unix stream sockets only",
    .harmless = false,
    .needs = FERRY_CAN_SEND | FERRY_CAN_RECEIVE | FERRY_HAS_IDENTITY,
    .refuses = FERRY_HAS_BOUNDARIES,
    .drains = false,
    .serve = control_serve,
    .stop = control_stop,
    .get_stats = control_get_stats,
    .get_channel = control_get_channel,
};
